# SPDX-License-Identifier: Apache-2.0
"""Nodes and their heartbeats: registration, a Lease each, a status now and then.

Mirrors `pkg/kubelet/kubelet_node_status.go` and `component-helpers/apimachinery/lease`. Renewals
of many nodes are spread evenly over their interval.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyk8s
from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources, rest
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Client, Patch
from pyk8s.client.workqueue import WorkQueue
from pyk8s.componenthelpers import attachments

_log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
# Upstream: renewIntervalFraction, nodeStatusReportFrequency.
_RENEW_FRACTION = 0.25
_REPORT_SECONDS = 300.0
_WORKERS = 16

_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory",
     "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """What the nodes of one process are like. `capacity` is by resource name; nobody serves the
    kubelet's API where `kubelet_port` is 0."""

    count: int = 1
    name_prefix: str = "node-"
    node_ip: str = "127.0.0.1"
    kubelet_port: int = 0
    capacity: Mapping[str, str] = field(
        default_factory=lambda: {
            "cpu": "8",
            "memory": "32Gi",
            "ephemeral-storage": "100Gi",
            "pods": "110",
        }
    )
    lease_duration_seconds: int = 40
    # Whether volumes are simulated as well, for all classes that ask for it.
    simulated_volumes: bool = False

    def names(self) -> list[str]:
        return [f"{self.name_prefix}{number}" for number in range(self.count)]


def node_of(name: str, options: NodeOptions, runtime: str) -> Object:
    """The Node as it registers, its status included."""
    own = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": "simulated",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": own, "annotations": {attachments.MANAGED: "true"}},
        "status": status_of(name, options, runtime),
    }


def status_of(name: str, options: NodeOptions, runtime: str) -> dict[str, Any]:
    capacity = dict(options.capacity)
    now = times.now()
    identity = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "addresses": [
            {"type": "InternalIP", "address": options.node_ip},
            {"type": "Hostname", "address": name},
        ],
        "conditions": [
            {
                "type": type, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }
            for type, status, reason, message in _CONDITIONS
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": options.kubelet_port}},
        "nodeInfo": {
            "machineID": identity.replace("-", ""),
            "systemUUID": identity,
            "bootID": identity,
            "kernelVersion": "simulated",
            "osImage": "simulated",
            "containerRuntimeVersion": runtime,
            "kubeletVersion": pyk8s.GIT_VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }  # fmt: skip


def heartbeat(before: Object, status: Mapping[str, Any]) -> dict[str, Any]:
    """The status to report: conditions that hold as before keep their lastTransitionTime."""
    known = {c["type"]: c for c in (before.get("status") or {}).get("conditions") or ()}
    conditions = []
    for condition in status["conditions"]:
        same = known.get(condition["type"])
        if same is not None and same["status"] == condition["status"]:
            condition = {**condition, "lastTransitionTime": same["lastTransitionTime"]}
        conditions.append(condition)
    return {**status, "conditions": conditions}


class NodeKeeper:
    """Keeps the nodes of this process registered and alive. A node that is deleted stays so,
    as with a kubelet that runs on: its heartbeats end."""

    def __init__(self, client: Client, options: NodeOptions, runtime: str) -> None:
        self._client = client
        self._options = options
        self._runtime = runtime
        self._nodes: dict[str, Object] = {}
        self._gone: set[str] = set()
        self._leases: dict[str, Object] = {}
        self.queue: WorkQueue[tuple[str, str]] = WorkQueue("nodes")

    def __contains__(self, name: object) -> bool:
        return name in self._nodes and name not in self._gone

    def node(self, name: str) -> Object:
        """As last seen, even if it is gone by now. Raises KeyError for one that never was."""
        return self._nodes[name]

    async def fresh_node(self, name: str) -> Object:
        """As the server has it. Raises StatusError and ServerUnreachable."""
        return await self._client.get(resources.NODES, name)

    async def register(self) -> None:
        """Returns once every node is there and Ready. Raises StatusError, ServerUnreachable."""
        names = iter(self._options.names())

        async def work() -> None:
            for name in names:
                await self._register(name)

        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(work())

    async def _register(self, name: str) -> None:
        wanted = node_of(name, self._options, self._runtime)
        try:
            node = await self._client.create(resources.NODES, wanted)
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise
            node = await self._client.get(resources.NODES, name)
            own = {key: wanted["metadata"][key] for key in ("labels", "annotations")}
            await self._client.patch(resources.NODES, ("", name), Patch(content={"metadata": own}))
            node = await self._report(name, node)
        self._nodes[name] = node

    async def run(self) -> None:
        """Heartbeats, until cancelled."""
        names = [*self._nodes]
        renew = self._options.lease_duration_seconds * _RENEW_FRACTION
        for number, name in enumerate(names):
            part = number / len(names)
            # The first Lease is made at once, as the node lifecycle looks for it.
            self.queue.add_after(("lease", name), part * min(renew, len(names) * 0.01))
            self.queue.add_after(("status", name), _REPORT_SECONDS * (1 + part) / 2)
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        renew = self._options.lease_duration_seconds * _RENEW_FRACTION
        while True:
            key = await self.queue.get()
            kind, name = key
            try:
                if kind == "lease":
                    await self._renew(name)
                    self.queue.add_after(key, renew)
                else:
                    self._nodes[name] = await self._report(name, self._nodes[name])
                    self.queue.add_after(key, _REPORT_SECONDS)
                self.queue.forget(key)
            except (errors.StatusError, rest.ServerUnreachable) as error:
                self._failed(key, error)
            finally:
                self.queue.done(key)

    def _failed(self, key: tuple[str, str], error: Exception) -> None:
        kind, name = key
        if kind == "status" and isinstance(error, errors.StatusError) and error.code == 404:
            _log.warning("node is gone: name=%s", name)
            self._gone.add(name)
            return
        self._leases.pop(name, None)
        _log.warning("heartbeat failed: kind=%s node=%s error=%s", kind, name, error)
        if name in self:
            self.queue.add_rate_limited(key)

    async def _report(self, name: str, before: Object) -> Object:
        status = heartbeat(before, status_of(name, self._options, self._runtime))
        patch = Patch(content={"status": status}, type=STRATEGIC_MERGE_PATCH)
        return await self._client.patch(resources.NODES, ("", name), patch, "status")

    async def _renew(self, name: str) -> None:
        now = times.now_micro()
        lease = self._leases.get(name)
        if lease is None:
            lease = await self._take_lease(name, now)
        else:
            renewed = {**lease, "spec": {**lease["spec"], "renewTime": now}}
            lease = await self._client.update(resources.LEASES, renewed)
        self._leases[name] = lease

    async def _take_lease(self, name: str, now: str) -> Object:
        node = self._nodes[name]
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": meta.uid(node)}
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": self._options.lease_duration_seconds,
            "renewTime": now,
        }
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
            "spec": spec,
        }
        try:
            return await self._client.create(resources.LEASES, lease)
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise
        found = await self._client.get(resources.LEASES, name, LEASE_NAMESPACE)
        metadata = {**found["metadata"], "ownerReferences": [owner]}
        return await self._client.update(
            resources.LEASES, {**found, "metadata": metadata, "spec": spec}
        )

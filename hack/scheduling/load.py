# SPDX-License-Identifier: Apache-2.0
"""Nodes and pods that come, change and go, by a seed."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources
from pyk8s.client.client import Client, DeleteOptions, Patch

NAMESPACE = "default"
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
_ZONES = 3
_TAINT = [{"key": "churn", "value": "yes", "effect": "NoSchedule"}]
_AT_ONCE = DeleteOptions(grace_period_seconds=0)


def node(name: str, zone: str, cpu: int = 4) -> Object:
    amounts = {"cpu": str(cpu), "memory": "8Gi", "pods": "12"}
    return {
        "metadata": {"name": name, "labels": {HOSTNAME: name, ZONE: zone}},
        "spec": {},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _selects(app: str) -> Object:
    return {"labelSelector": {"matchLabels": {"app": app}}}


def _apart(app: str, key: str) -> Object:
    term = {"topologyKey": key, **_selects(app)}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return {"affinity": {"podAntiAffinity": required}}


def _spread(app: str) -> Object:
    constraint = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    return {"topologySpreadConstraints": [{**constraint, **_selects(app)}]}


class Load:
    """The names are new each time, so that no two nodes or pods are taken for one."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self.chance = random.Random(seed)
        self._number = 0
        self.nodes: list[str] = []
        self.pods: list[str] = []

    async def begin(self, nodes: int) -> None:
        account = {"metadata": {"name": "default"}}
        try:
            await self._client.create(resources.SERVICE_ACCOUNTS, account, NAMESPACE)
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise
        for _ in range(nodes):
            await self.add_node()

    async def step(self) -> None:
        """One change."""
        steps = (
            (self.add_pod, 55),
            (self.delete_pod, 28),
            (self.change_node, 10),
            (self.add_node, 4),
            (self.delete_node, 3),
        )
        (chosen,) = self.chance.choices([each for each, _ in steps], [n for _, n in steps])
        await chosen()

    def _name(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-{self._number}"

    async def add_node(self, zone: str = "", cpu: int = 0) -> None:
        name = self._name("node")
        zone = zone or f"zone-{self.chance.randrange(_ZONES)}"
        cpu = cpu or self.chance.randrange(2, 7)
        created = await self._client.create(resources.NODES, node(name, zone, cpu))
        if created["spec"].get("taints"):
            # A new node is tainted until somebody says that it is ready; nobody does here.
            await self._patch_node(name, {"spec": {"taints": None}})
        self.nodes.append(name)

    async def delete_node(self) -> None:
        """With the pods on it, as the garbage collector would."""
        if len(self.nodes) < 4:
            return
        name = self.nodes.pop(self.chance.randrange(len(self.nodes)))
        await self._client.delete(resources.NODES, name)

    async def change_node(self) -> None:
        name = self.chance.choice(self.nodes)
        cpu = str(self.chance.randrange(2, 7))
        change = self.chance.choice(
            (
                {"spec": {"taints": _TAINT}},
                {"spec": {"taints": None}},
                {"spec": {"unschedulable": None}},
                {"status": {"allocatable": {"cpu": cpu}, "capacity": {"cpu": cpu}}},
            )
        )
        await self._patch_node(name, change, "status" if "status" in change else "")

    async def _patch_node(self, name: str, content: Object, subresource: str = "") -> None:
        patch = Patch(content=content)
        await self._client.patch(resources.NODES, ("", name), patch, subresource)

    async def add_pod(self) -> None:
        name, chance = self._name("pod"), self.chance
        app = f"app-{chance.randrange(3)}"
        requests = {"cpu": f"{chance.randrange(1, 12) * 100}m", "memory": "64Mi"}
        container: dict[str, Any] = {"name": "c", "image": "i", "resources": {"requests": requests}}
        spec: Object = {}
        kind = chance.randrange(10)
        if kind == 0:
            port = 8000 + chance.randrange(3)
            container["ports"] = [{"containerPort": port, "hostPort": port}]
        elif kind == 1:
            app = "apart-host"
            spec = _apart(app, HOSTNAME)
        elif kind == 2:
            app = "apart-zone"
            spec = _apart(app, ZONE)
        elif kind in (3, 4):
            app = "spread"
            spec = _spread(app)
        elif kind == 5:
            spec = {"tolerations": [{"key": "churn", "operator": "Exists"}]}
        pod = {
            "metadata": {"name": name, "labels": {"app": app}},
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
                **spec,
            },
        }
        await self._client.create(resources.PODS, pod, NAMESPACE)
        self.pods.append(name)

    async def delete_pod(self) -> None:
        if not self.pods:
            return
        name = self.pods.pop(self.chance.randrange(len(self.pods)))
        await self._client.delete(resources.PODS, name, NAMESPACE, _AT_ONCE)

    async def make_room(self) -> None:
        """So much that every pod that waits has a place, whatever it wants."""
        for number in range(len(self.pods)):
            await self.add_node(zone=f"new-{number}", cpu=8)

    async def end(self) -> None:
        async with asyncio.TaskGroup() as group:
            for resource in (resources.PODS, resources.NODES):
                namespace = NAMESPACE if resource is resources.PODS else ""
                group.create_task(self._client.delete_collection(resource, namespace, _AT_ONCE))

# SPDX-License-Identifier: Apache-2.0
"""Nodes as a kubelet would make them, and what it says of them; nothing runs there."""

from __future__ import annotations

import itertools
from typing import Any

import objects
from world import World

from pyk8s.apimachinery import times
from pyk8s.client import resources
from pyk8s.client.client import Patch

Object = dict[str, Any]

_heartbeats = itertools.count(1)

LEASES = "kube-node-lease"


def condition(type: str, status: str, heartbeat: str = "2026-01-01T00:00:00Z") -> Object:
    return {
        "type": type,
        "status": status,
        "reason": "Kubelet",
        "message": "as the kubelet says",
        "lastHeartbeatTime": heartbeat,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


async def add_node(world: World, name: str, ready: str = "True", **labels: str) -> Object:
    """A node whose kubelet has said this of itself; it says nothing for an empty status. It has the
    taint that each node is created with where controllers run."""
    named = {key.replace("__", "/").replace("_", "."): text for key, text in labels.items()}
    node = {"metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", **named}}}
    node["spec"] = {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}
    made = await world.client.create(resources.NODES, node)
    return await say(world, name, Ready=ready) if ready else made


async def say(world: World, name: str, **statuses: str) -> Object:
    """The kubelet posts these conditions, with a heartbeat that nobody has seen before."""
    minute, second = divmod(next(_heartbeats), 60)
    now = f"2026-01-01T00:{minute:02}:{second:02}Z"
    said = [condition(type, status, now) for type, status in statuses.items()]
    patch = Patch(content={"status": {"conditions": said}})
    return await world.client.patch(resources.NODES, ("", name), patch, "status")


async def renew(world: World, name: str, at: str) -> None:
    """The kubelet renews its Lease."""
    spec = {"holderIdentity": name, "renewTime": at}
    lease = {"metadata": {"name": name, "namespace": LEASES}, "spec": spec}
    await world.client.create(resources.LEASES, lease)


async def run_pod(world: World, name: str, node: str, **spec: Any) -> Object:
    """A pod that runs on the node and is ready."""
    pod = objects.pod(name)
    pod["spec"].update({"nodeName": node, "terminationGracePeriodSeconds": 0, **spec})
    await world.create(resources.PODS, pod)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": times.now()}
    return await world.patch(
        resources.PODS, name, {"status": {"phase": "Running", "conditions": [ready]}}, "status"
    )


async def taints_of(world: World, name: str) -> list[tuple[str, str]]:
    node = await world.client.get(resources.NODES, name)
    found = node["spec"].get("taints") or ()
    prefix = "node.kubernetes.io/"
    return sorted((t["key"].removeprefix(prefix), t["effect"]) for t in found)

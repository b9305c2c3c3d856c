# SPDX-License-Identifier: Apache-2.0
"""Pods that are bound to a node of the cluster, and waiting for what becomes of them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cluster import ControlPlane, eventually
from world import World

from pyk8s.client import kubeconfig, resources, rest
from pyk8s.client.client import Client

Object = dict[str, Any]

_namespaces = itertools.count(1)


@pytest.fixture
async def world(cluster: ControlPlane) -> AsyncIterator[World]:
    """A namespace of its own."""
    connection = rest.RESTClient(kubeconfig.load(str(cluster.kubeconfig)), qps=0)
    client = Client(connection)
    name = f"node-{next(_namespaces)}"
    await client.create(resources.NAMESPACES, {"metadata": {"name": name}})
    found = World(client, name)
    await eventually(
        lambda: found.find(resources.SERVICE_ACCOUNTS, "default"), "pods can be made there"
    )
    yield found
    await connection.close()


def pod(name: str, *command: str, policy: str = "Always", **spec: Any) -> Object:
    container = {"name": "c", "image": "nginx", "command": list(command)}
    own = {"nodeName": "node-0", "restartPolicy": policy, "containers": [container], **spec}
    return {"metadata": {"name": name}, "spec": own}


async def until(world: World, name: str, phase: str) -> Object:
    async def seen() -> Object | None:
        found = await world.find(resources.PODS, name)
        return found if found and found["status"]["phase"] == phase else None

    return await eventually(seen, f"{name} is {phase}")


async def until_holds(
    world: World, name: str, holds: Callable[[Object], bool], what: str
) -> Object:
    async def seen() -> Object | None:
        found = await world.find(resources.PODS, name)
        return found if found and found["status"].get("startTime") and holds(found) else None

    return await eventually(seen, f"{name} {what}")


def waiting(found: Object) -> str:
    """The reason of the one container."""
    (status,) = found["status"].get("containerStatuses") or [{}]
    reason: str = status.get("state", {}).get("waiting", {}).get("reason", "")
    return reason


async def until_told(world: World, name: str, *reasons: str) -> list[Object]:
    """The events of the kubelet on this pod, once all these reasons are there."""

    async def told() -> list[Object] | None:
        found = [
            event
            for event in await world.list(resources.EVENTS)
            if event["involvedObject"]["name"] == name and event["source"]["component"] == "kubelet"
        ]
        return found if set(reasons) <= {event["reason"] for event in found} else None

    found: list[Object] = await eventually(told, f"{reasons} are told of {name}")
    return found


def conditions(found: Object) -> dict[str, tuple[str, str | None]]:
    return {c["type"]: (c["status"], c.get("reason")) for c in found["status"]["conditions"]}

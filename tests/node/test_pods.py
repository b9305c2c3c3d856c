# SPDX-License-Identifier: Apache-2.0
"""Pods bound to a simulated node of a running cluster."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
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
    yield World(client, name)
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


def conditions(found: Object) -> dict[str, tuple[str, str | None]]:
    return {c["type"]: (c["status"], c.get("reason")) for c in found["status"]["conditions"]}


async def test_runs_and_goes(world: World) -> None:
    """A bound pod becomes Running and Ready with an IP of its own, and goes when deleted."""
    await world.create(resources.PODS, pod("web", "/pause"))
    await world.create(resources.PODS, pod("other", "/pause"))
    web, other = [await until(world, name, "Running") for name in ("web", "other")]
    assert web["status"]["podIP"] != other["status"]["podIP"]
    assert conditions(web)["Ready"] == ("True", None)
    (status,) = web["status"]["containerStatuses"]
    assert (status["ready"], status["started"], status["restartCount"]) == (True, True, 0)
    await world.delete(resources.PODS, "web")
    await world.until_gone(resources.PODS, "web")
    assert await world.names(resources.PODS) == ["other"]


@pytest.mark.parametrize(
    ("code", "phase", "reason"),
    [
        pytest.param(0, "Succeeded", "PodCompleted", id="well"),
        pytest.param(3, "Failed", "PodFailed", id="badly"),
    ],
)
async def test_ends(world: World, code: int, phase: str, reason: str) -> None:
    """A pod that is not restarted ends as its containers did."""
    await world.create(resources.PODS, pod("job", "sh", "-c", f"exit {code}", policy="Never"))
    found = await until(world, "job", phase)
    assert found["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert conditions(found)["Ready"] == ("False", reason)


async def test_init_containers(world: World) -> None:
    """Main containers wait for the init containers, and nothing of the wait stays behind."""
    init = {"name": "i", "image": "busybox", "command": ["sleep", "1"]}
    await world.create(resources.PODS, pod("web", "/pause", initContainers=[init]))
    found = await until(world, "web", "Running")
    assert found["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert conditions(found)["Initialized"] == ("True", None)
    assert conditions(found)["Ready"] == ("True", None)


async def test_crash_loop(world: World) -> None:
    """A container that fails again waits for its back-off."""
    await world.create(resources.PODS, pod("bad", "false"))

    async def waits() -> bool:
        found = await world.find(resources.PODS, "bad")
        (status,) = (found or {}).get("status", {}).get("containerStatuses") or [{}]
        waiting = status.get("state", {}).get("waiting", {})
        return waiting.get("reason") == "CrashLoopBackOff" and status["restartCount"] == 1

    await eventually(waits, "the container waits")


async def test_deadline(world: World) -> None:
    """A pod that is active for too long fails."""
    await world.create(resources.PODS, pod("late", "/pause", activeDeadlineSeconds=1))
    assert (await until(world, "late", "Failed"))["status"]["reason"] == "DeadlineExceeded"


async def test_nodes(world: World) -> None:
    """A node is Ready, says that it is simulated, and has a Lease that it owns."""
    node = await world.client.get(resources.NODES, "node-0")
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("simulated://")
    ready = [c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True"]
    lease = await world.client.get(resources.LEASES, "node-0", "kube-node-lease")
    assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]
    assert lease["spec"]["leaseDurationSeconds"] == 40

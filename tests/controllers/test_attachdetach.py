# SPDX-License-Identifier: Apache-2.0
"""Volumes are attached to the nodes whose pods need them, and detached when nothing does."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import objects
import pytest
import storage
from cluster import eventually
from nodes_of import add_node, say
from running import Clock, running
from world import World

from pyk8s.client import resources
from pyk8s.client.client import Patch
from pyk8s.componenthelpers import attachments
from pyk8s.controllers.attachdetach import decisions
from pyk8s.controllers.attachdetach.controller import AttachDetachController

Object = dict[str, Any]
DRIVER = "csi.example.com"
_names = itertools.count(1)


def unique(name: str) -> str:
    return f"kubernetes.io/csi/{DRIVER}^{name}"


async def node(world: World, name: str) -> None:
    await add_node(world, name)
    content = {"metadata": {"annotations": {attachments.MANAGED: "true"}}}
    await world.client.patch(resources.NODES, ("", name), Patch(content=content))


async def bound(world: World, *modes: str, driver: str = DRIVER) -> str:
    """A claim and its volume, bound; the name of both."""
    name = f"v{next(_names)}"
    asked = {"accessModes": list(modes) or ["ReadWriteOnce"]}
    claim = await world.create(
        resources.PERSISTENT_VOLUME_CLAIMS, storage.claim(name, volumeName=name, **asked)
    )
    await world.patch(
        resources.PERSISTENT_VOLUME_CLAIMS, name, {"status": {"phase": "Bound"}}, "status"
    )
    reference = {"namespace": world.namespace, "name": name, "uid": claim["metadata"]["uid"]}
    csi = {"driver": driver, "volumeHandle": name}
    volume = storage.volume(name, claimRef=reference, csi=csi, **asked)
    del volume["spec"]["hostPath"]
    await world.client.create(resources.PERSISTENT_VOLUMES, volume)
    return name


async def use(world: World, pod_name: str, node_name: str, volume: str) -> None:
    pod = objects.pod(pod_name)
    source = {"persistentVolumeClaim": {"claimName": volume}}
    pod["spec"].update(
        nodeName=node_name,
        terminationGracePeriodSeconds=0,
        volumes=[{"name": "data", **source}],
    )
    await world.create(resources.PODS, pod)


async def attached_to(world: World, volume: str) -> list[str]:
    found = (await world.client.list(resources.VOLUME_ATTACHMENTS))["items"]
    return sorted(
        attachments.node_of(each) for each in found if attachments.volume_name(each) == volume
    )


async def until_on(world: World, volume: str, *nodes: str) -> None:
    async def is_there() -> bool:
        return await attached_to(world, volume) == sorted(nodes)

    await eventually(is_there, f"{volume} is attached to {nodes}")


async def driver_says(world: World, volume: str, node_name: str, **status: Any) -> None:
    """What its external attacher reports."""
    found = await world.client.get(resources.PERSISTENT_VOLUMES, volume)
    name = attachments.attachment_name(found, node_name)
    patch = Patch(content={"status": {"attached": False, **status}})
    await world.client.patch(resources.VOLUME_ATTACHMENTS, ("", name), patch, "status")


async def kubelet_uses(world: World, node_name: str, *volumes: str) -> None:
    patch = Patch(content={"status": {"volumesInUse": [unique(v) for v in volumes] or None}})
    await world.client.patch(resources.NODES, ("", node_name), patch, "status")


async def until_reported(world: World, node_name: str, *volumes: str) -> None:
    async def is_so() -> bool:
        found = await world.client.get(resources.NODES, node_name)
        listed = found["status"].get("volumesAttached") or ()
        return [each["name"] for each in listed] == [unique(v) for v in volumes]

    await eventually(is_so, f"{node_name} has {volumes}")


async def until_told(world: World, pod: str, reason: str) -> str:
    async def told() -> list[str]:
        events = await world.list(resources.EVENTS)
        return [
            event["message"]
            for event in events
            if (event["involvedObject"]["name"], event["reason"]) == (pod, reason)
        ]

    found: list[str] = await eventually(told, f"{reason} is told of {pod}")
    return found[-1]


@pytest.fixture
async def attaching(quiet: World) -> AsyncIterator[tuple[World, Clock]]:
    """The controller at work, beside nodes a and b."""
    clock = Clock()
    for name in ("a", "b"):
        await node(quiet, name)
    async with running(quiet.client, lambda c: AttachDetachController(c, clock)):
        yield quiet, clock
    await quiet.client.delete_collection(resources.VOLUME_ATTACHMENTS, "")


async def test_attach_and_detach(attaching: tuple[World, Clock]) -> None:
    """From the pod to the Node's volumesAttached; and back once the kubelet is done with it."""
    world, _ = attaching
    volume = await bound(world)
    await use(world, "p", "a", volume)
    await until_on(world, volume, "a")
    await until_reported(world, "a")
    await driver_says(world, volume, "a", attached=True)
    await until_reported(world, "a", volume)
    message = await until_told(world, "p", "SuccessfulAttachVolume")
    assert message == f'AttachVolume.Attach succeeded for volume "{volume}" '
    await kubelet_uses(world, "a", volume)
    await world.delete(resources.PODS, "p")
    await until_reported(world, "a")
    assert await attached_to(world, volume) == ["a"], "its kubelet still uses it"
    await kubelet_uses(world, "a")
    await until_on(world, volume)


async def test_volume_that_is_gone(attaching: tuple[World, Clock]) -> None:
    """What was attached of it goes after it, though its node tells nothing new."""
    world, _ = attaching
    volume = await bound(world)
    await use(world, "p", "a", volume)
    await until_on(world, volume, "a")
    await driver_says(world, volume, "a", attached=True)
    await until_reported(world, "a", volume)
    await kubelet_uses(world, "a", volume)
    await world.delete(resources.PODS, "p")
    await until_reported(world, "a")
    await world.client.delete(resources.PERSISTENT_VOLUMES, volume)
    await until_on(world, volume)


async def test_failure_is_told(attaching: tuple[World, Clock]) -> None:
    """What the driver says went wrong is told of the pod."""
    world, _ = attaching
    volume = await bound(world)
    await use(world, "p", "a", volume)
    await until_on(world, volume, "a")
    error = {"time": "2026-01-01T00:00:00Z", "message": "no such disk"}
    await driver_says(world, volume, "a", attachError=error)
    message = await until_told(world, "p", "FailedAttachVolume")
    assert message == f'AttachVolume.Attach failed for volume "{volume}" : no such disk'
    await until_reported(world, "a")


async def test_multi_attach(attaching: tuple[World, Clock]) -> None:
    """An exclusive volume is on one node at a time; the other one has it when it is free."""
    world, _ = attaching
    volume = await bound(world)
    await use(world, "first", "a", volume)
    await until_on(world, volume, "a")
    await use(world, "second", "b", volume)
    message = await until_told(world, "second", "FailedAttachVolume")
    expected = f'Multi-Attach error for volume "{volume}" Volume is already used by pod(s) first'
    assert message == expected
    assert await attached_to(world, volume) == ["a"]
    await world.delete(resources.PODS, "first")
    await until_on(world, volume, "b")


async def test_shared(attaching: tuple[World, Clock]) -> None:
    """A volume for many is on all the nodes that need it."""
    world, _ = attaching
    volume = await bound(world, "ReadWriteMany")
    for name in ("a", "b"):
        await use(world, f"on-{name}", name, volume)
    await until_on(world, volume, "a", "b")


async def test_not_required(attaching: tuple[World, Clock]) -> None:
    """Where the driver says that its volumes are not attached, nothing is."""
    world, _ = attaching
    easy = {"metadata": {"name": "easy.example.com"}, "spec": {"attachRequired": False}}
    await world.client.create(resources.CSI_DRIVERS, easy)
    idle, needed = await bound(world, driver="easy.example.com"), await bound(world)
    await use(world, "idle", "a", idle)
    await use(world, "busy", "a", needed)
    await until_on(world, needed, "a")
    assert await attached_to(world, idle) == []
    await world.client.delete(resources.CSI_DRIVERS, "easy.example.com")
    await until_on(world, idle, "a")


async def test_forced(attaching: tuple[World, Clock]) -> None:
    """From a node that is not well, after six minutes."""
    world, clock = attaching
    volume = await bound(world)
    await use(world, "p", "a", volume)
    await until_on(world, volume, "a")
    await driver_says(world, volume, "a", attached=True)
    await until_reported(world, "a", volume)
    await kubelet_uses(world, "a", volume)
    await world.delete(resources.PODS, "p")
    await until_reported(world, "a")
    clock.seconds += 361
    await say(world, "a", Ready="True")
    await kubelet_uses(world, "a", volume, "other")
    assert await attached_to(world, volume) == ["a"], "a healthy node is waited for"
    await say(world, "a", Ready="Unknown")
    await until_on(world, volume)


async def test_out_of_service(attaching: tuple[World, Clock]) -> None:
    """From a node that is out of service, at once."""
    world, _ = attaching
    volume = await bound(world)
    await use(world, "p", "a", volume)
    await until_on(world, volume, "a")
    await kubelet_uses(world, "a", volume)
    await world.delete(resources.PODS, "p")
    taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown",
             "effect": "NoExecute"}  # fmt: skip
    await world.client.patch(
        resources.NODES, ("", "a"), Patch(content={"spec": {"taints": [taint]}})
    )
    await until_on(world, volume)


# --- pure rules


def _pod(name: str, namespace: str = "n") -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}"}}


@pytest.mark.parametrize(
    ("users", "why"),
    [
        pytest.param(
            [], "Volume is already exclusively attached to one node and can't be attached to "
                "another",
            id="nobody known",
        ),
        pytest.param(
            [_pod("a"), _pod("b")], "Volume is already used by pod(s) a, b", id="of the namespace"
        ),
        pytest.param(
            [_pod("a", "other")], "Volume is already used by 1 pod(s) in different namespaces",
            id="of another",
        ),
        pytest.param(
            [_pod("a"), _pod("b", "other")],
            "Volume is already used by pod(s) a and 1 pod(s) in different namespaces", id="both",
        ),
    ],
)  # fmt: skip
def test_multi_attach_message(users: list[Object], why: str) -> None:
    """It names whom the reader may know of."""
    message = decisions.multi_attach_message(storage.volume("v"), _pod("p"), users)
    assert message == f'Multi-Attach error for volume "v" {why}'


@pytest.mark.parametrize(
    ("modes", "exclusive"),
    [
        pytest.param([], False, id="not said"),
        pytest.param(["ReadWriteOnce"], True, id="once"),
        pytest.param(["ReadWriteOncePod"], True, id="one pod"),
        pytest.param(["ReadWriteOnce", "ReadOnlyMany"], False, id="or many"),
    ],
)
def test_is_exclusive(modes: list[str], exclusive: bool) -> None:
    """As upstream's isMultiAttachForbidden."""
    assert attachments.is_exclusive(storage.volume("v", accessModes=modes)) is exclusive


@pytest.mark.parametrize(
    ("metadata", "status", "terminated"),
    [
        pytest.param({}, {"phase": "Running"}, False, id="runs"),
        pytest.param({}, {"phase": "Failed"}, True, id="has failed"),
        pytest.param({"deletionTimestamp": "t"}, {}, True, id="never began"),
        pytest.param(
            {"deletionTimestamp": "t"}, {"containerStatuses": [{"state": {"running": {}}}]}, False,
            id="on its way out",
        ),
        pytest.param(
            {"deletionTimestamp": "t"},
            {"containerStatuses": [{"state": {"terminated": {}}}, {"state": {"waiting": {}}}]},
            True, id="has ended",
        ),
    ],
)  # fmt: skip
def test_is_terminated(metadata: Object, status: Object, terminated: bool) -> None:
    """As upstream's IsPodTerminated."""
    assert attachments.is_terminated({"metadata": metadata, "status": status}) is terminated

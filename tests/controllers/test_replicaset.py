# SPDX-License-Identifier: Apache-2.0
"""As many Pods as are asked for, whoever else meddles with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import objects
import pytest
from cluster import eventually
from nodes import Kubelet, running
from world import World

from pyk8s.apimachinery import errors, meta
from pyk8s.client import resources
from pyk8s.controllers import pods
from pyk8s.controllers.batches import slow_start
from pyk8s.controllers.expectations import Expectations

Object = dict[str, Any]


@pytest.fixture
async def kubelet(world: World) -> AsyncIterator[Kubelet]:
    async with running(world.client, world.namespace) as kubelet:
        yield kubelet


def replica_set(name: str, replicas: int, **spec: Any) -> Object:
    made = objects.deployment(name, replicas)
    made["kind"] = "ReplicaSet"
    made["spec"].update(spec)
    return made


async def until_status(world: World, name: str, **wanted: int) -> Object:
    async def is_so() -> Object | None:
        found = await world.find(resources.REPLICA_SETS, name)
        status = found["status"]
        return found if all(status.get(k, 0) == v for k, v in wanted.items()) else None

    return await eventually(is_so, f"{name} has {wanted}")


async def test_makes_and_removes(world: World, kubelet: Kubelet) -> None:
    """Up, down, to nothing; the status counts and its generation follows."""
    await world.create(resources.REPLICA_SETS, replica_set("a", 5))
    found = await until_status(world, "a", replicas=5, readyReplicas=5, availableReplicas=5)
    assert found["status"]["fullyLabeledReplicas"] == 5
    for pod in await world.list(resources.PODS):
        assert meta.is_controlled_by(pod, found)
        assert meta.name(pod).startswith("a-")
    for size in (2, 0):
        await world.patch(resources.REPLICA_SETS, "a", {"spec": {"replicas": size}}, "scale")
        found = await until_status(world, "a", replicas=size, availableReplicas=size)
        assert len(await world.list(resources.PODS)) == size
    assert found["status"]["observedGeneration"] == meta.generation(found) == 3


async def test_lost_pod_is_replaced(world: World, kubelet: Kubelet) -> None:
    """Deleted, failed, or with other labels: there are as many as before."""
    await world.create(resources.REPLICA_SETS, replica_set("a", 3))
    await until_status(world, "a", readyReplicas=3)
    first, second, third = await world.names(resources.PODS)
    await world.delete(resources.PODS, first)
    await world.patch(resources.PODS, second, {"status": {"phase": "Failed"}}, "status")
    await world.patch(resources.PODS, third, {"metadata": {"labels": {"app": "other"}}})

    async def released() -> bool:
        return meta.controller_of(await world.find(resources.PODS, third)) is None

    await eventually(released, "the pod with other labels is let go")

    async def three_new() -> bool:
        names = set(await world.names(resources.PODS, "app=a"))
        return len(names - {first, second, third}) == 3

    await eventually(three_new, "three new pods")


async def test_adopts_and_orphans(world: World, kubelet: Kubelet) -> None:
    """A pod that was there before counts; one too many goes; orphaned ones stay."""
    await world.create(resources.PODS, objects.pod("before", {"app": "a"}))
    made = await world.create(resources.REPLICA_SETS, replica_set("a", 2))
    await until_status(world, "a", replicas=2)
    assert meta.is_controlled_by(await world.find(resources.PODS, "before"), made)
    await world.create(resources.PODS, objects.pod("surplus", {"app": "a"}))

    async def two() -> bool:
        return len(await world.names(resources.PODS)) == 2

    await eventually(two, "one of three has gone")
    await world.delete(resources.REPLICA_SETS, "a", "Orphan")
    await world.until_gone(resources.REPLICA_SETS, "a")
    assert [meta.controller_of(pod) for pod in await world.list(resources.PODS)] == [None, None]


async def test_min_ready_seconds(world: World, kubelet: Kubelet) -> None:
    """Ready is not available before its time."""
    await world.create(resources.REPLICA_SETS, replica_set("a", 1, minReadySeconds=2))
    found = await until_status(world, "a", readyReplicas=1)
    assert "availableReplicas" not in found["status"]
    await until_status(world, "a", availableReplicas=1)


async def test_replication_controller(world: World, kubelet: Kubelet) -> None:
    """The same under its older name."""
    made = replica_set("a", 2)
    made.update(apiVersion="v1", kind="ReplicationController")
    made["spec"]["selector"] = {"app": "a"}
    await world.create(resources.REPLICATION_CONTROLLERS, made)

    async def ready() -> bool:
        found = await world.find(resources.REPLICATION_CONTROLLERS, "a")
        return found["status"].get("readyReplicas") == 2

    await eventually(ready, "two are ready")
    await world.delete(resources.REPLICATION_CONTROLLERS, "a", "Background")
    await world.until_names(resources.PODS)


# --- its parts


def pod(name: str, **more: Any) -> Object:
    made = {"metadata": {"name": name, "uid": name}, "spec": {}, "status": {"phase": "Running"}}
    ready = more.pop("ready", "2026-01-01T00:00:00Z")
    if ready:
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": ready}
        made["status"]["conditions"] = [condition]
    made["spec"]["nodeName"] = more.pop("node", "n")
    made["status"].update(more.pop("status", {}))
    made["metadata"].update(more)
    return made


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        pytest.param({"node": ""}, {"ready": ""}, id="unscheduled before scheduled"),
        pytest.param({"status": {"phase": "Pending"}}, {"ready": ""}, id="pending before running"),
        pytest.param({"ready": ""}, {}, id="not ready before ready"),
        pytest.param(
            {"annotations": {pods.DELETION_COST: "-5"}},
            {"annotations": {pods.DELETION_COST: "x"}},
            id="cheap before dear",
        ),
        pytest.param({"node": "full"}, {"node": "empty"}, id="from the fuller node"),
        pytest.param(
            {"status": {"containerStatuses": [{"restartCount": 3}]}}, {}, id="restarted more often"
        ),
        pytest.param(
            {"creationTimestamp": "2025-01-01T00:00:00Z"},
            {"creationTimestamp": "2000-01-01T00:00:00Z"},
            id="younger by magnitude",
        ),
    ],
)
def test_who_goes_first(goes: Object, stays: Object) -> None:
    """The one that costs less, in either order."""
    first, second = pod("b", **goes), pod("a", **stays)
    related = [first, second, pod("c", node="full"), pod("d", node="full")]
    for both in ([first, second], [second, first]):
        assert pods.first_to_go(both, related, 1) == [first]


async def test_slow_start() -> None:
    """1, 2, 4, 8 at once; what fails once is not tried by the hundred."""
    at_once: list[int] = []
    under_way = 0

    async def act() -> None:
        nonlocal under_way
        under_way += 1
        if under_way > len(at_once):
            at_once.append(0)
        await asyncio.sleep(0)
        under_way -= 1
        if len(tried) == 6:
            raise errors.bad_request("no")
        tried.append(1)

    tried: list[int] = []
    count, failure = await slow_start(500, act)
    assert count == 7
    assert len(tried) == 6
    assert isinstance(failure, errors.StatusError)


def test_expectations() -> None:
    """Fulfilled by what is seen, a deletion once, or by age."""
    now = 0.0
    expected: Expectations[str] = Expectations(lambda: now)
    assert expected.are_fulfilled("a", "1")
    expected.expect("a", "1", creations=2)
    expected.creation_observed("a")
    assert not expected.are_fulfilled("a", "1")
    expected.creation_observed("a")
    assert expected.are_fulfilled("a", "1")
    expected.expect("a", "1", deletions=["u", "v"])
    for uid in ("u", "u", "w"):
        expected.deletion_observed("a", uid)
    assert not expected.are_fulfilled("a", "1")
    now += 301
    assert expected.are_fulfilled("a", "1")


def test_expectations_end_with_their_owner() -> None:
    """What a predecessor of the same name was waiting for is not waited for: its pods' ends are
    no longer told to anybody."""
    expected: Expectations[str] = Expectations()
    expected.expect("a", "1", creations=1, deletions=["u"])
    assert not expected.are_fulfilled("a", "1")
    assert expected.are_fulfilled("a", "2")
    expected.expect("a", "2", creations=1)
    expected.deletion_observed("a", "u")
    assert not expected.are_fulfilled("a", "2")
    expected.creation_observed("a")
    assert expected.are_fulfilled("a", "2")

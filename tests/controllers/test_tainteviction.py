# SPDX-License-Identifier: Apache-2.0
"""Pods that have to leave a tainted node, at once, later, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from cluster import eventually
from nodes_of import add_node, run_pod
from running import Clock, running
from world import World

from pyk8s.client import resources
from pyk8s.client.client import Patch
from pyk8s.controllers.tainteviction import deadlines
from pyk8s.controllers.tainteviction.controller import TaintEvictionController

Object = dict[str, Any]

TAINT = {"key": "example.com/evict", "value": "now", "effect": "NoExecute"}


def tolerating(seconds: int | None) -> Object:
    made = {"key": TAINT["key"], "operator": "Equal", "value": "now", "effect": "NoExecute"}
    return made if seconds is None else {**made, "tolerationSeconds": seconds}


async def taint(world: World, name: str, *taints: Object) -> None:
    patch = Patch(content={"spec": {"taints": list(taints) or None}})
    await world.client.patch(resources.NODES, ("", name), patch)


async def test_who_goes_and_who_stays(quiet: World) -> None:
    """Without a toleration at once, with one for ever not, with a time after it; when the taint
    goes before, the pod stays, and an Event says so."""
    clock = Clock()
    await add_node(quiet, "n")
    held = {"finalizers": ["example.com/hold"]}
    await run_pod(quiet, "bare", "n")
    await quiet.patch(resources.PODS, "bare", {"metadata": held})
    await run_pod(quiet, "forever", "n", tolerations=[tolerating(None)])
    await run_pod(quiet, "later", "n", tolerations=[tolerating(3600)])
    await run_pod(quiet, "no-more", "n", tolerations=[tolerating(0)])
    async with running(quiet.client, lambda c: TaintEvictionController(c, clock)) as controller:
        await taint(quiet, "n", TAINT)
        await quiet.until_gone(resources.PODS, "no-more")

        async def is_marked() -> list[Object]:
            found = await quiet.find(resources.PODS, "bare")
            said = [c for c in found["status"]["conditions"] if c["type"] == "DisruptionTarget"]
            return said if found["metadata"].get("deletionTimestamp") else []

        (said,) = await eventually(is_marked, "the pod is marked and deleted")
        assert (said["status"], said["reason"], said["message"]) == (
            "True",
            "DeletionByTaintManager",
            "Taint manager: deleting due to NoExecute taint",
        )
        later = (quiet.namespace, "later")
        await eventually(lambda: later in controller._stays, "its time is known")
        await taint(quiet, "n")
        await eventually(lambda: not controller._stays, "nobody has to go")
        clock.seconds += 4000
        await taint(quiet, "n", TAINT)
        await eventually(lambda: later in controller._stays, "its time begins anew")
        assert await quiet.names(resources.PODS) == ["bare", "forever", "later"]
        clock.seconds += 3600
        controller.queue.add(later)
        await quiet.until_gone(resources.PODS, "later")
        await quiet.patch(resources.PODS, "bare", {"metadata": {"finalizers": None}})

        async def messages() -> set[str]:
            found = await quiet.list(resources.EVENTS)
            return {e["message"] for e in found if e["reason"] == "TaintManagerEviction"}

        cancelled = f"Cancelling deletion of Pod {quiet.namespace}/later"
        marked = f"Marking for deletion Pod {quiet.namespace}/later"

        async def told() -> bool:
            return {cancelled, marked} <= await messages()

        await eventually(told, "Events tell both")
        assert f"Marking for deletion Pod {quiet.namespace}/forever" not in await messages()


async def test_pod_bound_to_a_tainted_node(quiet: World) -> None:
    """The taint was there first."""
    await add_node(quiet, "n")
    await taint(quiet, "n", TAINT)
    async with running(quiet.client, TaintEvictionController):
        await run_pod(quiet, "stays", "n", tolerations=[{"operator": "Exists"}])
        await quiet.create(
            resources.PODS,
            {"metadata": {"name": "goes"}, "spec": {
                "nodeName": "n", "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "c", "image": "i"}]}},
        )  # fmt: skip
        await quiet.until_gone(resources.PODS, "goes")
        assert await quiet.names(resources.PODS) == ["stays"]


OTHER = {"key": "example.com/other", "effect": "NoExecute"}
SHORT = {"key": "example.com/other", "operator": "Exists", "tolerationSeconds": 5}


@pytest.mark.parametrize(
    ("taints", "tolerations", "ends_at"),
    [
        pytest.param([], [], None, id="no taint"),
        pytest.param([TAINT], [], 100.0, id="not tolerated"),
        pytest.param([TAINT], [tolerating(None)], None, id="for ever"),
        pytest.param([TAINT], [tolerating(30)], 130.0, id="for a time"),
        pytest.param([TAINT], [tolerating(-1)], 100.0, id="for less than no time"),
        pytest.param([TAINT, OTHER], [tolerating(30), SHORT], 105.0, id="the shortest counts"),
        pytest.param([TAINT, OTHER], [tolerating(30)], 100.0, id="one of two is not tolerated"),
        pytest.param([TAINT], [tolerating(7), tolerating(9)], 107.0, id="the first that covers"),
    ],
)
def test_end_of_a_stay(taints: list, tolerations: list, ends_at: float | None) -> None:
    """As upstream reads tolerations."""
    found = deadlines.stay(None, taints, tolerations, 100.0)
    assert (found.ends_at if found else None) == ends_at


def test_each_taint_has_its_own_clock() -> None:
    """One that comes later starts later, and going on counts from the first time it was seen."""
    first = deadlines.stay(None, [TAINT], [tolerating(60)], 100.0)
    second = deadlines.stay(first, [TAINT, OTHER], [tolerating(60), SHORT], 150.0)
    assert (first.ends_at, second.ends_at) == (160.0, 155.0)
    third = deadlines.stay(second, [TAINT], [tolerating(60)], 154.0)
    assert third.ends_at == 160.0

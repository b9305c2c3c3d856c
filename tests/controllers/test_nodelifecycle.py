# SPDX-License-Identifier: Apache-2.0
"""Nodes that fall silent, and come back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cluster import eventually
from nodes_of import add_node, condition, renew, run_pod, say, taints_of
from running import Clock, running
from world import World

from pyk8s.client import resources
from pyk8s.client.client import Patch
from pyk8s.controllers import pods
from pyk8s.controllers.nodelifecycle import taints, zones
from pyk8s.controllers.nodelifecycle.controller import NodeLifecycleController
from pyk8s.controllers.nodelifecycle.health import Healths
from pyk8s.controllers.options import Options

Object = dict[str, Any]

# The clock of the tests says when a look is due.
OPTIONS = Options(node_monitor_period=3600.0, node_eviction_rate=1000.0)

DEAD = [("unreachable", "NoExecute"), ("unreachable", "NoSchedule")]


async def has_taints(world: World, name: str, expected: list[tuple[str, str]]) -> None:
    async def are() -> bool:
        return await taints_of(world, name) == expected

    await eventually(are, f"the taints of {name} are {expected}")


async def is_looked_at(world: World, name: str) -> None:
    """The controller has come to the node, and has given it the labels that it gives to each."""

    async def has_labels() -> bool:
        node = await world.client.get(resources.NODES, name)
        return "beta.kubernetes.io/os" in node["metadata"]["labels"]

    await eventually(has_labels, f"{name} is looked at")


async def test_silent_node(quiet: World) -> None:
    """Conditions become Unknown, taints follow, its pods are not ready; all is well once the
    kubelet speaks again."""
    clock = Clock()
    await add_node(quiet, "silent")
    await add_node(quiet, "alive")
    pod = await run_pod(quiet, "p", "silent")
    async with running(quiet.client, lambda c: NodeLifecycleController(c, clock), OPTIONS) as nc:
        await eventually(lambda: len(nc.healths) == 2, "both nodes are known")
        clock.seconds += 40
        await renew(quiet, "alive", "2026-01-01T00:00:40.000000Z")
        alive = nc.healths.get("alive")
        await eventually(lambda: alive.renewed, "the Lease is seen")
        nc.look()
        assert not nc.healths.get("silent").is_silent, "not yet 50 s"
        clock.seconds += 11
        nc.look()
        await has_taints(quiet, "silent", DEAD)
        node = await quiet.client.get(resources.NODES, "silent")
        said = {c["type"]: (c["status"], c["reason"]) for c in node["status"]["conditions"]}
        never = ("Unknown", "NodeStatusNeverUpdated")
        assert said == {
            "Ready": ("Unknown", "NodeStatusUnknown"),
            **dict.fromkeys(("MemoryPressure", "DiskPressure", "PIDPressure"), never),
        }
        assert all(taint["timeAdded"] for taint in node["spec"]["taints"])

        async def is_not_ready() -> bool:
            found = await quiet.find(resources.PODS, "p")
            return not pods.is_ready(found) and found["status"]["phase"] == "Running"

        await eventually(is_not_ready, "the pod is not ready")
        assert await taints_of(quiet, "alive") == []
        await eventually(
            lambda: told(quiet, "NodeNotReady", pod["metadata"]["name"]), "the pod has an Event"
        )
        await say(quiet, "silent", Ready="True")
        await has_taints(quiet, "silent", [])


async def told(world: World, reason: str, name: str) -> list[Object]:
    events = (await world.client.list(resources.EVENTS))["items"]
    return [
        e for e in events if e["reason"] == reason and e["involvedObject"]["name"] == name
    ]  # fmt: skip


async def test_kubelet_says_it_is_not_ready(quiet: World) -> None:
    """not-ready in place of unreachable; when it falls silent, the taint is swapped at once."""
    clock = Clock()
    await add_node(quiet, "alive")
    await add_node(quiet, "sick", "False")
    async with running(quiet.client, lambda c: NodeLifecycleController(c, clock), OPTIONS) as nc:
        await is_looked_at(quiet, "sick")
        await has_taints(quiet, "sick", [("not-ready", "NoSchedule")])
        nc.look()
        await has_taints(quiet, "sick", [("not-ready", "NoExecute"), ("not-ready", "NoSchedule")])
        clock.seconds += 51
        await say(quiet, "alive", Ready="True", MemoryPressure="False")
        await eventually(
            lambda: nc.healths.get("alive").probed_at == clock.seconds, "the heartbeat is seen"
        )
        nc.look()
        await has_taints(quiet, "sick", DEAD)


async def test_when_all_are_silent_nobody_is_evicted(quiet: World) -> None:
    """It is the network then. Who was being evicted is so no longer; once one speaks, time
    begins anew for all."""
    clock = Clock()
    for name in ("a", "b"):
        await add_node(quiet, name)
    await add_node(quiet, "c", "Unknown")
    async with running(quiet.client, lambda c: NodeLifecycleController(c, clock), OPTIONS) as nc:
        await has_taints(quiet, "c", [("unreachable", "NoSchedule")])
        nc.look()
        await has_taints(quiet, "c", DEAD)
        clock.seconds += 51
        nc.look()
        assert nc.zones.all_disrupted
        for name in ("a", "b", "c"):
            await has_taints(quiet, name, [("unreachable", "NoSchedule")])
        nc.look()
        await say(quiet, "a", Ready="True")
        await eventually(lambda: nc.healths.get("a").is_ready, "a is back")
        nc.look()
        assert not nc.zones.all_disrupted
        await has_taints(quiet, "a", [])
        nc.look()
        await has_taints(quiet, "b", DEAD)


async def test_conditions_and_cordon_taint(quiet: World) -> None:
    """NoSchedule by condition and by spec.unschedulable, at once; foreign taints stay; the old
    names of labels follow the new."""
    await add_node(quiet, "n")
    foreign = {"key": "example.com/mine", "value": "v", "effect": "NoSchedule"}
    spec = {"spec": {"unschedulable": True, "taints": [foreign]}}
    await quiet.client.patch(resources.NODES, ("", "n"), Patch(content=spec))
    await say(quiet, "n", Ready="True", DiskPressure="True", PIDPressure="True")
    async with running(quiet.client, NodeLifecycleController, OPTIONS):
        await has_taints(
            quiet,
            "n",
            [
                ("disk-pressure", "NoSchedule"),
                ("example.com/mine", "NoSchedule"),
                ("pid-pressure", "NoSchedule"),
                ("unschedulable", "NoSchedule"),
            ],
        )
        node = await quiet.client.get(resources.NODES, "n")
        assert node["metadata"]["labels"]["beta.kubernetes.io/os"] == "linux"
        free = {"spec": {"unschedulable": False}}
        await quiet.client.patch(resources.NODES, ("", "n"), Patch(content=free))
        await say(quiet, "n", Ready="True", NetworkUnavailable="True", MemoryPressure="True")
        await has_taints(
            quiet,
            "n",
            [
                ("example.com/mine", "NoSchedule"),
                ("memory-pressure", "NoSchedule"),
                ("network-unavailable", "NoSchedule"),
            ],
        )


async def test_pod_bound_to_a_dead_node(quiet: World) -> None:
    """A pod that is seen there only after its node fell silent is marked too."""
    await add_node(quiet, "dead", "Unknown")
    async with running(quiet.client, NodeLifecycleController, OPTIONS) as nc:
        await eventually(lambda: len(nc.healths) == 1, "the node is known")
        await run_pod(quiet, "late", "dead")

        async def is_not_ready() -> bool:
            return not pods.is_ready(await quiet.find(resources.PODS, "late"))

        await eventually(is_not_ready, "the pod is not ready")


# --- arithmetic


def node(name: str = "n", ready: str = "True", heartbeat: str = "2026-01-01T00:00:00Z") -> Object:
    said = [condition("Ready", ready, heartbeat)] if ready else []
    metadata = {"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": metadata, "spec": {}, "status": {"conditions": said}}


def test_heartbeats_and_leases_put_off_silence() -> None:
    """Whichever comes; an old Lease is none; a silent node is told once, and again later."""
    healths = Healths(50.0, 60.0)
    healths.observe(node(), 0.0)
    assert healths.due(49.0) == []
    healths.observe(node(heartbeat="2026-01-01T00:00:49Z"), 49.0)
    assert healths.due(98.0) == []
    assert healths.renewed("n", "2026-01-01T00:01:30.000000Z", 98.0)
    assert not healths.renewed("n", "2026-01-01T00:01:29.000000Z", 140.0)
    assert healths.due(147.0) == []
    (silent,) = healths.due(148.0)
    assert silent.is_silent
    assert healths.due(1000.0) == []
    assert healths.renewed("n", "2026-01-01T00:02:00.000000Z", 1000.0)
    assert not silent.is_silent
    (again,) = healths.due(1050.0)
    assert again is silent


def test_deadlines_follow_identity() -> None:
    """A node made again under its name has time of its own; one that is gone is not due."""
    healths = Healths(50.0, 60.0)
    healths.observe(node(), 0.0)
    healths.observe(node("other"), 0.0)
    healths.forget("other")
    again = node()
    again["metadata"]["uid"] = "u2"
    healths.observe(again, 30.0)
    assert healths.due(79.0) == []
    assert [health.uid for health in healths.due(80.0)] == ["u2"]


def test_signs_of_life_do_not_touch_the_heap() -> None:
    """However many there are, each node is in the heap once, and a look at nodes that are well
    comes to each once per grace period."""
    healths = Healths(50.0, 60.0)
    for number in range(500):
        healths.observe(node(f"n{number}"), 0.0)
    filed: list[str] = []
    file, healths._file = healths._file, lambda health: (filed.append(health.name), file(health))
    for second in range(5, 105, 5):
        for number in range(500):
            healths.renewed(f"n{number}", f"2026-01-01T00:00:00.{second:06}Z", float(second))
        assert healths.due(float(second)) == []
        assert len(healths._deadlines) == 500
    assert len(filed) == 2 * 500


@pytest.mark.parametrize(
    ("ready", "not_ready", "state"),
    [
        pytest.param(3, 0, zones.NORMAL, id="all well"),
        pytest.param(0, 1, zones.FULL_DISRUPTION, id="none ready"),
        pytest.param(1, 2, zones.NORMAL, id="two are too few to judge"),
        pytest.param(2, 3, zones.PARTIAL_DISRUPTION, id="three of five"),
        pytest.param(5, 5, zones.NORMAL, id="half is below 55 %"),
        pytest.param(0, 0, zones.NORMAL, id="no nodes"),
    ],
)
def test_zone_states(ready: int, not_ready: int, state: str) -> None:
    """As upstream's ComputeZoneState."""
    assert zones.state_of(ready, not_ready, 0.55) == state


def test_rates() -> None:
    """A small unhealthy zone stops, a large one goes slowly."""
    options = Options()
    assert zones.rate_of(zones.NORMAL, 10, options) == 0.1
    assert zones.rate_of(zones.FULL_DISRUPTION, 10, options) == 0.1
    assert zones.rate_of(zones.PARTIAL_DISRUPTION, 50, options) == 0.0
    assert zones.rate_of(zones.PARTIAL_DISRUPTION, 51, options) == 0.01


@pytest.mark.looptime
async def test_evictions_come_one_by_one() -> None:
    """The first at once, the next after ten seconds each; a rate of 0 stops them, and a new rate
    is no reason to hurry."""
    granted: list[tuple[str, int]] = []
    now = asyncio.get_running_loop().time
    began = now()
    queue = zones.EvictionQueue(0.1, lambda name: granted.append((name, round(now() - began))))
    for name in ("a", "b", "c", "d", "e"):
        queue.add(name)
    queue.remove("b")
    await asyncio.sleep(15)
    assert granted == [("a", 0), ("c", 10)]
    queue.set_rate(0.0)
    await asyncio.sleep(85)
    queue.set_rate(0.01)
    await asyncio.sleep(50)
    queue.set_rate(0.1)
    await asyncio.sleep(11)
    assert granted == [("a", 0), ("c", 10), ("d", 100), ("e", 160)]
    assert "e" not in queue
    queue.close()


def test_taints_are_left_alone_when_right() -> None:
    """Nothing is written; others' taints and the time of ours stay."""
    tainted = node(ready="False")
    ours = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule", "timeAdded": "t"}
    theirs = {"key": "node.kubernetes.io/not-ready", "effect": "PreferNoSchedule"}
    tainted["spec"]["taints"] = [theirs, ours]
    keys = taints.no_schedule_keys(tainted)
    assert taints.with_taints(tainted, keys, set(), "now") is None
    swapped = taints.with_taints(tainted, set(), {"node.kubernetes.io/unreachable"}, "now")
    assert swapped == [
        theirs,
        {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "now"},
    ]


@pytest.mark.usefixtures("nodeless")
async def test_new_node(world: World) -> None:
    """Where controllers run a Node is made with a taint, which goes once its kubelet is ready."""
    made = await world.client.create(resources.NODES, {"metadata": {"name": "new"}})
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    assert made["spec"]["taints"] == [taint]
    await say(world, "new", Ready="False")
    await has_taints(world, "new", [("not-ready", "NoSchedule")])
    await say(world, "new", Ready="True")
    await has_taints(world, "new", [])
    await world.client.delete(resources.NODES, "new")

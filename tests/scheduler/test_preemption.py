# SPDX-License-Identifier: Apache-2.0
"""Who has to go for whom: the choice of victims, and that it helps."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from plain import strategies
from plain.cluster import Cluster, Object, name
from test_counted_plugins import is_feasible

from pyk8s.scheduler.evaluation import Evaluations
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.interface import PostFilterResult
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.nominator import Nominator, Taken
from pyk8s.scheduler.placement import follow
from pyk8s.scheduler.plugins.defaultpreemption import Candidate, DefaultPreemption, best_of
from pyk8s.scheduler.profiles import Handle, default_profile


def node(name: str, cpu: str = "2", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "9"}},
    }


def pod(name: str, priority: int, cpu: str = "1", on: str = "", **more: Any) -> Object:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    spec = {"containers": [container], "priority": priority, **more.pop("spec", {})}
    if on:
        spec["nodeName"] = on
    metadata = {"name": name, "uid": name, "namespace": "ns", "labels": {"app": "a"}}
    return {"metadata": metadata, "spec": spec, "status": more}


class World:
    def __init__(self, cluster: Cluster, budgets: list[Object] | None = None) -> None:
        self.table = NodeTable(rows=1)
        self.nominator = Nominator(self.table)
        index = follow(self.table)
        handle = Handle(self.table, index, self.nominator, budgets=lambda: budgets or [])
        for each, its_labels in cluster.namespaces.items():
            index.set_namespace(each, its_labels)
        self.profile = default_profile(handle)
        self.kept = Evaluations(self.table)
        for each in cluster.nodes:
            self.table.set_node(each)
        for each in cluster.pods:
            self.table.add_pod(podinfo.of(each), each["spec"]["nodeName"])

    def preempt(self, pod: Object) -> PostFilterResult:
        info = podinfo.of(pod)
        evaluation = self.kept.of(self.profile, info)
        assert evaluation.best() < 0
        (plugin,) = (each for each in self.profile.plugins if isinstance(each, DefaultPreemption))
        before = [dict(each) for each in self.table.pods], self.table.requested.copy()
        result = plugin.post_filter(info, evaluation)
        assert [dict(each) for each in self.table.pods] == before[0]
        assert (self.table.requested == before[1]).all()
        return result


def names(result: PostFilterResult) -> list[str]:
    return [victim.uid for victim in result.victims]


BUDGET = {
    "metadata": {"name": "b", "namespace": "ns"},
    "spec": {"selector": {"matchLabels": {"app": "a"}}},
    "status": {"disruptionsAllowed": 1},
}
OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
TAINT = [{"key": "k", "value": "v", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("pods", "budgets", "expected"),
    [
        pytest.param([pod("a", 1, "2", "n0"), pod("b", 0, "2", "n1")], [], ["b"], id="lowest"),
        pytest.param(
            [pod("a", 1, "2", "n0"), pod("b", 1, "1", "n1"), pod("c", 1, "1", "n1")],
            [],
            ["a"],
            id="fewest",
        ),
        pytest.param(
            [pod("a", 1, "2", "n0", startTime=OLD), pod("b", 1, "2", "n1", startTime=NEW)],
            [],
            ["b"],
            id="latest",
        ),
        pytest.param(
            [pod("a", 5, "2", "n0"), pod("b", 0, "1", "n1"), pod("c", 0, "1", "n1")],
            [BUDGET],
            ["a"],
            id="budget",
        ),
    ],
)
def test_victims(pods: list[Object], budgets: list[Object], expected: list[str]) -> None:
    """Budgets first, then the least important and the fewest victims, then who started last."""
    world = World(Cluster(nodes=[node("n0"), node("n1")], pods=pods), budgets)
    assert names(world.preempt(pod("high", 9, "2"))) == expected


def test_spares_what_need_not_go() -> None:
    """The most important pods that can stay do."""
    pods = [pod("a", 1, "500m", "n0"), pod("b", 3, "500m", "n0"), pod("c", 2, "1", "n0")]
    assert names(World(Cluster([node("n0")], pods)).preempt(pod("high", 9, "500m"))) == ["a"]


@pytest.mark.parametrize(
    ("wanting", "message"),
    [
        pytest.param(
            pod("x", 0, "2"),
            "0/2 nodes are available: 1 No preemption victims found for incoming pod,"
            " 1 Preemption is not helpful for scheduling.",
            id="no victims",
        ),
        pytest.param(
            pod("x", 9, "3"),
            "0/2 nodes are available: 1 Insufficient cpu,"
            " 1 Preemption is not helpful for scheduling.",
            id="too large",
        ),
        pytest.param(
            pod("x", 9, "2", spec={"preemptionPolicy": "Never"}),
            "not eligible due to preemptionPolicy=Never.",
            id="never",
        ),
    ],
)
def test_messages(wanting: Object, message: str) -> None:
    """Where preemption does not help, users read why, node by node."""
    nodes = [node("n0"), node("n1", taints=TAINT)]
    result = World(Cluster(nodes, [pod("a", 1, "2", "n0")])).preempt(wanting)
    assert (result.message, names(result)) == (f"preemption: {message}", [])


def test_waits_for_its_victims() -> None:
    """A pod whose victims are still ending does not look for more."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    ending = pod("a", 1, "2", "n0", conditions=[condition])
    ending["metadata"]["deletionTimestamp"] = OLD
    world = World(Cluster([node("n0")], [ending]))
    high = pod("high", 9, "2")
    world.nominator.add(podinfo.of(high), "n0")
    result = world.preempt(high)
    assert result.message.endswith("not eligible due to a terminating pod on the nominated node.")
    assert result.node is None


def test_nominated_pods_come_first() -> None:
    """A promised node is full for equal and lower priorities, and free for a higher one."""
    world = World(Cluster([node("n0")]))
    world.nominator.add(podinfo.of(pod("promised", 5, "2")), "n0")
    row = world.table.rows["n0"]
    for priority, fits in ((4, False), (5, False), (6, True)):
        info = podinfo.of(pod("x", priority))
        evaluation = world.kept.of(world.profile, info)
        assert (world.nominator.rejection_at(evaluation, info, row) is None) is fits
    assert not world.table.pods[row]


def test_promises_change_their_row() -> None:
    """What was found for a row is looked at anew after a promise is made, taken back or given to
    another node, and not when the same promise is told again."""
    world = World(Cluster([node(f"n{number}") for number in range(5)]))
    table, promised = world.table, podinfo.of(pod("promised", 5, "2"))

    def changed(position: int) -> set[str]:
        rows = table.changed_since(position)
        assert not isinstance(rows, slice)
        return {table.names[row] for row in rows}

    for promise, names in (("n0", {"n0"}), ("n0", set()), ("n1", {"n0", "n1"}), ("", {"n1"})):
        position = table.position
        if promise:
            world.nominator.add(promised, promise)
        else:
            world.nominator.remove("promised")
        assert changed(position) == names


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_what_is_taken_is_kept_as_it_would_be_found_anew(chance: random.Random) -> None:
    """Whatever is promised, taken back, bound or ended between two attempts: what is known of the
    rows that others were promised is what a first look at them says."""
    names = [f"n{number}" for number in range(4)]
    world = World(Cluster([node(name) for name in names]))
    pods = [podinfo.of(pod(f"p{number}", chance.choice((4, 5, 6)), "1")) for number in range(8)]
    bound: set[str] = set()
    for _ in range(40):
        info, name = chance.choice(pods), chance.choice(names)
        act = chance.randrange(4)
        if act == 0 and info.uid not in bound:
            world.nominator.add(info, name)
        elif act == 1:
            world.nominator.remove(info.uid)
        elif act == 2:
            world.nominator.remove(info.uid)
            world.table.add_pod(info, name)
            bound.add(info.uid)
        else:
            world.table.remove_pod(info.uid)
            bound.discard(info.uid)
        asking = chance.choice(pods)
        kept, anew = world.kept.of(world.profile, asking), Taken()
        world.nominator.look_beside(kept, asking, kept.taken)
        world.nominator.look_beside(kept, asking, anew)
        assert kept.taken.why == anew.why
        by_reason = {status: set(rows) for status, rows in anew.rows.items()}
        assert {status: set(rows) for status, rows in kept.taken.rows.items()} == by_reason


def test_victims_by_dry_runs_that_were_kept() -> None:
    """A second pod alike takes another node than the one that is promised to the first."""
    nodes = [node("n0"), node("n1")]
    full = [pod(f"low-{each}", 0, "2", on=each) for each in ("n0", "n1")]
    world = World(Cluster(nodes, full))
    first = world.preempt(pod("first", 5, "2"))
    world.nominator.add(podinfo.of(pod("first", 5, "2")), first.node or "")
    second = world.preempt(pod("second", 5, "2"))
    assert {first.node, second.node} == {"n0", "n1"}


def test_empty_candidate_is_the_cheapest() -> None:
    """A node where nobody has to go is taken before all others."""
    victim = podinfo.of(pod("v", 1))
    assert best_of([Candidate(1, (victim,), 0), Candidate(2, (), 0)]).row == 2


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.clusters(), strategies.pods("incoming"), st.data())
def test_the_victims_are_enough(cluster: Cluster, incoming: Object, data: st.DataObject) -> None:
    """Without the victims the pod fits the promised node by the plain rules, and with any one of
    them left it does not; nobody of equal or higher priority has to go."""
    for each in cluster.pods:
        each["spec"]["priority"] = data.draw(st.integers(0, 3))
    incoming["spec"]["priority"] = 3
    assume(not any(is_feasible(cluster, incoming, each) for each in cluster.nodes))
    world = World(cluster)
    result = world.preempt(incoming)
    if not result.node:
        return
    (chosen,) = (each for each in cluster.nodes if name(each) == result.node)
    gone = [victim.pod for victim in result.victims]
    assert all(victim.priority < 3 for victim in result.victims)
    left = Cluster(**{**vars(cluster), "pods": [p for p in cluster.pods if p not in gone]})
    assert is_feasible(left, incoming, chosen)
    for each in gone:
        assert not is_feasible(left.with_pod(each, chosen), incoming, chosen)

# SPDX-License-Identifier: Apache-2.0
"""The whole profile on clusters with constraints between pods, from objects to a node."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import interpodaffinity, noderesources, nodes, podtopologyspread, strategies
from plain.cluster import Cluster, Object, name

from pyk8s.apimachinery import labels
from pyk8s.scheduler.evaluation import Evaluations, Profile
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.placement import follow
from pyk8s.scheduler.profiles import Handle, default_profile

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
WEB = {"matchLabels": {"app": "web"}}


class Services:
    """One service that selects app=web."""

    version = 0

    def of(self, pod: Object) -> labels.Selector:
        return labels.from_set({"app": "web"})


class World:
    """A table with an index and a profile over it, and the answers kept so far."""

    def __init__(self, cluster: Cluster, selectors: Any = None) -> None:
        self.table = NodeTable(rows=1)
        self.index = follow(self.table)
        nominator = Nominator(self.table)
        handle = Handle(self.table, self.index, nominator, *([selectors] if selectors else []))
        self.profile: Profile = default_profile(handle)
        self.kept = Evaluations(self.table)
        for namespace, namespace_labels in cluster.namespaces.items():
            self.index.set_namespace(namespace, namespace_labels)
        for each in cluster.nodes:
            self.table.set_node(each)
        for each in cluster.pods:
            self.place(each, each["spec"]["nodeName"])

    def place(self, pod: Object, node: str) -> None:
        self.table.add_pod(podinfo.of(pod), node)

    def choose(self, pod: Object) -> str:
        """The node's name, or why there is none."""
        evaluation = self.kept.of(self.profile, podinfo.of(pod))
        row = evaluation.best()
        return self.table.names[row] if row >= 0 else evaluation.diagnosis().message


def node(name: str, zone: str = "a", **more: str) -> Object:
    return {
        "metadata": {"name": name, "labels": {HOST: name, ZONE: zone, **more}},
        "spec": {},
        "status": {"allocatable": {"cpu": "8", "memory": "8Gi", "pods": "20"}},
    }


def pod(name: str, app: str = "web", on: str = "", **spec: Any) -> Object:
    placed = {"nodeName": on} if on else {}
    return {
        "metadata": {"name": name, "uid": name, "namespace": "ns", "labels": {"app": app}},
        "spec": {"containers": [{"name": "c"}], "tolerations": [], **placed, **spec},
    }


def spread(key: str = ZONE, when: str = "DoNotSchedule") -> Object:
    constraint = {"topologyKey": key, "maxSkew": 1, "labelSelector": WEB, "whenUnsatisfiable": when}
    return {"topologySpreadConstraints": [constraint]}


def affinity(kind: str, key: str = ZONE) -> Object:
    term = {"topologyKey": key, "labelSelector": WEB}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


AB = [node("n0", "a"), node("n1", "b")]


@pytest.mark.parametrize(
    ("placed", "wanting", "expected"),
    [
        pytest.param([pod("p", on="n0")], spread(), "n1", id="spread"),
        pytest.param([pod("p", on="n0")], affinity("podAffinity"), "n0", id="together"),
        pytest.param([pod("p", on="n0")], affinity("podAntiAffinity"), "n1", id="apart"),
        pytest.param(
            [pod("p", on="n0"), pod("q", on="n1")],
            affinity("podAntiAffinity"),
            "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.",
            id="apart from both",
        ),
        pytest.param(
            [pod("p", app="db", on="n0", **affinity("podAntiAffinity"))],
            {},
            "n1",
            id="who is there minds",
        ),
        pytest.param(
            [],
            spread("rack"),
            "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints"
            " (missing required label).",
            id="no such label",
        ),
        pytest.param(
            [pod("p", on="n0"), pod("q", on="n0")],
            spread(when="ScheduleAnyway"),
            "n1",
            id="soft spread",
        ),
    ],
)
def test_one_pod(placed: list[Object], wanting: Object, expected: str) -> None:
    """A constraint between pods decides where a pod may go, and what is said if nowhere."""
    assert World(Cluster(nodes=AB, pods=placed)).choose(pod("new", **wanting)) == expected


def test_kept_answers_follow_the_counts() -> None:
    """Pods of one kind are spread although only the first is judged from the beginning."""
    cluster = [node(f"n{number}", "abc"[number % 3]) for number in range(6)]
    world = World(Cluster(nodes=cluster))
    chosen = []
    for number in range(6):
        new = pod(f"p{number}", **affinity("podAntiAffinity", HOST) | spread())
        chosen.append(world.choose(new))
        world.place(new, chosen[-1])
    assert sorted(chosen) == [name(each) for each in cluster]
    assert "6 node(s) didn't match pod anti-affinity rules" in world.choose(
        pod("late", **affinity("podAntiAffinity", HOST))
    )


def test_system_defaults() -> None:
    """Pods of one service go to different nodes and zones without writing a constraint."""
    world = World(Cluster(nodes=[node("n0"), node("n1"), node("n2", "b")]), Services())
    for number, host in enumerate(("n0", "n0", "n1", "n1")):
        world.place(pod(f"p{number}", on=host), host)
    assert world.choose(pod("new")) == "n2"


def test_namespace_labels() -> None:
    """A kept answer is worked out anew when a namespace begins to be meant."""
    term = {
        "topologyKey": ZONE,
        "labelSelector": {},
        "namespaceSelector": {"matchLabels": {"t": "x"}},
    }
    anti = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    world = World(Cluster(nodes=AB[:1], pods=[pod("p", on="n0")]))
    new = pod("new", affinity=anti)
    assert world.choose(new) == "n0"
    world.index.set_namespace("ns", {"t": "x"})
    assert "anti-affinity rules" in world.choose(new)


def is_feasible(cluster: Cluster, pod: Object, on: Object) -> bool:
    """By the plain rules, one after the other."""
    return not any(
        plugin(cluster, pod, on)
        for plugin in (
            nodes.filter_unschedulable,
            nodes.filter_taints,
            nodes.filter_affinity,
            nodes.filter_ports,
            noderesources.filter_fit,
            podtopologyspread.filter,
            interpodaffinity.filter,
        )
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        strategies.spread_cases(),
        strategies.affinity_cases(),
        st.tuples(strategies.clusters(), strategies.pods("incoming")),
    ),
    st.integers(1, 4),
)
def test_the_choice_is_feasible(case: tuple[Cluster, Object], times: int) -> None:
    """Whatever is chosen fits by the plain rules, and nothing is chosen only if nothing fits;
    so for each of several equal pods, of which all but one follow kept answers."""
    cluster, incoming = case
    world = World(cluster)
    for number in range(times):
        metadata = {**incoming["metadata"], "name": f"i{number}", "uid": f"i{number}"}
        new = {**incoming, "metadata": metadata}
        feasible = {name(each): each for each in cluster.nodes if is_feasible(cluster, new, each)}
        chosen = world.choose(new)
        if not feasible:
            assert "nodes are available" in chosen
            return
        assert chosen in feasible
        cluster = cluster.with_pod(new, feasible[chosen])
        world.place(cluster.pods[-1], chosen)

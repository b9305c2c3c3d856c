# SPDX-License-Identifier: Apache-2.0
"""Spread and affinity between pods: what is counted over all nodes equals the plain rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from plain import interpodaffinity, podtopologyspread, strategies
from plain.cluster import Cluster, Object, name
from plain.vectors import Table

from pyk8s.scheduler.plugins import neighbours, spreading

Case = tuple[Cluster, Object]
CASES = st.one_of(
    strategies.spread_cases(),
    strategies.affinity_cases(),
    st.tuples(strategies.clusters(), strategies.pods("incoming")),
)
SPREAD_TEXTS = ("", spreading.MISSING_LABEL, spreading.NOT_MATCHED)
AFFINITY_TEXTS = (
    "",
    neighbours.AFFINITY,
    neighbours.ANTI_AFFINITY,
    neighbours.EXISTING_ANTI_AFFINITY,
)


def hard_spread(table: Table, pod: Object) -> spreading.HardSpread:
    constraints = spreading.constraints_of(pod, spreading.DO_NOT_SCHEDULE)
    return spreading.hard_spread(pod, constraints, table.index, table.usable(pod))


def texts(table: Table, codes: spreading.Codes, names: tuple[str, ...]) -> dict[str, str]:
    return {node: names[codes[row]] for node, row in table.row.items()}


@given(strategies.spread_cases())
def test_hard_spread(case: Case) -> None:
    """Which nodes hard constraints leave, and why not the others, is as counted one by one."""
    cluster, pod = case
    table = Table(cluster)
    state = hard_spread(table, pod)
    expected = {name(node): podtopologyspread.filter(cluster, pod, node) for node in cluster.nodes}
    assert texts(table, state.codes(), SPREAD_TEXTS) == expected
    assert {node: SPREAD_TEXTS[state.code(row)] for node, row in table.row.items()} == expected


@given(strategies.spread_cases(), st.data())
def test_soft_spread(case: Case, data: st.DataObject) -> None:
    """The scores of soft constraints over any feasible nodes are as counted one by one."""
    cluster, pod = case
    feasible = data.draw(st.lists(st.sampled_from(cluster.nodes), min_size=1, unique_by=name))
    expected = podtopologyspread.score(cluster, pod, feasible)
    constraints = spreading.constraints_of(pod, spreading.SCHEDULE_ANYWAY)
    assert bool(constraints) == (expected is not None)
    if expected is None:
        return
    table = Table(cluster)
    usable, mask = table.usable(pod), table.mask(feasible)
    scores = spreading.soft_spread(constraints, table.index, usable, mask)
    assert {name(node): int(scores[table.row[name(node)]]) for node in feasible} == expected


@given(strategies.affinity_cases())
def test_neighbours(case: Case) -> None:
    """Which nodes affinity between pods leaves, and why not the others, is as seen pair by pair."""
    cluster, pod = case
    table = Table(cluster)
    state = neighbours.Neighbours(pod, table.index)
    expected = {name(node): interpodaffinity.filter(cluster, pod, node) for node in cluster.nodes}
    assert texts(table, state.codes(), AFFINITY_TEXTS) == expected
    assert {node: AFFINITY_TEXTS[state.code(row)] for node, row in table.row.items()} == expected
    if state.is_unconcerned:
        assert not any(expected.values())


@given(strategies.affinity_cases(), st.data())
def test_preferences(case: Case, data: st.DataObject) -> None:
    """The scores of preferred terms, of both sides, are as added up pair by pair."""
    cluster, pod = case
    feasible = data.draw(st.lists(st.sampled_from(cluster.nodes), min_size=1, unique_by=name))
    weight = data.draw(st.sampled_from((0, 1, 50)))
    expected = interpodaffinity.score(cluster, pod, feasible, weight)
    table = Table(cluster)
    raw = neighbours.preferences(pod, table.index, weight)
    if raw is None:
        assert not any(expected.values())
        return
    scores = neighbours.normalized(raw, table.mask(feasible))
    assert {name(node): int(scores[table.row[name(node)]]) for node in feasible} == expected


@given(CASES, st.data())
def test_what_if(case: Case, data: st.DataObject) -> None:
    """Pods taken away from a copy, or added to it, count as if they had gone or come."""
    cluster, pod = case
    table = Table(cluster)
    spread, near = hard_spread(table, pod).copy(), neighbours.Neighbours(pod, table.index).copy()
    before = (hard_spread(table, pod).codes(), neighbours.Neighbours(pod, table.index).codes())
    changed = cluster
    for gone in data.draw(st.lists(st.sampled_from(cluster.pods or [None]), unique_by=id)):
        if gone is not None:
            changed = changed.without(gone)
            for state in (spread, near):
                state.shift(gone, table.row[gone["spec"]["nodeName"]], -1)
    if data.draw(st.booleans()):
        node = data.draw(st.sampled_from(cluster.nodes))
        nominated = data.draw(strategies.pods("nominated"))
        changed = changed.with_pod(nominated, node)
        for state in (spread, near):
            state.shift(nominated, table.row[name(node)], 1)
    for state, plain, names in (
        (spread, podtopologyspread, SPREAD_TEXTS),
        (near, interpodaffinity, AFFINITY_TEXTS),
    ):
        expected = {name(node): plain.filter(changed, pod, node) for node in cluster.nodes}
        assert texts(table, state.codes(), names) == expected
        assert {node: names[state.code(row)] for node, row in table.row.items()} == expected
    after = (hard_spread(table, pod).codes(), neighbours.Neighbours(pod, table.index).codes())
    assert [each.tolist() for each in before] == [each.tolist() for each in after]


@given(CASES, st.data())
def test_by_difference(case: Case, data: st.DataObject) -> None:
    """An index that has answered and then followed changes answers like one made anew."""
    cluster, pod = case
    table = Table(cluster)
    hard_spread(table, pod)
    neighbours.Neighbours(pod, table.index)
    neighbours.preferences(pod, table.index, 1)
    index, changed = table.index, cluster
    for number in range(data.draw(st.integers(1, 4))):
        if changed.pods and data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(changed.pods))
            changed = changed.without(gone)
            index.remove(gone["metadata"]["uid"])
        elif data.draw(st.booleans()):
            node = data.draw(st.sampled_from(cluster.nodes))
            come = data.draw(strategies.pods(f"new-{number}"))
            changed = changed.with_pod(come, node)
            index.add(changed.pods[-1], table.row[name(node)])
        else:
            namespaces = {**changed.namespaces, "other": {"team": data.draw(st.sampled_from("ab"))}}
            changed = Cluster(**{**vars(changed), "namespaces": namespaces})
            index.set_namespace("other", namespaces["other"])
    fresh = Table(changed)
    assert hard_spread(table, pod).codes().tolist() == hard_spread(fresh, pod).codes().tolist()
    for ask in (
        lambda each: neighbours.Neighbours(pod, each.index).codes(),
        lambda each: neighbours.preferences(pod, each.index, 1),
    ):
        mine, other = ask(table), ask(fresh)
        none = [0] * table.topology.rows
        assert (none if mine is None else mine.tolist()) == (
            none if other is None else other.tolist()
        )

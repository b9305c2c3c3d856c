# SPDX-License-Identifier: Apache-2.0
"""Filters and scores that follow from a node alone: its name, taints, labels, ports.

Mirrors `pkg/scheduler/framework/plugins/{nodename,nodeunschedulable,tainttoleration,nodeaffinity,
nodeports}`. Each node is judged by its own row; equal sets of taints are judged once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pyk8s.componenthelpers import nodeaffinity, taints
from pyk8s.scheduler.framework.interface import FITS, MAX_NODE_SCORE, CycleState
from pyk8s.scheduler.framework.nodetable import Ints, NodeTable, Rows, Taints
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import (
    SKIP,
    SUCCESS,
    Status,
    unresolvable,
    unschedulable,
)
from pyk8s.scheduler.plugins import hints

_NOT_OF_POD, _NOT_ENFORCED = 1, 2


class NodeName:
    name = "NodeName"

    def events_to_register(self) -> hints.Registered:
        return hints.NODE_NAME

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        return SUCCESS if pod.pod["spec"].get("nodeName") else SKIP

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        wanted = nodes.rows.get(pod.pod["spec"]["nodeName"], -1)
        others: Ints = (np.arange(nodes.size)[rows] != wanted).astype(np.int64)
        return others

    def rejection(self, state: CycleState, code: int) -> Status:
        return unresolvable("node(s) didn't match the requested node name")


class NodeUnschedulable:
    name = "NodeUnschedulable"

    def events_to_register(self) -> hints.Registered:
        return hints.NODE_UNSCHEDULABLE

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        tolerations = pod.pod["spec"].get("tolerations") or ()
        return SKIP if taints.is_tolerated(hints.UNSCHEDULABLE_TAINT, tolerations) else SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        return nodes.unschedulable[rows].astype(np.int64)

    def rejection(self, state: CycleState, code: int) -> Status:
        return unresolvable("node(s) were unschedulable")


class TaintToleration:
    name = "TaintToleration"

    def events_to_register(self) -> hints.Registered:
        return hints.TAINT_TOLERATION

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        codes: list[int] = state.setdefault(self.name, [])
        tolerations = pod.pod["spec"].get("tolerations") or ()
        for taint_set in nodes.taints[len(codes) :]:
            found = taints.find_untolerated(_objects(taint_set), tolerations)
            codes.append(int(found is not None))
        return np.array(codes, np.int64)[nodes.taint_sets[rows]]

    def rejection(self, state: CycleState, code: int) -> Status:
        # What taints a node has is not for everybody who may look at a pod.
        return unresolvable("node(s) had untolerated taint(s)")

    def score(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """How many PreferNoSchedule taints are not tolerated."""
        counts: list[int] = state.setdefault(f"{self.name}/counts", [])
        for taint_set in nodes.taints[len(counts) :]:
            counts.append(_intolerable(taint_set, pod))
        return np.array(counts, np.int64)[nodes.taint_sets[rows]]

    def normalize(self, scores: Ints) -> Ints:
        return default_normalize(scores, reverse=True)


def _objects(taint_set: Taints) -> list[dict[str, str]]:
    return [{"key": key, "value": value, "effect": effect} for key, value, effect in taint_set]


def _intolerable(taint_set: Taints, pod: PodInfo) -> int:
    tolerations = [
        each
        for each in pod.pod["spec"].get("tolerations") or ()
        if not each.get("effect") or each["effect"] == taints.PREFER_NO_SCHEDULE
    ]
    return sum(
        taint["effect"] == taints.PREFER_NO_SCHEDULE and not taints.is_tolerated(taint, tolerations)
        for taint in _objects(taint_set)
    )


class NodeAffinity:
    """`added` (NodeAffinityArgs' addedAffinity) holds for every pod beside its own."""

    name = "NodeAffinity"

    def __init__(self, added: Mapping[str, Any] | None = None) -> None:
        spec = {"affinity": {"nodeAffinity": added}} if added else {}
        self._added = nodeaffinity.RequiredNodeAffinity(spec)
        self._added_preferred = nodeaffinity.preferred_of(spec)

    def events_to_register(self) -> hints.Registered:
        return hints.node_affinity(self._added)

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        required = nodeaffinity.RequiredNodeAffinity(pod.pod["spec"])
        if required.is_everything and self._added.is_everything:
            return SKIP
        state[self.name] = required
        return SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        required: nodeaffinity.RequiredNodeAffinity = state[self.name]
        chosen = _each(nodes, rows)
        matches = [node is not None and required.matches(node) for node in chosen]
        codes: Ints = np.where(matches, FITS, _NOT_OF_POD)
        if not self._added.is_everything:
            enforced = [node is not None and self._added.matches(node) for node in chosen]
            codes = np.where(enforced, codes, _NOT_ENFORCED)
        return codes

    def rejection(self, state: CycleState, code: int) -> Status:
        if code == _NOT_ENFORCED:
            return unresolvable("node(s) didn't match scheduler-enforced node affinity")
        return unresolvable("node(s) didn't match Pod's node affinity/selector")

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        preferred = nodeaffinity.preferred_of(pod.pod["spec"])
        if not preferred.terms and not self._added_preferred.terms:
            return SKIP
        state[f"{self.name}/preferred"] = preferred
        return SUCCESS

    def score(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        preferred: nodeaffinity.PreferredNodeAffinity = state[f"{self.name}/preferred"]
        added = self._added_preferred
        scores = [
            0 if node is None else preferred.score(node) + added.score(node)
            for node in _each(nodes, rows)
        ]
        return np.array(scores, np.int64)

    def normalize(self, scores: Ints) -> Ints:
        return default_normalize(scores)


def _each(nodes: NodeTable, rows: Rows) -> list[dict[str, Any] | None]:
    return nodes.nodes[rows] if isinstance(rows, slice) else [nodes.nodes[row] for row in rows]


class NodePorts:
    name = "NodePorts"

    def events_to_register(self) -> hints.Registered:
        return hints.NODE_PORTS

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        return SUCCESS if pod.ports else SKIP

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        taken = np.zeros(nodes.size, np.int64)
        for port, users in nodes.ports.items():
            if users and any(hints.ports_conflict(port, wanted) for wanted in pod.ports):
                taken[[*users]] = 1
        return taken[rows]

    def rejection(self, state: CycleState, code: int) -> Status:
        return unschedulable("node(s) didn't have free ports for the requested pod ports")


def default_normalize(scores: Ints, *, reverse: bool = False) -> Ints:
    """The highest becomes 100, or 0 in reverse; upstream's helper DefaultNormalizeScore."""
    most = int(scores.max(initial=0))
    if most == 0:
        return np.full_like(scores, MAX_NODE_SCORE if reverse else 0)
    scaled: Ints = scores * MAX_NODE_SCORE // most
    return MAX_NODE_SCORE - scaled if reverse else scaled

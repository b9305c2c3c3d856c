# SPDX-License-Identifier: Apache-2.0
"""PodTopologySpread and InterPodAffinity as plugins: the counted rules, asked for all rows.

The rules stand in `spreading` and `neighbours`. Mirrors `plugins/podtopologyspread/plugin.go` and
`plugins/interpodaffinity/plugin.go`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pyk8s.apimachinery import labels
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import nodeaffinity, taints
from pyk8s.scheduler.framework.interface import Codes, CycleState
from pyk8s.scheduler.framework.nodetable import Ints, Mask, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import Status, unresolvable, unschedulable
from pyk8s.scheduler.plugins import countedhints, hints, neighbours, spreading
from pyk8s.scheduler.podindex import PodIndex


class DefaultSelector(Protocol):
    """What services and owners select a pod by; `version` changes when any answer may have."""

    @property
    def version(self) -> int: ...

    def of(self, pod: Object) -> labels.Selector: ...


class NoSelector:
    """Nothing selects any pod."""

    version = 0

    def of(self, pod: Object) -> labels.Selector:
        return labels.NOTHING


@dataclass(frozen=True, slots=True)
class SpreadArgs:
    """PodTopologySpreadArgs. None for `defaults` is defaultingType System."""

    defaults: Sequence[Mapping[str, Any]] | None = None


@dataclass(slots=True)
class _Followed:
    """A mask over rows that follows the table's journal."""

    judge: Callable[[Rows], Mask]
    position: int = -1
    mask: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))

    def at(self, nodes: NodeTable) -> Mask:
        if self.position != nodes.position:
            rows: Rows = slice(None)
            if self.position >= 0 and len(self.mask) == nodes.size:
                rows = nodes.changed_since(self.position)
            if isinstance(rows, slice):
                self.mask = self.judge(rows)
            else:
                self.mask[rows] = self.judge(rows)
            self.position = nodes.position
        return self.mask


class PodTopologySpread:
    name = "PodTopologySpread"

    def __init__(
        self, index: PodIndex, selectors: DefaultSelector, args: SpreadArgs | None = None
    ) -> None:
        self._index = index
        self._selectors = selectors
        defaults = (args or SpreadArgs()).defaults
        self._is_system_defaulted = defaults is None
        self._defaults = spreading.SYSTEM_DEFAULTS if defaults is None else defaults

    @property
    def version(self) -> int:
        return self._selectors.version

    def events_to_register(self) -> hints.Registered:
        hard = functools.partial(self._find_constraints, action=spreading.DO_NOT_SCHEDULE)
        return countedhints.SpreadHints(hard, self._index).registered()

    def count(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Codes | None:
        constraints = self._constraints(state, pod, spreading.DO_NOT_SCHEDULE)
        if not constraints:
            return None
        usable = self._usable(state, pod, nodes)
        return spreading.hard_spread(pod.pod, constraints, self._index, usable).codes()

    def rejection(self, state: CycleState, code: int) -> Status:
        if code == spreading.NO_LABEL:
            return unresolvable(spreading.MISSING_LABEL)
        return unschedulable(spreading.NOT_MATCHED)

    def score_feasible(
        self, state: CycleState, pod: PodInfo, nodes: NodeTable, feasible: Mask
    ) -> Ints | None:
        constraints = self._constraints(state, pod, spreading.SCHEDULE_ANYWAY)
        if not constraints:
            return None
        requires_all = _has_own(pod) or not self._is_system_defaulted
        usable = self._usable(state, pod, nodes)
        return spreading.soft_spread(constraints, self._index, usable, feasible, requires_all)

    def _constraints(
        self, state: CycleState, pod: PodInfo, action: str
    ) -> list[spreading.Constraint]:
        key = f"{self.name}/{action}"
        found: tuple[int, list[spreading.Constraint]] | None = state.get(key)
        if found is None or found[0] != self.version:
            found = state[key] = (self.version, self._find_constraints(pod.pod, action))
        return found[1]

    def _find_constraints(self, pod: Object, action: str) -> list[spreading.Constraint]:
        if pod["spec"].get("topologySpreadConstraints"):
            return spreading.constraints_of(pod, action)
        if not any(each["whenUnsatisfiable"] == action for each in self._defaults):
            return []
        selector = self._selectors.of(pod)
        return spreading.default_constraints(pod, self._defaults, action, selector)

    def _usable(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> spreading.Usable:
        masks: tuple[_Followed, _Followed] | None = state.get(self.name)
        if masks is None:
            masks = state[self.name] = (_by_affinity(pod, nodes), _by_taints(pod, nodes))
        by_affinity, by_taints = masks
        return spreading.Usable(
            nodes.is_node, lambda: by_affinity.at(nodes), lambda: by_taints.at(nodes)
        )


def _has_own(pod: PodInfo) -> bool:
    return bool(pod.pod["spec"].get("topologySpreadConstraints"))


def _by_affinity(pod: PodInfo, nodes: NodeTable) -> _Followed:
    required = nodeaffinity.RequiredNodeAffinity(pod.pod["spec"])

    def judge(rows: Rows) -> Mask:
        if required.is_everything:
            return nodes.is_node[rows].copy()
        chosen = nodes.nodes[rows] if isinstance(rows, slice) else [nodes.nodes[i] for i in rows]
        return np.array([node is not None and required.matches(node) for node in chosen], np.bool_)

    return _Followed(judge)


def _by_taints(pod: PodInfo, nodes: NodeTable) -> _Followed:
    tolerations = pod.pod["spec"].get("tolerations") or ()
    tolerated: list[bool] = []

    def judge(rows: Rows) -> Mask:
        for taint_set in nodes.taints[len(tolerated) :]:
            written = [{"key": k, "value": v, "effect": e} for k, v, e in taint_set]
            tolerated.append(taints.find_untolerated(written, tolerations) is None)
        return np.array(tolerated, np.bool_)[nodes.taint_sets[rows]]

    return _Followed(judge)


@dataclass(frozen=True, slots=True)
class AffinityArgs:
    """InterPodAffinityArgs."""

    hard_pod_affinity_weight: int = 1
    ignore_preferred_terms_of_existing_pods: bool = False


class InterPodAffinity:
    name = "InterPodAffinity"

    def __init__(self, index: PodIndex, args: AffinityArgs | None = None) -> None:
        self._index = index
        self._args = args or AffinityArgs()

    @property
    def version(self) -> int:
        return self._index.version

    def events_to_register(self) -> hints.Registered:
        return countedhints.AffinityHints(self._index).registered()

    def count(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Codes | None:
        found = neighbours.Neighbours(pod.pod, self._index)
        return None if found.is_unconcerned else found.codes()

    def rejection(self, state: CycleState, code: int) -> Status:
        if code == neighbours.NO_FRIEND:
            return unresolvable(neighbours.AFFINITY)
        if code == neighbours.NEAR_FOE:
            return unschedulable(neighbours.ANTI_AFFINITY)
        return unschedulable(neighbours.EXISTING_ANTI_AFFINITY)

    def score_feasible(
        self, state: CycleState, pod: PodInfo, nodes: NodeTable, feasible: Mask
    ) -> Ints | None:
        args = self._args
        raw = neighbours.preferences(
            pod.pod,
            self._index,
            args.hard_pod_affinity_weight,
            args.ignore_preferred_terms_of_existing_pods,
        )
        return None if raw is None else neighbours.normalized(raw, feasible)

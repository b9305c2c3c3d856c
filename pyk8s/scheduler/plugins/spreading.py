# SPDX-License-Identifier: Apache-2.0
"""The rules of topology spread: over all nodes at once, from counts per row.

What upstream's `plugins/podtopologyspread` decides in `filtering.go`, `scoring.go` and
`common.go`. Pure: who calls says which pods are where (`PodIndex`) and which nodes a pod may use.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler.podindex import PodIndex, PodTerm
from pyk8s.scheduler.topology import Column, Ints, Mask

NOT_MATCHED = "node(s) didn't match pod topology spread constraints"
MISSING_LABEL = f"{NOT_MATCHED} (missing required label)"

DO_NOT_SCHEDULE = "DoNotSchedule"
SCHEDULE_ANYWAY = "ScheduleAnyway"

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

# What applies to pods without constraints of their own when nothing is configured.
SYSTEM_DEFAULTS: Sequence[Mapping[str, Any]] = (
    {"topologyKey": HOSTNAME, "maxSkew": 3, "whenUnsatisfiable": SCHEDULE_ANYWAY},
    {"topologyKey": ZONE, "maxSkew": 5, "whenUnsatisfiable": SCHEDULE_ANYWAY},
)

# Codes of a row in the outcome of a filter.
FITS, NO_LABEL, SKEWED = 0, 1, 2
Codes = npt.NDArray[np.int8]

MAX_SCORE = 100
# What the least count is where there is no domain at all.
_UNBOUNDED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Constraint:
    """A TopologySpreadConstraint with its defaults filled in and its selector compiled."""

    topology_key: str
    max_skew: int
    pods: PodTerm
    min_domains: int = 1
    honors_affinity: bool = True
    honors_taints: bool = False


def constraints_of(pod: Object, action: str) -> list[Constraint]:
    """The pod's own constraints of one whenUnsatisfiable; raises ValueError."""
    return [
        _constraint(pod, written)
        for written in pod["spec"].get("topologySpreadConstraints") or ()
        if written["whenUnsatisfiable"] == action
    ]


def default_constraints(
    pod: Object, defaults: Sequence[Mapping[str, Any]], action: str, selector: labels.Selector
) -> list[Constraint]:
    """The configured constraints for a pod that services and owners select by `selector`."""
    if selector.is_everything or selector is labels.NOTHING:
        return []
    term = PodTerm(frozenset((meta.namespace(pod),)), selector)
    return [
        replace(_constraint(pod, written), pods=term)
        for written in defaults
        if written["whenUnsatisfiable"] == action
    ]


def _constraint(pod: Object, written: Mapping[str, Any]) -> Constraint:
    selector = labels.from_label_selector(written.get("labelSelector"))
    own = meta.labels(pod)
    same = {key: own[key] for key in written.get("matchLabelKeys") or () if key in own}
    if same:
        requirements = [*labels.from_set(same).requirements, *selector.requirements]
        selector = labels.from_requirements(requirements)
    return Constraint(
        written["topologyKey"],
        written["maxSkew"],
        PodTerm(frozenset((meta.namespace(pod),)), selector),
        written.get("minDomains") or 1,
        written.get("nodeAffinityPolicy", "Honor") == "Honor",
        written.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


@dataclass(frozen=True, slots=True)
class Usable:
    """The rows that hold a node, and of these the ones the pod's required affinity names and the
    ones whose taints it tolerates; the latter two are asked for only when a constraint honors
    them."""

    nodes: Mask
    by_affinity: Callable[[], Mask]
    by_taints: Callable[[], Mask]

    def for_constraint(self, constraint: Constraint, eligible: Mask) -> Mask:
        if constraint.honors_affinity:
            eligible = eligible & self.by_affinity()
        if constraint.honors_taints:
            eligible = eligible & self.by_taints()
        return eligible


@dataclass(slots=True)
class _Counted:
    """A hard constraint with what it counts: pods in each domain that has an eligible node."""

    constraint: Constraint
    column: Column
    eligible: Mask
    totals: Ints
    present: Mask
    selects_self: int

    def least(self) -> int:
        domains = int(np.count_nonzero(self.present))
        if domains < self.constraint.min_domains:
            return 0
        return int(self.totals[self.present].min()) if domains else _UNBOUNDED

    def room(self) -> int:
        """The most pods a domain may hold already and still take this one."""
        return self.constraint.max_skew + self.least() - self.selects_self


class HardSpread:
    """The hard constraints of one pod against the pods that are on nodes now.

    `shift` lets what-if questions change a `copy`: preemption takes pods away and adds nominated
    ones.
    """

    __slots__ = ("_counted", "_index", "_namespace")

    def __init__(self, namespace: str, index: PodIndex, counted: list[_Counted]) -> None:
        self._namespace = namespace
        self._index = index
        self._counted = counted

    def copy(self) -> HardSpread:
        counted = [replace(each, totals=each.totals.copy()) for each in self._counted]
        return HardSpread(self._namespace, self._index, counted)

    def shift(self, pod: Object, row: int, by: int) -> None:
        """`pod` is taken to be on the node of `row` (by=1) or gone from it (by=-1)."""
        if meta.namespace(pod) != self._namespace or meta.is_being_deleted(pod):
            return
        for each in self._counted:
            if each.eligible[row] and self._index.means(each.constraint.pods, pod):
                each.totals[each.column.ids[row]] += by

    def codes(self) -> Codes:
        """For every row FITS, NO_LABEL or SKEWED; rows without a node are NO_LABEL."""
        result = np.zeros(self._index.topology.rows, dtype=np.int8)
        for each in self._counted:
            ids = each.column.ids
            code = np.where(
                ids < 0,
                NO_LABEL,
                np.where(each.column.spread(each.totals) > each.room(), SKEWED, FITS),
            )
            result = np.where(result == FITS, code, result).astype(np.int8)
        return result

    def code(self, row: int) -> int:
        """The same for one row."""
        for each in self._counted:
            domain = each.column.ids[row]
            if domain < 0:
                return NO_LABEL
            if each.totals[domain] > each.room():
                return SKEWED
        return FITS


def hard_spread(
    pod: Object, constraints: Sequence[Constraint], index: PodIndex, usable: Usable
) -> HardSpread:
    columns = [index.topology.column(each.topology_key) for each in constraints]
    labelled = _with_all(columns, usable.nodes)
    counted = []
    for constraint, column in zip(constraints, columns, strict=True):
        eligible = usable.for_constraint(constraint, labelled)
        counts = index.counts((constraint.pods,), terminating=False)
        counted.append(
            _Counted(
                constraint,
                column,
                eligible,
                column.totals(counts, eligible),
                column.present(eligible),
                int(index.means(constraint.pods, pod)),
            )
        )
    return HardSpread(meta.namespace(pod), index, counted)


def _with_all(columns: Sequence[Column], nodes: Mask) -> Mask:
    return functools.reduce(np.logical_and, (column.ids >= 0 for column in columns), nodes)


def soft_spread(
    constraints: Sequence[Constraint],
    index: PodIndex,
    usable: Usable,
    feasible: Mask,
    requires_all: bool = True,
) -> Ints:
    """Scores of 0 to 100 for every row; those that are not feasible mean nothing.

    `requires_all`: a node without one of the keys scores 0. Only the system's own defaults let
    such a node be scored by the keys it has.
    """
    columns = [index.topology.column(each.topology_key) for each in constraints]
    everywhere = _with_all(columns, usable.nodes) if requires_all else usable.nodes
    scored = feasible & everywhere
    raw = np.zeros(len(feasible), dtype=np.float64)
    for constraint, column in zip(constraints, columns, strict=True):
        counts = index.counts((constraint.pods,), terminating=False)
        if constraint.topology_key == HOSTNAME:
            here, size = counts, int(np.count_nonzero(scored))
        else:
            eligible = usable.for_constraint(constraint, everywhere)
            here = column.spread(column.totals(counts, eligible))
            size = _domains_of(column, scored)
        weighted = here * np.log(size + 2) + (constraint.max_skew - 1)
        raw += np.where(column.ids >= 0, weighted, 0)
    # Halves go away from zero, as Go rounds them.
    return _normalized(np.floor(raw + 0.5).astype(np.int64), scored)


def _domains_of(column: Column, scored: Mask) -> int:
    """Nodes without the key count as one domain more, as upstream counts their empty value."""
    unlabelled = bool((scored & (column.ids < 0)).any())
    return int(np.count_nonzero(column.present(scored))) + unlabelled


def _normalized(raw: Ints, scored: Mask) -> Ints:
    if not scored.any():
        return np.zeros_like(raw)
    chosen = raw[scored]
    highest, lowest = int(chosen.max()), int(chosen.min())
    if highest == 0:
        return np.where(scored, MAX_SCORE, 0)
    return np.where(scored, MAX_SCORE * (highest + lowest - raw) // highest, 0)

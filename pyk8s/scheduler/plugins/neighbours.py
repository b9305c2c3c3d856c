# SPDX-License-Identifier: Apache-2.0
"""The rules of affinity between pods: over all nodes at once, from counts per row.

What upstream's `plugins/interpodaffinity` decides in `filtering.go` and `scoring.go`. Pure: who
calls says which pods are where (`PodIndex`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler.podindex import (
    PREFERRED,
    REQUIRED_AFFINITY,
    REQUIRED_ANTI,
    AffinityTerm,
    PodAffinity,
    PodIndex,
)
from pyk8s.scheduler.topology import Ints, Mask

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"

# Codes of a row in the outcome of a filter, in the order they are looked at.
FITS, NO_FRIEND, NEAR_FOE, FOE_OF_OTHERS = 0, 1, 2, 3
Codes = npt.NDArray[np.int8]

MAX_SCORE = 100

# For each topology key the pods that count in each of its domains.
_Totals = dict[str, Ints]


class Neighbours:
    """What keeps one pod from nodes, or binds it to them, given the pods on nodes now.

    `shift` lets what-if questions change a `copy`: preemption takes pods away and adds nominated
    ones.
    """

    __slots__ = ("_affinity", "_foes", "_foes_of", "_friends", "_index", "_matches_itself", "_pod")

    def __init__(self, pod: Object, index: PodIndex) -> None:
        affinity = index.affinity_of(pod)
        self._pod = pod
        self._index = index
        self._affinity: PodAffinity = affinity
        self._foes_of: _Totals = {}
        for group in index.groups_meaning(pod, (REQUIRED_ANTI,)):
            self._sum(self._foes_of, group.term.topology_key, group.counts)
        self._foes: _Totals = {}
        for term in affinity.required_anti:
            self._sum(self._foes, term.topology_key, index.counts((term.pods,)))
        self._friends: _Totals = {}
        required = affinity.required
        if required:
            counts = index.counts([term.pods for term in required])
            for term in required:
                self._sum(self._friends, term.topology_key, counts)
        self._matches_itself = all(index.means(term.pods, pod) for term in required)

    @property
    def is_unconcerned(self) -> bool:
        """Whether nothing the pod says, and nothing said of it, can keep it from any node."""
        affinity = self._affinity
        return not (affinity.required or affinity.required_anti or self._foes_of)

    def copy(self) -> Neighbours:
        twin = Neighbours.__new__(Neighbours)
        twin._pod, twin._index = self._pod, self._index
        twin._affinity, twin._matches_itself = self._affinity, self._matches_itself
        twin._foes_of, twin._foes, twin._friends = (
            {key: totals.copy() for key, totals in each.items()}
            for each in (self._foes_of, self._foes, self._friends)
        )
        return twin

    def shift(self, pod: Object, row: int, by: int) -> None:
        """`pod` is taken to be on the node of `row` (by=1) or gone from it (by=-1)."""
        index, affinity = self._index, self._affinity
        for term in index.affinity_of(pod).required_anti:
            if index.means(term.pods, self._pod):
                self._move(self._foes_of, term, row, by)
        for term in affinity.required_anti:
            if index.means(term.pods, pod):
                self._move(self._foes, term, row, by)
        required = affinity.required
        if required and all(index.means(term.pods, pod) for term in required):
            for term in required:
                self._move(self._friends, term, row, by)

    def codes(self) -> Codes:
        """For every row FITS or the first of the reasons that holds."""
        rows = self._index.topology.rows
        result = np.zeros(rows, dtype=np.int8)
        result[self._near(self._foes_of)] = FOE_OF_OTHERS
        result[self._near(self._foes)] = NEAR_FOE
        result[~self._with_friends()] = NO_FRIEND
        return result

    def code(self, row: int) -> int:
        """The same for one row."""
        if not self._has_friends(row):
            return NO_FRIEND
        if self._is_near(self._foes, row):
            return NEAR_FOE
        return FOE_OF_OTHERS if self._is_near(self._foes_of, row) else FITS

    def _sum(self, totals: _Totals, key: str, counts: Ints) -> None:
        found = self._index.topology.column(key).totals(counts)
        totals[key] = found + totals[key] if key in totals else found

    def _move(self, totals: _Totals, term: AffinityTerm, row: int, by: int) -> None:
        column = self._index.topology.column(term.topology_key)
        domain = column.ids[row]
        if domain < 0:
            return
        if term.topology_key not in totals:
            totals[term.topology_key] = np.zeros(column.size, dtype=np.int64)
        totals[term.topology_key][domain] += by

    def _near(self, totals: _Totals) -> Mask:
        found = np.zeros(self._index.topology.rows, dtype=np.bool_)
        for key, of_key in totals.items():
            found |= self._index.topology.column(key).spread(of_key) > 0
        return found

    def _is_near(self, totals: _Totals, row: int) -> bool:
        for key, of_key in totals.items():
            domain = self._index.topology.column(key).ids[row]
            if domain >= 0 and of_key[domain] > 0:
                return True
        return False

    def _keys(self) -> list[str]:
        return list(dict.fromkeys(term.topology_key for term in self._affinity.required))

    def _is_first(self) -> bool:
        """Whether the pod may go anywhere because it would be the first of its group."""
        return self._matches_itself and not any(each.any() for each in self._friends.values())

    def _with_friends(self) -> Mask:
        found = np.ones(self._index.topology.rows, dtype=np.bool_)
        first = self._is_first()
        for key in self._keys():
            column = self._index.topology.column(key)
            found &= (column.ids >= 0) if first else column.spread(self._friends[key]) > 0
        return found

    def _has_friends(self, row: int) -> bool:
        first = self._is_first()
        for key in self._keys():
            domain = self._index.topology.column(key).ids[row]
            if domain < 0 or not (first or self._friends[key][domain] > 0):
                return False
        return True


def preferences(
    pod: Object, index: PodIndex, hard_weight: int, ignore_existing_preferences: bool = False
) -> Ints | None:
    """What the terms of the pod and of pods on nodes come to for every row; None: none applies.

    `hard_weight` is hardPodAffinityWeight: what a required term of a pod on a node counts.
    `ignore_existing_preferences` is ignorePreferredTermsOfExistingPods, for pods that have no
    preferred terms themselves.
    """
    affinity = index.affinity_of(pod)
    if ignore_existing_preferences and not affinity.preferred:
        return None
    totals: _Totals = {}
    for term in affinity.preferred:
        _weigh(totals, index, term, term.weight * index.counts((term.pods,)))
    kinds: Sequence[str] = (PREFERRED, REQUIRED_AFFINITY) if hard_weight > 0 else (PREFERRED,)
    for group in index.groups_meaning(pod, kinds):
        times = hard_weight if group.kind == REQUIRED_AFFINITY else 1
        _weigh(totals, index, group.term, times * group.counts)
    if not totals:
        return None
    columns = index.topology.column
    result = np.zeros(index.topology.rows, dtype=np.int64)
    for key, of_key in totals.items():
        result += columns(key).spread(of_key)
    return result


def _weigh(totals: _Totals, index: PodIndex, term: AffinityTerm, weighted: Ints) -> None:
    found = index.topology.column(term.topology_key).totals(weighted)
    key = term.topology_key
    totals[key] = totals[key] + found if key in totals else found


def normalized(raw: Ints, feasible: Mask) -> Ints:
    """Stretched to 0 to 100 between the least and the most, each at least as far out as zero."""
    if not feasible.any():
        return np.zeros_like(raw)
    highest, lowest = max(0, int(raw[feasible].max())), min(0, int(raw[feasible].min()))
    if highest == lowest:
        return np.zeros_like(raw)
    return (MAX_SCORE * ((raw - lowest) / (highest - lowest))).astype(np.int64)

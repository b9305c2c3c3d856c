# SPDX-License-Identifier: Apache-2.0
"""Queueing hints of PodTopologySpread and InterPodAffinity: which pods and nodes they count.

As `plugins/podtopologyspread/plugin.go` and `plugins/interpodaffinity/plugin.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler.framework import clusterevents as ce
from pyk8s.scheduler.framework.clusterevents import ActionType
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.plugins.hints import Registered, on
from pyk8s.scheduler.plugins.spreading import Constraint
from pyk8s.scheduler.podindex import REQUIRED_ANTI, AffinityTerm, PodIndex

_NODE_LABEL, _POD_LABEL = ActionType.UPDATE_NODE_LABEL, ActionType.UPDATE_POD_LABEL


class SpreadHints:
    """`constraints` are the hard ones of a pod."""

    def __init__(
        self, constraints: Callable[[Object], Sequence[Constraint]], index: PodIndex
    ) -> None:
        self._constraints = constraints
        self._index = index

    def registered(self) -> Registered:
        return (
            on(ce.ASSIGNED_POD, ce.ADD | ce.DELETE | _POD_LABEL, self.pod_changed),
            on(ce.NODE, ce.ADD | ce.DELETE | _NODE_LABEL, self.node_changed),
            on(ce.NODE, ActionType.UPDATE_NODE_TAINT),
            on(ce.UNSCHEDULED_POD, _POD_LABEL | ActionType.UPDATE_POD_TOLERATION),
        )

    def pod_changed(self, pod: PodInfo, old: Object | None, new: Object | None) -> bool:
        """It counts for a constraint, or did, and not both."""
        namespace = meta.namespace(pod.pod)
        if any(each is not None and meta.namespace(each) != namespace for each in (old, new)):
            return False
        return any(
            self._is_counted(constraint, old) != self._is_counted(constraint, new)
            for constraint in self._constraints(pod.pod)
        )

    def _is_counted(self, constraint: Constraint, other: Object | None) -> bool:
        return other is not None and self._index.means(constraint.pods, other)

    def node_changed(self, pod: PodInfo, old: Object | None, new: Object | None) -> bool:
        """It has the topology keys, or had them, in other words than before."""
        keys = [each.topology_key for each in self._constraints(pod.pod)]
        before, now = _domains(keys, old), _domains(keys, new)
        return before != now


def _domains(keys: Sequence[str], node: Object | None) -> tuple[str, ...] | None:
    """The values of the keys, None without all of them."""
    here = {} if node is None else meta.labels(node)
    return tuple(here[key] for key in keys) if all(key in here for key in keys) else None


class AffinityHints:
    def __init__(self, index: PodIndex) -> None:
        self._index = index

    def registered(self) -> Registered:
        return (
            on(ce.ASSIGNED_POD, ce.ADD | ce.DELETE | _POD_LABEL, self.pod_changed),
            on(ce.NODE, ce.ADD | _NODE_LABEL, self.node_changed),
            on(ce.UNSCHEDULED_POD, _POD_LABEL),
            # A namespace may be one that a term selects from now on.
            on(ce.NAMESPACE, ce.UPDATE),
        )

    def pod_changed(self, pod: PodInfo, old: Object | None, new: Object | None) -> bool:
        """A friend came, or a foe went."""
        index, wanted = self._index, self._index.affinity_of(pod.pod)

        def are_friends(other: Object | None) -> bool:
            terms = wanted.required
            return other is not None and all(index.means(term.pods, other) for term in terms)

        def are_foes(other: Object | None) -> bool:
            return other is not None and (
                any(index.means(term.pods, other) for term in wanted.required_anti)
                or any(
                    index.means(term.pods, pod.pod)
                    for term in index.affinity_of(other).required_anti
                )
            )

        if wanted.required and are_friends(new) and not are_friends(old):
            return True
        return are_foes(old) and not are_foes(new)

    def node_changed(self, pod: PodInfo, old: Object | None, new: Object | None) -> bool:
        """It is in another domain of a term than before; for a pod without any, pods elsewhere
        have terms that keep it away, of which every new domain is free."""
        wanted = self._index.affinity_of(pod.pod)
        terms: Sequence[AffinityTerm] = (*wanted.required, *wanted.required_anti)
        if new is None:
            return False
        if not terms or old is None:
            return True
        before, now = meta.labels(old), meta.labels(new)
        keys = {term.topology_key for term in terms}
        return any(before.get(key) != now.get(key) for key in keys) or self._is_kept_away(pod)

    def _is_kept_away(self, pod: PodInfo) -> bool:
        return any(self._index.groups_meaning(pod.pod, (REQUIRED_ANTI,)))

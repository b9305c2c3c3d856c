# SPDX-License-Identifier: Apache-2.0
"""How many pods of each kind of interest are on each node, kept by difference.

Pods that no selector can tell apart (same namespace, same labels, both or neither terminating)
share a shape. A question (`counts`) is asked of every shape once; afterwards a pod that comes or
goes changes one number in the answers its shape takes part in. The terms that pods on nodes
carry themselves are grouped in the same way: one group of a thousand replicas is one term.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler.topology import Ints, Topology

Labels = Mapping[str, str]

# The kinds of terms that pods on nodes carry.
REQUIRED_ANTI = "required anti-affinity"
REQUIRED_AFFINITY = "required affinity"
PREFERRED = "preferred, anti-affinity negative"

_QUESTIONS_MAX = 1024
_PARSED_MAX = 4096
_NO_LABELS: Labels = {}


class PodTerm:
    """Which pods are meant: by namespace, named or selected, and by label. Equal by meaning."""

    __slots__ = ("key", "namespace_selector", "namespaces", "selector")

    def __init__(
        self,
        namespaces: frozenset[str],
        selector: labels.Selector,
        namespace_selector: labels.Selector | None = None,
    ) -> None:
        self.namespaces = namespaces
        self.selector = selector
        self.namespace_selector = namespace_selector
        self.key: Hashable = (namespaces, _key(selector), _key(namespace_selector))

    def matches(self, namespace: str, pod_labels: Labels, namespace_labels: Labels) -> bool:
        within = namespace in self.namespaces or (
            self.namespace_selector is not None
            and self.namespace_selector.matches(namespace_labels)
        )
        return within and self.selector.matches(pod_labels)


def _key(selector: labels.Selector | None) -> Hashable:
    # Selectors of everything and of nothing print alike.
    return None if selector is None else (selector is labels.NOTHING, str(selector))


class AffinityTerm:
    """A PodAffinityTerm of a pod; `weight` is negative for what the pod would rather avoid."""

    __slots__ = ("pods", "topology_key", "weight")

    def __init__(self, owner_namespace: str, term: Mapping[str, Any], weight: int = 0) -> None:
        named, selected = term.get("namespaces") or (), term.get("namespaceSelector")
        own = not named and selected is None
        self.pods = PodTerm(
            frozenset((owner_namespace,) if own else named),
            labels.from_label_selector(term.get("labelSelector")),
            None if selected is None else labels.from_label_selector(selected),
        )
        self.topology_key: str = term["topologyKey"]
        self.weight = weight


@dataclass(frozen=True, slots=True)
class PodAffinity:
    """What a pod says of other pods. matchLabelKeys stand in the selectors since its creation."""

    required: Sequence[AffinityTerm] = ()
    required_anti: Sequence[AffinityTerm] = ()
    preferred: Sequence[AffinityTerm] = ()

    def groups(self) -> Iterator[tuple[str, AffinityTerm]]:
        for kind, terms in (
            (REQUIRED_ANTI, self.required_anti),
            (REQUIRED_AFFINITY, self.required),
            (PREFERRED, self.preferred),
        ):
            for term in terms:
                yield kind, term


NO_AFFINITY = PodAffinity()


def _parse_affinity(namespace: str, affinity: Mapping[str, Any]) -> PodAffinity:
    required, preferred = {}, []
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        group = affinity.get(kind) or {}
        hard = group.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        required[kind] = [AffinityTerm(namespace, term) for term in hard]
        for each in group.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            term, weight = each["podAffinityTerm"], sign * each["weight"]
            preferred.append(AffinityTerm(namespace, term, weight))
    return PodAffinity(required["podAffinity"], required["podAntiAffinity"], preferred)


@dataclass(slots=True, eq=False)
class _Answer:
    """The counts of pods by row that all of `terms` mean."""

    terms: Sequence[PodTerm]
    terminating: bool
    counts: Ints

    @property
    def depends_on_namespaces(self) -> bool:
        return any(term.namespace_selector is not None for term in self.terms)


@dataclass(slots=True, eq=False)
class _Shape:
    namespace: str
    labels: Labels
    terminating: bool
    rows: dict[int, int] = field(default_factory=dict)
    answers: list[_Answer] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class TermGroup:
    """Equal terms of pods on nodes: by row how many there are, or what their weights come to."""

    kind: str
    term: AffinityTerm
    counts: Ints
    members: int = 0


@dataclass(frozen=True, slots=True)
class _Placed:
    row: int
    shape: _Shape
    shape_key: Hashable
    groups: Sequence[TermGroup]


class PodIndex:
    """The pods on nodes. Rows are those of `topology`; what stands in it follows add and remove."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        # Counts what changes answers and is no pod: the labels of namespaces.
        self.version = 0
        self._placed: dict[str, _Placed] = {}
        self._shapes: dict[Hashable, _Shape] = {}
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._groups: dict[Hashable, TermGroup] = {}
        self._namespaces: dict[str, Labels] = {}
        self._parsed: dict[tuple[str, str], PodAffinity] = {}

    def add(self, pod: Object, row: int) -> None:
        """A pod is on the node of `row`; one already known by its uid is replaced."""
        uid = meta.uid(pod)
        if uid in self._placed:
            self.remove(uid)
        key, shape = self._shape_of(pod)
        shape.rows[row] = shape.rows.get(row, 0) + 1
        for answer in shape.answers:
            answer.counts = _add(answer.counts, row, 1, self.topology.rows)
        groups = [self._group(kind, term) for kind, term in self.affinity_of(pod).groups()]
        for group in groups:
            group.members += 1
            amount = group.term.weight if group.kind == PREFERRED else 1
            group.counts = _add(group.counts, row, amount, self.topology.rows)
        self._placed[uid] = _Placed(row, shape, key, groups)

    def remove(self, uid: str) -> None:
        """The pod is on no node any more; one that is not known is no fault."""
        placed = self._placed.pop(uid, None)
        if placed is None:
            return
        row, shape = placed.row, placed.shape
        shape.rows[row] -= 1
        if not shape.rows[row]:
            del shape.rows[row]
        for answer in shape.answers:
            answer.counts[row] -= 1
        if not shape.rows:
            del self._shapes[placed.shape_key]
        for group in placed.groups:
            group.members -= 1
            group.counts[row] -= group.term.weight if group.kind == PREFERRED else 1
            if not group.members:
                self._groups.pop(_group_key(group.kind, group.term), None)

    def set_namespace(self, name: str, namespace_labels: Labels | None) -> None:
        """A namespace has these labels; None: it is gone."""
        if self._namespaces.get(name) == namespace_labels:
            return
        if namespace_labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = namespace_labels
        self.version += 1
        stale = [key for key, each in self._answers.items() if each.depends_on_namespaces]
        for key in stale:
            self._forget(key)

    def namespace_labels(self, name: str) -> Labels:
        return self._namespaces.get(name) or _NO_LABELS

    def counts(self, terms: Sequence[PodTerm], terminating: bool = True) -> Ints:
        """By row the pods that every one of `terms` means; shared, never to be changed.

        `terminating` says whether pods that are being deleted count.
        """
        key = (tuple(term.key for term in terms), terminating)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._answer(terms, terminating)
            if len(self._answers) > _QUESTIONS_MAX:
                self._forget(next(iter(self._answers)))
        else:
            self._answers.move_to_end(key)
        answer.counts = _fitted(answer.counts, self.topology.rows)
        return answer.counts

    def groups_meaning(self, pod: Object, kinds: Sequence[str]) -> Iterator[TermGroup]:
        """The terms that pods on nodes carry and that mean `pod`."""
        for group in self._groups.values():
            if group.kind in kinds and self.means(group.term.pods, pod):
                group.counts = _fitted(group.counts, self.topology.rows)
                yield group

    def means(self, term: PodTerm, pod: Object) -> bool:
        namespace = meta.namespace(pod)
        pod_labels = pod["metadata"].get("labels") or _NO_LABELS
        return term.matches(namespace, pod_labels, self.namespace_labels(namespace))

    def affinity_of(self, pod: Object) -> PodAffinity:
        """The pod's terms; parsed once for all pods that say the same. Raises ValueError."""
        affinity = pod["spec"].get("affinity")
        if not affinity or not (affinity.get("podAffinity") or affinity.get("podAntiAffinity")):
            return NO_AFFINITY
        key = (meta.namespace(pod), repr(affinity))
        parsed = self._parsed.get(key)
        if parsed is None:
            if len(self._parsed) >= _PARSED_MAX:
                self._parsed.clear()
            parsed = self._parsed[key] = _parse_affinity(key[0], affinity)
        return parsed

    def _shape_of(self, pod: Object) -> tuple[Hashable, _Shape]:
        metadata = pod["metadata"]
        namespace, pod_labels = meta.namespace(pod), metadata.get("labels") or _NO_LABELS
        terminating = bool(metadata.get("deletionTimestamp"))
        key = (namespace, frozenset(pod_labels.items()), terminating)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = _Shape(namespace, pod_labels, terminating)
            shape.answers = [each for each in self._answers.values() if self._counts(each, shape)]
        return key, shape

    def _counts(self, answer: _Answer, shape: _Shape) -> bool:
        if shape.terminating and not answer.terminating:
            return False
        around = self.namespace_labels(shape.namespace)
        return all(term.matches(shape.namespace, shape.labels, around) for term in answer.terms)

    def _answer(self, terms: Sequence[PodTerm], terminating: bool) -> _Answer:
        answer = _Answer(tuple(terms), terminating, np.zeros(self.topology.rows, dtype=np.int64))
        for shape in self._shapes.values():
            if self._counts(answer, shape):
                shape.answers.append(answer)
                for row, count in shape.rows.items():
                    answer.counts[row] += count
        return answer

    def _forget(self, key: Hashable) -> None:
        answer = self._answers.pop(key)
        for shape in self._shapes.values():
            if answer in shape.answers:
                shape.answers.remove(answer)

    def _group(self, kind: str, term: AffinityTerm) -> TermGroup:
        key = _group_key(kind, term)
        group = self._groups.get(key)
        if group is None:
            counts = np.zeros(self.topology.rows, dtype=np.int64)
            group = self._groups[key] = TermGroup(kind, term, counts)
        return group


def _group_key(kind: str, term: AffinityTerm) -> Hashable:
    # Weights add up, but a member takes its own away again: they must be its group's.
    return (kind, term.pods.key, term.topology_key, term.weight)


def _fitted(counts: Ints, rows: int) -> Ints:
    """`counts` for as many rows as there are now."""
    if len(counts) == rows:
        return counts
    return np.concatenate((counts, np.zeros(rows - len(counts), dtype=np.int64)))


def _add(counts: Ints, row: int, amount: int, rows: int) -> Ints:
    counts = _fitted(counts, rows)
    counts[row] += amount
    return counts

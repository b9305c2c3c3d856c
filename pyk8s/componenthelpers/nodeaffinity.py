# SPDX-License-Identifier: Apache-2.0
"""Which nodes a NodeSelector, a pod's required affinity and its preferred terms name.

Compiled once, matched against many nodes. Mirrors
`component-helpers/scheduling/corev1/nodeaffinity`: terms are alternatives, a term's expressions
and fields must all hold, an empty term names no node. A term that cannot be read names no node
either; what is wrong with it stands in `faults` for who wants to refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pyk8s.apimachinery import labels
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object

Labels = Mapping[str, str]
# Whether a node of these labels and this name is meant.
Match = Callable[[Labels, str], bool]

NAME_FIELD = "metadata.name"

_OPERATORS = {
    "In": labels.IN,
    "NotIn": labels.NOT_IN,
    "Exists": labels.EXISTS,
    "DoesNotExist": labels.DOES_NOT_EXIST,
    "Gt": labels.GREATER_THAN,
    "Lt": labels.LESS_THAN,
}
_NO_LABELS: Labels = {}


class NodeSelector:
    """Alternatives of which a node must satisfy one. Without any it names no node."""

    __slots__ = ("faults", "terms")

    def __init__(self, selector: Mapping[str, Any]) -> None:
        self.terms: list[Match] = []
        self.faults: list[str] = []
        for index, term in enumerate(selector.get("nodeSelectorTerms") or ()):
            if is_empty_term(term):
                continue
            try:
                self.terms.append(_compile_term(term))
            except ValueError as fault:
                self.faults.append(f"nodeSelectorTerms[{index}].{fault}")

    def matches(self, node: Object) -> bool:
        return self.matches_labels(*labels_and_name(node))

    def matches_labels(self, node_labels: Labels, name: str) -> bool:
        return any(matches(node_labels, name) for matches in self.terms)


class RequiredNodeAffinity:
    """A pod's spec.nodeSelector and required node affinity together."""

    __slots__ = ("affinity", "selector")

    def __init__(self, pod_spec: Mapping[str, Any]) -> None:
        wanted = pod_spec.get("nodeSelector")
        self.selector = labels.from_set(wanted) if wanted else None
        required = node_affinity(pod_spec).get("requiredDuringSchedulingIgnoredDuringExecution")
        self.affinity = None if required is None else NodeSelector(required)

    @property
    def is_everything(self) -> bool:
        return self.selector is None and self.affinity is None

    def matches(self, node: Object) -> bool:
        return self.matches_labels(*labels_and_name(node))

    def matches_labels(self, node_labels: Labels, name: str) -> bool:
        if self.selector is not None and not self.selector.matches(node_labels):
            return False
        return self.affinity is None or self.affinity.matches_labels(node_labels, name)


class PreferredTerm(NamedTuple):
    matches: Match
    weight: int


class PreferredNodeAffinity:
    """Weighted terms; those of weight zero and empty ones count for nothing."""

    __slots__ = ("faults", "terms")

    def __init__(self, terms: Sequence[Mapping[str, Any]]) -> None:
        self.terms: list[PreferredTerm] = []
        self.faults: list[str] = []
        for index, term in enumerate(terms):
            preference, weight = term.get("preference") or {}, term.get("weight", 0)
            if not weight or is_empty_term(preference):
                continue
            try:
                self.terms.append(PreferredTerm(_compile_term(preference), weight))
            except ValueError as fault:
                self.faults.append(f"[{index}].{fault}")

    def score(self, node: Object) -> int:
        """The sum of the weights of the terms the node satisfies."""
        node_labels, name = labels_and_name(node)
        return sum(term.weight for term in self.terms if term.matches(node_labels, name))


def preferred_of(pod_spec: Mapping[str, Any]) -> PreferredNodeAffinity:
    terms = node_affinity(pod_spec).get("preferredDuringSchedulingIgnoredDuringExecution")
    return PreferredNodeAffinity(terms or ())


def node_affinity(pod_spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}


def is_empty_term(term: Mapping[str, Any]) -> bool:
    return not term.get("matchExpressions") and not term.get("matchFields")


def labels_and_name(node: Object) -> tuple[Labels, str]:
    metadata = node.get("metadata") or {}
    return metadata.get("labels") or _NO_LABELS, metadata.get("name") or ""


def expressions_selector(expressions: Iterable[Mapping[str, Any]]) -> labels.Selector:
    """NodeSelectorRequirements on labels as one label selector; raises ValueError."""
    requirements = []
    for index, expression in enumerate(expressions):
        written = expression.get("operator", "")
        operator = _OPERATORS.get(written)
        try:
            if operator is None:
                raise ValueError(f"operator: Unsupported value: {quoted_string(written)}")
            key, values = expression.get("key", ""), expression.get("values") or ()
            requirements.append(labels.requirement(key, operator, values))
        except ValueError as fault:
            raise ValueError(f"matchExpressions[{index}].{fault}") from None
    return labels.from_requirements(requirements)


def _compile_term(term: Mapping[str, Any]) -> Match:
    selector = expressions_selector(term.get("matchExpressions") or ())
    fields = [_compile_field(*each) for each in enumerate(term.get("matchFields") or ())]
    by_labels = selector.matches
    if not fields:
        return lambda node_labels, name: by_labels(node_labels)

    def matches(node_labels: Labels, name: str) -> bool:
        # A node without a name has no fields, and what has none is not held against it.
        return by_labels(node_labels) and (not name or all(each(name) for each in fields))

    return matches


def _compile_field(index: int, expression: Mapping[str, Any]) -> Callable[[str], bool]:
    operator: str = expression.get("operator", "")
    values: Sequence[str] = expression.get("values") or ()
    if operator not in ("In", "NotIn"):
        raise ValueError(
            f"matchFields[{index}].operator: Unsupported value: {quoted_string(operator)}"
        )
    if len(values) != 1:
        raise ValueError(f"matchFields[{index}].values: must have one element")
    # A field no node has reads as the empty string.
    known, value = expression.get("key") == NAME_FIELD, values[0]
    if operator == "In":
        return lambda name: (name if known else "") == value
    return lambda name: (name if known else "") != value

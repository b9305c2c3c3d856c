# SPDX-License-Identifier: Apache-2.0
"""InterPodAffinity: every pair of pods is looked at anew."""

from __future__ import annotations

from plain.cluster import (
    MAX_SCORE,
    Cluster,
    Object,
    Scores,
    labels_of,
    name,
    namespace,
    selects,
)

from pyk8s.apimachinery import labels

EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"

HARD_POD_AFFINITY_WEIGHT = 1


def required(pod: Object, kind: str) -> list[Object]:
    group = (pod["spec"].get("affinity") or {}).get(kind) or {}
    return list(group.get("requiredDuringSchedulingIgnoredDuringExecution") or ())


def preferred(pod: Object, kind: str) -> list[tuple[int, Object]]:
    group = (pod["spec"].get("affinity") or {}).get(kind) or {}
    terms = group.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return [(each["weight"], each["podAffinityTerm"]) for each in terms]


def matches(cluster: Cluster, owner: Object, term: Object, pod: Object) -> bool:
    """Whether a term of `owner` means `pod`."""
    named, selector = term.get("namespaces") or [], term.get("namespaceSelector")
    within = set(named) if named or selector is not None else {namespace(owner)}
    if selector is not None:
        compiled = labels.from_label_selector(selector)
        within |= {ns for ns, own in cluster.namespaces.items() if compiled.matches(own)}
    return namespace(pod) in within and selects(term.get("labelSelector"), pod)


def same_domain(term: Object, one: Object, other: Object) -> bool:
    key = term["topologyKey"]
    value = labels_of(one).get(key)
    return value is not None and value == labels_of(other).get(key)


def filter(cluster: Cluster, pod: Object, node: Object) -> str:
    if not _satisfies_affinity(cluster, pod, node):
        return AFFINITY
    for term in required(pod, "podAntiAffinity"):
        for existing, where in cluster.placed():
            if same_domain(term, node, where) and matches(cluster, pod, term, existing):
                return ANTI_AFFINITY
    for existing, where in cluster.placed():
        for term in required(existing, "podAntiAffinity"):
            if same_domain(term, node, where) and matches(cluster, existing, term, pod):
                return EXISTING_ANTI_AFFINITY
    return ""


def _satisfies_affinity(cluster: Cluster, pod: Object, node: Object) -> bool:
    terms = required(pod, "podAffinity")
    if any(term["topologyKey"] not in labels_of(node) for term in terms):
        return False
    friends = [
        (existing, where)
        for existing, where in cluster.placed()
        if all(matches(cluster, pod, term, existing) for term in terms)
    ]
    if all(any(same_domain(term, node, where) for _, where in friends) for term in terms):
        return True
    # The first of a group that wants to be together must be allowed to go somewhere.
    counted = any(t["topologyKey"] in labels_of(where) for _, where in friends for t in terms)
    return not counted and all(matches(cluster, pod, term, pod) for term in terms)


def score(
    cluster: Cluster,
    pod: Object,
    feasible: list[Object],
    hard_weight: int = HARD_POD_AFFINITY_WEIGHT,
) -> Scores:
    raw = {name(node): _raw(cluster, pod, node, hard_weight) for node in feasible}
    highest, lowest = max([0, *raw.values()]), min([0, *raw.values()])
    if highest == lowest:
        return dict.fromkeys(raw, 0)
    return {
        node: int(MAX_SCORE * ((value - lowest) / (highest - lowest)))
        for node, value in raw.items()
    }


def _raw(cluster: Cluster, pod: Object, node: Object, hard_weight: int) -> int:
    total = 0
    for existing, where in cluster.placed():
        for sign, kind in ((1, "podAffinity"), (-1, "podAntiAffinity")):
            for weight, term in preferred(pod, kind):
                if same_domain(term, node, where) and matches(cluster, pod, term, existing):
                    total += sign * weight
            for weight, term in preferred(existing, kind):
                if same_domain(term, node, where) and matches(cluster, existing, term, pod):
                    total += sign * weight
        for term in required(existing, "podAffinity"):
            if same_domain(term, node, where) and matches(cluster, existing, term, pod):
                total += hard_weight
    return total

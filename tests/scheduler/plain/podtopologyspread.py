# SPDX-License-Identifier: Apache-2.0
"""PodTopologySpread: every count is taken anew from the pods."""

from __future__ import annotations

import math

from plain.cluster import (
    MAX_SCORE,
    Cluster,
    Object,
    Scores,
    is_terminating,
    labels_of,
    name,
    namespace,
    selects,
)

from pyk8s.componenthelpers import nodeaffinity, taints

NOT_MATCHED = "node(s) didn't match pod topology spread constraints"
MISSING_LABEL = f"{NOT_MATCHED} (missing required label)"
HOSTNAME = "kubernetes.io/hostname"


def constraints_of(pod: Object, action: str) -> list[Object]:
    return [
        each
        for each in pod["spec"].get("topologySpreadConstraints") or ()
        if each["whenUnsatisfiable"] == action
    ]


def is_counted(constraint: Object, incoming: Object, pod: Object) -> bool:
    if namespace(pod) != namespace(incoming) or is_terminating(pod):
        return False
    return is_selected(constraint, incoming, pod)


def is_selected(constraint: Object, incoming: Object, pod: Object) -> bool:
    if not selects(constraint.get("labelSelector"), pod):
        # With matchLabelKeys a missing selector selects by these alone.
        if constraint.get("labelSelector") is not None or not constraint.get("matchLabelKeys"):
            return False
        if not any(k in labels_of(incoming) for k in constraint["matchLabelKeys"]):
            return False
    own, others = labels_of(incoming), labels_of(pod)
    keys = [key for key in constraint.get("matchLabelKeys") or () if key in own]
    return all(others.get(key) == own[key] for key in keys)


def is_included(constraint: Object, incoming: Object, node: Object) -> bool:
    spec = incoming["spec"]
    honors_affinity = constraint.get("nodeAffinityPolicy", "Honor") == "Honor"
    if honors_affinity and not nodeaffinity.RequiredNodeAffinity(spec).matches(node):
        return False
    if constraint.get("nodeTaintsPolicy", "Ignore") == "Honor":
        of_node = (node.get("spec") or {}).get("taints") or ()
        return taints.find_untolerated(of_node, spec.get("tolerations") or ()) is None
    return True


def has_all_keys(constraints: list[Object], node: Object) -> bool:
    return all(each["topologyKey"] in labels_of(node) for each in constraints)


def domains(
    cluster: Cluster, pod: Object, constraint: Object, hard: list[Object]
) -> dict[str, int]:
    """How many pods count in each domain there is for the constraint."""
    counts: dict[str, int] = {}
    for node in cluster.nodes:
        if has_all_keys(hard, node) and is_included(constraint, pod, node):
            value = labels_of(node)[constraint["topologyKey"]]
            counted = sum(is_counted(constraint, pod, each) for each in cluster.pods_on(node))
            counts[value] = counts.get(value, 0) + counted
    return counts


def filter(cluster: Cluster, pod: Object, node: Object) -> str:
    hard = constraints_of(pod, "DoNotSchedule")
    for constraint in hard:
        value = labels_of(node).get(constraint["topologyKey"])
        if value is None:
            return MISSING_LABEL
        counts = domains(cluster, pod, constraint, hard)
        least = min(counts.values(), default=math.inf)
        if len(counts) < constraint.get("minDomains", 1):
            least = 0
        skew = counts.get(value, 0) + is_selected(constraint, pod, pod) - least
        if skew > constraint["maxSkew"]:
            return NOT_MATCHED
    return ""


def score(cluster: Cluster, pod: Object, feasible: list[Object]) -> Scores | None:
    """None for a pod without soft constraints: the plugin is skipped."""
    soft = constraints_of(pod, "ScheduleAnyway")
    if not soft:
        return None
    eligible = [node for node in feasible if has_all_keys(soft, node)]
    raw: Scores = {}
    for node in eligible:
        total = 0.0
        for constraint in soft:
            key = constraint["topologyKey"]
            values = {labels_of(each)[key] for each in eligible}
            size = len(eligible) if key == HOSTNAME else len(values)
            count = _soft_count(cluster, pod, constraint, soft, node)
            total += count * math.log(size + 2) + (constraint["maxSkew"] - 1)
        # Go's math.Round: halves go away from zero.
        raw[name(node)] = math.floor(total + 0.5)
    highest, lowest = max(raw.values(), default=0), min(raw.values(), default=0)
    scores = dict.fromkeys(map(name, feasible), 0)
    for node, value in raw.items():
        scores[node] = MAX_SCORE * (highest + lowest - value) // highest if highest else MAX_SCORE
    return scores


def _soft_count(
    cluster: Cluster, pod: Object, constraint: Object, soft: list[Object], node: Object
) -> int:
    key = constraint["topologyKey"]
    if key == HOSTNAME:
        return sum(is_counted(constraint, pod, each) for each in cluster.pods_on(node))
    value = labels_of(node)[key]
    return sum(
        is_counted(constraint, pod, each)
        for other in cluster.nodes
        if has_all_keys(soft, other)
        and is_included(constraint, pod, other)
        and labels_of(other)[key] == value
        for each in cluster.pods_on(other)
    )

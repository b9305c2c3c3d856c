# SPDX-License-Identifier: Apache-2.0
"""NodeResourcesFit with its scoring strategies, and NodeResourcesBalancedAllocation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from plain.cluster import MAX_SCORE, Cluster, Object, Scores, name

from pyk8s.componenthelpers import podrequests
from pyk8s.componenthelpers.podrequests import Options

# What a container that asks for nothing is taken to ask for when nodes are scored.
_ASSUMED = Options(missing={"cpu": podrequests.nanos("100m"), "memory": podrequests.nanos("200Mi")})
_NATIVE = ("cpu", "memory", "ephemeral-storage")

DEFAULT_RESOURCES = (("cpu", 1), ("memory", 1))


def allocatable(node: Object) -> dict[str, int]:
    listed = (node.get("status") or {}).get("allocatable")
    return podrequests.scaled(podrequests.of_list(listed))


def requested(pods: Iterable[Object], options: Options = podrequests.DEFAULT) -> dict[str, int]:
    total: dict[str, int] = {}
    for pod in pods:
        for resource, amount in podrequests.scaled(podrequests.requests(pod, options)).items():
            total[resource] = total.get(resource, 0) + amount
    return total


def filter_fit(
    cluster: Cluster, pod: Object, node: Object, ignored: Sequence[str] = ()
) -> list[str]:
    """What is not enough, in upstream's words; empty when the pod fits. `ignored` are extended
    resources, or the domains of some."""
    room = allocatable(node)
    on_node = cluster.pods_on(node)
    used = requested(on_node)
    short = ["Too many pods"] if len(on_node) + 1 > room.get("pods", 0) else []
    wanted = {
        resource: amount
        for resource, amount in requested([pod]).items()
        if amount > 0 and not {resource, resource.split("/")[0]} & {*ignored}
    }
    order = [*(r for r in _NATIVE if r in wanted), *sorted(r for r in wanted if r not in _NATIVE)]
    for resource in order:
        if wanted[resource] > room.get(resource, 0) - used.get(resource, 0):
            short.append(f"Insufficient {resource}")
    return short


# (requested, allocatable) -> score
Scorer = Callable[[int, int], int]


def least(wanted: int, room: int) -> int:
    return 0 if wanted > room else (room - wanted) * MAX_SCORE // room


def most(wanted: int, room: int) -> int:
    return min(wanted, room) * MAX_SCORE // room


def ratio(shape: Sequence[tuple[int, int]]) -> Scorer:
    """Requested to capacity: `shape` are (utilization, score up to 10) in rising order."""
    points = [(use, score * MAX_SCORE // 10) for use, score in shape]

    def scorer(wanted: int, room: int) -> int:
        use = MAX_SCORE if wanted > room else wanted * MAX_SCORE // room
        before = None
        for point in points:
            if use <= point[0]:
                if before is None:
                    return point[1]
                rise = (point[1] - before[1]) * (use - before[0])
                return before[1] + int(rise / (point[0] - before[0]))
            before = point
        return points[-1][1]

    return scorer


def score_fit(
    cluster: Cluster,
    pod: Object,
    feasible: list[Object],
    scorer: Scorer = least,
    resources: Sequence[tuple[str, int]] = DEFAULT_RESOURCES,
) -> Scores:
    """Of a `ratio` resources that score nothing do not count, and the rest is rounded."""
    own = requested([pod])
    is_ratio = scorer not in (least, most)
    scores = {}
    for node in feasible:
        room, wanted = allocatable(node), requested([*cluster.pods_on(node), pod], _ASSUMED)
        total = weights = 0
        for resource, weight in resources:
            if not room.get(resource, 0) or _is_passed_over(resource, own):
                continue
            score = scorer(wanted.get(resource, 0), room[resource])
            if score or not is_ratio:
                total += weight * score
                weights += weight
        if not weights:
            scores[name(node)] = 0
        elif is_ratio:
            scores[name(node)] = math.floor(total / weights + 0.5)
        else:
            scores[name(node)] = total // weights
    return scores


def _is_passed_over(resource: str, own: dict[str, int]) -> bool:
    """Extended resources count for pods alone that ask for them."""
    return resource not in _NATIVE and not own.get(resource)


def score_balanced(
    cluster: Cluster,
    pod: Object,
    feasible: list[Object],
    resources: Sequence[str] = ("cpu", "memory"),
) -> Scores | None:
    """None for a pod that asks for nothing: the plugin is skipped."""
    own = requested([pod])
    if not any(own.get(resource) for resource in resources):
        return None
    scores = {}
    for node in feasible:
        room, wanted = allocatable(node), requested([*cluster.pods_on(node), pod])
        fractions = [
            min(1.0, wanted.get(resource, 0) / room[resource])
            for resource in resources
            if room.get(resource, 0) and not _is_passed_over(resource, own)
        ]
        spread = 0.0
        if len(fractions) == 2:
            spread = abs((fractions[0] - fractions[1]) / 2)
        elif len(fractions) > 2:
            mean = sum(fractions) / len(fractions)
            spread = math.sqrt(sum((f - mean) ** 2 for f in fractions) / len(fractions))
        scores[name(node)] = int((1 - spread) * MAX_SCORE)
    return scores

# SPDX-License-Identifier: Apache-2.0
"""Taints of nodes and tolerations of pods.

Mirrors `api/core/v1/toleration.go`, `component-helpers/scheduling/corev1/helpers.go` and
`pkg/apis/core/v1/helper`. The operators Lt and Gt tolerate nothing: their feature
(TaintTolerationComparisonOperators) is off by default in v1.37.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

Taint = Mapping[str, Any]
Toleration = Mapping[str, Any]

NO_SCHEDULE = "NoSchedule"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
NO_EXECUTE = "NoExecute"

# The effects that keep a pod that does not tolerate them from being scheduled to the node.
HARD_EFFECTS: frozenset[str | None] = frozenset((NO_SCHEDULE, NO_EXECUTE))


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint. An effect or key left out covers every one."""
    effect = toleration.get("effect")
    if effect and effect != taint.get("effect"):
        return False
    key = toleration.get("key")
    if key and key != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Equal":
        return bool((toleration.get("value") or "") == (taint.get("value") or ""))
    return bool(operator == "Exists")


def is_tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


def find_untolerated(
    taints: Iterable[Taint],
    tolerations: Sequence[Toleration],
    effects: Collection[str | None] = HARD_EFFECTS,
) -> Taint | None:
    """The first taint with one of `effects` that no toleration covers; None when there is none."""
    for taint in taints:
        if taint.get("effect") in effects and not is_tolerated(taint, tolerations):
            return taint
    return None


def matching_tolerations(
    taints: Iterable[Taint], tolerations: Sequence[Toleration]
) -> list[Toleration] | None:
    """For each taint the first toleration that covers it; None when one is not covered.

    As upstream's GetMatchingTolerations: the effects that matter are the caller's to choose.
    """
    used = []
    for taint in taints:
        covering = next((each for each in tolerations if tolerates(each, taint)), None)
        if covering is None:
            return None
        used.append(covering)
    return used


def min_toleration_seconds(used: Iterable[Toleration]) -> int | None:
    """How long the pod may stay under the taints that `used` covers: the least tolerationSeconds.

    None means for ever, as no toleration sets a time. Zero and less mean at once (0), and so
    does `used` being empty, as upstream's GetMinTolerationTime has it.
    """
    used = list(used)
    if not used:
        return 0
    seconds = [
        each["tolerationSeconds"] for each in used if each.get("tolerationSeconds") is not None
    ]
    return max(0, min(seconds)) if seconds else None

# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of a PodDisruptionBudget. Mirrors upstream's `disruption.go` and
`component-helpers/apps/poddisruptionbudget`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyk8s.apimachinery import intorstring, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods as podrules

# This long an evicted pod may take to be deleted before it counts again.
DELETION_TIMEOUT = timedelta(minutes=2)
# This long a pod may be the target of a disruption without being deleted.
STALE_TARGET_TIMEOUT = timedelta(minutes=2)

_ALLOWED = "DisruptionAllowed"


def wants_scale(spec: Object) -> bool:
    """Whether the budget goes by how many pods their controllers mean to have."""
    least = spec.get("minAvailable")
    return spec.get("maxUnavailable") is not None or isinstance(least, str)


def expected_and_desired(spec: Object, pods: int, scale: int) -> tuple[int, int]:
    """How many pods there should be, and how many of them healthy; `scale` counts where
    `wants_scale`. Percentages round up. Raises ValueError for what is no percentage."""
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most is not None:
        return scale, max(0, scale - intorstring.scaled_value(most, scale, round_up=True))
    if least is None:
        return 0, 0
    expected = scale if isinstance(least, str) else pods
    return expected, intorstring.scaled_value(least, expected, round_up=True)


@dataclass(frozen=True, slots=True)
class Disrupted:
    """Of the pods noted as evicted: those still to be awaited, when to look again, and those
    that should have gone long ago."""

    awaited: dict[str, str]
    recheck_at: datetime | None
    overdue: list[Object]


def disrupted(status: Object, pods: Sequence[Object], now: datetime) -> Disrupted:
    """Without those that are gone, or going."""
    noted = status.get("disruptedPods") or {}
    awaited: dict[str, str] = {}
    ends: list[datetime] = []
    overdue = []
    for pod in pods:
        at = noted.get(meta.name(pod))
        if at is None or meta.is_being_deleted(pod):
            continue
        end = times.parse(at) + DELETION_TIMEOUT
        if end < now:
            overdue.append(pod)
        else:
            awaited[meta.name(pod)] = at
            ends.append(end)
    return Disrupted(awaited, min(ends, default=None), overdue)


def healthy(pods: Sequence[Object], awaited: dict[str, str]) -> int:
    """Ready ones that are not about to go."""
    return sum(
        not meta.is_being_deleted(pod) and meta.name(pod) not in awaited and podrules.is_ready(pod)
        for pod in pods
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    expected: int
    desired: int
    healthy: int

    @property
    def allowed(self) -> int:
        """None without pods: the first ones might come unseen."""
        return max(0, self.healthy - self.desired) if self.expected > 0 else 0


def status(budget: Object, counts: Counts, awaited: dict[str, str], now: str) -> Object:
    """What the status has to be; equal to what it is where nothing has changed."""
    before: Object = budget.get("status") or {}
    generation = meta.generation(budget)
    new: Object = {
        "observedGeneration": generation,
        "currentHealthy": counts.healthy,
        "desiredHealthy": counts.desired,
        "expectedPods": counts.expected,
        "disruptionsAllowed": counts.allowed,
    }
    if awaited:
        new["disruptedPods"] = awaited
    enough = counts.allowed > 0
    said = {
        "type": _ALLOWED,
        "status": "True" if enough else "False",
        "reason": "SufficientPods" if enough else "InsufficientPods",
        "message": "",
        "observedGeneration": generation,
    }
    new["conditions"] = with_condition(before.get("conditions") or [], said, now)
    return new


def failed_status(budget: Object, why: str, now: str) -> Object:
    """Nothing may be evicted while nobody knows how many pods there should be."""
    before: Object = budget.get("status") or {}
    said = {
        "type": _ALLOWED,
        "status": "False",
        "reason": "SyncFailed",
        "message": why,
        "observedGeneration": before.get("observedGeneration", 0),
    }
    conditions = with_condition(before.get("conditions") or [], said, now)
    return {**before, "disruptionsAllowed": 0, "conditions": conditions}


def with_condition(conditions: Sequence[Object], said: Object, now: str) -> list[Object]:
    """The one of this type replaced, its transition dated by a change of its status."""
    result, since = list(conditions), now
    for place, condition in enumerate(conditions):
        if condition["type"] == said["type"]:
            if condition["status"] == said["status"]:
                since = condition["lastTransitionTime"]
            result[place] = {**said, "lastTransitionTime": since}
            return result
    return [*result, {**said, "lastTransitionTime": since}]


def is_same(before: Object, after: Object) -> bool:
    """Equal but for fields left out because they are 0 or empty."""
    return _without_zeros(before) == _without_zeros(after)


def _without_zeros(status: Object) -> Object:
    bare = {key: value for key, value in status.items() if value}
    conditions = bare.get("conditions") or []
    bare["conditions"] = [{k: v for k, v in each.items() if v} for each in conditions]
    return bare


def stale_target_after(pod: Object, now: datetime) -> timedelta | None:
    """When the pod, which was to be disrupted and is still here, stops saying so; None for one
    that says no such thing. What a kubelet said is never stale: ending may take any time."""
    found = podrules.condition(pod, "DisruptionTarget")
    if found is None or meta.is_being_deleted(pod) or podrules.is_finished(pod):
        return None
    if found.get("status") != "True" or found.get("reason") == "TerminationByKubelet":
        return None
    since = found.get("lastTransitionTime")
    if not since:
        return timedelta(0)
    return max(timedelta(0), times.parse(since) + STALE_TARGET_TIMEOUT - now)

# SPDX-License-Identifier: Apache-2.0
"""What controllers ask of a Pod, and which of several should go first.

Mirrors upstream's `pkg/api/v1/pod` and `controller_utils.go`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

# An index of pods and the like by the uid of their controller; orphans by namespace.
CONTROLLER_INDEX = "controller"


def by_controller(obj: Object) -> tuple[str, ...]:
    reference = meta.controller_of(obj)
    return (reference["uid"] if reference else orphans_of(meta.namespace(obj)),)


def orphans_of(namespace: str) -> str:
    """The value of CONTROLLER_INDEX for what has no controller; no uid looks like this."""
    return f"orphans in {namespace}"


def phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase") or ""


def is_finished(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Neither finished nor being deleted: it counts as a replica."""
    return not is_finished(pod) and not meta.is_being_deleted(pod)


def condition(obj: Object, type: str) -> Object | None:
    conditions: list[Object] = (obj.get("status") or {}).get("conditions") or []
    for found in conditions:
        if found.get("type") == type:
            return found
    return None


def disruption_target(pod: Object, reason: str, message: str, now: str) -> Object:
    """The condition that says why a pod is about to be taken away: to be written before that,
    so that its owner can tell it from a failure. One that says so already is kept."""
    found = condition(pod, "DisruptionTarget")
    said = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    if found is not None and {key: found.get(key) for key in said} == said:
        return found
    since = now if found is None or found.get("status") != "True" else found["lastTransitionTime"]
    return {**said, "lastTransitionTime": since}


def is_ready(pod: Object) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True"


def _ready_since(pod: Object) -> datetime | None:
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "True" or not ready.get("lastTransitionTime"):
        return None
    return times.parse(ready["lastTransitionTime"])


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Ready, and for as long as is asked."""
    if not is_ready(pod):
        return False
    if not min_ready_seconds:
        return True
    since = _ready_since(pod)
    return since is not None and (now - since).total_seconds() >= min_ready_seconds


def seconds_until_available(pod: Object, min_ready_seconds: int, now: datetime) -> float:
    """0 for one that is available already, or not even ready."""
    since = _ready_since(pod)
    if since is None or not is_active(pod):
        return 0.0
    return max(0.0, min_ready_seconds - (now - since).total_seconds())


def seconds_until_next_available(
    owned: Iterable[Object], min_ready_seconds: int, now: datetime
) -> float:
    """When the next of them will be; 0 where time alone makes none available."""
    waits = (seconds_until_available(pod, min_ready_seconds, now) for pod in owned)
    return min((seconds for seconds in waits if seconds > 0), default=0.0)


_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def first_to_go(pods: Sequence[Object], related: Iterable[Object], count: int) -> list[Object]:
    """Which `count` of the pods cost least to lose: unscheduled before scheduled, pending before
    running, not ready before ready, cheap before dear, from nodes with many `related` pods before
    others, young before old.

    Ages count by magnitude, not by seconds, so that the oldest replica is no certain survivor;
    what is equal then goes by uid, which is as good as random.
    """
    if count >= len(pods):
        return list(pods)
    per_node = Counter((pod.get("spec") or {}).get("nodeName") for pod in related if is_active(pod))
    now = datetime.now().astimezone()

    def rank(pod: Object) -> tuple[Any, ...]:
        node = (pod.get("spec") or {}).get("nodeName")
        since = _ready_since(pod)
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        return (
            bool(node),
            _PHASE_ORDER.get(phase(pod), 0),
            is_ready(pod),
            deletion_cost(pod),
            -per_node[node] if node else 0,
            _magnitude(since, now),
            -max((status.get("restartCount") or 0 for status in statuses), default=0),
            _magnitude(_created(pod), now),
            meta.uid(pod),
        )

    return sorted(pods, key=rank)[:count]


def deletion_cost(pod: Object) -> int:
    """0 for an annotation that is no 32-bit number."""
    text = meta.annotations(pod).get(DELETION_COST, "0")
    try:
        cost = int(text)
    except ValueError:
        return 0
    return cost if -(2**31) <= cost < 2**31 and text.lstrip("-").isdigit() else 0


def _created(pod: Object) -> datetime | None:
    text = meta.of(pod).get("creationTimestamp")
    return times.parse(text) if text else None


def _magnitude(since: datetime | None, now: datetime) -> int:
    """How old, in powers of two of a second; who has no time yet is youngest."""
    if since is None:
        return -1
    return max(0, int(math.log2(max((now - since).total_seconds(), 1.0))))

# SPDX-License-Identifier: Apache-2.0
"""Which pods of a StatefulSet make way for the new template now; pure, no I/O.

Mirrors upstream's `updateStatefulSetAfterInvariantEstablished` (KEP-961).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyk8s.apimachinery import intorstring, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.statefulset import identity


def is_rolling(stateful_set: Object) -> bool:
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    return bool(strategy.get("type") != "OnDelete")


def _parameters(stateful_set: Object) -> Object | None:
    strategy: Object = stateful_set["spec"].get("updateStrategy") or {}
    return strategy.get("rollingUpdate")


def max_unavailable(stateful_set: Object) -> int:
    """At least 1; percentages round down."""
    value = (_parameters(stateful_set) or {}).get("maxUnavailable")
    count = identity.replicas_of(stateful_set)
    return max(1, intorstring.scaled_value(1 if value is None else value, count, False))


def partition(stateful_set: Object) -> int:
    """How many pods, the first ones, keep the template they have."""
    return int((_parameters(stateful_set) or {}).get("partition") or 0)


def keeps_current(stateful_set: Object, ordinal: int) -> bool:
    """Whether a pod of this ordinal that has to be made anew is made of the current template,
    and not of the new one."""
    parameters = _parameters(stateful_set)
    if parameters is not None:
        return ordinal < identity.start_of(stateful_set) + partition(stateful_set)
    if not is_rolling(stateful_set):
        return False
    count = (stateful_set.get("status") or {}).get("currentReplicas") or 0
    return ordinal < identity.start_of(stateful_set) + int(count)


def outdated(
    stateful_set: Object, replicas: Sequence[Object], revision: str, now: datetime
) -> list[Object]:
    """Those to delete now, highest ordinal first, so that no more than maxUnavailable are
    missing. With Parallel management, those that are broken anyway go beyond that."""
    min_ready = identity.min_ready_seconds(stateful_set)

    def missing(pod: Object) -> bool:
        return identity.is_unavailable(pod, min_ready, now)

    old = [
        pod
        for pod in reversed(replicas[partition(stateful_set) :])
        if identity.revision_of(pod) != revision and not meta.is_being_deleted(pod)
    ]
    budget = max(0, max_unavailable(stateful_set) - sum(map(missing, replicas)))
    if not identity.is_parallel(stateful_set):
        return old[:budget]
    broken = [pod for pod in old if missing(pod)]
    return broken + [pod for pod in old if not missing(pod)][:budget]

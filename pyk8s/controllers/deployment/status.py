# SPDX-License-Identifier: Apache-2.0
"""What a Deployment tells of itself: counts, whether it is available, how its rollout goes.

Reasons and messages are upstream's (`deployment/{sync,progress}.go`), for clients wait for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.deployment import scaling
from pyk8s.controllers.deployment.replicasets import counted, replicas, total

Condition = dict[str, Any]
Status = dict[str, Any]

AVAILABLE = "Available"
PROGRESSING = "Progressing"
REPLICA_FAILURE = "ReplicaFailure"

NEW_REPLICA_SET = "NewReplicaSetCreated"
FOUND_REPLICA_SET = "FoundNewReplicaSet"
UPDATED = "ReplicaSetUpdated"
COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"
FAILED_CREATE = "ReplicaSetCreateError"

# The deadline that stands for none.
_NO_DEADLINE = 2**31 - 1


def condition(status: Status, type: str) -> Condition | None:
    conditions: list[Condition] = status.get("conditions") or []
    return next((c for c in conditions if c.get("type") == type), None)


def new_condition(type: str, status: str, reason: str, message: str) -> Condition:
    now = times.now()
    return {
        "type": type,
        "status": status,
        "lastUpdateTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def with_condition(status: Status, condition_: Condition, *, renew: bool = False) -> Status:
    """The status with this condition. One of the same status and reason stays as it is, unless
    it is to be renewed; one of the same status keeps the time of its transition."""
    type = condition_["type"]
    before = condition(status, type)
    if before is not None and before["status"] == condition_["status"]:
        if before.get("reason") == condition_["reason"] and not renew:
            return status
        condition_ = {**condition_, "lastTransitionTime": before["lastTransitionTime"]}
    return {**status, "conditions": [*_others(status, type), condition_]}


def without_condition(status: Status, type: str) -> Status:
    if condition(status, type) is None:
        return status
    return {**status, "conditions": _others(status, type)}


def _others(status: Status, type: str) -> list[Condition]:
    return [c for c in status.get("conditions") or [] if c.get("type") != type]


def deadline_seconds(deployment: Object) -> int | None:
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds in (None, _NO_DEADLINE) else int(seconds)


def counts(deployment: Object, new: Object | None, old: Sequence[Object]) -> Status:
    """Counts and the Available condition; the other conditions as they were."""
    everything = [*old, *([new] if new is not None else [])]
    available = sum(counted(rs, "availableReplicas") for rs in everything)
    numbers = {
        "observedGeneration": meta.generation(deployment),
        "replicas": sum(counted(rs, "replicas") for rs in everything),
        "updatedReplicas": counted(new, "replicas") if new is not None else 0,
        "readyReplicas": sum(counted(rs, "readyReplicas") for rs in everything),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total(everything) - available),
    }
    made: Status = {key: number for key, number in numbers.items() if number}
    made["terminatingReplicas"] = sum(counted(rs, "terminatingReplicas") for rs in everything)
    before = deployment.get("status") or {}
    for key in ("collisionCount", "conditions"):
        if before.get(key) is not None:
            made[key] = before[key]
    if available >= replicas(deployment) - scaling.max_unavailable(deployment):
        told = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        told = (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    return with_condition(made, new_condition(AVAILABLE, *told))


def is_complete(deployment: Object, status: Status) -> bool:
    """Everything is new, nothing old is left, all of it is available."""
    wanted = replicas(deployment)
    keys = ("updatedReplicas", "replicas", "availableReplicas")
    return all((status.get(key) or 0) == wanted for key in keys) and (
        (status.get("observedGeneration") or 0) >= meta.generation(deployment)
    )


def is_progressing(before: Status, after: Status) -> bool:
    """Something has moved in the right direction since."""

    def number(status: Status, key: str) -> int:
        return status.get(key) or 0

    def old(status: Status) -> int:
        return number(status, "replicas") - number(status, "updatedReplicas")

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old(after) < old(before) or any(
        number(after, key) > number(before, key) for key in grown
    )


def has_timed_out(deployment: Object, status: Status, now: datetime) -> bool:
    """Nothing has moved for progressDeadlineSeconds."""
    progressing = condition(status, PROGRESSING)
    if progressing is None or progressing.get("reason") == COMPLETE:
        return False
    if progressing.get("reason") == TIMED_OUT:
        return True
    return now > _deadline(deployment, progressing)


def _deadline(deployment: Object, progressing: Condition) -> datetime:
    seconds = deadline_seconds(deployment) or 0
    return times.parse(progressing["lastUpdateTime"]) + timedelta(seconds=seconds)


def rollout(deployment: Object, new: Object | None, old: Sequence[Object]) -> Status:
    """The whole status during a rollout."""
    before = deployment.get("status") or {}
    made = counts(deployment, new, old)
    if deadline_seconds(deployment) is None:
        made = without_condition(made, PROGRESSING)
    else:
        made = _with_progress(deployment, new, before, made)
    failures = [
        c
        for rs in ([new] if new is not None else []) + list(old)
        for c in (rs.get("status") or {}).get("conditions") or ()
        if c.get("type") == REPLICA_FAILURE
    ]
    if not failures:
        return without_condition(made, REPLICA_FAILURE)
    first = failures[0]
    told = new_condition(
        REPLICA_FAILURE, first["status"], first.get("reason", ""), first.get("message", "")
    )
    return with_condition(made, told)


def _with_progress(deployment: Object, new: Object | None, before: Status, made: Status) -> Status:
    current = condition(before, PROGRESSING)
    rolled_out = current is not None and current.get("reason") == COMPLETE
    if rolled_out and made.get("replicas", 0) == made.get("updatedReplicas", 0):
        # Complete already: what comes and goes now is no rollout.
        return made
    what = (
        f'ReplicaSet "{meta.name(new)}"'
        if new is not None
        else f'Deployment "{meta.name(deployment)}"'
    )
    if is_complete(deployment, made):
        told = new_condition(PROGRESSING, "True", COMPLETE, f"{what} has successfully progressed.")
        return with_condition(made, told)
    if is_progressing(before, made):
        told = new_condition(PROGRESSING, "True", UPDATED, f"{what} is progressing.")
        return with_condition(made, told, renew=True)
    if has_timed_out(deployment, made, datetime.now(UTC)):
        told = new_condition(PROGRESSING, "False", TIMED_OUT, f"{what} has timed out progressing.")
        return with_condition(made, told)
    return made


def seconds_until_deadline(deployment: Object, status: Status) -> float | None:
    """When to look whether the rollout is stuck; None where that cannot be."""
    progressing = condition(status, PROGRESSING)
    if deadline_seconds(deployment) is None or progressing is None:
        return None
    if is_complete(deployment, status) or progressing.get("reason") in (TIMED_OUT, COMPLETE):
        return None
    left = (_deadline(deployment, progressing) - datetime.now(UTC)).total_seconds()
    # A second more, for times are told in whole seconds.
    return max(left, 0.0) + 1.0

# SPDX-License-Identifier: Apache-2.0
"""The status of a StatefulSet from its Pods, as upstream's `stateful_set_control.go`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods
from pyk8s.controllers.statefulset import identity, rollout

Status = dict[str, Any]


def status(
    stateful_set: Object,
    found: Iterable[Object],
    revisions: tuple[str, str],
    collisions: int,
    now: datetime,
) -> Status:
    """`found` are its pods that there are; `revisions` the names of the current one and of the
    one that is rolled out. Conditions stay as they were."""
    current, update = revisions
    found = list(found)
    staying = [identity.revision_of(p) for p in found if not meta.is_being_deleted(p)]
    ready = [pod for pod in found if identity.is_running_and_ready(pod)]
    min_ready = identity.min_ready_seconds(stateful_set)
    made: Status = {
        "observedGeneration": meta.generation(stateful_set),
        "replicas": len(found),
        "readyReplicas": len(ready),
        "availableReplicas": sum(pods.is_available(pod, min_ready, now) for pod in ready),
        "currentReplicas": staying.count(current),
        "updatedReplicas": staying.count(update),
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": collisions,
    }
    if conditions := (stateful_set.get("status") or {}).get("conditions"):
        made["conditions"] = conditions
    return made


def completed(stateful_set: Object, made: Status) -> Status:
    """The status, with the new template as the current one once every replica has it."""
    wanted = identity.replicas_of(stateful_set)
    counts = (made["updatedReplicas"], made["readyReplicas"], made["replicas"])
    if not rollout.is_rolling(stateful_set) or counts != (wanted, wanted, wanted):
        return made
    return {**made, "currentReplicas": wanted, "currentRevision": made["updateRevision"]}


def differs(stateful_set: Object, made: Status) -> bool:
    """Whether it is worth a write; an absent count is 0."""
    before = stateful_set.get("status") or {}
    return any((before.get(key) or 0) != (value or 0) for key, value in made.items())

# SPDX-License-Identifier: Apache-2.0
"""The status of a ReplicaSet from its Pods, as upstream's `replica_set_utils.go`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pyk8s.apimachinery import labels, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods

REPLICA_FAILURE = "ReplicaFailure"


def status(
    replica_set: Object, owned: Sequence[Object], failure: tuple[str, str] | None, now: datetime
) -> dict[str, Any]:
    """`owned` are all its pods; `failure` is reason and message of what went wrong just now."""
    spec = replica_set["spec"]
    min_ready = spec.get("minReadySeconds") or 0
    active = [pod for pod in owned if pods.is_active(pod)]
    template = labels.from_set((spec["template"].get("metadata") or {}).get("labels") or {})
    counts = {
        "fullyLabeledReplicas": sum(template.matches(meta.labels(pod)) for pod in active),
        "readyReplicas": sum(map(pods.is_ready, active)),
        "availableReplicas": sum(pods.is_available(pod, min_ready, now) for pod in active),
        "observedGeneration": meta.generation(replica_set),
    }
    made: dict[str, Any] = {"replicas": len(active)}
    made.update({key: count for key, count in counts.items() if count})
    if replica_set["kind"] == "ReplicaSet":
        made["terminatingReplicas"] = sum(
            meta.is_being_deleted(pod) and not pods.is_finished(pod) for pod in owned
        )
    if conditions := _conditions(replica_set, failure):
        made["conditions"] = conditions
    return made


def _conditions(replica_set: Object, failure: tuple[str, str] | None) -> list[dict[str, Any]]:
    before = (replica_set.get("status") or {}).get("conditions") or []
    others = [condition for condition in before if condition.get("type") != REPLICA_FAILURE]
    if failure is None:
        return others
    if len(others) < len(before):
        # It is told once, with its first reason, until it is over.
        return list(before)
    reason, message = failure
    return [
        *others,
        {
            "type": REPLICA_FAILURE,
            "status": "True",
            "lastTransitionTime": times.now(),
            "reason": reason,
            "message": message,
        },
    ]

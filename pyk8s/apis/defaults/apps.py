# SPDX-License-Identifier: Apache-2.0
"""Defaults of Deployments, ReplicaSets, StatefulSets and DaemonSets.

Mirrors upstream's `pkg/apis/apps/v1/defaults.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis.defaults import pods, volumes

ROLLING_UPDATE = "RollingUpdate"


def default_deployment(deployment: Object) -> None:
    spec = _spec_with_template(deployment)
    spec.setdefault("replicas", 1)
    rolling = _rolling_update(spec.setdefault("strategy", {}))
    if rolling is not None:
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def default_replica_set(replica_set: Object) -> None:
    _spec_with_template(replica_set).setdefault("replicas", 1)


def default_daemon_set(daemon_set: Object) -> None:
    spec = _spec_with_template(daemon_set)
    rolling = _rolling_update(spec.setdefault("updateStrategy", {}))
    if rolling is not None:
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def default_stateful_set(stateful_set: Object) -> None:
    spec = _spec_with_template(stateful_set)
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    _default_stateful_set_strategy(spec.setdefault("updateStrategy", {}))
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    for key in ("whenDeleted", "whenScaled"):
        if not retention.get(key):
            retention[key] = "Retain"
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    for claim in spec.get("volumeClaimTemplates") or ():
        _default_claim_template(claim)


def _spec_with_template(obj: Object) -> dict[str, Any]:
    spec: dict[str, Any] = obj.setdefault("spec", {})
    pods.default_pod_template(spec.setdefault("template", {}))
    return spec


def _rolling_update(strategy: dict[str, Any]) -> dict[str, Any] | None:
    """The strategy's parameters, made where it is (or becomes) a rolling update."""
    if not strategy.get("type"):
        strategy["type"] = ROLLING_UPDATE
    if strategy["type"] != ROLLING_UPDATE:
        return None
    rolling: dict[str, Any] = strategy.setdefault("rollingUpdate", {})
    return rolling


def _default_stateful_set_strategy(strategy: dict[str, Any]) -> None:
    # Unlike its siblings, a StatefulSet that names the type gets no parameters it did not ask for.
    if not strategy.get("type"):
        strategy["type"] = ROLLING_UPDATE
        strategy.setdefault("rollingUpdate", {})
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == ROLLING_UPDATE and rolling is not None:
        rolling.setdefault("partition", 0)
        rolling.setdefault("maxUnavailable", 1)


def _default_claim_template(claim: dict[str, Any]) -> None:
    claim.setdefault("apiVersion", "v1")
    claim.setdefault("kind", "PersistentVolumeClaim")
    claim.setdefault("metadata", {})
    volumes.default_claim_spec(claim.setdefault("spec", {}))
    status = claim.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind("apps", "v1", "Deployment"): default_deployment,
    GroupVersionKind("apps", "v1", "ReplicaSet"): default_replica_set,
    GroupVersionKind("apps", "v1", "DaemonSet"): default_daemon_set,
    GroupVersionKind("apps", "v1", "StatefulSet"): default_stateful_set,
}

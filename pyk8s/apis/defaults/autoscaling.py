# SPDX-License-Identifier: Apache-2.0
"""Defaults of HorizontalPodAutoscalers, in both versions.

Mirrors upstream's `pkg/apis/autoscaling/{v1,v2}/defaults.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersionKind, Object

CPU_UTILIZATION_PERCENT = 80


def default_autoscaler_v1(autoscaler: Object) -> None:
    """The CPU target is filled in by the conversion to v2, which knows of other metrics."""
    autoscaler.setdefault("spec", {}).setdefault("minReplicas", 1)


def default_autoscaler(autoscaler: Object) -> None:
    spec = autoscaler.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [cpu_utilization(CPU_UTILIZATION_PERCENT)]
    behavior = spec.get("behavior")
    if behavior is not None:
        behavior["scaleUp"] = _scale_up(behavior.get("scaleUp") or {})
        behavior["scaleDown"] = _scale_down(behavior.get("scaleDown") or {})


def cpu_utilization(percent: int) -> dict[str, Any]:
    """The one metric that autoscaling/v1 can express."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _scale_up(rules: dict[str, Any]) -> dict[str, Any]:
    policies = [_policy("Pods", 4), _policy("Percent", 100)]
    defaults = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": policies}
    return {**defaults, **rules}


def _scale_down(rules: dict[str, Any]) -> dict[str, Any]:
    # No window here: the controller manager's own setting counts.
    return {"selectPolicy": "Max", "policies": [_policy("Percent", 100)], **rules}


def _policy(kind: str, value: int) -> dict[str, Any]:
    return {"type": kind, "value": value, "periodSeconds": 15}


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler"): default_autoscaler_v1,
    GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler"): default_autoscaler,
}

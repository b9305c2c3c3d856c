# SPDX-License-Identifier: Apache-2.0
"""The status of an autoscaler: conditions, and what a metric looks like in it. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyk8s.apimachinery import quantity, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.podautoscaler.behavior import Why
from pyk8s.controllers.podautoscaler.replicas import Proposal

ABLE_TO_SCALE = "AbleToScale"
SCALING_ACTIVE = "ScalingActive"
SCALING_LIMITED = "ScalingLimited"


def set_condition(hpa: Object, type: str, is_true: bool, why: Why, now: datetime) -> None:
    """Its time of transition moves with its status alone. Changes the autoscaler."""
    conditions: list[dict[str, Any]] = hpa["status"].setdefault("conditions", [])
    found = next((each for each in conditions if each["type"] == type), None)
    if found is None:
        found = {"type": type}
        conditions.append(found)
    status = "True" if is_true else "False"
    if found.get("status") != status:
        found["lastTransitionTime"] = times.format(now)
    found.update(status=status, reason=why.reason, message=why.message)


def of_metric(spec: dict[str, Any], proposal: Proposal) -> dict[str, Any]:
    """An entry of status.currentMetrics for a metric of type Resource or ContainerResource."""
    field = "resource" if spec["type"] == "Resource" else "containerResource"
    current: dict[str, Any] = {"averageValue": quantity.canonical(f"{proposal.value}m")}
    if proposal.utilization is not None:
        current["averageUtilization"] = proposal.utilization
    source = spec[field]
    named = {key: source[key] for key in ("name", "container") if key in source}
    return {"type": spec["type"], field: {**named, "current": current}}

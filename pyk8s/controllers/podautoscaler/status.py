# SPDX-License-Identifier: Apache-2.0
"""The conditions of an autoscaler. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyk8s.apimachinery import times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.podautoscaler.behavior import Why

ABLE_TO_SCALE = "AbleToScale"
SCALING_ACTIVE = "ScalingActive"
SCALING_LIMITED = "ScalingLimited"
# Set when the replicas are changed; what an autoscaler made zero it may make more again.
SCALED_TO_ZERO = "ScaledToZero"


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


def is_true(hpa: Object, type: str) -> bool:
    conditions = (hpa.get("status") or {}).get("conditions") or ()
    return any(each["type"] == type and each["status"] == "True" for each in conditions)

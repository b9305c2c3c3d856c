# SPDX-License-Identifier: Apache-2.0
"""Conditions of a Job, and what they say about its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyk8s.apimachinery import times
from pyk8s.apimachinery.gvk import Object

SUSPENDED = "Suspended"
COMPLETE = "Complete"
FAILED = "Failed"
# Before the Job has come to its end, and its Pods are still on their way out.
FAILURE_TARGET = "FailureTarget"
SUCCESS_CRITERIA_MET = "SuccessCriteriaMet"

_FINAL = {FAILURE_TARGET: FAILED, SUCCESS_CRITERIA_MET: COMPLETE}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a Job ends: a condition that is true from now on."""

    type: str
    reason: str
    message: str

    @property
    def is_success(self) -> bool:
        return self.type in (SUCCESS_CRITERIA_MET, COMPLETE)

    def final(self) -> Verdict:
        """The condition that follows once all Pods have gone."""
        return Verdict(_FINAL.get(self.type, self.type), self.reason, self.message)

    def condition(self, now: datetime) -> dict[str, Any]:
        return new(self.type, "True", (self.reason, self.message), now)


def new(type: str, status: str, why: tuple[str, str], now: datetime) -> dict[str, Any]:
    """`why` is reason and message."""
    moment = times.format(now)
    made = {"type": type, "status": status, "lastProbeTime": moment, "lastTransitionTime": moment}
    reason, message = why
    if reason:
        made["reason"] = reason
    if message:
        made["message"] = message
    return made


def of(job: Object) -> Sequence[dict[str, Any]]:
    return (job.get("status") or {}).get("conditions") or ()


def find(job: Object, type: str) -> dict[str, Any] | None:
    """The condition, if it is true."""
    for condition in of(job):
        if condition.get("type") == type and condition.get("status") == "True":
            return condition
    return None


def finished_as(job: Object) -> str:
    """Complete or Failed; empty while the Job has not ended."""
    for condition in of(job):
        if condition.get("type") in (COMPLETE, FAILED) and condition.get("status") == "True":
            return str(condition["type"])
    return ""


def is_finished(job: Object) -> bool:
    return bool(finished_as(job))


def verdict_in(job: Object) -> Verdict | None:
    """What an earlier look at the Job has decided, and its status says already."""
    if (met := find(job, SUCCESS_CRITERIA_MET)) is not None:
        return Verdict(SUCCESS_CRITERIA_MET, met.get("reason", ""), met.get("message", ""))
    if (target := find(job, FAILURE_TARGET)) is not None:
        return Verdict(FAILED, target.get("reason", ""), target.get("message", ""))
    return None


def ensure(status: dict[str, Any], condition: dict[str, Any]) -> bool:
    """Put the condition into the status, in place of the one of its type, if it says anything
    new; a first one that is false does not. Whether the status was changed."""
    conditions = [*(status.get("conditions") or ())]
    for position, before in enumerate(conditions):
        if before.get("type") == condition["type"]:
            keys = ("status", "reason", "message")
            if all(before.get(key) == condition.get(key) for key in keys):
                return False
            conditions[position] = condition
            break
    else:
        if condition["status"] == "False":
            return False
        conditions.append(condition)
    status["conditions"] = conditions
    return True

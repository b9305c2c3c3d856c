# SPDX-License-Identifier: Apache-2.0
"""When a Pod of a Job has failed, and what its podFailurePolicy makes of that.

Mirrors upstream's `pod_failure_policy.go`, and the failure counts of `indexed_job_utils.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods

INDEX_FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURE_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"

_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Match:
    """The action of the first rule that a failed Pod matches, empty for none; whether the
    failure counts; and for FailJob, why the Job fails."""

    action: str = ""
    counts: bool = True
    message: str = ""


_NO_MATCH = Match()


def only_replaces_failed(job: Object) -> bool:
    """Whether a Pod on its way out is waited for before another takes its place."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or bool(spec.get("podFailurePolicy"))


def is_failed(job: Object, pod: Object) -> bool:
    """A Pod being deleted counts as failed too, for an orphaned one may never come to an end,
    unless the Job is to wait for it."""
    phase = pods.phase(pod)
    if phase == "Failed":
        return True
    if only_replaces_failed(job):
        return False
    return meta.is_being_deleted(pod) and phase != "Succeeded"


def match(job: Object, pod: Object) -> Match:
    """What the Job's podFailurePolicy says of a Pod that has failed."""
    policy = job["spec"].get("podFailurePolicy") or {}
    for number, rule in enumerate(policy.get("rules") or ()):
        what = _matched(rule, pod)
        if not what:
            continue
        action = rule["action"]
        if action == "FailJob":
            return Match(action, True, f"{what} matching FailJob rule at index {number}")
        return Match(action, action != "Ignore")
    return _NO_MATCH


def _matched(rule: Mapping[str, Any], pod: Object) -> str:
    """What it was in the Pod that matched, as the beginning of a sentence; empty if nothing."""
    status = pod.get("status") or {}
    name = "/".join(meta.namespaced_name(pod))
    if (requirement := rule.get("onExitCodes")) is not None:
        for key in ("containerStatuses", "initContainerStatuses"):
            if (found := _exited(status.get(key) or (), requirement)) is not None:
                code = found["state"]["terminated"]["exitCode"]
                return f"Container {found['name']} for pod {name} failed with exit code {code}"
    elif (patterns := rule.get("onPodConditions")) is not None:
        wanted = {(pattern["type"], pattern.get("status", "True")) for pattern in patterns}
        for condition in status.get("conditions") or ():
            if (condition["type"], condition["status"]) in wanted:
                return f"Pod {name} has condition {condition['type']}"
    return ""


def _exited(statuses: Sequence[Object], requirement: Mapping[str, Any]) -> Object | None:
    for status in statuses:
        ended = (status.get("state") or {}).get("terminated")
        code = (ended or {}).get("exitCode") or 0
        if not code or requirement.get("containerName", status["name"]) != status["name"]:
            continue
        if (code in requirement["values"]) == (requirement["operator"] == "In"):
            return status
    return None


def message_of_job_failure(job: Object, owned: Sequence[Object]) -> str:
    """Why the Job is to fail at once; empty if it is not."""
    if not job["spec"].get("podFailurePolicy"):
        return ""
    for pod in owned:
        if is_failed(job, pod) and (message := match(job, pod).message):
            return message
    return ""


# --- per index


def counted_before(pod: Object) -> int:
    """How many Pods of the index have failed before this one, and counted."""
    return _number(pod, INDEX_FAILURE_COUNT)


def all_before(pod: Object) -> int:
    """The same with those that were ignored."""
    return counted_before(pod) + _number(pod, INDEX_IGNORED_FAILURE_COUNT)


def annotations_of_next(job: Object, replaced: Object | None) -> dict[str, str]:
    """What the Pod remembers that takes the place of this one, or is the first of its index."""
    counted, ignored = 0, 0
    if replaced is not None:
        counted, ignored = counted_before(replaced), _number(replaced, INDEX_IGNORED_FAILURE_COUNT)
        if match(job, replaced).counts:
            counted += 1
        else:
            ignored += 1
    made = {INDEX_FAILURE_COUNT: str(counted)}
    if ignored:
        made[INDEX_IGNORED_FAILURE_COUNT] = str(ignored)
    return made


def fails_index(job: Object, pod: Object) -> bool:
    """Whether with this Pod its index has failed for good."""
    if not is_failed(job, pod):
        return False
    matched = match(job, pod)
    if matched.action == "FailIndex":
        return True
    limit: int = job["spec"]["backoffLimitPerIndex"]
    return matched.counts and counted_before(pod) >= limit


def _number(pod: Object, annotation: str) -> int:
    """0 for what nobody but the controller should have written, and did."""
    text = meta.annotations(pod).get(annotation, "")
    if not text.isascii() or not text.isdigit():
        return 0
    number = int(text)
    return number if number <= _INT32_MAX else 0

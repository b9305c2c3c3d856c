# SPDX-License-Identifier: Apache-2.0
"""Rules of a Job's status, which also controllers outside the cluster's own may write.

Most rules look only at what changes: a status that broke a rule before may still be written in
its other parts. Mirrors `validateJobStatus` and `ValidateJobStatusUpdate` of upstream's
`pkg/apis/batch/validation/validation.go`, with the options of `pkg/registry/batch/job`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, indexes, meta

_STATUS = field.Path("status")
_CONDITIONS = _STATUS.child("conditions")

Status = Mapping[str, Any]


class _Change:
    """One write of a Job's status: the state before and after, as the rules ask for it."""

    def __init__(self, updated: Object, existing: Object) -> None:
        self.spec: Status = updated["spec"]
        self.after: Status = updated.get("status") or {}
        self.before: Status = existing.get("status") or {}
        self.true_after = _true_conditions(self.after)
        self.true_before = _true_conditions(self.before)

    def changes(self, *keys: str) -> bool:
        return any(self.after.get(key) != self.before.get(key) for key in keys)

    def turns(self, *conditions: str) -> bool:
        return any((c in self.true_after) != (c in self.true_before) for c in conditions)

    @property
    def finished(self) -> bool:
        return bool(self.true_after & {"Complete", "Failed"})

    @property
    def turns_finished(self) -> bool:
        return self.finished != bool(self.true_before & {"Complete", "Failed"})

    @property
    def indexed(self) -> bool:
        return bool(self.spec.get("completionMode") == "Indexed")


def _true_conditions(status: Status) -> frozenset[str]:
    return frozenset(
        condition.get("type", "")
        for condition in status.get("conditions") or ()
        if condition.get("status") == "True"
    )


def validate_job_status_update(updated: Object, existing: Object) -> list[field.Error]:
    change = _Change(updated, existing)
    found = meta.validate_object_meta_update(updated, existing)
    found += _counters(change.after)
    found += _completion(change)
    found += _finished_job(change)
    found += _index_sets(change)
    found += _success_criteria(change)
    return found + _history(change)


def _counters(status: Status) -> list[field.Error]:
    keys = ("active", "succeeded", "failed", "ready", "terminating")
    found = checks.all_non_negative(status, keys, _STATUS)
    uncounted = status.get("uncountedTerminatedPods") or {}
    seen: set[str] = set()
    for key in ("succeeded", "failed"):
        path = _STATUS.child("uncountedTerminatedPods", key)
        for index, uid in enumerate(uncounted.get(key) or ()):
            if not uid:
                found.append(field.invalid(path.index(index), uid, "must not be empty"))
            elif uid in seen:
                found.append(field.duplicate(path.index(index), uid))
            seen.add(uid)
    return found


def _wrong_conditions(detail: str) -> field.Error:
    return field.invalid(_CONDITIONS, field.OMITTED, detail)


def _completion(change: _Change) -> list[field.Error]:
    """Whether the conditions and the completion time tell one story."""
    found = []
    true = change.true_after
    complete, failed = "Complete" in true, "Failed" in true
    if change.turns("Complete", "Failed") and complete and failed:
        found.append(_wrong_conditions("cannot set Complete=True and Failed=true conditions"))
    if change.turns("Complete", "FailureTarget") and complete and "FailureTarget" in true:
        detail = "cannot set Complete=True and FailureTarget=true conditions"
        found.append(_wrong_conditions(detail))
    finished_at = change.after.get("completionTime")
    started_at = change.after.get("startTime")
    where = _STATUS.child("completionTime")
    if change.turns("Complete") or change.changes("completionTime"):
        if finished_at is not None and not complete:
            detail = "cannot set completionTime when there is no Complete=True condition"
            found.append(field.invalid(where, finished_at, detail))
        if finished_at is None and complete:
            found.append(field.required(where, "completionTime is required for Complete jobs"))
    # Times of this form (RFC 3339, whole seconds, UTC) sort as texts.
    moved = change.changes("startTime", "completionTime")
    if moved and started_at and finished_at and finished_at < started_at:
        detail = "completionTime cannot be set before startTime"
        found.append(field.invalid(where, finished_at, detail))
    if change.turns("Failed", "FailureTarget") and failed and "FailureTarget" not in true:
        detail = "cannot set Failed=True condition without the FailureTarget=true condition"
        found.append(_wrong_conditions(detail))
    unmet = complete and "SuccessCriteriaMet" not in true
    if change.turns("Complete", "SuccessCriteriaMet") and unmet:
        detail = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        found.append(_wrong_conditions(detail))
    return found


def _finished_job(change: _Change) -> list[field.Error]:
    """A finished Job has started, and has no Pods left."""
    found = []
    status = change.after
    turns = change.turns_finished
    active, terminating = status.get("active", 0), status.get("terminating", 0)
    if change.finished and (turns or change.changes("active")) and active > 0:
        where = _STATUS.child("active")
        found.append(field.invalid(where, active, "active>0 is invalid for finished job"))
    if change.finished and (turns or change.changes("startTime")) and "startTime" not in status:
        where = _STATUS.child("startTime")
        found.append(field.required(where, "startTime is required for finished job"))
    uncounted = status.get("uncountedTerminatedPods") or {}
    some = uncounted.get("failed") or uncounted.get("succeeded")
    if change.finished and some and (turns or change.changes("uncountedTerminatedPods")):
        shown = checks.go_struct(uncounted, (("Succeeded", "succeeded"), ("Failed", "failed")))
        detail = "uncountedTerminatedPods needs to be empty for finished job"
        found.append(field.invalid(_STATUS.child("uncountedTerminatedPods"), shown, detail))
    if change.finished and (turns or change.changes("terminating")) and terminating > 0:
        where = _STATUS.child("terminating")
        detail = "terminating>0 is invalid for finished job"
        found.append(field.invalid(where, terminating, detail))
    ready = status.get("ready")
    if change.changes("ready", "active") and ready is not None and ready > active:
        where = _STATUS.child("ready")
        found.append(field.invalid(where, ready, "cannot set more ready pods than active"))
    return found


def _index_sets(change: _Change) -> list[field.Error]:
    found = []
    completed = change.after.get("completedIndexes", "")
    failed = change.after.get("failedIndexes")
    completions = change.spec.get("completions")
    per_index = "backoffLimitPerIndex" in change.spec
    if change.changes("completedIndexes"):
        where = _STATUS.child("completedIndexes")
        found += _readable(completed, completions, where)
        if completed and not change.indexed:
            detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
            found.append(field.invalid(where, completed, detail))
    where = _STATUS.child("failedIndexes")
    if change.changes("failedIndexes") and failed is not None:
        if per_index:
            found += _readable(failed, completions, where)
        else:
            detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
            found.append(field.invalid(where, failed, detail))
    if change.changes("failedIndexes", "completedIndexes") and completions is not None:
        common = indexes.first_common(completed, failed or "", completions)
        if common is not None:
            detail = f"failedIndexes and completedIndexes overlap at index: {common}"
            found.append(field.invalid(where, failed, detail))
    return found


def _readable(text: str, completions: int | None, path: field.Path) -> list[field.Error]:
    if completions is None:
        return []
    try:
        indexes.parse(text, completions)
    except ValueError as error:
        name = str(path).rpartition(".")[2]
        return [field.invalid(path, text, f"error parsing {name}: {error}")]
    return []


def _success_criteria(change: _Change) -> list[field.Error]:
    found = []
    true = change.true_after
    met = "SuccessCriteriaMet" in true
    if met and "Failed" in true:
        detail = "cannot set SuccessCriteriaMet=True and Failed=true conditions"
        found.append(_wrong_conditions(detail))
    if met and "FailureTarget" in true:
        detail = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"
        found.append(_wrong_conditions(detail))
    if "successPolicy" in change.spec and not met and "Complete" in true:
        detail = (
            "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        )
        found.append(_wrong_conditions(detail))
    return found


def _history(change: _Change) -> list[field.Error]:
    """What, once reached, may not be taken back."""
    found = []
    before, after = change.before, change.after
    for condition in ("Failed", "Complete", "FailureTarget"):
        if condition in change.true_before and condition not in change.true_after:
            detail = f"cannot disable the terminal {condition}=True condition"
            found.append(_wrong_conditions(detail))
    if after.get("failed", 0) < before.get("failed", 0):
        where = _STATUS.child("failed")
        detail = "cannot decrease the failed counter"
        found.append(field.invalid(where, after.get("failed", 0), detail))
    # An indexed Job that may be scaled down can lose successes that count no more.
    elastic = change.indexed and change.spec.get("completions") == change.spec.get("parallelism")
    if not elastic and after.get("succeeded", 0) < before.get("succeeded", 0):
        where = _STATUS.child("succeeded")
        detail = "cannot decrease the succeeded counter"
        found.append(field.invalid(where, after.get("succeeded", 0), detail))
    if (
        "completionTime" in before
        and "completionTime" in after
        and change.changes("completionTime")
    ):
        where = _STATUS.child("completionTime")
        detail = "completionTime cannot be mutated"
        found.append(field.invalid(where, after["completionTime"], detail))
    return found + _started_and_met(change)


def _started_and_met(change: _Change) -> list[field.Error]:
    found = []
    suspended = change.spec.get("suspend", False)
    # The clock of a Job starts anew when it is resumed.
    resumes = "Suspended" in change.true_before and "Suspended" not in change.true_after
    fixed = not suspended and not resumes
    if "startTime" in change.before and change.changes("startTime") and fixed:
        detail = "startTime cannot be removed for unsuspended job"
        found.append(field.required(_STATUS.child("startTime"), detail))
    met_before = "SuccessCriteriaMet" in change.true_before
    met_after = "SuccessCriteriaMet" in change.true_after
    if met_before and not met_after:
        found.append(_wrong_conditions("cannot disable the SuccessCriteriaMet=True condition"))
    if "Complete" in change.true_before and not met_before and met_after:
        detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        found.append(_wrong_conditions(detail))
    return found

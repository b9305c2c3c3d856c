# SPDX-License-Identifier: Apache-2.0
"""What one look at a Job and its Pods says: counts, whether it ends, which Pods are too many or
missing. No I/O. Mirrors the rules of upstream's `job_controller.go`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods
from pyk8s.controllers.job import backoff, conditions, failures, indexes
from pyk8s.controllers.job.conditions import FAILURE_TARGET, SUCCESS_CRITERIA_MET, Verdict
from pyk8s.controllers.job.indexes import Indexes
from pyk8s.controllers.job.template import TRACKING_FINALIZER

# At most this many pods are made or removed in one go.
BURST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Pods to remove, or else how many to make, or else how long to wait before making any.
    `create` holds a completion index per Pod; UNKNOWN for a Job without."""

    delete: Sequence[Object] = ()
    create: Sequence[int] = ()
    wait_seconds: float = 0.0


class Sync:
    """`job` is a copy whose status may be changed; Pods are the cache's. `released` are uids of
    Pods whose finalizer is off already, though the cache does not show it."""

    def __init__(
        self, job: Object, owned: Sequence[Object], released: Collection[str], now: datetime
    ) -> None:
        self.status: dict[str, Any] = copy.deepcopy(job.get("status") or {})
        self.job = {**job, "status": self.status}
        self.spec: dict[str, Any] = job["spec"]
        self.pods = sorted(owned, key=indexes.index_of)
        self.released = released
        self.now = now
        self.active = [pod for pod in owned if pods.is_active(pod)]
        self.terminating = [
            pod for pod in owned if meta.is_being_deleted(pod) and not pods.is_finished(pod)
        ]
        self.is_indexed = self.spec.get("completionMode") == "Indexed"
        self.per_index = "backoffLimitPerIndex" in self.spec
        self.completions: int | None = self.spec.get("completions")
        uncounted = self.status.setdefault("uncountedTerminatedPods", {})
        self._uncounted = {key: set(uncounted.get(key) or ()) for key in ("succeeded", "failed")}
        self.new_succeeded = self._ended("succeeded", lambda p: pods.phase(p) == "Succeeded")
        self.new_failed = self._ended("failed", lambda p: failures.is_failed(job, p))
        self._count()

    def _count(self) -> None:
        status = self.status
        self.succeeded = (
            (status.get("succeeded") or 0)
            + len(self.new_succeeded)
            + len(self._uncounted["succeeded"])
        )
        counting = sum(failures.match(self.job, pod).counts for pod in self.new_failed)
        self.failed = (status.get("failed") or 0) + counting + len(self._uncounted["failed"])
        self.indexes_before = self.indexes = self.failed_indexes = Indexes()
        self.last_failed: dict[int, Object] = {}
        if not self.is_indexed:
            return
        limit = self.completions or 0
        self.indexes_before = indexes.parse(status.get("completedIndexes") or "", limit)
        self.indexes = self.indexes_before.with_indexes(
            indexes.index_of(pod)
            for pod in self.pods
            if pods.phase(pod) == "Succeeded" and is_held(pod) and self.is_valid(pod)
        )
        self.succeeded = len(self.indexes)
        if self.per_index:
            before = indexes.parse(status.get("failedIndexes") or "", limit)
            self.failed_indexes = before
            # Of a Job that ends, the Pods that are still failing are those that it has stopped.
            if conditions.verdict_in(self.job) is None:
                self.failed_indexes = before.with_indexes(
                    indexes.index_of(pod)
                    for pod in self.pods
                    if is_held(pod) and self.is_valid(pod) and failures.fails_index(self.job, pod)
                )
            self.last_failed = self._last_failed()

    def _ended(self, key: str, says: Callable[[Object], bool]) -> list[Object]:
        """Held Pods that are neither counted nor waiting for it."""
        return [
            pod
            for pod in self.pods
            if self.is_to_be_counted(pod)
            and meta.uid(pod) not in self._uncounted[key]
            and self.is_valid(pod)
            and says(pod)
        ]

    def is_to_be_counted(self, pod: Object) -> bool:
        return is_held(pod) and meta.uid(pod) not in self.released

    def is_valid(self, pod: Object) -> bool:
        """Of an Indexed Job, only a Pod with one of its indexes means anything."""
        return not self.is_indexed or 0 <= indexes.index_of(pod) < (self.completions or 0)

    def _last_failed(self) -> dict[int, Object]:
        """Per index without a Pod, the failed one that the next one takes its count from; its
        finalizer, and so the Pod, stays until then."""
        covered = self.indexes | self.failed_indexes
        busy = {indexes.index_of(pod) for pod in self.active}
        found: dict[int, Object] = {}
        for pod in self.pods:
            index = indexes.index_of(pod)
            if not self.is_to_be_counted(pod) or not self.is_valid(pod) or index in covered:
                continue
            if index in busy or not failures.is_failed(self.job, pod):
                continue
            if index not in found or _rank(found[index]) <= _rank(pod):
                found[index] = pod
        return found

    @property
    def is_suspended(self) -> bool:
        return bool(self.spec.get("suspend"))

    @property
    def seconds_to_deadline(self) -> float | None:
        """None where there is no deadline that could pass."""
        started = self.status.get("startTime")
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is None or not started or self.is_suspended:
            return None
        return float(seconds - (self.now - times.parse(started)).total_seconds())

    # --- does it end

    def verdict(self) -> Verdict | None:
        """Whether the Job fails, or has met its success policy, as far as Pods tell."""
        if (known := conditions.verdict_in(self.job)) is not None:
            return known
        if message := failures.message_of_job_failure(self.job, self.pods):
            return Verdict(FAILURE_TARGET, "PodFailurePolicy", message)
        if self.failed > self.spec["backoffLimit"] or self._restarted_too_often():
            message = "Job has reached the specified backoff limit"
            return Verdict(FAILURE_TARGET, "BackoffLimitExceeded", message)
        left = self.seconds_to_deadline
        if left is not None and left <= 0:
            message = "Job was active longer than specified deadline"
            return Verdict(FAILURE_TARGET, "DeadlineExceeded", message)
        return self._verdict_of_indexes() if self.is_indexed else None

    def _verdict_of_indexes(self) -> Verdict | None:
        if count := len(self.failed_indexes):
            most = self.spec.get("maxFailedIndexes")
            if most is not None and count > most:
                message = "Job has exceeded the specified maximal number of failed indexes"
                return Verdict(FAILURE_TARGET, "MaxFailedIndexesExceeded", message)
            if count + len(self.indexes) >= (self.completions or 0):
                return Verdict(FAILURE_TARGET, "FailedIndexes", "Job has failed indexes")
        rules = (self.spec.get("successPolicy") or {}).get("rules") or ()
        for number, rule in enumerate(rules):
            if self._matches(rule):
                message = f"Matched rules at index {number}"
                return Verdict(SUCCESS_CRITERIA_MET, "SuccessPolicy", message)
        return None

    def _matches(self, rule: dict[str, Any]) -> bool:
        count = rule.get("succeededCount")
        if not self.indexes:
            return False
        if rule.get("succeededIndexes") is None:
            return count is not None and len(self.indexes) >= count
        wanted = indexes.parse(rule["succeededIndexes"], self.completions or 0)
        common = wanted.common(self.indexes)
        return bool(wanted) and (common == len(wanted) or (count is not None and common >= count))

    def _restarted_too_often(self) -> bool:
        """Containers that are restarted in place count where no Pod is ever replaced."""
        if self.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        restarts = sum(
            container.get("restartCount") or 0
            for pod in self.pods
            if pods.phase(pod) in ("Running", "Pending")
            for key in ("initContainerStatuses", "containerStatuses")
            for container in (pod.get("status") or {}).get(key) or ()
        )
        limit: int = self.spec["backoffLimit"]
        return restarts > 0 if limit == 0 else restarts >= limit

    def completed(self, active: int) -> Verdict | None:
        """Whether the Job is complete with this many Pods left."""
        enough = self.succeeded > 0
        if self.completions is not None:
            enough = self.succeeded >= self.completions
        if active or not enough:
            return None
        message = "Reached expected number of succeeded pods"
        return Verdict(SUCCESS_CRITERIA_MET, "CompletionsReached", message)

    # --- which Pods

    def plan(self, record: backoff.Record) -> Plan:
        active = len(self.active)
        wanted = 0 if self.is_suspended else self._wanted()
        if self.is_suspended:
            return Plan(delete=self.active)
        if surplus := self._surplus(max(0, active - wanted))[:BURST]:
            return Plan(delete=surplus)
        waited_for = len(self.terminating) if failures.only_replaces_failed(self.job) else 0
        missing = wanted - waited_for - active
        if missing <= 0:
            return Plan()
        if not self.per_index and (left := record.seconds_left(self.now)) > 0:
            return Plan(wait_seconds=left)
        missing = min(missing, BURST)
        if not self.is_indexed:
            return Plan(create=[indexes.UNKNOWN] * missing)
        return self._indexes_to_create(missing)

    def _wanted(self) -> int:
        parallelism: int = self.spec["parallelism"]
        if self.completions is None:
            # One success is the sign for all: whoever still runs, ends in its time.
            return len(self.active) if self.succeeded else parallelism
        return max(0, min(self.completions - self.succeeded, parallelism))

    def _indexes_to_create(self, missing: int) -> Plan:
        taken = {indexes.index_of(pod) for pod in self.active}
        if failures.only_replaces_failed(self.job):
            taken |= {indexes.index_of(pod) for pod in self.terminating}
        taken.discard(indexes.UNKNOWN)
        done = (self.indexes | self.failed_indexes).with_indexes(taken)
        pending = done.first_missing(missing, self.completions or 0)
        if not self.per_index:
            return Plan(create=pending)
        waits = {
            index: backoff.seconds_left_of_index(self.last_failed.get(index), self.now)
            for index in pending
        }
        if ready := [index for index, wait in waits.items() if wait <= 0]:
            return Plan(create=ready)
        return Plan(wait_seconds=min(waits.values(), default=0.0))

    def _surplus(self, at_least: int) -> list[Object]:
        """Pods of no valid index, doubles, and then as many as are too many."""
        gone: list[Object] = []
        left = self.active
        if self.is_indexed:
            gone = [pod for pod in self.active if not self.is_valid(pod)]
            same: dict[int, list[Object]] = {}
            for pod in self.active:
                if self.is_valid(pod):
                    same.setdefault(indexes.index_of(pod), []).append(pod)
            for alike in same.values():
                if len(alike) > 1:
                    gone += pods.first_to_go(alike, (), len(alike) - 1)
            doomed = {meta.uid(pod) for pod in gone}
            left = [pod for pod in self.active if meta.uid(pod) not in doomed]
        more = at_least - len(gone)
        return gone + (pods.first_to_go(left, (), more) if more > 0 else [])


def is_held(pod: Object) -> bool:
    return meta.has_finalizer(pod, TRACKING_FINALIZER)


def _rank(pod: Object) -> tuple[int, datetime]:
    return failures.all_before(pod), backoff.finished_at(pod)

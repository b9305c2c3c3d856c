# SPDX-License-Identifier: Apache-2.0
"""Counting each ended Pod once. No I/O.

    held, ended -> uid in status.uncountedTerminatedPods, written
                -> finalizer off -> uid out of it and the counter up, written

Indexed successes need no uid: their index says whether they are counted.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods
from pyk8s.controllers.job import failures, indexes
from pyk8s.controllers.job.conditions import Verdict
from pyk8s.controllers.job.sync import Sync

# So many uids are about 20 KB of status; the others follow when these are counted.
UNCOUNTED_MAX = 500


def settle(status: dict[str, Any], held: Collection[str]) -> None:
    """Count those whose finalizer is off. Changes the status."""
    uncounted = status.setdefault("uncountedTerminatedPods", {})
    for key in ("succeeded", "failed"):
        before = uncounted.get(key) or []
        left = [uid for uid in before if uid in held]
        if len(left) < len(before):
            status[key] = (status.get(key) or 0) + len(before) - len(left)
        if left:
            uncounted[key] = left
        else:
            uncounted.pop(key, None)


def note(sync: Sync, verdict: Verdict | None) -> tuple[list[Object], bool]:
    """Note in the status whatever has ended; the Pods that may be let go once that is written,
    and whether those are all there are."""
    released: list[Object] = []
    new_indexes: list[int] = []
    uncounted = sync.status["uncountedTerminatedPods"]
    complete = True
    for pod in sync.pods:
        if not sync.is_to_be_counted(pod):
            continue
        if not _may_go(sync, pod, verdict):
            continue
        released.append(pod)
        _note_one(sync, pod, verdict, new_indexes)
        if len(new_indexes) + sum(map(len, uncounted.values())) >= UNCOUNTED_MAX:
            complete = False
            break
    if sync.is_indexed:
        done = sync.indexes_before.with_indexes(new_indexes)
        _put(sync.status, "completedIndexes", str(done))
        _put(sync.status, "succeeded", len(done))
        if sync.per_index:
            sync.status["failedIndexes"] = str(sync.failed_indexes)
    return released, complete


def _may_go(sync: Sync, pod: Object, verdict: Verdict | None) -> bool:
    if verdict or meta.is_being_deleted(sync.job) or pods.phase(pod) == "Succeeded":
        return True
    if not failures.is_failed(sync.job, pod):
        return False
    kept = sync.last_failed.get(indexes.index_of(pod))
    return kept is None or meta.uid(kept) != meta.uid(pod)


def _note_one(sync: Sync, pod: Object, verdict: Verdict | None, new_indexes: list[int]) -> None:
    uid, uncounted = meta.uid(pod), sync.status["uncountedTerminatedPods"]
    if not sync.is_valid(pod) or uid in (uncounted.get("failed") or ()):
        return
    if pods.phase(pod) == "Succeeded":
        if sync.is_indexed:
            new_indexes.append(indexes.index_of(pod))
        elif uid not in (uncounted.get("succeeded") or ()):
            uncounted.setdefault("succeeded", []).append(uid)
        return
    # Of a Job that fails, whatever has not ended has failed with it.
    failed = failures.is_failed(sync.job, pod) or (verdict and not verdict.is_success)
    if failed and failures.match(sync.job, pod).counts:
        uncounted.setdefault("failed", []).append(uid)


def _put(status: dict[str, Any], key: str, value: Any) -> None:
    """Zero values are left out, as they are on the wire."""
    if value:
        status[key] = value
    else:
        status.pop(key, None)


def put_counts(sync: Sync, active: int, ready: int, terminating: int) -> None:
    _put(sync.status, "active", active)
    sync.status["ready"] = ready
    sync.status["terminating"] = terminating

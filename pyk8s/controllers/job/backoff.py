# SPDX-License-Identifier: Apache-2.0
"""How long a Job waits before it makes another Pod after failures.

Mirrors upstream's `backoff_utils.go`: 10 seconds, doubled with every failure since the last
success, up to 10 minutes, counted from the end of the Pod that failed last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods
from pyk8s.controllers.job import failures

FIRST_SECONDS = 10.0
SECONDS_MAX = 600.0

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """Failures since the last success, and when the last of them was."""

    failures: int = 0
    last_failure: datetime | None = None

    def after(self, succeeded: Sequence[Object], failed: Sequence[Object]) -> Record:
        """With Pods that have ended since."""
        ends = sorted(map(finished_at, failed))
        if succeeded:
            success = max(map(finished_at, succeeded))
            ends = [end for end in ends if end > success]
            return Record(len(ends), ends[-1] if ends else None)
        return Record(self.failures + len(ends), ends[-1]) if ends else self

    def seconds_left(self, now: datetime) -> float:
        if self.last_failure is None:
            return 0.0
        return seconds_left(self.failures, self.last_failure, now)


def seconds_left(failures: int, last_failure: datetime, now: datetime) -> float:
    if failures <= 0:
        return 0.0
    # Beyond ten doublings it is the most in any case.
    wait: float = min(SECONDS_MAX, FIRST_SECONDS * 2.0 ** min(failures - 1, 10))
    return max(0.0, wait - (now - last_failure).total_seconds())


def seconds_left_of_index(last_failed: Object | None, now: datetime) -> float:
    """For an index whose last Pod this was."""
    if last_failed is None:
        return 0.0
    return seconds_left(failures.all_before(last_failed) + 1, finished_at(last_failed), now)


def finished_at(pod: Object) -> datetime:
    """When the last container ended; else when the Pod stopped being ready, or when its deletion
    was asked for; else its creation, so that there is an answer."""
    if (ended := _containers_ended(pod)) is not None:
        return ended
    ready = pods.condition(pod, "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return times.parse(ready["lastTransitionTime"])
    metadata = meta.of(pod)
    if deletion := metadata.get("deletionTimestamp"):
        grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
        return times.parse(deletion) - grace
    created = metadata.get("creationTimestamp")
    return times.parse(created) if created else _EPOCH


def _containers_ended(pod: Object) -> datetime | None:
    """None while one has not, or nothing is known. Of init containers, sidecars count."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = {
        container["name"]
        for container in spec.get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }
    inits: Iterable[Object] = status.get("initContainerStatuses") or ()
    statuses = [*(status.get("containerStatuses") or ())]
    statuses += [found for found in inits if found["name"] in sidecars]
    ends = []
    for found in statuses:
        ended = (found.get("state") or {}).get("terminated") or {}
        if not ended.get("finishedAt"):
            return None
        ends.append(times.parse(ended["finishedAt"]))
    return max(ends, default=None)

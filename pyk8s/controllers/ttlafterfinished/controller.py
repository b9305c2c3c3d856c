# SPDX-License-Identifier: Apache-2.0
"""Time to live of finished Jobs. Mirrors upstream's `ttlafterfinished_controller.go`."""

from __future__ import annotations

from datetime import UTC, datetime

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources
from pyk8s.client.client import DeleteOptions
from pyk8s.client.store import Key
from pyk8s.controllers.controller import ObjectController
from pyk8s.controllers.job import conditions


class TTLAfterFinishedController(ObjectController):
    name = "ttl-after-finished-controller"
    resource = resources.JOBS

    async def reconcile(self, key: Key) -> None:
        job = self.objects.indexer.get(key)
        if job is None or not self._is_due(key, job):
            return
        # A cache may lag behind a longer time to live, and a deletion cannot be taken back.
        namespace, name = key
        try:
            live = await self.client.get(self.resource, name, namespace)
            if not self._is_due(key, live):
                return
            options = DeleteOptions(propagation_policy="Foreground", uid=meta.uid(live))
            await self.client.delete(self.resource, name, namespace, options)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise

    def _is_due(self, key: Key, job: Object) -> bool:
        """If not yet, the key comes again when it is."""
        left = seconds_left(job, datetime.now(UTC))
        if left is not None and left > 0:
            self.queue.add_after(key, left)
        return left is not None and left <= 0


def seconds_left(job: Object, now: datetime) -> float | None:
    """None for a Job that has not finished, has no time to live, or is being deleted."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    end = conditions.find(job, conditions.finished_as(job))
    if seconds is None or end is None or meta.is_being_deleted(job):
        return None
    return float(seconds - (now - times.parse(end["lastTransitionTime"])).total_seconds())

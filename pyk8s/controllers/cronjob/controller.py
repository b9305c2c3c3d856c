# SPDX-License-Identifier: Apache-2.0
"""The CronJob controller. Mirrors upstream's `cronjob_controllerv2.go`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pyk8s.apimachinery import cron, errors, meta, times
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import DeleteOptions
from pyk8s.client.store import Key
from pyk8s.controllers import pods
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.cronjob import jobs, schedule
from pyk8s.controllers.cronjob.schedule import Timing
from pyk8s.controllers.job import conditions
from pyk8s.controllers.serviceaccount.accounts import is_terminating

_TOO_MANY_MISSED = (
    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
)
_FORBIDDEN = "Not starting job because prior execution is running and concurrency policy is Forbid"
_ZONE_IN_SCHEDULE = (
    "CRON_TZ or TZ used in schedule {} is not officially supported, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)


def _now() -> datetime:
    return datetime.now(UTC)


class CronJobController(Controller[Key]):
    """`now` is the clock that schedules are held against."""

    name = "cronjob-controller"
    resource = resources.CRON_JOBS

    def __init__(self, context: Context, now: Callable[[], datetime] = _now) -> None:
        super().__init__(context)
        self._now = now
        self._cronjobs = self.informer(self.resource)
        self._cronjobs.add_event_handler(
            informer.Handler(
                on_add=lambda cronjob, _: self.queue.add(meta.namespaced_name(cronjob)),
                on_update=self._cronjob_updated,
            )
        )
        self._jobs = self.informer(resources.JOBS)
        self._jobs.indexer.add_index(pods.CONTROLLER_INDEX, pods.by_controller)
        self._jobs.add_event_handler(
            informer.Handler(
                on_add=lambda job, _: self._job_changed(job),
                on_update=self._job_updated,
                on_delete=lambda deleted: self._job_changed(informer.last_known(deleted)),
            )
        )

    def subject(self, key: Key) -> Object | None:
        return self._cronjobs.indexer.get(key)

    # --- news

    def _cronjob_updated(self, before: Object, cronjob: Object) -> None:
        """Another schedule counts from its next moment on: none of its past ones was missed."""
        key = meta.namespaced_name(cronjob)
        if _when(before) == _when(cronjob):
            self.queue.add(key)
            return
        try:
            timing = schedule.timing_of(cronjob)
        except cron.ParseError:
            text = f"unparseable schedule for cronjob: {cronjob['spec']['schedule']}"
            self._warn(cronjob, "UnParseableCronJobSchedule", text)
            return
        self._come_again(cronjob, timing)

    def _job_updated(self, before: Object, job: Object) -> None:
        if meta.controller_of(before) != meta.controller_of(job):
            self._job_changed(before)
        self._job_changed(job)

    def _job_changed(self, job: Object) -> None:
        reference = meta.controller_of(job)
        if reference is None or reference["kind"] != "CronJob":
            return
        key = (meta.namespace(job), reference["name"])
        owner = self._cronjobs.indexer.get(key)
        if owner is not None and meta.uid(owner) == reference["uid"]:
            self.queue.add(key)

    # --- one CronJob

    async def reconcile(self, key: Key) -> None:
        known = self._cronjobs.indexer.get(key)
        if known is None:
            return
        own = self._jobs.indexer.by_index(pods.CONTROLLER_INDEX, meta.uid(known))
        cronjob = await self._with_current_status(known, own)
        before = copy.deepcopy(cronjob["status"])
        try:
            await self._clean_up(cronjob, own)
            await self._observe(cronjob, own)
            timing = None if meta.is_being_deleted(cronjob) else self._timing(cronjob)
            if timing is not None:
                await self._start_if_due(cronjob, timing)
        finally:
            # What has been done is written down, even when more was to be done.
            if cronjob["status"] != before:
                await self.client.update_status(self.resource, cronjob)
        if timing is not None:
            self._come_again(cronjob, timing)

    async def _with_current_status(self, known: Object, own: Sequence[Object]) -> Object:
        """A copy to change. When a Job runs that the status does not name, the cache may be
        older than the status: then the server is asked."""
        cronjob = known
        if any(_is_forgotten(known, job) for job in own):
            namespace, name = meta.namespaced_name(known)
            cronjob = await self.client.get(self.resource, name, namespace)
        cronjob = copy.deepcopy(cronjob)
        cronjob.setdefault("status", {})
        return cronjob

    async def _clean_up(self, cronjob: Object, own: Sequence[Object]) -> None:
        for job in jobs.too_old(cronjob, own):
            if not meta.is_being_deleted(job):
                await self._delete(cronjob, job)

    async def _observe(self, cronjob: Object, own: Sequence[Object]) -> None:
        """What has ended, what nobody knows of, and what is gone."""
        for job in own:
            end = conditions.finished_as(job)
            if _is_forgotten(cronjob, job):
                message = "Saw a job that the controller did not create or forgot: "
                self._warn(cronjob, "UnexpectedJob", message + meta.name(job))
            elif end and jobs.is_active(cronjob, meta.uid(job)):
                jobs.deactivate(cronjob, meta.uid(job))
                message = f"Saw completed job: {meta.name(job)}, condition: {end}"
                self._tell(cronjob, "SawCompletedJob", message)
            jobs.note_success(cronjob, job)
        seen = {meta.uid(job) for job in own}
        for each in [each for each in jobs.active_of(cronjob) if each["uid"] not in seen]:
            if await self._find(each["namespace"], each["name"]) is None:
                self._tell(cronjob, "MissingJob", f"Active job went missing: {each['name']}")
                jobs.deactivate(cronjob, each["uid"])

    def _timing(self, cronjob: Object) -> Timing | None:
        """None for a CronJob that starts nothing until it is changed."""
        spec = cronjob["spec"]
        if (zone := spec.get("timeZone")) is not None:
            try:
                schedule.zone_named(zone)
            except schedule.UnknownZone as error:
                text = f"invalid timeZone: {quoted_string(zone)}: {error}"
                self._warn(cronjob, "UnknownTimeZone", text)
                return None
        if spec.get("suspend"):
            return None
        shown = quoted_string(spec["schedule"])
        if "TZ" in spec["schedule"]:
            self._warn(cronjob, "UnsupportedSchedule", _ZONE_IN_SCHEDULE.format(shown))
        try:
            return schedule.timing_of(cronjob)
        except cron.ParseError as error:
            text = f"unparseable schedule: {shown} : {error}"
            self._warn(cronjob, "UnparseableSchedule", text)
            return None

    async def _start_if_due(self, cronjob: Object, timing: Timing) -> None:
        now = self._now()
        try:
            due = schedule.most_recent(cronjob, timing, now, with_deadline=True)
        except schedule.InvalidSchedule as error:
            text = f"invalid schedule: {cronjob['spec']['schedule']} : {error}"
            self._warn(cronjob, "InvalidSchedule", text)
            return
        if due.moment is None:
            return
        if due.missed > schedule.MISSED_MAX:
            self._warn(cronjob, "TooManyMissedTimes", _TOO_MANY_MISSED)
        active = jobs.active_of(cronjob)
        name = jobs.name_for(cronjob, due.moment)
        last = cronjob["status"].get("lastScheduleTime")
        if last == times.format(due.moment) or any(each["name"] == name for each in active):
            return
        policy = cronjob["spec"].get("concurrencyPolicy")
        if policy == "Forbid" and active:
            self._tell(cronjob, "JobAlreadyActive", _FORBIDDEN)
            return
        if policy == "Replace":
            await self._replace(cronjob)
        await self._start(cronjob, due.moment)

    # --- its Jobs

    async def _replace(self, cronjob: Object) -> None:
        for each in list(jobs.active_of(cronjob)):
            try:
                job = await self.client.get(resources.JOBS, each["name"], each["namespace"])
            except errors.StatusError as error:
                self._warn(cronjob, "FailedGet", f"Get job: {error}")
                raise
            if not await self._delete(cronjob, job):
                where = "/".join(meta.namespaced_name(job))
                raise errors.internal_error(f"could not replace job {where}")

    async def _start(self, cronjob: Object, scheduled: datetime) -> None:
        wanted = jobs.job_for(cronjob, scheduled)
        try:
            job = await self.client.create(resources.JOBS, wanted)
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                if not is_terminating(error):
                    self._warn(cronjob, "FailedCreate", f"Error creating job: {error}")
                raise
            # Made before, and then the status could not be written; or somebody else's.
            namespace, name = meta.namespaced_name(wanted)
            job = await self.client.get(resources.JOBS, name, namespace)
            if not meta.is_controlled_by(job, cronjob) or jobs.is_active(cronjob, meta.uid(job)):
                return
        else:
            self._tell(cronjob, "SuccessfulCreate", f"Created job {meta.name(job)}")
        active = [*jobs.active_of(cronjob), jobs.reference(job)]
        cronjob["status"].update(active=active, lastScheduleTime=times.format(scheduled))

    async def _delete(self, cronjob: Object, job: Object) -> bool:
        """The Job, its Pods behind it, and its entry in the status."""
        options = DeleteOptions(propagation_policy="Background")
        try:
            await self.client.delete(resources.JOBS, meta.name(job), meta.namespace(job), options)
        except errors.StatusError as error:
            self._warn(cronjob, "FailedDelete", f"Deleted job: {error}")
            return False
        jobs.deactivate(cronjob, meta.uid(job))
        self._tell(cronjob, "SuccessfulDelete", f"Deleted job {meta.name(job)}")
        return True

    async def _find(self, namespace: str, name: str) -> Object | None:
        try:
            return await self.client.get(resources.JOBS, name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None

    def _come_again(self, cronjob: Object, timing: Timing) -> None:
        seconds = schedule.seconds_until_next(cronjob, timing, self._now())
        if seconds is not None:
            self.queue.add_after(meta.namespaced_name(cronjob), seconds)

    def _tell(self, cronjob: Object, reason: str, message: str) -> None:
        self.context.recorder.event(cronjob, events.NORMAL, reason, message)

    def _warn(self, cronjob: Object, reason: str, message: str) -> None:
        self.context.recorder.event(cronjob, events.WARNING, reason, message)


def _when(cronjob: Object) -> tuple[str, str | None]:
    return cronjob["spec"]["schedule"], cronjob["spec"].get("timeZone")


def _is_forgotten(cronjob: Object, job: Object) -> bool:
    """It runs, and the status does not say so."""
    return not conditions.is_finished(job) and not jobs.is_active(cronjob, meta.uid(job))

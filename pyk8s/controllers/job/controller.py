# SPDX-License-Identifier: Apache-2.0
"""The Job controller: watches, and writes what `sync` and `tracking` decide.

Mirrors upstream's `job_controller.go`.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from datetime import UTC, datetime

from pyk8s.apimachinery import errors, labels, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Patch
from pyk8s.client.store import Key
from pyk8s.controllers import pods
from pyk8s.controllers.adoption import Claimer, candidates
from pyk8s.controllers.batches import FAILURES, first_failure, slow_start
from pyk8s.controllers.controller import Context, OwnerController
from pyk8s.controllers.expectations import Expectations
from pyk8s.controllers.job import conditions, indexes, template, tracking
from pyk8s.controllers.job.backoff import Record
from pyk8s.controllers.job.conditions import Verdict
from pyk8s.controllers.job.sync import Plan, Sync, is_held
from pyk8s.controllers.serviceaccount.accounts import is_terminating

# What happens to several Pods at once is looked at once.
BATCH_SECONDS = 0.1
CONTROLLER_NAME = "kubernetes.io/job-controller"


class JobController(OwnerController):
    name = "job-controller"
    resource = resources.JOBS
    kind = ("batch/v1", "Job")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._expectations: Expectations[Key] = Expectations()
        # Uids of Pods whose finalizer is off, and whose cache entry still has it.
        self._released: dict[Key, set[str]] = {}
        self._records: dict[str, Record] = {}
        self._pods = self.informer(resources.PODS)
        self._pods.indexer.add_index(pods.CONTROLLER_INDEX, pods.by_controller)
        self._pods.add_event_handler(
            informer.Handler(
                on_add=lambda pod, _: self._pod_changed(None, pod),
                on_update=self._pod_changed,
                on_delete=self._pod_deleted,
            )
        )

    # --- what happens to pods

    def _pod_changed(self, before: Object | None, pod: Object) -> None:
        reference = meta.controller_of(pod)
        if before is not None and (theirs := self.owner_key(before)) is not None:
            self.queue.add_after(theirs, BATCH_SECONDS)
        key = self.owner_key(pod)
        if key is None:
            if is_held(pod) and (reference is None or self.is_mine(reference)):
                self.queue.add(_orphan(pod))
            if reference is None:
                self._enqueue_matching(pod)
            return
        if meta.is_being_deleted(pod):
            self._expectations.deletion_observed(key, meta.uid(pod))
        elif before is None:
            self._expectations.creation_observed(key)
        if not is_held(pod):
            self._released.get(key, set()).discard(meta.uid(pod))
        elif conditions.is_finished(self.objects.indexer.get(key) or {}):
            self.queue.add(_orphan(pod))
        self.queue.add_after(key, BATCH_SECONDS)

    def _pod_deleted(self, deleted: informer.Deleted) -> None:
        pod = informer.last_known(deleted)
        if (key := self.owner_key(pod)) is not None:
            self._expectations.deletion_observed(key, meta.uid(pod))
            self._released.get(key, set()).discard(meta.uid(pod))
            self.queue.add_after(key, BATCH_SECONDS)

    def _enqueue_matching(self, pod: Object) -> None:
        for job in self.objects.lister.list(meta.namespace(pod)):
            if _selector(job).matches(meta.labels(pod)):
                self.queue.add_after(meta.namespaced_name(job), BATCH_SECONDS)

    # --- one Job, or one Pod that is none's

    async def reconcile(self, key: Key) -> None:
        namespace, name = key
        if name.startswith(_ORPHAN):
            await self._let_go_of_orphan((namespace, name.removeprefix(_ORPHAN)))
            return
        job = self.objects.indexer.get(key)
        if job is None:
            self._expectations.forget(key)
            self._released.pop(key, None)
            self._enqueue_held(namespace)
            return
        if job["spec"].get("managedBy", CONTROLLER_NAME) != CONTROLLER_NAME:
            return
        if conditions.is_finished(job):
            self._records.pop(meta.uid(job), None)
            return
        await self._sync(key, job)

    def _enqueue_held(self, namespace: str) -> None:
        """Pods of Jobs that are gone."""
        for pod in self._pods.lister.list(namespace):
            if is_held(pod) and self.owner_key(pod) is None:
                self.queue.add(_orphan(pod))

    async def _let_go_of_orphan(self, key: Key) -> None:
        pod = self._pods.indexer.get(key)
        if pod is None or not is_held(pod):
            return
        reference = meta.controller_of(pod)
        if reference is not None and not self.is_mine(reference):
            return
        owner = self.owner_key(pod)
        job = self.objects.indexer.get(owner) if owner else None
        if job is not None and not conditions.is_finished(job):
            return
        if job is not None and job["spec"].get("managedBy", CONTROLLER_NAME) != CONTROLLER_NAME:
            return
        await self._release_one(pod)

    async def _sync(self, key: Key, job: Object) -> None:
        fulfilled = self._expectations.are_fulfilled(key, meta.uid(job))
        owned = await self._claim(job)
        released = frozenset(self._released.get(key, ()))
        sync = Sync(job, owned, released, datetime.now(UTC))
        if "startTime" not in sync.status and not sync.is_suspended:
            sync.status["startTime"] = times.format(sync.now)
        record = self._records.get(meta.uid(job), Record())
        record = record.after(sync.new_succeeded, sync.new_failed)
        verdict, failure = sync.verdict(), None
        doomed = list(sync.active)
        made = 0
        if verdict is None:
            left = sync.seconds_to_deadline
            if left is not None:
                self.queue.add_after(key, left)
            doomed = []
            manage = fulfilled and not meta.is_being_deleted(job)
            if manage:
                plan = sync.plan(record)
                doomed = list(plan.delete)
                made, failure = await self._create(key, sync, plan)
        if verdict is not None and doomed:
            job = await self._write_verdict(sync, job, verdict)
        deleted = await self._delete(key, job, doomed, held=verdict is not None)
        failure = failure or deleted[1]
        active = len(sync.active) + made - len(deleted[0])
        if verdict is not None:
            if active or not fulfilled:
                verdict = None
        elif (verdict := sync.completed(active)) is None and manage:
            self._note_suspension(sync)
        ready = sum(map(pods.is_ready, sync.active)) - sum(map(pods.is_ready, deleted[0]))
        tracking.put_counts(sync, active, ready, len(sync.terminating) + len(deleted[0]))
        await self._track(key, job, sync, (verdict, record))
        if failure:
            raise failure

    async def _write_verdict(self, sync: Sync, job: Object, verdict: Verdict) -> Object:
        """The Job as stored, with why it ends: before the Pods go that still run, so that whoever
        looks next does not take their end for a failure of their own."""
        if conditions.verdict_in(job) is not None:
            return job
        conditions.ensure(sync.status, verdict.condition(sync.now))
        if sync.per_index:
            sync.status["failedIndexes"] = str(sync.failed_indexes)
        stored = await self.client.update_status(self.resource, sync.job)
        sync.job = {**stored, "status": sync.status}
        return stored

    async def _claim(self, job: Object) -> list[Object]:
        claimer = Claimer(
            client=self.client,
            owner=job,
            owner_resource=self.resource,
            resource=resources.PODS,
            selector=_selector(job),
            finalizers=(template.TRACKING_FINALIZER,),
        )
        return await claimer.claim(candidates(self._pods.indexer, job))

    def _note_suspension(self, sync: Sync) -> None:
        suspended = sync.is_suspended
        status, word = ("True", "suspended") if suspended else ("False", "resumed")
        why = (f"Job{word.capitalize()}", f"Job {word}")
        condition = conditions.new(conditions.SUSPENDED, status, why, sync.now)
        if conditions.ensure(sync.status, condition):
            self._tell(sync.job, word.capitalize(), f"Job {word}")
            if not suspended:
                # The deadline counts the time that the Job was allowed to run.
                sync.status["startTime"] = times.format(sync.now)

    # --- pods

    async def _create(self, key: Key, sync: Sync, plan: Plan) -> tuple[int, Exception | None]:
        """How many were made."""
        job, wanted = sync.job, list(plan.create)
        if plan.wait_seconds > 0:
            self.queue.add_after(key, max(BATCH_SECONDS, plan.wait_seconds))
        if not wanted:
            return 0, None
        self._expectations.expect(key, meta.uid(job), creations=len(wanted))
        todo = iter(wanted)
        made: list[Object] = []

        async def create() -> None:
            index = next(todo)
            if index == indexes.UNKNOWN:
                pod = template.pod(job)
            else:
                pod = template.indexed_pod(job, index, sync.last_failed.get(index))
            try:
                created = await self.client.create(resources.PODS, pod, meta.namespace(job))
            except FAILURES as error:
                self._expectations.creation_observed(key)
                if isinstance(error, errors.StatusError) and is_terminating(error):
                    return
                self._tell(job, "FailedCreate", f"Error creating: {error}", events.WARNING)
                raise
            made.append(created)
            self._tell(job, "SuccessfulCreate", f"Created pod: {meta.name(created)}")

        tried, failure = await slow_start(len(wanted), create)
        self._expectations.creation_observed(key, len(wanted) - tried)
        return len(made), failure

    async def _delete(
        self, key: Key, job: Object, doomed: Sequence[Object], *, held: bool
    ) -> tuple[list[Object], Exception | None]:
        """Those that are on their way out now. `held` ones keep the finalizer, to be counted."""
        if not doomed:
            return [], None
        self._expectations.expect(key, meta.uid(job), deletions=map(meta.uid, doomed))
        gone: list[Object] = []

        async def delete(pod: Object) -> None:
            try:
                if not held:
                    await self._release_one(pod)
                await self.client.delete(resources.PODS, meta.name(pod), meta.namespace(pod))
            except FAILURES as error:
                self._expectations.deletion_observed(key, meta.uid(pod))
                if isinstance(error, errors.StatusError) and error.reason == errors.NOT_FOUND:
                    gone.append(pod)
                    return
                self._tell(job, "FailedDelete", f"Error deleting: {error}", events.WARNING)
                raise
            gone.append(pod)
            self._tell(job, "SuccessfulDelete", f"Deleted pod: {meta.name(pod)}")

        done = await asyncio.gather(*map(delete, doomed), return_exceptions=True)
        return gone, first_failure(done)

    async def _release_one(self, pod: Object) -> None:
        """Take the finalizer off; also well when the Pod is gone."""
        if not is_held(pod):
            return
        finalizers = [template.TRACKING_FINALIZER]
        content = {
            "metadata": {
                "uid": meta.uid(pod),
                "$deleteFromPrimitiveList/finalizers": finalizers,
            }
        }
        patch = Patch(content=content, type=STRATEGIC_MERGE_PATCH)
        try:
            await self.client.patch(resources.PODS, meta.namespaced_name(pod), patch)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise

    # --- counting

    async def _track(
        self, key: Key, before: Object, sync: Sync, judged: tuple[Verdict | None, Record]
    ) -> None:
        """Write what has ended, let it go, count it, and finish the Job when all is counted."""
        verdict, record = judged
        held = {meta.uid(pod) for pod in sync.pods if sync.is_to_be_counted(pod)}
        tracking.settle(sync.status, held)
        going, all_noted = tracking.note(sync, verdict)
        if verdict and verdict.type in (conditions.FAILURE_TARGET, conditions.SUCCESS_CRITERIA_MET):
            conditions.ensure(sync.status, verdict.condition(sync.now))
        job = before
        if sync.status != (before.get("status") or {}):
            job = await self.client.update_status(self.resource, sync.job)
        self._records[meta.uid(before)] = record
        status = copy.deepcopy(job.get("status") or {})
        released, failure = await self._release(key, going)
        tracking.settle(status, held - released)
        finished = None
        if failure is None and all_noted and verdict is not None:
            finished = _enact(status, verdict.final(), sync.now)
        if status != (job.get("status") or {}):
            job = await self.client.update_status(self.resource, {**job, "status": status})
        if finished is not None:
            self._tell_finished(job, finished)
        if failure is not None:
            raise failure

    async def _release(
        self, key: Key, going: Sequence[Object]
    ) -> tuple[set[str], Exception | None]:
        expected = self._released.setdefault(key, set())
        expected.update(map(meta.uid, going))
        released: set[str] = set()

        async def release(pod: Object) -> None:
            try:
                await self._release_one(pod)
            except FAILURES:
                expected.discard(meta.uid(pod))
                raise
            if self._pods.indexer.get(meta.namespaced_name(pod)) is None:
                expected.discard(meta.uid(pod))
            released.add(meta.uid(pod))

        done = await asyncio.gather(*map(release, going), return_exceptions=True)
        return released, first_failure(done)

    def _tell_finished(self, job: Object, verdict: Verdict) -> None:
        if verdict.type == conditions.FAILED:
            self._tell(job, verdict.reason, verdict.message, events.WARNING)
            return
        completions = job["spec"].get("completions")
        if completions is not None and (job["status"].get("succeeded") or 0) > completions:
            message = "Too many succeeded pods running after completion count reached"
            self._tell(job, "TooManySucceededPods", message, events.WARNING)
        self._tell(job, "Completed", "Job completed")

    def _tell(self, job: Object, reason: str, message: str, type: str = events.NORMAL) -> None:
        self.context.recorder.event(job, type, reason, message)


# Pods that are none's share the queue, under names that no Job can have.
_ORPHAN = "pod/"


def _orphan(pod: Object) -> Key:
    return meta.namespace(pod), _ORPHAN + meta.name(pod)


def _selector(job: Object) -> labels.Selector:
    return labels.from_label_selector(job["spec"].get("selector"))


def _enact(status: Object, verdict: Verdict, now: datetime) -> Verdict | None:
    """Put the last condition into the status, unless something is still to be counted or on its
    way out. Changes the status."""
    if any(status["uncountedTerminatedPods"].values()) or status.get("terminating"):
        return None
    conditions.ensure(status, verdict.condition(now))
    if verdict.type == conditions.COMPLETE:
        status["completionTime"] = times.format(now)
    return verdict

# SPDX-License-Identifier: Apache-2.0
"""The StatefulSet controller: one step per call, as far as order and readiness allow now.

Mirrors upstream's `stateful_set.go` and `stateful_set_control.go`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources
from pyk8s.client.store import Key
from pyk8s.controllers import history, pods
from pyk8s.controllers.adoption import Claimer
from pyk8s.controllers.batches import FAILURES, slow_start
from pyk8s.controllers.controller import Context
from pyk8s.controllers.podowners import PodOwnerController
from pyk8s.controllers.statefulset import identity, rollout, status
from pyk8s.controllers.statefulset.podcontrol import PodControl

_HISTORY_LIMIT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Revisions:
    """What pods are made of: the template that was rolled out, and the one that is to be."""

    current: Object
    update: Object
    collisions: int

    @property
    def names(self) -> tuple[str, str]:
        return meta.name(self.current), meta.name(self.update)


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """A StatefulSet as it is to be, and its pods: `replicas` in order, those that are not there
    yet as they will be made; `condemned` beyond them, highest ordinal first."""

    stateful_set: Object
    replicas: Sequence[Object]
    condemned: Sequence[Object]
    now: datetime

    @property
    def min_ready(self) -> int:
        return identity.min_ready_seconds(self.stateful_set)

    def is_available(self, pod: Object) -> bool:
        return identity.is_running_and_ready(pod) and pods.is_available(
            pod, self.min_ready, self.now
        )

    def first_unavailable(self) -> Object | None:
        for pod in (*self.replicas, *reversed(self.condemned)):
            if identity.is_unavailable(pod, self.min_ready, self.now):
                return pod
        return None


class StatefulSetController(PodOwnerController):
    name = "statefulset-controller"
    workers = 5
    resource: ClassVar = resources.STATEFUL_SETS
    kind = ("apps/v1", "StatefulSet")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        claims = self.informer(resources.PERSISTENT_VOLUME_CLAIMS)
        claims.add_event_handler(informer.Handler(on_delete=self._claim_deleted))
        self._control = PodControl(self.client, context.recorder, claims)
        revisions = self.informer(resources.CONTROLLER_REVISIONS)
        self._history = history.History(self.client, revisions, self.resource)

    # --- what happens to claims

    def _claim_deleted(self, deleted: informer.Deleted) -> None:
        """A pod may wait for the end of its predecessor's claim."""
        claim = informer.last_known(deleted)
        for stateful_set in self.objects.lister.list(meta.namespace(claim)):
            if identity.claim_templates(stateful_set):
                self.enqueue(stateful_set)

    # --- one StatefulSet

    async def reconcile(self, key: Key) -> None:
        stateful_set = self.objects.indexer.get(key)
        if stateful_set is None:
            return
        selector = self.selector(stateful_set)
        known = await self._history.claim(stateful_set, selector)
        owned = await self._claim(stateful_set, selector)
        revisions = await self._revisions(stateful_set, known)
        now = datetime.now(UTC)
        made = status.status(stateful_set, owned, revisions.names, revisions.collisions, now)
        failure: Exception | None = None
        if not meta.is_being_deleted(stateful_set):
            try:
                made["currentReplicas"] -= await self._update(
                    _world(stateful_set, owned, revisions, now), revisions
                )
            except (*FAILURES, history.NoTemplate) as error:
                failure = error
        await self._update_status(stateful_set, status.completed(stateful_set, made))
        await self._truncate(stateful_set, owned, known, revisions)
        self._look_when_available(key, stateful_set, owned, now)
        if failure is not None:
            raise failure

    async def _claim(self, stateful_set: Object, selector: labels.Selector) -> list[Object]:
        claimer = Claimer(
            client=self.client,
            owner=stateful_set,
            owner_resource=self.resource,
            resource=resources.PODS,
            selector=selector,
        )
        index = self.pods.indexer.by_index
        orphans = index(pods.CONTROLLER_INDEX, pods.orphans_of(meta.namespace(stateful_set)))
        mine = index(pods.CONTROLLER_INDEX, meta.uid(stateful_set))
        members = [pod for pod in orphans if identity.is_member(stateful_set, pod)]
        return await claimer.claim([*mine, *members])

    async def _revisions(self, stateful_set: Object, known: Sequence[Object]) -> _Revisions:
        """The current and the new one; creates the new one, or gives one that comes back the
        highest number."""
        before = stateful_set.get("status") or {}
        collisions = int(before.get("collisionCount") or 0)
        update = history.new(stateful_set, history.max_number(known) + 1, collisions)
        equal = [revision for revision in known if history.are_equal(revision, update)]
        if not equal:
            update, collisions = await self._history.create(stateful_set, update, collisions)
        elif equal[-1] is known[-1]:
            update = equal[-1]
        else:
            update = await self._history.renumber(equal[-1], history.number_of(update))
        name = before.get("currentRevision")
        current = next((revision for revision in known if meta.name(revision) == name), update)
        return _Revisions(current=current, update=update, collisions=collisions)

    async def _truncate(
        self,
        stateful_set: Object,
        owned: Sequence[Object],
        known: Sequence[Object],
        revisions: _Revisions,
    ) -> None:
        limit = stateful_set["spec"].get("revisionHistoryLimit")
        live = {*revisions.names, *map(identity.revision_of, owned)}
        limit = _HISTORY_LIMIT if limit is None else int(limit)
        await self._history.delete(history.surplus(known, live, limit))

    async def _update_status(self, stateful_set: Object, made: status.Status) -> None:
        if status.differs(stateful_set, made):
            await self.client.update_status(self.resource, {**stateful_set, "status": made})

    def _look_when_available(
        self, key: Key, stateful_set: Object, owned: Sequence[Object], now: datetime
    ) -> None:
        min_ready = identity.min_ready_seconds(stateful_set)
        seconds = pods.seconds_until_next_available(owned, min_ready, now)
        if seconds > 0:
            self.queue.add_after(key, seconds)

    # --- its pods

    async def _update(self, world: _World, revisions: _Revisions) -> int:
        """One step: replicas first, then the condemned, then those of an old template. How many
        went for the sake of the template."""
        stateful_set = world.stateful_set
        steps = (
            (world.replicas, self._process_replica),
            (world.condemned, self._fix_claims),
            (world.condemned, self._process_condemned),
        )
        for found, process in steps:
            if await self._for_all(world, found, process):
                return 0
        if not rollout.is_rolling(stateful_set):
            return 0
        update = meta.name(revisions.update)
        outdated = rollout.outdated(stateful_set, world.replicas, update, world.now)
        current = meta.name(revisions.current)
        for pod in outdated:
            await self._control.delete(stateful_set, pod)
        return sum(identity.revision_of(pod) == current for pod in outdated)

    async def _for_all(
        self,
        world: _World,
        found: Sequence[Object],
        process: Callable[[_World, Object], Awaitable[bool]],
    ) -> bool:
        """One after the other up to the first that says wait; with Parallel management all at
        once. Whether there is to be no further step now."""
        if not identity.is_parallel(world.stateful_set):
            for pod in found:
                if await process(world, pod):
                    return True
            return False
        remaining = iter(found)

        async def process_next() -> None:
            await process(world, next(remaining))

        _, failure = await slow_start(len(found), process_next)
        if failure is not None:
            raise failure
        return False

    async def _process_replica(self, world: _World, pod: Object) -> bool:
        """Whether the ones after it have to wait for it."""
        stateful_set, control = world.stateful_set, self._control
        if pods.is_finished(pod):
            # Evicted or ended, whatever its exit code: its place is to be filled again.
            if not meta.is_being_deleted(pod):
                await control.delete(stateful_set, pod)
            return True
        if not identity.is_created(pod):
            if not control.has_stale_claim(stateful_set, pod):
                await control.create(stateful_set, pod)
            return True
        if pods.phase(pod) == "Pending":
            await control.create_missing_claims(stateful_set, pod)
        if not identity.is_parallel(stateful_set) and (
            meta.is_being_deleted(pod) or not world.is_available(pod)
        ):
            return True
        if not meta.is_being_deleted(pod):
            await control.repair(stateful_set, pod)
        return False

    async def _fix_claims(self, world: _World, pod: Object) -> bool:
        await self._control.own_claims(world.stateful_set, pod)
        return False

    async def _process_condemned(self, world: _World, pod: Object) -> bool:
        parallel = identity.is_parallel(world.stateful_set)
        if meta.is_being_deleted(pod):
            return not parallel
        if parallel or world.is_available(pod) or pod is world.first_unavailable():
            await self._control.delete(world.stateful_set, pod)
        return True


def _world(
    stateful_set: Object, owned: Sequence[Object], revisions: _Revisions, now: datetime
) -> _World:
    """Raises NoTemplate."""
    start, count = identity.start_of(stateful_set), identity.replicas_of(stateful_set)
    current = history.with_template(stateful_set, revisions.current)
    there = {identity.ordinal_of(pod): pod for pod in owned}

    def replica(ordinal: int) -> Object:
        if ordinal in there:
            return there[ordinal]
        if rollout.keeps_current(stateful_set, ordinal):
            return identity.new_pod(current, ordinal, meta.name(revisions.current))
        return identity.new_pod(stateful_set, ordinal, meta.name(revisions.update))

    beyond = sorted(
        (ordinal for ordinal in there if ordinal >= 0 and not start <= ordinal < start + count),
        reverse=True,
    )
    return _World(
        stateful_set=stateful_set,
        replicas=[replica(ordinal) for ordinal in range(start, start + count)],
        condemned=[there[ordinal] for ordinal in beyond],
        now=now,
    )

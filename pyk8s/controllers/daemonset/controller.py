# SPDX-License-Identifier: Apache-2.0
"""The DaemonSet controller.

Mirrors upstream's `pkg/controller/daemon`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from pyk8s.apimachinery import errors, labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import DeleteOptions, Patch
from pyk8s.client.store import Key
from pyk8s.controllers import history, pods
from pyk8s.controllers.adoption import Claimer, candidates
from pyk8s.controllers.batches import FAILURES, first_failure, slow_start
from pyk8s.controllers.controller import Context
from pyk8s.controllers.daemonset import nodes, rollout
from pyk8s.controllers.podowners import PodOwnerController
from pyk8s.controllers.serviceaccount.accounts import is_terminating

# At most this many pods are made or removed in one go.
_BURST = 250
_HISTORY_LIMIT = 10


class FailedPods:
    """How long failed pods of one DaemonSet on one node stay before they are replaced: 1 s, then
    twice as long each time, up to 15 min, so that who is refused by a node does not spin."""

    _SECONDS_MAX = 900.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[tuple[str, str], tuple[float, float]] = {}

    def seconds_left(self, uid: str, node: str) -> float:
        """0 when one may go; then the next wait begins, which is longer."""
        now = self._clock()
        since, seconds = self._entries.get((uid, node), (0.0, 0.0))
        if seconds and now - since < seconds:
            return seconds - (now - since)
        forgotten = now - since > 2 * self._SECONDS_MAX
        following = 1.0 if forgotten or not seconds else min(2 * seconds, self._SECONDS_MAX)
        self._entries[uid, node] = (now, following)
        return 0.0

    def forget(self, uid: str) -> None:
        for key in [key for key in self._entries if key[0] == uid]:
            del self._entries[key]


class DaemonSetController(PodOwnerController):
    name = "daemonset-controller"
    workers = 2
    resource: ClassVar = resources.DAEMON_SETS
    kind = ("apps/v1", "DaemonSet")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._failed_pods = FailedPods()
        self.objects.add_event_handler(informer.Handler(on_delete=self._set_deleted))
        self._nodes = self.informer(resources.NODES)
        self._nodes.add_event_handler(
            informer.Handler(
                on_add=lambda node, _: self._node_changed(None, node),
                on_update=self._node_changed,
                on_delete=lambda deleted: self._node_changed(informer.last_known(deleted), None),
            )
        )
        revisions = self.informer(resources.CONTROLLER_REVISIONS)
        self._history = history.History(self.client, revisions, self.resource)

    # --- what happens to nodes

    def _set_deleted(self, deleted: informer.Deleted) -> None:
        self._failed_pods.forget(meta.uid(informer.last_known(deleted)))

    def _node_changed(self, before: Object | None, node: Object | None) -> None:
        def verdict(daemon_set: Object, found: Object | None) -> tuple[bool, bool]:
            return (False, False) if found is None else nodes.should_run(daemon_set, found)

        if before and node and _placement(before) == _placement(node):
            return
        for daemon_set in self.objects.indexer.list():
            if verdict(daemon_set, before) != verdict(daemon_set, node):
                self.enqueue(daemon_set)

    # --- one DaemonSet

    async def reconcile(self, key: Key) -> None:
        daemon_set = self.objects.indexer.get(key)
        if daemon_set is None:
            self.expectations.forget(key)
            return
        if meta.is_being_deleted(daemon_set):
            return
        fulfilled = self.expectations.are_fulfilled(key, meta.uid(daemon_set))
        selector = self.selector(daemon_set)
        owned = await self._claim(daemon_set, selector)
        known = await self._history.claim(daemon_set, selector)
        current, old = await self._revisions(daemon_set, known, owned)
        world = rollout.World(
            daemon_set=daemon_set,
            nodes=self._nodes.indexer.list(),
            by_node=nodes.by_node(owned),
            digest=meta.labels(current)[history.REVISION_LABEL],
            now=datetime.now(UTC),
        )
        failure = await self._manage(key, world) if fulfilled else None
        await self._update_status(world, seen=fulfilled)
        if fulfilled and failure is None:
            await self._truncate(daemon_set, old, owned)
        self._look_when_available(key, world, owned)
        if failure is not None:
            raise failure

    async def _claim(self, daemon_set: Object, selector: labels.Selector) -> list[Object]:
        claimer = Claimer(
            client=self.client,
            owner=daemon_set,
            owner_resource=self.resource,
            resource=resources.PODS,
            selector=selector,
        )
        return await claimer.claim(candidates(self.pods.indexer, daemon_set))

    async def _manage(self, key: Key, world: rollout.World) -> Exception | None:
        """One pod per node first; the rollout, once that has been seen to be so."""
        plan = rollout.manage(world)
        self._add_ended(key, world.daemon_set, plan)
        failure = await self._carry_out(key, world, plan)
        strategy = world.daemon_set["spec"].get("updateStrategy") or {}
        if failure or strategy.get("type") != "RollingUpdate":
            return failure
        if not self.expectations.are_fulfilled(key, meta.uid(world.daemon_set)) or plan.delete:
            return None
        return await self._carry_out(key, world, rollout.rolling_update(world))

    def _add_ended(self, key: Key, daemon_set: Object, plan: rollout.Plan) -> None:
        for pod in plan.failed:
            node = nodes.target_of(pod)
            if left := self._failed_pods.seconds_left(meta.uid(daemon_set), node):
                self.queue.add_after(key, left)
                continue
            found = f"Found failed daemon pod {meta.namespace(pod)}/{meta.name(pod)} on node {node}"
            message = f"{found}, will try to kill it"
            self._tell(daemon_set, "FailedDaemonPod", message, events.WARNING)
            plan.delete.append(pod)
        for pod in plan.succeeded:
            where = f"{meta.namespace(pod)}/{meta.name(pod)} on node {nodes.target_of(pod)}"
            message = f"Found succeeded daemon pod {where}, will try to delete it"
            self._tell(daemon_set, "SucceededDaemonPod", message)
            plan.delete.append(pod)

    async def _carry_out(
        self, key: Key, world: rollout.World, plan: rollout.Plan
    ) -> Exception | None:
        """The first failure. What is beyond the burst waits for the next round."""
        targets, doomed = plan.create[:_BURST], plan.delete[:_BURST]
        if not targets and not doomed:
            return None
        uid = meta.uid(world.daemon_set)
        self.expectations.expect(key, uid, len(targets), map(meta.uid, doomed))
        remaining = iter(targets)

        async def create() -> None:
            await self._create(key, world, next(remaining))

        tried, failure = await slow_start(len(targets), create)
        self.expectations.creation_observed(key, len(targets) - tried)
        deletions = (self._delete(key, world.daemon_set, pod) for pod in doomed)
        done = await asyncio.gather(*deletions, return_exceptions=True)
        return failure or first_failure(done)

    async def _create(self, key: Key, world: rollout.World, node: str) -> None:
        daemon_set = world.daemon_set
        pod = nodes.new_pod(daemon_set, node, world.digest)
        try:
            created = await self.client.create(resources.PODS, pod, meta.namespace(daemon_set))
        except FAILURES as error:
            self.expectations.creation_observed(key)
            if isinstance(error, errors.StatusError) and is_terminating(error):
                return
            message = f"Error creating: {error}"
            self._tell(daemon_set, "FailedCreate", message, events.WARNING)
            raise
        self._tell(daemon_set, "SuccessfulCreate", f"Created pod: {meta.name(created)}")

    async def _delete(self, key: Key, daemon_set: Object, pod: Object) -> None:
        namespace, name = meta.namespaced_name(pod)
        options = DeleteOptions(uid=meta.uid(pod))
        try:
            await self.client.delete(resources.PODS, name, namespace, options)
        except FAILURES as error:
            self.expectations.deletion_observed(key, meta.uid(pod))
            if isinstance(error, errors.StatusError) and error.reason == errors.NOT_FOUND:
                return
            message = f"Error deleting: {error}"
            self._tell(daemon_set, "FailedDelete", message, events.WARNING)
            raise
        self._tell(daemon_set, "SuccessfulDelete", f"Deleted pod: {name}")

    def _tell(
        self, daemon_set: Object, reason: str, message: str, type: str = events.NORMAL
    ) -> None:
        self.context.recorder.event(daemon_set, type, reason, message)

    # --- its history

    async def _revisions(
        self, daemon_set: Object, known: Sequence[Object], owned: Sequence[Object]
    ) -> tuple[Object, list[Object]]:
        """The revision of the template now, made if there is none, and the others."""
        wanted = history.new(daemon_set, 0, 0)
        equal = [revision for revision in known if history.are_equal(revision, wanted)]
        old = [revision for revision in known if not history.are_equal(revision, wanted)]
        number = history.max_number(old) + 1
        if not equal:
            return await self._snapshot(daemon_set, number), old
        current = equal[-1]
        if history.REVISION_LABEL not in meta.labels(current):
            # By name, for a hash made anew might be that of another.
            marked = {**meta.labels(current), history.REVISION_LABEL: meta.name(current)}
            metadata = {**current["metadata"], "labels": marked}
            current = await self._history.update({**current, "metadata": metadata})
        if len(equal) > 1:
            await self._relabel(owned, meta.labels(current)[history.REVISION_LABEL], equal)
            await self._history.delete(equal[:-1])
        if history.number_of(current) < number:
            current = await self._history.renumber(current, number)
        return current, old

    async def _relabel(self, owned: Sequence[Object], digest: str, equal: Sequence[Object]) -> None:
        """Pods of revisions that are the same become the same one's."""
        duplicates = {meta.labels(r).get(history.REVISION_LABEL) for r in equal} - {digest}
        for pod in owned:
            if meta.labels(pod).get(history.REVISION_LABEL) in duplicates:
                patch = Patch(content={"metadata": {"labels": {history.REVISION_LABEL: digest}}})
                await self.client.patch(resources.PODS, meta.namespaced_name(pod), patch)

    async def _snapshot(self, daemon_set: Object, number: int) -> Object:
        before = daemon_set.get("status") or {}
        collisions = int(before.get("collisionCount") or 0)
        made = history.new(daemon_set, number, collisions)
        marks = {**meta.labels(made)}
        marks[history.REVISION_LABEL] = marks.pop(history.HASH_LABEL)
        made["metadata"]["labels"] = marks
        created, now = await self._history.create(daemon_set, made, collisions)
        if now == collisions:
            return created
        # Its name is of another hash than its label: begin anew with the count that fits.
        await self._history.delete([created])
        await self.client.update_status(
            self.resource, {**daemon_set, "status": {**before, "collisionCount": now}}
        )
        raise errors.StatusError(409, errors.CONFLICT, "the name of a revision was taken")

    async def _truncate(
        self, daemon_set: Object, old: Sequence[Object], owned: Sequence[Object]
    ) -> None:
        limit = daemon_set["spec"].get("revisionHistoryLimit")
        count = len(old) - (_HISTORY_LIMIT if limit is None else int(limit))
        live = {meta.labels(pod).get(history.REVISION_LABEL) for pod in owned}
        idle = [
            revision
            for revision in history.by_number(old)
            if meta.labels(revision).get(history.REVISION_LABEL) not in live
        ]
        await self._history.delete(idle[: max(0, count)])

    # --- its status

    async def _update_status(self, world: rollout.World, *, seen: bool) -> None:
        daemon_set = world.daemon_set
        before = daemon_set.get("status") or {}
        made = rollout.status(world)
        if seen:
            made["observedGeneration"] = meta.generation(daemon_set)
        if any((before.get(key) or 0) != value for key, value in made.items()):
            await self.client.update_status(
                self.resource, {**daemon_set, "status": {**before, **made}}
            )

    def _look_when_available(self, key: Key, world: rollout.World, owned: Sequence[Object]) -> None:
        min_ready = world.daemon_set["spec"].get("minReadySeconds") or 0
        seconds = pods.seconds_until_next_available(owned, min_ready, world.now)
        if seconds > 0:
            self.queue.add_after(key, seconds)


def _placement(node: Object) -> tuple[object, object]:
    """What of a node decides whether a daemon belongs there."""
    return meta.labels(node), (node.get("spec") or {}).get("taints")

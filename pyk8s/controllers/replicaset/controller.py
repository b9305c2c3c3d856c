# SPDX-License-Identifier: Apache-2.0
"""The ReplicaSet controller, and the same for ReplicationControllers.

    claim pods -> expectations fulfilled? -> create what lacks, delete what is too much -> status

Mirrors upstream's `pkg/controller/replicaset`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from pyk8s.apimachinery import errors, labels, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import events, resources
from pyk8s.client.store import Key
from pyk8s.controllers import pods
from pyk8s.controllers.adoption import Claimer, candidates
from pyk8s.controllers.batches import FAILURES, first_failure, slow_start
from pyk8s.controllers.controller import Context
from pyk8s.controllers.podowners import PodOwnerController
from pyk8s.controllers.replicaset.status import status
from pyk8s.controllers.serviceaccount.accounts import is_terminating

# At most this many pods are made or removed in one go; the rest when those are seen.
BURST_REPLICAS = 500


def _now() -> datetime:
    return datetime.now(UTC)


class ReplicaSetController(PodOwnerController):
    name = "replicaset-controller"
    workers = 5
    resource: ClassVar[GroupVersionResource] = resources.REPLICA_SETS
    kind = ("apps/v1", "ReplicaSet")

    def __init__(self, context: Context, clock: Callable[[], datetime] = _now) -> None:
        super().__init__(context)
        self._clock = clock

    # --- one ReplicaSet

    async def reconcile(self, key: Key) -> None:
        cached = self.objects.indexer.get(key)
        if cached is None:
            self.expectations.forget(key)
            return
        fulfilled = self.expectations.are_fulfilled(key, meta.uid(cached))
        claimer = Claimer(
            client=self.client,
            owner=cached,
            owner_resource=self.resource,
            resource=resources.PODS,
            selector=self.selector(cached),
        )
        owned = await claimer.claim(candidates(self.pods.indexer, cached))
        failure: tuple[str, Exception] | None = None
        if fulfilled and not meta.is_being_deleted(cached):
            failure = await self._manage(key, cached, owned)
        told = (failure[0], str(failure[1])) if failure else None
        # One moment for both: a pod not counted yet is one that is waited for.
        now = self._clock()
        await self._update_status(cached, status(cached, owned, told, now))
        min_ready = cached["spec"].get("minReadySeconds") or 0
        seconds = pods.seconds_until_next_available(owned, min_ready, now)
        if seconds > 0:
            self.queue.add_after(key, seconds)
        if failure:
            raise failure[1]

    async def _update_status(self, owner: Object, made: Object) -> None:
        if made != (owner.get("status") or {}):
            await self.client.update_status(self.resource, {**owner, "status": made})

    async def _manage(
        self, key: Key, owner: Object, owned: Sequence[Object]
    ) -> tuple[str, Exception] | None:
        """The reason and the failure, if there was one."""
        active = [pod for pod in owned if pods.is_active(pod)]
        wanted = owner["spec"].get("replicas")
        missing = (1 if wanted is None else wanted) - len(active)
        if missing > 0:
            failure = await self._create(key, owner, min(missing, BURST_REPLICAS))
            return ("FailedCreate", failure) if failure else None
        if missing < 0:
            count = min(-missing, BURST_REPLICAS)
            failure = await self._delete(
                key, owner, pods.first_to_go(active, self._related(owner, active), count)
            )
            return ("FailedDelete", failure) if failure else None
        return None

    def _related(self, owner: Object, active: Sequence[Object]) -> Sequence[Object]:
        """Pods of all that the owner's own controller has: for a Deployment, old and new ones."""
        reference = meta.controller_of(owner)
        if reference is None:
            return active
        found: list[Object] = []
        for other in self.objects.lister.list(meta.namespace(owner)):
            theirs = meta.controller_of(other)
            if theirs is not None and theirs["uid"] == reference["uid"]:
                found += self.pods.indexer.by_index(pods.CONTROLLER_INDEX, meta.uid(other))
        return found

    async def _create(self, key: Key, owner: Object, count: int) -> Exception | None:
        pod = pod_from_template(owner)
        self.expectations.expect(key, meta.uid(owner), creations=count)

        async def create() -> None:
            try:
                created = await self.client.create(resources.PODS, pod, meta.namespace(owner))
            except FAILURES as error:
                self.expectations.creation_observed(key)
                if not (isinstance(error, errors.StatusError) and is_terminating(error)):
                    self._tell(owner, "FailedCreate", f"Error creating: {error}", events.WARNING)
                    raise
            else:
                self._tell(owner, "SuccessfulCreate", f"Created pod: {meta.name(created)}")

        tried, failure = await slow_start(count, create)
        # What was not even tried will not be seen either.
        self.expectations.creation_observed(key, count - tried)
        return failure

    async def _delete(self, key: Key, owner: Object, doomed: Sequence[Object]) -> Exception | None:
        self.expectations.expect(key, meta.uid(owner), deletions=map(meta.uid, doomed))

        async def delete(pod: Object) -> None:
            name = meta.name(pod)
            try:
                await self.client.delete(resources.PODS, name, meta.namespace(pod))
            except FAILURES as error:
                self.expectations.deletion_observed(key, meta.uid(pod))
                if isinstance(error, errors.StatusError) and error.reason == errors.NOT_FOUND:
                    return
                self._tell(owner, "FailedDelete", f"Error deleting: {error}", events.WARNING)
                raise
            self._tell(owner, "SuccessfulDelete", f"Deleted pod: {name}")

        done = await asyncio.gather(*map(delete, doomed), return_exceptions=True)
        return first_failure(done)

    def _tell(self, owner: Object, reason: str, message: str, type: str = events.NORMAL) -> None:
        self.context.recorder.event(owner, type, reason, message)


class ReplicationControllerController(ReplicaSetController):
    name = "replicationcontroller-controller"
    resource = resources.REPLICATION_CONTROLLERS
    kind = ("v1", "ReplicationController")

    def selector(self, owner: Object) -> labels.Selector:
        selector = owner["spec"].get("selector")
        # An empty one selects nothing here, for it could not be told from none.
        return labels.from_set(selector) if selector else labels.NOTHING


def pod_from_template(owner: Object) -> Object:
    """A Pod as the owner's template says, in its charge."""
    template = owner["spec"]["template"]
    named = template.get("metadata") or {}
    metadata = {key: named[key] for key in ("labels", "annotations", "finalizers") if key in named}
    metadata["generateName"] = f"{meta.name(owner)}-"
    metadata["ownerReferences"] = [meta.controller_reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}

# SPDX-License-Identifier: Apache-2.0
"""The Deployment controller: one step of a rollout per call, as far as the world allows now.

    claim ReplicaSets -> new and old -> paused or resized: scale alone
                                     -> Recreate, or RollingUpdate -> status

Mirrors upstream's `pkg/controller/deployment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyk8s.apimachinery import errors, labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.store import Key
from pyk8s.controllers import pods
from pyk8s.controllers.adoption import Claimer, candidates
from pyk8s.controllers.controller import Context, OwnerController
from pyk8s.controllers.deployment import replicasets, scaling, status
from pyk8s.controllers.deployment.replicasets import replicas
from pyk8s.controllers.serviceaccount.accounts import is_terminating


@dataclass(frozen=True, slots=True)
class _Rollout:
    """A Deployment and its ReplicaSets, as they are now; the objects are the cache's."""

    deployment: Object
    new: Object | None
    old: Sequence[Object]

    @property
    def all(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new is not None else [])]


class DeploymentController(OwnerController):
    name = "deployment-controller"
    workers = 5
    resource = resources.DEPLOYMENTS
    kind = ("apps/v1", "Deployment")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sets = self.informer(resources.REPLICA_SETS)
        self._sets.indexer.add_index(pods.CONTROLLER_INDEX, pods.by_controller)
        self._sets.add_event_handler(
            informer.Handler(
                on_add=lambda rs, _: self._set_changed(rs, rs),
                on_update=self._set_changed,
                on_delete=self._set_deleted,
            )
        )
        self._pods = self.informer(resources.PODS)
        self._pods.indexer.add_index(pods.CONTROLLER_INDEX, pods.by_controller)
        self._pods.add_event_handler(informer.Handler(on_delete=self._pod_deleted))

    # --- what happens to ReplicaSets and pods

    def _set_changed(self, before: Object, replica_set: Object) -> None:
        for each in (before, replica_set):
            if (key := self.owner_key(each)) is not None:
                self.queue.add(key)
        if meta.controller_of(replica_set) is None:
            for deployment in self.objects.lister.list(meta.namespace(replica_set)):
                if _selector(deployment).matches(meta.labels(replica_set)):
                    self.enqueue(deployment)

    def _set_deleted(self, deleted: informer.Deleted) -> None:
        if (key := self.owner_key(informer.last_known(deleted))) is not None:
            self.queue.add(key)

    def _pod_deleted(self, deleted: informer.Deleted) -> None:
        """The last old pod of a Recreate makes way for the new ones."""
        pod = informer.last_known(deleted)
        reference = meta.controller_of(pod)
        if reference is None or reference["kind"] != "ReplicaSet":
            return
        replica_set = self._sets.indexer.get((meta.namespace(pod), reference["name"]))
        key = self.owner_key(replica_set) if replica_set is not None else None
        deployment = self.objects.indexer.get(key) if key is not None else None
        if deployment is not None and not scaling.is_rolling(deployment):
            self.enqueue(deployment)

    # --- one Deployment

    async def reconcile(self, key: Key) -> None:
        deployment = self.objects.indexer.get(key)
        if deployment is None:
            return
        owned = await self._claim(deployment)
        new = replicasets.find_new(deployment, owned)
        old = replicasets.by_age(rs for rs in owned if rs is not new)
        rollout = _Rollout(deployment, new, old)
        if meta.is_being_deleted(deployment):
            await self._update_status(rollout, status.counts(deployment, new, old))
            return
        if await self._tell_paused(deployment):
            return
        if deployment["spec"].get("paused") or scaling.is_scaling(deployment, owned):
            await self._scale_alone(rollout)
        elif scaling.is_rolling(deployment):
            await self._roll(rollout)
        else:
            await self._recreate(rollout)

    async def _claim(self, deployment: Object) -> list[Object]:
        claimer = Claimer(
            client=self.client,
            owner=deployment,
            owner_resource=self.resource,
            resource=resources.REPLICA_SETS,
            selector=_selector(deployment),
        )
        return await claimer.claim(candidates(self._sets.indexer, deployment))

    async def _tell_paused(self, deployment: Object) -> bool:
        """Whether the condition was written: a pause does not count as lack of progress."""
        if status.deadline_seconds(deployment) is None:
            return False
        before = deployment.get("status") or {}
        progressing = status.condition(before, status.PROGRESSING)
        reason = progressing.get("reason") if progressing else None
        paused = bool(deployment["spec"].get("paused"))
        if reason == status.TIMED_OUT or paused == (reason == status.PAUSED):
            return False
        told = (
            (status.PAUSED, "Deployment is paused")
            if paused
            else (status.RESUMED, "Deployment is resumed")
        )
        condition = status.new_condition(status.PROGRESSING, "Unknown", *told)
        await self._write_status(deployment, status.with_condition(before, condition))
        return True

    # --- the ways of a rollout

    async def _scale_alone(self, rollout: _Rollout) -> None:
        """The Deployment has another size, or is paused: no new template is rolled out."""
        deployment = rollout.deployment
        found, rollout = await self._sync_new(rollout)
        if found:
            return
        sizes = scaling.scaled(deployment, rollout.new, rollout.old)
        if not await self._resize(rollout, sizes):
            await self._clean_up(rollout)
        made = status.counts(deployment, rollout.new, rollout.old)
        await self._update_status(rollout, made)

    async def _roll(self, rollout: _Rollout) -> None:
        written, rollout = await self._ensure_new(rollout)
        if written or rollout.new is None:
            return
        deployment, new = rollout.deployment, rollout.new
        if replicas(new) > replicas(deployment):
            sizes = {meta.name(new): replicas(deployment)}
        else:
            sizes = {meta.name(new): scaling.new_size(deployment, rollout.all, new)}
        if not await self._resize(rollout, sizes, only_changed=True):
            sizes = scaling.shrunk(deployment, new, replicasets.active(rollout.old))
            if not await self._resize(rollout, sizes):
                await self._clean_up(rollout)
        await self._finish(rollout)

    async def _recreate(self, rollout: _Rollout) -> None:
        """Nothing new before all that is old has gone."""
        if rollout.new is not None:
            written, rollout = await self._sync_new(rollout)
            if written:
                return
        active = replicasets.active(rollout.old)
        if await self._resize(rollout, {meta.name(rs): 0 for rs in active}):
            await self._finish(rollout)
            return
        if any(self._has_pods(replica_set) for replica_set in rollout.old):
            await self._finish(rollout)
            return
        written, rollout = await self._ensure_new(rollout)
        if written or rollout.new is None:
            return
        sizes = {meta.name(rollout.new): replicas(rollout.deployment)}
        if not await self._resize(rollout, sizes, only_changed=True):
            await self._clean_up(rollout)
        await self._finish(rollout)

    def _has_pods(self, replica_set: Object) -> bool:
        """Any that have not finished, on their way out or not; or that the status of the
        ReplicaSet knows of before our cache does."""
        if replicasets.counted(replica_set, "replicas"):
            return True
        owned = self._pods.indexer.by_index(pods.CONTROLLER_INDEX, meta.uid(replica_set))
        return not all(map(pods.is_finished, owned))

    async def _finish(self, rollout: _Rollout) -> None:
        made = status.rollout(rollout.deployment, rollout.new, rollout.old)
        await self._update_status(rollout, made)
        seconds = status.seconds_until_deadline(rollout.deployment, made)
        if seconds is not None:
            self.queue.add_after(meta.namespaced_name(rollout.deployment), seconds)

    # --- the new ReplicaSet

    async def _ensure_new(self, rollout: _Rollout) -> tuple[bool, _Rollout]:
        """With a new ReplicaSet; whether the Deployment itself was written, so that this round
        knows an old one."""
        if rollout.new is not None:
            return await self._sync_new(rollout)
        deployment = rollout.deployment
        made = self._new_set(rollout)
        try:
            created = await self.client.create(
                resources.REPLICA_SETS, made, meta.namespace(deployment)
            )
        except errors.StatusError as error:
            if is_terminating(error):
                return True, rollout
            if error.reason == errors.ALREADY_EXISTS:
                await self._name_taken(deployment, meta.name(made))
            else:
                await self._create_failed(deployment, meta.name(made), error)
            raise
        if size := replicas(created):
            self._tell_scaled(deployment, created, 0, size)
        rollout = replace(rollout, new=created)
        message = f'Created new replica set "{meta.name(created)}"'
        return await self._note_new(rollout, status.NEW_REPLICA_SET, message, always=True), rollout

    def _new_set(self, rollout: _Rollout) -> Object:
        deployment = rollout.deployment
        spec, collisions = deployment["spec"], _collisions(deployment)
        template = spec["template"]
        hashed = {replicasets.HASH_LABEL: replicasets.template_hash(template, collisions)}
        metadata = template.get("metadata") or {}
        own_labels = {**(metadata.get("labels") or {}), **hashed}
        selector = spec["selector"]
        matched = {**(selector.get("matchLabels") or {}), **hashed}
        number = replicasets.max_revision(rollout.old) + 1
        made: Object = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta.name(deployment)}-{hashed[replicasets.HASH_LABEL]}",
                "labels": own_labels,
                "annotations": {
                    **replicasets.annotations_of_new(deployment, None, number),
                    **replicasets.size_annotations(
                        replicas(deployment), scaling.max_surge(deployment)
                    ),
                },
                "ownerReferences": [meta.controller_reference(deployment)],
            },
            "spec": {
                "replicas": 0,
                "minReadySeconds": spec.get("minReadySeconds") or 0,
                "selector": {**selector, "matchLabels": matched},
                "template": {**template, "metadata": {**metadata, "labels": own_labels}},
            },
        }
        made["spec"]["replicas"] = scaling.new_size(deployment, [*rollout.old, made], made)
        return made

    async def _name_taken(self, deployment: Object, name: str) -> None:
        """By what our cache has not shown yet, which the next round finds; or by another
        template of the same hash, which the next round must name otherwise."""
        namespace = meta.namespace(deployment)
        taken = await self.client.get(resources.REPLICA_SETS, name, namespace)
        if meta.is_controlled_by(taken, deployment) and replicasets.find_new(deployment, [taken]):
            return
        before = deployment.get("status") or {}
        await self._write_status(
            deployment, {**before, "collisionCount": _collisions(deployment) + 1}
        )

    async def _create_failed(
        self, deployment: Object, name: str, error: errors.StatusError
    ) -> None:
        message = f'Failed to create new replica set "{name}": {error}'
        self.context.recorder.event(deployment, events.WARNING, status.FAILED_CREATE, message)
        if status.deadline_seconds(deployment) is not None:
            condition = status.new_condition(
                status.PROGRESSING, "False", status.FAILED_CREATE, message
            )
            before = deployment.get("status") or {}
            await self._write_status(deployment, status.with_condition(before, condition))

    async def _sync_new(self, rollout: _Rollout) -> tuple[bool, _Rollout]:
        """Bring annotations and minReadySeconds of the new ReplicaSet up to date."""
        new, deployment = rollout.new, rollout.deployment
        if new is None:
            return False, rollout
        number = replicasets.max_revision(rollout.old) + 1
        annotations = replicasets.annotations_of_new(deployment, new, number)
        seconds = deployment["spec"].get("minReadySeconds") or 0
        known = new["spec"].get("minReadySeconds") or 0
        if annotations != meta.annotations(new) or seconds != known:
            metadata = {**new["metadata"], "annotations": annotations}
            spec = {**new["spec"], "minReadySeconds": seconds}
            updated = await self.client.update(
                resources.REPLICA_SETS, {**new, "metadata": metadata, "spec": spec}
            )
            rollout = replace(rollout, new=updated)
        message = f'Found new replica set "{meta.name(new)}"'
        return await self._note_new(rollout, status.FOUND_REPLICA_SET, message), rollout

    async def _note_new(
        self, rollout: _Rollout, reason: str, message: str, *, always: bool = False
    ) -> bool:
        """Write the revision, and that there is a new ReplicaSet, into the Deployment. Whether
        anything had to be written."""
        deployment, new = rollout.deployment, rollout.new
        assert new is not None
        before = deployment.get("status") or {}
        made = before
        unknown = status.condition(before, status.PROGRESSING) is None
        if status.deadline_seconds(deployment) is not None and (always or unknown):
            condition = status.new_condition(status.PROGRESSING, "True", reason, message)
            made = status.with_condition(before, condition)
        number = str(replicasets.revision(new))
        annotations = {**meta.annotations(deployment), replicasets.REVISION: number}
        if made is before and annotations == meta.annotations(deployment):
            return False
        metadata = {**deployment["metadata"], "annotations": annotations}
        await self._write_status({**deployment, "metadata": metadata}, made)
        return True

    # --- writing

    async def _resize(
        self, rollout: _Rollout, sizes: scaling.Sizes, *, only_changed: bool = False
    ) -> bool:
        """Whether any size changed. What a later scaling compares with is kept up to date too,
        unless only a change of size is worth a write."""
        deployment = rollout.deployment
        notes = replicasets.size_annotations(replicas(deployment), scaling.max_surge(deployment))
        changed = False
        for replica_set in rollout.all:
            before = replicas(replica_set)
            size = sizes.get(meta.name(replica_set), before)
            annotations = {**meta.annotations(replica_set), **notes}
            known = annotations == meta.annotations(replica_set)
            if meta.name(replica_set) not in sizes or (size == before and (known or only_changed)):
                continue
            metadata = {**replica_set["metadata"], "annotations": annotations}
            spec = {**replica_set["spec"], "replicas": size}
            await self.client.update(
                resources.REPLICA_SETS, {**replica_set, "metadata": metadata, "spec": spec}
            )
            if size != before:
                changed = True
                self._tell_scaled(deployment, replica_set, before, size)
        return changed

    def _tell_scaled(self, deployment: Object, replica_set: Object, before: int, size: int) -> None:
        way = "up" if size > before else "down"
        message = f"Scaled {way} replica set {meta.name(replica_set)} from {before} to {size}"
        self.context.recorder.event(deployment, events.NORMAL, "ScalingReplicaSet", message)

    async def _clean_up(self, rollout: _Rollout) -> None:
        """Old ReplicaSets beyond revisionHistoryLimit go, oldest first, once all is well."""
        deployment = rollout.deployment
        limit = deployment["spec"].get("revisionHistoryLimit")
        if limit is None or not status.is_complete(deployment, deployment.get("status") or {}):
            return
        alive = [rs for rs in rollout.old if not meta.is_being_deleted(rs)]
        surplus = sorted(alive, key=replicasets.revision)[: max(0, len(alive) - limit)]
        for replica_set in surplus:
            if replicas(replica_set) or replicasets.counted(replica_set, "replicas"):
                continue
            try:
                await self.client.delete(
                    resources.REPLICA_SETS, meta.name(replica_set), meta.namespace(replica_set)
                )
            except errors.StatusError as error:
                if error.reason != errors.NOT_FOUND:
                    raise

    async def _update_status(self, rollout: _Rollout, made: status.Status) -> None:
        if made != (rollout.deployment.get("status") or {}):
            await self._write_status(rollout.deployment, made)

    async def _write_status(self, deployment: Object, made: status.Status) -> None:
        await self.client.update_status(self.resource, {**deployment, "status": made})


def _selector(deployment: Object) -> labels.Selector:
    return labels.from_label_selector(deployment["spec"].get("selector"))


def _collisions(deployment: Object) -> int:
    return (deployment.get("status") or {}).get("collisionCount") or 0

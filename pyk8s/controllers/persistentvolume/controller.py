# SPDX-License-Identifier: Apache-2.0
"""Binds claims to volumes. Mirrors `pkg/controller/volume/persistentvolume`.

One claim or volume at a time, as upstream: two at once could give one volume to two claims. What
was written counts at once, however long the informers take to hear of it.
"""

from __future__ import annotations

from typing import NamedTuple

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import informer, resources
from pyk8s.client.assumecache import AssumeCache
from pyk8s.componenthelpers import volumes
from pyk8s.controllers import pods
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.persistentvolume import decisions
from pyk8s.controllers.persistentvolume.decisions import Event

# Upstream's --pvclaimbinder-sync-period: who still waits is told so again this often.
SYNC_PERIOD_SECONDS = 15.0

# Pods by the claims they use, as `namespace/claim`.
CLAIM_INDEX = "claim"
# Claims that may still find a volume, by their class.
_UNBOUND_INDEX = "unbound claims by class"


class Item(NamedTuple):
    """A claim; or a volume, which has no namespace."""

    what: str
    namespace: str
    name: str


def pods_by_claim(pod: Object) -> list[str]:
    namespace = meta.namespace(pod)
    return [f"{namespace}/{name}" for name in volumes.claim_names(pod)]


def _unbound_by_class(claim: Object) -> list[str]:
    settled = claim["spec"].get("volumeName") or volumes.BIND_COMPLETED in meta.annotations(claim)
    return [] if settled else [volumes.class_of(claim)]


class PersistentVolumeBinder(Controller[Item]):
    name = "persistentvolume-binder-controller"
    component = "persistentvolume-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        claims = self.informer(resources.PERSISTENT_VOLUME_CLAIMS)
        found = self.informer(resources.PERSISTENT_VOLUMES)
        self._classes = self.informer(resources.STORAGE_CLASSES)
        self._pods = self.informer(resources.PODS)
        self._pods.indexer.add_index(CLAIM_INDEX, pods_by_claim)
        claims.indexer.add_index(_UNBOUND_INDEX, _unbound_by_class)
        self._claim_indexer = claims.indexer
        self._claims = AssumeCache(claims.indexer)
        self._volumes = AssumeCache(found.indexer)
        claims.add_event_handler(informer.on_any_change(self._claim_changed, SYNC_PERIOD_SECONDS))
        found.add_event_handler(informer.on_any_change(self._volume_changed, SYNC_PERIOD_SECONDS))
        self._classes.add_event_handler(informer.on_any_change(self._class_changed))

    def subject(self, key: Item) -> Object | None:
        return self._find(key)

    def _find(self, key: Item) -> Object | None:
        cache = self._claims if key.what == "claim" else self._volumes
        return cache.get((key.namespace, key.name))

    # --- what changed

    def _claim_changed(self, claim: Object) -> None:
        self.queue.add(Item("claim", *meta.namespaced_name(claim)))
        if named := claim["spec"].get("volumeName"):
            self.queue.add(Item("volume", "", named))

    def _volume_changed(self, volume: Object) -> None:
        self.queue.add(Item("volume", "", meta.name(volume)))
        reference = volume["spec"].get("claimRef")
        if reference:
            claim = Item("claim", reference.get("namespace") or "", reference["name"])
            self.queue.add(claim)
        elif volumes.phase(volume) == "Available":
            self._wake_claims(volumes.class_of(volume))

    def _class_changed(self, storage_class: Object) -> None:
        self._wake_claims(meta.name(storage_class))
        self._wake_claims("")

    def _wake_claims(self, class_name: str) -> None:
        for key in self._claim_indexer.index_keys(_UNBOUND_INDEX, class_name):
            self.queue.add(Item("claim", *key))

    # --- claims

    async def reconcile(self, key: Item) -> None:
        found = self._find(key)
        if found is None:
            return
        if key.what == "claim":
            await self._sync_claim(found)
        else:
            await self._sync_volume(found)

    async def _sync_claim(self, claim: Object) -> None:
        named = claim["spec"].get("volumeName")
        plan = decisions.plan_claim(
            claim,
            all_volumes=self._volumes.list(),
            volume=self._volumes.get(("", named)) if named else None,
            class_named=lambda name: self._classes.lister.get(name),
            default_class=decisions.default_class(self._classes.lister.list()),
            waiting_pods=self._waiting_pods(claim),
        )
        if plan.bind is not None:
            await self._bind(plan.bind, claim)
            return
        if plan.default_class:
            updated = volumes.changeable(claim)
            updated["spec"]["storageClassName"] = plan.default_class
            await self._write_claim(updated)
            return
        if plan.provisioner:
            claim = await self._ask_for_volume(claim, plan.provisioner)
        changes = bool(plan.phase) and volumes.phase(claim) != plan.phase
        if plan.phase and not (plan.once and not changes):
            claim = await self._set_claim_status(claim, plan.phase)
        if plan.event is not None and (changes or not plan.once):
            self._tell("PersistentVolumeClaim", claim, plan.event)

    def _waiting_pods(self, claim: Object) -> list[str]:
        value = "/".join(meta.namespaced_name(claim))
        return [
            meta.name(pod)
            for pod in self._pods.indexer.by_index(CLAIM_INDEX, value)
            if not pods.is_finished(pod) and not pod["spec"].get("nodeName")
        ]

    async def _bind(self, volume: Object, claim: Object) -> None:
        """The volume first: its claimRef is what decides. Whatever is lost on the way, the next
        look at either of them finishes it."""
        bound = volumes.bound_volume(volume, claim)
        if bound is not volume:
            bound = await self._write_volume(bound)
        await self._set_volume_phase(bound, "Bound")
        settled = volumes.bound_claim(claim, bound)
        if settled is not claim:
            settled = await self._write_claim(settled)
        await self._set_claim_status(settled, "Bound", bound)

    async def _ask_for_volume(self, claim: Object, provisioner: str) -> Object:
        wanted = {
            volumes.STORAGE_PROVISIONER: provisioner,
            volumes.BETA_STORAGE_PROVISIONER: provisioner,
        }
        updated = volumes.changeable(claim)
        updated["metadata"]["annotations"].update(wanted)
        if updated["metadata"]["annotations"] == dict(meta.annotations(claim)):
            return claim
        return await self._write_claim(updated)

    # --- volumes

    async def _sync_volume(self, volume: Object) -> None:
        plan = decisions.plan_volume(volume, await self._claim_of(volume))
        if plan.unbind:
            volume = await self._write_volume(volumes.unbound_volume(volume))
        if plan.phase and volumes.phase(volume) not in plan.keeps:
            volume = await self._set_volume_phase(volume, plan.phase)
        if plan.wakes_claim:
            reference = volume["spec"]["claimRef"]
            self.queue.add(Item("claim", reference["namespace"], reference["name"]))
        failure = decisions.reclaim_failure(volume) if plan.reclaim else None
        if failure is not None and volumes.phase(volume) != "Failed":
            volume = await self._set_volume_phase(volume, "Failed", failure.message)
            self._tell("PersistentVolume", volume, failure)

    async def _claim_of(self, volume: Object) -> Object | None:
        """The claim its claimRef names. Before one counts as gone the server is asked, for a
        volume must not be reclaimed over a cache that lags behind."""
        reference = volume["spec"].get("claimRef")
        if not reference or not reference.get("uid"):
            return None
        namespace, name = reference.get("namespace") or "", reference["name"]
        claim = self._claims.get((namespace, name))
        if claim is not None and meta.uid(claim) == reference["uid"]:
            return claim
        if volumes.phase(volume) in ("Released", "Failed") and claim is None:
            return None
        try:
            return await self.client.get(resources.PERSISTENT_VOLUME_CLAIMS, name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None

    # --- writing

    async def _set_claim_status(
        self, claim: Object, phase: str, volume: Object | None = None
    ) -> Object:
        status = decisions.claim_status(claim, phase, volume)
        if status == (claim.get("status") or {}):
            return claim
        return await self._write_claim({**claim, "status": status}, "status")

    async def _set_volume_phase(self, volume: Object, phase: str, message: str = "") -> Object:
        if volumes.phase(volume) == phase:
            return volume
        status = {**(volume.get("status") or {}), "phase": phase}
        status.pop("message", None)
        if message:
            status["message"] = message
        return await self._write_volume({**volume, "status": status}, "status")

    async def _write_claim(self, claim: Object, subresource: str = "") -> Object:
        resource = resources.PERSISTENT_VOLUME_CLAIMS
        return await self._write(resource, self._claims, claim, subresource)

    async def _write_volume(self, volume: Object, subresource: str = "") -> Object:
        resource = resources.PERSISTENT_VOLUMES
        return await self._write(resource, self._volumes, volume, subresource)

    async def _write(
        self, resource: GroupVersionResource, cache: AssumeCache, obj: Object, subresource: str
    ) -> Object:
        written = await self.client.update(resource, obj, subresource)
        cache.assume(written)
        return written

    def _tell(self, kind: str, obj: Object, event: Event) -> None:
        # Items of a list may lack their kind, which an Event needs.
        whole = {"apiVersion": "v1", "kind": kind, **obj}
        self.context.recorder.event(whole, event.type, event.reason, event.message)

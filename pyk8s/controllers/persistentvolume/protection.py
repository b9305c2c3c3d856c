# SPDX-License-Identifier: Apache-2.0
"""Keeps claims that pods use, volumes that are bound, and VolumeAttributesClasses that one of them
names from being removed.

Each has a finalizer from its creation on (admission plugin StorageObjectInUseProtection; here it
is put on those that were made without). It goes once the object is to be deleted and nothing
uses it. Mirrors `pkg/controller/volume/pvcprotection`, `pvprotection` and `vacprotection`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources
from pyk8s.client.client import ListOptions, Patch
from pyk8s.client.store import Key
from pyk8s.componenthelpers import volumes
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.persistentvolume.controller import CLAIM_INDEX, pods_by_claim


class ProtectionController(ObjectController):
    """Puts `finalizer` on, and takes it off what is to be deleted and not used."""

    finalizer: ClassVar[str]

    async def reconcile(self, key: Key) -> None:
        obj = self.objects.indexer.get(key)
        if obj is None:
            return
        protected = meta.has_finalizer(obj, self.finalizer)
        if not meta.is_being_deleted(obj):
            if not protected:
                await self._set(obj, [*meta.finalizers(obj), self.finalizer])
        elif protected and not await self.is_used(obj):
            await self._set(obj, [f for f in meta.finalizers(obj) if f != self.finalizer])

    @abstractmethod
    async def is_used(self, obj: Object) -> bool:
        """Whether it must stay for now."""

    async def _set(self, obj: Object, finalizers: list[str]) -> None:
        """Guarded by the resourceVersion, for the list is replaced as a whole."""
        metadata = {
            "uid": meta.uid(obj),
            "resourceVersion": meta.resource_version(obj),
            "finalizers": finalizers or None,
        }
        patch = Patch(content={"metadata": metadata})
        try:
            await self.client.patch(self.resource, meta.namespaced_name(obj), patch)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise


class ClaimProtectionController(ProtectionController):
    name = "persistentvolumeclaim-protection-controller"
    resource = resources.PERSISTENT_VOLUME_CLAIMS
    finalizer = volumes.CLAIM_PROTECTION

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._pods = self.informer(resources.PODS)
        self._pods.indexer.add_index(CLAIM_INDEX, pods_by_claim)
        self._pods.add_event_handler(
            informer.Handler(
                on_update=self._pod_updated,
                on_delete=lambda deleted: self._pod_lets_go(informer.last_known(deleted)),
            )
        )

    def _pod_updated(self, before: Object, pod: Object) -> None:
        if meta.uid(before) != meta.uid(pod):
            self._pod_lets_go(before)
        elif volumes.is_shut_down(pod):
            self._pod_lets_go(pod)

    def _pod_lets_go(self, pod: Object) -> None:
        for name in volumes.claim_names(pod):
            self.queue.add((meta.namespace(pod), name))

    async def is_used(self, obj: Object) -> bool:
        """By what the informer knows; before the claim is let go, by the server's word as well,
        for a pod may have come a moment ago."""
        index = "/".join(meta.namespaced_name(obj))
        known = self._pods.indexer.by_index(CLAIM_INDEX, index)
        if any(volumes.is_used_by(obj, pod) for pod in known):
            return True
        async for page in self.client.pages(resources.PODS, meta.namespace(obj), ListOptions()):
            if any(volumes.is_used_by(obj, pod) for pod in page.get("items") or ()):
                return True
        return False


class VolumeProtectionController(ProtectionController):
    name = "persistentvolume-protection-controller"
    resource = resources.PERSISTENT_VOLUMES
    finalizer = volumes.VOLUME_PROTECTION

    async def is_used(self, obj: Object) -> bool:
        return volumes.phase(obj) == "Bound"


# Which VolumeAttributesClasses claims and volumes name, by the index of this name.
_CLASS_INDEX = "volumeAttributesClassName"


class AttributesClassProtectionController(ProtectionController):
    name = "volumeattributesclass-protection-controller"
    workers = 1
    resource = resources.VOLUME_ATTRIBUTES_CLASSES
    finalizer = volumes.ATTRIBUTES_CLASS_PROTECTION

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._users = [
            self.informer(resources.PERSISTENT_VOLUMES),
            self.informer(resources.PERSISTENT_VOLUME_CLAIMS),
        ]
        for users in self._users:
            users.indexer.add_index(_CLASS_INDEX, attributes_classes)
            users.add_event_handler(
                informer.Handler(
                    on_update=self._updated,
                    on_delete=lambda deleted: self._let_go(
                        attributes_classes(informer.last_known(deleted))
                    ),
                )
            )

    def _updated(self, before: Object, after: Object) -> None:
        self._let_go({*attributes_classes(before)} - {*attributes_classes(after)})

    def _let_go(self, names: Iterable[str]) -> None:
        for name in names:
            self.queue.add(("", name))

    async def is_used(self, obj: Object) -> bool:
        """By what the informers know, as upstream has it."""
        name = meta.name(obj)
        return any(users.indexer.by_index(_CLASS_INDEX, name) for users in self._users)


def attributes_classes(obj: Object) -> list[str]:
    """The names of those that a claim or a volume has, had, or is to have."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    named = (
        spec.get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return [*dict.fromkeys(name for name in named if name)]

# SPDX-License-Identifier: Apache-2.0
"""Which objects belong to a controller object: owned ones that match, orphans that match.

    owned, matches        kept
    owned, no match       released: the reference is taken off
    orphan, matches       adopted: a reference is put on, unless either is being deleted
    somebody else's       left alone

Mirrors upstream's `controller_ref_manager.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyk8s.apimachinery import errors, labels, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client.client import Client, Patch
from pyk8s.client.store import Indexer
from pyk8s.controllers import pods


def candidates(indexer: Indexer, owner: Object) -> list[Object]:
    """By CONTROLLER_INDEX, what the owner has, and what in its namespace nobody has."""
    orphans = pods.orphans_of(meta.namespace(owner))
    return [
        *indexer.by_index(pods.CONTROLLER_INDEX, meta.uid(owner)),
        *indexer.by_index(pods.CONTROLLER_INDEX, orphans),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimer:
    """For one owner, complete with apiVersion and kind, and what its selector says."""

    client: Client
    owner: Object
    owner_resource: GroupVersionResource
    resource: GroupVersionResource
    selector: labels.Selector
    # Put on with the reference, and taken off with it.
    finalizers: tuple[str, ...] = ()

    async def claim(self, candidates: Iterable[Object]) -> list[Object]:
        """Those that belong to the owner now. Raises StatusError and ServerUnreachable; what was
        claimed before that is found claimed the next time."""
        claimed = []
        may_adopt: bool | None = None
        for obj in candidates:
            matches = self.selector.matches(meta.labels(obj))
            reference = meta.controller_of(obj)
            if reference is not None:
                if reference["uid"] != meta.uid(self.owner):
                    continue
                if matches:
                    claimed.append(obj)
                elif not meta.is_being_deleted(self.owner):
                    await self._release(obj)
                continue
            if not matches or meta.is_being_deleted(self.owner) or meta.is_being_deleted(obj):
                continue
            if may_adopt is None:
                may_adopt = await self._owner_lives()
            if may_adopt and (adopted := await self._adopt(obj)) is not None:
                claimed.append(adopted)
        return claimed

    async def _owner_lives(self) -> bool:
        """By the server's word: a cache may lag behind a deletion, and the garbage collector
        would take what the dead adopt."""
        namespace, name = meta.namespaced_name(self.owner)
        try:
            live = await self.client.get(self.owner_resource, name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return False
        return meta.uid(live) == meta.uid(self.owner) and not meta.is_being_deleted(live)

    async def _adopt(self, obj: Object) -> Object | None:
        references = [*meta.owner_references(obj), meta.controller_reference(self.owner)]
        finalizers = dict.fromkeys([*meta.finalizers(obj), *self.finalizers])
        return await self._patch(obj, references, list(finalizers))

    async def _release(self, obj: Object) -> None:
        kept = [r for r in meta.owner_references(obj) if r["uid"] != meta.uid(self.owner)]
        finalizers = [name for name in meta.finalizers(obj) if name not in self.finalizers]
        await self._patch(obj, kept, finalizers)

    async def _patch(
        self, obj: Object, references: list[Object], finalizers: list[str]
    ) -> Object | None:
        """None when the object is gone."""
        metadata: dict[str, object] = {
            "uid": meta.uid(obj),
            "resourceVersion": meta.resource_version(obj),
            "ownerReferences": references or None,
        }
        if self.finalizers:
            metadata["finalizers"] = finalizers or None
        patch = Patch(content={"metadata": metadata})
        try:
            return await self.client.patch(self.resource, meta.namespaced_name(obj), patch)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None

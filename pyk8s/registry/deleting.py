# SPDX-License-Identifier: Apache-2.0
"""One DELETE, carried out: decided on what is stored, and again when another writer was quicker.

    decide -> nothing to do    the object stays as it is, already on its way out
           -> marked           written; finalizers or a grace period keep it
           -> marked, removed  written, then removed, so that watchers see it leave (pods)
           -> removed

What the decisions are stands in `deletion`. Mirrors `Delete` of apiserver's
`generic/registry/store.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyk8s.admission import interface as admission
from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.registry import creation, deletion
from pyk8s.registry.context import RequestContext
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

if TYPE_CHECKING:
    from pyk8s.registry.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """`removed` is False when finalizers or a grace period keep the object."""

    item: storage.Item
    removed: bool


class _Decided(Exception):
    """Ends the update: there is nothing to write."""

    def __init__(self, item: storage.Item, outcome: deletion.Outcome) -> None:
        super().__init__()
        self.item = item
        self.outcome = outcome


class Deletion:
    """Made for one request."""

    def __init__(
        self,
        store: Store,
        context: RequestContext,
        attributes: admission.Attributes,
        options: deletion.DeleteOptions,
    ) -> None:
        self._store = store
        self._context = context
        self._attributes = attributes
        self._options = options
        self._outcome = deletion.Outcome(None, remove=False)

    async def run(self, name: str) -> Deleted:
        """Raises StatusError and StorageError."""
        key = self._store.key(self._context.namespace, name)
        try:
            if self._context.dry_run:
                item = await self._store.update_nothing(key, self._mark, may_create=False)
            else:
                item = await self._store.storage.guaranteed_update(key, self._mark)
        except _Decided as decided:
            if not decided.outcome.remove or self._context.dry_run:
                return Deleted(item=decided.item, removed=decided.outcome.remove)
            return await self._remove(key, self._options)
        if not self._outcome.remove or self._context.dry_run:
            return Deleted(item=item, removed=self._outcome.remove)
        return await self._remove_marked(item)

    async def _mark(self, item: storage.Item | None) -> Object:
        assert item is not None  # both kinds of update raise KeyNotFound without one
        existing = item.object()
        self._store.check_preconditions(existing, self._options)
        self._attributes.existing = item.object()
        await self._store.admission.validate(self._attributes)
        outcome = self._store.decide_deletion(existing, self._options)
        if outcome.marked is None:
            raise _Decided(item, outcome)
        self._outcome = outcome
        return outcome.marked

    async def _remove_marked(self, marked: storage.Item) -> Deleted:
        """The mark has changed the resourceVersion. Whoever acts on it may be quicker, as a
        kubelet is, and then the marked object is the last state that is known."""
        try:
            return await self._remove(marked.key, replace(self._options, resource_version=""))
        except storage_errors.KeyNotFound:
            return Deleted(item=marked, removed=True)

    async def _remove(self, key: str, options: deletion.DeleteOptions) -> Deleted:
        """Remove, but look again at what is removed: a finalizer may have arrived since."""
        store = self._store

        async def still_removable(item: storage.Item) -> None:
            existing = item.object()
            store.check_preconditions(existing, options)
            if not store.decide_deletion(existing, options).remove:
                name = existing["metadata"]["name"]
                resource = store.resource.group_resource
                raise errors.conflict(resource, name, creation.OPTIMISTIC_LOCK)

        item = await store.storage.delete(key, validate=still_removable)
        await store.after_delete(self._context, item)
        return Deleted(item=item, removed=True)

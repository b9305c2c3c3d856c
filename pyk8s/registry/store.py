# SPDX-License-Identifier: Apache-2.0
"""Store: the verbs of one resource, from a decoded object to storage and back.

    create   namespace and metadata -> mutating admission -> prepare, allocate, validate
             -> validating admission -> storage
    update   the same, from the state that is stored, again when another writer was quicker
    delete   admission -> mark, or remove

Objects come in decoded, in the storage version, and are the Store's to change; Items go out.
Dry run goes the whole road but for the write. Every method raises StatusError and nothing else.
Mirrors apiserver's `generic/registry.Store`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pyk8s.admission import interface as admission
from pyk8s.apimachinery import codec, errors, managedfields
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis import scheme
from pyk8s.registry import allocation, creation, deleting, deletion, translate
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategy import Strategy
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

# Five random characters out of 27 collide once in 14 million; eight tries fail when a client
# has filled the space, and then saying so is right. Upstream: maxNameGenerationCreateAttempts.
_GENERATE_NAME_ATTEMPTS_MAX = 8
# Each mostly waits for etcd. Upstream: --delete-collection-workers, one by default.
_COLLECTION_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Existing:
    """What an update starts from. `obj` is shared and must not be changed; `copy` is one's own."""

    item: storage.Item
    obj: Object

    def copy(self) -> Object:
        return self.item.object()


# Makes the object to store from the existing one (None when there is none and the kind may be
# created by an update). Called again for every retry; the result belongs to the Store.
MakeUpdated = Callable[[Existing | None], Awaitable[Object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    item: storage.Item
    created: bool = False


class _RemoveInstead(Exception):
    """Ends an update whose result nothing holds back: the object is deleted instead."""

    def __init__(self, item: storage.Item) -> None:
        super().__init__()
        self.item = item


class Store:
    """All objects of one resource, in every version it is served in."""

    # Whether the garbage collector's finalizers apply; it leaves events alone.
    collected = True

    def __init__(
        self,
        resource: scheme.Resource,
        strategy: Strategy,
        backend: storage.Storage,
        chain: admission.Chain,
    ) -> None:
        self.resource = resource
        self.strategy = strategy
        self.storage = backend
        self.admission = chain
        self._prefix = backend.config.key_prefix

    def key(self, namespace: str, name: str) -> str:
        """Callers have checked that neither part holds a slash."""
        if self.resource.namespaced:
            return f"{self._prefix}{namespace}/{name}"
        return self._prefix + name

    # --- reading

    async def get(self, namespace: str, name: str, resource_version: str = "") -> storage.Item:
        try:
            return await self.storage.get(
                self.key(namespace, name), resource_version=resource_version
            )
        except storage_errors.StorageError as error:
            raise self.translated(error, name, "get") from error

    async def list(self, options: storage.ListOptions) -> storage.ListResult:
        try:
            return await self.storage.list(options)
        except storage_errors.StorageError as error:
            raise self.translated(error, "", "list") from error

    async def watch(self, options: storage.WatchOptions) -> storage.Watcher:
        try:
            return await self.storage.watch(options)
        except storage_errors.StorageError as error:
            raise self.translated(error, "", "watch") from error

    # --- creating

    async def create(self, context: RequestContext, obj: Object) -> storage.Item:
        if obj["metadata"].get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise errors.StatusError(500, "", message)
        attributes = self._attributes(admission.CREATE, context, obj=obj)
        await self.admission.admit(attributes)
        generates = not obj["metadata"].get("name") and obj["metadata"].get("generateName")
        if not generates:
            return await self._create_once(attributes, context, obj)
        pristine = codec.encode_json(obj)
        for _ in range(_GENERATE_NAME_ATTEMPTS_MAX):
            obj = codec.decode_json(pristine)
            attributes.obj = obj
            try:
                return await self._create_once(attributes, context, obj)
            except errors.StatusError as error:
                if error.reason != errors.ALREADY_EXISTS:
                    raise
                name = obj["metadata"]["name"]
        raise errors.generate_name_conflict(self.resource.group_resource, name)

    async def _create_once(
        self, attributes: admission.Attributes, context: RequestContext, obj: Object
    ) -> storage.Item:
        creation.fill_metadata(obj)
        name = obj["metadata"].get("name", "")
        try:
            async with self.allocation(context) as allocated:
                await self._prepare_new(attributes, context, obj, allocated)
                key = self.key(context.namespace, name)
                if context.dry_run:
                    return await self._create_nothing(key, obj)
                return await self.storage.create(key, obj)
        except storage_errors.StorageError as error:
            raise self.translated(error, name, "create") from error

    async def _prepare_new(
        self,
        attributes: admission.Attributes,
        context: RequestContext,
        obj: Object,
        allocated: allocation.Allocation,
    ) -> None:
        self.strategy.prepare_for_create(context, obj)
        await allocated.take(obj)
        creation.validate_new(self.strategy, context, obj)
        attributes.name = obj["metadata"]["name"]
        await self.admission.validate(attributes)
        self.strategy.canonicalize(obj)

    async def _create_nothing(self, key: str, obj: Object) -> storage.Item:
        try:
            await self.storage.get(key)
        except storage_errors.KeyNotFound:
            return storage.Item(key, 0, codec.encode_json(obj))
        raise storage_errors.KeyExists(key)

    # --- updating

    async def update(
        self,
        context: RequestContext,
        name: str,
        make_updated: MakeUpdated,
        *,
        subresource: str = "",
        may_create: bool | None = None,
    ) -> Written:
        """PUT and every patch, of the object or of what the subresource lets through.
        `may_create` None leaves it to the Strategy whether a missing object is created."""
        key = self.key(context.namespace, name)
        if may_create is None:
            may_create = self.strategy.allow_create_on_update and not subresource
        created = False
        # Status and the like take nothing, and give nothing back.
        allocated = allocation.NOTHING if subresource else self.allocation(context)

        async def update(item: storage.Item | None) -> Object:
            nonlocal created
            created = item is None
            if item is None:
                return await self._make_created(context, name, make_updated, allocated)
            return await self._make_updated(context, item, make_updated, subresource, allocated)

        try:
            async with allocated:
                if context.dry_run:
                    item = await self.update_nothing(key, update, may_create)
                else:
                    item = await self.storage.guaranteed_update(
                        key, update, ignore_not_found=may_create
                    )
        except _RemoveInstead as removal:
            return Written(item=await self._remove_emptied(context, removal.item))
        except storage_errors.StorageError as error:
            raise self.translated(error, name, "update") from error
        return Written(item=item, created=created)

    async def _make_created(
        self,
        context: RequestContext,
        name: str,
        make_updated: MakeUpdated,
        allocated: allocation.Allocation,
    ) -> Object:
        obj = await make_updated(None)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion") not in (None, "", "0") or metadata.get("uid"):
            why = creation.OPTIMISTIC_LOCK
            if metadata.get("uid"):
                why = (
                    f"Precondition failed: UID in precondition: {metadata['uid']}, "
                    "UID in object meta: "
                )
            raise errors.conflict(self.resource.group_resource, name, why)
        attributes = self._attributes(admission.CREATE, context, obj=obj)
        await self.admission.admit(attributes)
        creation.fill_metadata(obj)
        await self._prepare_new(attributes, context, obj, allocated)
        return obj

    async def _make_updated(
        self,
        context: RequestContext,
        item: storage.Item,
        make_updated: MakeUpdated,
        subresource: str,
        allocated: allocation.Allocation,
    ) -> Object:
        existing = item.object()
        updated = await make_updated(Existing(item, existing))
        creation.check_uid(self.strategy, updated, existing)
        creation.check_resource_version(self.strategy, updated, existing)
        attributes = self._attributes(
            admission.UPDATE, context, obj=updated, existing=existing, subresource=subresource
        )
        await self.admission.admit(attributes)
        creation.keep_system_metadata(updated, existing)
        rule = self.strategy.update_rule(subresource)
        rule.prepare(context, updated, existing)
        await allocated.take(updated, existing)
        self._validate_updated(context, updated, existing, subresource)
        await self.admission.validate(attributes)
        self.strategy.canonicalize(updated)
        updated = managedfields.keep_times(existing, updated)
        if self.removed_by_update(updated, existing):
            raise _RemoveInstead(storage.Item(item.key, item.revision, codec.encode_json(updated)))
        return updated

    def _validate_updated(
        self, context: RequestContext, updated: Object, existing: Object, subresource: str
    ) -> None:
        strategy = self.strategy
        faults = strategy.update_rule(subresource).validate(context, updated, existing)
        if faults:
            kind = self.resource.storage_version.group_kind
            raise errors.invalid(kind, existing["metadata"]["name"], faults)
        if not subresource:
            context.warnings.extend(strategy.warnings_on_update(context, updated, existing))

    async def update_nothing(
        self, key: str, update: storage.UpdateFunction, may_create: bool
    ) -> storage.Item:
        """The update as a dry run. Raises StorageError."""
        try:
            existing: storage.Item | None = await self.storage.get(key)
        except storage_errors.KeyNotFound:
            if not may_create:
                raise
            existing = None
        obj = await update(existing)
        revision = existing.revision if existing else 0
        return storage.Item(key, revision, codec.encode_json(obj))

    async def _remove_emptied(self, context: RequestContext, item: storage.Item) -> storage.Item:
        """The update took the last thing away that kept a deleted object; its writer sees the
        object as he left it."""
        if context.dry_run:
            return item
        try:
            removed = await self.storage.delete(
                item.key,
                preconditions=storage.Preconditions(resource_version=str(item.revision)),
            )
        except storage_errors.KeyNotFound:
            return item
        except storage_errors.StorageError as error:
            name = item.key.rpartition("/")[2]
            raise self.translated(error, name, "update") from error
        await self.after_delete(context, removed)
        return item

    async def rewrite(
        self, context: RequestContext, name: str, change: Callable[[Object], None]
    ) -> storage.Item:
        """A change in place that a subresource makes itself, such as a binding: no Strategy has
        a say. `change` is called again for every retry and may raise StatusError."""

        async def update(item: storage.Item | None) -> Object:
            assert item is not None  # both ways below raise KeyNotFound without one
            obj = item.object()
            change(obj)
            return obj

        key = self.key(context.namespace, name)
        try:
            if context.dry_run:
                return await self.update_nothing(key, update, may_create=False)
            return await self.storage.guaranteed_update(key, update)
        except storage_errors.StorageError as error:
            raise self.translated(error, name, "update") from error

    # --- deleting

    async def delete(
        self, context: RequestContext, name: str, options: deletion.DeleteOptions
    ) -> deleting.Deleted:
        if warning := self.deletion_warning(options):
            context.warnings.append(warning)
        attributes = self._attributes(admission.DELETE, context, name=name)
        await self.admission.admit(attributes)
        try:
            return await deleting.Deletion(self, context, attributes, options).run(name)
        except storage_errors.StorageError as error:
            raise self.translated(error, name, "delete") from error

    def check_preconditions(self, existing: Object, options: deletion.DeleteOptions) -> None:
        """Raises 409 when the object is not the one the client means."""
        kind = self.resource.storage_version.group_kind
        deletion.check_preconditions(existing, options, GroupResource(*kind))

    def decide_deletion(
        self, existing: Object, options: deletion.DeleteOptions
    ) -> deletion.Outcome:
        """May change `existing` and return it as `marked`."""
        grace = self.strategy.grace_period_seconds(existing, options.grace_period_seconds)
        return deletion.decide(existing, options, grace, self.gc_policy)

    @property
    def gc_policy(self) -> deletion.GCPolicy:
        if not self.collected:
            return deletion.GCPolicy.UNSUPPORTED
        orphans = self.strategy.orphans_dependents
        return deletion.GCPolicy.ORPHAN if orphans else deletion.GCPolicy.DELETE

    def deletion_warning(self, options: deletion.DeleteOptions) -> str:
        """What a client should know who did not say what shall become of dependents."""
        said = options.propagation_policy or options.orphan_dependents is not None
        return "" if said else self.strategy.orphans_warning

    def removed_by_update(self, updated: Object, existing: Object) -> bool:
        return deletion.removed_by_update(updated, existing)

    async def delete_collection(
        self,
        context: RequestContext,
        selection: storage.ListOptions,
        options: deletion.DeleteOptions,
    ) -> storage.ListResult:
        """Delete what is selected now, several at once; the result lists it, as it was. An object
        that is gone before its turn is no error; after any other, no further one is begun."""
        listed = await self.list(selection)
        deleted = [False] * len(listed.items)
        waiting = iter([*enumerate(listed.items)])
        failures: list[errors.StatusError] = []

        async def work() -> None:
            for number, item in waiting:
                if failures:
                    return
                try:
                    await self._delete_item(context, item, options)
                except errors.StatusError as error:
                    if error.reason != errors.NOT_FOUND:
                        failures.append(error)
                else:
                    deleted[number] = True

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_COLLECTION_WORKERS, len(deleted))):
                group.create_task(work())
        if failures:
            raise failures[0]
        return storage.ListResult(
            items=[item for item, done in zip(listed.items, deleted, strict=True) if done],
            revision=listed.revision,
            continue_token=listed.continue_token,
            remaining=listed.remaining,
        )

    async def _delete_item(
        self, context: RequestContext, item: storage.Item, options: deletion.DeleteOptions
    ) -> None:
        # Of its own namespace; the warnings go to the one request.
        where = item.key.split("/")[-2] if self.resource.namespaced else context.namespace
        mine = dataclasses.replace(context, namespace=where)
        await self.delete(mine, item.key.rpartition("/")[2], options)

    # --- for kinds that share pools with each other

    def allocation(self, context: RequestContext) -> allocation.Allocation:
        """What a write of this kind takes; a new one for every request."""
        return allocation.NOTHING

    async def after_delete(self, context: RequestContext, item: storage.Item) -> None:
        """The object is gone from storage; `item` is its last state. Must not raise."""

    # --- shared

    def _attributes(
        self,
        operation: str,
        context: RequestContext,
        *,
        obj: Object | None = None,
        existing: Object | None = None,
        name: str = "",
        subresource: str = "",
    ) -> admission.Attributes:
        if not name and (shown := obj or existing):
            name = shown["metadata"].get("name", "")
        return admission.Attributes(
            operation=operation,
            resource=self.resource.gvr,
            kind=self.resource.gvk,
            namespace=context.namespace,
            name=name,
            user=context.user,
            subresource=subresource,
            obj=obj,
            existing=existing,
            dry_run=context.dry_run,
            warnings=context.warnings,
        )

    def translated(
        self, error: storage_errors.StorageError, name: str, verb: str
    ) -> errors.StatusError:
        return translate.status_error(error, self.resource.group_resource, name, verb)

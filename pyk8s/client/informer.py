# SPDX-License-Identifier: Apache-2.0
"""One cache per resource, kept like the server's state, that tells many handlers what changed.

    Reflector -> SharedInformer: Indexer first, then every handler -> keys into WorkQueues

As client-go's `tools/cache/shared_informer.go`. Handlers are plain functions called in turn on
the event loop, so none needs a buffer of its own and none sees the Indexer older than its news.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyk8s.apimachinery import codec, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import watch
from pyk8s.client.client import Client
from pyk8s.client.lister import Lister
from pyk8s.client.reflector import ListWatcher, Reflector, ResourceListWatcher
from pyk8s.client.store import NAMESPACE_INDEX, Indexer, IndexFunction, Key, by_namespace
from pyk8s.componentbase.health import NotHealthy

_log = logging.getLogger(__name__)

# Set to "true", every informer makes sure that nobody changes what it shares. Upstream's name.
MUTATION_DETECTOR = "KUBE_CACHE_MUTATION_DETECTOR"


@dataclass(frozen=True, slots=True)
class DeletedFinalStateUnknown:
    """The object is gone, and how it ended was missed: `object` is the last state seen."""

    key: Key
    object: Object


class CacheMutated(Exception):
    """Somebody changed an object that all share: a bug in whoever did."""


Deleted = Object | DeletedFinalStateUnknown


def last_known(deleted: Deleted) -> Object:
    """The object a deletion tells of, whether its end was seen or not."""
    return deleted.object if isinstance(deleted, DeletedFinalStateUnknown) else deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What is to be called; none may suspend, and none may change what it is given.

    `on_add(object, is_in_initial_list)`, `on_update(before, after)`, `on_delete(deleted)`. With
    `resync_seconds`, every object is told again this often as an update from itself to itself.
    """

    on_add: Callable[[Object, bool], None] | None = None
    on_update: Callable[[Object, Object], None] | None = None
    on_delete: Callable[[Deleted], None] | None = None
    resync_seconds: float = 0.0


def on_any_change(function: Callable[[Object], None], resync_seconds: float = 0.0) -> Handler:
    """A handler that is told the newest state of whatever was added, updated or deleted."""
    return Handler(
        on_add=lambda obj, _: function(obj),
        on_update=lambda _, obj: function(obj),
        on_delete=lambda deleted: function(last_known(deleted)),
        resync_seconds=resync_seconds,
    )


class SharedInformer:
    """Guarantees, as client-go's SharedInformer:

    - what the Indexer holds was the server's state at some moment, and it moves forward only;
    - a handler is told the changes of one object in order, the Indexer being at least as new;
      states in between may be missed, the last one never;
    - a handler added late is told of everything that is there, as added;
    - an object deleted and made again while nobody watched is told as an update, so whoever
      cares compares uids;
    - a handler that raises is logged, and keeps neither the others nor the cache from the news.

    `transform` may change an object before anyone sees it, to keep less of it in memory.
    """

    def __init__(
        self,
        source: ListWatcher,
        *,
        name: str = "",
        indexes: Mapping[str, IndexFunction] | None = None,
        transform: Callable[[Object], None] | None = None,
    ) -> None:
        self.name = name
        self.indexer = Indexer({NAMESPACE_INDEX: by_namespace, **(indexes or {})})
        self.lister = Lister(self.indexer)
        self._reflector = Reflector(source, self, name)
        self._transform = transform
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._resyncs: asyncio.TaskGroup | None = None
        self._detector = _MutationDetector() if _detects_mutation() else None

    def add_event_handler(self, handler: Handler) -> None:
        self._handlers.append(handler)
        if self._synced.is_set() and handler.on_add is not None:
            for obj in self.indexer.list():
                self._call(handler.on_add, obj, True)
        if self._resyncs is not None:
            self._start_resync(self._resyncs, handler)

    def remove_event_handler(self, handler: Handler) -> None:
        """It is told nothing any more. Raises ValueError for one that was not added."""
        self._handlers.remove(handler)

    @property
    def has_synced(self) -> bool:
        """Whether everything there was at the start is here and has been told."""
        return self._synced.is_set()

    @property
    def last_resource_version(self) -> str:
        return self._reflector.last_resource_version

    async def wait_until_synced(self) -> None:
        await self._synced.wait()

    async def run(self) -> None:
        """Follow the server until cancelled. Raises CacheMutated, where that is detected."""
        async with asyncio.TaskGroup() as group:
            self._resyncs = group
            for handler in self._handlers:
                self._start_resync(group, handler)
            if self._detector is not None:
                group.create_task(self._detector.run())
            await self._reflector.run()

    def _start_resync(self, group: asyncio.TaskGroup, handler: Handler) -> None:
        if handler.resync_seconds > 0 and handler.on_update is not None:
            group.create_task(self._resync(handler))

    async def _resync(self, handler: Handler) -> None:
        while True:
            await asyncio.sleep(handler.resync_seconds)
            if handler not in self._handlers:
                return
            assert handler.on_update is not None
            for obj in self.indexer.list():
                self._call(handler.on_update, obj, obj)

    # --- what the Reflector delivers

    def replace(self, objects: dict[Key, Object]) -> None:
        for key in [*self.indexer]:
            if key not in objects:
                before = self._forget(key)
                assert before is not None
                self._tell_deleted(DeletedFinalStateUnknown(key, before))
        initial = not self._synced.is_set()
        for key, obj in objects.items():
            self._put(key, obj, initial)
        self._synced.set()

    def apply(self, events: Sequence[watch.Event]) -> None:
        for type, obj in events:
            key = meta.namespaced_name(obj)
            if type != watch.DELETED:
                self._put(key, obj, False)
                continue
            if self._transform is not None:
                self._transform(obj)
            self._forget(key)
            self._tell_deleted(obj)

    def _put(self, key: Key, obj: Object, initial: bool) -> None:
        if self._transform is not None:
            self._transform(obj)
        before = self.indexer.put(key, obj)
        if self._detector is not None:
            self._detector.remember(key, obj)
        if before is None:
            for handler in self._handlers:
                if handler.on_add is not None:
                    self._call(handler.on_add, obj, initial)
        elif meta.resource_version(before) != meta.resource_version(obj):
            for handler in self._handlers:
                if handler.on_update is not None:
                    self._call(handler.on_update, before, obj)

    def _forget(self, key: Key) -> Object | None:
        if self._detector is not None:
            self._detector.forget(key)
        return self.indexer.remove(key)

    def _tell_deleted(self, deleted: Deleted) -> None:
        for handler in self._handlers:
            if handler.on_delete is not None:
                self._call(handler.on_delete, deleted)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        # A boundary: whose fault it is, the others' caches go on.
        try:
            function(*arguments)
        except Exception:
            _log.exception("handler failed: informer=%s", self.name)


def _detects_mutation() -> bool:
    return os.environ.get(MUTATION_DETECTOR, "") == "true"


class _MutationDetector:
    """Remembers how each cached object looked, and looks again: once a second, and when it
    leaves."""

    _PERIOD_SECONDS = 1.0

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[Object, bytes]] = {}
        self._faults: list[str] = []

    def remember(self, key: Key, obj: Object) -> None:
        self.forget(key)
        self._seen[key] = (obj, codec.encode_json(obj))

    def forget(self, key: Key) -> None:
        if (remembered := self._seen.pop(key, None)) is not None:
            self._compare(*remembered)

    def _compare(self, obj: Object, looked: bytes) -> None:
        looks = codec.encode_json(obj)
        if looks != looked:
            self._faults.append(f"a cached object was changed\nfrom {looked!r}\nto   {looks!r}")

    def check(self) -> None:
        """Raises CacheMutated."""
        for remembered in self._seen.values():
            self._compare(*remembered)
        if self._faults:
            raise CacheMutated("\n".join(self._faults))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._PERIOD_SECONDS)
            self.check()


def without_managed_fields(obj: Object) -> None:
    """A transform: nobody in a controller reads managedFields, often half of an object. A write
    without them leaves the stored ones as they are."""
    (obj.get("metadata") or {}).pop("managedFields", None)


class SharedInformers:
    """One informer per resource, shared by all that ask for it, over one client.

    Started together by `run`, in a task group of the caller's; one that is asked for later
    starts at once.
    """

    def __init__(
        self, client: Client, transform: Callable[[Object], None] | None = without_managed_fields
    ) -> None:
        self._client = client
        self._transform = transform
        self._informers: dict[GroupVersionResource, SharedInformer] = {}
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[GroupVersionResource, asyncio.Task[None]] = {}

    def of(self, resource: GroupVersionResource, *, metadata_only: bool = False) -> SharedInformer:
        """The informer of the resource in all namespaces. One that was made for whole objects
        serves who wants metadata only."""
        informer = self._informers.get(resource)
        if informer is None:
            source = ResourceListWatcher(
                client=self._client, resource=resource, metadata_only=metadata_only
            )
            informer = SharedInformer(source, name=str(resource), transform=self._transform)
            self._informers[resource] = informer
            if self._group is not None:
                self._start(resource, informer)
        return informer

    def __contains__(self, resource: GroupVersionResource) -> bool:
        return resource in self._informers

    def start(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        for resource, informer in self._informers.items():
            if resource not in self._tasks:
                self._start(resource, informer)

    def _start(self, resource: GroupVersionResource, informer: SharedInformer) -> None:
        assert self._group is not None
        self._tasks[resource] = self._group.create_task(informer.run(), name=informer.name)

    def stop(self, resource: GroupVersionResource) -> None:
        """End the informer of a resource that is served no longer."""
        self._informers.pop(resource, None)
        if (task := self._tasks.pop(resource, None)) is not None:
            task.cancel()

    async def check(self) -> None:
        """A health check: raises NotHealthy until all that have been asked for are synced."""
        missing = [
            informer.name for informer in self._informers.values() if not informer.has_synced
        ]
        if missing:
            raise NotHealthy(f"{len(missing)} informers not started yet: {missing}")

    async def wait_until_synced(self) -> None:
        """All that have been asked for so far."""
        await wait_until_synced(self._informers.values())


async def wait_until_synced(informers: Iterable[SharedInformer]) -> None:
    waiting: list[Awaitable[None]] = [informer.wait_until_synced() for informer in informers]
    await asyncio.gather(*waiting)

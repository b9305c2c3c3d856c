# SPDX-License-Identifier: Apache-2.0
"""The storage contract, fulfilled from memory: reads and watches here, writes to etcd.

resourceVersion  ""   wait until the cache is as fresh as etcd, then read memory
                 "0"  read memory
                 N    wait until the cache has reached N, then read memory
exactly N             memory, if nothing of the resource changed since; else etcd
"""

from __future__ import annotations

from pyk8s.apimachinery.gvk import Object
from pyk8s.storage import errors, paging, versioner, watchplan
from pyk8s.storage.cacher import selfcheck
from pyk8s.storage.cacher.channels import BACKLOG_EVENTS_MAX
from pyk8s.storage.cacher.feed import Feed
from pyk8s.storage.cacher.progress import Freshness, Progress
from pyk8s.storage.cacher.watch_cache import WatchCache
from pyk8s.storage.etcd import listing, writes
from pyk8s.storage.etcd.client import Client
from pyk8s.storage.etcd.compactor import Compactor
from pyk8s.storage.etcd.keyspace import Keyspace
from pyk8s.storage.etcd.leases import Leases
from pyk8s.storage.interface import (
    EtcdOptions,
    Item,
    ListOptions,
    ListResult,
    Preconditions,
    ResourceConfig,
    UpdateFunction,
    ValidateDeletion,
    Watcher,
    WatchOptions,
)


class Cacher:
    """One etcd cluster, mirrored in memory as far as resources are registered.

    `backlog` is how many events a watcher may lag behind before it is ended. With an `alarm`
    the cacher checks itself, and tells it what is wrong.
    """

    def __init__(
        self,
        options: EtcdOptions,
        *,
        backlog: int = BACKLOG_EVENTS_MAX,
        alarm: selfcheck.Alarm | None = None,
    ) -> None:
        self._client = Client(options)
        self._backlog = backlog
        self.keyspace = Keyspace(self._client)
        self.leases = Leases(self.keyspace)
        self.progress = Progress()
        self.feed = Feed(self._client, self.keyspace, self.progress)
        self.freshness = Freshness(
            self.progress, self.keyspace.revision, self.feed.distrust, self.feed.reopen
        )
        self._compactor = Compactor(self.keyspace, options.compaction_interval_seconds)
        self._storages: dict[str, CachedStorage] = {}
        self.self_check: selfcheck.SelfCheck | None = None
        if alarm is not None:
            check = selfcheck.SelfCheck(self.keyspace, self.progress, self.feed, alarm)
            self.self_check, self.feed.observe = check, check.observe

    def storage_for(self, config: ResourceConfig) -> CachedStorage:
        """The same storage for the same config; another config for a known prefix replaces the
        old one and what was cached by its rules."""
        storage = self._storages.get(config.key_prefix)
        if storage is not None and storage.config == config:
            return storage
        self.forget(config.key_prefix)
        cache = WatchCache(config, self.progress, self._backlog)
        self.feed.add(cache)
        storage = self._storages[config.key_prefix] = CachedStorage(self, cache)
        return storage

    def forget(self, key_prefix: str) -> None:
        """Serve a resource no more: its watches end, its memory is given back."""
        if self._storages.pop(key_prefix, None) is not None:
            self.feed.remove(key_prefix)

    async def start(self) -> None:
        await self.feed.start()
        self._compactor.start()
        if self.self_check is not None:
            self.self_check.start()

    async def stop(self) -> None:
        if self.self_check is not None:
            await self.self_check.stop()
        await self._compactor.stop()
        await self.feed.stop()
        await self.freshness.stop()
        await self._client.close()

    async def check(self) -> None:
        await self.keyspace.revision()

    @property
    def synced(self) -> bool:
        return self.feed.is_complete


class CachedStorage:
    """One resource of a Cacher."""

    def __init__(self, backend: Cacher, cache: WatchCache) -> None:
        self.config = cache.config
        self._backend = backend
        self._cache = cache
        self._writer = writes.Writer(backend.keyspace, backend.leases, cache.config, self)

    async def create(self, key: str, obj: Object) -> Item:
        return await self._writer.create(key, obj)

    async def get(self, key: str, *, resource_version: str = "") -> Item:
        await self._wait_for(versioner.parse(resource_version) if resource_version else None)
        item = self._cache.get(key)
        if item is None:
            raise errors.KeyNotFound(key)
        return item

    async def list(self, options: ListOptions) -> ListResult:
        prefix = paging.prefix_of(self.config, options.namespace)
        plan = paging.plan(prefix, options)
        if plan.exact:
            await self._wait_for(plan.exact)
            if plan.exact < self._backend.feed.compacted:
                raise paging.expired(plan)
            if plan.exact < self._cache.changed_at:
                return await listing.read(
                    self._backend.keyspace, self.config, plan, options.predicate
                )
        else:
            await self._wait_for(plan.at_least)
        return self._cache.list(plan, options.namespace, options.predicate)

    async def guaranteed_update(
        self,
        key: str,
        update: UpdateFunction,
        *,
        ignore_not_found: bool = False,
        preconditions: Preconditions | None = None,
    ) -> Item:
        return await self._writer.guaranteed_update(
            key, update, ignore_not_found=ignore_not_found, preconditions=preconditions
        )

    async def delete(
        self,
        key: str,
        *,
        preconditions: Preconditions | None = None,
        validate: ValidateDeletion | None = None,
    ) -> Item:
        return await self._writer.delete(key, preconditions=preconditions, validate=validate)

    async def watch(self, options: WatchOptions) -> Watcher:
        plan = watchplan.plan(options)
        if plan.after:
            await self._cache.wait_until_ready()
        else:
            await self._wait_for(plan.at_least)
        return self._cache.watch(plan, options)

    async def count(self) -> int:
        return len(self._cache)

    # -- Where writes start: writes.State --------------------------------------------------

    def suggest(self, key: str) -> Item | None:
        return self._cache.newest(key)

    async def fresh(self, key: str) -> Item | None:
        await self._wait_for(None)
        return self._cache.get(key)

    def expect(self, key: str, stored: bytes, obj: Object) -> None:
        self._cache.expect(key, stored, obj)

    def forget(self, key: str) -> None:
        self._cache.forget(key)

    def written(self, key: str, stored: bytes, obj: Object, revision: int) -> Item:
        return self._cache.written(key, stored, obj, revision)

    async def _wait_for(self, at_least: int | None) -> None:
        """Until memory holds a state of at least that revision, None for what etcd has now.
        What may be old (0) is only waited for when there was never any."""
        if at_least is None:
            await self._backend.freshness.wait()
        elif at_least:
            await self._backend.progress.wait_briefly_for(at_least)
        elif self._cache.was_loaded:
            return
        if not self._cache.is_ready:
            await self._cache.wait_until_ready()

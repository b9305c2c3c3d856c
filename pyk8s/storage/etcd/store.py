# SPDX-License-Identifier: Apache-2.0
"""The storage contract, fulfilled by etcd alone.

Every read is a round trip and every watch its own stream. The cacher is measured against this:
one test suite runs on both.
"""

from __future__ import annotations

from pyk8s.apimachinery.gvk import Object
from pyk8s.storage import encoding, errors, paging, versioner
from pyk8s.storage.etcd import compactor, listing, watching, writes
from pyk8s.storage.etcd.client import Client
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


class EtcdStorage:
    """One resource, straight on etcd."""

    def __init__(
        self, client: Client, keyspace: Keyspace, leases: Leases, config: ResourceConfig
    ) -> None:
        self.config = config
        self._client = client
        self._keyspace = keyspace
        self._writer = writes.Writer(keyspace, leases, config, _NoCache(keyspace))

    async def create(self, key: str, obj: Object) -> Item:
        return await self._writer.create(key, obj)

    async def get(self, key: str, *, resource_version: str = "") -> Item:
        at_least = versioner.parse(resource_version)
        found, revision = await self._keyspace.get(key)
        if at_least > revision:
            raise errors.TooLargeRevision(at_least, revision)
        item = writes.item_of(found)
        if item is None:
            raise errors.KeyNotFound(key)
        return item

    async def list(self, options: ListOptions) -> ListResult:
        plan = paging.plan(paging.prefix_of(self.config, options.namespace), options)
        return await listing.read(self._keyspace, self.config, plan, options.predicate)

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
        return await watching.open_watcher(self._client, self._keyspace, self.config, options)

    async def count(self) -> int:
        return await self._keyspace.count(self.config.key_prefix)


class EtcdBackend:
    """One etcd cluster, without a cache."""

    def __init__(self, options: EtcdOptions) -> None:
        self._options = options
        self._client = Client(options)
        self._keyspace = Keyspace(self._client)
        self._leases = Leases(self._keyspace)
        self._compactor = compactor.Compactor(self._keyspace, options.compaction_interval_seconds)
        self._synced = False

    def storage_for(self, config: ResourceConfig) -> EtcdStorage:
        return EtcdStorage(self._client, self._keyspace, self._leases, config)

    async def start(self) -> None:
        await self.check()
        self._compactor.start()
        self._synced = True

    async def stop(self) -> None:
        self._synced = False
        await self._compactor.stop()
        await self._client.close()

    async def check(self) -> None:
        await self._keyspace.revision()

    @property
    def synced(self) -> bool:
        return self._synced


class _NoCache:
    """Writes start from what etcd says."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace

    def suggest(self, key: str) -> Item | None:
        return None

    async def fresh(self, key: str) -> Item | None:
        found, _ = await self._keyspace.get(key)
        return writes.item_of(found)

    def expect(self, key: str, stored: bytes, obj: Object) -> None:
        pass

    def forget(self, key: str) -> None:
        pass

    def written(self, key: str, stored: bytes, obj: Object, revision: int) -> Item:
        return Item(key, revision, encoding.show(stored, revision))

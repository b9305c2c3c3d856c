# SPDX-License-Identifier: Apache-2.0
"""Where the API servers of one cluster are, and how Pods find those that are there.

    every 10 s   own address in etcd renewed, 15 s to live
                 all addresses -> Endpoints, EndpointSlice `kubernetes` in default
    at the end   own address out of etcd, and out of the endpoints if another is left

A server that dies leaves the endpoints once its address has expired; nobody needs to notice it
go. Mirrors upstream's `controlplane/reconcilers/lease.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.registry import translate
from pyk8s.registry.builder import Stores
from pyk8s.server import bootstrap
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

# Upstream: DefaultEndpointReconcilerInterval.
RENEW_SECONDS = 10.0
# Upstream: DefaultEndpointReconcilerTTL.
ADDRESS_TTL_SECONDS = 15
# A storage that does not answer must not keep the server from stopping.
_GOODBYE_SECONDS_MAX = 1.0

_MASTER_LEASES = GroupResource("", "masterleases")


class Addresses:
    """Where the servers of the cluster are; an address that nobody renews expires."""

    def __init__(self, backend: storage.Backend, key_prefix: str, own: str) -> None:
        """`key_prefix` is etcd's --etcd-prefix, without a final slash."""
        config = storage.ResourceConfig(
            group_resource=_MASTER_LEASES,
            key_prefix=f"{key_prefix}/masterleases/",
            namespaced=False,
            fields_of=lambda obj: {},
            ttl_seconds=ADDRESS_TTL_SECONDS,
        )
        self._storage = backend.storage_for(config)
        self._own = own
        self._key = config.key_prefix + own

    async def renew(self) -> None:
        """Raises StatusError."""

        async def bumped(item: storage.Item | None) -> Object:
            generation = item.object()["metadata"].get("generation", 0) if item else 0
            return {
                "kind": "Endpoints",
                "apiVersion": "v1",
                # Only what changes is written, and only what is written lives on.
                "metadata": {"generation": generation + 1},
                "subsets": [{"addresses": [{"ip": self._own}]}],
            }

        try:
            await self._storage.guaranteed_update(self._key, bumped, ignore_not_found=True)
        except storage_errors.StorageError as error:
            raise translate.status_error(error, _MASTER_LEASES, self._own, "update") from error

    async def list(self) -> list[str]:
        """Raises StatusError."""
        try:
            found = await self._storage.list(storage.ListOptions())
        except storage_errors.StorageError as error:
            raise translate.status_error(error, _MASTER_LEASES, "", "list") from error
        return [item.key.rpartition("/")[2] for item in found.items]

    async def are_shared(self) -> bool:
        """Whether there is another server. Raises StatusError."""
        return any(address != self._own for address in await self.list())

    async def release(self) -> None:
        """Raises StatusError."""
        try:
            await self._storage.delete(self._key)
        except storage_errors.KeyNotFound:
            return
        except storage_errors.StorageError as error:
            raise translate.status_error(error, _MASTER_LEASES, self._own, "delete") from error


class Presence:
    """`announce` before the server listens, once Services can be made; `start` and `stop` around
    its life."""

    def __init__(
        self,
        stores: Stores,
        master: bootstrap.MasterService,
        addresses: Addresses,
    ) -> None:
        self._stores = stores
        self._master = master
        self._addresses = addresses
        self._tasks: list[asyncio.Task[None]] = []

    async def announce(self) -> None:
        """Raises StatusError."""
        await self._addresses.renew()
        await self._reconcile()

    async def _reconcile(self) -> None:
        known = await self._addresses.list()
        if not known:
            # Never nobody: the last server to go, or a storage that lost them all, changes
            # nothing.
            return
        everyone = replace(self._master, addresses=tuple(known))
        await bootstrap.reconcile_endpoints(self._stores, everyone)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(_repeat(self.announce, RENEW_SECONDS))]

    async def stop(self) -> None:
        """Leads nobody here any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS_MAX):
                await self._leave()
        except (errors.StatusError, TimeoutError) as error:
            _log.warning("still among the endpoints of Service kubernetes: %s", error)

    async def _leave(self) -> None:
        """The last one just goes: nobody is left to be led elsewhere, and a write now would be
        history that its successor has not seen, so that clients could not resume."""
        if await self._addresses.are_shared():
            await self._addresses.release()
            await self._reconcile()


async def _repeat(step: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
    while True:
        await asyncio.sleep(interval_seconds)
        try:
            await step()
        except (errors.StatusError, storage_errors.StorageError) as error:
            _log.warning("announcing this server: %s", error)

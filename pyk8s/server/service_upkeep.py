# SPDX-License-Identifier: Apache-2.0
"""What the API server does for Services all its life, beside requests.

    at once     a deleted IPAddress comes back while its Service has it
    10 seconds  the default ServiceCIDR is there and marked ready, and so is Service kubernetes
    3 minutes   repair

A failure is logged, and the next round tries again. Mirrors the
loops of upstream's `controlplane/controller` (defaultservicecidr, kubernetesservice) and of its
repair controllers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from pyk8s.apimachinery import errors
from pyk8s.registry.builder import Stores
from pyk8s.registry.services.ranges import ServiceRanges
from pyk8s.registry.services.repair import Repair
from pyk8s.registry.services.store import ServiceStore
from pyk8s.server import bootstrap
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

_OBJECTS_INTERVAL_SECONDS = 10.0
_REPAIR_INTERVAL_SECONDS = 180.0
_REWATCH_SECONDS = 1.0
_MASTER_SECONDS_MAX = 2.0
_MASTER_RETRY_SECONDS = 0.05


class ServiceUpkeep:
    """`prepare` before the server listens; `start` and `stop` around its life."""

    def __init__(
        self, stores: Stores, ranges: ServiceRanges, master: bootstrap.MasterService
    ) -> None:
        services = stores["services/specs"]
        assert isinstance(services, ServiceStore)
        self._stores = stores
        self._cidrs = ranges.cidrs
        self._master = master
        self._repair = Repair(services, services.pools)
        self._tasks: list[asyncio.Task[None]] = []

    async def prepare(self) -> None:
        """Afterwards Services can be given addresses and ports, and Service kubernetes has its
        own, unless that has to wait for repair. Raises StatusError."""
        await bootstrap.ensure_service_cidr(self._stores, self._cidrs)
        await self._repair.run_once()
        await self._ensure_master_service()

    async def _ensure_master_service(self) -> None:
        """Its address may be taken in its own name, with no Service yet: by another server that
        is making it in this moment, which soon is past, or by one that died over it, which
        repair finds."""
        deadline = time.monotonic() + _MASTER_SECONDS_MAX
        while True:
            try:
                await bootstrap.ensure_master_service(self._stores, self._master)
            except errors.StatusError as error:
                if time.monotonic() > deadline:
                    _log.warning("Service kubernetes is not made yet: %s", error)
                    return
                await asyncio.sleep(_MASTER_RETRY_SECONDS)
            else:
                return

    async def start(self) -> None:
        """From here on, a deleted IPAddress is noticed. Raises StatusError."""
        watcher = await self._watch_addresses()
        self._tasks = [
            asyncio.create_task(_repeat(self._ensure_objects, _OBJECTS_INTERVAL_SECONDS)),
            asyncio.create_task(_repeat(self._repair.run_once, _REPAIR_INTERVAL_SECONDS)),
            asyncio.create_task(self._follow_addresses(watcher)),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ensure_objects(self) -> None:
        await bootstrap.ensure_service_cidr(self._stores, self._cidrs)
        await bootstrap.ensure_master_service(self._stores, self._master)

    async def _watch_addresses(self) -> storage.Watcher:
        options = storage.WatchOptions(send_initial_events=False)
        return await self._stores["ipaddresses"].watch(options)

    async def _follow_addresses(self, first: storage.Watcher) -> None:
        """What a gap between two watches hides, repair finds."""
        opened: storage.Watcher | None = first

        async def follow() -> None:
            nonlocal opened
            watcher, opened = opened or await self._watch_addresses(), None
            with contextlib.closing(watcher):
                while events := await watcher.next_batch():
                    await self._restore(events)

        await _repeat(follow, _REWATCH_SECONDS, at_once=True)

    async def _restore(self, events: Sequence[storage.WatchEvent]) -> None:
        for event in events:
            if event.type == storage.DELETED and event.item is not None:
                await self._repair.restore(event.item.object())


async def _repeat(
    step: Callable[[], Awaitable[None]], interval_seconds: float, *, at_once: bool = False
) -> None:
    while True:
        if not at_once:
            await asyncio.sleep(interval_seconds)
        at_once = False
        try:
            await step()
        except (errors.StatusError, storage_errors.StorageError) as error:
            _log.warning("upkeep of Services: %s", error)

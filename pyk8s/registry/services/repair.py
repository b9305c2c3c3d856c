# SPDX-License-Identifier: Apache-2.0
"""Repair: brings the pools together with the Services there are.

    Service with an address, no IPAddress          -> made
    IPAddress of another kind of owner, or labels  -> made anew
    IPAddress of a Service without that address    -> removed, once it is a minute old
    node port of a Service, free in the bitmap     -> taken
    node port in the bitmap, of no Service         -> released, the third time it is seen

A minute, or three rounds, is longer than a request may take: until then a Service that is just
being written may still turn up. Every API server does this; each step is conditional on what it
was decided on, so that they do not disturb each other. Mirrors upstream's
`ipallocator/controller/repairip.go` and `portallocator/controller/repair.go`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pyk8s.apimachinery import errors, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.registry.services import node_ports
from pyk8s.registry.services.addresses import (
    ALLOCATOR,
    MANAGED_BY,
    AddressPool,
    Owner,
    labels_of,
    parent_of,
)
from pyk8s.registry.services.allocation import Pools, held_addresses
from pyk8s.registry.store import Store
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

# Upstream: gracePeriod, the default timeout of a request.
GRACE = timedelta(seconds=60)

# Upstream: numRepairsBeforeLeakCleanup.
_ROUNDS_BEFORE_RELEASE = 3

_ATTEMPTS_MAX = 5

# So many objects are decoded before others get their turn on the event loop.
_SLICE = 64

Specs = Mapping[Owner, Object]


class Repair:
    """One per API server."""

    def __init__(self, services: Store, pools: Pools) -> None:
        self._services = services
        self._pools = pools
        self._leaks: dict[int, int] = {}

    async def run_once(self) -> None:
        """Raises StatusError when storage fails."""
        await self._repair_addresses()
        await self._repair_ports()

    async def _list_services(self) -> dict[Owner, Object]:
        listed = await self._services.list(storage.ListOptions())
        return {Owner.of(obj): obj["spec"] async for obj in _objects(listed.items)}

    # --- addresses

    async def _repair_addresses(self) -> None:
        """The addresses are read first: the Service of each was known before, or is younger
        than the grace period."""
        pool = self._pools.addresses
        listed = await pool.addresses.list(storage.ListOptions())
        known = {item.key: item for item in listed.items}
        specs = await self._list_services()
        for owner, spec in specs.items():
            for address in held_addresses(spec):
                await self._check_held(address, owner, known, specs)
        async for obj in _objects(listed.items):
            if (obj["metadata"].get("labels") or {}).get(MANAGED_BY) == ALLOCATOR:
                await self._check_used(obj, specs)

    async def _check_held(
        self, address: str, owner: Owner, known: Mapping[str, storage.Item], specs: Specs
    ) -> None:
        pool = self._pools.addresses
        number = ipaddress.ip_address(address)
        if not any(number in known_range for known_range in await pool.ranges()):
            _log.warning(
                "cluster IP is within no ServiceCIDR; please recreate the Service: "
                "service=%s/%s address=%s", *owner, address,
            )  # fmt: skip
            return
        item = known.get(pool.addresses.key("", str(number)))
        if item is None:
            # Most of the time the Service came or went while the lists were read.
            if await self._holds(owner, str(number)) and await pool.create(str(number), owner):
                _log.info("cluster IP was not allocated: service=%s/%s address=%s", *owner, address)
            return
        obj = item.object()
        parent = parent_of(obj)
        if parent == owner and _has_labels(obj):
            return
        if parent is not None and parent != owner and _has(specs, parent, str(number)):
            _log.warning(
                "cluster IP was assigned to several Services; please recreate one: "
                "service=%s/%s other=%s/%s address=%s", *owner, *parent, address,
            )  # fmt: skip
            return
        _log.warning("IPAddress is wrong, made anew: service=%s/%s address=%s", *owner, address)
        if await _remove(pool, item):
            await pool.create(str(number), owner)

    async def _check_used(self, obj: Object, specs: Specs) -> None:
        metadata = obj["metadata"]
        owner = parent_of(obj)
        if _has(specs, owner, metadata["name"]):
            return
        age = datetime.now(UTC) - times.parse(metadata["creationTimestamp"])
        if owner is not None and age <= GRACE:
            return
        if owner is not None and await self._holds(owner, metadata["name"]):
            return
        _log.warning("IPAddress of no Service, removed: address=%s", metadata["name"])
        pool = self._pools.addresses
        key = pool.addresses.key("", metadata["name"])
        revision = int(metadata["resourceVersion"])
        await _remove(pool, storage.Item(key, revision, b""))

    async def _holds(self, owner: Owner, address: str) -> bool:
        """Whether the Service has it now, as etcd knows."""
        try:
            item = await self._services.get(owner.namespace, owner.name)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return False
        return address in _canonical(held_addresses(item.object()["spec"]))

    async def restore(self, address: Object) -> None:
        """An IPAddress was deleted; while its Service has it, it comes back."""
        owner = parent_of(address)
        name = address["metadata"]["name"]
        if owner is not None and await self._holds(owner, name):
            await self._pools.addresses.create(name, owner)

    # --- ports

    async def _repair_ports(self) -> None:
        """The bitmap is read first and only written if nobody wrote it since: what a Service
        took or released meanwhile is never lost."""
        for _ in range(_ATTEMPTS_MAX):
            leaks = dict(self._leaks)
            if await self._try_to_repair_ports(leaks):
                self._leaks = leaks
                return
        _log.info("node ports are written too often to be repaired now")

    async def _try_to_repair_ports(self, leaks: dict[int, int]) -> bool:
        pool = self._pools.ports
        stored, item = await pool.read()
        specs = await self._list_services()
        used = pool.bitmap(port for spec in specs.values() for port in node_ports.held(spec))
        for port in pool.listed(used & ~stored):
            _log.info("node port was not allocated: port=%s", port)
        unused = pool.listed(stored & ~used)
        kept = [port for port in unused if leaks.get(port, 0) + 1 < _ROUNDS_BEFORE_RELEASE]
        for port in set(unused) - set(kept):
            _log.warning("node port of no Service, released: port=%s", port)
        seen = {port: leaks.get(port, 0) + 1 for port in kept}
        leaks.clear()
        leaks.update(seen)
        return await pool.replace(used | pool.bitmap(kept), item)


async def _objects(items: Sequence[storage.Item]) -> AsyncIterator[Object]:
    for index, item in enumerate(items, 1):
        yield item.object()
        if index % _SLICE == 0:
            await asyncio.sleep(0)


def _has(specs: Specs, owner: Owner | None, address: str) -> bool:
    if owner is None or owner not in specs:
        return False
    return address in _canonical(held_addresses(specs[owner]))


def _canonical(addresses: Sequence[str]) -> set[str]:
    return {str(ipaddress.ip_address(address)) for address in addresses}


def _has_labels(address: Object) -> bool:
    wanted = labels_of(address["metadata"]["name"])
    has: Mapping[str, str] = address["metadata"].get("labels") or {}
    return wanted.items() <= has.items()


async def _remove(pool: AddressPool, item: storage.Item) -> bool:
    """Unless somebody wrote or removed it meanwhile."""
    unmoved = storage.Preconditions(resource_version=str(item.revision))
    try:
        await pool.addresses.storage.delete(item.key, preconditions=unmoved)
    except (storage_errors.KeyNotFound, storage_errors.PreconditionFailed):
        return False
    except storage_errors.StorageError as error:
        raise pool.addresses.translated(error, "", "delete") from error
    return True

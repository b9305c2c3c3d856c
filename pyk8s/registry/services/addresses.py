# SPDX-License-Identifier: Apache-2.0
"""The pool of cluster IPs: an address is taken by creating its IPAddress object.

The ranges are those of the ServiceCIDR objects that are ready and not being deleted, read anew
for every address, so that a range counts from the moment it is there and not one longer. Mirrors
upstream's `pkg/registry/core/service/ipallocator` (cidrallocator.go, ipallocator.go).
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from typing import NamedTuple

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.auth import user
from pyk8s.registry import deletion
from pyk8s.registry.context import RequestContext
from pyk8s.registry.services.ranges import AddressRange, address_range, family_of
from pyk8s.registry.store import Store
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
FAMILY = "ipaddress.kubernetes.io/ip-family"
ALLOCATOR = "ipallocator.k8s.io"

_ALREADY_ALLOCATED = "provided IP is already allocated"
_MISMATCHED_NETWORK = "the provided network does not match the current range"
_NOT_IN_RANGE = "provided IP {} is not in the valid range"
_FULL = "range is full"
_NOT_READY = "allocator not ready"

_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))


class AddressRefused(Exception):
    """The pool does not give that address, or any; the text is for the client."""


class Owner(NamedTuple):
    """The Service an address belongs to."""

    namespace: str
    name: str

    @classmethod
    def of(cls, service: Object) -> Owner:
        metadata = service["metadata"]
        return cls(metadata.get("namespace", ""), metadata["name"])

    def owns(self, address: Object) -> bool:
        return parent_of(address) == self


def parent_of(address: Object) -> Owner | None:
    """The Service that an IPAddress points at; None when it points elsewhere."""
    parent = (address.get("spec") or {}).get("parentRef") or {}
    if parent.get("group") or parent.get("resource") != "services":
        return None
    return Owner(parent.get("namespace", ""), parent.get("name", ""))


def labels_of(address: str) -> dict[str, str]:
    return {FAMILY: family_of(address), MANAGED_BY: ALLOCATOR}


def ip_address(address: str, owner: Owner) -> Object:
    """The object that says whose that address is."""
    parent = {"resource": "services", "namespace": owner.namespace, "name": owner.name}
    return {
        "kind": "IPAddress",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": address, "labels": labels_of(address)},
        "spec": {"parentRef": parent},
    }


class AddressPool:
    """Shared by all Services; holds no state but what it read last."""

    def __init__(self, addresses: Store, cidrs: Store) -> None:
        self.addresses = addresses
        self.cidrs = cidrs
        self._known: tuple[Sequence[tuple[str, int]], list[AddressRange]] = ((), [])

    async def take(self, address: str, owner: Owner) -> None:
        """Raises AddressRefused, and StatusError when storage fails."""
        wanted = ipaddress.ip_address(address)
        if not any(wanted in known for known in await self.ranges()):
            raise AddressRefused(_MISMATCHED_NETWORK)
        if not await self.create(str(wanted), owner):
            raise AddressRefused(_ALREADY_ALLOCATED)

    async def take_any(self, family: str, owner: Owner) -> str:
        """Raises AddressRefused when none is left, and StatusError when storage fails."""
        for known in await self.ranges():
            if known.family == family and (found := await self._take_from(known, owner)):
                return found
        raise AddressRefused(_FULL)

    async def _take_from(self, known: AddressRange, owner: Owner) -> str:
        for address in known.any_order():
            if not await self._is_taken(address) and await self.create(address, owner):
                return address
        return ""

    async def _is_taken(self, address: str) -> bool:
        """As far as the cache knows; the truth shows when it is created."""
        try:
            await self.addresses.storage.get(self._key(address), resource_version="0")
        except storage_errors.KeyNotFound:
            return False
        return True

    async def check(self, address: str) -> None:
        """What a dry run finds of `take`: upstream looks at the range alone. Raises
        AddressRefused."""
        wanted = ipaddress.ip_address(address)
        if not any(wanted in known for known in await self.ranges()):
            raise AddressRefused(_NOT_IN_RANGE.format(wanted))

    async def plausible(self, family: str) -> str:
        """What a dry run shows for any address: the range's own. Raises AddressRefused."""
        for known in await self.ranges():
            if known.family == family:
                return str(known.network.network_address)
        raise AddressRefused(_NOT_READY)

    async def create(self, address: str, owner: Owner) -> bool:
        """False when somebody has it. Raises StatusError."""
        try:
            await self.addresses.create(_context(), ip_address(address, owner))
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise
            return False
        return True

    async def release(self, address: str, owner: Owner) -> None:
        """Give it back if it is the owner's. Raises StatusError when storage fails.

        This is the pool's own bookkeeping, no request that admission should judge; but where
        somebody put a finalizer, it is deleted as anything else is."""
        finalizers: list[str] = []

        async def check(item: storage.Item) -> None:
            found = item.object()
            finalizers[:] = found["metadata"].get("finalizers") or []
            if finalizers or not owner.owns(found):
                raise _Kept

        name = str(ipaddress.ip_address(address))
        try:
            await self.addresses.storage.delete(self._key(name), validate=check)
        except storage_errors.KeyNotFound:
            return
        except _Kept:
            if finalizers:
                await self.addresses.delete(_context(), name, deletion.DeleteOptions())
        except storage_errors.StorageError as error:
            raise self.addresses.translated(error, name, "delete") from error

    async def ranges(self) -> list[AddressRange]:
        """Those that addresses may be taken from, each once. Raises StatusError."""
        listed = await self.cidrs.list(storage.ListOptions())
        revisions = [(item.key, item.revision) for item in listed.items]
        if self._known[0] != revisions:
            self._known = (revisions, _usable([item.object() for item in listed.items]))
        return self._known[1]

    def _key(self, address: str) -> str:
        return self.addresses.key("", address)


class _Kept(Exception):
    """Ends a deletion: the address is somebody else's, or has a finalizer."""


def _usable(cidrs: Sequence[Object]) -> list[AddressRange]:
    found: dict[str, AddressRange] = {}
    for service_cidr in cidrs:
        if not is_ready(service_cidr):
            continue
        for cidr in (service_cidr.get("spec") or {}).get("cidrs") or ():
            try:
                found[cidr] = address_range(cidr)
            except ValueError as error:
                name = service_cidr["metadata"]["name"]
                _log.warning("cannot allocate from a ServiceCIDR: name=%s: %s", name, error)
    return list(found.values())


def is_ready(service_cidr: Object) -> bool:
    """Without a condition it is: nobody may be there to set one."""
    if "deletionTimestamp" in service_cidr["metadata"]:
        return False
    for condition in (service_cidr.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return bool(condition.get("status") == "True")
    return True


def _context() -> RequestContext:
    return RequestContext(user=_API_SERVER)

# SPDX-License-Identifier: Apache-2.0
"""The pool of node ports: a bitmap under one key, written only from its last state.

    /registry/ranges/servicenodeports  RangeAllocation {range: "30000-32767", data: <bitmap>}

The bitmap is a big-endian number whose bit N stands for the port N above the range's lowest; it
is what kube-apiserver writes there. All ports of a Service are taken in one transaction. Mirrors
upstream's `pkg/registry/core/service/portallocator` and `allocator/storage`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Sequence

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.registry import translate
from pyk8s.registry.services.ranges import PortRange
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

RESOURCE = GroupResource("", "servicenodeportallocations")

_ALREADY_ALLOCATED = "provided port is already allocated"
_NOT_IN_RANGE = "provided port is not in the valid range. The range of valid ports is {}"
_FULL = "range is full"
_OTHER_RANGE = "the provided range does not match the current range"
_NOT_MADE = f"cannot allocate resources of type {RESOURCE} at this time"

# What a dry run shows for any port; the next ones count up from here (upstream: operation.go).
_PLAUSIBLE_PORT = 32769


class PortRefused(Exception):
    """The pool cannot meet the request at `position`; the text is for the client."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position
        self.why = why


def config(key_prefix: str) -> storage.ResourceConfig:
    """`key_prefix` is etcd's --etcd-prefix, without a final slash."""
    return storage.ResourceConfig(
        group_resource=RESOURCE,
        key_prefix=f"{key_prefix}/ranges/",
        namespaced=False,
        fields_of=lambda obj: {},
    )


class PortPool:
    """Shared by all Services."""

    def __init__(self, backend: storage.Storage, ports: PortRange) -> None:
        self.ports = ports
        self.key = backend.config.key_prefix + "servicenodeports"
        self._storage = backend
        # Writers in this process would only make each other's transactions fail.
        self._turn = asyncio.Lock()

    async def take(self, wanted: Sequence[int]) -> list[int]:
        """All or none; 0 stands for any. Raises PortRefused, and StatusError when storage
        fails."""
        taken: list[int] = []

        def change(used: int) -> int:
            taken[:] = self._pick(used, wanted)
            return used | self._bits(taken)

        await self._change(change)
        return taken

    async def release(self, ports: Iterable[int]) -> None:
        """What is free or out of range stays as it is. Raises StatusError when storage fails."""
        bits = self._bits(port for port in ports if port in self.ports)
        await self._change(lambda used: used & ~bits)

    async def plausible(self, wanted: Sequence[int]) -> list[int]:
        """What a dry run shows for `take`. Raises as it does."""
        used, _ = await self.read()
        shown: list[int] = []
        for position, port in enumerate(wanted):
            if not port:
                shown.append(max(shown) + 1 if shown else _PLAUSIBLE_PORT)
                continue
            if port in shown or (port in self.ports and used & self._bits((port,))):
                raise PortRefused(position, _ALREADY_ALLOCATED)
            shown.append(port)
        return shown

    def _pick(self, used: int, wanted: Sequence[int]) -> list[int]:
        """Those with a number first, so that none is given away as any."""
        picked = dict.fromkeys(range(len(wanted)), 0)
        for position, port in enumerate(wanted):
            if not port:
                continue
            if port not in self.ports:
                raise PortRefused(position, _NOT_IN_RANGE.format(self.ports))
            if used & self._bits((port,)):
                raise PortRefused(position, _ALREADY_ALLOCATED)
            picked[position] = port
            used |= self._bits((port,))
        for position, port in picked.items():
            if port:
                continue
            free = self.ports.any_free(used)
            if free is None:
                raise PortRefused(position, _FULL)
            picked[position] = free
            used |= self._bits((free,))
        return list(picked.values())

    async def _change(self, change: Callable[[int], int]) -> None:
        async def update(item: storage.Item | None) -> Object:
            assert item is not None  # guaranteed_update raises KeyNotFound without one
            obj = item.object()
            if obj.get("range") != str(self.ports):
                raise PortRefused(0, _OTHER_RANGE)
            obj["data"] = encode(change(decode(obj)))
            return obj

        async with self._turn:
            try:
                await self._storage.guaranteed_update(self.key, update)
            except storage_errors.KeyNotFound as error:
                raise PortRefused(0, _NOT_MADE) from error
            except storage_errors.StorageError as error:
                raise translated(error) from error

    async def read(self) -> tuple[int, storage.Item | None]:
        """The ports in use as a bitmap over this range, and what it was read from: the state as
        fresh as etcd, None where there is none. Raises StatusError."""
        try:
            item = await self._storage.get(self.key)
        except storage_errors.KeyNotFound:
            return 0, None
        except storage_errors.StorageError as error:
            raise translated(error) from error
        obj = item.object()
        return self._moved(decode(obj), obj.get("range", "")), item

    async def replace(self, used: int, read: storage.Item | None) -> bool:
        """Write that bitmap, of this range; False when somebody wrote since it was read."""
        obj: Object = {"kind": "RangeAllocation", "apiVersion": "v1", "metadata": {}}
        obj |= {"range": str(self.ports), "data": encode(used)}

        async def overwrite(item: storage.Item | None) -> Object:
            return obj

        try:
            if read is None:
                await self._storage.create(self.key, obj)
            else:
                unmoved = storage.Preconditions(resource_version=str(read.revision))
                await self._storage.guaranteed_update(self.key, overwrite, preconditions=unmoved)
        except (
            storage_errors.KeyExists,
            storage_errors.KeyNotFound,
            storage_errors.PreconditionFailed,
        ):
            return False
        except storage_errors.StorageError as error:
            raise translated(error) from error
        return True

    def _moved(self, used: int, range_text: str) -> int:
        """A bitmap of that range as one of this range: what lies outside is forgotten."""
        low = int(range_text.partition("-")[0]) if range_text else self.ports.low
        shift = low - self.ports.low
        moved = used << shift if shift >= 0 else used >> -shift
        return moved & ((1 << (self.ports.high - self.ports.low + 1)) - 1)

    def _bits(self, ports: Iterable[int]) -> int:
        bits = 0
        for port in ports:
            bits |= 1 << (port - self.ports.low)
        return bits

    def bitmap(self, ports: Iterable[int]) -> int:
        """Those of the ports that are in the range."""
        return self._bits(port for port in ports if port in self.ports)

    def listed(self, used: int) -> list[int]:
        """The ports of a bitmap, in order."""
        ports = range(self.ports.low, self.ports.high + 1)
        return [port for port in ports if used >> (port - self.ports.low) & 1]


def decode(obj: Object) -> int:
    return int.from_bytes(base64.b64decode(obj.get("data") or ""), "big")


def encode(used: int) -> str:
    return base64.b64encode(used.to_bytes((used.bit_length() + 7) // 8, "big")).decode()


def translated(error: storage_errors.StorageError) -> errors.StatusError:
    return translate.status_error(error, RESOURCE, "", "update")

# SPDX-License-Identifier: Apache-2.0
"""What plugins know of other objects: read from the watch cache, decoded once per state.

Mirrors the listers of the informers that kube-apiserver runs for its plugins. What is handed out
is shared: to be read, never changed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from pyk8s.apimachinery import errors, fields
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.storage import interface as storage

# Decoded objects remembered per resource; beyond that, all are forgotten. What plugins look at
# is one or a few objects per namespace, some kilobytes each.
_REMEMBERED_MAX = 4096
_LISTS_MAX = 4096


class Reader(Protocol):
    """A registry's Store, as far as plugins need it. All raise StatusError."""

    async def get(self, namespace: str, name: str, resource_version: str = "") -> storage.Item: ...

    async def list(self, options: storage.ListOptions) -> storage.ListResult: ...

    async def watch(self, options: storage.WatchOptions) -> storage.Watcher: ...


class Objects:
    """The objects of one resource. `reader` is asked for when the first question comes, for the
    registry is made after the plugins."""

    def __init__(self, reader: Callable[[], Reader]) -> None:
        self._find_reader = reader
        self._reader: Reader | None = None
        self._decoded: dict[str, tuple[storage.Item, Object]] = {}
        self._lists: dict[str, storage.ListOptions] = {}

    async def get(self, namespace: str, name: str, *, fresh: bool = False) -> Object | None:
        """The object, None where there is none: as the cache has it, or with `fresh` as etcd
        does. Raises StatusError where that cannot be read."""
        try:
            item = await self._store.get(namespace, name, "" if fresh else "0")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None
        return self._decode(item)

    async def list(self, namespace: str = "") -> list[Object]:
        """Those of the namespace, or all without one, as the cache has them."""
        options = self._lists.get(namespace)
        if options is None:
            if len(self._lists) >= _LISTS_MAX:
                self._lists.clear()
            options = storage.ListOptions(namespace=namespace, resource_version="0")
            self._lists[namespace] = options
        listed = await self._store.list(options)
        return [self._decode(item) for item in listed.items] if listed.items else []

    async def wait_for(self, namespace: str, name: str, seconds: float) -> Object | None:
        """The object as soon as it is there; None where it is not in that time."""
        selector = fields.parse(f"metadata.name={name}")
        options = storage.WatchOptions(
            namespace=namespace, predicate=storage.Predicate(field_selector=selector)
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                with contextlib.closing(await self._store.watch(options)) as watcher:
                    while events := await watcher.next_batch():
                        for event in events:
                            if event.type != storage.DELETED and event.item is not None:
                                return self._decode(event.item)
        return None

    @property
    def _store(self) -> Reader:
        if self._reader is None:
            self._reader = self._find_reader()
        return self._reader

    def _decode(self, item: storage.Item) -> Object:
        known = self._decoded.get(item.key)
        if known is None or known[0] is not item:
            if len(self._decoded) >= _REMEMBERED_MAX:
                self._decoded.clear()
            known = self._decoded[item.key] = item, item.object()
        return known[1]


ObjectsOf = Callable[[GroupResource], Objects]

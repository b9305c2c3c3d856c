# SPDX-License-Identifier: Apache-2.0
"""Following the objects of a Store: what an informer is to who knows a server over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from pyk8s.apimachinery import errors
from pyk8s.registry.store import Store
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

_AGAIN_SECONDS = 1.0

# The key, and the object; None when it is gone.
OnChange = Callable[[str, storage.Item | None], None]


class Follower:
    """Tells of every object there is and of every later change, each state at most once. A gap
    between two watches is made good: what changed in it is told, what went is told as gone."""

    def __init__(self, store: Store, on_change: OnChange, namespace: str = "") -> None:
        self._store = store
        self._on_change = on_change
        self._namespace = namespace
        self._known: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        # The keys of the state at the beginning of a watch, while it comes.
        self._seen: set[str] | None = None

    async def start(self) -> None:
        """Returns when everything that is there was told. Raises StatusError."""
        watcher = await self._open()
        try:
            while not (complete := await self._step(watcher)):
                if complete is None:
                    raise errors.internal_error("the watch ended before it had begun")
        except BaseException:
            watcher.close()
            raise
        name = f"follow {self._store.resource.group_resource}"
        self._task = asyncio.create_task(self._follow(watcher), name=name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def run(self) -> None:
        """Instead of `start`: follows until it is cancelled."""
        await self._follow(await self._reopen())

    async def _open(self) -> storage.Watcher:
        self._seen = set()
        return await self._store.watch(
            storage.WatchOptions(
                namespace=self._namespace, send_initial_events=True, allow_bookmarks=True
            )
        )

    async def _follow(self, watcher: storage.Watcher) -> None:
        while True:
            try:
                with contextlib.closing(watcher):
                    while await self._step(watcher) is not None:
                        pass
            except (errors.StatusError, storage_errors.StorageError) as error:
                self._warn(error)
            await asyncio.sleep(_AGAIN_SECONDS)
            watcher = await self._reopen()

    async def _reopen(self) -> storage.Watcher:
        while True:
            try:
                return await self._open()
            except (errors.StatusError, storage_errors.StorageError) as error:
                self._warn(error)
                await asyncio.sleep(_AGAIN_SECONDS)

    def _warn(self, error: Exception) -> None:
        _log.warning("following %s: %s", self._store.resource.group_resource, error)

    async def _step(self, watcher: storage.Watcher) -> bool | None:
        """Whether the state at the beginning is complete now; None at the end of the watch."""
        batch = await watcher.next_batch()
        if not batch:
            return None
        for event in batch:
            if event.item is not None:
                self._tell(event.item, gone=event.type == storage.DELETED)
            elif event.initial_events_end and self._seen is not None:
                self._forget_unseen()
        return self._seen is None

    def _tell(self, item: storage.Item, *, gone: bool) -> None:
        key = item.key
        if gone:
            if self._known.pop(key, None) is not None:
                self._on_change(key, None)
            return
        if self._seen is not None:
            self._seen.add(key)
        if self._known.get(key) != item.revision:
            self._known[key] = item.revision
            self._on_change(key, item)

    def _forget_unseen(self) -> None:
        seen, self._seen = self._seen or set(), None
        for key in [key for key in self._known if key not in seen]:
            del self._known[key]
            self._on_change(key, None)

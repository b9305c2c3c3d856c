# SPDX-License-Identifier: Apache-2.0
"""Follows all of etcd with one watch, and keeps every WatchCache fed from it.

    start        each cache: range read at a revision R that lies a while back -> watch from R+1,
                 so that watches of an earlier process find the changes they come back for
    later cache  range read at some R, with the changes that arrive meanwhile laid over it
    connection   lost, or silent while etcd goes on: open the watch again after the last
                 revision seen; nothing is missed
    compaction   of what was missed, or an etcd that went back in time: every cache starts over

As every revision of the store is a change of some key, the revision of the last change is the
one up to which everything is known; no progress notifications are needed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence

from pyk8s.storage import errors
from pyk8s.storage.cacher.progress import Progress
from pyk8s.storage.cacher.watch_cache import WatchCache
from pyk8s.storage.etcd import compactor, listing, stream
from pyk8s.storage.etcd.client import Client
from pyk8s.storage.etcd.keyspace import Keyspace

_log = logging.getLogger(__name__)

_BACKOFF_SECONDS_MIN = 0.05
_BACKOFF_SECONDS_MAX = 2.0
# How far back the history of a new process reaches: what a busy cluster writes in some seconds,
# read again in a tenth of one.
_PRIMED_REVISIONS = 5000
# Small enough that turning a page into items does not hold up the loop.
_LOAD_PAGE_KEYS = 1000


class Feed:
    """Supervises the watch and the loading of caches, from `start` to `stop`."""

    def __init__(self, client: Client, keyspace: Keyspace, progress: Progress) -> None:
        self._client = client
        self._keyspace = keyspace
        self._progress = progress
        self._caches: dict[str, WatchCache] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._following: asyncio.Task[None] | None = None
        self._stream: stream.Stream | None = None
        self._is_distrusted = False
        # Is shown all changes before they are applied; does nothing unless a self-check does.
        self.observe: Callable[[Sequence[stream.Change]], None] | None = None
        # How often everything started over.
        self.generation = 0
        # Lists at a revision before this one fail, as they would on etcd.
        self.compacted = 0

    async def start(self) -> None:
        """Returns when all caches added so far are loaded. Raises Unavailable, and may then be
        tried again."""
        current = await self._keyspace.revision()
        found, _ = await self._keyspace.get(compactor.KEY)
        if found is not None:
            self._learn_compaction(found.value)
        try:
            await self._load_all(max(current - _PRIMED_REVISIONS, self.compacted, 1))
        except errors.ResourceExpired:
            await self._load_all(current)
        self._following = _supervised(self._follow(), "etcd feed")
        # Nothing is answered from what lies back.
        await self._progress.wait_for(current)

    async def stop(self) -> None:
        tasks = [*self._loading.values()]
        if self._following is not None:
            tasks.append(self._following)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for cache in self._caches.values():
            cache.close()

    def add(self, cache: WatchCache) -> None:
        """Before or after start; a cache that comes later loads at once, in the background."""
        prefix = cache.config.key_prefix
        self._caches[prefix] = cache
        if self._following is not None:
            self._load(prefix)

    def remove(self, prefix: str) -> None:
        loading = self._loading.pop(prefix, None)
        if loading is not None:
            loading.cancel()
        self._caches.pop(prefix).close()

    @property
    def is_complete(self) -> bool:
        """Whether the watch is followed and every cache is whole."""
        following = self._following is not None and not self._following.done()
        return following and all(cache.is_ready for cache in self._caches.values())

    @property
    def caches(self) -> Sequence[WatchCache]:
        return list(self._caches.values())

    @property
    def has_failed(self) -> bool:
        """Whether a fault of ours ended the following of etcd."""
        task = self._following
        return task is not None and task.done() and not task.cancelled()

    def distrust(self) -> None:
        """etcd gave a revision before one it gave earlier: its data was replaced."""
        if not self._is_distrusted and self._stream is not None:
            _log.error("etcd went back in time, starting over: seen=%d", self._progress.revision)
            self._is_distrusted = True
            self._stream.close()

    def reopen(self) -> None:
        """etcd has changes that do not come, as when its member is cut off from the others: have
        them from another one."""
        if self._stream is not None:
            _log.warning("The watch on etcd fell silent: seen=%d", self._progress.revision)
            self._stream.close()

    # -- Following -------------------------------------------------------------------------

    async def _follow(self) -> None:
        backoff = _Backoff()
        while True:
            try:
                await self._follow_once(backoff)
            except errors.ResourceExpired:
                _log.warning("Changes were compacted away unseen, starting over")
                self._is_distrusted = True
            except errors.StorageError as error:
                _log.warning("The watch on etcd ended, to be resumed: error=%s", error)
            await backoff.wait()

    async def _follow_once(self, backoff: _Backoff) -> None:
        revision = await self._keyspace.revision()
        if self._is_distrusted or revision < self._progress.revision:
            self._start_over(revision)
        self._stream = await stream.Stream.open(
            self._client, stream.ALL_KEYS, self._progress.revision + 1
        )
        try:
            while True:
                self._apply(await self._stream.next())
                backoff.reset()
        finally:
            self._stream.close()
            self._stream = None

    def _start_over(self, revision: int) -> None:
        self._is_distrusted = False
        self.generation += 1
        for prefix in self._caches:
            self._load(prefix)
        self._progress.reset(revision)

    def _apply(self, changes: Sequence[stream.Change]) -> None:
        if self.observe is not None:
            self.observe(changes)
        for change in changes:
            cache = self._route(change.key)
            if cache is not None:
                cache.apply(change.key, change.value, change.revision)
            elif change.key == compactor.KEY and change.value is not None:
                self._learn_compaction(change.value)
        if changes:
            self._progress.advance(changes[-1].revision)

    def _route(self, key: str) -> WatchCache | None:
        """The cache with the longest prefix of the key."""
        caches = self._caches
        end = key.rfind("/") + 1
        while end > 0:
            cache = caches.get(key[:end])
            if cache is not None:
                return cache
            end = key.rfind("/", 0, end - 1) + 1
        return None

    def _learn_compaction(self, value: bytes) -> None:
        if value.isdigit():
            self.compacted = max(self.compacted, int(value))

    # -- Loading ---------------------------------------------------------------------------

    def _load(self, prefix: str) -> None:
        earlier = self._loading.get(prefix)
        if earlier is not None:
            earlier.cancel()
        cache = self._caches[prefix]
        cache.begin_loading()
        task = _supervised(self._load_until_done(cache), f"load {prefix}")
        self._loading[prefix] = task

    async def _load_until_done(self, cache: WatchCache) -> None:
        backoff = _Backoff()
        while True:
            try:
                await self._load_once(cache)
                return
            except errors.StorageError as error:
                resource = cache.config.group_resource
                _log.warning("Loading failed, to be tried again: %s error=%s", resource, error)
            await backoff.wait()
            cache.begin_loading()

    async def _load_all(self, revision: int) -> None:
        """Every cache as of one revision, before anything is followed. Raises ResourceExpired
        when that is compacted."""
        self._progress.reset(revision)
        for cache in self._caches.values():
            cache.begin_loading()
        await asyncio.gather(*(self._read(cache, revision) for cache in self._caches.values()))
        for cache in self._caches.values():
            cache.finish_loading(revision)

    async def _load_once(self, cache: WatchCache) -> None:
        revision = await self._read(cache)
        await self._progress.wait_for(revision)
        cache.finish_loading(revision)
        del self._loading[cache.config.key_prefix]

    async def _read(self, cache: WatchCache, revision: int = 0) -> int:
        """All objects of the cache as of that revision, or of now; says which it was."""
        prefix = cache.config.key_prefix
        pages = listing.pages(self._keyspace, prefix, page_keys=_LOAD_PAGE_KEYS, revision=revision)
        async for page in pages:
            revision = page.at
            cache.add_loaded(page.key_values)
        return revision


class _Backoff:
    """Jittered and doubling, up to a bound."""

    def __init__(self) -> None:
        self._seconds = _BACKOFF_SECONDS_MIN

    def reset(self) -> None:
        self._seconds = _BACKOFF_SECONDS_MIN

    async def wait(self) -> None:
        seconds, self._seconds = self._seconds, min(self._seconds * 2, _BACKOFF_SECONDS_MAX)
        await asyncio.sleep(seconds * random.uniform(0.5, 1))


def _supervised(work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    """A task that runs on its own; should it fail, which is a bug, that is told."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.critical(
            "A task of the watch cache failed: %s", task.get_name(), exc_info=task.exception()
        )

# SPDX-License-Identifier: Apache-2.0
"""What the watch cache claims, checked while it serves. Off unless PYK8S_SELF_CHECK is set.

    every change    revisions from etcd go on from where the cache stands, and never back
    every round     each cache, as of one revision, holds byte for byte what etcd held then;
                    what was derived from an object (labels, fields, indexes) still says the same

A round costs a read of everything, so this is for tests and for whoever hunts a fault. A failed
check means that clients were told, or will be, what is not so: the process says which object it
was and ends, for its supervisor to start it afresh.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from pyk8s.storage import encoding, errors
from pyk8s.storage.cacher.progress import Progress
from pyk8s.storage.cacher.watch_cache import Snapshot, WatchCache
from pyk8s.storage.etcd import listing
from pyk8s.storage.etcd.keyspace import Keyspace, KeyValue
from pyk8s.storage.etcd.stream import Change
from pyk8s.storage.interface import Item, ResourceConfig, index_values

ENVIRONMENT = "PYK8S_SELF_CHECK"
# EX_SOFTWARE of sysexits.h.
EXIT_STATUS = 70

_INTERVAL_SECONDS = 5.0
_PAGE_KEYS = 500

_log = logging.getLogger(__name__)

# Is told what is wrong, in one line.
Alarm = Callable[[str], None]


def exit_loudly(what: str) -> None:
    """Log what is wrong, and end this process at once: nothing it says can be trusted."""
    _log.critical("self-check failed: %s", what)
    logging.shutdown()
    os._exit(EXIT_STATUS)


def alarm_from_environment() -> Alarm | None:
    """`exit_loudly` where self-checks are switched on, by any value but 0."""
    is_on = os.environ.get(ENVIRONMENT, "0") not in ("", "0")
    return exit_loudly if is_on else None


class Followed(Protocol):
    """What the checks need of the Feed."""

    @property
    def caches(self) -> Sequence[WatchCache]: ...

    @property
    def generation(self) -> int:
        """Counts how often history was lost and everything started over."""
        ...

    @property
    def has_failed(self) -> bool: ...


class SelfCheck:
    """Sees every change before it is applied, and compares everything now and then."""

    def __init__(
        self, keyspace: Keyspace, progress: Progress, followed: Followed, alarm: Alarm
    ) -> None:
        self._keyspace = keyspace
        self._progress = progress
        self._followed = followed
        self._alarm = alarm
        self._seen = (0, 0)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="self-check")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def observe(self, changes: Sequence[Change]) -> None:
        """The next changes of the feed, before they are applied."""
        revision = self._progress.revision
        for number, change in enumerate(changes):
            # Only within one answer may a revision come twice: a transaction of several keys.
            if change.revision < revision or (number == 0 and change.revision == revision):
                self._alarm(f"revision {change.revision} of {change.key} came after {revision}")
            revision = change.revision

    async def run_once(self) -> int:
        """How many objects were compared. Raises StorageError where etcd cannot be asked."""
        self._check_progress()
        compared = 0
        for cache in list(self._followed.caches):
            snapshot = cache.snapshot()
            if snapshot is None:
                continue
            for what in (*snapshot.faults, *_stale_views(snapshot, cache.config)):
                self._alarm(what)
            compared += await self._compare(snapshot, cache.config)
        return compared

    def _check_progress(self) -> None:
        seen = self._followed.generation, self._progress.revision
        if seen < self._seen:
            self._alarm(f"the revision went back from {self._seen[1]} to {seen[1]}")
        self._seen = seen
        if self._followed.has_failed:
            self._alarm("the watch on etcd is not followed any more")

    async def _compare(self, snapshot: Snapshot, config: ResourceConfig) -> int:
        missing = dict(snapshot.items)
        unreadable = set(snapshot.unreadable)
        pages = listing.pages(
            self._keyspace, config.key_prefix, page_keys=_PAGE_KEYS, revision=snapshot.revision
        )
        async for page in pages:
            for kv in page.key_values:
                item = missing.pop(kv.key, None)
                if kv.key in unreadable:
                    unreadable.remove(kv.key)
                elif difference := _difference(item, kv):
                    self._alarm(f"at {snapshot.revision}, {kv.key}: {difference}")
        for key in (*missing, *unreadable):
            self._alarm(f"at {snapshot.revision}, {key}: in the cache, not in etcd")
        return len(snapshot.items)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            try:
                compared = await self.run_once()
            except errors.StorageError as error:
                _log.info("self-check put off: error=%s", error)
            else:
                _log.debug("self-check passed: objects=%d", compared)


def _difference(item: Item | None, kv: KeyValue) -> str:
    if item is None:
        return f"in etcd since {kv.revision}, not in the cache"
    if item.revision != kv.revision:
        return f"revision {item.revision} in the cache, {kv.revision} in etcd"
    if item.data != encoding.show_foreign(kv.key, kv.value, kv.revision):
        return f"the bytes of revision {kv.revision} are not those in etcd"
    return ""


def _stale_views(snapshot: Snapshot, config: ResourceConfig) -> Iterator[str]:
    """Decoded views are shared and must not change, nor be made from anything but the bytes."""
    for item in snapshot.items.values():
        pristine = Item(item.key, item.revision, item.data)
        for name, remembered, again in _views(item, pristine, config):
            if remembered is not None and remembered != again:
                yield f"{item.key}@{item.revision}: {name} are {remembered!r}, not {again!r}"


def _views(
    item: Item, pristine: Item, config: ResourceConfig
) -> Iterable[tuple[str, object, object]]:
    views = item.remembered
    if views.labels is not None:
        yield "labels", views.labels, pristine.labels
    if views.fields is not None:
        yield "fields", views.fields, pristine.fields(config)
    if views.indexed is not None:
        yield "indexed values", views.indexed, index_values(config, pristine.object())

# SPDX-License-Identifier: Apache-2.0
"""The state of one resource in memory, and its recent history.

    loading ---finish_loading---> ready
       ^                            |
       '-------begin_loading--------'   history was lost

Changes arrive in both states. While the objects are read, changes are laid over them: at the end
the newest state of each key counts, whichever way it came. A cache that loads again still
answers what may be old, from the last moment it was whole; its watchers are ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pyk8s.apimachinery.gvk import Object
from pyk8s.storage import encoding, errors, paging, watchplan
from pyk8s.storage.cacher.channels import Channels
from pyk8s.storage.cacher.contents import Contents
from pyk8s.storage.cacher.history import Change, History
from pyk8s.storage.cacher.progress import WAIT_SECONDS, Progress
from pyk8s.storage.cacher.watcher import Beginning, CacheWatcher
from pyk8s.storage.etcd.keyspace import KeyValue
from pyk8s.storage.interface import (
    ADDED,
    BOOKMARK,
    Item,
    ListResult,
    Predicate,
    ResourceConfig,
    WatchEvent,
    WatchOptions,
    index_values,
)


class Snapshot(NamedTuple):
    """Everything a cache holds, as of one revision; `faults` are contradictions within it."""

    revision: int
    items: Mapping[str, Item]
    unreadable: Collection[str]
    faults: Sequence[str]


# What a key holds: an object, nothing, or a value that cannot be read.
State = Item | errors.Corrupt | None


class WatchCache:
    """Fed by the Feed, read by the resource's storage; nothing here waits for etcd."""

    def __init__(self, config: ResourceConfig, progress: Progress, backlog: int) -> None:
        self.config = config
        self._progress = progress
        self._backlog = backlog
        self._contents = Contents(config)
        self._history = History(0)
        self._channels = Channels(config, self._contents, backlog)
        self._loaded = asyncio.Event()
        # Keys that changed while the objects are read, with their newest state.
        self._overlay: dict[str, tuple[int, State]] | None = None
        self._incoming = self._contents
        self._unreadable: dict[str, errors.Corrupt] = {}
        # Complete up to here while the cache is not ready.
        self._lost_at = 0
        # Being written by this process: the stored form, and the values of indexed fields.
        self._expected: dict[str, tuple[bytes, tuple[str, ...]]] = {}
        # Written by this process and not yet seen in the feed.
        self._written: dict[str, Item] = {}
        self._corrupt: dict[str, errors.Corrupt] = {}
        self.changed_at = 0

    # -- Loading ---------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        return self._loaded.is_set()

    @property
    def was_loaded(self) -> bool:
        """Whether there is a state, perhaps an old one."""
        return self._loaded.is_set() or self._lost_at > 0

    @property
    def revision(self) -> int:
        """Up to which revision the state is complete."""
        return self._progress.revision if self._loaded.is_set() else self._lost_at

    async def wait_until_ready(self) -> None:
        """Raises Unavailable when that takes too long."""
        if self._loaded.is_set():
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._loaded.wait()
        except TimeoutError as error:
            resource = self.config.group_resource
            raise errors.Unavailable(f"the watch cache of {resource} is not ready") from error

    def begin_loading(self) -> None:
        """Trust nothing that is here: end the watches, and take note of changes from now on."""
        if self._loaded.is_set():
            self._lost_at = self._progress.revision
            self._loaded.clear()
        self._written.clear()
        self._overlay = {}
        self._incoming, self._unreadable = Contents(self.config), {}
        self._channels.end_all()

    def add_loaded(self, page: Iterable[KeyValue]) -> None:
        """The next objects, all read at one revision."""
        for key, value, revision in page:
            state = self._read(key, value, revision)
            if isinstance(state, Item):
                self._incoming.put(state)
            elif state is not None:
                self._unreadable[key] = state

    def finish_loading(self, at: int) -> None:
        """All objects as of revision `at` were added, and the progress has reached it."""
        self._contents, self._corrupt = self._incoming, self._unreadable
        overlay, self._overlay = self._overlay or {}, None
        for key, (revision, state) in overlay.items():
            if revision > at:
                self._set(key, state)
        self._channels = Channels(self.config, self._contents, self._backlog)
        self._history = History(self._progress.revision)
        self.changed_at = self._progress.revision
        self._loaded.set()

    def close(self) -> None:
        self._channels.end_all()

    # -- Changes ---------------------------------------------------------------------------

    def apply(self, key: str, value: bytes | None, revision: int) -> None:
        """The next change of a key, in revision order; None for a deletion."""
        state = self._state_of(key, value, revision)
        if self._overlay is not None:
            self._overlay[key] = revision, state
            return
        previous = self._set(key, state)
        self.changed_at = revision
        if isinstance(state, errors.Corrupt):
            self._break_off(revision)
        elif state is not None or previous is not None:
            change = Change(key, revision, state, previous)
            self._history.append(change)
            try:
                self._channels.dispatch(change)
            except errors.Corrupt:
                self._break_off(revision)

    def _break_off(self, revision: int) -> None:
        # What cannot be read cannot be told: watches end, and their clients find out by listing.
        self._history = History(revision)
        self._channels.end_all()

    def _set(self, key: str, state: State) -> Item | None:
        """Returns the object that was there."""
        self._corrupt.pop(key, None)
        if isinstance(state, Item):
            return self._contents.put(state)
        if state is not None:
            self._corrupt[key] = state
        return self._contents.remove(key)

    def expect(self, key: str, stored: bytes, obj: Object) -> None:
        """This process is about to write an object: its event need not be decoded for indexes.
        Of several writes of one key the last one is expected."""
        if self.config.indexes:
            self._expected[key] = stored, index_values(self.config, obj)

    def forget(self, key: str) -> None:
        self._expected.pop(key, None)

    def written(self, key: str, stored: bytes, obj: Object, revision: int) -> Item:
        """This process wrote an object. Returns the Item to answer with: the cached one where
        the event was quicker, else the one that the cache will take when the event comes."""
        cached = self._contents.get(key)
        if cached is not None and cached.revision == revision:
            return cached
        item = Item(key, revision, encoding.show(stored, revision))
        if revision > self._progress.revision:
            if self.config.indexes:
                item.note_indexed(index_values(self.config, obj))
            self._written[key] = item
        return item

    def _state_of(self, key: str, value: bytes | None, revision: int) -> State:
        written = self._written.get(key)
        if written is not None and written.revision <= revision:
            del self._written[key]
            if written.revision == revision and value is not None:
                return written
        expected = self._expected.get(key)
        if expected is not None and expected[0] == value:
            item = Item(key, revision, encoding.show(value, revision))
            item.note_indexed(expected[1])
            return item
        return self._read(key, value, revision)

    def _read(self, key: str, value: bytes | None, revision: int) -> State:
        if value is None:
            return None
        try:
            item = Item(key, revision, encoding.show_foreign(key, value, revision))
            if self.config.indexes:
                item.indexed(self.config)
        except errors.Corrupt as error:
            return error
        return item

    # -- Reading ---------------------------------------------------------------------------

    def snapshot(self) -> Snapshot | None:
        """For self-checks; None while the cache is not ready."""
        if not self._loaded.is_set():
            return None
        items = self._contents.items()
        faults = list(self._contents.faults())
        return Snapshot(self._progress.revision, items, tuple(self._corrupt), faults)

    def __len__(self) -> int:
        return len(self._contents)

    def get(self, key: str) -> Item | None:
        """Raises Corrupt."""
        if key in self._corrupt:
            raise self._corrupt[key]
        return self._contents.get(key)

    def newest(self, key: str) -> Item | None:
        """The latest state this process knows of, ahead of the feed after a write of its own."""
        written = self._written.get(key)
        cached = self._contents.get(key)
        if written is not None and (cached is None or cached.revision < written.revision):
            return written
        return cached

    def list(self, plan: paging.ListPlan, namespace: str, predicate: Predicate) -> ListResult:
        """A list or a page of the state now; raises Corrupt."""
        self._check_readable(plan.prefix)
        revision = plan.exact or self.revision
        candidates = self._contents.candidates(namespace, predicate, plan.start)
        items, looked_at = self._select(candidates, predicate, plan.limit)
        if looked_at == len(candidates):
            return ListResult(items=items, revision=revision)
        last = candidates[looked_at - 1].key
        token = paging.encode_continue(paging.after(last), plan.prefix, revision)
        remaining = len(candidates) - looked_at if predicate.is_everything else None
        return ListResult(items=items, revision=revision, continue_token=token, remaining=remaining)

    def _select(
        self, candidates: Sequence[Item], predicate: Predicate, limit: int
    ) -> tuple[Sequence[Item], int]:
        """The objects that match, up to the limit, and how many were looked at for it."""
        if predicate.is_everything:
            items = candidates[:limit] if limit else candidates
            return items, len(items)
        config = self.config
        if not limit:
            found = [item for item in candidates if predicate.matches(item, config)]
            return found, len(candidates)
        found = []
        for looked_at, item in enumerate(candidates):
            if len(found) == limit:
                return found, looked_at
            if predicate.matches(item, config):
                found.append(item)
        return found, len(candidates)

    def watch(self, plan: watchplan.WatchPlan, options: WatchOptions) -> CacheWatcher:
        """Raises ResourceExpired, Corrupt. The cache is ready and as fresh as the plan asks."""
        namespace, predicate = options.namespace, options.predicate
        changes = self._history.since(plan.after) if plan.after else ()
        state = self._state(plan, namespace, predicate) if plan.sends_state else iter(())
        channels = self._channels
        channel = channels.channel(namespace, predicate)
        beginning = Beginning(
            events=channel.replay(changes) if plan.after else state,
            revision=self.revision,
            after=plan.after,
            allow_bookmarks=options.allow_bookmarks,
        )

        def leave(watcher: CacheWatcher) -> None:
            channels.leave(namespace, predicate, watcher)

        return CacheWatcher(channel, self._progress, beginning, leave)

    def _state(
        self, plan: watchplan.WatchPlan, namespace: str, predicate: Predicate
    ) -> Iterator[WatchEvent]:
        prefix = paging.prefix_of(self.config, namespace)
        self._check_readable(prefix)
        candidates = self._contents.candidates(namespace, predicate, prefix)
        revision = self.revision

        def events() -> Iterator[WatchEvent]:
            for item in candidates:
                if predicate.matches(item, self.config):
                    yield WatchEvent(ADDED, item.revision, item)
            if plan.ends_state:
                yield WatchEvent(BOOKMARK, revision, None, initial_events_end=True)

        return events()

    def _check_readable(self, prefix: str) -> None:
        for key, error in self._corrupt.items():
            if key.startswith(prefix):
                raise error

# SPDX-License-Identifier: Apache-2.0
"""Watchers that ask the same question are served together.

    change -> Channels: whom may this interest? -> Channel: what do they see of it?
           -> once in a turn of the loop: wake all who sleep

A Channel is a selection: a namespace and two selectors. What its watchers see of a change is
decided once, and noted once in a log that each of them reads at its own pace; who reads the same
part of it gets the same Batch. A watcher costs nothing until it wakes. Channels are found by what
they ask for, so a change does not touch those that want another namespace, another object or
another value of an indexed field.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Protocol

from pyk8s.storage import paging
from pyk8s.storage.cacher.contents import Contents
from pyk8s.storage.cacher.history import Change
from pyk8s.storage.etcd.writes import deleted
from pyk8s.storage.interface import (
    ADDED,
    DELETED,
    MODIFIED,
    Batch,
    Item,
    Predicate,
    ResourceConfig,
    WatchEvent,
)

# So many events may a watcher lag behind before it is closed; shared by all on a channel, so
# it bounds memory per channel and not per watcher.
BACKLOG_EVENTS_MAX = 8192

Address = tuple[str, ...]
_EVERYTHING: Address = ()


class Reader(Protocol):
    """What a channel needs of a watcher. `position` counts the events of the channel's log."""

    position: int

    def wake(self) -> None: ...

    def end(self) -> None:
        """The channel has no more for this watcher."""
        ...


class Views:
    """The ways in which one change can be seen, each made once and shared."""

    __slots__ = ("_added", "_deleted", "_modified", "change")

    def __init__(self, change: Change) -> None:
        self.change = change
        self._added: WatchEvent | None = None
        self._modified: WatchEvent | None = None
        self._deleted: WatchEvent | None = None

    def added(self) -> WatchEvent:
        if self._added is None:
            self._added = WatchEvent(ADDED, self.change.revision, self.change.item)
        return self._added

    def modified(self) -> WatchEvent:
        if self._modified is None:
            self._modified = WatchEvent(MODIFIED, self.change.revision, self.change.item)
        return self._modified

    def deleted(self) -> WatchEvent:
        if self._deleted is None:
            previous, revision = self.change.previous, self.change.revision
            assert previous is not None, "only what was there is deleted"
            self._deleted = WatchEvent(DELETED, revision, deleted(previous, revision))
        return self._deleted


class Channel:
    """One selection, and the log of what its watchers have still to read."""

    def __init__(
        self, config: ResourceConfig, scope: str, predicate: Predicate | None, backlog: int
    ) -> None:
        # A prefix, ending in a slash, or one key: only changes within come here; and where the
        # predicate is None, all of those are wanted.
        self._scope = scope
        self._predicate = predicate
        self._config = config
        self._backlog = backlog
        self._events: list[WatchEvent] = []
        # Position of the first event in the log, and of the one that will be appended next.
        self._first = 0
        self._end = 0
        self._readers: set[Reader] = set()
        self._asleep: set[Reader] = set()
        self._wakes_soon = False
        self._behind = 0
        # What was read last, and from where to where: most read the same.
        self._read: tuple[int, int, Batch] | None = None
        self._check_at = backlog

    def view(self, views: Views) -> WatchEvent | None:
        """What this selection sees of a change: one that enters it is added, one that leaves it
        is deleted with its old state."""
        change = views.change
        is_selected = self._selects(change.item)
        if self._selects(change.previous):
            return views.modified() if is_selected else views.deleted()
        return views.added() if is_selected else None

    def replay(self, changes: Iterable[Change]) -> Iterator[WatchEvent]:
        """What this selection saw of past changes, of whatever key."""
        for change in changes:
            if self._is_in_scope(change.key):
                event = self.view(Views(change))
                if event is not None:
                    yield event

    def _is_in_scope(self, key: str) -> bool:
        return key.startswith(self._scope) if self._scope.endswith("/") else key == self._scope

    def offer(self, views: Views) -> None:
        event = self.view(views)
        if event is None:
            return
        self._events.append(event)
        self._end += 1
        self._behind = len(self._readers)
        if self._asleep and not self._wakes_soon:
            # Not before everything that came at once is in the log.
            self._wakes_soon = True
            asyncio.get_running_loop().call_soon(self._wake)
        if len(self._events) >= self._check_at:
            self._end_slow_readers()

    def _wake(self) -> None:
        self._wakes_soon = False
        asleep, self._asleep = self._asleep, set()
        for reader in asleep:
            reader.wake()

    def join(self, reader: Reader) -> None:
        """From here on; nothing that is in the log already."""
        reader.position = self._end
        self._readers.add(reader)

    def leave(self, reader: Reader) -> bool:
        """Returns whether the channel is empty now."""
        if reader in self._readers:
            self._readers.remove(reader)
            self._asleep.discard(reader)
            if reader.position < self._end:
                self._caught_up()
        return not self._readers

    def read(self, reader: Reader, limit: int) -> Batch | None:
        """What the reader has not read, None for nothing; it must not have been ended."""
        position = reader.position
        if position == self._end:
            return None
        end = min(self._end, position + limit)
        if self._read is not None and self._read[:2] == (position, end):
            batch = self._read[2]
        else:
            batch = Batch(self._events[position - self._first : end - self._first])
            self._read = position, end, batch
        reader.position = end
        if end == self._end:
            self._caught_up()
        return batch

    def has_more_for(self, reader: Reader) -> bool:
        return reader.position < self._end

    def sleep(self, reader: Reader) -> None:
        """Wake the reader at the next event."""
        self._asleep.add(reader)

    def end_all(self) -> None:
        for reader in list(self._readers):
            reader.end()

    def _selects(self, item: Item | None) -> bool:
        if item is None:
            return False
        return self._predicate is None or self._predicate.matches(item, self._config)

    def _caught_up(self) -> None:
        self._behind -= 1
        if not self._behind:
            self._read = None
            self._events.clear()
            self._first = self._end
            self._check_at = self._backlog

    def _end_slow_readers(self) -> None:
        slow = [reader for reader in self._readers if self._end - reader.position > self._backlog]
        for reader in slow:
            reader.end()
        self._read = None
        slowest = min((reader.position for reader in self._readers), default=self._end)
        del self._events[: slowest - self._first]
        self._first = slowest
        # Not at every event: the log may be a quarter longer than the backlog.
        self._check_at = len(self._events) + self._backlog // 4


class Channels:
    """All channels of one resource, by the most telling thing they ask for."""

    def __init__(self, config: ResourceConfig, contents: Contents, backlog: int) -> None:
        self._config = config
        self._contents = contents
        self._backlog = backlog
        self._by_selection: dict[tuple[str, str, str], Channel] = {}
        self._by_address: dict[Address, dict[Channel, None]] = {}

    def channel(self, namespace: str, predicate: Predicate) -> Channel:
        """The channel of a selection; it lives until `leave` finds it empty."""
        selection = _selection(namespace, predicate)
        channel = self._by_selection.get(selection)
        if channel is None:
            address, rest = self._address(namespace, predicate)
            key = self._contents.key_of(namespace, predicate)
            scope = key or paging.prefix_of(self._config, namespace)
            channel = Channel(self._config, scope, rest, self._backlog)
            self._by_selection[selection] = channel
            self._by_address.setdefault(address, {})[channel] = None
        return channel

    def leave(self, namespace: str, predicate: Predicate, reader: Reader) -> None:
        selection = _selection(namespace, predicate)
        channel = self._by_selection.get(selection)
        if channel is not None and channel.leave(reader):
            address, _ = self._address(namespace, predicate)
            del self._by_selection[selection]
            del self._by_address[address][channel]
            if not self._by_address[address]:
                del self._by_address[address]

    def dispatch(self, change: Change) -> None:
        if not self._by_address:
            return
        views = Views(change)
        for address in self._addresses(change):
            # A copy: a channel goes when the last of its readers turns out to be too slow.
            for channel in tuple(self._by_address.get(address, ())):
                channel.offer(views)

    def end_all(self) -> None:
        for channel in list(self._by_selection.values()):
            channel.end_all()

    def _address(self, namespace: str, predicate: Predicate) -> tuple[Address, Predicate | None]:
        """Where changes for a selection arrive, and what is still to be asked of them there."""
        rest = None if predicate.is_everything else predicate
        key = self._contents.key_of(namespace, predicate)
        if key is not None:
            return ("key", key), None if _is_single_field(predicate) else rest
        index = self._contents.index_of(predicate)
        if index is not None and not namespace:
            return ("field", *index), rest
        if namespace:
            return ("namespace", namespace), rest
        return _EVERYTHING, rest

    def _addresses(self, change: Change) -> Iterable[Address]:
        """Where a change may be wanted."""
        yield _EVERYTHING
        yield "key", change.key
        if self._config.namespaced:
            yield "namespace", self._contents.namespace_of(change.key)
        if self._config.indexes:
            values: dict[tuple[str, str], None] = {}
            for item in (change.previous, change.item):
                if item is not None:
                    values.update(dict.fromkeys(self._contents.indexed_values(item)))
            for name, value in values:
                yield "field", name, value


def _selection(namespace: str, predicate: Predicate) -> tuple[str, str, str]:
    return namespace, str(predicate.label_selector), str(predicate.field_selector)


def _is_single_field(predicate: Predicate) -> bool:
    return (
        predicate.label_selector.is_everything and len(predicate.field_selector.requirements) == 1
    )

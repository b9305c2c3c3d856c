# SPDX-License-Identifier: Apache-2.0
"""One watcher straight on etcd, with a stream of its own.

What the cacher's watchers must agree with: the previous state comes from etcd, so nothing is
remembered here.
"""

from __future__ import annotations

from pyk8s.storage import errors, paging, versioner, watchplan
from pyk8s.storage.etcd import listing, stream, writes
from pyk8s.storage.etcd.client import Client
from pyk8s.storage.etcd.keyspace import Keyspace, KeyValue, end_of
from pyk8s.storage.interface import (
    ADDED,
    BOOKMARK,
    DELETED,
    MODIFIED,
    Batch,
    Item,
    Outlet,
    ResourceConfig,
    WatchEvent,
    WatchOptions,
)


async def open_watcher(
    client: Client, keyspace: Keyspace, config: ResourceConfig, options: WatchOptions
) -> EtcdWatcher:
    """Raises InvalidToken, TooLargeRevision, Unavailable."""
    plan = watchplan.plan(options)
    prefix = paging.prefix_of(config, options.namespace)
    initial: list[WatchEvent] = []
    revision = plan.after
    if plan.sends_state:
        wanted = paging.ListPlan(prefix=prefix, start=prefix, at_least=plan.at_least)
        listed = await listing.read(keyspace, config, wanted, options.predicate)
        initial = [WatchEvent(ADDED, item.revision, item) for item in listed.items]
        revision = listed.revision
        if plan.ends_state:
            initial.append(WatchEvent(BOOKMARK, revision, None, initial_events_end=True))
    elif not revision:
        revision = await keyspace.revision()
    key_range = (prefix.encode(), end_of(prefix))
    opened = await stream.Stream.open(client, key_range, revision + 1, with_previous=True)
    return EtcdWatcher(opened, config, options, initial, revision)


class EtcdWatcher:
    """See `interface.Watcher`. Sends no periodic bookmarks: it cannot know of progress."""

    def __init__(
        self,
        changes: stream.Stream,
        config: ResourceConfig,
        options: WatchOptions,
        initial: list[WatchEvent],
        revision: int,
    ) -> None:
        self._stream = changes
        self._config = config
        self._options = options
        self._initial = initial
        self._revision = revision
        self._closed = False

    async def next_batch(self) -> Batch:
        if self._initial:
            batch, self._initial = Batch(self._initial), []
            return batch
        events: list[WatchEvent] = []
        while not self._closed and not events:
            try:
                changes = await self._stream.next()
            except errors.ResourceExpired as error:
                wanted = versioner.parse(self._options.resource_version)
                raise watchplan.expired(wanted, 0) from error
            except errors.Unavailable:
                self.close()
                return Batch(())
            events = [event for change in changes if (event := self._event(change))]
            self._revision = changes[-1].revision if changes else self._revision
        return Batch(events)

    def pass_to(self, outlet: Outlet) -> None:
        """Not used: here a watcher costs a stream of its own anyway."""

    def bookmark_revision(self) -> int:
        return self._revision

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._stream.close()

    def _event(self, change: stream.Change) -> WatchEvent | None:
        now = _item(change.key, change.value, change.revision)
        before = writes.item_of(change.previous)
        is_selected, was_selected = self._selects(now), self._selects(before)
        if is_selected:
            return WatchEvent(MODIFIED if was_selected else ADDED, change.revision, now)
        if was_selected and before is not None:
            return WatchEvent(DELETED, change.revision, writes.deleted(before, change.revision))
        return None

    def _selects(self, item: Item | None) -> bool:
        predicate = self._options.predicate
        return item is not None and predicate.matches(item, self._config)


def _item(key: str, value: bytes | None, revision: int) -> Item | None:
    return None if value is None else writes.item_of(KeyValue(key, value, revision))

# SPDX-License-Identifier: Apache-2.0
"""One client's view of one resource: where it begins, and its place in a channel's log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from pyk8s.storage.cacher.channels import Channel
from pyk8s.storage.cacher.progress import Progress
from pyk8s.storage.interface import BOOKMARK, Batch, Outlet, WatchEvent

# Events in one batch at most: joined and sent at once, a thousand pods are some megabytes.
BATCH_EVENTS_MAX = 1000
# Upstream's `bookmarkFrequency`; spread so that watchers opened together are not bookmarked so.
BOOKMARK_SECONDS = 60.0
_BOOKMARK_JITTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a watcher hands out first: the state at `revision`, or the changes after `after`
    (not 0) up to `revision`. `after` may lie in the future; nothing before it is wanted."""

    events: Iterator[WatchEvent]
    revision: int
    after: int = 0
    allow_bookmarks: bool = False


class CacheWatcher:
    """See `interface.Watcher`: in revision order, without gaps, ended rather than skipped.

    A batch holds a thousand events at the most. Bookmarks come about once a minute, with the
    revision of everything that was handed out before them. With an outlet that is open, waking
    means to send: no task has to run for it.
    """

    def __init__(
        self,
        channel: Channel,
        progress: Progress,
        beginning: Beginning,
        leave: Callable[[CacheWatcher], None],
    ) -> None:
        self.position = 0
        self._channel = channel
        self._progress = progress
        self._beginning: Beginning | None = beginning
        self._after = beginning.after
        self._handed_out = beginning.after
        self._leave = leave
        self._outlet: Outlet | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_ended = False
        self._bookmark_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        channel.join(self)
        if beginning.allow_bookmarks:
            self._arm()

    async def next_batch(self) -> Batch:
        while not self._is_ended:
            batch = self._pending()
            if batch:
                return batch
            self._waiter = asyncio.get_running_loop().create_future()
            self._channel.sleep(self)
            await self._waiter
        return Batch(())

    def pass_to(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def bookmark_revision(self) -> int:
        if self._beginning is not None or self._channel.has_more_for(self):
            return self._handed_out
        return max(self._handed_out, self._progress.revision)

    def close(self) -> None:
        self.end()

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._is_ended or self._outlet is None or not self._outlet.is_open:
            waiter.set_result(None)
            return
        batch = self._pending()
        if batch:
            try:
                self._outlet.put(batch)
            except Exception as error:
                # The task that reads this watcher is where its faults end.
                waiter.set_exception(error)
                return
        if self._is_ended:
            return
        if self._channel.has_more_for(self):
            waiter.set_result(None)
        else:
            self._channel.sleep(self)

    def end(self) -> None:
        """Nothing more comes; whoever waits is woken."""
        if not self._is_ended:
            self._is_ended = True
            self._beginning = None
            if self._timer is not None:
                self._timer.cancel()
            self._leave(self)
            self.wake()

    def _pending(self) -> Batch | None:
        if self._beginning is not None:
            first = self._first(self._beginning)
            if first:
                return first
        batch = self._channel.read(self, BATCH_EVENTS_MAX)
        if batch and batch[0].revision <= self._after:
            batch = Batch(event for event in batch if event.revision > self._after)
        if batch:
            self._handed_out = batch[-1].revision
        if self._bookmark_is_due and not self._channel.has_more_for(self):
            self._arm()
            bookmark = WatchEvent(BOOKMARK, self.bookmark_revision(), None)
            batch = Batch((*(batch or ()), bookmark))
        return batch

    def _first(self, beginning: Beginning) -> Batch:
        batch = Batch(islice(beginning.events, BATCH_EVENTS_MAX))
        if len(batch) < BATCH_EVENTS_MAX:
            self._beginning = None
            self._handed_out = max(beginning.after, beginning.revision)
        elif beginning.after:
            self._handed_out = batch[-1].revision
        return batch

    def _arm(self) -> None:
        self._bookmark_is_due = False
        delay = BOOKMARK_SECONDS * random.uniform(1 - _BOOKMARK_JITTER, 1)
        self._timer = asyncio.get_running_loop().call_later(delay, self._bookmark_due)

    def _bookmark_due(self) -> None:
        self._bookmark_is_due = True
        self.wake()

# SPDX-License-Identifier: Apache-2.0
"""Up to which revision everything is here, and waiting for more.

    Progress    "all changes up to N are applied"; readers wait until N is large enough
    Freshness   which N a linearizable read has to wait for: etcd is asked, once for many

etcd is asked for its revision by one probe at a time. Readers that arrive while a probe is on
its way share the next one: an answer that was begun before them may be too old for them.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from pyk8s.storage import errors

# How long a read waits for a revision the cache has not seen: apiserver's `blockTimeout`.
WAIT_SECONDS = 3.0

_CLOSED = "etcd: the connection was closed"

Waiter = asyncio.Future[None]


class Progress:
    """The revision up to which every change is applied. It only grows, except by `reset`."""

    def __init__(self) -> None:
        self.revision = 0
        self._waiting: list[tuple[int, int, Sequence[Waiter]]] = []
        self._sequence = itertools.count()

    def advance(self, revision: int) -> None:
        """Wakes whoever waited for this."""
        self.revision = revision
        while self._waiting and self._waiting[0][0] <= revision:
            _, _, waiters = heapq.heappop(self._waiting)
            release(waiters)

    def reset(self, revision: int) -> None:
        """History was lost; what is here now begins at another revision."""
        self.advance(revision)

    def release_at(self, revision: int, waiters: Sequence[Waiter]) -> None:
        """Wake the waiters as soon as `revision` is reached, maybe at once."""
        if revision <= self.revision:
            release(waiters)
        else:
            heapq.heappush(self._waiting, (revision, next(self._sequence), waiters))

    async def wait_for(self, revision: int) -> None:
        """However long it takes."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self.release_at(revision, (waiter,))
        await waiter

    async def wait_briefly_for(self, revision: int) -> None:
        """Raises TooLargeRevision when it takes longer than three seconds."""
        if revision <= self.revision:
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self.wait_for(revision)
        except TimeoutError as error:
            raise errors.TooLargeRevision(revision, self.revision) from error


class Freshness:
    """Linearizable reads: waits until the cache has seen every write acknowledged so far."""

    def __init__(
        self,
        progress: Progress,
        probe: Callable[[], Awaitable[int]],
        went_back: Callable[[], None],
        fell_silent: Callable[[], None],
    ) -> None:
        self._progress = progress
        self._probe = probe
        self._went_back = went_back
        self._fell_silent = fell_silent
        self._arrived: list[Waiter] = []
        self._running: asyncio.Task[None] | None = None
        # Readers whose revision etcd has and the cache has not: until when they wait, and where
        # the cache stood when they began to.
        self._lagging: deque[tuple[float, int, Sequence[Waiter]]] = deque()
        self.probes = 0

    async def wait(self) -> None:
        """Raises Unavailable when etcd does not answer, or its changes do not arrive."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._arrived.append(waiter)
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="revision probe")
        await waiter

    async def stop(self) -> None:
        """Whoever still waits gets Unavailable."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        for waiters in (self._arrived, *(waiters for _, _, waiters in self._lagging)):
            fail(waiters, _CLOSED)

    async def _run(self) -> None:
        try:
            while self._arrived:
                waiters, self._arrived = self._arrived, []
                await self._serve(waiters)
        finally:
            self._running = None

    async def _serve(self, waiters: Sequence[Waiter]) -> None:
        self.probes += 1
        seen = self._progress.revision
        try:
            revision = await self._probe()
        except errors.StorageError as error:
            fail(waiters, str(error))
            return
        except asyncio.CancelledError:
            fail(waiters, _CLOSED)
            raise
        if revision < seen:
            self._went_back()
            fail(waiters, "etcd went back in time")
            return
        if revision > self._progress.revision:
            self._bound(waiters)
        self._progress.release_at(revision, waiters)

    def _bound(self, waiters: Sequence[Waiter]) -> None:
        # One timer for all: most of them are released long before it rings.
        loop = asyncio.get_running_loop()
        if not self._lagging:
            loop.call_later(WAIT_SECONDS, self._give_up)
        self._lagging.append((loop.time() + WAIT_SECONDS, self._progress.revision, waiters))

    def _give_up(self) -> None:
        loop = asyncio.get_running_loop()
        while self._lagging and self._lagging[0][0] <= loop.time():
            _, seen, waiters = self._lagging.popleft()
            if seen == self._progress.revision:
                self._fell_silent()
            fail(waiters, "the watch cache lags behind etcd")
        if self._lagging:
            loop.call_at(self._lagging[0][0], self._give_up)


def release(waiters: Sequence[Waiter]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def fail(waiters: Sequence[Waiter], why: str) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(errors.Unavailable(why))

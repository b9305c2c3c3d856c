# SPDX-License-Identifier: Apache-2.0
"""A queue of keys that need a look, as client-go's `util/workqueue`.

    add -> dirty, queued -> get: processing -> done
                                     |  add: dirty only
                                     '--> done: queued again

The queue holds identities, never states: whoever takes a key looks at the world as it is then.
Its length is bounded by the number of different keys.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pyk8s.client import backoff
from pyk8s.componentbase.metrics import Distribution, exponential

K = TypeVar("K", bound=Hashable)


class ShutDown(Exception):
    """The queue is shut down and empty: the worker goes home."""


# Upstream's buckets for both: 1 µs to 1000 s.
_SECONDS = exponential(1e-6, 10, 10)


@dataclass(slots=True)
class Statistics:
    """Totals since the queue was made. `retries` counts every delayed add, as upstream does;
    `queued_seconds` is from add to get, `worked_seconds` from get to done."""

    adds: int = 0
    retries: int = 0
    queued_seconds: Distribution = field(default_factory=lambda: Distribution(_SECONDS))
    worked_seconds: Distribution = field(default_factory=lambda: Distribution(_SECONDS))


class WorkQueue(Generic[K]):
    """Guarantees:

    - fair: keys leave in the order in which they were added;
    - stingy: a key added many times before it is taken leaves once;
    - one at a time: a key is never with two workers. Added again while with one, it is queued
      again when that one says done, so no change is missed;
    - delayed: a key that waits for several moments is added at the earliest;
    - after shut_down, adds are ignored, what is queued is still handed out, then get raises
      ShutDown.

    Not thread-safe: everything happens on one event loop.
    """

    def __init__(
        self,
        name: str = "",
        limiter: backoff.RateLimiter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._clock = clock
        self.statistics = Statistics()
        self._limiter = limiter or backoff.DefaultControllerLimiter()
        self._queue: deque[K] = deque()
        # With the moments at which they came here, for the statistics.
        self._dirty: dict[K, float] = {}
        self._processing: dict[K, float] = {}
        # With its moment, for a loop's handle does not always know it: uvloop makes a plain one of
        # a delay below its resolution.
        self._timers: dict[K, tuple[float, asyncio.Handle]] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._shutting_down = False
        self._drained = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait to be taken; delayed ones do not count."""
        return len(self._queue)

    @property
    def depth(self) -> int:
        """How many keys need a look: those that wait, and those that were added again while they
        are with a worker."""
        return len(self._dirty)

    def running_seconds(self) -> list[float]:
        """How long each key that is with a worker has been there."""
        now = self._clock()
        return [now - since for since in self._processing.values()]

    @property
    def is_shutting_down(self) -> bool:
        return self._shutting_down

    # --- adding

    def add(self, key: K) -> None:
        if self._shutting_down or key in self._dirty:
            return
        self.statistics.adds += 1
        self._dirty[key] = self._clock()
        if key not in self._processing:
            self._append(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Add the key once this time has passed; at once for none."""
        if self._shutting_down:
            return
        self.statistics.retries += 1
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        waiting = self._timers.get(key)
        if waiting is not None:
            if waiting[0] <= when:
                return
            waiting[1].cancel()
        self._timers[key] = (when, loop.call_at(when, self._due, key))

    def add_rate_limited(self, key: K) -> None:
        """Add the key when the limiter says so; counts one more failure of it."""
        self.add_after(key, self._limiter.delay_seconds(key))

    def forget(self, key: K) -> None:
        """The key is well again, or given up: its failures count from 0."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        return self._limiter.failures(key)

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def _append(self, key: K) -> None:
        self._queue.append(key)
        self._wake_one()

    # --- taking

    async def get(self) -> K:
        """The next key; the caller must say `done` of it. Raises ShutDown."""
        while not self._queue:
            if self._shutting_down:
                raise ShutDown
            await self._wait()
        key = self._queue.popleft()
        now = self._clock()
        self._processing[key] = now
        self.statistics.queued_seconds.observe(now - self._dirty.pop(key))
        return key

    async def _wait(self) -> None:
        getter = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            # Woken and cancelled at once: the key is another getter's to take.
            if getter.done() and not getter.cancelled() and self._queue:
                self._wake_one()
            raise
        finally:
            if getter in self._getters:
                self._getters.remove(getter)

    def done(self, key: K) -> None:
        """The caller of get is finished with the key, well or not."""
        since = self._processing.pop(key, None)
        if since is not None:
            self.statistics.worked_seconds.observe(self._clock() - since)
        if key in self._dirty:
            self._append(key)
        elif not self._processing and not self._queue:
            self._drained.set()

    def _wake_one(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    # --- the end

    def shut_down(self) -> None:
        self._shutting_down = True
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)
        self._getters.clear()

    async def shut_down_with_drain(self) -> None:
        """Shut down, and return once every key that was queued has been taken and done."""
        self.shut_down()
        self._drained.clear()
        if self._processing or self._queue:
            await self._drained.wait()

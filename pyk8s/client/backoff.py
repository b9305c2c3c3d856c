# SPDX-License-Identifier: Apache-2.0
"""How long to wait: request budgets and growing delays, on the clock of the running loop.

Figures are client-go's (`util/flowcontrol`, `util/workqueue`, `util/wait`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Hashable
from typing import Protocol


class TokenBucket:
    """At most `burst` at once and `qps` per second for ever. A `qps` of 0 or less: no limit.

    Callers are served in the order in which they reserved.
    """

    def __init__(self, qps: float, burst: int) -> None:
        self._qps = qps
        self._burst = float(burst)
        self._tokens = float(burst)
        self._updated_at = 0.0

    def reserve(self) -> float:
        """Take one token; how many seconds until it may be used."""
        if self._qps <= 0:
            return 0.0
        now = asyncio.get_running_loop().time()
        self._tokens = min(self._burst, self._tokens + (now - self._updated_at) * self._qps)
        self._updated_at = now
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._qps)

    def try_take(self) -> bool:
        """Take one token if there is one now."""
        if self.reserve() == 0.0:
            return True
        self._tokens += 1.0
        return False

    async def wait(self) -> None:
        if delay := self.reserve():
            await asyncio.sleep(delay)


class Backoff:
    """Delays that double from `first` to `most`, each stretched by up to `jitter` times itself;
    they start anew after `reset_after` seconds in which none was asked for."""

    def __init__(
        self, first: float, most: float, *, jitter: float = 1.0, reset_after: float = 120.0
    ) -> None:
        self._first = first
        self._most = most
        self._jitter = jitter
        self._reset_after = reset_after
        self._next = first
        self._asked_at = float("-inf")

    def next_seconds(self) -> float:
        now = asyncio.get_running_loop().time()
        if now - self._asked_at > self._reset_after:
            self._next = self._first
        self._asked_at = now
        delay = self._next
        self._next = min(self._most, delay * 2)
        return delay * (1 + self._jitter * random.random())

    async def wait(self) -> None:
        await asyncio.sleep(self.next_seconds())


class RateLimiter(Protocol):
    """When a key that failed may be tried again."""

    def delay_seconds(self, key: Hashable) -> float:
        """Counts one more failure of the key."""
        ...

    def forget(self, key: Hashable) -> None: ...

    def failures(self, key: Hashable) -> int: ...


class ExponentialFailure:
    """base, 2 base, 4 base … per key, up to a bound; nothing is shared between keys."""

    def __init__(self, base_seconds: float = 0.005, seconds_max: float = 1000.0) -> None:
        self._base = base_seconds
        self._max = seconds_max
        self._failures: dict[Hashable, int] = {}

    def delay_seconds(self, key: Hashable) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # Beyond 2^60 the power is far above any bound, and floats overflow at last.
        return min(self._base * 2.0 ** min(failures, 60), self._max)

    def forget(self, key: Hashable) -> None:
        self._failures.pop(key, None)

    def failures(self, key: Hashable) -> int:
        return self._failures.get(key, 0)


class DefaultControllerLimiter(ExponentialFailure):
    """Each key doubles from 5 ms to 1000 s, and all keys together retry 10 times a second with a
    burst of 100; the longer of the two counts."""

    def __init__(self, base_seconds: float = 0.005, seconds_max: float = 1000.0) -> None:
        super().__init__(base_seconds, seconds_max)
        self._bucket = TokenBucket(10.0, 100)

    def delay_seconds(self, key: Hashable) -> float:
        return max(super().delay_seconds(key), self._bucket.reserve())

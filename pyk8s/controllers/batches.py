# SPDX-License-Identifier: Apache-2.0
"""Many writes of one controller at once, and what becomes of those that fail.

Mirrors upstream's `slowStartBatch` in `pkg/controller/replicaset`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pyk8s.apimachinery import errors
from pyk8s.client import rest

# What a write may meet in a world where everything is as it should be.
FAILURES = (errors.StatusError, rest.ServerUnreachable)


async def slow_start(
    count: int, act: Callable[[], Awaitable[None]]
) -> tuple[int, Exception | None]:
    """Act `count` times, in batches of 1, 2, 4 … each at once, up to the first batch with a
    failure: what a quota refuses, it refuses a few times and not five hundred. Answers how often
    it was tried, and the failure."""
    tried, batch = 0, 1
    while tried < count:
        size = min(batch, count - tried)
        done = await asyncio.gather(*(act() for _ in range(size)), return_exceptions=True)
        tried += size
        if failure := first_failure(done):
            return tried, failure
        batch *= 2
    return tried, None


def first_failure(results: Sequence[object]) -> Exception | None:
    """Of what gather returned; raises what is no failure but a mistake."""
    found: Exception | None = None
    for result in results:
        if isinstance(result, BaseException):
            if not isinstance(result, FAILURES):
                raise result
            found = found or result
    return found

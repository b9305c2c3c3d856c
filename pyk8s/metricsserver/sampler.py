# SPDX-License-Identifier: Apache-2.0
"""Keeps samples fresh while somebody asks for them, and rests otherwise.

    asked after a rest -> two scrapes a second apart -> one every resolution -> not asked: rest

Samples from before a rest count no more: an average over hours would be true, and of no use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pyk8s.metricsserver.samples import Batch, Samples

_FIRST_GAP_SECONDS = 1.0
# Whoever asks once in so many resolutions never meets a rest.
_RESTS_AFTER = 5
# For how long a question waits for the first two samples, at most.
_WAIT_SECONDS_MAX = 10.0
# Upstream: how much of the resolution a scrape may take.
_SCRAPE_SHARE = 0.9

# (seconds it may take)
Scrape = Callable[[float], Awaitable[Batch]]


class Sampler:
    """`resolution` is in seconds. Runs on one event loop, by whose clock it goes."""

    def __init__(self, scrape: Scrape, resolution: float) -> None:
        self.samples = Samples(resolution)
        self._scrape = scrape
        self._resolution = resolution
        self._asked = asyncio.Event()
        self._warm = asyncio.Event()
        self._asked_at = 0.0
        self.last_scrape_failed = False

    async def fresh(self) -> Samples:
        """Samples to answer with. Waits for them after a rest, but not for ever: then nothing is
        known yet."""
        self._asked_at = asyncio.get_running_loop().time()
        self._asked.set()
        if not self._warm.is_set():
            try:
                async with asyncio.timeout(_WAIT_SECONDS_MAX):
                    await self._warm.wait()
            except TimeoutError:
                pass
        return self.samples

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._asked.wait()
            due = await self._warm_up()
            while loop.time() - self._asked_at < _RESTS_AFTER * self._resolution:
                await asyncio.sleep(due - loop.time())
                due = loop.time() + self._resolution
                await self._sample()
            self._asked.clear()
            self._warm.clear()
            self.samples.clear()

    async def _warm_up(self) -> float:
        """When the next sample is due."""
        loop = asyncio.get_running_loop()
        gap = min(_FIRST_GAP_SECONDS, self._resolution)
        await self._sample()
        await asyncio.sleep(gap)
        started = loop.time()
        await self._sample()
        self._warm.set()
        return started + self._resolution

    async def _sample(self) -> None:
        batch = await self._scrape(self._resolution * _SCRAPE_SHARE)
        self.last_scrape_failed = not batch.nodes
        self.samples.store(batch)

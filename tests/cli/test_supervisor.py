# SPDX-License-Identifier: Apache-2.0
"""Processes that are kept running, and the ones that are given up."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pyk8s.cli.supervisor import Component, GaveUp, keep_running


class Lives:
    """Something supervised that lives as long as it is told, then no more."""

    name = "thing"

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)
        self.started_at: list[float] = []

    async def start(self) -> None:
        self.started_at.append(asyncio.get_running_loop().time())

    async def wait(self) -> str:
        await asyncio.sleep(self._seconds.pop(0))
        return "status 1: why"

    async def stop(self) -> None: ...


@pytest.mark.looptime
async def test_started_again_with_growing_delay() -> None:
    """Each end in a row waits twice as long; after five it is given up."""
    thing, said = Lives(1, 1, 1, 1, 1), []
    begun = asyncio.get_running_loop().time()
    with pytest.raises(GaveUp, match="thing ended 5 times in a row, last with status 1: why"):
        await keep_running(thing, said.append)
    assert [at - begun for at in thing.started_at] == pytest.approx([1.1, 2.3, 3.7, 5.5])
    assert said == ["thing ended unexpectedly with status 1: why; starting it again"] * 4


@pytest.mark.looptime
async def test_end_after_a_long_life_is_the_first_again() -> None:
    """Who ran well in between is not given up."""
    thing = Lives(1, 1, 1, 1, 60, 1, 1, 1, 1, 60, float("inf"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await keep_running(thing, lambda text: None)
    assert len(thing.started_at) == 10


@pytest.fixture
async def child(tmp_path: Path) -> AsyncIterator[Callable[[str], Awaitable[Component]]]:
    started: list[Component] = []

    async def start(code: str, **more: float) -> Component:
        component = Component(
            name="child",
            command=(sys.executable, "-c", code),
            log_file=tmp_path / "log",
            ready_variable="READY_FD",
            **more,
        )
        started.append(component)
        await component.start()
        return component

    yield start
    for component in started:
        await component.stop()


READY = "import os, time; os.write(int(os.environ['READY_FD']), b'r');"


async def test_child_says_that_it_is_ready(child) -> None:
    """The byte arrives while the child lives on."""
    component = await child(READY + "time.sleep(60)")
    assert await component.wait_until_ready()


async def test_child_that_ends_first(child) -> None:
    """It never was ready, and its last line tells why it ended."""
    component = await child("import sys; sys.exit('no reason')")
    assert not await component.wait_until_ready()
    assert await component.wait() == "status 1: no reason"


async def test_stop_ends_a_child_that_does_not_listen(child) -> None:
    """SIGTERM first, SIGKILL for who ignores it."""
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    component = await child(ignore + READY + "time.sleep(60)", stop_seconds_max=0.05)
    assert await component.wait_until_ready()
    await component.stop()
    assert (await component.wait()).startswith("status -9")

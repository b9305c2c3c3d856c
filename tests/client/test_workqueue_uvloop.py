# SPDX-License-Identifier: Apache-2.0
"""The WorkQueue on the event loop that programs use, whose timers differ from asyncio's."""

from __future__ import annotations

import asyncio

import uvloop

from pyk8s.client.workqueue import WorkQueue


def test_a_delay_below_a_timers_resolution() -> None:
    """uvloop makes no timer of less than half a millisecond: the key still comes, once, and one
    more delay of it does no harm."""

    async def run() -> list[str]:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", 0.0001)
        queue.add_after("a", 10.0)
        queue.add_after("a", 0.00001)
        taken = [await queue.get()]
        queue.done("a")
        return taken + ["again"] * len(queue)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == ["a"]

# SPDX-License-Identifier: Apache-2.0
"""One run: churn beside a scheduler, then room for all, then the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hack.scheduling import checker, history, load
from pyk8s.client.client import Client

_NODES_FIRST = 8
# Then the scheduler has its say, for all of the churn would be over before it has started.
_STEPS_IN_A_ROW = 10
_SAY_SECONDS_MAX = 1.0
_SETTLE_SECONDS_MAX = 120.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """`pending` are pods that have room and no node."""

    violations: list[str]
    pending: list[str]
    bindings: int


async def play(
    client: Client, seed: int, steps: int, meanwhile: Callable[[int], Awaitable[None]]
) -> Verdict:
    """`meanwhile` is called after each step, with its number: to kill the scheduler, say. There
    have to be no nodes and pods yet, and none are left."""
    recorder = history.Recorder(client)
    await recorder.start()
    churn = load.Load(client, seed)
    try:
        await churn.begin(_NODES_FIRST)
        for number in range(steps):
            await churn.step()
            await meanwhile(number)
            if number % _STEPS_IN_A_ROW == 0:
                await _more_bindings(recorder, churn)
        await churn.make_room()
        pending = await _pending(recorder, churn)
    finally:
        changes = await recorder.stop()
        await churn.end()
    judged = checker.Checker(changes)
    return Verdict(judged.run(), pending, judged.bindings)


async def _more_bindings(recorder: history.Recorder, churn: load.Load) -> None:
    """Until one more pod has a node than now, or none waits, or nothing more seems to come."""
    loop = asyncio.get_running_loop()
    end, before = loop.time() + _SAY_SECONDS_MAX, set(recorder.bound())
    while loop.time() < end:
        bound = recorder.bound()
        if bound.keys() - before or all(name in bound for name in churn.pods):
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _pending(recorder: history.Recorder, churn: load.Load) -> list[str]:
    """Empty once every pod has a node."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _SETTLE_SECONDS_MAX
    while True:
        bound = recorder.bound()
        pending = [name for name in churn.pods if name not in bound]
        if not pending or loop.time() > end:
            return pending
        await asyncio.sleep(_POLL_SECONDS)

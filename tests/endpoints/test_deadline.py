# SPDX-License-Identifier: Apache-2.0
"""--request-timeout, in virtual time."""

from __future__ import annotations

import asyncio
import types

import looptime
import pytest

from pyk8s.apimachinery import errors
from pyk8s.endpoints import filters


def request(verb="get"):
    info = types.SimpleNamespace(verb=verb, subresource="")
    return types.SimpleNamespace(info=info)


async def run(handler, verb="get"):
    """The status code of the answer, and when it came."""
    try:
        await handler(request(verb))
    except errors.StatusError as error:
        return error.code, asyncio.get_running_loop().time()
    return 200, asyncio.get_running_loop().time()


def virtual(scenario):
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(scenario())


def test_request_that_takes_too_long_is_a_504():
    """Each from its own beginning; those in time are left alone."""

    async def handler(request):
        await asyncio.sleep(100)

    async def quick(request):
        await asyncio.sleep(9)

    async def scenario():
        deadline = filters.Deadline(10)
        slow, fast = deadline.filter(handler), deadline.filter(quick)
        first = asyncio.create_task(run(slow))
        await asyncio.sleep(4)
        second, third = asyncio.create_task(run(slow)), asyncio.create_task(run(fast))
        return [await first, await second, await third]

    assert virtual(scenario) == [(504, 10), (504, 14), (200, 13)]


def test_long_running_requests_have_no_deadline():
    """A watch lasts as long as it likes."""

    async def handler(request):
        await asyncio.sleep(100)

    async def scenario():
        return await run(filters.Deadline(10).filter(handler), "watch")

    assert virtual(scenario) == (200, 100)


def test_cancellation_is_not_taken_for_the_deadline():
    """A server that stops cancels its requests, and they end as cancelled."""

    async def handler(request):
        await asyncio.sleep(100)

    async def scenario():
        task = asyncio.create_task(run(filters.Deadline(10).filter(handler)))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.get_running_loop().time()

    assert virtual(scenario) == 1


def test_nothing_is_kept_of_what_has_ended():
    """Neither the requests nor, in the end, the timer."""

    async def handler(request):
        await asyncio.sleep(1)

    async def scenario():
        deadline = filters.Deadline(10)
        await asyncio.gather(*(run(deadline.filter(handler)) for _ in range(100)))
        held = len(deadline._due)
        await asyncio.sleep(10)
        return held, deadline._timer

    assert virtual(scenario) == (0, None)

# SPDX-License-Identifier: Apache-2.0
"""The promises of the work queue, each race by its name."""

from __future__ import annotations

import asyncio

import pytest

from pyk8s.client.backoff import ExponentialFailure, TokenBucket
from pyk8s.client.workqueue import ShutDown, WorkQueue

pytestmark = pytest.mark.looptime


async def soon(awaitable, seconds: float = 0.01):
    async with asyncio.timeout(seconds):
        return await awaitable


async def test_fair_and_stingy() -> None:
    """Keys leave in the order of their first add, once each."""
    queue: WorkQueue[str] = WorkQueue()
    for key in "abacba":
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]
    assert len(queue) == 0


async def test_added_while_processing_comes_again_after_done() -> None:
    """A key is never with two workers, and a change while it is with one is not missed."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    with pytest.raises(TimeoutError):
        await soon(queue.get())
    queue.done("a")
    assert await soon(queue.get()) == "a"
    queue.done("a")
    with pytest.raises(TimeoutError):
        await soon(queue.get())


async def test_done_without_add_does_not_come_again() -> None:
    """What nobody added since has been seen."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.done(await queue.get())
    assert len(queue) == 0


async def test_cancelled_getter_loses_no_key() -> None:
    """A getter that was woken and cancelled in one turn leaves the key to the next."""
    queue: WorkQueue[str] = WorkQueue()
    first, second = (asyncio.ensure_future(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await soon(second) == "a"
    await asyncio.wait({first})
    assert first.cancelled()


async def test_key_taken_before_the_woken_getter_runs() -> None:
    """The woken one waits on; nobody gets a key twice."""
    queue: WorkQueue[str] = WorkQueue()
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("b")
    assert await soon(waiting) == "b"


async def test_delayed_add_takes_the_earliest_moment() -> None:
    """Later and earlier wishes for one key become one add, at the earlier moment."""
    queue: WorkQueue[str] = WorkQueue()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 5)
    assert await queue.get() == "a"
    assert loop.time() - begun == pytest.approx(3)
    queue.done("a")
    with pytest.raises(TimeoutError):
        await soon(queue.get(), 20)


async def test_rate_limited_grows_until_forgotten() -> None:
    """5 ms, 10 ms, 20 ms; after forget 5 ms again."""
    queue: WorkQueue[str] = WorkQueue(limiter=ExponentialFailure())
    loop = asyncio.get_running_loop()
    waited = []
    for turn in range(4):
        if turn == 3:
            queue.forget("a")
        begun = loop.time()
        queue.add_rate_limited("a")
        queue.done(await queue.get())
        waited.append(loop.time() - begun)
    assert waited == pytest.approx([0.005, 0.01, 0.02, 0.005])
    assert queue.failures("a") == 1
    assert queue.statistics.retries == 4


async def test_statistics_tell_how_long_keys_wait_and_work() -> None:
    """From add to get, from get to done, and since when the keys at hand are with a worker; a key
    added again while it is with one waits from then on."""
    now = 0.0
    queue: WorkQueue[str] = WorkQueue(clock=lambda: now)
    statistics = queue.statistics
    queue.add("a")
    now = 3.0
    queue.add("a")
    assert await queue.get() == "a"
    assert statistics.queued_seconds.sum == 3.0
    now = 5.0
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "b"
    now = 8.0
    assert queue.running_seconds() == [5.0, 3.0]
    assert (len(queue), queue.depth) == (0, 1)
    queue.done("b")
    queue.done("a")
    assert (len(queue), queue.depth) == (1, 1)
    assert await queue.get() == "a"
    assert statistics.queued_seconds.sum == 3.0 + 0.0 + 3.0
    assert statistics.worked_seconds.sum == 3.0 + 5.0
    assert (statistics.adds, statistics.queued_seconds.count) == (3, 3)
    queue.done("a")
    assert (queue.depth, queue.running_seconds()) == (0, [])


async def test_shut_down_hands_out_what_is_queued() -> None:
    """Then get raises; what is added later, or was delayed, never comes."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add_after("late", 1)
    queue.shut_down()
    queue.add("b")
    assert await queue.get() == "a"
    with pytest.raises(ShutDown):
        await queue.get()
    await asyncio.sleep(2)
    assert len(queue) == 0


async def test_shut_down_wakes_who_waits() -> None:
    """No worker sleeps through the end."""
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.shut_down()
    done, pending = await asyncio.wait(workers, timeout=0.01)
    assert not pending
    assert all(isinstance(worker.exception(), ShutDown) for worker in done)


async def test_drain_waits_for_the_last_done() -> None:
    """Also for a key that was added again while it was worked on."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    draining = asyncio.ensure_future(queue.shut_down_with_drain())
    await asyncio.sleep(1)
    queue.done("a")
    await asyncio.sleep(1)
    assert not draining.done()
    queue.done(await queue.get())
    await soon(draining)


async def test_drain_of_an_idle_queue_returns_at_once() -> None:
    """There is nothing to wait for, also after earlier work."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.done(await queue.get())
    await soon(queue.shut_down_with_drain())


async def test_token_bucket() -> None:
    """A burst at once, then one each 1/qps; none without a rate."""
    bucket = TokenBucket(5, 3)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for _ in range(8):
        await bucket.wait()
    assert loop.time() - begun == pytest.approx(1.0)
    unlimited = TokenBucket(0, 0)
    assert [unlimited.reserve() for _ in range(1000)] == [0.0] * 1000

# SPDX-License-Identifier: Apache-2.0
"""Informers against a source with true revisions, on virtual time: each race by its name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from source import Source

from pyk8s.apimachinery import errors, meta
from pyk8s.client import informer as informers
from pyk8s.client.informer import DeletedFinalStateUnknown, Handler, SharedInformer

pytestmark = pytest.mark.looptime


class Told:
    """What a handler was told, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def handler(self, resync_seconds: float = 0.0) -> Handler:
        return Handler(
            on_add=lambda obj, initial: self._say("add", obj, " initial" if initial else ""),
            on_update=lambda before, obj: self._say("update", obj, ""),
            on_delete=self._deleted,
            resync_seconds=resync_seconds,
        )

    def _say(self, what: str, obj: dict, more: str) -> None:
        self.lines.append(f"{what} {meta.name(obj)}{more}")

    def _deleted(self, deleted: informers.Deleted) -> None:
        unknown = isinstance(deleted, DeletedFinalStateUnknown)
        self._say("delete", informers.last_known(deleted), " unknown" if unknown else "")


@contextlib.asynccontextmanager
async def running(source: Source, told: Told, **more) -> AsyncIterator[SharedInformer]:
    informer = SharedInformer(source, name="things", **more)
    informer.add_event_handler(told.handler())
    task = asyncio.ensure_future(informer.run())
    await informer.wait_until_synced()
    yield informer
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert all(stream.closed for stream in source.streams)


async def settle() -> None:
    await asyncio.sleep(0.1)


def names(informer: SharedInformer) -> list[str]:
    return sorted(name for _, name in informer.indexer)


@pytest.mark.parametrize("watch_list", [pytest.param(True, id="WatchList"), False])
async def test_everything_then_every_change(watch_list: bool) -> None:
    """What was there is told as initial, then each change once, in order."""
    source, told = Source(serves_watch_list=watch_list), Told()
    source.put("a")
    source.put("b")
    async with running(source, told) as informer:
        source.put("c")
        source.put("a", size=2)
        source.remove("b")
        await settle()
        assert names(informer) == ["a", "c"]
        assert informer.lister.get("a", "ns")["size"] == 2
        assert informer.last_resource_version == str(source.revision)
    assert told.lines == ["add a initial", "add b initial", "add c", "update a", "delete b"]


async def test_server_without_watch_list() -> None:
    """It is asked once, then LIST from the cache and WATCH from there."""
    source = Source(serves_watch_list=False)
    async with running(source, Told()):
        await settle()
    assert source.requests == ["watchlist ''", "list '0'", "watch '10'"]


async def test_stream_ends_and_is_resumed() -> None:
    """From the last revision seen: nothing is lost, nothing comes twice, nothing is listed."""
    source, told = Source(), Told()
    async with running(source, told):
        source.put("a")
        await settle()
        source.hang_up()
        source.put("b")
        source.remove("a")
        await asyncio.sleep(5)
    assert told.lines == ["add a", "add b", "delete a"]
    assert source.requests == ["watchlist ''", "watch '11'"]


async def test_bookmark_moves_the_start_of_the_next_watch() -> None:
    """A quiet resource whose old revisions are gone is not listed again."""
    source, told = Source(), Told()
    source.put("a")
    async with running(source, told):
        source.bookmark()
        await settle()
        source.compact()
        source.hang_up()
        source.put("b")
        await asyncio.sleep(5)
    assert told.lines == ["add a initial", "add b"]
    assert source.requests == ["watchlist ''", "watch '12'"]


async def test_delete_missed_during_an_outage() -> None:
    """410 means list again: what is gone is told with its last known state, what was made anew
    as an update, what did not change not at all."""
    source, told = Source(), Told()
    for name in ("gone", "reborn", "same"):
        source.put(name)
    async with running(source, told) as informer:
        source.hang_up()
        source.remove("gone")
        source.remove("reborn")
        source.put("reborn")
        source.put("new")
        source.compact()
        await asyncio.sleep(10)
        assert names(informer) == ["new", "reborn", "same"]
    initial = [f"add {name} initial" for name in ("gone", "reborn", "same")]
    assert told.lines == [*initial, "delete gone unknown", "update reborn", "add new"]
    assert source.requests[-1] == "watchlist ''"


async def test_unreachable_server_is_waited_out_without_a_list() -> None:
    """The watch goes on where it was."""
    source, told = Source(), Told()
    async with running(source, told):
        source.reachable = False
        source.hang_up()
        await asyncio.sleep(300)
        source.put("a")
        source.reachable = True
        await asyncio.sleep(70)
    assert told.lines == ["add a"]
    assert source.requests == ["watchlist ''", "watch '10'"]


@pytest.mark.parametrize("told", ["as an answer", "in the stream"])
async def test_busy_server_is_waited_out_without_a_list(told: str) -> None:
    """429: the watch goes on where it was, for a list would only add to the load."""
    source, seen = Source(), Told()
    async with running(source, seen):
        source.put("a")
        await settle()
        if told == "as an answer":
            source.refusals = [errors.too_many_requests("later"), errors.too_many_requests("later")]
            source.hang_up()
        else:
            source.fail(errors.too_many_requests("later"))
        source.put("b")
        await asyncio.sleep(30)
    assert seen.lines == ["add a", "add b"]
    asked = 3 if told == "as an answer" else 1
    assert source.requests == ["watchlist ''", *["watch '11'"] * asked]


async def test_failing_server_is_asked_for_all_again() -> None:
    """Who knows what it missed: the same state is told once, not twice."""
    source, told = Source(), Told()
    source.put("a")
    async with running(source, told):
        source.refusals = [errors.internal_error("oops")]
        source.hang_up()
        source.put("b")
        await asyncio.sleep(30)
    assert told.lines == ["add a initial", "add b"]
    assert source.requests == ["watchlist ''", "watch '11'", "watchlist '11'"]


async def test_watch_list_that_breaks_off_is_not_taken_for_all() -> None:
    """What had arrived is thrown away; nothing is told to be gone."""
    source, told = Source(), Told()
    for name in "abc":
        source.put(name)
    async with running(source, told) as informer:
        source.hang_up()
        source.put("d")
        source.compact()
        source.breaks_off_after = 1
        await asyncio.sleep(30)
        assert names(informer) == ["a", "b", "c", "d"]
    assert told.lines == ["add a initial", "add b initial", "add c initial", "add d"]
    assert source.requests.count("watchlist ''") == 3


async def test_server_that_is_behind_what_was_seen() -> None:
    """Restored from a backup, it does not know the last revision: its state is the truth."""
    source, told = Source(), Told()
    source.put("a")
    async with running(source, told) as informer:
        behind = errors.too_large_resource_version(11, 5)
        source.refusals = [errors.internal_error("restarting"), behind]
        source.remove("a")
        source.hang_up()
        await asyncio.sleep(30)
        assert names(informer) == []
    assert source.requests[-2:] == ["watchlist '12'", "watchlist ''"]


async def test_removed_handler_hears_no_more() -> None:
    """Neither changes nor resyncs."""
    source, told, again = Source(), Told(), Told()
    source.put("a")
    async with running(source, told) as informer:
        handler = again.handler(resync_seconds=10)
        informer.add_event_handler(handler)
        informer.remove_event_handler(handler)
        source.put("b")
        await asyncio.sleep(25)
    assert again.lines == ["add a initial"]
    assert told.lines == ["add a initial", "add b"]


async def test_server_that_is_not_there_yet() -> None:
    """The first list is tried until it comes."""
    source, told = Source(), Told()
    source.reachable = False
    informer = SharedInformer(source)
    task = asyncio.ensure_future(informer.run())
    await asyncio.sleep(60)
    assert not informer.has_synced
    source.reachable = True
    async with asyncio.timeout(70):
        await informer.wait_until_synced()
    task.cancel()
    await asyncio.wait({task})
    assert told.lines == []


async def test_very_short_watches_back_off() -> None:
    """A server that ends every watch at once is asked ever less often."""
    source = Source()
    async with running(source, Told()):
        source.ends_at_once = 1000
        source.hang_up()
        await asyncio.sleep(60)
    asked = source.requests.count("watch '10'")
    assert 2 <= asked <= 8


async def test_late_handler_is_told_what_is_there() -> None:
    """As added, then what changes; the first one is not told again."""
    source, first, late = Source(), Told(), Told()
    source.put("a")
    async with running(source, first) as informer:
        informer.add_event_handler(late.handler())
        source.put("b")
        await settle()
    assert late.lines == ["add a initial", "add b"]
    assert first.lines == ["add a initial", "add b"]


async def test_handler_that_raises_harms_nobody() -> None:
    """It is logged; the cache and the others have the news."""
    source, told = Source(), Told()
    async with running(source, told) as informer:

        def fail(obj: dict, initial: bool) -> None:
            raise ValueError("mine")

        informer.add_event_handler(Handler(on_add=fail))
        last = Told()
        informer.add_event_handler(last.handler())
        source.put("a")
        source.put("b")
        await settle()
        assert names(informer) == ["a", "b"]
    assert told.lines == last.lines == ["add a", "add b"]


async def test_resync_tells_again() -> None:
    """Only who asked, each period."""
    source, told, again = Source(), Told(), Told()
    source.put("a")
    async with running(source, told) as informer:
        informer.add_event_handler(again.handler(resync_seconds=10))
        await asyncio.sleep(25)
    assert again.lines == ["add a initial", "update a", "update a"]
    assert told.lines == ["add a initial"]


async def test_handler_sees_the_indexer_at_least_as_new() -> None:
    """What a handler is told of is in the Indexer already, or gone from it."""
    source, seen = Source(), []
    informer = SharedInformer(source)
    informer.add_event_handler(
        Handler(
            on_add=lambda obj, _: seen.append(("ns", "a") in informer.indexer),
            on_delete=lambda _: seen.append(("ns", "a") in informer.indexer),
        )
    )
    task = asyncio.ensure_future(informer.run())
    await informer.wait_until_synced()
    source.put("a")
    source.remove("a")
    await settle()
    task.cancel()
    await asyncio.wait({task})
    assert seen == [True, False]


async def test_changed_cache_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the switch in the environment the informer ends with who did what."""
    monkeypatch.setenv(informers.MUTATION_DETECTOR, "true")
    source = Source()
    source.put("a", size=1)
    informer = SharedInformer(source)
    task = asyncio.ensure_future(informer.run())
    await informer.wait_until_synced()
    informer.lister.get("a", "ns")["size"] = 2
    await asyncio.wait({task}, timeout=5)
    with pytest.raises(ExceptionGroup) as caught:
        task.result()
    assert caught.group_contains(informers.CacheMutated, match="cached object was changed")

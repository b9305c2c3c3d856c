# SPDX-License-Identifier: Apache-2.0
"""Races inside one cache, played out step by step without etcd; and its building blocks."""

from __future__ import annotations

import asyncio
import random

import pytest

from pyk8s.apimachinery import codec
from pyk8s.storage import encoding, errors, paging, watchplan
from pyk8s.storage.cacher import history
from pyk8s.storage.cacher.contents import KeyOrder
from pyk8s.storage.cacher.progress import Progress
from pyk8s.storage.cacher.watch_cache import WatchCache
from pyk8s.storage.etcd.keyspace import KeyValue
from pyk8s.storage.interface import EVERYTHING, WatchOptions

PREFIX = "/registry/pods/"


class Game:
    """A WatchCache, and the moves that a feed and writers make."""

    def __init__(self, config, backlog=8192):
        self.progress = Progress()
        self.cache = WatchCache(config, self.progress, backlog)
        self.cache.begin_loading()

    def value(self, name, **labels):
        metadata = {"name": name, "namespace": "ns", "labels": labels}
        return encoding.encode({"kind": "Pod", "apiVersion": "v1", "metadata": metadata})

    def event(self, revision, name, **labels):
        self.cache.apply(f"{PREFIX}ns/{name}", self.value(name, **labels), revision)
        self.progress.advance(revision)

    def deletion(self, revision, name):
        self.cache.apply(f"{PREFIX}ns/{name}", None, revision)
        self.progress.advance(revision)

    def page(self, *found):
        self.cache.add_loaded(
            [KeyValue(f"{PREFIX}ns/{name}", self.value(name), at) for name, at in found]
        )

    def written(self, revision, name, **labels):
        """The answer to a write arrives."""
        stored = self.value(name, **labels)
        key = f"{PREFIX}ns/{name}"
        return self.cache.written(key, stored, codec.decode_json(stored), revision)

    def expected(self, name, **labels):
        """A write is on its way."""
        stored = self.value(name, **labels)
        self.cache.expect(f"{PREFIX}ns/{name}", stored, codec.decode_json(stored))

    def listed(self):
        plan = paging.ListPlan(prefix=PREFIX, start=PREFIX)
        return {
            item.object()["metadata"]["name"]: item.revision
            for item in self.cache.list(plan, "", EVERYTHING).items
        }

    def watch(self, after):
        plan = watchplan.WatchPlan(sends_state=False, after=after)
        return self.cache.watch(plan, WatchOptions())


@pytest.fixture
def game(cached_pods):
    import dataclasses

    return Game(dataclasses.replace(cached_pods.config, key_prefix=PREFIX))


@pytest.fixture
def ready(game):
    """A game whose cache is loaded and empty, at revision 10."""
    game.progress.advance(10)
    game.cache.finish_loading(10)
    return game


async def test_a_delete_during_the_first_read_counts(game):
    """An object read at 10 and deleted at 12, before the reading ends, is not there."""
    game.progress.advance(10)
    game.page(("a", 5), ("b", 6))
    game.deletion(12, "a")
    game.cache.finish_loading(10)
    assert game.listed() == {"b": 6}
    assert game.cache.revision == 12


async def test_a_delete_before_the_read_does_not_count(game):
    """A deletion at 8 that arrives late does not remove what was created again by 10."""
    game.page(("a", 9))
    game.deletion(8, "a")
    game.event(9, "a")
    game.progress.advance(10)
    game.cache.finish_loading(10)
    assert game.listed() == {"a": 9}


async def test_changes_during_the_read_lie_over_it(game):
    """Created, changed and deleted while the pages come in: the newest state counts."""
    game.event(11, "new")
    game.page(("a", 5))
    game.event(12, "a", x="1")
    game.event(13, "gone")
    game.page(("b", 6))
    game.deletion(14, "gone")
    game.cache.finish_loading(10)
    assert game.listed() == {"a": 12, "b": 6, "new": 11}


async def test_a_cache_that_loads_again_answers_from_before(ready):
    """While history is re-read, what may be old comes from the last whole state, at its
    revision; the new state replaces it in one step."""
    ready.event(11, "a")
    watcher = ready.watch(10)
    ready.cache.begin_loading()
    assert not await watcher.next_batch()
    ready.progress.reset(20)
    ready.event(21, "c")
    assert ready.listed() == {"a": 11}
    assert ready.cache.revision == 11
    ready.page(("b", 15))
    ready.cache.finish_loading(20)
    assert ready.listed() == {"b": 15, "c": 21}
    assert ready.cache.revision == 21
    with pytest.raises(errors.ResourceExpired, match=r"too old resource version: 11 \(21\)"):
        ready.watch(11)


async def test_an_event_before_the_writes_answer(ready):
    """The event is quicker than the answer: the writer gets the cached instance."""
    ready.event(11, "a")
    item = ready.written(11, "a")
    assert item is ready.cache.get(f"{PREFIX}ns/a")
    assert not ready.cache._written


async def test_an_expected_event_before_the_answer(ready):
    """What is about to be written is recognised by its bytes; another value is not."""
    ready.expected("a", x="mine")
    ready.event(11, "a", x="theirs")
    assert ready.cache.get(f"{PREFIX}ns/a").object()["metadata"]["labels"] == {"x": "theirs"}
    ready.event(12, "a", x="mine")
    cached = ready.cache.get(f"{PREFIX}ns/a")
    assert cached.object()["metadata"]["labels"] == {"x": "mine"}
    assert ready.written(12, "a", x="mine") is cached


async def test_an_answer_before_its_event(ready):
    """The answer is quicker than the event: the cache takes the writer's instance."""
    item = ready.written(11, "a")
    assert ready.cache.get(item.key) is None
    assert ready.cache.newest(item.key) is item
    ready.event(11, "a")
    assert ready.cache.get(item.key) is item
    assert not ready.cache._written


async def test_an_answer_overtaken_by_two_events(ready):
    """The object changed again before the answer came: the newer state stays."""
    ready.event(11, "a")
    ready.event(12, "a", x="1")
    item = ready.written(11, "a")
    assert item.revision == 11
    assert ready.listed() == {"a": 12}
    assert not ready.cache._written


async def test_two_answers_before_their_events(ready):
    """Both writes are known; the events take their place one after the other."""
    ready.written(11, "a")
    second = ready.written(12, "a", x="1")
    assert ready.cache.newest(second.key) is second
    ready.event(11, "a")
    assert ready.cache.newest(second.key) is second
    ready.event(12, "a", x="1")
    assert ready.cache.get(second.key) is second
    assert not ready.cache._written


async def test_an_answer_after_the_deletion(ready):
    """Created and deleted before the answer came: nothing is left behind."""
    ready.event(11, "a")
    ready.deletion(12, "a")
    ready.written(11, "a")
    assert ready.cache.newest(f"{PREFIX}ns/a") is None
    assert not ready.cache._written


async def test_a_watcher_ended_while_dispatching(cached_pods):
    """The last reader of a channel turns out too slow in the middle of a dispatch: the other
    channels still get the event."""
    import dataclasses

    game = Game(dataclasses.replace(cached_pods.config, key_prefix=PREFIX), backlog=3)
    game.progress.advance(10)
    game.cache.finish_loading(10)
    plan = watchplan.WatchPlan(sends_state=False, after=10)
    slow = game.cache.watch(plan, WatchOptions(namespace="ns"))
    quick = game.cache.watch(plan, WatchOptions(predicate=cached_pods.select("!none")))
    for revision in range(11, 21):
        game.event(revision, f"p{revision}")
        assert [event.revision for event in await quick.next_batch()] == [revision]
    assert not await slow.next_batch()


class Client:
    """An outlet, and the task that reads the same watcher; both note revisions in one list."""

    def __init__(self, watcher):
        self.is_open = True
        self.fault = None
        self.batches = []
        self.seen = []
        self.by_task = []
        watcher.pass_to(self)
        self.task = asyncio.create_task(self.read(watcher))

    def put(self, batch):
        assert self.is_open
        if self.fault is not None:
            raise self.fault
        self.batches.append(batch)
        self.seen += [event.revision for event in batch]

    async def read(self, watcher):
        while batch := await watcher.next_batch():
            revisions = [event.revision for event in batch]
            self.seen += revisions
            self.by_task += revisions


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_outlet_that_closes_and_opens_again(ready):
    """What comes while the client is slow goes by its task, what comes else by the outlet: each
    event once and in order, wherever it changes."""
    watcher = ready.watch(after=10)
    client = Client(watcher)
    chance = random.Random(3)
    for revision in range(11, 200):
        client.is_open = chance.random() < 0.5
        ready.event(revision, f"p{revision % 7}")
        if chance.random() < 0.4:
            await asyncio.sleep(0)
    await turns()
    assert client.seen == list(range(11, 200))
    assert 0 < len(client.by_task) < len(client.seen)
    watcher.close()
    await client.task


async def test_watchers_that_keep_up_share_a_batch(ready):
    """What came at once leaves at once, as the same instance for all; who came later, or lags,
    gets his own."""
    watchers = [ready.watch(after=10) for _ in range(2)]
    clients = [Client(watcher) for watcher in watchers]
    slow = ready.watch(after=10)
    await turns()
    ready.event(11, "a")
    ready.event(12, "b")
    late = ready.watch(after=12)
    later = Client(late)
    await turns()
    ready.event(13, "c")
    await turns()
    assert [len(batch) for batch in clients[0].batches] == [2, 1]
    for one, other in zip(clients[0].batches, clients[1].batches, strict=True):
        assert one is other
    assert later.seen == [13]
    assert [event.revision for event in await slow.next_batch()] == [11, 12, 13]
    for watcher in (*watchers, slow, late):
        watcher.close()
    for client in (*clients, later):
        await client.task


async def test_a_watcher_closed_between_the_event_and_its_waking(ready):
    """It gets nothing more, its reader ends, and the bookmark claims no more than was sent."""
    watcher = ready.watch(after=10)
    client = Client(watcher)
    await turns()
    ready.event(11, "a")
    assert watcher.bookmark_revision() == 10
    watcher.close()
    await client.task
    assert client.seen == []


async def test_a_fault_in_an_outlet_is_its_readers_alone(ready):
    """What cannot be encoded ends the watch it is for, and no other."""
    broken, other = ready.watch(after=10), ready.watch(after=10)
    first, second = Client(broken), Client(other)
    await turns()
    first.fault = ValueError("not to be encoded")
    ready.event(11, "a")
    with pytest.raises(ValueError, match="not to be encoded"):
        await first.task
    ready.event(12, "b")
    await turns()
    assert second.seen == [11, 12]
    broken.close()
    other.close()
    await second.task


async def test_a_deletion_of_several_keys_in_one_revision(ready):
    """A lease takes its objects with it in one transaction: each deletion is an event."""
    ready.event(11, "a")
    ready.event(12, "b")
    watcher = ready.watch(12)
    for name in "ab":
        ready.cache.apply(f"{PREFIX}ns/{name}", None, 13)
    ready.progress.advance(13)
    events = await watcher.next_batch()
    assert [(event.type, event.revision) for event in events] == [("DELETED", 13), ("DELETED", 13)]
    assert ready.listed() == {}
    replayed = await ready.watch(12).next_batch()
    assert [event.item.data for event in replayed] == [event.item.data for event in events]


def test_key_order_against_a_set():
    """Any mix of adding, removing and asking gives the keys in order."""
    chance = random.Random(7)
    order, model = KeyOrder(), set()
    for _ in range(5000):
        key = f"k{chance.randrange(60)}"
        if key in model:
            model.remove(key)
            order.remove(key)
        else:
            model.add(key)
            order.add(key)
        assert len(order) == len(model)
        if chance.random() < 0.1:
            assert list(order.in_order()) == sorted(model)


def change(revision):
    return history.Change(f"k{revision}", revision, None, None)


def test_history_keeps_what_is_recent(monkeypatch):
    """Changes stay for 75 seconds, however many; after that the last hundred at the least."""
    now = 0.0
    monkeypatch.setattr(history.time, "monotonic", lambda: now)
    kept = history.History(0)
    for revision in range(1, 1001):
        now = revision / 100
        kept.append(change(revision))
    assert len(kept.since(0)) == 1000
    for revision in range(1001, 1400):
        now = revision
        kept.append(change(revision))
    oldest = kept.since(1399 - 100)[0].revision
    assert oldest == 1300
    with pytest.raises(errors.ResourceExpired):
        kept.since(1000)


def test_history_is_bounded(monkeypatch):
    """However quick the changes come, no more are kept than the largest ring of upstream, and a
    quarter."""
    monkeypatch.setattr(history, "CHANGES_MAX", 1000)
    kept = history.History(0)
    for revision in range(1, 5001):
        kept.append(change(revision))
    assert 1000 <= len(kept.since(4000)) + 0 <= 1250
    with pytest.raises(errors.ResourceExpired, match="too old resource version: 3000"):
        kept.since(3000)


def test_history_is_cut_between_revisions():
    """A revision of which a part was dropped cannot be resumed from before it."""
    kept = history.History(0)
    kept._start = 5
    kept.append(change(6))
    assert [c.revision for c in kept.since(5)] == [6]
    assert list(kept.since(6)) == []
    with pytest.raises(errors.ResourceExpired):
        kept.since(4)

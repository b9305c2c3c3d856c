# SPDX-License-Identifier: Apache-2.0
"""What the cacher promises beyond the contract: sharing, bounds, late resources, bookmarks."""

from __future__ import annotations

import asyncio

import pytest

from pyk8s.storage import errors
from pyk8s.storage.cacher.store import Cacher


async def test_readers_share_probes(cached_pods):
    """A hundred linearizable reads at once cost two round trips to etcd, not a hundred."""
    await cached_pods.create("a")
    freshness = cached_pods.backend.freshness
    before = freshness.probes
    await asyncio.gather(*(cached_pods.get("a") for _ in range(100)))
    assert freshness.probes - before <= 2


async def test_what_may_be_old_costs_no_probe(cached_pods):
    """resourceVersion 0 and one already reached are answered from memory."""
    item = await cached_pods.create("a")
    await cached_pods.settle()
    before = cached_pods.backend.freshness.probes
    await cached_pods.get("a", version="0")
    await cached_pods.get("a", version=str(item.revision))
    await cached_pods.list(resource_version="0")
    assert cached_pods.backend.freshness.probes == before


async def test_one_event_is_shared_by_all_who_see_it_alike(cached_pods):
    """Watchers of different selections get the same instance, with its encodings."""
    watches = [
        await cached_pods.watch(),
        await cached_pods.watch(),
        await cached_pods.watch("default"),
        await cached_pods.watch(selector="app=x"),
        await cached_pods.watch(fields="spec.nodeName=n1"),
        await cached_pods.watch("default", fields="metadata.name=a"),
    ]
    await cached_pods.create("a", node="n1", labels={"app": "x"})
    events = [await watch.event() for watch in watches]
    for watch in watches:
        watch.close()
    assert len({id(event) for event in events}) == 1


async def test_a_write_hands_its_item_to_cache_and_watchers(cached_pods):
    """The Item a write answers with is the one that the cache and the event hold."""
    watch = await cached_pods.watch()
    created = await cached_pods.create("a")
    assert (await cached_pods.get("a")) is created
    updated = await cached_pods.relabel("a", x="y")
    assert (await cached_pods.list()).items[0] is updated
    assert [event.item for event in await watch.events(2)] == [created, updated]
    watch.close()


async def test_an_update_starts_from_the_write_before_it(cached_pods):
    """Writes of this process in a row need no retry, even when the feed lags behind."""
    await cached_pods.create("a")
    calls = 0

    def count(obj):
        nonlocal calls
        calls += 1
        obj["metadata"]["labels"] = {"n": str(calls)}

    for _ in range(30):
        await cached_pods.update("a", count)
    assert calls == 30


async def test_a_stale_start_is_corrected(cached_pods, near_pods):
    """An update that begins with what another server has just changed ends with both changes."""
    await cached_pods.create("a", annotations={})
    for n in range(10):
        await near_pods.update(
            "a", lambda obj, n=n: obj["metadata"]["annotations"].update({f"near{n}": ""})
        )
        await cached_pods.update(
            "a", lambda obj, n=n: obj["metadata"]["annotations"].update({f"far{n}": ""})
        )
    assert len((await near_pods.get("a")).object()["metadata"]["annotations"]) == 20


async def test_a_verdict_on_stale_state_is_not_final(cached_pods, near_pods):
    """An update function that refuses the cached state is asked again about the fresh one."""
    await cached_pods.create("a", labels={"ready": "no"})
    for _ in range(10):
        await near_pods.relabel("a", ready="yes")

        async def demand_ready(item):
            obj = item.object()
            if obj["metadata"]["labels"]["ready"] != "yes":
                raise ValueError("not ready")
            obj["metadata"]["labels"]["ready"] = "no"
            return obj

        await cached_pods.storage.guaranteed_update(cached_pods.key("a"), demand_ready)


async def test_a_slow_watcher_is_ended_and_can_come_back(etcd_options, cached_pods):
    """A watcher that lags too far behind is ended, not skipped; the others are not disturbed,
    and it resumes without a loss from the last revision it saw."""
    backend = Cacher(etcd_options, backlog=20)
    pods = type(cached_pods)(backend, etcd_options.prefix)
    await backend.start()
    slow, quick, alone = await pods.watch(), await pods.watch(), await pods.watch(selector="!x")
    await pods.create("first")
    last_seen = (await slow.event()).revision
    for n in range(40):
        await pods.create(f"p{n}")
        await quick.event()
    await pods.settle()
    assert not await slow.watcher.next_batch()
    assert not await alone.watcher.next_batch()
    again = await pods.watch(version=str(last_seen))
    assert await again.seen(40) == [("ADDED", f"p{n}") for n in range(40)]
    await pods.create("last")
    assert await quick.seen(2) == [("ADDED", "p39"), ("ADDED", "last")]
    await backend.stop()


async def test_a_batch_is_bounded_and_the_rest_follows(cached_pods, monkeypatch):
    """Many pending events come in several batches, in order."""
    monkeypatch.setattr("pyk8s.storage.cacher.watcher.BATCH_EVENTS_MAX", 3)
    for n in range(5):
        await cached_pods.create(f"a{n}")
    watch = await cached_pods.watch(version="")
    for n in range(5):
        await cached_pods.create(f"b{n}")
    await cached_pods.settle()
    sizes = [len(await watch.watcher.next_batch()) for _ in range(4)]
    watch.close()
    assert sizes == [3, 2, 3, 2]


async def test_bookmarks_come_periodically(cached_pods, monkeypatch):
    """Who allows bookmarks gets them while nothing happens, with the current revision."""
    monkeypatch.setattr("pyk8s.storage.cacher.watcher.BOOKMARK_SECONDS", 0.02)
    watch = await cached_pods.watch(allow_bookmarks=True)
    silent = await cached_pods.watch()
    other = type(cached_pods)(
        cached_pods.backend, cached_pods.config.key_prefix.replace("/pods/", "/other")
    )
    written = await other.create("a")
    async with asyncio.timeout(5):
        event = await watch.event()
        while event.revision < written.revision:
            event = await watch.event()
    assert (event.type, event.item, event.initial_events_end) == ("BOOKMARK", None, False)
    await cached_pods.create("b")
    assert await silent.seen(1) == [("ADDED", "b")]
    watch.close()
    silent.close()


async def test_a_bookmark_never_runs_ahead(cached_pods):
    """Before everything was handed out the bookmark revision is that of what was."""
    first = await cached_pods.create("a")
    await cached_pods.create("b")
    await cached_pods.settle()
    watch = await cached_pods.watch(version="")
    assert watch.watcher.bookmark_revision() == 0
    await watch.events(2)
    assert watch.watcher.bookmark_revision() > first.revision
    third = await cached_pods.create("c")
    await cached_pods.settle()
    assert watch.watcher.bookmark_revision() < third.revision
    await watch.event()
    assert watch.watcher.bookmark_revision() >= third.revision
    watch.close()


async def test_a_resource_registered_late_joins_without_a_gap(cached_pods, near_pods):
    """Objects written before, while and after a resource is registered are all there, and its
    watches see each change after their start once."""
    late = cached_pods.config.key_prefix.replace("/pods/", "/late")
    elsewhere = type(near_pods)(near_pods.backend, late)

    async def write():
        for n in range(60):
            await elsewhere.create(f"p{n:02}")

    writing = asyncio.create_task(write())
    await near_pods.create("x")
    pods = type(cached_pods)(cached_pods.backend, late)
    watch = await pods.watch(version="")
    await writing
    events = await watch.seen(60)
    assert sorted(events) == [("ADDED", f"p{n:02}") for n in range(60)]
    assert len((await pods.list()).items) == 60
    watch.close()


async def test_a_forgotten_resource_ends_its_watches(cached_pods):
    """forget ends watches and gives memory back; registered again, the objects are read anew."""
    await cached_pods.create("a")
    watch = await cached_pods.watch()
    cached_pods.backend.forget(cached_pods.config.key_prefix)
    assert await watch.ended()
    again = cached_pods.backend.storage_for(cached_pods.config)
    assert again is not cached_pods.storage
    assert again is cached_pods.backend.storage_for(cached_pods.config)
    assert (await again.get(cached_pods.key("a"))).revision > 0


async def test_synced_means_loaded(etcd_options, cached_pods):
    """A backend is synced from the end of its start until its stop."""
    backend = Cacher(etcd_options)
    pods = type(cached_pods)(backend, etcd_options.prefix)
    assert not backend.synced
    await backend.start()
    assert backend.synced
    watch = await pods.watch()
    await backend.stop()
    assert not backend.synced
    assert await watch.ended()


async def test_dropped_watchers_leave_nothing_behind(cached_pods):
    """A thousand watchers that come and go, in the middle of a read or not, leave no channel."""
    await cached_pods.create("a")
    for n in range(1000):
        watch = await cached_pods.watch(selector=f"app=x{n % 3}", allow_bookmarks=n % 2 == 0)
        if n % 5 == 0:
            reading = asyncio.create_task(watch.watcher.next_batch())
            await asyncio.sleep(0)
            reading.cancel()
        watch.close()
    channels = cached_pods.storage._cache._channels
    assert not channels._by_selection
    assert not channels._by_address


async def test_a_future_wait_ends_when_the_revision_comes(cached_pods, near_pods):
    """A read not older than N waits for N, and is answered as soon as it is there."""
    current = (await cached_pods.list()).revision
    reading = asyncio.create_task(cached_pods.list(resource_version=str(current + 1)))
    await asyncio.sleep(0)
    assert not reading.done()
    await near_pods.create("a")
    assert cached_pods.names((await reading).items) == ["a"]


@pytest.mark.usefixtures("impatient")
async def test_a_feed_that_lags_fails_readers(cached_pods, near_pods):
    """When etcd's changes do not arrive, a linearizable read ends as Unavailable."""
    cached_pods.backend.feed._following.cancel()
    await near_pods.create("a")
    with pytest.raises(errors.Unavailable, match="lags behind"):
        await cached_pods.list()
    assert not cached_pods.backend.synced

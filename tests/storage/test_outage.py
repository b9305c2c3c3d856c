# SPDX-License-Identifier: Apache-2.0
"""What etcd's absence looks like from above: errors that say what is known, and no step back."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from pyk8s.storage import cacher, errors
from pyk8s.storage.etcd.client import Client
from pyk8s.storage.etcd.keyspace import Keyspace


async def until_served(pods, name):
    """The object, as soon as it can be had again."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await pods.get(name)
            except errors.Unavailable:
                await asyncio.sleep(0.01)


async def test_reads_fail_without_etcd_and_come_back(distant_pods, way):
    """Linearizable reads and writes fail as Unavailable; what may be old is still served; and
    all of it works again once etcd is back."""
    pods = distant_pods
    item = await pods.create("a")
    await pods.settle()
    await way.cut()
    async with asyncio.timeout(5):
        for attempt in (pods.get("a"), pods.list(), pods.create("b"), pods.watch(version="")):
            with pytest.raises((errors.Unavailable, errors.OutcomeUnknown)):
                await attempt
        with pytest.raises(errors.Unavailable):
            await pods.backend.check()
    assert (await pods.get("a", version="0")).data == item.data
    assert pods.names((await pods.list(resource_version="0")).items) == ["a"]
    await way.mend()
    assert (await until_served(pods, "a")).data == item.data
    await pods.create("b")
    assert pods.names((await pods.list()).items) == ["a", "b"]


async def test_a_watch_outlives_a_broken_connection(distant_pods, near_pods, way):
    """A watch goes on after the connection was lost, with what was written meanwhile."""
    pods = distant_pods
    watch = await pods.watch()
    await pods.create("a")
    assert await watch.seen(1) == [("ADDED", "a")]
    await way.cut()
    await near_pods.create("b")
    await near_pods.delete("a")
    await way.mend()
    assert await watch.seen(2) == [("ADDED", "b"), ("DELETED", "a")]
    watch.close()


async def test_a_write_cut_off_has_an_unknown_outcome(distant_pods, near_pods, way):
    """A connection that breaks between request and answer: OutcomeUnknown, and the write may
    well be there."""
    await distant_pods.create("before")
    way.answers.clear()
    creating = asyncio.create_task(distant_pods.create("a"))
    watch = await near_pods.watch()
    assert ("ADDED", "a") in await watch.seen(2)
    watch.close()
    await way.cut()
    with pytest.raises(errors.OutcomeUnknown):
        await creating
    assert (await near_pods.get("a")).revision > 0


async def test_history_compacted_while_away(distant_pods, near_pods, way):
    """What was missed is compacted away: watches end, reads show the new state at a higher
    revision, and a watch from before is refused."""
    pods = distant_pods
    before = await pods.create("a")
    await pods.create("b")
    seen = (await pods.list()).revision
    watch = await pods.watch()
    await watch.seen(2)
    await way.cut()
    await near_pods.delete("a")
    last = await near_pods.create("c")
    await near_pods.backend._keyspace.compact(last.revision)
    await way.mend()
    assert await watch.ended()
    await until_served(pods, "c")
    listed = await pods.list(resource_version="0")
    assert pods.names(listed.items) == ["b", "c"]
    assert listed.revision >= last.revision > seen
    with pytest.raises(errors.ResourceExpired, match="too old resource version"):
        await pods.watch(version=str(before.revision))
    fresh = await pods.watch(version=str(listed.revision))
    await pods.create("d")
    assert await fresh.seen(1) == [("ADDED", "d")]
    fresh.close()


async def test_reads_never_step_back_while_starting_over(distant_pods, near_pods, way):
    """Read all along an outage with compaction: revisions of lists only grow."""
    pods = distant_pods
    await pods.create("a")
    revisions = []
    stop = asyncio.Event()

    async def read():
        while not stop.is_set():
            revisions.append((await pods.list(resource_version="0")).revision)
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    await way.cut()
    last = await near_pods.create("b")
    await near_pods.backend._keyspace.compact(last.revision)
    await way.mend()
    await until_served(pods, "b")
    stop.set()
    await reading
    assert revisions == sorted(revisions)
    assert revisions[-1] >= last.revision


async def test_an_endpoint_that_is_down_is_passed_over(etcd_options, tmp_path):
    """With several endpoints, one that does not answer costs a failed attempt, not the call."""
    servers = (f"unix://{tmp_path}/nobody", *etcd_options.servers)
    backend = cacher.open(dataclasses.replace(etcd_options, servers=servers))
    await backend.start()
    await backend.check()
    await backend.stop()


async def test_start_without_etcd_fails_and_can_be_repeated(etcd_options, way):
    """start raises Unavailable when nobody answers, and succeeds later on."""
    backend = cacher.open(dataclasses.replace(etcd_options, servers=(way.url,)))
    await way.cut()
    with pytest.raises(errors.Unavailable):
        await backend.start()
    assert not backend.synced
    await way.mend()
    async with asyncio.timeout(5):
        while not backend.synced:
            try:
                await backend.start()
            except errors.Unavailable:
                await asyncio.sleep(0.01)
    await backend.stop()


async def test_an_etcd_that_does_not_answer_is_not_waited_for(etcd_options, way):
    """A call ends within its timeout when the connection stands but no answer comes."""
    client = Client(dataclasses.replace(etcd_options, servers=(way.url,)), timeout_seconds=0.2)
    keyspace = Keyspace(client)
    await keyspace.revision()
    way.answers.clear()
    with pytest.raises(errors.Unavailable):
        await keyspace.revision()
    with pytest.raises(errors.OutcomeUnknown):
        await keyspace.put_if(f"{etcd_options.prefix}/x", b"", revision=0)
    await client.close()


async def test_an_etcd_that_went_back_in_time(distant_pods):
    """A linearizable revision before one already seen ends all watches and loads anew."""
    pods = distant_pods
    await pods.create("a")
    watch = await pods.watch(version="")
    await watch.event()
    backend = pods.backend
    backend.progress.revision += 1000
    ahead = backend.progress.revision
    with pytest.raises(errors.Unavailable, match="went back in time"):
        await pods.get("a")
    assert await watch.ended()
    await until_served(pods, "a")
    assert backend.progress.revision < ahead
    await pods.create("b")
    assert pods.names((await pods.list()).items) == ["a", "b"]


async def test_stop_releases_whoever_waits(etcd_options, way):
    """Stopping ends watches cleanly and fails readers that wait for etcd."""
    backend = cacher.open(dataclasses.replace(etcd_options, servers=(way.url,)))
    await backend.start()
    way.answers.clear()
    checking = asyncio.create_task(backend.freshness.wait())
    await asyncio.sleep(0)
    await backend.stop()
    with pytest.raises(errors.Unavailable):
        await checking


async def test_a_watch_that_falls_silent(distant_pods, near_pods, impatient):
    """etcd answers, but the changes do not come: readers are told, and the watch is opened anew;
    what it missed comes then, in order and once."""
    pods = distant_pods
    await pods.create("a")
    watch = await pods.watch()
    assert await watch.seen(1) == [("ADDED", "a")]
    answers = pods.backend.feed._stream._answers
    # From here on its messages go nowhere.
    del answers._connection._streams[answers.identity]
    await near_pods.create("b")
    await near_pods.create("c")
    with pytest.raises(errors.Unavailable, match="lags behind"):
        await pods.get("b")
    assert (await until_served(pods, "c")).revision > 0
    assert await watch.seen(2) == [("ADDED", "b"), ("ADDED", "c")]
    watch.close()

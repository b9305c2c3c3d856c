# SPDX-License-Identifier: Apache-2.0
"""Histories recorded under load, and checked: nothing lost, repeated, reordered or invented."""

from __future__ import annotations

import asyncio
import random

from pyk8s.storage import errors

WRITERS = 8
WATCHERS = 6
OBJECTS = 12


class Record:
    """What happened: writes with their revisions; reads with what was surely written before."""

    def __init__(self):
        # name -> revision -> data, None for a deletion.
        self.writes = {f"p{n}": {} for n in range(OBJECTS)}
        self.reads = []

    def acknowledged(self, name):
        return max(self.writes[name], default=0)


async def write(pods, record, seed, stop):
    chance = random.Random(seed)
    while not stop.is_set():
        name = f"p{chance.randrange(OBJECTS)}"
        action = chance.choice(("create", "update", "update", "update", "delete", "get"))
        try:
            await ACTIONS[action](pods, record, name, chance)
        except (errors.KeyExists, errors.KeyNotFound):
            continue
        except (errors.Unavailable, errors.OutcomeUnknown):
            await asyncio.sleep(0.01)


async def create(pods, record, name, chance):
    item = await pods.create(name, labels={"app": chance.choice("xy")})
    record.writes[name][item.revision] = item.data


async def update(pods, record, name, chance):
    labels = {"app": chance.choice("xy"), "n": str(chance.random())}
    item = await pods.relabel(name, **labels)
    record.writes[name][item.revision] = item.data


async def delete(pods, record, name, chance):
    item = await pods.delete(name)
    record.writes[name][item.revision] = None


async def get(pods, record, name, chance):
    before = record.acknowledged(name)
    try:
        item = await pods.get(name)
    except errors.KeyNotFound:
        record.reads.append((name, before, 0, None))
    else:
        record.reads.append((name, before, item.revision, item.data))


ACTIONS = {"create": create, "update": update, "delete": delete, "get": get}


class Log:
    """What a watcher saw after the revision it began at."""

    def __init__(self):
        self.begun = asyncio.Event()
        self.start = 0
        self.events = []


async def follow(pods, log, seed, **options):
    """Collect events up to that of the object `end`, closing and resuming now and then as
    clients do."""
    chance = random.Random(seed)
    revision = log.start = (await pods.list()).revision
    log.begun.set()
    while True:
        watch = await pods.watch(version=str(revision), **options)
        for _ in range(chance.randrange(1, 200)):
            event = await watch.event()
            if event.item.key == pods.key("end"):
                watch.close()
                return
            log.events.append(event)
            revision = event.revision
        watch.close()


def check_watch(record, log, final):
    """Every acknowledged write after the start once, in order; the replay is the final list."""
    revisions = [event.revision for event in log.events]
    assert revisions == sorted(set(revisions))
    written = {
        revision: data
        for writes in record.writes.values()
        for revision, data in writes.items()
        if revision > log.start
    }
    assert set(written) <= set(revisions)
    state = {}
    for event in log.events:
        if event.type == "DELETED":
            assert written.get(event.revision) is None
            del state[event.item.key]
        else:
            assert written.get(event.revision, event.item.data) == event.item.data
            assert event.type == ("MODIFIED" if event.item.key in state else "ADDED")
            state[event.item.key] = event.item.data
    assert state == final


def check_selection(log, final):
    """The replay of a selecting watch is the selected part of the final list."""
    state = {}
    for event in log.events:
        if event.type == "DELETED":
            del state[event.item.key]
        else:
            state[event.item.key] = event.item.data
    assert state == {key: data for key, data in final.items() if b'"app":"x"' in data}


def check_reads(record):
    """Each read shows a state that was written, and none older than one acknowledged before."""
    assert record.reads
    for name, before, revision, data in record.reads:
        writes = record.writes[name]
        if data is None:
            gone = (at for at, state in writes.items() if state is None)
            assert before == 0 or any(at >= before for at in gone)
        else:
            assert revision >= before
            assert writes.get(revision, data) == data


async def play(pods, seconds, trouble):
    """Writers, readers and watchers at once over a few contended objects, and some trouble;
    then the checks that hold whatever happened."""
    record, stop = Record(), asyncio.Event()
    logs = [Log() for _ in range(WATCHERS + 1)]
    *plain, selecting = logs
    following = [asyncio.create_task(follow(pods, log, n)) for n, log in enumerate(plain)]
    following.append(asyncio.create_task(follow(pods, selecting, 99, selector="app=x")))
    for log in logs:
        await log.begun.wait()
    writing = [asyncio.create_task(write(pods, record, n, stop)) for n in range(WRITERS)]
    await asyncio.gather(asyncio.sleep(seconds), trouble())
    stop.set()
    await asyncio.gather(*writing)
    final = {item.key: item.data for item in (await pods.list()).items}
    await pods.create("end", labels={"app": "x"})
    await asyncio.gather(*following)
    for log in plain:
        check_watch(record, log, final)
    check_selection(selecting, final)
    return record


async def test_histories_under_load(pods):
    """With nothing but contention every history is linearizable."""

    async def no_trouble():
        return None

    record = await play(pods, 1.5, no_trouble)
    check_reads(record)
    assert sum(map(len, record.writes.values())) > len(record.writes)


async def test_histories_under_outages(distant_pods, way):
    """With connections that break, what was acknowledged is kept and told, in order, once."""

    async def break_connections():
        for _ in range(3):
            await asyncio.sleep(0.4)
            await way.cut()
            await way.mend()
        async with asyncio.timeout(10):
            await until_it_answers(distant_pods)

    record = await play(distant_pods, 2.0, break_connections)
    assert sum(map(len, record.writes.values())) > 100


async def until_it_answers(pods):
    while True:
        try:
            return await pods.backend.check()
        except errors.Unavailable:
            await asyncio.sleep(0.01)

# SPDX-License-Identifier: Apache-2.0
"""The storage contract: watches. Each test runs on both backends."""

from __future__ import annotations

import asyncio

import pytest

from pyk8s.storage import errors


async def test_a_watch_yields_every_kind_of_change(pods):
    """Creation, change and deletion arrive in order, with their revisions."""
    start = await pods.list()
    watch = await pods.watch(version=str(start.revision))
    created = await pods.create("a")
    updated = await pods.relabel("a", x="y")
    deleted = await pods.delete("a")
    events = await watch.events(3)
    watch.close()
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    written = [created, updated, deleted]
    assert [event.revision for event in events] == [item.revision for item in written]
    assert [event.item.data for event in events] == [item.data for item in written]


async def test_a_deletion_carries_the_last_state_and_its_own_revision(pods):
    """DELETED shows the previous object with the resourceVersion of the deletion."""
    await pods.create("a", labels={"x": "y"})
    watch = await pods.watch()
    await watch.event()
    deleted = await pods.delete("a")
    metadata = (await watch.event()).item.object()["metadata"]
    watch.close()
    assert metadata["labels"] == {"x": "y"}
    assert metadata["resourceVersion"] == str(deleted.revision)


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_watch_without_a_revision_begins_with_the_state(pods, version):
    """The objects there are come as ADDED, in key order, with their own revisions."""
    items = [await pods.create(name) for name in "ba"]
    await pods.settle()
    watch = await pods.watch(version=version)
    events = await watch.events(2)
    await pods.create("c")
    assert [(event.type, event.item.data) for event in events] == [
        ("ADDED", items[1].data),
        ("ADDED", items[0].data),
    ]
    assert await watch.seen(1) == [("ADDED", "c")]
    watch.close()


async def test_a_watch_without_a_revision_begins_fresh(pods):
    """With "" the state includes every write acknowledged before."""
    for n in range(10):
        await pods.create(f"p{n}")
        watch = await pods.watch(version="")
        assert (await watch.seen(n + 1))[-1] == ("ADDED", f"p{n}")
        watch.close()


async def test_a_watch_from_a_revision_yields_what_came_after(pods):
    """Changes after N, also those before the watch was opened; nothing up to N."""
    first = await pods.create("a")
    await pods.create("b")
    await pods.delete("a")
    await pods.settle()
    watch = await pods.watch(version=str(first.revision))
    assert await watch.seen(2) == [("ADDED", "b"), ("DELETED", "a")]
    await pods.create("c")
    assert await watch.seen(1) == [("ADDED", "c")]
    watch.close()


async def test_a_watch_can_be_resumed_anywhere(pods):
    """From the revision of each event on, a new watch yields exactly the rest."""
    start = await pods.list()
    for name in "abc":
        await pods.create(name)
        await pods.relabel(name, x="y")
        await pods.delete(name)
    await pods.settle()
    watch = await pods.watch(version=str(start.revision))
    events = await watch.events(9)
    watch.close()
    for position, event in enumerate(events[:-1]):
        resumed = await pods.watch(version=str(event.revision))
        rest = await resumed.events(len(events) - position - 1)
        resumed.close()
        assert [(e.type, e.item.data) for e in rest] == [
            (e.type, e.item.data) for e in events[position + 1 :]
        ]


async def test_a_watch_from_the_future_skips_what_comes_before(pods):
    """A watch from a revision that does not exist yet waits for it."""
    first = await pods.create("a")
    watch = await pods.watch(version=str(first.revision + 2))
    for name in "bcd":
        await pods.create(name)
    assert await watch.seen(1) == [("ADDED", "d")]
    watch.close()


async def test_a_watch_without_initial_events_begins_now(pods):
    """sendInitialEvents false without a revision: only what is written from now on."""
    await pods.create("a")
    watch = await pods.watch(version="", send_initial_events=False)
    await pods.create("b")
    assert await watch.seen(1) == [("ADDED", "b")]
    watch.close()


@pytest.mark.parametrize("version", ["", "0", "N"])
async def test_initial_events_end_with_a_bookmark(pods, version):
    """sendInitialEvents: the state, then one marked bookmark with its revision, then changes."""
    item = await pods.create("a")
    await pods.settle()
    watch = await pods.watch(
        version=str(item.revision) if version == "N" else version,
        send_initial_events=True,
        allow_bookmarks=True,
    )
    added, bookmark = await watch.events(2)
    assert (added.type, added.initial_events_end) == ("ADDED", False)
    assert (bookmark.type, bookmark.item, bookmark.initial_events_end) == ("BOOKMARK", None, True)
    assert bookmark.revision >= item.revision
    await pods.create("b")
    assert await watch.seen(1) == [("ADDED", "b")]
    watch.close()


async def test_initial_events_of_nothing_are_a_bookmark(pods):
    """An empty state is told by the bookmark alone."""
    watch = await pods.watch(version="", send_initial_events=True, allow_bookmarks=True)
    event = await watch.event()
    assert (event.type, event.initial_events_end) == ("BOOKMARK", True)
    watch.close()


async def test_no_bookmark_unless_allowed(pods):
    """Who does not allow bookmarks gets the state and no mark."""
    await pods.create("a")
    watch = await pods.watch(version="", send_initial_events=True)
    assert await watch.seen(1) == [("ADDED", "a")]
    await pods.create("b")
    assert await watch.seen(1) == [("ADDED", "b")]
    watch.close()


@pytest.mark.usefixtures("impatient")
async def test_initial_events_from_the_future_are_refused(pods):
    """A state not older than a revision that does not come raises TooLargeRevision."""
    with pytest.raises(errors.TooLargeRevision):
        await pods.watch(version=str(2**62), send_initial_events=True, allow_bookmarks=True)


async def test_a_namespace_is_watched_alone(pods):
    """Events of other namespaces do not come, even of those with a common beginning."""
    watch = await pods.watch("a")
    for namespace in ("ab", "b", "a"):
        await pods.create(f"in-{namespace}", namespace)
    assert await watch.seen(1) == [("ADDED", "in-a")]
    watch.close()


async def test_one_object_is_watched_alone(pods):
    """metadata.name within a namespace: its life and nothing else's."""
    watch = await pods.watch("one", fields="metadata.name=a")
    for namespace in ("two", "one"):
        for name in "ba":
            await pods.create(name, namespace)
    await pods.delete("a", "one")
    await pods.create("a", "one")
    assert await watch.seen(3) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]
    watch.close()


async def test_entering_and_leaving_a_label_selection(pods):
    """What begins to match is ADDED, what ceases to is DELETED with its previous state."""
    watch = await pods.watch(selector="app=x")
    await pods.create("a")
    entering = await pods.relabel("a", app="x")
    staying = await pods.relabel("a", app="x", more="1")
    leaving = await pods.relabel("a", app="y", more="2")
    await pods.relabel("a", app="y", more="3")
    await pods.delete("a")
    await pods.create("b", labels={"app": "x"})
    events = await watch.events(4)
    watch.close()
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    assert [event.revision for event in events[:3]] == [
        entering.revision,
        staying.revision,
        leaving.revision,
    ]
    gone = events[2].item.object()["metadata"]
    assert gone["labels"] == {"app": "x", "more": "1"}
    assert gone["resourceVersion"] == str(leaving.revision)


async def test_entering_and_leaving_a_field_selection(pods):
    """An indexed field behaves like any selector when its value moves."""
    on_n1 = await pods.watch(fields="spec.nodeName=n1")
    on_n2 = await pods.watch(fields="spec.nodeName=n2")
    unbound = await pods.watch(fields="spec.nodeName=")
    await pods.create("a")
    await pods.bind("a", "n1")
    await pods.relabel("a", x="y")
    await pods.bind("a", "n2")
    await pods.delete("a")
    assert await on_n1.seen(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert await on_n2.seen(2) == [("ADDED", "a"), ("DELETED", "a")]
    assert await unbound.seen(2) == [("ADDED", "a"), ("DELETED", "a")]
    for watch in (on_n1, on_n2, unbound):
        watch.close()


async def test_an_indexed_field_within_a_namespace(pods):
    """Index and namespace are both demanded of an event."""
    watch = await pods.watch("two", fields="spec.nodeName=n1")
    await pods.create("a", "one", node="n1")
    await pods.create("b", "two", node="n2")
    await pods.create("c", "two", node="n1")
    assert await watch.seen(1) == [("ADDED", "c")]
    watch.close()


async def test_selections_hold_for_the_state_and_the_past(pods):
    """The initial state and changes since a revision are selected like new events."""
    start = await pods.list()
    await pods.create("a", labels={"app": "x"})
    await pods.create("b", labels={"app": "y"})
    await pods.relabel("a", app="y")
    await pods.relabel("b", app="x")
    await pods.settle()
    watch = await pods.watch(selector="app=x")
    assert await watch.seen(1) == [("ADDED", "b")]
    watch.close()
    watch = await pods.watch(selector="app=x", version=str(start.revision))
    assert await watch.seen(3) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b")]
    watch.close()


async def test_one_object_is_told_from_the_past(pods):
    """A watch of one name from a revision yields only that object's changes since."""
    start = await pods.list()
    for name in ("a", "aa", "b"):
        await pods.create(name)
    await pods.settle()
    watch = await pods.watch("default", fields="metadata.name=a", version=str(start.revision))
    await pods.delete("aa")
    await pods.delete("a")
    assert await watch.seen(2) == [("ADDED", "a"), ("DELETED", "a")]
    watch.close()


async def test_watchers_are_independent(pods):
    """Each of several watchers gets everything, whenever it reads."""
    watches = [await pods.watch() for _ in range(3)]
    for n in range(5):
        await pods.create(f"p{n}")
        await watches[0].event()
    for watch in watches[1:]:
        assert await watch.seen(5) == [("ADDED", f"p{n}") for n in range(5)]
    for watch in watches:
        watch.close()


async def test_closing_wakes_the_reader(pods):
    """close ends a waiting next_batch with an empty batch, and every later one."""
    watch = await pods.watch()
    reading = asyncio.create_task(watch.watcher.next_batch())
    await asyncio.sleep(0)
    watch.close()
    async with asyncio.timeout(5):
        assert not await reading
        assert not await watch.watcher.next_batch()
    watch.close()


async def test_a_cancelled_read_can_be_followed_by_close(pods):
    """Cancelling the reader, as a dropped connection does, leaves a watcher that can be closed."""
    watch = await pods.watch()
    reading = asyncio.create_task(watch.watcher.next_batch())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    watch.close()
    assert not await watch.watcher.next_batch()


async def test_other_resources_are_not_seen(etcd_options, pods):
    """A watch yields changes of its own resource only."""
    others = type(pods)(pods.backend, f"{etcd_options.prefix}/other")
    watch = await pods.watch()
    await others.create("x")
    await pods.create("a")
    assert await watch.seen(1) == [("ADDED", "a")]
    watch.close()


async def test_the_bookmark_revision_covers_what_was_handed_out(pods):
    """After an event was handed out a bookmark may say its revision, and not less."""
    watch = await pods.watch()
    item = await pods.create("a")
    await watch.event()
    assert watch.watcher.bookmark_revision() >= item.revision
    watch.close()


async def test_initial_state_and_changes_join_without_a_gap(pods):
    """Watches opened in the middle of writes: state and changes replay to the final list."""
    last = "z"

    async def write():
        for n in range(60):
            await pods.create(f"p{n}")
            if n % 3 == 0:
                await pods.delete(f"p{n}")
        await pods.create(last)

    async def follow():
        watch = await pods.watch(version="")
        present = {}
        while last not in present:
            event = await watch.event()
            name = event.item.object()["metadata"]["name"]
            if event.type == "DELETED":
                del present[name]
            else:
                assert name not in present
                present[name] = event.item.data
        watch.close()
        return present

    writing = asyncio.create_task(write())
    replays = await asyncio.gather(*(follow() for _ in range(4)))
    await writing
    final = {item.object()["metadata"]["name"]: item.data for item in (await pods.list()).items}
    for replay in replays:
        assert replay == final

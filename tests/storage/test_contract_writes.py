# SPDX-License-Identifier: Apache-2.0
"""The storage contract: create, guaranteed_update, delete. Each test runs on both backends."""

from __future__ import annotations

import asyncio

import pytest

from pyk8s.storage import errors
from pyk8s.storage.interface import Preconditions


class Refused(Exception):
    """What a callback raises."""


def uid(value):
    return Preconditions(uid=value)


def version(value):
    return Preconditions(resource_version=value)


async def test_create_returns_the_object_with_its_revision(pods):
    """create answers with the stored object, resourceVersion set to the revision of the write."""
    item = await pods.create("a", labels={"app": "x"})
    assert item.object() == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "resourceVersion": str(item.revision),
            "name": "a",
            "namespace": "default",
            "labels": {"app": "x"},
        },
        "spec": {},
    }


async def test_create_of_an_existing_key_raises(pods):
    """A second create under the same key fails and changes nothing."""
    first = await pods.create("a", labels={"app": "first"})
    with pytest.raises(errors.KeyExists) as caught:
        await pods.create("a", labels={"app": "second"})
    assert caught.value.key == pods.key("a")
    assert (await pods.get("a")).data == first.data


async def test_create_ignores_a_resource_version_in_the_object(pods):
    """resourceVersion in the object handed in is not stored."""
    item = await pods.create("a", resourceVersion="77", selfLink="/x")
    assert item.object()["metadata"]["resourceVersion"] == str(item.revision)
    assert "selfLink" not in (await pods.get("a")).object()["metadata"]


async def test_create_does_not_keep_the_object(pods):
    """Changing the tree after create does not reach the stored object."""
    obj = pods.obj("a")
    item = await pods.storage.create(pods.key("a"), obj)
    obj["spec"]["nodeName"] = "changed"
    assert item.object()["spec"] == {}
    assert (await pods.get("a")).object()["spec"] == {}


async def test_one_of_many_concurrent_creates_wins(pods):
    """Concurrent creates of one key: one succeeds, all others see KeyExists."""
    results = await asyncio.gather(
        *(pods.create("a", labels={"n": str(n)}) for n in range(8)), return_exceptions=True
    )
    assert sum(isinstance(result, errors.KeyExists) for result in results) == 7


async def test_revisions_grow_over_all_objects(pods):
    """Each write has a higher revision than all before it, whatever its key."""
    revisions = [
        (await pods.create("b")).revision,
        (await pods.create("a", "other")).revision,
        (await pods.relabel("b", x="1")).revision,
        (await pods.delete("a", "other")).revision,
    ]
    assert revisions == sorted(set(revisions))


async def test_an_object_with_escapes_and_big_numbers_survives(pods):
    """Strings of any kind, 64 bit integers and nested values come back as they went in."""
    obj = pods.obj("a", annotations={'"metadata":{': 'a"b\\c\n\u2028<>&', "": "empty key"})
    obj["spec"] = {"big": 2**63 - 1, "small": -(2**63), "f": 1.5, "none": None, "list": [[], {}]}
    await pods.storage.create(pods.key("a"), obj)
    read = (await pods.get("a")).object()
    assert read["spec"] == obj["spec"]
    assert read["metadata"]["annotations"] == obj["metadata"]["annotations"]


async def test_an_object_with_empty_metadata_is_readable(pods):
    """The splice of the resourceVersion copes with metadata that holds nothing else."""
    key = pods.key("a")
    item = await pods.storage.create(key, {"kind": "Pod", "apiVersion": "v1", "metadata": {}})
    assert item.object()["metadata"] == {"resourceVersion": str(item.revision)}
    assert (await pods.storage.get(key)).data == item.data


async def test_an_object_too_large_is_refused(pods):
    """An object larger than etcd takes raises TooLarge, and nothing is stored."""
    with pytest.raises(errors.TooLarge):
        await pods.create("a", annotations={"x": "y" * 2_000_000})
    with pytest.raises(errors.KeyNotFound):
        await pods.get("a")


async def test_update_stores_what_the_function_returns(pods):
    """guaranteed_update hands the current item to the function and stores the result."""
    created = await pods.create("a")
    updated = await pods.relabel("a", app="x")
    assert updated.revision > created.revision
    assert updated.object()["metadata"]["labels"] == {"app": "x"}
    assert (await pods.get("a")).data == updated.data


async def test_update_of_a_missing_key_raises(pods):
    """Without ignore_not_found a missing key raises, and the function is not called."""
    with pytest.raises(errors.KeyNotFound):
        await pods.relabel("a", app="x")


async def test_update_may_create(pods):
    """With ignore_not_found the function gets None, and its result is created."""

    async def make(item):
        assert item is None
        return pods.obj("a")

    item = await pods.storage.guaranteed_update(pods.key("a"), make, ignore_not_found=True)
    assert (await pods.get("a")).data == item.data


async def test_concurrent_creating_updates_all_take_effect(pods):
    """Updates that create and race each see the other's object in the end."""

    async def add(item):
        obj = item.object() if item else pods.obj("a", labels={})
        labels = obj["metadata"]["labels"]
        labels[f"n{len(labels)}"] = ""
        return obj

    update = pods.storage.guaranteed_update
    await asyncio.gather(*(update(pods.key("a"), add, ignore_not_found=True) for _ in range(6)))
    assert len((await pods.get("a")).object()["metadata"]["labels"]) == 6


async def test_no_concurrent_update_is_lost(pods):
    """Many writers counting up one object: every step is kept."""
    await pods.create("a", annotations={"count": "0"})

    def count_up(obj):
        obj["metadata"]["annotations"]["count"] = str(
            int(obj["metadata"]["annotations"]["count"]) + 1
        )

    await asyncio.gather(*(pods.update("a", count_up) for _ in range(20)))
    assert (await pods.get("a")).object()["metadata"]["annotations"]["count"] == "20"


async def test_update_that_changes_nothing_writes_nothing(pods):
    """An update whose result equals the stored object keeps the revision and is no event."""
    created = await pods.create("a", labels={"app": "x"})
    watch = await pods.watch(version=str(created.revision))
    same = await pods.relabel("a", app="x")
    assert same.revision == created.revision
    assert same.data == created.data
    await pods.create("b")
    assert await watch.seen(1) == [("ADDED", "b")]
    watch.close()


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, True, id="other-order-of-keys"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, False, id="other-order-of-a-list"),
        pytest.param({"a": True}, {"a": 1}, False, id="true-is-not-one"),
        pytest.param({"x": 1, "a": 0}, {"a": False, "x": 1}, False, id="false-is-not-zero"),
        pytest.param({"a": 10}, {"a": 1e1}, False, id="integer-is-not-float"),
        pytest.param({"a": None}, {}, False, id="null-is-not-absent"),
        pytest.param({"a": "1"}, {"a": "1"}, True, id="equal"),
    ],
)
async def test_what_counts_as_a_change(pods, before, after, is_same):
    """Equal means equal as JSON: order of keys is nothing, types are."""
    obj = pods.obj("a")
    obj["spec"] = before
    created = await pods.storage.create(pods.key("a"), obj)
    updated = await pods.update("a", lambda obj: obj.update(spec=after))
    assert (updated.revision == created.revision) is is_same


async def test_what_the_update_function_raises_reaches_the_caller(pods):
    """The function's exception ends the update as it is; nothing is written."""
    created = await pods.create("a")

    async def refuse(item):
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        await pods.storage.guaranteed_update(pods.key("a"), refuse)
    assert (await pods.get("a")).revision == created.revision


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        pytest.param(
            uid("other"),
            "Precondition failed: UID in precondition: other, UID in object meta: one",
            id="uid",
        ),
        pytest.param(
            version("1"),
            "Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object",
            id="resource-version",
        ),
    ],
)
async def test_unmet_preconditions(pods, demand, message):
    """A precondition that does not hold raises with upstream's text, for update and delete."""
    await pods.create("a", uid="one")
    update = pods.changing(lambda obj: obj["metadata"].update(labels={"x": "y"}))
    with pytest.raises(errors.PreconditionFailed, match=message):
        await pods.storage.guaranteed_update(pods.key("a"), update, preconditions=demand)
    with pytest.raises(errors.PreconditionFailed, match=message):
        await pods.delete("a", preconditions=demand)
    assert "labels" not in (await pods.get("a")).object()["metadata"]


async def test_met_preconditions(pods):
    """Preconditions that hold let update and delete through."""
    item = await pods.create("a", uid="one")
    update = pods.changing(lambda obj: obj["metadata"].update(labels={"x": "y"}))
    item = await pods.storage.guaranteed_update(
        pods.key("a"), update, preconditions=version(str(item.revision))
    )
    await pods.delete(
        "a", preconditions=Preconditions(uid="one", resource_version=str(item.revision))
    )


async def test_a_precondition_is_checked_against_the_newest_state(pods):
    """Right after a write its revision fulfils, and the one before it does not."""
    for _ in range(20):
        created = await pods.create("a")
        updated = await pods.relabel("a", x="y")
        with pytest.raises(errors.PreconditionFailed):
            await pods.delete("a", preconditions=version(str(created.revision)))
        await pods.delete("a", preconditions=version(str(updated.revision)))


async def test_delete_returns_the_last_state(pods):
    """delete answers with the last state, carrying the revision of the deletion."""
    created = await pods.create("a", labels={"app": "x"})
    deleted = await pods.delete("a")
    assert deleted.revision > created.revision
    assert deleted.object()["metadata"]["resourceVersion"] == str(deleted.revision)
    assert deleted.object()["metadata"]["labels"] == {"app": "x"}
    with pytest.raises(errors.KeyNotFound):
        await pods.get("a")


async def test_delete_of_a_missing_key_raises(pods):
    """Deleting what is not there raises KeyNotFound."""
    with pytest.raises(errors.KeyNotFound):
        await pods.delete("a")


async def test_one_of_many_concurrent_deletes_wins(pods):
    """Concurrent deletes: one gets the object, the others KeyNotFound."""
    await pods.create("a")
    results = await asyncio.gather(*(pods.delete("a") for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(result, errors.KeyNotFound) for result in results) == 5


async def test_deletion_can_be_forbidden(pods):
    """validate sees the item about to go; what it raises keeps the object."""
    await pods.create("a", labels={"app": "x"})

    async def forbid(item):
        raise Refused(item.object()["metadata"]["labels"]["app"])

    with pytest.raises(Refused, match="x"):
        await pods.delete("a", validate=forbid)
    await pods.get("a")


async def test_a_key_can_be_created_again(pods):
    """After a delete the key is free."""
    first = await pods.create("a")
    await pods.delete("a")
    again = await pods.create("a")
    assert again.revision > first.revision
    assert (await pods.get("a")).data == again.data


async def test_a_lost_race_is_retried_on_the_winners_state(pods):
    """An update that another writer overtakes is called again with the fresh state."""
    await pods.create("a", annotations={})
    seen = []

    async def slow(item):
        obj = item.object()
        seen.append(obj["metadata"]["annotations"].get("winner"))
        if len(seen) == 1:
            await pods.update("a", lambda obj: obj["metadata"]["annotations"].update(winner="yes"))
        obj["metadata"]["annotations"]["slow"] = "done"
        return obj

    item = await pods.storage.guaranteed_update(pods.key("a"), slow)
    assert seen == [None, "yes"]
    assert item.object()["metadata"]["annotations"] == {"winner": "yes", "slow": "done"}


async def test_an_update_overtaken_by_a_delete_fails(pods):
    """If the object goes while the update function thinks, the update finds nothing."""
    await pods.create("a")

    async def slow(item):
        await pods.storage.delete(pods.key("a"))
        obj = item.object()
        obj["metadata"]["labels"] = {"x": "y"}
        return obj

    with pytest.raises(errors.KeyNotFound):
        await pods.storage.guaranteed_update(pods.key("a"), slow)


async def test_a_delete_overtaken_by_an_update_deletes_the_newer_state(pods):
    """The deletion is validated again on the state it finally removes."""
    await pods.create("a")
    seen = []

    async def slow(item):
        seen.append(item.object()["metadata"].get("labels"))
        if len(seen) == 1:
            await pods.relabel("a", late="yes")

    deleted = await pods.delete("a", validate=slow)
    assert seen == [None, {"late": "yes"}]
    assert deleted.object()["metadata"]["labels"] == {"late": "yes"}


async def test_objects_with_a_ttl_expire(etcd_options, pods):
    """An object of a resource with a TTL goes by itself, seen by watches as a deletion."""
    events = type(pods)(pods.backend, f"{etcd_options.prefix}/short", ttl_seconds=1)
    watch = await events.watch()
    item = await events.create("a")
    assert await watch.seen(2) == [("ADDED", "a"), ("DELETED", "a")]
    watch.close()
    with pytest.raises(errors.KeyNotFound):
        await events.get("a")
    assert (await events.create("a")).revision > item.revision

# SPDX-License-Identifier: Apache-2.0
"""Watches, and lists in chunks."""

from __future__ import annotations

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes.dynamic.exceptions import DynamicApiError

from conformance import steps
from conformance.client import Client, Object, Resource

A, B = "multiple-watchers-A", "multiple-watchers-B"
KEY = "watch-this-configmap"


@pytest.fixture
def maps(client: Client, namespace: str) -> Resource:
    return client.resource("v1", "configmaps", namespace)


def _create(maps: Resource, name: str, value: str) -> Object:
    return maps.create({"metadata": {"name": name, "labels": {KEY: value}}})


def _mutate(maps: Resource, name: str, value: str) -> Object:
    return steps.change(maps, name, lambda obj: obj.update(data={"mutation": value}))


def _relabel(maps: Resource, name: str, value: str) -> Object:
    return steps.change(maps, name, lambda obj: obj["metadata"].update(labels={KEY: value}))


def test_add_update_delete(maps: Resource) -> None:
    """[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on
    configmaps [Conformance]"""
    with (
        maps.watch(labels=f"{KEY}={A}") as of_a,
        maps.watch(labels=f"{KEY}={B}") as of_b,
        maps.watch(labels=f"{KEY} in ({A}, {B})") as of_both,
    ):
        first = _create(maps, "e2e-watch-test-configmap-a", A)
        changes = [("ADDED", first)]
        for number in ("1", "2"):
            changes.append(("MODIFIED", _mutate(maps, first["metadata"]["name"], number)))
        maps.delete(first["metadata"]["name"])
        changes.append(("DELETED", first))
        second = _create(maps, "e2e-watch-test-configmap-b", B)
        maps.delete(second["metadata"]["name"])
        others = [("ADDED", second), ("DELETED", second)]

        for kind, obj in [*changes, *others]:
            of_both.expect(kind, obj)
        for kind, obj in changes:
            of_a.expect(kind, obj)
        # What is next shows that nothing of the other label came before.
        for kind, obj in others:
            of_b.expect(kind, obj)
        last = _create(maps, "last", A)
        of_a.expect("ADDED", last)


def test_from_a_version(maps: Resource) -> None:
    """[sig-api-machinery] Watchers should be able to start watching from a specific resource
    version [Conformance]"""
    name = "e2e-watch-test-resource-version"
    created = _create(maps, name, "from-resource-version")
    first = _mutate(maps, name, "1")
    second = _mutate(maps, name, "2")
    maps.delete(name)
    version = first["metadata"]["resourceVersion"]
    with maps.watch(version, f"{KEY}=from-resource-version") as events:
        events.expect("MODIFIED", second)
        events.expect("DELETED", created)


def test_restarted(maps: Resource) -> None:
    """[sig-api-machinery] Watchers should be able to restart watching from the last resource
    version observed by the previous watch [Conformance]"""
    name, labels = "e2e-watch-test-watch-closed", f"{KEY}=watch-closed-and-restarted"
    with maps.watch(labels=labels) as broken:
        created = _create(maps, name, "watch-closed-and-restarted")
        first = _mutate(maps, name, "1")
        broken.expect("ADDED", created)
        seen = broken.expect("MODIFIED", first)
    second = _mutate(maps, name, "2")
    with maps.watch(seen["metadata"]["resourceVersion"], labels) as restarted:
        maps.delete(name)
        restarted.expect("MODIFIED", second)
        restarted.expect("DELETED", created)


def test_label_changed(maps: Resource) -> None:
    """[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the
    requirements of the selector [Conformance]"""
    name, value = "e2e-watch-test-label-changed", "label-changed-and-restored"
    with maps.watch(labels=f"{KEY}={value}") as events:
        created = _create(maps, name, value)
        first = _mutate(maps, name, "1")
        away = _relabel(maps, name, "wrong-value")
        events.expect("ADDED", created)
        events.expect("MODIFIED", first)
        kind, seen = events.next()
        # The last state that the selector met, at the version of the change that ended it.
        assert (kind, seen["data"], seen["metadata"]["labels"]) == (
            "DELETED",
            {"mutation": "1"},
            {KEY: value},
        )
        assert seen["metadata"]["resourceVersion"] == away["metadata"]["resourceVersion"]
        _mutate(maps, name, "2")
        restored = _relabel(maps, name, value)
        third = _mutate(maps, name, "3")
        maps.delete(name)
        events.expect("ADDED", restored)
        events.expect("MODIFIED", third)
        events.expect("DELETED", created)


def _write(maps: Resource, count: int, stopped: threading.Event) -> None:
    """Creations, updates and deletions in no order, until stopped or `count` are done."""
    choice, existing = random.Random(0), []
    for number in range(count):
        if stopped.is_set():
            return
        verb = choice.choice(("create", "update", "delete")) if existing else "create"
        if verb == "create":
            existing.append(f"name-{number}")
            maps.create({"metadata": {"name": existing[-1]}})
        elif verb == "update":
            _mutate(maps, choice.choice(existing), str(number))
        else:
            maps.delete(existing.pop(choice.randrange(len(existing))))


def test_same_order(maps: Resource) -> None:
    """[sig-api-machinery] Watchers should receive events on concurrent watches in same order
    [Conformance]"""
    rounds = 30
    stopped = threading.Event()
    version = maps.list()["metadata"]["resourceVersion"]
    watches = []
    with ThreadPoolExecutor(1) as background:
        writer = background.submit(_write, maps, 100 * rounds, stopped)
        try:
            watches.append(maps.watch(version))
            for _ in range(rounds):
                versions = [watch.next()[1]["metadata"]["resourceVersion"] for watch in watches]
                assert len(set(versions)) == 1
                # One more watch from here on; it sees what the first sees next.
                watches.append(maps.watch(versions[0]))
        finally:
            stopped.set()
            for watch in watches:
                watch.close()
    writer.result()


TEMPLATES = 400


@pytest.fixture
def templates(client: Client, namespace: str) -> Resource:
    """Four hundred PodTemplates."""
    found = client.resource("v1", "podtemplates", namespace)
    spec = {"containers": [{"name": "test", "image": "test2"}]}

    def create(number: int) -> None:
        name = f"template-{number:04}"
        found.create({"metadata": {"name": name}, "template": {"spec": spec}})

    with ThreadPoolExecutor(4) as several:
        list(several.map(create, range(TEMPLATES)))
    return found


def _check_page(page: Object, found: int) -> int:
    """How many templates are known with this page, which begins where `found` ended."""
    names = [item["metadata"]["name"] for item in page["items"]]
    assert names == [f"template-{number:04}" for number in range(found, found + len(names))]
    metadata, found = page["metadata"], found + len(names)
    if metadata.get("continue"):
        assert metadata["remainingItemCount"] == TEMPLATES - found
    else:
        assert "remainingItemCount" not in metadata
    return found


def _rest(templates: Resource, page: Object, found: int) -> None:
    """The pages after this one, of any size, are at its version and complete."""
    version = page["metadata"]["resourceVersion"]
    while token := page["metadata"].get("continue"):
        limit = random.randint(1, TEMPLATES // 10)
        page = templates.list(limit=limit, _continue=token)
        assert len(page["items"]) <= limit
        assert page["metadata"]["resourceVersion"] == version
        found = _check_page(page, found)
    assert found == TEMPLATES


def test_chunks(templates: Resource) -> None:
    """[sig-api-machinery] Servers with support for API chunking should return chunks of results
    for list calls [Conformance]"""
    for _ in range(3):
        limit = random.randint(1, TEMPLATES // 10)
        page = templates.list(limit=limit)
        assert len(page["items"]) <= limit
        _rest(templates, page, _check_page(page, 0))
    assert len(templates.list(limit=TEMPLATES + 1)["items"]) == TEMPLATES


def test_chunks_after_compaction(templates: Resource) -> None:
    """[sig-api-machinery] Servers with support for API chunking should support continue listing
    from the last key if the original version has been compacted away, though the list is
    inconsistent [Slow] [Conformance]"""
    limit = TEMPLATES // 10
    first = templates.list(limit=limit)
    found = _check_page(first, 0)
    token = _expired(templates, limit, first["metadata"]["continue"])
    page = templates.list(limit=limit, _continue=token)
    assert page["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert len(page["items"]) == limit
    _rest(templates, page, _check_page(page, found))


def _expired(templates: Resource, limit: int, token: str) -> str:
    """Wait until the token is too old, which takes as long as the server keeps old versions: the
    token that comes with the refusal."""
    deadline = time.monotonic() + _COMPACTION_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            templates.list(limit=limit, _continue=token)
        except DynamicApiError as error:
            status = json.loads(error.body)
            assert (status["code"], status["reason"]) == (410, "Expired")
            assert status["metadata"]["continue"]
            another: str = status["metadata"]["continue"]
            return another
        time.sleep(_COMPACTION_POLL_SECONDS)
    raise AssertionError(f"the token still holds after {_COMPACTION_SECONDS_MAX} s")


# A server compacts every five minutes what was old five minutes before: ten minutes in all.
_COMPACTION_SECONDS_MAX = 780.0
_COMPACTION_POLL_SECONDS = 5.0

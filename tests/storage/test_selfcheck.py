# SPDX-License-Identifier: Apache-2.0
"""The cache's checks of itself: each fault, made by hand, is found; and a process that finds one
ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyk8s.storage.cacher import selfcheck
from pyk8s.storage.cacher.store import Cacher
from pyk8s.storage.etcd.stream import Change
from pyk8s.storage.interface import Item


@pytest.fixture
async def alarms() -> list[str]:
    return []


@pytest.fixture
async def pods(etcd_options, alarms, pods_of):
    """Three pods in a cacher that tells its alarms to the test."""
    backend = Cacher(etcd_options, alarm=alarms.append)
    pods = pods_of(backend, etcd_options.prefix)
    await backend.start()
    for name, node in (("a", "n1"), ("b", "n2"), ("c", "n1")):
        await pods.create(name, node=node, labels={"app": name})
    await pods.list(selector="app=a", fields="spec.nodeName=n1")
    await pods.settle()
    yield pods
    await backend.stop()


def contents(pods):
    return pods.storage._cache._contents


def cached(pods, name):
    return contents(pods).get(pods.key(name))


def lose_an_object(pods):
    contents(pods).remove(pods.key("b"))


def keep_a_deleted_object(pods):
    contents(pods).put(Item(pods.key("z"), 1, cached(pods, "a").data.replace(b'"a"', b'"z"')))


def keep_an_old_revision(pods):
    item = cached(pods, "a")
    contents(pods).put(Item(item.key, item.revision - 1, item.data))


def change_the_bytes(pods):
    cached(pods, "a").data = cached(pods, "a").data.replace(b'"n1"', b'"n3"')


def change_the_labels(pods):
    cached(pods, "a").labels["app"] = "changed"


def note_another_node(pods):
    cached(pods, "a").note_indexed(("n9",))


def lose_a_key_of_the_index(pods):
    contents(pods)._indexes["spec.nodeName"]["n1"].remove(pods.key("a"))


def lose_a_key_of_the_order(pods):
    contents(pods)._namespaces["default"].remove(pods.key("a"))


def go_back(pods):
    pods.backend.progress.revision -= 1


FAULTS = {
    lose_an_object: "not in the cache",
    keep_a_deleted_object: "not in etcd",
    keep_an_old_revision: "in the cache",
    change_the_bytes: "bytes of revision",
    change_the_labels: "labels are",
    note_another_node: "indexed values are",
    lose_a_key_of_the_index: "index of spec.nodeName",
    lose_a_key_of_the_order: "index of namespaces",
    go_back: "went back",
}


async def test_nothing_is_wrong(pods, alarms):
    """Whatever is done through the interface, the checks find nothing."""
    await pods.bind("b", "n7")
    await pods.delete("c")
    await pods.relabel("a", app="d")
    await pods.settle()
    assert await pods.backend.self_check.run_once() == 2
    assert alarms == []


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault.__name__.replace("_", " ")) for fault in FAULTS]
)
async def test_faults_are_found(pods, alarms, fault):
    """The alarm says what it is about."""
    await pods.backend.self_check.run_once()
    fault(pods)
    await pods.backend.self_check.run_once()
    assert any(FAULTS[fault] in text for text in alarms), alarms


@pytest.mark.parametrize("steps", [(0,), (-1,), (2, 1)], ids=["repeated", "older", "disordered"])
def test_revisions_that_go_back(pods, alarms, steps):
    """Changes that do not go on from where the cache stands are noticed before they are applied."""
    check, now = pods.backend.self_check, pods.backend.progress.revision
    check.observe([Change("/k", b"", now + step) for step in steps])
    assert "came after" in alarms[0]
    alarms.clear()
    check.observe([Change("/k", b"", now + step) for step in (1, 1, 2)])
    assert alarms == []


@pytest.mark.parametrize("value", ["", "0", "1"])
def test_the_switch(monkeypatch, value):
    """Checks are off unless the environment asks for them."""
    monkeypatch.setenv(selfcheck.ENVIRONMENT, value)
    assert (selfcheck.alarm_from_environment() is not None) == (value == "1")


def test_a_process_that_fails_ends():
    """With a word in its log and a status of its own, from whatever depth."""
    program = (
        "import logging\n"
        "from pyk8s.storage.cacher import selfcheck\n"
        "logging.basicConfig()\n"
        "try:\n"
        "    selfcheck.exit_loudly('the sky is green')\n"
        "except BaseException:\n"
        "    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == selfcheck.EXIT_STATUS
    assert "self-check failed: the sky is green" in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""Events in the new form, as a running API server has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import objects
import pytest
from cluster import ControlPlane, eventually

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import eventsv1, kubeconfig, resources, rest
from pyk8s.client.client import Client
from pyk8s.client.eventsv1 import EventRecorder, Telling


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    connection = rest.RESTClient(kubeconfig.load(str(control_plane.kubeconfig)), qps=0)
    yield Client(connection)
    await connection.close()


def _telling(note: str = "it happened", reason: str = "Same") -> Telling:
    return Telling(type=eventsv1.NORMAL, reason=reason, action="Testing", note=note)


async def _listed(client: Client, namespace: str) -> list[Object]:
    found: list[Object] = (await client.list(resources.EVENTS_V1, namespace))["items"]
    return found


async def test_repetition_is_a_series(client: Client, namespace: str) -> None:
    """The same news again makes a series of the event; other news are another event."""
    about = await client.create(resources.CONFIGMAPS, objects.configmap("a"), namespace)
    recorder = EventRecorder(client, "tester")
    running = asyncio.ensure_future(recorder.run())
    recorder.event(about, _telling())

    async def is_there() -> bool:
        return bool(await _listed(client, namespace))

    await eventually(is_there, "the event")
    (first,) = await _listed(client, namespace)
    assert "series" not in first
    recorder.event(about, _telling())
    recorder.event(about, _telling("otherwise"))

    async def are_there() -> bool:
        listed = await _listed(client, namespace)
        return len(listed) == 2 and any(each.get("series") for each in listed)

    await eventually(are_there, "a series and another event")
    running.cancel()
    by_note = {each["note"]: each for each in await _listed(client, namespace)}
    same, other = by_note["it happened"], by_note["otherwise"]
    assert meta.name(same) == meta.name(first)
    assert same["series"]["count"] == 2
    assert same["series"]["lastObservedTime"] > same["eventTime"]
    assert "series" not in other
    assert same["regarding"]["uid"] == meta.uid(about)
    # As who reads events in the old form sees it.
    core = await client.get(resources.EVENTS, meta.name(same), namespace)
    assert core["message"] == "it happened"
    assert core["involvedObject"]["name"] == "a"


async def test_series_of_an_expired_event(client: Client, namespace: str) -> None:
    """Where the event is gone that was repeated, it is made anew, with what is known of it."""
    about = await client.create(resources.CONFIGMAPS, objects.configmap("a"), namespace)
    recorder = EventRecorder(client, "tester")
    recorder.event(about, _telling())
    await recorder.drain(10)
    await client.delete_collection(resources.EVENTS, namespace)
    running = asyncio.ensure_future(recorder.run())
    recorder.event(about, _telling())

    async def is_back() -> bool:
        return bool(await _listed(client, namespace))

    await eventually(is_back, "the event is back")
    running.cancel()
    (event,) = await _listed(client, namespace)
    assert event["series"]["count"] == 2


async def test_too_many_are_dropped(client: Client) -> None:
    """What comes while 10,000 wait is dropped and counted, and nobody waits."""
    about = objects.configmap("a") | {"apiVersion": "v1", "kind": "ConfigMap"}
    recorder = EventRecorder(client, "tester")
    for number in range(eventsv1.QUEUED_MAX + 3):
        recorder.event(about, _telling(f"note {number}"))
    assert recorder.dropped.value() == 3


def test_long_notes_are_shortened() -> None:
    """To what the API takes, and never in the midst of a character."""
    assert eventsv1.shortened("x" * 1024) == "x" * 1024
    assert eventsv1.shortened("x" * 1025) == "x" * 1020 + " ..."
    assert len(eventsv1.shortened("ö" * 1024).encode()) <= eventsv1.NOTE_BYTES_MAX


@pytest.mark.looptime
async def test_counts_are_told_at_the_end() -> None:
    """Repetitions beyond the second are told once nothing more comes for six minutes."""
    sent: list[int] = []

    class Server(Client):
        """Takes every event and remembers how often it is said to have been."""

        def __init__(self) -> None:
            pass

        async def create(self, resource: object, obj: Object, namespace: str = "") -> Object:
            sent.append((obj.get("series") or {"count": 1})["count"])
            return obj

        async def patch(self, resource, namespaced_name, patch, subresource=""):  # type: ignore[no-untyped-def]
            sent.append(patch.content["series"]["count"])
            return {}

    about = objects.configmap("a") | {"apiVersion": "v1", "kind": "ConfigMap"}
    recorder = EventRecorder(Server(), "tester")
    running = asyncio.ensure_future(recorder.run())
    for _ in range(5):
        recorder.event(about, _telling())
        await asyncio.sleep(1)
    assert sent == [1, 2]
    await asyncio.sleep(800)
    assert sent == [1, 2, 5]
    running.cancel()

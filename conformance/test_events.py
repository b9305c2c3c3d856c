# SPDX-License-Identifier: Apache-2.0
"""Events of both groups."""

from __future__ import annotations

from conformance import steps
from conformance.client import STRATEGIC, Client, Object

NAMES = ("test-event-1", "test-event-2", "test-event-3")
MOMENT = "2017-09-19T13:49:16.000000Z"


def _core_event(namespace: str) -> Object:
    return {
        "message": "This is a test event",
        "reason": "Test",
        "type": "Normal",
        "count": 1,
        "involvedObject": {"namespace": namespace},
    }


def _event(namespace: str) -> Object:
    return {
        "regarding": {"namespace": namespace},
        "eventTime": MOMENT,
        "note": "This is event-test",
        "action": "Do",
        "reason": "Test",
        "type": "Normal",
        "reportingController": "test-controller",
        "reportingInstance": "test-node",
    }


def test_core_event(client: Client, namespace: str) -> None:
    """[sig-instrumentation] Events should manage the lifecycle of an event [Conformance]"""
    events = client.resource("v1", "events", namespace)
    metadata = {"name": "event-test", "labels": {"testevent-constant": namespace}}
    created = events.create({"metadata": metadata, **_core_event(namespace)})
    labels = f"testevent-constant={namespace}"
    assert events.everywhere().names(labels) == ["event-test"]
    series = {"count": 2, "lastObservedTime": "2017-09-19T13:49:11.000000Z"}
    patch = {"message": "patched", "series": series}
    patched = events.patch("event-test", patch, STRATEGIC)
    assert steps.newer(patched, created)
    found = events.get("event-test")
    assert (found["message"], found["series"]) == ("patched", series)

    series = {"count": 100, "lastObservedTime": MOMENT}
    found["series"] = series
    events.update(found)
    assert events.get("event-test")["series"] == series
    events.delete("event-test")
    assert events.everywhere().names(labels) == []


def test_core_events(client: Client, namespace: str) -> None:
    """[sig-instrumentation] Events should delete a collection of events [Conformance]"""
    events = client.resource("v1", "events", namespace)
    steps.delete_a_collection(events, _core_event(namespace), NAMES)


def test_event(client: Client, namespace: str) -> None:
    """[sig-instrumentation] Events API should ensure that an event can be fetched, patched,
    deleted, and listed [Conformance]"""
    events = client.resource("events.k8s.io/v1", "events", namespace)
    labels = f"testevent-constant={namespace}"
    metadata = {"name": "event-test", "labels": {"testevent-constant": namespace}}
    events.create({"metadata": metadata, **_event(namespace)})
    assert events.everywhere().names(labels) == ["event-test"]
    assert events.names(labels) == ["event-test"]
    core = client.resource("v1", "events", namespace)
    assert core.names(field_selector="source=test-controller") == ["event-test"]
    by_controller = events.names(field_selector="reportingController=test-controller")
    assert by_controller == ["event-test"]

    before = events.get("event-test")
    series = {"count": 2, "lastObservedTime": "2017-09-19T13:49:11.000000Z"}
    events.patch("event-test", {"series": series}, STRATEGIC)
    patched = events.get("event-test")
    assert _without_bookkeeping(patched) == {**_without_bookkeeping(before), "series": series}
    # Without a resourceVersion, as the official test does: the update holds for any.
    patched["metadata"].pop("resourceVersion")
    patched["series"] = {"count": 100, "lastObservedTime": MOMENT}
    events.update(patched)
    updated = events.get("event-test")
    assert _without_bookkeeping(updated) == _without_bookkeeping(patched)
    events.delete("event-test")
    assert events.everywhere().names(labels) == []
    assert events.names(labels) == []


def _without_bookkeeping(obj: Object) -> Object:
    kept = {
        key: value
        for key, value in obj["metadata"].items()
        if key not in ("resourceVersion", "managedFields")
    }
    return {**obj, "metadata": kept}


def test_events(client: Client, namespace: str) -> None:
    """[sig-instrumentation] Events API should delete a collection of events [Conformance]"""
    events = client.resource("events.k8s.io/v1", "events", namespace)
    steps.delete_a_collection(events, _event(namespace), NAMES)

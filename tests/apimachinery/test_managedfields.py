# SPDX-License-Identifier: Apache-2.0
"""metadata.managedFields: names, entries, times, and the Scale subresource."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apimachinery import fieldset, managedfields
from pyk8s.apimachinery.managedfields import MalformedEntries, Manager


def _entry(manager: str, operation: str = "Apply", **more: Any) -> dict[str, Any]:
    known = {"manager": manager, "operation": operation, "apiVersion": "apps/v1"}
    fields = {"fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    return {**known, **fields, **more}


@pytest.mark.parametrize(
    ("asked", "agent", "name"),
    [
        pytest.param("me", "kubectl/v1", "me", id="asked for"),
        pytest.param("", "kubectl/v1.37 (linux)", "kubectl", id="agent up to the slash"),
        pytest.param("", "Mozilla 5", "Mozilla 5", id="no slash"),
        pytest.param("", "a\x00b\tc/1", "abc", id="unprintable left out"),
        pytest.param("", "ä" * 100, "ä" * 64, id="128 bytes"),
        pytest.param("", "", "", id="nothing"),
    ],
)
def test_manager_name(asked: str, agent: str, name: str) -> None:
    """The manager is who was named, or the program that asks."""
    assert managedfields.manager_name(asked, agent) == name


@pytest.mark.parametrize(
    ("manager", "text"),
    [
        pytest.param(Manager("a", "Apply"), '"a"', id="applier"),
        pytest.param(Manager("a", "Update", "v1"), '"a" using v1', id="updater"),
        pytest.param(
            Manager("a", "Update", "apps/v1", "status"),
            '"a" with subresource "status" using apps/v1',
            id="updater of a subresource",
        ),
    ],
)
def test_manager_text(manager: Manager, text: str) -> None:
    """Conflicts name a manager as upstream does."""
    assert str(manager) == text


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        pytest.param({}, "operation must be `Apply` or `Update`", id="no operation"),
        pytest.param({"operation": "Apply"}, "apiVersion must not be empty", id="no version"),
        pytest.param(
            {"operation": "Apply", "apiVersion": "v1"},
            "missing fieldsType in managed fields entry 1",
            id="no type",
        ),
        pytest.param(
            {"operation": "Apply", "apiVersion": "v1", "fieldsType": "X"},
            'invalid fieldsType "X" in managed fields entry 1',
            id="unknown type",
        ),
        pytest.param(_entry("a", fieldsV1={"spec": {}}), "error decoding set", id="bad set"),
    ],
)
def test_decode_refuses(entry: dict[str, Any], why: str) -> None:
    """Malformed entries are refused in upstream's words."""
    with pytest.raises(MalformedEntries, match=why):
        managedfields.decode([_entry("ok"), entry], stored=False)


def test_entries_come_back_as_they_were() -> None:
    """An entry nobody changed is written as the very dict it was read from."""
    entries = [_entry("a"), _entry("b", "Update", time="2026-01-01T00:00:00Z")]
    encoded = managedfields.encode(managedfields.decode(entries))
    assert encoded is not None
    assert all(a is b for a, b in zip(encoded, entries, strict=True))


def test_entries_are_in_order() -> None:
    """Appliers before updaters; by time, name, version and subresource within."""
    wanted = [
        _entry("z"),
        _entry("b", time="2026-01-01T00:00:01Z"),
        _entry("a", time="2026-01-01T00:00:02Z"),
        _entry("a", "Update", apiVersion="apps/v1"),
        _entry("a", "Update", apiVersion="apps/v1", subresource="status"),
        _entry("a", "Update", apiVersion="apps/v2"),
    ]
    assert managedfields.encode(managedfields.decode(wanted[::-1])) == wanted


def test_a_new_entry_has_its_fields_in_order() -> None:
    """Keys stand as the API type lists them; what is empty is left away."""
    managed = {
        Manager("a", "Update", "v1", "status"): managedfields.Entry({"f:a": {}}, "v1", "T"),
        Manager("a", "Apply"): managedfields.Entry({"f:a": {}}, "v1"),
    }
    entries = managedfields.encode(managed)
    assert entries is not None
    assert [list(entry) for entry in entries] == [
        ["manager", "operation", "apiVersion", "fieldsType", "fieldsV1"],
        ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"],
    ]


def _object(time: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"managedFields": [_entry("a", time=time)]}, **more}


@pytest.mark.parametrize(
    ("updated", "kept"),
    [
        pytest.param(_object("new", spec=1), True, id="only the time"),
        pytest.param(_object("new", spec=2), False, id="something else too"),
        pytest.param(
            {"metadata": {"managedFields": [_entry("b", time="new")]}, "spec": 1},
            False,
            id="another manager",
        ),
    ],
)
def test_keep_times(updated: dict[str, Any], kept: bool) -> None:
    """A write that changes nothing but times is none."""
    live = _object("old", spec=1)
    entries = managedfields.of(managedfields.keep_times(live, updated))
    assert entries is not None
    assert (entries[0]["time"] == "old") is kept


_REPLICAS = {"apps/v1": fieldset.named("spec", "replicas")}


def test_scale_shows_the_owners_of_replicas() -> None:
    """Who owns replicas of the resource owns spec.replicas of its Scale."""
    parent = [
        _entry("a", time="T"),
        _entry("b", fieldsV1={"f:spec": {"f:paused": {}}}),
        _entry("c", apiVersion="extensions/v1"),
    ]
    assert managedfields.to_scale(parent, _REPLICAS) == [
        _entry("a", apiVersion="autoscaling/v1", time="T")
    ]


def test_scale_gives_replicas_to_its_writer() -> None:
    """A write to the Scale takes replicas from the resource's entry and adds one of its own."""
    both = {"f:spec": {"f:paused": {}, "f:replicas": {}}}
    parent = [_entry("a", fieldsV1=both, time="T"), _entry("only")]
    scale = [_entry("hpa", "Update", apiVersion="autoscaling/v1", subresource="scale", time="U")]
    assert managedfields.from_scale(parent, scale, "apps/v1", _REPLICAS) == [
        _entry("a", fieldsV1={"f:spec": {"f:paused": {}}}, time="T"),
        _entry("hpa", "Update", subresource="scale"),
    ]


def test_scale_leaves_what_nobody_took() -> None:
    """Owners that the Scale still lists keep their entries."""
    parent = [_entry("a", time="T")]
    scale = managedfields.to_scale(parent, _REPLICAS)
    assert managedfields.from_scale(parent, scale, "apps/v1", _REPLICAS) == parent

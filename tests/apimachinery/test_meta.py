# SPDX-License-Identifier: Apache-2.0
"""Object metadata."""

import uuid
from typing import Any

import pytest

from pyk8s.apimachinery import meta

OWNER: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "rs", "namespace": "ns", "uid": "1"},
}
OBJECT: dict[str, Any] = {
    "metadata": {
        "name": "a",
        "namespace": "ns",
        "uid": "2",
        "resourceVersion": "7",
        "generation": 3,
        "labels": {"x": "y"},
        "annotations": {"n": "m"},
        "finalizers": ["f"],
        "ownerReferences": [{"uid": "0"}, meta.controller_reference(OWNER)],
        "deletionTimestamp": "2024-01-01T00:00:00Z",
    }
}


def test_present() -> None:
    """Each accessor reads its field."""
    assert meta.name(OBJECT) == "a"
    assert meta.namespace(OBJECT) == "ns"
    assert meta.namespaced_name(OBJECT) == ("ns", "a")
    assert meta.uid(OBJECT) == "2"
    assert meta.resource_version(OBJECT) == "7"
    assert meta.generation(OBJECT) == 3
    assert meta.labels(OBJECT) == {"x": "y"}
    assert meta.annotations(OBJECT) == {"n": "m"}
    assert list(meta.finalizers(OBJECT)) == ["f"]
    assert meta.has_finalizer(OBJECT, "f")
    assert not meta.has_finalizer(OBJECT, "g")
    assert meta.is_being_deleted(OBJECT)


@pytest.mark.parametrize(
    "obj",
    [{}, {"metadata": None}, {"metadata": {}}, {"metadata": {"name": None, "labels": None}}],
)
def test_absent(obj: dict[str, Any]) -> None:
    """What is absent or null reads as the zero value."""
    assert meta.namespaced_name(obj) == ("", "")
    assert meta.name(obj) == meta.namespace(obj) == meta.uid(obj) == ""
    assert meta.resource_version(obj) == ""
    assert meta.generation(obj) == 0
    assert meta.labels(obj) == meta.annotations(obj) == {}
    assert not meta.finalizers(obj)
    assert not meta.owner_references(obj)
    assert meta.controller_of(obj) is None
    assert not meta.is_being_deleted(obj)
    assert not meta.is_controlled_by(obj, {})


def test_controller() -> None:
    """The controller is the owner whose reference says so, known by its uid."""
    assert meta.controller_of(OBJECT) == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "rs",
        "uid": "1",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert meta.is_controlled_by(OBJECT, OWNER)
    assert not meta.is_controlled_by(OBJECT, {"metadata": {"uid": "0"}})


def test_new_uid() -> None:
    """A uid is a new random UUID each time."""
    assert uuid.UUID(meta.new_uid()).version == 4
    assert meta.new_uid() != meta.new_uid()


def test_mutable() -> None:
    """Metadata for writing belongs to the object, also when it had none."""
    obj: dict[str, Any] = {}
    meta.mutable(obj)["name"] = "a"
    assert obj == {"metadata": {"name": "a"}}
    assert meta.mutable(obj) is obj["metadata"]

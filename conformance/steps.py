# SPDX-License-Identifier: Apache-2.0
"""What many official tests do in the same way: "should support X API operations" above all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from conformance.client import STRATEGIC, Client, Object, Resource, refused

LABEL = "conformance-test"
Edit = Callable[[Object], object]


def labelled(value: str) -> str:
    return f"{LABEL}={value}"


def in_discovery(client: Client, group_version: str, *resources: str) -> None:
    """In the list of groups, in the group, and in the version of the group."""
    group = group_version.partition("/")[0]
    listed = client.get("/apis")["groups"]
    (found,) = (each for each in listed if each["name"] == group)
    for document in (found, client.get(f"/apis/{group}")):
        assert group_version in [version["groupVersion"] for version in document["versions"]]
    served = {each["name"] for each in client.get(f"/apis/{group_version}")["resources"]}
    assert set(resources) <= served


def newer(after: Object, before: Object) -> bool:
    """Both resourceVersions are decimal numbers, and ordered."""
    versions = [obj["metadata"]["resourceVersion"] for obj in (before, after)]
    assert all(version.isdecimal() and version != "0" for version in versions)
    return int(versions[0]) < int(versions[1])


def change(resource: Resource, name: str, edit: Edit) -> Object:
    """Read, edit, write back; again as long as somebody else was faster."""
    while True:
        obj = resource.get(name)
        edit(obj)
        try:
            return resource.update(obj)
        except Exception as error:
            if getattr(error, "status", None) != 409:
                raise


def annotate(obj: Object, key: str) -> None:
    obj["metadata"].setdefault("annotations", {})[key] = "true"


def gone(resource: Resource, name: str) -> None:
    """Deleted, or at least on its way and held by a finalizer."""
    listed = resource.list(field_selector=f"metadata.name={name}")["items"]
    if not [obj for obj in listed if _leaving(obj)]:
        with refused(404, "NotFound"):
            resource.get(name)


def _leaving(obj: Object) -> bool:
    metadata = obj["metadata"]
    return bool(metadata.get("deletionTimestamp") and metadata.get("finalizers"))


def staying(items: Iterable[Object]) -> list[str]:
    return [obj["metadata"]["name"] for obj in items if not _leaving(obj)]


@dataclass(frozen=True, kw_only=True)
class Operations:
    """A template, what is changed by a merge patch, and what by an update."""

    template: Object
    patch: Object = field(default_factory=dict)
    edit: Edit = lambda obj: None


def support_operations(resource: Resource, value: str, operations: Operations) -> None:
    """Every verb on three objects with a label of this value."""
    labels = labelled(value)
    created = [_create(resource, value, operations.template) for _ in range(3)]
    name = created[-1]["metadata"]["name"]
    try:
        assert resource.get(name)["metadata"]["uid"] == created[-1]["metadata"]["uid"]
        listed = resource.list(labels)
        assert len(listed["items"]) == 3
        assert len(resource.everywhere().list(labels)["items"]) == 3
        with (
            resource.watch(listed["metadata"]["resourceVersion"], labels) as events,
            resource.everywhere().watch(
                listed["metadata"]["resourceVersion"], labels
            ) as all_events,
        ):
            _change_both_ways(resource, created[-1], operations)
            for watched in (events, all_events):
                _see_changes(watched, created[-1])
        _support_deletion(resource, name, labels)
    finally:
        resource.delete_collection(labels)


def _create(resource: Resource, value: str, template: Object) -> Object:
    obj = copy.deepcopy(template)
    metadata = obj.setdefault("metadata", {})
    metadata.setdefault("generateName", "conformance-example-")
    metadata.setdefault("labels", {})[LABEL] = value
    created = resource.create(obj)
    assert created["metadata"]["name"].startswith(metadata["generateName"])
    return created


def _change_both_ways(resource: Resource, obj: Object, operations: Operations) -> None:
    name = obj["metadata"]["name"]
    patch = {"metadata": {"annotations": {"patched": "true"}}, **operations.patch}
    patched = resource.patch(name, patch)
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert newer(patched, obj)
    _holds(patched, operations.patch)

    def edit(obj: Object) -> None:
        annotate(obj, "updated")
        operations.edit(obj)

    updated = change(resource, name, edit)
    assert updated["metadata"]["annotations"]["updated"] == "true"
    assert newer(updated, patched)
    expected = copy.deepcopy(updated)
    operations.edit(expected)
    assert updated == expected, "the update is stored"
    assert resource.get(name) == updated


def _holds(obj: Object, part: Object) -> None:
    """Every scalar and list of the patch is found in the object."""
    for key, value in part.items():
        if isinstance(value, dict):
            _holds(obj[key], value)
        else:
            assert obj[key] == value


def _see_changes(events: Iterable[tuple[str, Object]], obj: Object) -> None:
    """MODIFIED until the last of the annotations is there."""
    for kind, seen in events:
        assert (kind, seen["metadata"]["uid"]) == ("MODIFIED", obj["metadata"]["uid"])
        annotations = seen["metadata"].get("annotations", {})
        if annotations.get("updated") == "true":
            assert annotations["patched"] == "true"
            return
    raise AssertionError("the watch ended before the change was seen")


def _support_deletion(resource: Resource, name: str, labels: str) -> None:
    resource.delete(name)
    gone(resource, name)
    assert len(staying(resource.list(labels)["items"])) == 2
    resource.delete_collection(labels)
    assert not staying(resource.list(labels)["items"])


def support_status(resource: Resource, obj: Object, patch: Object, edit: Object) -> Object:
    """Get, merge patch and update of the subresource status; `edit` is merged into the status by
    the update. The last version is returned. What becomes of metadata differs by kind."""
    name = obj["metadata"]["name"]
    found = resource.status.get(name)
    assert (found["kind"], found["metadata"]["uid"]) == (obj["kind"], obj["metadata"]["uid"])
    wanted = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": patch}
    patched = resource.status.patch(name, wanted)
    _holds(patched["status"], patch)

    updated = change(resource.status, name, lambda obj: obj["status"].update(edit))
    _holds(updated["status"], edit)
    assert resource.get(name)["status"] == updated["status"]
    return updated


def run_lifecycle(resource: Resource, template: Callable[[str], Object], value: str) -> None:
    """Two objects, one after the other: the first is patched and deleted, the second updated and
    deleted with its collection. `template` makes one of a suffix for its name."""
    first = _created(resource, template("first"))
    name = first["metadata"]["name"]
    patched = resource.patch(name, {"metadata": {"labels": {value: "patched"}}}, STRATEGIC)
    assert patched["metadata"]["labels"][value] == "patched"
    assert newer(patched, first)
    assert resource.names(f"{value}=patched") == [name]
    resource.delete(name)
    gone(resource, name)
    assert not staying(resource.list(f"{value}=patched")["items"])

    second = _created(resource, template("second"))
    name = second["metadata"]["name"]
    updated = change(resource, name, lambda obj: _set_label(obj, value, "updated"))
    assert updated["metadata"]["labels"][value] == "updated"
    assert resource.everywhere().names(f"{value}=updated") == [name]
    resource.delete_collection(f"{value}=updated")
    assert not staying(resource.list(f"{value}=updated")["items"])
    gone(resource, name)


def _created(resource: Resource, obj: Object) -> Object:
    created = resource.create(obj)
    assert (
        resource.get(created["metadata"]["name"])["metadata"]["uid"] == created["metadata"]["uid"]
    )
    return created


def _set_label(obj: Object, key: str, value: str) -> None:
    obj["metadata"].setdefault("labels", {})[key] = value


def delete_a_collection(resource: Resource, template: Object, names: Iterable[str]) -> None:
    """A set of objects is found by its label, and goes with it; another of the kind stays."""
    wanted = sorted(names)
    for name in wanted:
        metadata = {"name": name, "labels": {LABEL: "set"}}
        resource.create({**template, "metadata": metadata})
    resource.create({**template, "metadata": {"name": "stays", "labels": {LABEL: "other"}}})
    assert resource.names(labelled("set")) == wanted
    resource.delete_collection(labelled("set"))
    assert resource.names(labelled("set")) == []
    assert resource.names(labelled("other")) == ["stays"]

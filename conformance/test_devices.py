# SPDX-License-Identifier: Apache-2.0
"""Dynamic resource allocation: every verb, every form of patch, and the status."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

from conformance import steps
from conformance.client import (
    APPLY,
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Client,
    Events,
    Object,
    Resource,
    refused,
)

VERSION = "resource.k8s.io/v1"
ADD_LABEL = {"metadata": {"labels": {"updated": "true"}}}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An object, what an update changes of it, and the status it is given."""

    obj: Object
    status: Object = field(default_factory=dict)


def _json_patch() -> list[Object]:
    return [{"op": "add", "path": "/metadata/labels/updated", "value": "true"}]


class _Crud:
    """The steps on one resource. After each, a watch has seen what it did and nothing else."""

    def __init__(self, resource: Resource, events: Events, case: Case) -> None:
        self.resource, self.events, self.case = resource, events, case
        self.name = case.obj["metadata"]["name"]

    def create(self) -> Object:
        created = self.resource.create(copy.deepcopy(self.case.obj))
        _includes(created, self.case.obj)
        self.events.expect("ADDED", created)
        assert self.resource.get(self.name) == created
        return created

    def delete(self, obj: Object) -> None:
        self.resource.delete(self.name)
        self.events.expect("DELETED", obj)
        with refused(404, "NotFound"):
            self.resource.get(self.name)

    def update(self, before: Object) -> Object:
        updated = steps.change(
            self.resource, self.name, lambda obj: obj["metadata"]["labels"].update(updated="true")
        )
        self._changed(updated, before)
        return updated

    def update_status(self, before: Object) -> Object:
        updated = steps.change(
            self.resource.status, self.name, lambda obj: obj.update(status=self.case.status)
        )
        _includes(updated["status"], self.case.status)
        assert steps.newer(updated, before)
        self.events.expect("MODIFIED", updated)
        assert self.resource.status.get(self.name) == updated
        return updated

    def patch(self, kind: str) -> None:
        """On a new object, and away with it."""
        created = self.create()
        body = _json_patch() if kind == JSON_PATCH else self._partial(ADD_LABEL)
        patched = self.resource.patch(self.name, body, kind, **_options(kind))
        self._changed(patched, created)
        self.delete(patched)

    def patch_status(self, kind: str) -> None:
        created = self.create()
        body: object = self._partial({"status": self.case.status})
        if kind == JSON_PATCH:
            body = [{"op": "add", "path": "/status", "value": self.case.status}]
        patched = self.resource.status.patch(self.name, body, kind, **_options(kind))
        _includes(patched["status"], self.case.status)
        self.events.expect("MODIFIED", patched)
        assert steps.newer(patched, created)
        self.delete(patched)

    def _partial(self, part: Object) -> Object:
        found = self.resource.found
        named = {"apiVersion": found.group_version, "kind": found.kind}
        metadata = {"name": self.name, **part.get("metadata", {})}
        return {**named, **part, "metadata": metadata}

    def _changed(self, after: Object, before: Object) -> None:
        _includes(after, self.case.obj)
        assert after["metadata"]["labels"]["updated"] == "true"
        assert steps.newer(after, before)
        self.events.expect("MODIFIED", after)
        assert self.resource.get(self.name) == after


def _options(kind: str) -> dict[str, object]:
    return {"field_manager": "test-apply", "force_conflicts": True} if kind == APPLY else {}


def _includes(actual: object, sent: object) -> None:
    """All that was sent is there; more may be."""
    if isinstance(sent, dict):
        assert isinstance(actual, dict)
        for key, value in sent.items():
            _includes(actual[key], value)
    elif isinstance(sent, list):
        assert isinstance(actual, list)
        assert len(actual) == len(sent)
        for one, other in zip(actual, sent, strict=True):
            _includes(one, other)
    else:
        assert actual == sent


def _operate(client: Client, plural: str, namespace: str, make: Callable[[str], Case]) -> None:
    """Create, get, update, patch in four ways, delete, delete by collection."""
    served = [each["name"] for each in client.get(f"/apis/{VERSION}")["resources"]]
    assert plural in served
    resource = client.resource(VERSION, plural)
    if resource.found.namespaced:
        resource = client.resource(VERSION, plural, namespace)
    case = make(namespace)
    case.obj["metadata"]["labels"] = {steps.LABEL: namespace}
    labels = steps.labelled(namespace)
    listed = resource.everywhere().list(labels)
    assert listed["items"] == []
    with resource.watch(listed["metadata"]["resourceVersion"], labels) as events:
        crud = _Crud(resource, events, case)
        last = crud.update(crud.create())
        if case.status:
            last = crud.update_status(last)
        assert resource.everywhere().names(labels) == [crud.name]
        crud.delete(last)
        for kind in (STRATEGIC, APPLY, MERGE, JSON_PATCH):
            crud.patch(kind)
            if case.status:
                crud.patch_status(kind)
        created = crud.create()
        resource.delete_collection(labels)
        events.expect("DELETED", created)
    assert resource.everywhere().names(labels) == []


def test_device_classes(client: Client, namespace: str) -> None:
    """[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass [Conformance]"""

    def make(name: str) -> Case:
        expression = 'device.driver == "dra.example.com"'
        spec = {"selectors": [{"cel": {"expression": expression}}]}
        return Case(obj={"metadata": {"name": f"test-{name}"}, "spec": spec})

    _operate(client, "deviceclasses", namespace, make)


def _claim() -> Object:
    exactly = {"deviceClassName": "test", "allocationMode": "ExactCount", "count": 1}
    return {"devices": {"requests": [{"name": "req-0", "exactly": exactly}]}}


def test_resource_claims(client: Client, namespace: str) -> None:
    """[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim [Conformance]"""

    def make(name: str) -> Case:
        result = {"request": "req-0", "driver": "d.example.com", "pool": "pool", "device": "dev-0"}
        status = {"allocation": {"devices": {"results": [result]}}}
        return Case(obj={"metadata": {"name": "test"}, "spec": _claim()}, status=status)

    _operate(client, "resourceclaims", namespace, make)


def test_resource_claim_templates(client: Client, namespace: str) -> None:
    """[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate [Conformance]"""

    def make(name: str) -> Case:
        spec = {"metadata": {"labels": {"of": "the-claim"}}, "spec": _claim()}
        return Case(obj={"metadata": {"name": "test"}, "spec": spec})

    _operate(client, "resourceclaimtemplates", namespace, make)


def test_resource_slices(client: Client, namespace: str) -> None:
    """[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice [Conformance]"""

    def make(name: str) -> Case:
        spec = {
            "driver": "dra.example.com",
            "nodeName": f"no-such-node-{name}",
            "pool": {"name": "pool", "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": "dev-0", "attributes": {"model": {"string": "a"}}}],
        }
        return Case(obj={"metadata": {"name": f"test-{name}"}, "spec": spec})

    _operate(client, "resourceslices", namespace, make)

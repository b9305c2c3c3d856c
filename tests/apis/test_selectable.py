# SPDX-License-Identifier: Apache-2.0
"""Field selectors know upstream's keys, and objects show the fields they are selected by."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pyk8s.apimachinery.gvk import GroupResource, GroupVersionKind
from pyk8s.apis import scheme, selectable

POD = GroupVersionKind("", "v1", "Pod")
EVENT = GroupVersionKind("", "v1", "Event")
EVENTS_V1 = GroupVersionKind("events.k8s.io", "v1", "Event")
CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")
NODE = GroupVersionKind("", "v1", "Node")
JOB = GroupVersionKind("batch", "v1", "Job")
SLICE = GroupVersionKind("resource.k8s.io", "v1", "ResourceSlice")


@pytest.mark.parametrize(
    ("gvk", "key", "stored"),
    [
        pytest.param(CONFIG_MAP, "metadata.name", "metadata.name", id="any kind by name"),
        pytest.param(CONFIG_MAP, "metadata.namespace", "metadata.namespace", id="by namespace"),
        pytest.param(POD, "spec.nodeName", "spec.nodeName", id="pods by node"),
        pytest.param(POD, "spec.host", "spec.nodeName", id="the old word for it"),
        pytest.param(POD, "status.podIPs", "status.podIPs", id="accepted, though never filled"),
        pytest.param(EVENT, "involvedObject.uid", "involvedObject.uid", id="events"),
        pytest.param(EVENTS_V1, "regarding.uid", "involvedObject.uid", id="events.k8s.io"),
        pytest.param(EVENTS_V1, "reportingController", "reportingComponent", id="its reporter"),
        pytest.param(NODE, "spec.unschedulable", "spec.unschedulable", id="nodes"),
        pytest.param(JOB, "status.successful", "status.successful", id="jobs"),
        pytest.param(SLICE, "spec.driver", "spec.driver", id="resource slices"),
    ],
)
def test_known_keys_are_converted(gvk: GroupVersionKind, key: str, stored: str) -> None:
    """A key in the words of the version becomes the key of the stored form."""
    assert selectable.convert_field_selector(gvk, key, "x") == (stored, "x")


@pytest.mark.parametrize(
    ("gvk", "key", "message"),
    [
        pytest.param(
            CONFIG_MAP,
            "data",
            '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
            id="kinds known by metadata alone",
        ),
        pytest.param(POD, "spec.x", "field label not supported: spec.x", id="pods"),
        pytest.param(
            NODE,
            "metadata.namespace",
            "field label not supported: metadata.namespace",
            id="nodes have no namespace",
        ),
        pytest.param(
            EVENTS_V1,
            "involvedObject.uid",
            "field label not supported: involvedObject.uid",
            id="the other version's words",
        ),
        pytest.param(JOB, "spec.x", 'field label "spec.x" not supported for Job', id="jobs"),
        pytest.param(
            SLICE,
            "spec.x",
            "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.x",
            id="resource slices",
        ),
        pytest.param(
            GroupVersionKind("apps", "v1", "ReplicaSet"),
            "status.replicas",
            '"status.replicas" is not a known field selector: only '
            '"metadata.name", "metadata.namespace"',
            id="replica sets",
        ),
    ],
)
def test_unknown_keys_are_refused(gvk: GroupVersionKind, key: str, message: str) -> None:
    """Any other key is refused with upstream's words."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        selectable.convert_field_selector(gvk, key, "x")


META = {"name": "a", "namespace": "b"}


@pytest.mark.parametrize(
    ("resource", "obj", "expected"),
    [
        pytest.param(
            GroupResource("", "pods"),
            {
                "metadata": META,
                "spec": {"nodeName": "n", "restartPolicy": "Always", "hostNetwork": True},
                "status": {"phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.1"}]},
            },
            {
                "spec.nodeName": "n",
                "spec.restartPolicy": "Always",
                "spec.schedulerName": "",
                "spec.serviceAccountName": "",
                "spec.hostNetwork": "true",
                "status.phase": "Running",
                "status.podIP": "10.0.0.1",
                "status.nominatedNodeName": "",
            },
            id="pod",
        ),
        pytest.param(
            GroupResource("events.k8s.io", "events"),
            {
                "metadata": META,
                "involvedObject": {"kind": "Pod", "name": "p"},
                "reportingComponent": "kubelet",
            },
            {
                "involvedObject.kind": "Pod",
                "involvedObject.name": "p",
                "involvedObject.namespace": "",
                "involvedObject.uid": "",
                "involvedObject.apiVersion": "",
                "involvedObject.resourceVersion": "",
                "involvedObject.fieldPath": "",
                "reason": "",
                "type": "",
                "source": "kubelet",
                "reportingComponent": "kubelet",
            },
            id="an event without source is sourced by its reporter",
        ),
        pytest.param(
            GroupResource("batch", "jobs"),
            {"metadata": META, "status": {"succeeded": 3}},
            {"status.successful": "3"},
            id="job",
        ),
        pytest.param(
            GroupResource("", "replicationcontrollers"),
            {"metadata": META},
            {"status.replicas": "0"},
            id="an absent number is zero",
        ),
        pytest.param(GroupResource("", "configmaps"), {"metadata": META}, {}, id="metadata only"),
    ],
)
def test_fields_of_objects(
    resource: GroupResource, obj: dict[str, Any], expected: dict[str, str]
) -> None:
    """An object shows every selectable field of its kind as text, absent ones as zero values."""
    fields = selectable.of(resource).fields_of(obj)
    assert fields == {"metadata.name": "a", "metadata.namespace": "b", **expected}


def test_cluster_scoped_objects_have_no_namespace_field() -> None:
    """A node shows its name and whether it is schedulable, nothing else."""
    fields = selectable.of(GroupResource("", "nodes")).fields_of({"metadata": {"name": "n"}})
    assert fields == {"metadata.name": "n", "spec.unschedulable": "false"}


def test_fields_and_keys_belong_together() -> None:
    """Every field that an object shows can be asked for, and every table entry is served."""
    by_resource = {r.group_resource: r for r in scheme.builtin().resources}
    for gvk, resource, entry in selectable._KINDS:
        served = by_resource[GroupResource(gvk.group, resource)]
        assert served.gvk == gvk
        meta = META if served.namespaced else {"name": "a"}
        # Upstream fills the namespace of each namespaced kind, and lets all but one ask for it.
        askable = entry.allowed | set(entry.aliases.values()) | {selectable.NAMESPACE}
        assert set(entry.fields_of({"metadata": meta})) <= askable
        assert set(entry.indexed) <= askable


def test_custom_kinds_bring_their_own() -> None:
    """A kind that is not built in converts by the Selectable made for it."""
    widget = selectable.Selectable(
        allowed=frozenset({"metadata.name", "spec.color"}), fields_of=selectable.metadata_fields
    )
    assert widget.convert("spec.color", "red") == ("spec.color", "red")
    with pytest.raises(ValueError, match=r"^field label not supported: spec\.size$"):
        widget.convert("spec.size", "1")

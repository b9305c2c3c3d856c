# SPDX-License-Identifier: Apache-2.0
"""Validation that the schema alone can do: required fields, sets, maps."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apis import schemas
from pyk8s.apis.structural_validation import Validators

VALIDATORS = Validators(schemas.resolve)
POD = "io.k8s.api.core.v1.Pod"
RUNTIME_CLASS = "io.k8s.api.node.v1.RuntimeClass"
CLUSTER_ROLE = "io.k8s.api.rbac.v1.ClusterRole"
CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"


@pytest.mark.parametrize(
    ("definition", "obj", "faults"),
    [
        pytest.param(RUNTIME_CLASS, {"handler": "runc"}, [], id="all there"),
        pytest.param(RUNTIME_CLASS, {}, ["handler: Required value"], id="absent"),
        pytest.param(RUNTIME_CLASS, {"handler": ""}, ["handler: Required value"], id="empty text"),
        pytest.param(
            CLUSTER_ROLE,
            {"rules": [{"verbs": ["get"]}, {"apiGroups": [""]}]},
            ["rules[1].verbs: Required value"],
            id="in a list",
        ),
        pytest.param(
            POD,
            {"spec": {"containers": [{"name": "a", "env": [{"value": "x"}]}]}},
            ["spec.containers[0].env[0].name: Required value"],
            id="deep",
        ),
        pytest.param(POD, {"spec": {}, "status": {}}, [], id="a struct nobody sent"),
    ],
)
def test_required(definition: str, obj: dict[str, Any], faults: list[str]) -> None:
    """Each required field that is absent is one error with its path."""
    found = VALIDATORS.required_errors(definition)(obj)
    assert [fault.message for fault in found] == faults


def pod(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", **container}]}}


@pytest.mark.parametrize(
    ("definition", "obj", "faults"),
    [
        pytest.param(
            POD,
            pod(ports=[{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80}]),
            [],
            id="other protocol",
        ),
        pytest.param(
            POD,
            pod(ports=[{"containerPort": 80, "protocol": "TCP"}] * 2),
            ['spec.containers[0].ports[1]: Duplicate value: {"containerPort":80,"protocol":"TCP"}'],
            id="map keys",
        ),
        pytest.param(
            POD,
            {"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}},
            ['spec.containers[2]: Duplicate value: {"name":"a"}'],
            id="one key",
        ),
        pytest.param(
            "io.k8s.api.core.v1.PersistentVolumeClaim",
            {"spec": {"accessModes": ["ReadWriteOnce", "ReadWriteOnce"]}},
            [],
            id="an atomic list may repeat itself",
        ),
        pytest.param(
            "io.k8s.api.networking.v1.IPAddress",
            {"metadata": {"finalizers": ["a", "a"]}},
            [],
            id="metadata has rules of its own",
        ),
        pytest.param(
            "io.k8s.api.core.v1.ServiceAccount",
            {"secrets": [{"name": "a"}, {"name": "b"}, {"name": "a"}]},
            ['secrets[2]: Duplicate value: {"name":"a"}'],
            id="at the root",
        ),
    ],
)
def test_duplicates(definition: str, obj: dict[str, Any], faults: list[str]) -> None:
    """An item that repeats another's keys is named by its index."""
    found = VALIDATORS.duplicate_errors(definition)(obj)
    assert [fault.message for fault in found] == faults


def test_set_values() -> None:
    """In a list of type set the value itself is printed."""
    validate = VALIDATORS.duplicate_errors("io.k8s.api.admissionregistration.v1.MatchCondition")
    assert validate({"name": "a"}) == []
    sets = [
        (name, field)
        for name in schemas.names()
        for field, schema in schemas.definition(name).get("properties", {}).items()
        if schema.get("x-kubernetes-list-type") == "set"
        and schema["items"].get("type") == "string"
        and not name.endswith(("ObjectMeta", "JSONSchemaProps"))
    ]
    assert sets
    for name, field in sets:
        found = VALIDATORS.duplicate_errors(name)({field: ["a", "b", "a"]})
        assert [fault.message for fault in found] == [f'{field}[2]: Duplicate value: "a"']


def test_recursive_types() -> None:
    """JSON schemas contain themselves; their required lists are checked at any depth."""
    schema = {"properties": {"x": {"properties": {"y": {"x-kubernetes-validations": [{}]}}}}}
    obj = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}
    assert VALIDATORS.duplicate_errors(CRD)(obj) == []
    obj["spec"]["versions"] *= 1
    schema["properties"]["x"]["properties"]["y"]["x-kubernetes-validations"] = [{"message": "m"}]
    messages = [fault.message for fault in VALIDATORS.required_errors(CRD)(obj)]
    assert (
        "spec.versions[0].schema.openAPIV3Schema.properties[x].properties[y]"
        ".x-kubernetes-validations[0].rule: Required value"
    ) in messages

# SPDX-License-Identifier: Apache-2.0
"""Types compiled from the built-in schemas and from structural ones."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apimachinery import typedcompare, typedvalidation, typedvalue
from pyk8s.apimachinery.typedschema import DEDUCED, Compiler, KeyFault, Type, keyed
from pyk8s.apis import schemas

_COMPILER = Compiler(schemas.resolve)


def _built_in(name: str) -> Type:
    return _COMPILER.definition(f"#/definitions/io.k8s.{name}")


def _at(schema: Type, *path: str) -> Type:
    for step in path:
        if step == "[]":
            assert schema.items is not None
            schema = schema.items
        else:
            schema = schema.child(step)
    return schema


@pytest.mark.parametrize(
    ("kind", "path", "grain"),
    [
        pytest.param("api.core.v1.Pod", "spec", "fields", id="struct"),
        pytest.param("api.core.v1.Pod", "metadata labels", "fields", id="map"),
        pytest.param("api.core.v1.Pod", "spec nodeSelector", "whole", id="atomic map"),
        pytest.param("api.core.v1.Pod", "spec containers", "elements", id="list by key"),
        pytest.param("api.core.v1.Pod", "spec containers [] command", "whole", id="atomic list"),
        pytest.param("api.core.v1.Pod", "spec tolerations", "whole", id="list of structs"),
        pytest.param("api.core.v1.Pod", "metadata finalizers", "elements", id="set"),
        pytest.param("api.core.v1.Pod", "metadata creationTimestamp", "whole", id="time"),
        pytest.param("api.apps.v1.Deployment", "spec selector", "whole", id="atomic struct"),
        pytest.param("api.core.v1.ConfigMap", "data", "fields", id="text by key"),
        pytest.param("api.core.v1.Secret", "data", "fields", id="bytes by key"),
        pytest.param(
            "api.core.v1.Service", "spec ports [] targetPort", "whole", id="int or string"
        ),
        pytest.param("api.apps.v1.ControllerRevision", "data", "whole", id="raw extension"),
    ],
)
def test_grain(kind: str, path: str, grain: str) -> None:
    """The schema's markers say at which grain a value has owners."""
    schema = _at(_built_in(kind), *path.split())
    found = "whole" if schema.leaf else "fields" if schema.is_map else "elements"
    assert found == grain


def test_a_reference_may_change_the_grain() -> None:
    """x-kubernetes-map-type beside a reference wins over the one of the type it names."""
    definitions: dict[str, dict[str, Any]] = {
        "T": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {"a": {"type": "string"}},
        },
        "Root": {
            "type": "object",
            "properties": {
                "atomic": {"$ref": "#/definitions/T"},
                "granular": {"$ref": "#/definitions/T", "x-kubernetes-map-type": "granular"},
                "wrapped": {
                    "allOf": [{"$ref": "#/definitions/T"}],
                    "x-kubernetes-map-type": "granular",
                },
                "merged": {
                    "type": "array",
                    "x-kubernetes-patch-strategy": "merge",
                    "x-kubernetes-patch-merge-key": "a",
                    "items": {"$ref": "#/definitions/T"},
                },
            },
        },
    }
    compiler = Compiler(lambda ref: definitions[ref.rpartition("/")[2]])
    root = compiler.definition("#/definitions/Root")
    leaves = {name: _at(root, name).leaf for name in definitions["Root"]["properties"]}
    assert leaves == {"atomic": True, "granular": False, "wrapped": False, "merged": False}


def test_types_recur() -> None:
    """A type that holds itself is compiled once and goes as deep as the value."""
    schema = _built_in("apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    assert _at(schema, "properties", "a", "properties", "b") is schema
    fields = typedvalue.to_field_set(schema, {"properties": {"a": {"properties": {"b": {}}}}})
    assert fields == {
        "f:properties": {"f:a": {".": {}, "f:properties": {"f:b": {}}}},
    }


def test_every_built_in_kind_compiles() -> None:
    """No definition of the release is beyond the compiler."""
    for name in schemas.names():
        made = _COMPILER.definition(schemas.REF_PREFIX + name)
        assert made.is_map or made.is_list or made.scalar


@pytest.mark.parametrize(
    ("path", "item", "element"),
    [
        pytest.param("spec containers", {"name": "a"}, 'k:{"name":"a"}', id="one key"),
        pytest.param("spec containers", {}, 'k:{"name":""}', id="required keys default to zero"),
        pytest.param(
            "spec containers [] ports",
            {"containerPort": 80},
            'k:{"containerPort":80,"protocol":"TCP"}',
            id="default",
        ),
        pytest.param(
            "spec containers [] ports",
            {"protocol": "UDP", "containerPort": 80},
            'k:{"containerPort":80,"protocol":"UDP"}',
            id="keys by name",
        ),
        pytest.param(
            "spec containers [] env",
            {"name": 'a"<é>'},
            'k:{"name":"a\\"\\u003cé\\u003e"}',
            id="as Go escapes it",
        ),
    ],
)
def test_keys(path: str, item: Any, element: str) -> None:
    """Elements of associative lists are named by their keys, defaults included."""
    schema = _at(_built_in("api.core.v1.Pod"), *path.split())
    assert schema.key_of is not None
    assert schema.key_of(item) == element


def test_optional_keys_are_left_out() -> None:
    """A key without default that is missing makes another element; without any there is none."""
    key_of = keyed({"a": None, "b": None})
    assert key_of({"b": 1}) == 'k:{"b":1}'
    with pytest.raises(KeyFault, match="omits all key fields"):
        key_of({"c": 1})


@pytest.mark.parametrize(
    ("schema", "value", "fields"),
    [
        pytest.param(None, {"a": {"b": 1}}, {"f:a": {".": {}, "f:b": {}}}, id="none"),
        pytest.param(
            {"type": "object", "properties": {"a": {"type": "object"}}},
            {"a": {"b": 1}},
            {"f:a": {"f:b": {}}},
            id="an object of which nothing is said",
        ),
        pytest.param(
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {}},
            {"a": {"b": 1}},
            {"f:a": {".": {}, "f:b": {}}},
            id="preserved",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": {"x-kubernetes-int-or-string": True}}},
            {"a": "1"},
            {"f:a": {}},
            id="int or string",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}},
            {"a": [{"b": 1}]},
            {"f:a": {}},
            id="lists are whole",
        ),
        pytest.param(
            {"type": "object", "properties": {"spec": {"type": "object"}}},
            {"metadata": {"labels": {"a": "b"}}},
            {"f:metadata": {"f:labels": {"f:a": {}}}},
            id="metadata is that of every object",
        ),
    ],
)
def test_custom_resources(schema: Any, value: Any, fields: Any) -> None:
    """Structural schemas compile to the types that their OpenAPI gives upstream."""
    made = _COMPILER.custom_resource(schema)
    assert typedvalue.to_field_set(made, value) == fields
    assert typedvalidation.faults(made, value) == []


def test_preserve_unknown_fields_of_the_definition() -> None:
    """spec.preserveUnknownFields of a CRD makes unknown fields deduced everywhere."""
    made = _COMPILER.custom_resource(
        {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}}},
        preserve_unknown=True,
    )
    assert _at(made, "a", "c") is DEDUCED


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param({"spec": []}, ".spec: expected map, got &{[]}", id="map"),
        pytest.param(
            {"spec": {"containers": {"a": 1}}},
            ".spec.containers: expected list, got &{map[a:1]}",
            id="list",
        ),
        pytest.param(
            {"spec": {"nodeName": 1}},
            ".spec.nodeName: expected string, got &value.valueUnstructured{Value:1}",
            id="string",
        ),
        pytest.param(
            {"spec": {"hostNetwork": "x"}},
            ".spec.hostNetwork: expected boolean, got &{x}",
            id="boolean",
        ),
        pytest.param(
            {"spec": {"priority": True}},
            ".spec.priority: expected numeric (int or float), got bool",
            id="number",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "c", "env": [{"name": "a", "x": 1}]}]}},
            '.spec.containers[name="c"].env[name="a"].x: field not declared in schema',
            id="unknown field",
        ),
        pytest.param(
            {"spec": {"tolerations": [{"x": 1}]}},
            ".spec.tolerations[0].x: field not declared in schema",
            id="inside what is whole",
        ),
    ],
)
def test_faults(value: Any, why: str) -> None:
    """What is not of its type is told with its path, in upstream's words."""
    assert typedvalidation.faults(_built_in("api.core.v1.Pod"), value) == [why]


def test_duplicates_are_compared_as_one() -> None:
    """Elements that occur twice are owned as one, which changes when any of them does."""
    schema = _built_in("api.core.v1.Pod")

    def pod(*values: str) -> dict[str, Any]:
        env = [{"name": "A", "value": value} for value in values]
        return {"spec": {"containers": [{"name": "c", "env": env}]}}

    def env_of(fields: dict[str, Any]) -> Any:
        for step in ("f:spec", "f:containers", 'k:{"name":"c"}', "f:env"):
            fields = fields.get(step, {})
        return fields

    element = 'k:{"name":"A"}'
    whole = {".": {}, "f:name": {}, "f:value": {}}
    changed = typedcompare.compare(schema, pod("1", "2"), pod("1", "3"))
    assert [env_of(fields) for fields in changed] == [{}, {element: {}}, {}]
    doubled = typedcompare.compare(schema, pod("1"), pod("1", "2"))
    assert [env_of(fields) for fields in doubled] == [{element: {}}, {}, {element: whole}]
    single = typedcompare.compare(schema, pod("1", "2"), pod("2"))
    assert [env_of(fields) for fields in single] == [{element: whole}, {}, {element: {}}]

# SPDX-License-Identifier: Apache-2.0
"""The schema source is the pinned release, with the source's alterations undone."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import schemas

POD = "io.k8s.api.core.v1.Pod"


def every_schema(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schema and all schemas inside it."""
    inside = [*schema.get("properties", {}).values()]
    inside += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    return [schema] + [deep for child in inside for deep in every_schema(child)]


def test_release_has_all_definitions() -> None:
    """The 862 definitions of the release are there, sorted by name."""
    names = schemas.names()
    assert len(names) == 862
    assert list(names) == sorted(names)


def test_no_alteration_is_left() -> None:
    """No schema shows a union with null, a reference of the source's form or an injected enum."""
    for name in schemas.names():
        for schema in every_schema(schemas.definition(name)):
            assert isinstance(schema.get("type", ""), str), name
            assert schema.get("$ref", "#/definitions/").startswith("#/definitions/"), name
            assert not schema.keys() & {"enum", "oneOf", "default"}, name


def test_every_reference_resolves() -> None:
    """Every $ref points at a definition of the release."""
    known = set(schemas.names())
    for name in schemas.names():
        for schema in every_schema(schemas.definition(name)):
            if "$ref" in schema:
                assert schemas.ref_name(schema["$ref"]) in known


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(schemas.QUANTITY, {"type": "string"}, id="quantity"),
        pytest.param(
            schemas.INT_OR_STRING,
            {"type": "string", "format": "int-or-string"},
            id="int-or-string",
        ),
    ],
)
def test_scalar_types_are_restored(name: str, expected: dict[str, str]) -> None:
    """Quantity and IntOrString are strings, as upstream publishes them, with a description."""
    schema = dict(schemas.definition(name))
    assert schema.pop("description")
    assert schema == expected


@pytest.mark.parametrize(
    ("gvk", "name"),
    [
        pytest.param(("", "v1", "Pod"), POD, id="core"),
        pytest.param(
            ("autoscaling", "v1", "Scale"), "io.k8s.api.autoscaling.v1.Scale", id="subresource"
        ),
        pytest.param(
            ("apps", "v1", "DeleteOptions"),
            "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
            id="options of every group version",
        ),
    ],
)
def test_definition_of_a_kind(gvk: tuple[str, str, str], name: str) -> None:
    """A group, version and kind leads to the definition that claims it."""
    assert schemas.definition_of(GroupVersionKind(*gvk)) == name


def test_unknown_names_are_key_errors() -> None:
    """What is not in the release raises KeyError."""
    with pytest.raises(KeyError):
        schemas.definition("io.k8s.api.core.v1.Nothing")
    with pytest.raises(KeyError):
        schemas.definition_of(GroupVersionKind("", "v1", "Nothing"))
    with pytest.raises(ValueError, match="not a reference"):
        schemas.resolve("#/components/schemas/x")


def test_merge_keys_survive() -> None:
    """The extensions that patches and apply read are kept."""
    containers = schemas.definition("io.k8s.api.core.v1.PodSpec")["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]


def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema file of another content is refused with the command that repairs it."""
    monkeypatch.setattr(schemas, "_FILE", "__init__.py")
    with pytest.raises(schemas.SchemaSourceError, match=r"install kubernetes-validate==1\.37\.0"):
        schemas._source.__wrapped__()

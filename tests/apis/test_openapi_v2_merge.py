# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v2 of several servers becomes one document in which nothing means two things."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apis import openapi_v2_merge

Document = dict[str, Any]


def reading(name: str) -> Document:
    return {"get": {"responses": {"200": {"schema": {"$ref": f"#/definitions/{name}"}}}}}


def kind(name: str) -> Document:
    return {"group": "a", "version": "v1", "kind": name}


OWN: Document = {
    "swagger": "2.0",
    "info": {"title": "own"},
    "paths": {"/apis/a/v1/": reading("Own")},
    "definitions": {
        "Own": {"type": "object", "x-kubernetes-group-version-kind": [kind("Own")]},
        "Shared": {"type": "string"},
    },
    "parameters": {"p": {"name": "p", "in": "query", "type": "string"}},
}


def other(definition: Document, *, name: str = "Own") -> Document:
    document = {
        "paths": {"/apis/b/v1/": reading(name), "/apis/c/v1/": reading("Unused")},
        "definitions": {name: definition, "Unused": {}, "Never": {}},
    }
    return openapi_v2_merge.of_paths(document, "/apis/b/v1/")


def test_part() -> None:
    """Only the paths asked for, with everything they lead to and nothing else."""
    document = {
        "paths": {
            "/apis/b/v1/": {**reading("A"), "parameters": [{"$ref": "#/parameters/p"}]},
            "/apis/b/v1beta1/": reading("D"),
        },
        "definitions": {
            "A": {"properties": {"b": {"$ref": "#/definitions/B"}}},
            "B": {"items": {"$ref": "#/definitions/B"}},
            "D": {},
        },
        "parameters": {"p": {"schema": {"$ref": "#/definitions/C"}}, "q": {}},
    }
    document["definitions"]["C"] = {}
    part = openapi_v2_merge.of_paths(document, "/apis/b/v1/")
    assert list(part["paths"]) == ["/apis/b/v1/"]
    assert list(part["definitions"]) == ["A", "B", "C"]
    assert list(part["parameters"]) == ["p"]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"paths": ["/"]}, id="paths"),
        pytest.param({"paths": {"/": 1}}, id="path"),
        pytest.param({"paths": {}, "definitions": {"a": "b"}}, id="definition"),
    ],
)
def test_no_document(document: Document) -> None:
    """What has other types is refused."""
    with pytest.raises(ValueError, match="is not an object of objects"):
        openapi_v2_merge.of_paths(document, "/")


def test_definition_that_means_something_else() -> None:
    """It gets another name, by which its own paths refer to it."""
    merged = openapi_v2_merge.merge(OWN, [other({"type": "integer"}), other({"type": "number"})])
    assert merged["definitions"]["Own"] == OWN["definitions"]["Own"]
    assert merged["definitions"]["Own_v2"] == {"type": "integer"}
    assert merged["definitions"]["Own_v3"] == {"type": "number"}
    # The path is the first one's.
    assert merged["paths"]["/apis/b/v1/"] == reading("Own_v2")
    assert merged["info"] == {"title": "own"}


def test_definition_that_says_the_same() -> None:
    """It is one, of all kinds that either says it is."""
    same = {"type": "object", "x-kubernetes-group-version-kind": [kind("Other"), kind("Own")]}
    merged = openapi_v2_merge.merge(OWN, [other(same)])
    assert merged["definitions"]["Own"] == {
        "type": "object",
        "x-kubernetes-group-version-kind": [kind("Own"), kind("Other")],
    }
    assert "Own_v2" not in merged["definitions"]
    assert OWN["definitions"]["Own"]["x-kubernetes-group-version-kind"] == [kind("Own")]


def test_path_of_the_first() -> None:
    """No other server describes a path of this one's."""
    theirs = openapi_v2_merge.of_paths({"paths": {"/apis/a/v1/": reading("X")}}, "/apis/")
    assert openapi_v2_merge.merge(OWN, [theirs])["paths"] == OWN["paths"]

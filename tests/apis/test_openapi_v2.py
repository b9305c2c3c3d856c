# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v2 is one complete swagger document over the release's definitions."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apimachinery import codec
from pyk8s.apis import openapi_v2, schemas, scheme


@pytest.fixture(scope="module")
def swagger() -> dict[str, Any]:
    return openapi_v2.build(scheme.builtin().resources, version="v1.37.0")


def test_definitions_are_the_releases(swagger: dict[str, Any]) -> None:
    """Each definition is that of the release, all that is referred to are there, sorted."""
    definitions = swagger["definitions"]
    assert list(definitions) == sorted(definitions)
    for name, definition in definitions.items():
        assert definition == schemas.definition(name)
    named = set(schemas.references(swagger["paths"], schemas.REF_PREFIX))
    named |= set(schemas.references(swagger["parameters"], schemas.REF_PREFIX))
    inside = set(schemas.references(definitions, schemas.REF_PREFIX))
    assert named | inside == set(definitions)


def test_served_kinds_are_defined(swagger: dict[str, Any]) -> None:
    """The definition of every served resource is in the document; betas are not."""
    for resource in scheme.builtin().resources:
        assert schemas.definition_of(resource.gvk) in swagger["definitions"]
    assert not [name for name in swagger["definitions"] if ".v1beta1." in name]


def test_parameters_are_stated_once(swagger: dict[str, Any]) -> None:
    """Operations refer to shared parameters; all of them are stated and used."""
    used = set(schemas.references(swagger["paths"], "#/parameters/"))
    assert used == set(swagger["parameters"])
    described = [tuple(sorted(map(str, p.items()))) for p in swagger["parameters"].values()]
    assert len(described) == len(set(described))


def test_operation(swagger: dict[str, Any]) -> None:
    """An operation has its media types, answers, kind and action in v2's places."""
    item = swagger["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    patch = item["patch"]
    assert patch["consumes"][0] == "application/json-patch+json"
    assert patch["operationId"] == "patchAppsV1NamespacedDeployment"
    assert patch["responses"]["200"] == {
        "description": "OK",
        "schema": {"$ref": "#/definitions/io.k8s.api.apps.v1.Deployment"},
    }
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "kind": "Deployment",
        "version": "v1",
    }
    stated = [swagger["parameters"][p["$ref"].rpartition("/")[2]] for p in patch["parameters"]]
    assert [p["name"] for p in stated] == [
        "body",
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
    ]
    assert stated[0]["required"] is True


def test_head_of_the_document(swagger: dict[str, Any]) -> None:
    """The document says its version and how clients authenticate."""
    assert swagger["swagger"] == "2.0"
    assert swagger["info"] == {"title": "Kubernetes", "version": "v1.37.0"}
    assert swagger["security"] == [{"BearerToken": []}]
    assert swagger["securityDefinitions"]["BearerToken"]["name"] == "authorization"


def test_etag_follows_the_content(swagger: dict[str, Any]) -> None:
    """The same resources give the same tag, fewer another."""
    resources = scheme.builtin().resources
    again = openapi_v2.build(resources, version="v1.37.0")
    fewer = openapi_v2.build(resources[:-1], version="v1.37.0")
    tags = [openapi_v2.etag(codec.encode_json(one)) for one in (swagger, again, fewer)]
    assert tags[0] == tags[1] != tags[2]

# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v3 has what kubectl reads from it, in upstream's form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import openapi_v3, schemas, scheme

VERSION = "v1.37.0"
POD_PATH = "/api/v1/namespaces/{namespace}/pods/{name}"
CORE = "io.k8s.api.core.v1"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


@pytest.fixture(scope="module")
def publisher() -> openapi_v3.Publisher:
    return openapi_v3.Publisher(scheme.builtin().resources, version=VERSION)


def document(publisher: openapi_v3.Publisher, path: str) -> dict[str, Any]:
    decoded: dict[str, Any] = codec.decode_json(publisher.document(path))
    return decoded


def references(value: Any) -> Iterator[str]:
    return schemas.references(value, openapi_v3.REF_PREFIX)


def test_index_leads_to_every_document(publisher: openapi_v3.Publisher) -> None:
    """The index names each group version, group and odd endpoint, with the document's hash."""
    paths = codec.decode_json(publisher.index())["paths"]
    assert set(paths) == set(publisher.paths)
    assert len([path for path in paths if re.search(r"/v\d$", path)]) == 23
    assert {"api", "apis", "apis/apps", "version", "openid/v1/jwks"} <= set(paths)
    for path, entry in paths.items():
        url = f"/openapi/v3/{path}?hash={publisher.hash(path)}"
        assert entry == {"serverRelativeURL": url}


def test_documents_are_complete(publisher: openapi_v3.Publisher) -> None:
    """Every reference of every document resolves in it, and no schema is there for nothing."""
    for path in publisher.paths:
        found = document(publisher, path)
        named = set(references(found["paths"]))
        inside = {
            name
            for schema in found["components"]["schemas"].values()
            for name in references(schema)
        }
        assert named | inside == set(found["components"]["schemas"]), path


def test_patch_operation_tells_kubectl_what_works(publisher: openapi_v3.Publisher) -> None:
    """A PATCH lists fieldValidation itself, its kind, and strategic merge among its bodies."""
    patch = document(publisher, "api/v1")["paths"][POD_PATH]["patch"]
    names = [parameter["name"] for parameter in patch["parameters"]]
    assert names == ["dryRun", "fieldManager", "fieldValidation", "force"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}
    assert patch["x-kubernetes-action"] == "patch"
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    assert list(patch["responses"]) == ["200", "201", "401"]


def test_parameters_of_all_methods_stand_at_the_path(publisher: openapi_v3.Publisher) -> None:
    """Name, namespace and pretty are stated once for all methods of an object's path."""
    item = document(publisher, "api/v1")["paths"][POD_PATH]
    assert [parameter["name"] for parameter in item["parameters"]] == [
        "name",
        "namespace",
        "pretty",
    ]
    assert item["parameters"][0] == {
        "description": "name of the Pod",
        "in": "path",
        "name": "name",
        "required": True,
        "schema": {"type": "string", "uniqueItems": True},
    }


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        pytest.param(
            "io.k8s.api.apps.v1.DaemonSetSpec",
            "selector",
            {},
            id="a pointer has no default",
        ),
        pytest.param(
            "io.k8s.api.apps.v1.DaemonSetSpec", "template", {"default": {}}, id="a struct by value"
        ),
        pytest.param("io.k8s.api.apps.v1.DaemonSet", "status", {"default": {}}, id="status"),
        pytest.param("io.k8s.api.apps.v1.DaemonSet", "metadata", {"default": {}}, id="metadata"),
        pytest.param(
            "io.k8s.api.apps.v1.DaemonSetStatus", "numberReady", {"default": 0}, id="a number"
        ),
        pytest.param(
            "io.k8s.api.apps.v1.DaemonSetCondition",
            "lastTransitionTime",
            {},
            id="a time writes itself",
        ),
        pytest.param(f"{CORE}.ContainerPort", "protocol", {"default": "TCP"}, id="explicit"),
        pytest.param(f"{CORE}.LocalObjectReference", "name", {"default": ""}, id="explicit zero"),
        pytest.param(
            "io.k8s.api.networking.v1.HTTPIngressPath", "pathType", {}, id="a required pointer"
        ),
        pytest.param(
            "io.k8s.api.certificates.v1.CertificateSigningRequestSpec", "request", {}, id="bytes"
        ),
    ],
)
def test_defaults(name: str, field: str, expected: dict[str, Any]) -> None:
    """A field has upstream's default, or none where its type allows absence."""
    found = openapi_v3.schema(name)["properties"][field]
    assert ("default" in found) == ("default" in expected)
    assert found.get("default") == expected.get("default")


def test_reference_with_company_moves_to_all_of() -> None:
    """OpenAPI 3.0 would ignore what stands beside a $ref."""
    items = openapi_v3.schema("io.k8s.api.apps.v1.DaemonSetList")["properties"]["items"]["items"]
    assert items == {
        "default": {},
        "allOf": [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DaemonSet"}],
    }
    limits = openapi_v3.schema(f"{CORE}.ResourceRequirements")["properties"]["limits"]
    assert limits["additionalProperties"] == {"$ref": f"#/components/schemas/{schemas.QUANTITY}"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            schemas.QUANTITY, {"oneOf": [{"type": "string"}, {"type": "number"}]}, id="quantity"
        ),
        pytest.param(
            schemas.INT_OR_STRING,
            {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
            id="int-or-string",
        ),
    ],
)
def test_scalar_unions(name: str, expected: dict[str, Any]) -> None:
    """Types of two JSON forms say so."""
    found = dict(openapi_v3.schema(name))
    assert found.pop("description")
    assert found == expected


def test_schemas_say_their_kinds(publisher: openapi_v3.Publisher) -> None:
    """kubectl explain finds a schema by its kind, and apply its merge keys."""
    found = document(publisher, "api/v1")["components"]["schemas"]
    assert found[f"{CORE}.Pod"]["x-kubernetes-group-version-kind"] == [
        {"group": "", "kind": "Pod", "version": "v1"}
    ]
    containers = found[f"{CORE}.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"


def crontabs(field: str) -> tuple[scheme.Resource, dict[str, Any]]:
    """A custom resource and its schemas."""
    gvk = GroupVersionKind("stable.example.com", "v1", "CronTab")
    resource = scheme.Resource(
        group=gvk.group,
        version=gvk.version,
        resource="crontabs",
        kind=gvk.kind,
        singular="crontab",
        namespaced=True,
        verbs=("create", "get", "list", "patch", "watch"),
        subresources=MappingProxyType({}),
        storage_version=gvk,
        storage_prefix="stable.example.com/crontabs",
    )
    name = "com.example.stable.v1.CronTab"
    definitions = {
        name + suffix: {
            "type": "object",
            "properties": {
                field: {"type": "string"},
                "metadata": {"$ref": openapi_v3.REF_PREFIX + OBJECT_META},
            },
            "x-kubernetes-group-version-kind": [
                {"group": gvk.group, "version": gvk.version, "kind": gvk.kind + suffix}
            ],
        }
        for suffix in ("", "List")
    }
    return resource, definitions


def test_custom_resources_join(publisher: openapi_v3.Publisher) -> None:
    """A custom resource gets a document of its own; what is unchanged is taken over."""
    resource, custom = crontabs("cronSpec")
    publisher.index()
    joined = openapi_v3.Publisher(
        [*scheme.builtin().resources, resource], version=VERSION, custom=custom, before=publisher
    )
    assert joined.document("api/v1") is publisher.document("api/v1")
    found = document(joined, "apis/stable.example.com/v1")
    assert "com.example.stable.v1.CronTab" in found["components"]["schemas"]
    assert OBJECT_META in found["components"]["schemas"]
    resource, custom = crontabs("schedule")
    changed = openapi_v3.Publisher(
        [*scheme.builtin().resources, resource], version=VERSION, custom=custom, before=joined
    )
    path = "apis/stable.example.com/v1"
    assert changed.hash(path) != joined.hash(path)
    assert changed.hash("apis/apps/v1") == joined.hash("apis/apps/v1")


def test_unknown_documents_are_key_errors(publisher: openapi_v3.Publisher) -> None:
    """A path that the index does not name has no document."""
    with pytest.raises(KeyError):
        publisher.document("apis/nothing.example/v1")

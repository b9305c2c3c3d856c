# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v2: everything that is served, in one document.

Definitions stand as the release publishes them; only those that a served operation reaches are
in it. A parameter that several operations take is stated once, under `parameters`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import discovery, openapi_operations, openapi_paths, schemas
from pyk8s.apis.openapi_operations import STRING, Operation
from pyk8s.apis.openapi_parameters import Parameter
from pyk8s.apis.schemas import Schema
from pyk8s.apis.scheme import Resource, Scheme

Document = dict[str, Any]

_SECURITY_DEFINITIONS = {
    "BearerToken": {
        "description": "Bearer Token authentication",
        "in": "header",
        "name": "authorization",
        "type": "apiKey",
    }
}


def build(
    resources: Iterable[Resource], *, version: str, custom: Mapping[str, Schema] | None = None
) -> Document:
    """The document of these resources. `custom` holds the v2 schemas of kinds that are not built
    in, by definition name, each with its `x-kubernetes-group-version-kind`."""
    custom = custom or {}
    names = schemas.names_by_gvk(custom)

    def name_of(gvk: GroupVersionKind) -> str:
        return names.get(gvk) or schemas.definition_of(gvk)

    operations = list(_operations(Scheme(resources), name_of))
    parameters = _SharedParameters()
    paths = {
        path: _path_item(methods, parameters)
        for path, methods in openapi_operations.by_path(operations).items()
    }
    return {
        "definitions": _closure(operations, custom),
        "info": {"title": "Kubernetes", "version": version},
        "parameters": dict(sorted(parameters.stated.items())),
        "paths": paths,
        "security": [{"BearerToken": []}],
        "securityDefinitions": _SECURITY_DEFINITIONS,
        "swagger": "2.0",
    }


def etag(document: bytes) -> str:
    """The ETag header of the encoded document; upstream makes it as for discovery."""
    return discovery.etag(document)


class _SharedParameters:
    """States each parameter once and hands out references to it."""

    def __init__(self) -> None:
        self.stated: dict[str, Document] = {}
        self._keys: dict[bytes, str] = {}

    def reference(self, described: Document) -> Document:
        encoded = codec.encode_json(described)
        key = self._keys.get(encoded)
        if key is None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(encoded).digest())[:8].decode()
            key = self._keys[encoded] = f"{described['name']}-{digest}"
            self.stated[key] = described
        return {"$ref": f"#/parameters/{key}"}


def _operations(scheme: Scheme, name_of: openapi_paths.NameOf) -> Iterator[Operation]:
    yield from openapi_operations.of_server()
    for group in scheme.groups:
        if group:
            yield openapi_operations.of_group(group)
    for group_version in scheme.group_versions:
        yield openapi_operations.of_group_version(group_version)
    for resource in scheme.resources:
        yield from openapi_paths.of_resource(resource, name_of)


def _closure(operations: Iterable[Operation], custom: Mapping[str, Schema]) -> dict[str, Schema]:
    reached: dict[str, Schema] = {}
    waiting = [name for operation in operations for name in openapi_operations.named(operation)]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = custom.get(name) or schemas.definition(name)
            waiting.extend(schemas.references(reached[name], schemas.REF_PREFIX))
    return {name: reached[name] for name in sorted(reached)}


def _path_item(methods: Mapping[str, Operation], parameters: _SharedParameters) -> Document:
    shared = openapi_operations.shared_parameters(methods.values())
    item: Document = {
        method: _operation_object(operation, shared, parameters)
        for method, operation in methods.items()
    }
    if shared:
        item["parameters"] = [parameters.reference(_parameter_object(p)) for p in shared]
    return item


def _operation_object(
    operation: Operation, shared: Sequence[Parameter], parameters: _SharedParameters
) -> Document:
    own = [_parameter_object(p) for p in operation.parameters if p not in shared]
    if operation.body:
        own.insert(0, _body_parameter(operation))
    item: Document = {
        "consumes": list(operation.consumes),
        "description": operation.description,
        "operationId": operation.id,
    }
    if own:
        item["parameters"] = [parameters.reference(described) for described in own]
    item["produces"] = list(operation.produces)
    item["responses"] = _responses(operation)
    item["schemes"] = ["https"]
    item["tags"] = [operation.tag]
    if operation.kind is not None:
        item["x-kubernetes-action"] = operation.action
        item[schemas.GVK_EXTENSION] = openapi_operations.gvk_object(operation.kind)
    return item


def _responses(operation: Operation) -> Document:
    descriptions = openapi_operations.RESPONSE_DESCRIPTIONS
    responses: Document = {
        str(code): {"description": descriptions[code], "schema": _schema_object(name)}
        for code, name in operation.responses.items()
    }
    responses["401"] = {"description": descriptions[401]}
    return responses


def _schema_object(name: str) -> Document:
    return {"type": "string"} if name == STRING else {"$ref": schemas.REF_PREFIX + name}


def _body_parameter(operation: Operation) -> Document:
    described: Document = {"in": "body", "name": "body", "schema": _schema_object(operation.body)}
    if operation.body_required:
        described["required"] = True
    return described


def _parameter_object(parameter: Parameter) -> Document:
    described: Document = {
        "description": parameter.description,
        "in": parameter.location,
        "name": parameter.name,
        "type": parameter.type,
        "uniqueItems": True,
    }
    if parameter.location == "path":
        described["required"] = True
    return described

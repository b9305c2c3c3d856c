# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v3: one document per group version, and the index that leads to them.

    /openapi/v3                  {"paths": {"apis/apps/v1": {"serverRelativeURL": "...?hash="}}}
    /openapi/v3/apis/apps/v1     paths of the group version, and the schemas they reach

A `Publisher` belongs to one set of served resources; it builds a document when it is first asked
for it and keeps the bytes. When resources come or go a new one takes over what has not changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import openapi_operations, openapi_paths, schemas
from pyk8s.apis.openapi_defaults import default_of_element, default_of_property
from pyk8s.apis.openapi_operations import STRING, Operation
from pyk8s.apis.openapi_parameters import Parameter
from pyk8s.apis.schemas import Schema
from pyk8s.apis.scheme import Resource, Scheme

Document = dict[str, Any]

REF_PREFIX = "#/components/schemas/"
_SECURITY_SCHEMES = {
    "BearerToken": {
        "description": "Bearer Token authentication",
        "in": "header",
        "name": "authorization",
        "type": "apiKey",
    }
}
# Types that travel in one of several JSON forms.
_ONE_OF: dict[str, Sequence[str]] = {
    schemas.QUANTITY: ("string", "number"),
    schemas.INT_OR_STRING: ("integer", "string"),
}


class Publisher:
    """The documents of one set of resources, each built once, kept as encoded JSON.

    `custom` holds the v3 schemas of kinds that are not built in, by definition name, each with
    its `x-kubernetes-group-version-kind`; they may refer to built-in definitions. `version` is
    what `info` says. `before` is the publisher that this one replaces, if any.
    """

    def __init__(
        self,
        resources: Iterable[Resource],
        *,
        version: str,
        custom: Mapping[str, Schema] | None = None,
        before: Publisher | None = None,
    ) -> None:
        self._version = version
        self._custom = dict(custom or {})
        self._names = schemas.names_by_gvk(self._custom)
        self._sources = _sources(Scheme(resources))
        self._documents: dict[str, bytes] = {}
        self._hashes: dict[str, str] = {}
        if before is not None and before._version == version:
            self._take_over(before)

    @property
    def paths(self) -> tuple[str, ...]:
        """The documents there are, as the index names them: `api/v1`, `apis/apps/v1`, …"""
        return tuple(self._sources)

    def document(self, path: str) -> bytes:
        """The document of an index path, encoded; raises KeyError for an unknown one."""
        if path not in self._documents:
            operations = self._sources[path].operations(self._name_of)
            built = build(operations, self._schema, version=self._version)
            self._documents[path] = codec.encode_json(built)
        return self._documents[path]

    def hash(self, path: str) -> str:
        """Changes with the document; clients keep what they have while it stays."""
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha512(self.document(path)).hexdigest().upper()
        return self._hashes[path]

    def index(self) -> bytes:
        """`/openapi/v3`; builds every document that was not asked for yet."""
        paths = {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self.hash(path)}"}
            for path in self.paths
        }
        return codec.encode_json({"paths": paths})

    def _name_of(self, gvk: GroupVersionKind) -> str:
        return self._names.get(gvk) or schemas.definition_of(gvk)

    def _schema(self, name: str) -> Schema:
        return self._custom.get(name) or schema(name)

    def _take_over(self, before: Publisher) -> None:
        same_schemas = self._custom == before._custom
        for path, source in self._sources.items():
            if source != before._sources.get(path):
                continue
            if not same_schemas and self._has_custom_kinds(source):
                continue
            if path in before._documents:
                self._documents[path] = before._documents[path]
            if path in before._hashes:
                self._hashes[path] = before._hashes[path]

    def _has_custom_kinds(self, source: _Source) -> bool:
        return any(resource.gvk in self._names for resource in source.resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What one document is made of: an operation of discovery, and the resources it leads to."""

    discovery: Operation
    resources: tuple[Resource, ...] = ()

    def operations(self, name_of: openapi_paths.NameOf) -> Iterator[Operation]:
        yield self.discovery
        for resource in self.resources:
            yield from openapi_paths.of_resource(resource, name_of)


def _sources(scheme: Scheme) -> dict[str, _Source]:
    """The sources of all documents, sorted by index path."""
    sources = [_Source(discovery=operation) for operation in openapi_operations.of_server()]
    sources += [
        _Source(discovery=openapi_operations.of_group(group)) for group in scheme.groups if group
    ]
    sources += [
        _Source(
            discovery=openapi_operations.of_group_version(group_version),
            resources=scheme.resources_of(group_version),
        )
        for group_version in scheme.group_versions
    ]
    by_path = {source.discovery.path.strip("/"): source for source in sources}
    return dict(sorted(by_path.items()))


def build(
    operations: Iterable[Operation], schema_of: Callable[[str], Schema], *, version: str
) -> Document:
    """One document: the operations by path, and every schema they reach through `schema_of`."""
    operations = list(operations)
    paths = openapi_operations.by_path(operations)
    reached = _closure(operations, schema_of)
    return {
        "components": {
            "schemas": {name: reached[name] for name in sorted(reached)},
            "securitySchemes": _SECURITY_SCHEMES,
        },
        "info": {"title": "Kubernetes", "version": version},
        "openapi": "3.0.0",
        "paths": {path: _path_item(methods) for path, methods in paths.items()},
    }


def schema(name: str) -> Schema:
    """A built-in definition in its v3 form; raises KeyError when there is none."""
    definition = schemas.definition(name)
    if name in _ONE_OF:
        converted = {key: value for key, value in definition.items() if key != "type"}
        return {**converted, "oneOf": [{"type": type_} for type_ in _ONE_OF[name]]}
    converted = _convert(definition)
    required = definition.get("required", ())
    for field, property_ in definition.get("properties", {}).items():
        default = default_of_property(name, field, property_, required=field in required)
        if default is not None:
            converted["properties"][field]["default"] = default
            _wrap_ref(converted["properties"][field])
    return converted


def _convert(definition: Schema) -> Schema:
    """References and the defaults of elements; the schema given stays as it is."""
    converted = dict(definition)
    if "$ref" in converted:
        converted["$ref"] = REF_PREFIX + schemas.ref_name(converted["$ref"])
        _wrap_ref(converted)
    if "properties" in converted:
        converted["properties"] = {
            field: _convert(property_) for field, property_ in converted["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if key in converted:
            element = _convert(converted[key])
            default = default_of_element(converted[key])
            if default is not None:
                element["default"] = default
                _wrap_ref(element)
            converted[key] = element
    return converted


def _wrap_ref(converted: Schema) -> None:
    """OpenAPI 3.0 ignores what stands beside a $ref, so that one with company moves to allOf."""
    if "$ref" in converted and len(converted) > 1:
        converted["allOf"] = [{"$ref": converted.pop("$ref")}]


def _closure(
    operations: Iterable[Operation], schema_of: Callable[[str], Schema]
) -> dict[str, Schema]:
    """Every schema that the operations name, and those that these refer to."""
    reached: dict[str, Schema] = {}
    waiting = [name for operation in operations for name in openapi_operations.named(operation)]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = schema_of(name)
            waiting.extend(schemas.references(reached[name], REF_PREFIX))
    return reached


def _path_item(methods: Mapping[str, Operation]) -> Document:
    shared = openapi_operations.shared_parameters(methods.values())
    item: Document = {
        method: _operation_object(operation, shared) for method, operation in methods.items()
    }
    if shared:
        item["parameters"] = [_parameter_object(parameter) for parameter in shared]
    return item


def _operation_object(operation: Operation, shared: Sequence[Parameter]) -> Document:
    own = [p for p in operation.parameters if p not in shared]
    item: Document = {
        "description": operation.description,
        "operationId": operation.id,
    }
    if own:
        item["parameters"] = [_parameter_object(parameter) for parameter in own]
    if operation.body:
        content = _content(operation.body, sorted(operation.consumes))
        item["requestBody"] = {"content": content}
        if operation.body_required:
            item["requestBody"]["required"] = True
    item["responses"] = _responses(operation)
    item["tags"] = [operation.tag]
    if operation.kind is not None:
        item["x-kubernetes-action"] = operation.action
        item[schemas.GVK_EXTENSION] = openapi_operations.gvk_object(operation.kind)
    return item


def _responses(operation: Operation) -> Document:
    responses: Document = {
        str(code): {
            "content": _content(name, sorted(operation.produces)),
            "description": openapi_operations.RESPONSE_DESCRIPTIONS[code],
        }
        for code, name in operation.responses.items()
    }
    responses["401"] = {"description": openapi_operations.RESPONSE_DESCRIPTIONS[401]}
    return responses


def _content(name: str, media: Iterable[str]) -> Document:
    described = {"type": "string"} if name == STRING else {"$ref": REF_PREFIX + name}
    return {media_type: {"schema": described} for media_type in media}


def _parameter_object(parameter: Parameter) -> Document:
    described: Document = {
        "description": parameter.description,
        "in": parameter.location,
        "name": parameter.name,
        "schema": {"type": parameter.type, "uniqueItems": True},
    }
    if parameter.location == "path":
        described["required"] = True
    return described

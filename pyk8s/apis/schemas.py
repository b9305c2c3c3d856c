# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI definitions of the release, as kube-apiserver publishes them in `/openapi/v2`.

They come from the package kubernetes-validate, which alters them for JSON Schema validators; this
module undoes each alteration, one definition at a time, when it is first asked for:

    "type": [X, "null"] on what is not required    -> "type": X
    "$ref": "#/$defs/NAME"                          -> "#/definitions/NAME"
    enum on apiVersion and kind of top-level types  -> removed
    Quantity and IntOrString as oneOf               -> the string types of upstream

Definitions are shared: they must not be changed by whoever reads them.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import GroupVersionKind

Schema = dict[str, Any]

REF_PREFIX = "#/definitions/"
GVK_EXTENSION = "x-kubernetes-group-version-kind"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

_PACKAGE = "kubernetes_validate"
_FILE = "kubernetes-json-schema/v1.37.0-local/_definitions.json"
_SHA256 = "e1cc369ddafebc822940791b134361062e1b754a393104857ede92a81f2aa2a2"
_SOURCE_REF_PREFIX = "#/$defs/"

# The source drops these two types' descriptions; the words are this project's.
_RESTORED: dict[str, Schema] = {
    QUANTITY: {
        "description": (
            "A number with an optional unit suffix: decimal (m, k, M, G, T, P, E), binary "
            "(Ki, Mi, Gi, Ti, Pi, Ei) or an exponent (1e3). It is written as a string, exact to "
            "three decimal places, in its canonical form: 1.5 reads back as 1500m."
        ),
        "type": "string",
    },
    INT_OR_STRING: {
        "description": (
            "Either a number, such as a port or a count, or text, such as the name of a port or "
            "a percentage. It keeps the type it was written with."
        ),
        "format": "int-or-string",
        "type": "string",
    },
}


class SchemaSourceError(RuntimeError):
    """The installed kubernetes-validate is not the release this server was built for."""


def names() -> tuple[str, ...]:
    """All definition names, sorted."""
    return tuple(_source())


def definition(name: str) -> Schema:
    """The definition of that name; raises KeyError when there is none."""
    return _definition(name)


def definition_of(gvk: GroupVersionKind) -> str:
    """The name of the definition that carries that group, version and kind; raises KeyError."""
    return _names_by_gvk()[gvk]


def has_definition(gvk: GroupVersionKind) -> bool:
    return gvk in _names_by_gvk()


def ref_name(ref: str) -> str:
    """`#/definitions/NAME` -> `NAME`; raises ValueError for anything else."""
    if not ref.startswith(REF_PREFIX):
        raise ValueError(f"not a reference to a definition: {ref}")
    return ref[len(REF_PREFIX) :]


def resolve(ref: str) -> Schema:
    """The definition a `$ref` points at; raises KeyError when there is none."""
    return _definition(ref_name(ref))


def names_by_gvk(definitions: Mapping[str, Schema]) -> dict[GroupVersionKind, str]:
    """The definitions that say which kinds they describe, by kind."""
    return {
        GroupVersionKind(gvk["group"], gvk["version"], gvk["kind"]): name
        for name, schema in definitions.items()
        for gvk in schema.get(GVK_EXTENSION, ())
    }


def references(schema: Any, prefix: str) -> Iterator[str]:
    """The names that a schema refers to, at any depth, by references that begin with `prefix`."""
    if isinstance(schema, dict):
        ref = schema.get("$ref")
        if isinstance(ref, str) and ref.startswith(prefix):
            yield ref[len(prefix) :]
        for inner in schema.values():
            yield from references(inner, prefix)
    elif isinstance(schema, list):
        for inner in schema:
            yield from references(inner, prefix)


def restore(schema: Mapping[str, Any]) -> Schema:
    """Undo the source's alterations in one schema, at every depth."""
    return {key: _restore_value(key, value) for key, value in schema.items()}


def _restore_value(key: str, value: Any) -> Any:
    if key == "type" and isinstance(value, list):
        return next(name for name in value if name != "null")
    if key == "$ref":
        return REF_PREFIX + value.removeprefix(_SOURCE_REF_PREFIX)
    if key == "properties":
        return {name: restore(schema) for name, schema in value.items()}
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return restore(value)
    return value


@functools.cache
def _definition(name: str) -> Schema:
    source = _source()[name]
    if name in _RESTORED:
        return _RESTORED[name]
    schema = restore(source)
    if GVK_EXTENSION in schema:
        for field in ("apiVersion", "kind"):
            schema.get("properties", {}).get(field, {}).pop("enum", None)
    return schema


@functools.cache
def _source() -> dict[str, Schema]:
    data = _path().read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != _SHA256:
        raise SchemaSourceError(
            f"{_PACKAGE}/{_FILE} has sha256 {found}, not {_SHA256}: "
            "install kubernetes-validate==1.37.0"
        )
    definitions: dict[str, Schema] = codec.decode_json(data)["$defs"]
    return definitions


def _path() -> Path:
    # Only the data is wanted: importing the package would import jsonschema and PyYAML.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SchemaSourceError(f"the package {_PACKAGE} is not installed")
    return Path(spec.submodule_search_locations[0]) / _FILE


@functools.cache
def _names_by_gvk() -> dict[GroupVersionKind, str]:
    return names_by_gvk(_source())

# SPDX-License-Identifier: Apache-2.0
"""Rules of the OpenAPI schemas in CustomResourceDefinitions.

Two families: what a schema may say at all (OpenAPI v3 as Kubernetes narrows it), and that it is
structural, so that each field's type is known without evaluating alternatives. CEL rules are
checked for their form, not compiled; defaults are not checked against their schema here. Mirrors
apiextensions-apiserver's `pkg/apis/apiextensions/validation` and `pkg/apiserver/schema`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apis.validation import structuralschemas

_TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})
_META_FIELDS = ("metadata", "kind", "apiVersion")
_REASONS = frozenset(
    {"FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate"}
)
_LIST_TYPE = "x-kubernetes-list-type"
_LIST_KEYS = "x-kubernetes-list-map-keys"
_MAP_TYPE = "x-kubernetes-map-type"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
# With a status subresource the status is judged alone, by properties.status; whatever else the
# root says would then be lost. Go's names of what is harmless, as the message lists them.
_AT_ROOT = {
    "Description": "description",
    "Type": "type",
    "Format": "format",
    "Title": "title",
    "Maximum": "maximum",
    "ExclusiveMaximum": "exclusiveMaximum",
    "Minimum": "minimum",
    "ExclusiveMinimum": "exclusiveMinimum",
    "MaxLength": "maxLength",
    "MinLength": "minLength",
    "Pattern": "pattern",
    "MaxItems": "maxItems",
    "MinItems": "minItems",
    "UniqueItems": "uniqueItems",
    "MultipleOf": "multipleOf",
    "Required": "required",
    "Items": "items",
    "Properties": "properties",
    "ExternalDocs": "externalDocs",
    "Example": "example",
    "XPreserveUnknownFields": _PRESERVE,
    "XValidations": "x-kubernetes-validations",
}
_UNSUPPORTED = (
    ("id", "id is not supported"),
    ("additionalItems", "additionalItems is not supported"),
    ("patternProperties", "patternProperties is not supported"),
    ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"),
    ("$ref", "$ref is not supported"),
)

Schema = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in the definition a schema stands, as far as rules ask."""

    root: bool = False
    # Within the metadata of the resource, or of one embedded in it.
    in_meta: bool = False
    # Why defaults are forbidden here; empty where they are not.
    no_defaults: str = ""


def validate(schema: Schema, path: field.Path, *, has_status: bool) -> list[field.Error]:
    """The schema of one version; `path` ends in openAPIV3Schema."""
    found = _root(schema, path) if has_status else []
    if schema.get("nullable"):
        # One step in upstream's path, dot and all.
        where = path.child("nullable")
        found.append(field.forbidden(where, "nullable cannot be true at the root"))
    found += structuralschemas.validate(schema, path)
    return found + _schema(schema, _Place(root=True), path)


def _root(schema: Schema, path: field.Path) -> list[field.Error]:
    if schema.get("type") not in (None, "", "object"):
        detail = (
            'only "object" is allowed as the type at the root of the schema if the status '
            "subresource is enabled"
        )
        return [field.invalid(path.child("type"), schema["type"], detail)]
    if any(value and key not in _AT_ROOT.values() for key, value in schema.items()):
        allowed = " ".join(_AT_ROOT)
        detail = (
            f"only [{allowed}] fields are allowed at the root of the schema if the status "
            "subresource is enabled"
        )
        return [field.invalid(path, schema, detail)]
    return []


def _schema(schema: Schema, place: _Place, path: field.Path) -> list[field.Error]:
    found = _vocabulary(schema, place, path)
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(field.forbidden(path.child("uniqueItems"), detail))
    additional = schema.get("additionalProperties")
    if schema.get("properties") and additional not in (None, True):
        detail = "additionalProperties and properties are mutual exclusive"
        found.append(field.forbidden(path.child("additionalProperties"), detail))
    for inner, inner_place, where in _inner(schema, place, path):
        found += _schema(inner, inner_place, where)
    if schema.get(_PRESERVE) is False:
        detail = "must be true or undefined"
        found.append(field.invalid(path.child(_PRESERVE), False, detail))
    found += _map_type(schema, path)
    found += _list_type(schema, path)
    found += _list_map_keys(schema, path)
    found += _set_or_map_items(schema, path)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        found += _rule(rule, path.child("x-kubernetes-validations").index(index))
    return found


def _inner(
    schema: Schema, place: _Place, path: field.Path
) -> Iterator[tuple[Schema, _Place, field.Path]]:
    """The schemas right inside this one, with their places and paths."""
    below = dataclasses.replace(place, root=False)
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        reason = place.no_defaults
        if place.in_meta:
            reason = "inside additionalProperties applying to object metadata"
        where = path.child("additionalProperties")
        yield additional, dataclasses.replace(below, no_defaults=reason), where
    for name, inner in (schema.get("properties") or {}).items():
        here = below
        if (place.root or schema.get(_EMBEDDED)) and name in _META_FIELDS:
            reason = f"in top-level {name}" if place.root else place.no_defaults
            here = _Place(in_meta=True, no_defaults=reason)
        yield inner, here, path.child("properties").key(name)
    if isinstance(schema.get("not"), Mapping):
        yield schema["not"], below, path.child("not")
    for key in ("allOf", "oneOf", "anyOf"):
        for index, inner in enumerate(schema.get(key) or ()):
            yield inner, below, path.child(key).index(index)
    for name, inner in (schema.get("definitions") or {}).items():
        yield inner, below, path.child("definitions").key(name)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield items, below, path.child("items")
    elif isinstance(items, list):
        for index, inner in enumerate(items):
            yield inner, below, path.child("items").index(index)


def _vocabulary(schema: Schema, place: _Place, path: field.Path) -> list[field.Error]:
    found = []
    kind = schema.get("type", "")
    if kind and kind not in _TYPES:
        found.append(field.not_supported(path.child("type"), kind, _TYPES))
    if schema.get("default") is not None and place.no_defaults:
        detail = f"must not be set {place.no_defaults}"
        found.append(field.forbidden(path.child("default"), detail))
    for key, detail in _UNSUPPORTED:
        if schema.get(key):
            found.append(field.forbidden(path.child(key), detail))
    if kind == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        found.append(field.forbidden(path.child("type"), detail))
    if isinstance(schema.get("items"), list):
        detail = "items must be a schema object and not an array"
        found.append(field.forbidden(path.child("items"), detail))
    if place.in_meta and schema.get(_EMBEDDED):
        detail = "must not be used inside of resource meta"
        found.append(field.forbidden(path.child(_EMBEDDED), detail))
    return found


def _typed(schema: Schema, kind: str, extension: str, path: field.Path) -> list[field.Error]:
    given = schema.get("type", "")
    if given == kind:
        return []
    detail = f"must be {kind} if {extension} is specified"
    where = path.child("type")
    return [field.invalid(where, given, detail) if given else field.required(where, detail)]


def _map_type(schema: Schema, path: field.Path) -> list[field.Error]:
    map_type = schema.get(_MAP_TYPE)
    if map_type is None:
        return []
    found = _typed(schema, "object", _MAP_TYPE, path)
    if map_type not in ("atomic", "granular"):
        where = path.child(_MAP_TYPE)
        found.append(field.not_supported(where, map_type, ("atomic", "granular")))
    return found


def _list_type(schema: Schema, path: field.Path) -> list[field.Error]:
    list_type = schema.get(_LIST_TYPE)
    if list_type is None:
        return []
    found = _typed(schema, "array", _LIST_TYPE, path)
    items = schema.get("items")
    if not found and list_type == "set" and isinstance(items, Mapping):
        found += _atomic_items(items, path.child("items"))
    if list_type not in ("atomic", "set", "map"):
        where = path.child(_LIST_TYPE)
        found.append(field.not_supported(where, list_type, ("atomic", "set", "map")))
    return found


def _atomic_items(items: Schema, path: field.Path) -> list[field.Error]:
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "array" and items.get(_LIST_TYPE) not in (None, "atomic"):
        return [field.invalid(path.child(_LIST_TYPE), items.get(_LIST_TYPE), detail)]
    if items.get("type") == "object" and items.get(_MAP_TYPE) != "atomic":
        # The value shown is the list's type, upstream too.
        return [field.invalid(path.child(_MAP_TYPE), items.get(_LIST_TYPE), detail)]
    return []


def _list_map_keys(schema: Schema, path: field.Path) -> list[field.Error]:
    list_type, keys = schema.get(_LIST_TYPE), schema.get(_LIST_KEYS) or []
    found = []
    detail = f"must be map if {_LIST_KEYS} is non-empty"
    if keys and list_type is None:
        found.append(field.required(path.child(_LIST_TYPE), detail))
    elif keys and list_type != "map":
        found.append(field.invalid(path.child(_LIST_TYPE), list_type, detail))
    if list_type != "map":
        return found
    items = schema.get("items")
    if not keys:
        detail = f"must not be empty if {_LIST_TYPE} is map"
        found.append(field.required(path.child(_LIST_KEYS), detail))
    if items is None:
        detail = f"must have a schema if {_LIST_TYPE} is map"
        found.append(field.required(path.child("items"), detail))
    elif not isinstance(items, Mapping):
        detail = f"must only have a single schema if {_LIST_TYPE} is map"
        found.append(field.invalid(path.child("items"), items, detail))
    elif items.get("type") != "object":
        detail = f"must be object if parent array's {_LIST_TYPE} is map"
        where = path.child("items", "type")
        found.append(field.invalid(where, items.get("type", ""), detail))
    else:
        found += _keys_of_items(keys, items, path)
    return found


def _keys_of_items(keys: list[str], items: Schema, path: field.Path) -> list[field.Error]:
    found = []
    properties = items.get("properties") or {}
    seen: set[str] = set()
    where = path.child(_LIST_KEYS)
    for key in keys:
        if key not in properties:
            detail = "entries must all be names of item properties"
            found.append(field.invalid(where, keys, detail))
        elif properties[key].get("type") in ("array", "object"):
            detail = f"must be a scalar type if parent array's {_LIST_TYPE} is map"
            place = path.child("items", "properties").key(key).child("type")
            found.append(field.invalid(place, items.get("type"), detail))
        if key in seen:
            found.append(field.invalid(where, keys, "must not contain duplicate entries"))
        seen.add(key)
    return found


def _set_or_map_items(schema: Schema, path: field.Path) -> list[field.Error]:
    """Items that are told apart by value or key are never null, and always have the key."""
    items, list_type = schema.get("items"), schema.get(_LIST_TYPE)
    if not isinstance(items, Mapping) or list_type not in ("set", "map"):
        return []
    found = []
    path = path.child("items")
    if items.get("nullable"):
        detail = f"cannot be nullable when {_LIST_TYPE} is {list_type}"
        found.append(field.forbidden(path.child("nullable"), detail))
    if list_type == "set":
        return found
    for key in schema.get(_LIST_KEYS) or ():
        inner = (items.get("properties") or {}).get(key)
        if inner is None:
            continue
        where = path.child("properties").key(key)
        so = f"this property is in {_LIST_KEYS}, so it"
        if key not in (items.get("required") or ()) and inner.get("default") is None:
            detail = f"{so} must have a default or be a required property"
            found.append(field.required(where.child("default"), detail))
        if inner.get("nullable"):
            found.append(field.forbidden(where.child("nullable"), f"{so} cannot be nullable"))
    return found


def _rule(rule: Schema, path: field.Path) -> list[field.Error]:
    """The form of one CEL rule."""
    text, message = rule.get("rule", "").strip(), rule.get("message", "")
    found = []
    where = path.child("message")
    if not text:
        found.append(field.required(path.child("rule"), "rule is not specified"))
    elif message and not message.strip():
        found.append(field.invalid(where, message, "message must be non-empty if specified"))
    elif _has_line_break(message.strip()):
        found.append(field.invalid(where, message, "message must not contain line breaks"))
    elif _has_line_break(text) and not message:
        detail = "message must be specified if rule contains line breaks"
        found.append(field.required(where, detail))
    expression = rule.get("messageExpression", "")
    if expression and not expression.strip():
        detail = "messageExpression must be non-empty if specified"
        found.append(field.required(path.child("messageExpression"), detail))
    reason = rule.get("reason")
    if reason is not None and reason not in _REASONS:
        found.append(field.not_supported(path.child("reason"), reason, _REASONS))
    place = rule.get("fieldPath", "")
    where = path.child("fieldPath")
    if place and not place.strip():
        found.append(field.invalid(where, place, "fieldPath must be non-empty if specified"))
    if _has_line_break(place):
        found.append(field.invalid(where, place, "fieldPath must not contain line breaks"))
    return found


def _has_line_break(text: str) -> bool:
    return "\n" in text or "\r" in text

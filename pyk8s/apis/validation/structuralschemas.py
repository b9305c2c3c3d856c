# SPDX-License-Identifier: Apache-2.0
"""Whether a custom resource's schema is structural.

A structural schema names the type of every field, item and value outside of `allOf`, `anyOf`,
`oneOf` and `not`; those may only narrow values of fields named outside. So pruning, defaulting
and publishing need not evaluate anything. Mirrors apiextensions-apiserver's
`pkg/apiserver/schema/validation.go` and `complete.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyk8s.apimachinery import field

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_INT_OR_STRING_ANY_OF = [{"type": "integer"}, {"type": "string"}]
_UNTYPED = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
# What has no place inside a junctor, and how it has to be there instead.
_NOT_NESTED = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (_PRESERVE, "must be false to be structural"),
    (_EMBEDDED, "must be false to be structural"),
    (_INT_OR_STRING, "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
)

Schema = Mapping[str, Any]
Located = tuple[Schema, field.Path]


def validate(schema: Schema, path: field.Path) -> list[field.Error]:
    found = _invariants(schema, "root", path) + _completeness(schema, path)
    return sorted(found, key=lambda error: error.message)


def _items(schema: Schema) -> Schema | None:
    items = schema.get("items")
    return items if isinstance(items, Mapping) else None


def _invariants(schema: Schema, level: str, path: field.Path) -> list[field.Error]:
    found = []
    items = _items(schema)
    if schema.get("type") == "array" and "items" not in schema:
        found.append(field.required(path.child("items"), "must be specified"))
    if items is not None:
        found += _invariants(items, "item", path.child("items"))
    for name, inner in (schema.get("properties") or {}).items():
        found += _invariants(inner, "field", path.child("properties").key(name))
    additional = schema.get("additionalProperties")
    if additional is not None and level == "root":
        where = path.child("additionalProperties")
        found.append(field.forbidden(where, "must not be used at the root"))
    if isinstance(additional, Mapping):
        found += _invariants(additional, "field", path.child("additionalProperties"))
    found += _extensions(schema, path)
    for inner, where in _junctors(schema, path, exempt=True):
        found += _nested(inner, where)
    found += _type(schema, level, path)
    return found + _metadata(schema, level, path)


def _extensions(schema: Schema, path: field.Path) -> list[field.Error]:
    if not schema.get(_INT_OR_STRING):
        return []
    detail = f"must be false if {_INT_OR_STRING} is true"
    return [
        field.invalid(path.child(key), True, detail)
        for key in (_PRESERVE, _EMBEDDED)
        if schema.get(key)
    ]


def _type(schema: Schema, level: str, path: field.Path) -> list[field.Error]:
    found = []
    kind, embedded = schema.get("type", ""), schema.get(_EMBEDDED)
    where = path.child("type")
    if embedded and kind != "object":
        detail = f"must be object if {_EMBEDDED} is true"
        fault = field.invalid(where, kind, detail) if kind else field.required(where, detail)
        found.append(fault)
    elif not kind and not schema.get(_INT_OR_STRING) and not schema.get(_PRESERVE):
        found.append(field.required(where, _UNTYPED[level]))
    if embedded and "additionalProperties" in schema:
        detail = f"must not be used if {_EMBEDDED} is set"
        found.append(field.forbidden(path.child("additionalProperties"), detail))
    if level == "root" and kind not in ("", "object"):
        found.append(field.invalid(where, kind, "must be object at the root"))
    if embedded and not schema.get(_PRESERVE) and not schema.get("properties"):
        detail = f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"
        found.append(field.required(path.child("properties"), detail))
    return found


def _metadata(schema: Schema, level: str, path: field.Path) -> list[field.Error]:
    """The fields every object has keep their types; of metadata only names may be narrowed."""
    if level != "root" and not schema.get(_EMBEDDED):
        return []
    properties = schema.get("properties") or {}
    path = path.child("properties")
    found = []
    for name, kind in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        given = properties.get(name)
        if given is not None and given.get("type") != kind:
            where = path.key(name).child("type")
            found.append(field.invalid(where, given.get("type", ""), f"must be {kind}"))
    metadata = properties.get("metadata")
    if metadata is None or level != "root":
        return found
    inner = set(metadata.get("properties") or ())
    rest = {key for key, value in metadata.items() if value} - {"type", "properties", "default"}
    if not inner <= {"name", "generateName"} or rest:
        detail = (
            "must not specify anything other than name and generateName, but metadata is "
            "implicitly specified"
        )
        found.append(field.forbidden(path.key("metadata"), detail))
    return found


def _junctors(schema: Schema, path: field.Path, *, exempt: bool) -> Iterator[Located]:
    """The schemas under allOf, anyOf, oneOf and not.

    With `exempt`, the one pattern is left out that a field which is an integer or a string may
    be written in: `anyOf` of the two types, bare or first in `allOf`.
    """
    for key in ("anyOf", "allOf", "oneOf"):
        given = schema.get(key) or []
        if exempt and key == "anyOf" and given == _INT_OR_STRING_ANY_OF:
            continue
        for index, inner in enumerate(given):
            if exempt and key == "allOf" and index == 0 and _is_int_or_string(inner):
                inner = {k: v for k, v in inner.items() if k != "anyOf"}
            yield inner, path.child(key).index(index)
    if isinstance(schema.get("not"), Mapping):
        yield schema["not"], path.child("not")


def _is_int_or_string(schema: Schema) -> bool:
    return schema.get("anyOf") == _INT_OR_STRING_ANY_OF


def _nested(schema: Schema, path: field.Path) -> list[field.Error]:
    """Rules of a schema inside a junctor: it may narrow values, and nothing else."""
    found = []
    for inner, where in _junctors(schema, path, exempt=False):
        found += _nested(inner, where)
    items = _items(schema)
    if items is not None:
        found += _nested(items, path.child("items"))
    properties = schema.get("properties") or {}
    for name, inner in properties.items():
        found += _nested(inner, path.child("properties").key(name))
    for key, detail in _NOT_NESTED:
        if schema.get(key):
            found.append(field.forbidden(path.child(key), detail))
    if "metadata" in properties:
        where = path.child("properties").key("metadata")
        found.append(field.forbidden(where, "must not be specified in a nested context"))
    return found


def _completeness(schema: Schema, path: field.Path) -> list[field.Error]:
    """Everything that junctors speak of is also specified outside of them."""
    found = []
    for inner, where in _junctors(schema, path, exempt=False):
        found += _covered(inner, where, (schema, path))
    items = _items(schema)
    if items is not None:
        found += _completeness(items, path.child("items"))
    for name, inner in (schema.get("properties") or {}).items():
        found += _completeness(inner, path.child("properties").key(name))
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        found += _completeness(additional, path.child("additionalProperties"))
    return found


def _covered(nested: Schema, nested_path: field.Path, outer: Located) -> list[field.Error]:
    schema, path = outer
    found = []
    for inner, where in _junctors(nested, nested_path, exempt=False):
        found += _covered(inner, where, outer)
    nested_items = _items(nested)
    if nested_items is not None:
        where = nested_path.child("items")
        items = _items(schema)
        if items is None:
            found.append(_missing(path.child("items"), where))
        else:
            found += _covered(nested_items, where, (items, path.child("items")))
    properties = schema.get("properties") or {}
    for name, inner in (nested.get("properties") or {}).items():
        where = nested_path.child("properties").key(name)
        place = path.child("properties").key(name)
        if name not in properties:
            found.append(_missing(place, where))
        else:
            found += _covered(inner, where, (properties[name], place))
    return found


def _missing(path: field.Path, defined_in: field.Path) -> field.Error:
    return field.required(path, f"because it is defined in {defined_in}")

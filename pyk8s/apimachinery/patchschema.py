# SPDX-License-Identifier: Apache-2.0
"""How the fields of a kind merge: the strategic merge part of its OpenAPI schema.

The schemas name, per field, a patch strategy (`x-kubernetes-patch-strategy`) and for lists of
objects the field that identifies an element (`x-kubernetes-patch-merge-key`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

MERGE = "merge"
REPLACE = "replace"
RETAIN_KEYS = "retainKeys"

Resolve = Callable[[str], dict[str, Any]]


class FieldSchema(NamedTuple):
    """One field. `schema` is that of the value, of a list's elements or of a map's values."""

    strategy: str
    retain_keys: bool
    merge_key: str
    schema: PatchSchema


class PatchSchema:
    """What strategic merge needs of one type, read lazily and kept: hold one per kind.

    `resolve` turns a `$ref` into the raw schema it names. A field the schema does not know merges
    when it is an object and is replaced when it is anything else.
    """

    __slots__ = ("_fields", "_known", "_raw", "_resolve")

    def __init__(
        self,
        raw: dict[str, Any],
        resolve: Resolve,
        known: dict[str, PatchSchema] | None = None,
    ) -> None:
        self._raw: dict[str, Any] | None = raw
        self._resolve = resolve
        # By reference, so that a type is read once and recursive types end.
        self._known: dict[str, PatchSchema] = {} if known is None else known
        self._fields: dict[str, FieldSchema] = {}

    def field(self, name: str) -> FieldSchema:
        field = self._fields.get(name)
        if field is None:
            field = self._fields[name] = self._read(name)
        return field

    def _read(self, name: str) -> FieldSchema:
        raw = self._raw or {}
        properties = raw.get("properties")
        value = properties.get(name) if properties else raw.get("additionalProperties")
        if not isinstance(value, dict):
            return FieldSchema("", False, "", _UNKNOWN)
        strategies = value.get("x-kubernetes-patch-strategy", "").split(",")
        inner = value.get("items", value)
        return FieldSchema(
            next((s for s in strategies if s != RETAIN_KEYS), ""),
            RETAIN_KEYS in strategies,
            value.get("x-kubernetes-patch-merge-key", ""),
            self._type(inner),
        )

    def _type(self, raw: dict[str, Any]) -> PatchSchema:
        reference = raw.get("$ref")
        if reference is None:
            # OpenAPI v3 wraps a reference that has siblings.
            parts = raw.get("allOf")
            if parts and len(parts) == 1:
                return self._type(parts[0])
            return PatchSchema(raw, self._resolve, self._known)
        known = self._known.get(reference)
        if known is None:
            known = PatchSchema(self._resolve(reference), self._resolve, self._known)
            self._known[reference] = known
        return known


def _resolve_nothing(reference: str) -> dict[str, Any]:
    raise KeyError(reference)


class _UnknownSchema(PatchSchema):
    """Of what no schema describes; every field below is unknown too, and none is kept."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__({}, _resolve_nothing)

    def field(self, name: str) -> FieldSchema:
        return FieldSchema("", False, "", self)


_UNKNOWN = _UnknownSchema()

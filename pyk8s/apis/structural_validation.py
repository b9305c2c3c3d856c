# SPDX-License-Identifier: Apache-2.0
"""What the schema alone can validate: required fields, and lists that are sets or maps.

Decoding checks neither, so a kind's validation does. Kinds with rules of their own say what they
require in their own words; `required_errors` is for those that have none. Both are compiled once
per type, and both return an empty list for nearly every object they see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery import field as fields
from pyk8s.apis.structural import Resolve, Schema

Validate = Callable[[Any], list[fields.Error]]

_Check = Callable[[Any, fields.Path, list[fields.Error]], None]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
# Metadata has rules of its own.
_SKIPPED = (_META + "ObjectMeta", _META + "ListMeta")


@dataclass(slots=True)
class _Struct:
    required: list[str] = field(default_factory=list)
    parts: list[tuple[str, _Check]] = field(default_factory=list)


class Validators:
    """Compiles and keeps the schema's own validations; one per schema source."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._required: dict[str, tuple[_Struct, _Check]] = {}
        self._duplicates: dict[str, tuple[_Struct, _Check]] = {}

    def required_errors(self, definition: str) -> Validate:
        """`Required value` for each required field that is absent, or an empty text.

        Numbers and booleans are not judged: decoding has written their zero. A struct that is
        wholly empty is taken as not given, for decoding writes structs nobody sent.
        """
        return _starting_at_root(self._compiled(self._required, definition))

    def duplicate_errors(self, definition: str) -> Validate:
        """`Duplicate value` for each item that repeats another's keys in a list of type map, or
        another's value in a list of type set."""
        return _starting_at_root(self._compiled(self._duplicates, definition))

    def _compiled(self, known: dict[str, tuple[_Struct, _Check]], definition: str) -> _Check:
        if definition not in known:
            struct = _Struct()
            check = _struct_check(struct)
            known[definition] = struct, check
            schema = self._resolve("#/definitions/" + definition)
            properties = schema.get("properties", {})
            if known is self._required:
                struct.required = [
                    name
                    for name in schema.get("required", ())
                    if properties[name].get("type") not in ("integer", "number", "boolean")
                ]
            for name, part in properties.items():
                check_part = self._part(known, part)
                if check_part is not None:
                    struct.parts.append((name, check_part))
        return known[definition][1]

    def _part(self, known: dict[str, tuple[_Struct, _Check]], part: Schema) -> _Check | None:
        if "$ref" in part:
            definition = part["$ref"].rpartition("/")[2]
            schema = self._resolve(part["$ref"])
            if definition in _SKIPPED or "properties" not in schema:
                return None
            return self._compiled(known, definition)
        element = part.get("items") or part.get("additionalProperties")
        if not isinstance(element, dict):
            return None
        inner = self._part(known, element)
        if "items" not in part:
            return None if inner is None else _map_check(inner)
        outer = _uniqueness(part) if known is self._duplicates else None
        return None if inner is None and outer is None else _list_check(outer, inner)


def _starting_at_root(check: _Check) -> Validate:
    def validate(obj: Any) -> list[fields.Error]:
        faults: list[fields.Error] = []
        check(obj, fields.Path(), faults)
        return faults

    return validate


def _struct_check(struct: _Struct) -> _Check:
    def check(value: Any, path: fields.Path, faults: list[fields.Error]) -> None:
        for name in struct.required:
            if value.get(name) in (None, ""):
                faults.append(fields.required(path.child(name)))
        for name, part in struct.parts:
            inner = value.get(name)
            if inner and not _is_zero(inner):
                part(inner, path.child(name), faults)

    return check


def _is_zero(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_zero(inner) for inner in value.values())
    return not value


def _map_check(inner: _Check) -> _Check:
    def check(values: Any, path: fields.Path, faults: list[fields.Error]) -> None:
        for key, value in values.items():
            inner(value, path.key(key), faults)

    return check


def _list_check(outer: _Check | None, inner: _Check | None) -> _Check:
    def check(values: Any, path: fields.Path, faults: list[fields.Error]) -> None:
        if outer is not None and len(values) > 1:
            outer(values, path, faults)
        if inner is not None:
            for at, value in enumerate(values):
                inner(value, path.index(at), faults)

    return check


def _uniqueness(part: Schema) -> _Check | None:
    match part.get("x-kubernetes-list-type"):
        case "set":
            return _set_check
        case "map":
            return _keys_check(part["x-kubernetes-list-map-keys"])
    return None


def _set_check(values: Any, path: fields.Path, faults: list[fields.Error]) -> None:
    seen: set[bytes] = set()
    for at, value in enumerate(values):
        _note(seen, value, path.index(at), faults)


def _keys_check(keys: list[str]) -> _Check:
    def check(values: Any, path: fields.Path, faults: list[fields.Error]) -> None:
        seen: set[bytes] = set()
        for at, value in enumerate(values):
            _note(seen, {key: value.get(key) for key in keys}, path.index(at), faults)

    return check


def _note(seen: set[bytes], value: Any, path: fields.Path, faults: list[fields.Error]) -> None:
    text = codec.encode_json(value)
    if text in seen:
        given = value
        if isinstance(value, dict):
            given = {key: part for key, part in value.items() if part is not None}
        faults.append(fields.duplicate(path, given))
    seen.add(text)

# SPDX-License-Identifier: Apache-2.0
"""Objects of any kind made at random from the message descriptions, for round trips."""

from __future__ import annotations

import base64
import random
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import decode, protobuf, schemas
from pyk8s.apis import protobuf_types as types

_DEPTH_MAX = 7
_TEXTS = ("", "a", "web", "ß – ☃", "x" * 130, 'quote"\\', "日本語" * 50)
_INTS = (0, 1, -1, 127, 128, 300, 8080, -(1 << 31), (1 << 31) - 1)
_LONGS = (*_INTS, 1 << 40, -(1 << 63), (1 << 63) - 1)
_DOUBLES = (0.0, 1.0, -2.5, 1e300, 0.1)
_QUANTITIES = ("0", "1", "500m", "128Mi", "1500m", "3Gi", "-1", "12e6")
_TIMES = ("2026-01-02T03:04:05Z", "1970-01-01T00:00:00Z", "1901-01-01T00:00:00Z")
_MICRO_TIMES = ("2026-01-02T03:04:05.000001Z", "1969-12-31T23:59:59.999999Z")
_FREE = ({"a": [1, "b", None, {"c": 1.5}]}, ["x"], "text", 7, {}, {"f:spec": {".": {}}})


def kinds() -> list[GroupVersionKind]:
    """Every kind of the OpenAPI documents that has a protobuf form, one of each definition."""
    by_definition: dict[str, GroupVersionKind] = {}
    for name in schemas.names():
        for gvk in schemas.definition(name).get(schemas.GVK_EXTENSION, ()):
            kind = GroupVersionKind(gvk["group"], gvk["version"], gvk["kind"])
            # A WatchEvent is the frame of a stream, no object.
            if kind.kind != "WatchEvent" and protobuf.has_protobuf(kind):
                by_definition.setdefault(name, kind)
    return sorted(by_definition.values())


def make(kind: GroupVersionKind, seed: int, density: float = 0.4) -> Object:
    """The same object for the same seed, in the form JSON decoding leaves it in."""
    maker = _Maker(random.Random(seed), density)
    obj = maker.message(types.definition_of(kind), 0)
    obj |= {"kind": kind.kind, "apiVersion": str(kind.group_version)}
    made, _ = decode.to_internal(obj, kind, decode.STRICT)
    return made


class _Maker:
    def __init__(self, source: random.Random, density: float) -> None:
        self._source = source
        self._density = density

    def message(self, definition: str, depth: int, within: str = "") -> dict[str, Any]:
        obj: dict[str, Any] = {}
        for field in types.fields(definition, within):
            if field.shape == types.INLINED:
                obj |= self.message(field.value.definition, depth, within or definition)
            elif depth < _DEPTH_MAX and self._source.random() < self._density / (1 + depth / 3):
                obj[field.name] = self._field(field, depth + 1)
        return obj

    def _field(self, field: types.Field, depth: int) -> Any:
        some = range(self._source.randint(1, 3))
        if field.shape == types.LIST:
            return [self._value(field.value, depth) for _ in some]
        if field.shape == types.MAP:
            return {self._text() + str(at): self._value(field.value, depth) for at in some}
        return self._value(field.value, depth)

    def _text(self) -> str:
        return self._source.choice(_TEXTS)

    def _value(self, value: types.Value, depth: int) -> Any:
        pick = self._source.choice
        match value.kind:
            case types.MESSAGE:
                return self.message(value.definition, depth)
            case types.STRING:
                return self._text()
            case types.BYTES:
                return base64.b64encode(self._source.randbytes(pick((0, 1, 5, 200)))).decode()
            case types.BOOL:
                return pick((True, False))
            case types.TEXTS:
                return [self._text() for _ in range(pick((0, 1, 2)))]
            case types.SCHEMA_OR_ARRAY | types.SCHEMA_OR_BOOL | types.SCHEMA_OR_TEXTS:
                return self._schema_or(value.kind, depth)
        return pick(_CHOICES[value.kind])

    def _schema_or(self, kind: str, depth: int) -> Any:
        schema = self.message(types.JSON_SCHEMA, depth + 1)
        if kind == types.SCHEMA_OR_BOOL:
            return self._source.choice((schema, True, False))
        return self._source.choice(
            (schema, [self._text()] if kind == types.SCHEMA_OR_TEXTS else [schema])
        )


_CHOICES: dict[str, tuple[Any, ...]] = {
    types.INT32: _INTS,
    types.INT64: _LONGS,
    types.DOUBLE: _DOUBLES,
    types.QUANTITY: _QUANTITIES,
    types.INT_OR_STRING: (0, 80, -1, "", "25%", "http"),
    types.TIME: _TIMES,
    types.MICRO_TIME: _MICRO_TIMES,
    types.RAW_JSON: _FREE,
}

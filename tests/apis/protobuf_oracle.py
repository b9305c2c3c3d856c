# SPDX-License-Identifier: Apache-2.0
"""google.protobuf as the judge of this project's encodings.

Descriptors are built from the same message descriptions, as protobuf's own compiler would build
them from upstream's files, so that an implementation which shares no code reads our bytes.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from pyk8s.apimachinery import codec, times
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import protobuf_types as types

_PACKAGE = "oracle"
_F = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    types.STRING: _F.TYPE_STRING,
    types.BYTES: _F.TYPE_BYTES,
    types.BOOL: _F.TYPE_BOOL,
    types.INT32: _F.TYPE_INT32,
    types.INT64: _F.TYPE_INT64,
    types.DOUBLE: _F.TYPE_DOUBLE,
}
# Types of a form of their own: number, name, scalar type or message, whether it repeats.
_OWN: dict[str, list[tuple[int, str, Any, bool]]] = {
    types.QUANTITY: [(1, "string", _F.TYPE_STRING, False)],
    types.INT_OR_STRING: [
        (1, "type", _F.TYPE_INT64, False),
        (2, "intVal", _F.TYPE_INT32, False),
        (3, "strVal", _F.TYPE_STRING, False),
    ],
    types.TIME: [(1, "seconds", _F.TYPE_INT64, False), (2, "nanos", _F.TYPE_INT32, False)],
    types.MICRO_TIME: [(1, "seconds", _F.TYPE_INT64, False), (2, "nanos", _F.TYPE_INT32, False)],
    types.RAW_JSON: [(1, "raw", _F.TYPE_BYTES, False)],
    types.TEXTS: [(1, "items", _F.TYPE_STRING, True)],
    types.SCHEMA_OR_ARRAY: [
        (1, "schema", types.JSON_SCHEMA, False),
        (2, "list", types.JSON_SCHEMA, True),
    ],
    types.SCHEMA_OR_BOOL: [
        (1, "allows", _F.TYPE_BOOL, False),
        (2, "schema", types.JSON_SCHEMA, False),
    ],
    types.SCHEMA_OR_TEXTS: [
        (1, "schema", types.JSON_SCHEMA, False),
        (2, "list", _F.TYPE_STRING, True),
    ],
}


class Oracle:
    """Messages of any kind, described on first use."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._file = descriptor_pb2.FileDescriptorProto(
            name="oracle.proto", package=_PACKAGE, syntax="proto2"
        )
        self._described: set[str] = set()

    def describe(self, kinds: list[GroupVersionKind]) -> None:
        for own in _OWN:
            self._own_form(own)
        for kind in kinds:
            self._message(types.definition_of(kind))
        self._pool.Add(self._file)

    def parse(self, raw: bytes, kind: GroupVersionKind) -> Message:
        name = f"{_PACKAGE}.{_mangled(types.definition_of(kind))}"
        made = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))()
        made.ParseFromString(raw)
        return made

    def _own_form(self, kind: str) -> None:
        described = self._file.message_type.add(name=_mangled(kind))
        for number, name, of, repeats in _OWN[kind]:
            added = described.field.add(name=name, number=number, label=_label(repeats))
            self._set_type(added, of)

    def _message(self, definition: str, within: str = "") -> str:
        name = _mangled(within + definition)
        if name in self._described:
            return name
        self._described.add(name)
        described = descriptor_pb2.DescriptorProto(name=name)
        for field in types.fields(definition, within):
            repeats = field.shape in (types.LIST, types.MAP)
            added = described.field.add(
                name=f"f{field.number}", number=field.number, label=_label(repeats)
            )
            if field.shape == types.MAP:
                entry = f"{name}_{field.number}_entry"
                of = self._file.message_type.add(name=entry)
                of.field.add(name="key", number=1, label=_label(False), type=_F.TYPE_STRING)
                value = of.field.add(name="value", number=2, label=_label(False))
                self._set_type(value, self._type(field.value))
                added.type, added.type_name = _F.TYPE_MESSAGE, f".{_PACKAGE}.{entry}"
            elif field.shape == types.INLINED:
                inner = self._message(field.value.definition, within or definition)
                added.type, added.type_name = _F.TYPE_MESSAGE, f".{_PACKAGE}.{inner}"
            else:
                self._set_type(added, self._type(field.value))
        self._file.message_type.add().CopyFrom(described)
        return name

    def _type(self, value: types.Value) -> Any:
        return _SCALARS.get(value.kind) or value.definition or value.kind

    def _set_type(self, field: Any, of: Any) -> None:
        if isinstance(of, int):
            field.type = of
            return
        field.type = _F.TYPE_MESSAGE
        name = _mangled(of) if of in _OWN else self._message(of)
        field.type_name = f".{_PACKAGE}.{name}"


def _mangled(definition: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in definition)


def _label(repeats: bool) -> int:
    return _F.LABEL_REPEATED if repeats else _F.LABEL_OPTIONAL


def tree(message: Message, definition: str, within: str = "") -> dict[str, Any]:
    """What the message holds as plain JSON, zeros and all."""
    obj: dict[str, Any] = {}
    for field in types.fields(definition, within):
        name = f"f{field.number}"
        if field.shape == types.INLINED:
            inner = getattr(message, name)
            obj |= tree(inner, field.value.definition, within or definition)
        elif field.shape == types.LIST:
            if found := getattr(message, name):
                obj[field.name] = [_plain(one, field.value) for one in found]
        elif field.shape == types.MAP:
            if found := getattr(message, name):
                obj[field.name] = {one.key: _plain(one.value, field.value) for one in found}
        elif message.HasField(name):
            obj[field.name] = _plain(getattr(message, name), field.value)
    return obj


def _plain(value: Any, type_: types.Value) -> Any:
    match type_.kind:
        case types.MESSAGE:
            return tree(value, type_.definition)
        case types.BYTES:
            return base64.b64encode(value).decode()
        case types.QUANTITY:
            return value.string
        case types.INT_OR_STRING:
            return value.strVal if value.type else value.intVal
        case types.TIME | types.MICRO_TIME:
            return _moment(value, type_.kind)
        case types.RAW_JSON:
            return codec.decode_json(value.raw) if value.HasField("raw") else None
        case types.TEXTS:
            return list(value.items)
        case types.SCHEMA_OR_ARRAY | types.SCHEMA_OR_BOOL | types.SCHEMA_OR_TEXTS:
            return _schema_or(value, type_.kind)
    return value


def _moment(value: Any, kind: str) -> str | None:
    if not value.ByteSize():
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=value.seconds, microseconds=value.nanos // 1000
    )
    return times.format(moment) if kind == types.TIME else times.format_micro(moment)


def _schema_or(value: Any, kind: str) -> Any:
    if value.HasField("schema"):
        return tree(value.schema, types.JSON_SCHEMA)
    if kind == types.SCHEMA_OR_BOOL:
        return value.allows
    if kind == types.SCHEMA_OR_TEXTS:
        return list(value.list)
    return [tree(one, types.JSON_SCHEMA) for one in value.list]

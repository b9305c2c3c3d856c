# SPDX-License-Identifier: Apache-2.0
"""From the JSON form to protobuf, byte for byte as Go writes it, by one closure per message.

Go writes fields in order of number, and each that is no pointer even when it is zero. So every
message has a template, one part per field, that holds those zeros; writing copies it, replaces
the parts of what is there, and joins. The cost is that of the fields an object has, not of those
its type knows. What the message does not know (kind and apiVersion, fields newer than the table)
is left out, as is null.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

from pyk8s.apis import protobuf_types as types
from pyk8s.apis import protobuf_values as values
from pyk8s.apis import protobuf_wire as wire
from pyk8s.apis.protobuf_types import Field, Value
from pyk8s.apis.protobuf_values import Write

Tree = dict[str, Any]

_WRITERS: dict[str, Write] = {
    types.QUANTITY: values.write_quantity,
    types.INT_OR_STRING: values.write_int_or_string,
    types.TIME: values.write_time,
    types.MICRO_TIME: values.write_micro_time,
    types.RAW_JSON: values.write_raw_json,
    types.TEXTS: values.write_texts,
    types.BYTES: values.write_bytes,
    types.STRING: str.encode,
}

# What a struct by value holds when nothing is in it.
_ZEROS: dict[str, bytes] = {
    types.QUANTITY: values.write_quantity("0"),
    types.INT_OR_STRING: values.write_int_or_string(0),
    types.TIME: b"",
    types.MICRO_TIME: b"",
    types.RAW_JSON: b"",
    types.TEXTS: b"",
}

_VARINTS = frozenset({types.INT32, types.INT64, types.BOOL})

_pack_double = struct.Struct("<d").pack

_MAP_KEY = b"\x0a"
_MAP_VALUE = b"\x12"


class _Message:
    """The tables of one message, filled after its writer exists: types recur."""

    __slots__ = ("fields", "filled", "inlined", "template", "write")

    def __init__(self) -> None:
        self.filled = False
        self.template: list[bytes] = []
        # By name: the part, the writer, and for text the tag with each length up to 127.
        self.fields: dict[str, tuple[int, Write, tuple[bytes, ...] | None]] = {}
        self.inlined: list[tuple[int, bytes, Write]] = []
        self.write = _message_writer(self.template, self.fields, self.inlined)


class Compiler:
    """Compiles messages on first use and keeps them."""

    def __init__(self) -> None:
        self._messages: dict[tuple[str, str], _Message] = {}
        self._unfilled: list[tuple[str, str]] = []

    def writer(self, definition: str) -> Write:
        """The writer of a message; raises KeyError for one that has no protobuf form.

        It must be given what `structural` has walked, or raises AttributeError, TypeError or
        ValueError for what is not of its type.
        """
        types.fields(definition)
        write = self._message(definition).write
        while self._unfilled:
            self._fill(*self._unfilled.pop())
        return write

    def _message(self, definition: str, within: str = "") -> _Message:
        message = self._messages.get((definition, within))
        if message is None:
            message = self._messages[definition, within] = _Message()
            self._unfilled.append((definition, within))
        return message

    def _fill(self, definition: str, within: str = "") -> _Message:
        """A zero by value needs its message at once; pointers and lists wait their turn."""
        message = self._message(definition, within)
        if message.filled:
            return message
        message.filled = True
        for part, field in enumerate(types.fields(definition, within)):
            prefix = wire.tag(field.number, _wire_type(field))
            message.template.append(self._zero(field, prefix) if field.always else b"")
            if field.shape == types.INLINED:
                inner = self._fill(field.value.definition, within or definition)
                message.inlined.append((part, prefix, inner.write))
            else:
                is_text = field.shape == types.ONE and field.value.kind == types.STRING
                heads = _heads(prefix) if is_text else None
                message.fields[field.name] = (part, self._field_writer(field, prefix), heads)
        return message

    def _zero(self, field: Field, prefix: bytes) -> bytes:
        value = field.value
        if field.shape == types.INLINED:
            return b""  # written from the enclosing object
        if value.kind == types.MESSAGE:
            return wire.delimited(prefix, self._fill(value.definition).write({}))
        if value.kind in _ZEROS:
            return wire.delimited(prefix, _ZEROS[value.kind])
        return prefix + (bytes(8) if value.kind == types.DOUBLE else b"\x00")

    def _field_writer(self, field: Field, prefix: bytes) -> Write:
        value = field.value
        if field.shape == types.MAP:
            return _map_writer(prefix, self._value_writer(value))
        if value.kind in _VARINTS:
            write = _varint_writer(prefix)
        elif value.kind == types.DOUBLE:
            write = _double_writer(prefix)
        else:
            write = _delimited_writer(prefix, self._value_writer(value))
        return _list_writer(write) if field.shape == types.LIST else write

    def _value_writer(self, value: Value) -> Write:
        """The writer of one length-delimited value, without tag and length."""
        if value.kind == types.MESSAGE:
            return self._message(value.definition).write
        if value.kind in _WRITERS:
            return _WRITERS[value.kind]
        return _schema_union_writer(value.kind, self._message(types.JSON_SCHEMA).write)


def _wire_type(field: Field) -> int:
    if field.shape == types.MAP:
        return wire.LENGTH
    if field.value.kind in _VARINTS:
        return wire.VARINT
    return wire.FIXED64 if field.value.kind == types.DOUBLE else wire.LENGTH


@functools.cache
def _heads(prefix: bytes) -> tuple[bytes, ...]:
    """The tag with each number of one byte, be it a length or a value."""
    return tuple(prefix + bytes((size,)) for size in range(128))


def _message_writer(
    template: list[bytes],
    fields: dict[str, tuple[int, Write, tuple[bytes, ...] | None]],
    inlined: list[tuple[int, bytes, Write]],
) -> Write:
    field_of = fields.get

    def write(obj: Tree) -> bytes:
        parts = template.copy()
        for name, value in obj.items():
            field = field_of(name)
            if field is None or value is None:
                continue
            part, writer, heads = field
            if heads is None:
                parts[part] = writer(value)
            else:
                text = value.encode()
                size = len(text)
                parts[part] = heads[size] + text if size < 128 else writer(value)
        for part, prefix, writer in inlined:
            parts[part] = wire.delimited(prefix, writer(obj))
        return b"".join(parts)

    return write


def _delimited_writer(prefix: bytes, write_value: Write) -> Write:
    heads = _heads(prefix)

    def write(value: Any) -> bytes:
        body = write_value(value)
        size = len(body)
        return heads[size] + body if size < 128 else prefix + wire.varint(size) + body

    return write


def _varint_writer(prefix: bytes) -> Write:
    heads = _heads(prefix)

    def write(value: int) -> bytes:
        # A boolean is an index too.
        return heads[value] if 0 <= value < 128 else prefix + wire.varint(value)

    return write


def _double_writer(prefix: bytes) -> Write:
    return lambda value: prefix + _pack_double(value)


def _list_writer(write: Write) -> Write:
    return lambda elements: b"".join([write(element) for element in elements])


def _map_writer(prefix: bytes, write_value: Write) -> Write:
    keys, entries = _heads(_MAP_KEY), _heads(prefix)
    found = _heads(_MAP_VALUE)

    def write(mapping: dict[str, Any]) -> bytes:
        parts = []
        # Code points are in the order of their UTF-8 bytes, by which Go sorts.
        for key in sorted(mapping):
            name = key.encode()
            value = mapping[key]
            body = b"" if value is None else write_value(value)
            if len(name) < 128 > len(body):
                entry = keys[len(name)] + name + found[len(body)] + body
            else:
                entry = wire.delimited(_MAP_KEY, name) + wire.delimited(_MAP_VALUE, body)
            if len(entry) < 128:
                parts.append(entries[len(entry)] + entry)
            else:
                parts.append(prefix + wire.varint(len(entry)) + entry)
        return b"".join(parts)

    return write


def _schema_union_writer(kind: str, schema: Write) -> Write:
    """JSONSchemaPropsOrArray, OrBool, OrStringArray: a schema, or the other thing."""

    def write(value: Any) -> bytes:
        if isinstance(value, bool):
            return b"\x08\x01" if value else b"\x08\x00"
        if isinstance(value, dict):
            if kind == types.SCHEMA_OR_BOOL:
                return b"\x08\x01" + wire.delimited(b"\x12", schema(value))
            return wire.delimited(b"\x0a", schema(value))
        write_one = str.encode if kind == types.SCHEMA_OR_TEXTS else schema
        return b"".join([wire.delimited(b"\x12", write_one(element)) for element in value])

    return write

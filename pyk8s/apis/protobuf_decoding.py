# SPDX-License-Identifier: Apache-2.0
"""From protobuf to the JSON form, by one closure per message, compiled on first use.

A message is read in one loop: the tag gives, from one dict, what to do, the field's name and
the reader of its value. Go writes every field that is no pointer, so a zero on the wire says
nothing: it is left away or kept as JSON decoding leaves or keeps it, and what Go's JSON always
shows is added at the end. The result is what `structural` makes of the same object in JSON.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery.codec import DecodeError
from pyk8s.apis import gotypes
from pyk8s.apis import protobuf_types as types
from pyk8s.apis import protobuf_values as values
from pyk8s.apis import protobuf_wire as wire
from pyk8s.apis.protobuf_types import Field, Value

Tree = dict[str, Any]
# Reads a message from data[pos:end] into a tree.
ReadInto = Callable[[bytes, int, int, Tree], Tree]

# What to do with a field. All below _VARINTS are length-delimited.
_TEXT = 0
_STRUCT = 1  # a message of fields
_STRUCTS = 2  # one more in a list
_VALUE = 3  # what the reader gives, left away when it is None
_ENTRY = 4  # one of a map
_TEXTS = 5
_INLINED = 6  # a message whose fields are this one's
_VALUES = 7
_PACKED = 8
_VARINTS = 9
_INT = 9
_BOOL = 10
_INTS = 11
_DOUBLE = 12

# What a tag of two bytes can say.
_TWO_BYTE_KEYS_MAX = (1 << 14) - 1

_Step = tuple[int, str, Any]

_READERS: dict[str, values.Read] = {
    types.QUANTITY: values.read_quantity,
    types.INT_OR_STRING: values.read_int_or_string,
    types.TIME: values.read_time,
    types.MICRO_TIME: values.read_micro_time,
    types.RAW_JSON: values.read_raw_json,
    types.TEXTS: values.read_texts,
    types.BYTES: values.read_bytes,
}

_NULL_WHEN_EMPTY = frozenset({types.TIME, types.MICRO_TIME, types.RAW_JSON})

_BITS = {types.INT32: 32, types.INT64: 64, types.BOOL: 1}

_ZEROS: dict[str, Callable[[], Any]] = {
    types.STRING: str,
    types.BYTES: str,
    types.BOOL: bool,
    types.INT32: int,
    types.INT64: int,
    types.DOUBLE: int,
    types.TEXTS: list,
}

_INT32_MAX = (1 << 31) - 1

_double = struct.Struct("<d").unpack_from


class Compiler:
    """Compiles messages on first use and keeps them."""

    def __init__(self) -> None:
        self._readers: dict[tuple[str, str], ReadInto] = {}

    def reader(self, definition: str, within: str = "") -> ReadInto:
        """The reader of a message; `within` is that an inlined one stands in.

        Raises KeyError for a definition that has no protobuf form. The reader raises DecodeError,
        ValueError (text that is not UTF-8), IndexError (bytes that end early) or RecursionError.
        """
        if (definition, within) not in self._readers:
            self._compile(definition, within)
        return self._readers[definition, within]

    def _compile(self, definition: str, within: str) -> None:
        fields = types.fields(definition, within)
        message = _Message(gotypes.struct_name(definition))
        # Before its fields: types recur.
        self._readers[definition, within] = _message_reader(message)
        for field in fields:
            message.names[field.number] = field.name
            steps = self._steps(field, within or definition)
            message.steps |= steps
            if field.shape == types.ONE and (
                not field.zero_kept or field.value.kind in _NULL_WHEN_EMPTY
            ):
                message.vanishing |= dict.fromkeys(steps, field.name)
        if not within:
            message.added += self._added(fields, definition)

    def _added(
        self, fields: Iterable[Field], definition: str
    ) -> list[tuple[str, Callable[[], Any]]]:
        """What is there even if nothing was read, an inlined message's fields among it."""
        added = []
        for field in fields:
            if field.shape == types.INLINED:
                inner = types.fields(field.value.definition, definition)
                added += self._added(inner, definition)
            elif field.zero_added:
                added.append((field.name, self._zero(field)))
        return added

    def _zero(self, field: Field) -> Callable[[], Any]:
        kind = field.value.kind
        if field.shape == types.LIST:
            return list
        if kind in _ZEROS:
            return _ZEROS[kind]
        if kind == types.MESSAGE:
            read_into = self.reader(field.value.definition)
            return lambda: read_into(b"", 0, 0, {})
        read = _READERS[kind]
        return lambda: read(b"", 0, 0)

    def _steps(self, field: Field, outer: str) -> dict[int, _Step]:
        """By tag. A list of numbers is read packed too."""
        value, shape, key = field.value, field.shape, field.number << 3
        if shape == types.INLINED:
            return {key | wire.LENGTH: (_INLINED, field.name, self.reader(value.definition, outer))}
        if shape == types.MAP:
            return {key | wire.LENGTH: (_ENTRY, field.name, self._entry_reader(value))}
        if value.kind in _BITS:
            return self._number_steps(field, key)
        if value.kind == types.DOUBLE:
            # Every double of the API is one, and behind a pointer.
            assert shape == types.ONE
            assert field.zero_kept
            return {key | wire.FIXED64: (_DOUBLE, field.name, None)}
        return {key | wire.LENGTH: self._delimited_step(field)}

    def _number_steps(self, field: Field, key: int) -> dict[int, _Step]:
        bits = _BITS[field.value.kind]
        if field.shape == types.LIST:
            return {
                key | wire.VARINT: (_INTS, field.name, bits),
                key | wire.LENGTH: (_PACKED, field.name, bits),
            }
        return {key | wire.VARINT: (_BOOL if bits == 1 else _INT, field.name, bits)}

    def _delimited_step(self, field: Field) -> _Step:
        value, many = field.value, field.shape == types.LIST
        if value.kind == types.STRING:
            return _TEXTS if many else _TEXT, field.name, None
        if value.kind == types.MESSAGE:
            return _STRUCTS if many else _STRUCT, field.name, self.reader(value.definition)
        return _VALUES if many else _VALUE, field.name, self._value_reader(value)

    def _value_reader(self, value: Value) -> values.Read:
        """The reader of one length-delimited value."""
        if value.kind == types.STRING:
            return lambda data, pos, end: data[pos:end].decode()
        if value.kind == types.MESSAGE:
            read_into = self.reader(value.definition)
            return lambda data, pos, end: read_into(data, pos, end, {})
        if value.kind in _READERS:
            return _READERS[value.kind]
        return _schema_union_reader(value.kind, self.reader(types.JSON_SCHEMA))

    def _entry_reader(self, value: Value) -> ReadInto:
        """Puts one entry of a map into it."""
        read = self._value_reader(value)

        def read_entry(data: bytes, pos: int, end: int, mapping: Tree) -> Tree:
            # Most entries are short, key before value.
            if end - pos < 128 and data[pos : pos + 1] == _MAP_KEY:
                middle = pos + 2 + data[pos + 1]
                if middle + 1 < end and data[middle] == 18 and middle + 2 + data[middle + 1] == end:
                    mapping[data[pos + 2 : middle].decode()] = read(data, middle + 2, end)
                    return mapping
            key, body = _entry(data, pos, end)
            mapping[key] = read(body, 0, len(body))
            return mapping

        return read_entry


_MAP_KEY = b"\x0a"


def _entry(data: bytes, pos: int, end: int) -> tuple[str, bytes]:
    """Key and value of any entry; what is absent is zero."""
    key, body = "", b""
    for number, value in values.scan(data, pos, end, "entry"):
        if number == 1:
            key = values.expect(value, bytes, "mapkey").decode()
        elif number == 2:
            body = values.expect(value, bytes, "mapvalue")
    return key, body


@dataclass(slots=True)
class _Message:
    """The tables of one message, filled after its reader exists: types recur."""

    name: str
    # What to do, by tag.
    steps: dict[int, _Step] = dataclasses.field(default_factory=dict)
    # The names, by tag, of fields that a zero or an empty message leaves away.
    vanishing: dict[int, str] = dataclasses.field(default_factory=dict)
    # What is there even if nothing was read, with what makes it.
    added: list[tuple[str, Callable[[], Any]]] = dataclasses.field(default_factory=list)
    # By number.
    names: dict[int, str] = dataclasses.field(default_factory=dict)


def _message_reader(message: _Message) -> ReadInto:
    # Bound once: the loop below is the hot path. That a value ends beyond `end` shows after it.
    step_of, vanishing_of, added = message.steps.get, message.vanishing.get, message.added

    def read(data: bytes, pos: int, end: int, obj: Tree) -> Tree:
        while pos < end:
            key = data[pos]
            # A length or a value: in almost every field it is one byte.
            value = data[pos + 1]
            pos += 2
            if key > 127:
                # Two bytes hold every number there is; three make a key that no step has.
                key += (value << 7) - 128
                value = data[pos]
                pos += 1
            if not value and (name := vanishing_of(key)) is not None:
                if name in obj:
                    del obj[name]
                continue
            step = step_of(key)
            if step is None:
                pos = _read_slowly(data, pos - 1, end, key, message, obj)
                continue
            kind, name, reader = step
            if value > 127:
                more = data[pos]
                if kind >= _INTS or not 0 < more < 128:
                    pos = _read_slowly(data, pos - 1, end, key, message, obj)
                    continue
                value += (more << 7) - 128
                pos += 1
            if kind >= _VARINTS:
                if kind == _INT:
                    obj[name] = value
                elif kind == _BOOL:
                    obj[name] = value != 0
                else:
                    pos = _read_number(data, pos - 1, step, obj)
                continue
            start = pos
            pos += value
            if kind == _TEXT:
                obj[name] = data[start:pos].decode()
            elif kind == _STRUCT:
                obj[name] = reader(data, start, pos, obj.get(name) or {})
            elif kind == _STRUCTS and name in obj:
                obj[name].append(reader(data, start, pos, {}))
            else:
                _read_delimited(data, start, pos, step, obj)
        if pos != end:
            raise DecodeError(wire.TRUNCATED)
        for name, zero in added:
            if name not in obj:
                obj[name] = zero()
        return obj

    return read


def _read_slowly(data: bytes, pos: int, end: int, key: int, message: _Message, obj: Tree) -> int:
    """Any field: `pos` is behind its tag. The position behind the field."""
    if key > _TWO_BYTE_KEYS_MAX:
        key, pos = wire.read_varint(data, pos - 2)
    step = message.steps.get(key)
    if step is None:
        if key >> 3 in message.names:
            name = message.names[key >> 3]
            raise DecodeError(f"proto: wrong wireType = {key & 7} for field {name}")
        return wire.skip(data, pos, end, key, message.name)
    name = step[1]
    if step[0] >= _VARINTS:
        pos = _read_number(data, pos, step, obj)
    else:
        start, pos = wire.read_length(data, pos, end)
        _read_delimited(data, start, pos, step, obj)
    if key in message.vanishing and not obj.get(name):
        obj.pop(name, None)
    return pos


def _read_delimited(data: bytes, pos: int, stop: int, step: _Step, obj: Tree) -> None:
    kind, name, reader = step
    if kind == _STRUCT:
        obj[name] = reader(data, pos, stop, obj.get(name) or {})
        return
    if kind == _VALUE:
        value = reader(data, pos, stop)
        if value is not None:
            obj[name] = value
        elif name in obj:
            del obj[name]
        return
    if kind == _TEXT:
        obj[name] = data[pos:stop].decode()
        return
    if kind == _INLINED:
        reader(data, pos, stop, obj)
        return
    if kind == _ENTRY:
        reader(data, pos, stop, obj.setdefault(name, {}))
        return
    found: list[Any] = obj.setdefault(name, [])
    if kind == _STRUCTS:
        found.append(reader(data, pos, stop, {}))
    elif kind == _TEXTS:
        found.append(data[pos:stop].decode())
    elif kind == _VALUES:
        found.append(reader(data, pos, stop))
    else:
        _read_packed(data, pos, stop, reader, found)


def _read_number(data: bytes, pos: int, step: _Step, obj: Tree) -> int:
    """The position behind it."""
    kind, name, bits = step
    if kind == _DOUBLE:
        if pos + 8 > len(data):
            raise DecodeError(wire.TRUNCATED)
        obj[name] = _number(_double(data, pos)[0])
        return pos + 8
    value, pos = wire.read_varint(data, pos)
    if bits == 1:
        value = value != 0
    elif value > _INT32_MAX:
        value = wire.signed(value, bits)
    if kind == _INTS:
        obj.setdefault(name, []).append(value)
    else:
        obj[name] = value
    return pos


def _read_packed(data: bytes, pos: int, stop: int, bits: int, found: list[Any]) -> None:
    while pos < stop:
        value, pos = wire.read_varint(data, pos)
        found.append(value != 0 if bits == 1 else wire.signed(value, bits))
    if pos != stop:
        raise DecodeError(wire.TRUNCATED)


def _number(value: float) -> int | float:
    if not math.isfinite(value):
        raise DecodeError(f"json: unsupported value: {value}")
    # Go prints a whole float64 without a fraction.
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _schema_union_reader(kind: str, schema: ReadInto) -> values.Read:
    """JSONSchemaPropsOrArray, OrBool, OrStringArray: {1, 2}, one of which is the schema."""

    def read(data: bytes, pos: int, end: int) -> Any:
        found: dict[int, list[Any]] = {1: [], 2: []}
        for number, value in values.scan(data, pos, end, kind):
            found.setdefault(number, []).append(value)
        if kind == types.SCHEMA_OR_BOOL:
            if found[2]:
                return _embedded(found[2][-1], schema)
            return bool(found[1]) and values.expect(found[1][-1], int, "Allows") != 0
        if kind == types.SCHEMA_OR_TEXTS and found[2]:
            return [values.expect(text, bytes, "Property").decode() for text in found[2]]
        if found[2]:
            return [_embedded(body, schema) for body in found[2]]
        return _embedded(found[1][-1], schema) if found[1] else None

    return read


def _embedded(body: Any, schema: ReadInto) -> Tree:
    values.expect(body, bytes, "Schema")
    return schema(body, 0, len(body), {})

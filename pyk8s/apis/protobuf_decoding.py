# SPDX-License-Identifier: Apache-2.0
"""From protobuf to the JSON form, by one closure per message, compiled on first use.

A message is read in one loop: the tag gives, from one dict, what to do, the field's name and
the reader of its value. Go writes every field that is no pointer, so a zero on the wire says
nothing: it is left away or kept as JSON decoding leaves or keeps it, and what Go's JSON always
shows is added at the end. The result is what `structural` makes of the same object in JSON.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
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
_TEXT = 0  # text, left away when empty
_TEXT_KEPT = 1
_STRUCT = 2  # a message of fields
_STRUCTS = 3  # one more in a list
_VALUE = 4  # what the reader gives, left away when it is None
_TEXTS = 5
_ENTRY = 6  # one of a map
_INLINED = 7  # a message whose fields are this one's
_VALUES = 8
_PACKED = 9
_VARINTS = 10
_INT = 10
_INT_KEPT = 11
_BOOL = 12
_BOOL_KEPT = 13
_INTS = 14
_DOUBLE = 15

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
        steps: dict[int, _Step] = {}
        added: list[tuple[str, Callable[[], Any]]] = []
        names: dict[int, str] = {}
        fields = types.fields(definition, within)
        # Before its fields: types recur.
        self._readers[definition, within] = _message_reader(
            gotypes.struct_name(definition), steps, added, names
        )
        for field in fields:
            names[field.number] = field.name
            steps |= self._steps(field, within or definition)
        if not within:
            added += self._added(fields, definition)

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
            assert shape == types.ONE, "no list of doubles is in any message"
            return {key | wire.FIXED64: (_DOUBLE, field.name, field.zero_kept)}
        return {key | wire.LENGTH: self._delimited_step(field)}

    def _number_steps(self, field: Field, key: int) -> dict[int, _Step]:
        bits = _BITS[field.value.kind]
        if field.shape == types.LIST:
            return {
                key | wire.VARINT: (_INTS, field.name, bits),
                key | wire.LENGTH: (_PACKED, field.name, bits),
            }
        if field.value.kind == types.BOOL:
            return {key: (_BOOL_KEPT if field.zero_kept else _BOOL, field.name, bits)}
        return {key: (_INT_KEPT if field.zero_kept else _INT, field.name, bits)}

    def _delimited_step(self, field: Field) -> _Step:
        value, many = field.value, field.shape == types.LIST
        if value.kind == types.STRING:
            if many:
                return _TEXTS, field.name, None
            return _TEXT_KEPT if field.zero_kept else _TEXT, field.name, None
        if value.kind == types.MESSAGE:
            return _STRUCTS if many else _STRUCT, field.name, self.reader(value.definition)
        read = self._value_reader(value)
        if value.kind == types.BYTES and not field.zero_kept:
            return _VALUE, field.name, lambda data, pos, end: read(data, pos, end) or None
        return _VALUES if many else _VALUE, field.name, read

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
        """Puts one entry of a map into it. Key and value may be absent, which means zero."""
        read = self._value_reader(value)

        def read_entry(data: bytes, pos: int, end: int, mapping: Tree) -> Tree:
            key = ""
            at = stop = pos
            while pos < end:
                tag = data[pos]
                size = data[pos + 1]
                pos += 2
                if tag != 10 and tag != 18:
                    pos = _skip_in_entry(data, pos - 2, end)
                    continue
                if size > 127:
                    start, pos = wire.read_length(data, pos - 1, end)
                else:
                    start = pos
                    pos += size
                if tag == 10:
                    key = data[start:pos].decode()
                else:
                    at, stop = start, pos
            if pos != end:
                raise DecodeError(wire.TRUNCATED)
            mapping[key] = read(data, at, stop)
            return mapping

        return read_entry


def _skip_in_entry(data: bytes, pos: int, end: int) -> int:
    key, pos = wire.read_varint(data, pos)
    if key >> 3 in (1, 2):
        raise DecodeError(f"proto: wrong wireType = {key & 7} for a map's entry")
    return wire.skip(data, pos, end, key, "entry")


def _message_reader(
    message: str,
    steps: dict[int, _Step],
    added: list[tuple[str, Callable[[], Any]]],
    names: dict[int, str],
) -> ReadInto:
    step_of = steps.get

    def read(data: bytes, pos: int, end: int, obj: Tree) -> Tree:
        while pos < end:
            key = data[pos]
            pos += 1
            if key > 127:
                key, pos = wire.read_varint(data, pos - 1)
            step = step_of(key)
            if step is None:
                if key >> 3 in names:
                    raise _wrong_wire_type(key, names)
                pos = wire.skip(data, pos, end, key, message)
                continue
            kind, name, reader = step
            if kind >= _VARINTS:
                pos = _read_number(data, pos, step, obj)
                continue
            stop = data[pos]
            pos += 1
            if stop > 127:
                pos, stop = wire.read_length(data, pos - 1, end)
            else:
                stop += pos
                if stop > end:
                    raise DecodeError(wire.TRUNCATED)
            if kind == _TEXT:
                if pos != stop:
                    obj[name] = data[pos:stop].decode()
                elif name in obj:
                    del obj[name]
            elif kind == _STRUCT:
                obj[name] = reader(data, pos, stop, obj.get(name) or {})
            elif kind == _TEXT_KEPT:
                obj[name] = data[pos:stop].decode()
            else:
                _read_delimited(data, pos, stop, step, obj)
            pos = stop
        if pos != end:
            raise DecodeError(wire.TRUNCATED)
        for name, zero in added:
            if name not in obj:
                obj[name] = zero()
        return obj

    return read


def _wrong_wire_type(key: int, names: dict[int, str]) -> DecodeError:
    return DecodeError(f"proto: wrong wireType = {key & 7} for field {names[key >> 3]}")


def _read_delimited(data: bytes, pos: int, stop: int, step: _Step, obj: Tree) -> None:
    kind, name, reader = step
    if kind == _VALUE:
        value = reader(data, pos, stop)
        if value is not None:
            obj[name] = value
        elif name in obj:
            del obj[name]
    elif kind == _INLINED:
        reader(data, pos, stop, obj)
    elif kind == _ENTRY:
        mapping = obj.get(name)
        if mapping is None:
            mapping = obj[name] = {}
        reader(data, pos, stop, mapping)
    else:
        found = obj.get(name)
        if found is None:
            found = obj[name] = []
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
        _set(obj, name, _number(_double(data, pos)[0]), bits)
        return pos + 8
    value = data[pos]
    pos += 1
    if value > 127:
        value, pos = wire.read_varint(data, pos - 1)
        if bits != 1:
            value = wire.signed(value, bits)
    if kind == _INT:
        _set(obj, name, value, kept=False)
    elif kind == _INT_KEPT:
        obj[name] = value
    elif kind == _INTS:
        obj.setdefault(name, []).append(value != 0 if bits == 1 else value)
    else:
        _set(obj, name, value != 0, kind == _BOOL_KEPT)
    return pos


def _set(obj: Tree, name: str, value: Any, kept: bool) -> None:
    if value or kept:
        obj[name] = value
    elif name in obj:
        del obj[name]


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

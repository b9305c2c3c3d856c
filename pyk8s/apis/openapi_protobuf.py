# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v2 in its protobuf form, the only one kubectl reads.

kubectl validates a List by it before it sends the items, and refuses the whole file without it.
The messages are those of gnostic's OpenAPIv2.proto: a table per message says what number each
key of the JSON document has and how its value is written. What gnostic has no field for is left
out; keys that begin with `x-` go where it keeps extensions, as text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apis import protobuf_wire as wire

Tree = dict[str, Any]

# The body of a length-delimited field.
Write = Callable[[Any], bytes]
# The complete field, tag included, of that number.
WriteField = Callable[[int, Any], bytes]


def encode(document: Tree) -> bytes:
    """The document that openapi_v2 builds."""
    return _document(document)


# --- fields


def _nested(write: Write) -> WriteField:
    return lambda number, value: wire.delimited(wire.tag(number, wire.LENGTH), write(value))


def _repeated(write: Write) -> WriteField:
    one = _nested(write)
    return lambda number, values: b"".join(one(number, value) for value in values)


def _text(text: str) -> bytes:
    return text.encode()


def _varint(number: int, value: int) -> bytes:
    return wire.tag(number, wire.VARINT) + wire.varint(int(value))


def _double(number: int, value: float) -> bytes:
    return wire.tag(number, wire.FIXED64) + struct.pack("<d", value)


_string, _strings = _nested(_text), _repeated(_text)


def _any(value: Any) -> bytes:
    """gnostic's Any, which holds YAML; JSON is YAML."""
    return _string(2, codec.encode_json(value).decode() + "\n")


def _named(write: Write) -> Write:
    """A map as name and value pairs, each in field 1."""
    value = _nested(write)
    pairs = _repeated(lambda pair: _string(1, pair[0]) + value(2, pair[1]))
    return lambda mapping: pairs(1, mapping.items())


def _extensions(number: int, extensions: Tree) -> bytes:
    pairs = _repeated(lambda pair: _string(1, pair[0]) + _nested(_any)(2, pair[1]))
    return pairs(number, extensions.items()) if extensions else b""


# --- messages


def _message(fields: Mapping[str, tuple[int, WriteField]], extensions: int) -> Write:
    """`extensions` is the number of the field for keys that begin with x-, 0 for none."""

    def write(tree: Tree) -> bytes:
        parts = [
            write_field(number, tree[key])
            for key, (number, write_field) in fields.items()
            if key in tree
        ]
        if extensions:
            others = {key: value for key, value in tree.items() if key.startswith("x-")}
            parts.append(_extensions(extensions, others))
        return b"".join(parts)

    return write


def _schema(schema: Tree) -> bytes:
    """By name, for schemas hold schemas."""
    return _write_schema(schema)


def _one(number: int, write: Write) -> Write:
    """A message that wraps one choice."""
    field = _nested(write)
    return lambda value: field(number, value)


def _type(value: Any) -> bytes:
    return _strings(1, [value] if isinstance(value, str) else value)


def _items(value: Any) -> bytes:
    return _repeated(_schema)(1, value if isinstance(value, list) else [value])


def _additional(value: Any) -> bytes:
    return _varint(2, value) if isinstance(value, bool) else _nested(_schema)(1, value)


_write_schema = _message(
    {
        "$ref": (1, _string),
        "format": (2, _string),
        "title": (3, _string),
        "description": (4, _string),
        "default": (5, _nested(_any)),
        "multipleOf": (6, _double),
        "maximum": (7, _double),
        "exclusiveMaximum": (8, _varint),
        "minimum": (9, _double),
        "exclusiveMinimum": (10, _varint),
        "maxLength": (11, _varint),
        "minLength": (12, _varint),
        "pattern": (13, _string),
        "maxItems": (14, _varint),
        "minItems": (15, _varint),
        "uniqueItems": (16, _varint),
        "maxProperties": (17, _varint),
        "minProperties": (18, _varint),
        "required": (19, _strings),
        "enum": (20, _repeated(_any)),
        "additionalProperties": (21, _nested(_additional)),
        "type": (22, _nested(_type)),
        "items": (23, _nested(_items)),
        "allOf": (24, _repeated(_schema)),
        "properties": (25, _nested(_named(_schema))),
        "readOnly": (27, _varint),
        "example": (30, _nested(_any)),
    },
    extensions=31,
)

_body_parameter = _message(
    {
        "description": (1, _string),
        "name": (2, _string),
        "in": (3, _string),
        "required": (4, _varint),
        "schema": (5, _nested(_schema)),
    },
    extensions=6,
)

_query_parameter = _message(
    {
        "required": (1, _varint),
        "in": (2, _string),
        "description": (3, _string),
        "name": (4, _string),
        "type": (6, _string),
        "format": (7, _string),
        "uniqueItems": (20, _varint),
    },
    extensions=23,
)

_path_parameter = _message(
    {
        "required": (1, _varint),
        "in": (2, _string),
        "description": (3, _string),
        "name": (4, _string),
        "type": (5, _string),
        "format": (6, _string),
        "uniqueItems": (19, _varint),
    },
    extensions=22,
)

_PARAMETERS: Mapping[str, Write] = {
    "body": _one(1, _body_parameter),
    "query": _one(2, _one(3, _query_parameter)),
    "path": _one(2, _one(4, _path_parameter)),
}


def _parameter(parameter: Tree) -> bytes:
    return _PARAMETERS[parameter["in"]](parameter)


def _parameter_item(item: Tree) -> bytes:
    if "$ref" in item:
        return _nested(_message({"$ref": (1, _string)}, 0))(2, item)
    return _nested(_parameter)(1, item)


_response = _message(
    {"description": (1, _string), "schema": (2, _nested(_one(1, _schema)))}, extensions=5
)

_operation = _message(
    {
        "tags": (1, _strings),
        "summary": (2, _string),
        "description": (3, _string),
        "operationId": (5, _string),
        "produces": (6, _strings),
        "consumes": (7, _strings),
        "parameters": (8, _repeated(_parameter_item)),
        "responses": (9, _nested(_named(_one(1, _response)))),
        "schemes": (10, _strings),
        "deprecated": (11, _varint),
    },
    extensions=13,
)

_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}

_path_item = _message(
    {
        **{method: (number, _nested(_operation)) for method, number in _METHODS.items()},
        "parameters": (9, _repeated(_parameter_item)),
    },
    extensions=10,
)


def _paths(paths: Tree) -> bytes:
    """Pairs like any other, but in field 2."""
    pair = _nested(_path_item)
    return _repeated(lambda item: _string(1, item[0]) + pair(2, item[1]))(2, paths.items())


_api_key = _message(
    {"type": (1, _string), "name": (2, _string), "in": (3, _string), "description": (4, _string)},
    extensions=5,
)

_document = _message(
    {
        "swagger": (1, _string),
        "info": (2, _nested(_message({"title": (1, _string), "version": (2, _string)}, 7))),
        "paths": (8, _nested(_paths)),
        "definitions": (9, _nested(_named(_schema))),
        "parameters": (10, _nested(_named(_parameter))),
        "security": (12, _repeated(_named(lambda scopes: _strings(1, scopes)))),
        "securityDefinitions": (13, _nested(_named(_one(2, _api_key)))),
    },
    extensions=16,
)

# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI v2 document as gnostic's openapi.v2.Document, which kubectl validates Lists by.

Does what kube-openapi's ToProtoBinary does: gnostic's ParseDocument, then Go's marshalling, with
fields in order of number and zeros left out. What differs from message to message is which
fields there are (openapi_v2_messages) and how a value in JSON stands for a message that holds
one of several (`_FORMS`). Extensions, defaults, enums and examples are carried as YAML text;
texts that Go and this project fold or indent differently read back as the same value.
"""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery import codec, yamlcodec
from pyk8s.apis import openapi_v2_messages as messages
from pyk8s.apis import protobuf_wire as wire
from pyk8s.apis.openapi_v2_messages import Field

Tree = Mapping[str, Any]
Write = Callable[[Any], bytes]

_FIRST = wire.tag(1, wire.LENGTH)
_SECOND = wire.tag(2, wire.LENGTH)

_pack_double = struct.Struct("<d").pack
_number = operator.itemgetter(0)


def encode(document: Tree) -> bytes:
    """The message that says what `document` (openapi_v2.build's, or read from its JSON) says.

    Raises ValueError for a name that OpenAPI v2 does not have, as gnostic refuses it.
    """
    return _message("Document")(document)


@functools.cache
def _message(name: str) -> Write:
    known = messages.fields(name)
    form = _FORMS.get(name)
    writers = {
        key: (field.number, _field_writer(field))
        for key, field in known.items()
        if field.shape != messages.NAMED
    }

    def write(value: Any) -> bytes:
        obj = form(value) if form else value
        parts = []
        for key, inner in obj.items():
            if found := writers.get(key):
                parts.append((found[0], found[1](inner)))
            else:
                field = _named_field(name, known, key)
                parts.append((field.number, _named(field, key, inner)))
        parts.sort(key=_number)
        return b"".join([part for _, part in parts])

    return write


def _named_field(message: str, known: Mapping[str, Field], key: str) -> Field:
    if key.startswith("x-") and messages.EXTENSION in known:
        return known[messages.EXTENSION]
    if messages.ENTRY not in known:
        raise ValueError(f"{message} has no field {key!r} in OpenAPI v2")
    return known[messages.ENTRY]


def _named(field: Field, key: str, value: Any) -> bytes:
    body = _body_writer(field.type)(value)
    pair = wire.delimited(_FIRST, key.encode()) + wire.delimited(_SECOND, body)
    return wire.delimited(wire.tag(field.number, wire.LENGTH), pair)


def _field_writer(field: Field) -> Write:
    """Writes tag and value, or several for a list."""
    if field.type == messages.DOUBLE:
        prefix = wire.tag(field.number, wire.FIXED64)
        return lambda value: prefix + _pack_double(value) if value else b""
    if field.type in (messages.BOOL, messages.INT64):
        prefix = wire.tag(field.number, wire.VARINT)
        always = field.shape == messages.PRESENT
        return lambda value: prefix + wire.varint(value) if value or always else b""
    prefix = wire.tag(field.number, wire.LENGTH)
    if field.shape == messages.LIST:
        return _list_writer(prefix, field.type)
    if field.type == messages.STRING:
        return lambda value: wire.delimited(prefix, value.encode()) if value else b""
    # Its writer is looked up when a value comes: messages hold messages of their own kind.
    return lambda value: wire.delimited(prefix, _body_writer(field.type)(value))


def _list_writer(prefix: bytes, type_: str) -> Write:
    def write(values: Any) -> bytes:
        body = _body_writer(type_)
        return b"".join([wire.delimited(prefix, body(value)) for value in values])

    return write


def _body_writer(type_: str) -> Write:
    return str.encode if type_ == messages.STRING else _message(type_)


# --- how JSON values stand for messages


def _any(value: Any) -> Tree:
    return {"yaml": _yaml(codec.encode_json(value))}


# A document says the same few hundred things, `map` and `atomic` mostly, thousands of times.
@functools.lru_cache(maxsize=1024)
def _yaml(encoded: bytes) -> str:
    return yamlcodec.encode_yaml(codec.decode_json(encoded)).decode()


def _additional_properties(value: Any) -> Tree:
    return {"boolean" if isinstance(value, bool) else "schema": value}


def _type(value: str | list[str]) -> Tree:
    return {"value": [value] if isinstance(value, str) else value}


def _or_reference(otherwise: str) -> Callable[[Tree], Tree]:
    return lambda value: {"reference" if "$ref" in value else otherwise: value}


def _security(value: Tree) -> Tree:
    return {value["flow" if value["type"] == "oauth2" else "type"]: value}


_FORMS: dict[str, Callable[[Any], Tree]] = {
    messages.ANY: _any,
    "AdditionalPropertiesItem": _additional_properties,
    "ItemsItem": lambda value: {"schema": [value]},
    "NonBodyParameter": lambda value: {value["in"]: value},
    "Parameter": lambda value: {"body" if value["in"] == "body" else "nonBody": value},
    "ParametersItem": _or_reference("parameter"),
    "ResponseValue": _or_reference("response"),
    "SchemaItem": lambda value: {"file" if value.get("type") == "file" else "schema": value},
    "SecurityDefinitionsItem": _security,
    "StringArray": lambda value: {"value": value},
    "TypeItem": _type,
}

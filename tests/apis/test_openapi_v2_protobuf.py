# SPDX-License-Identifier: Apache-2.0
"""The protobuf form of OpenAPI v2 says what the JSON document says, as google.protobuf reads it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from pyk8s.apimachinery import yamlcodec
from pyk8s.apis import openapi_v2, openapi_v2_protobuf, scheme
from pyk8s.apis import openapi_v2_messages as messages

_F = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    messages.STRING: _F.TYPE_STRING,
    messages.BOOL: _F.TYPE_BOOL,
    messages.INT64: _F.TYPE_INT64,
    messages.DOUBLE: _F.TYPE_DOUBLE,
}
# Messages that say which of several a JSON value is.
_WRAPPERS = {
    "AdditionalPropertiesItem",
    "NonBodyParameter",
    "Parameter",
    "ParametersItem",
    "ResponseValue",
    "SchemaItem",
    "SecurityDefinitionsItem",
}


# --- the judge


def _message_class() -> type[Message]:
    """openapi.v2.Document by google.protobuf, its fields named f1, f2 … by number."""
    file = descriptor_pb2.FileDescriptorProto(name="v2.proto", package="v2", syntax="proto3")
    pairs = set()
    for name in messages.MESSAGES:
        described = file.message_type.add(name=name)
        for field in messages.fields(name).values():
            repeats = field.shape in (messages.LIST, messages.NAMED)
            of = f"Named{field.type.capitalize()}" if field.shape == messages.NAMED else field.type
            if of != field.type:
                pairs.add((of, field.type))
            added = _add(described, field.number, of, repeats)
            if field.shape == messages.PRESENT:
                added.proto3_optional = True
                added.oneof_index = len(described.oneof_decl)
                described.oneof_decl.add(name=f"_f{field.number}")
    for of, type_ in pairs:
        pair = file.message_type.add(name=of)
        _add(pair, 1, messages.STRING, False)
        _add(pair, 2, type_, False)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("v2.Document"))


def _add(described: Any, number: int, type_: str, repeats: bool) -> Any:
    label = _F.LABEL_REPEATED if repeats else _F.LABEL_OPTIONAL
    added = described.field.add(name=f"f{number}", number=number, label=label)
    if type_ in _SCALARS:
        added.type = _SCALARS[type_]
    else:
        added.type, added.type_name = _F.TYPE_MESSAGE, f".v2.{type_}"
    return added


_DOCUMENT = _message_class()


def parse(document: dict[str, Any]) -> Message:
    """The encoded document as the judge reads it; nothing may be unknown or out of order."""
    encoded = openapi_v2_protobuf.encode(document)
    parsed = _DOCUMENT()
    parsed.ParseFromString(encoded)
    assert parsed.SerializeToString(deterministic=True) == encoded
    return parsed


def tree(value: Any, type_: str) -> Any:
    """The JSON that a message stands for."""
    if type_ in _SCALARS:
        return value
    if type_ == messages.ANY:
        return yamlcodec.decode_yaml(value.f2.encode())
    obj: dict[str, Any] = {}
    for name, field in messages.fields(type_).items():
        inner = getattr(value, f"f{field.number}")
        if field.shape == messages.NAMED:
            obj |= {pair.f1: tree(pair.f2, field.type) for pair in inner}
        elif field.shape == messages.LIST:
            obj |= {name: [tree(one, field.type) for one in inner]} if inner else {}
        elif field.type in _SCALARS and field.shape == messages.ONE:
            obj |= {name: inner} if inner else {}
        elif value.HasField(f"f{field.number}"):
            obj[name] = tree(inner, field.type)
    return _unwrapped(obj, type_)


def _unwrapped(obj: dict[str, Any], type_: str) -> Any:
    if type_ in _WRAPPERS:
        (only,) = obj.values()
        return only
    match type_:
        case "ItemsItem":
            return obj["schema"][0]
        case "StringArray":
            return obj.get("value", [])
        case "TypeItem":
            return obj["value"] if len(obj["value"]) > 1 else obj["value"][0]
    return obj


# --- tests


@pytest.mark.parametrize(
    ("message", "name", "number"),
    [
        # Numbers of OpenAPIv2.proto; a table without gaps that ends right has all before it.
        pytest.param("BodyParameter", "x-*", 6, id="body"),
        pytest.param("Document", "definitions", 9, id="definitions"),
        pytest.param("Document", "x-*", 16, id="document"),
        pytest.param("FileSchema", "x-*", 10, id="file"),
        pytest.param("FormDataParameterSubSchema", "x-*", 23, id="form data"),
        pytest.param("Header", "description", 18, id="header"),
        pytest.param("HeaderParameterSubSchema", "x-*", 22, id="header parameter"),
        pytest.param("Operation", "x-*", 13, id="operation"),
        pytest.param("PathItem", "parameters", 9, id="path item"),
        pytest.param("PathParameterSubSchema", "uniqueItems", 19, id="path parameter"),
        pytest.param("Paths", "*", 2, id="paths"),
        pytest.param("PrimitivesItems", "x-*", 18, id="primitives"),
        pytest.param("QueryParameterSubSchema", "uniqueItems", 20, id="query parameter"),
        pytest.param("Responses", "x-*", 2, id="responses"),
        pytest.param("Schema", "required", 19, id="required"),
        pytest.param("Schema", "type", 22, id="type"),
        pytest.param("Schema", "properties", 25, id="properties"),
        pytest.param("Schema", "x-*", 31, id="schema"),
    ],
)
def test_field_numbers(message: str, name: str, number: int) -> None:
    """Fields have gnostic's numbers."""
    assert messages.fields(message)[name].number == number


def test_the_served_document() -> None:
    """All of the document that is served comes back."""
    document = openapi_v2.build(scheme.builtin().resources, version="v1.37.0")
    assert tree(parse(document), "Document") == document


def test_bytes_of_a_schema() -> None:
    """Fields by number, zeros left out, an extension as its YAML text."""
    schema = {"x-a": [{"b": ""}], "type": "object", "title": "", "$ref": "r"}
    encoded = openapi_v2_protobuf.encode({"definitions": {"A": schema}})
    parts = [
        b"\x0a\x01r",
        b"\xb2\x01\x08\x0a\x06object",
        b'\xfa\x01\x11\x0a\x03x-a\x12\x0a\x12\x08- b: ""\n',
    ]
    body = b"".join(parts)
    named = b"\x0a\x01A\x12" + bytes([len(body)]) + body
    definitions = b"\x0a" + bytes([len(named)]) + named
    assert encoded == b"\x4a" + bytes([len(definitions)]) + definitions


SCHEMAS = [
    pytest.param({}, id="anything"),
    pytest.param({"additionalProperties": False}, id="no more properties"),
    pytest.param({"additionalProperties": True}, id="more properties"),
    pytest.param({"additionalProperties": {"type": "string"}}, id="map"),
    pytest.param({"type": ["string", "null"]}, id="types"),
    pytest.param({"items": {}, "type": "array"}, id="list of anything"),
    pytest.param({"properties": {"x-odd": {"type": "integer"}}}, id="property like an extension"),
    pytest.param({"enum": ["a", 1, None, True], "default": "a"}, id="enum"),
    pytest.param({"default": {"a": {"b": [1, {"c": "1"}]}}}, id="nested default"),
    pytest.param({"default": False, "example": "yes"}, id="values that are zero or read as bool"),
    pytest.param({"minimum": -1.5, "maximum": 7, "minLength": -1}, id="numbers"),
    pytest.param({"allOf": [{"$ref": "#/definitions/A"}], "readOnly": True}, id="all of"),
    pytest.param({"description": "Grüße\n" * 40, "pattern": "^\\d+$"}, id="long text"),
    pytest.param(
        {"x-kubernetes-validations": [{"rule": "self.a > 1 " * 20}]}, id="rule longer than a line"
    ),
    pytest.param({"externalDocs": {"url": "https://example.com"}}, id="external docs"),
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schema(schema: dict[str, Any]) -> None:
    """Every form that a schema of a custom resource may take comes back."""
    document = {"definitions": {"A": schema}}
    assert tree(parse(document), "Document") == document


def test_what_one_of_several_stands_for() -> None:
    """Parameters, responses and ways to authenticate say which they are."""
    flows = ("implicit", "password", "application", "accessCode")
    parameters = [
        {"in": "body", "name": "body", "schema": {"type": "object"}},
        *({"in": place, "name": place} for place in ("header", "formData", "query", "path")),
        {"$ref": "#/parameters/a"},
    ]
    responses = {
        "200": {"description": "OK", "schema": {"type": "file"}},
        "201": {"description": "Made", "schema": {"type": "string"}},
        "404": {"$ref": "#/responses/a"},
        "x-more": "a",
    }
    document = {
        "paths": {"/a": {"get": {"parameters": parameters, "responses": responses}}, "x-a": [1]},
        "security": [{"a": []}, {"b": ["c", "d"]}],
        "securityDefinitions": {
            "basic": {"type": "basic"},
            "key": {"type": "apiKey", "in": "header", "name": "a"},
            **{flow: {"type": "oauth2", "flow": flow, "scopes": {"a": "b"}} for flow in flows},
        },
    }
    parsed: Any = parse(document)
    assert tree(parsed, "Document") == document
    (path,) = parsed.f8.f2
    said = [item.f1.f2.ListFields()[0][0].number for item in path.f2.f2.f8[1:5]]
    assert said == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        pytest.param({"openapi": "3.0.0"}, "Document has no field 'openapi'", id="version"),
        pytest.param(
            {"definitions": {"A": {"oneOf": []}}}, "Schema has no field 'oneOf'", id="schema"
        ),
    ],
)
def test_what_v2_does_not_have(document: dict[str, Any], told: str) -> None:
    """A name that OpenAPI v2 does not know is an error, never left out."""
    with pytest.raises(ValueError, match=told):
        openapi_v2_protobuf.encode(document)

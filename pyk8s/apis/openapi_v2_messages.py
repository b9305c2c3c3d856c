# SPDX-License-Identifier: Apache-2.0
"""The messages of gnostic's OpenAPIv2.proto (google/gnostic-models), by the JSON names of their
fields.

Fields stand in order of number, from 1 without a gap, as `name:type`; a name alone is a string.
`type[]` repeats, and `type?` is one of several in a oneof, written even when zero (a oneof's
names are this project's own). `*:type` are the entries of a map under any name, `x-*:type` those
whose names begin with x-: both are written as a repeated message of a name and a value.
"""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import NamedTuple

STRING = "string"
BOOL = "bool"
INT64 = "int64"
DOUBLE = "double"
ANY = "Any"

ONE = ""
PRESENT = "?"
LIST = "[]"
NAMED = "*"

ENTRY = "*"
EXTENSION = "x-*"

_LIMITS = (
    "default:Any maximum:double exclusiveMaximum:bool minimum:double exclusiveMinimum:bool "
    "maxLength:int64 minLength:int64 pattern maxItems:int64 minItems:int64 uniqueItems:bool "
    "enum:Any[] multipleOf:double"
)
_VALUE = f"type format items:PrimitivesItems collectionFormat {_LIMITS}"
_PARAMETER = "required:bool in description name"

_MESSAGES = {
    "AdditionalPropertiesItem": "schema:Schema? boolean:bool?",
    # Its first field, a google.protobuf.Any, is for extensions that a compiler knows.
    "Any": "value yaml",
    "ApiKeySecurity": "type name in description x-*:Any",
    "BasicAuthenticationSecurity": "type description x-*:Any",
    "BodyParameter": "description name in required:bool schema:Schema x-*:Any",
    "Contact": "name url email x-*:Any",
    "Definitions": "*:Schema",
    "Document": (
        "swagger info:Info host basePath schemes:string[] consumes:string[] produces:string[] "
        "paths:Paths definitions:Definitions parameters:ParameterDefinitions "
        "responses:ResponseDefinitions security:SecurityRequirement[] "
        "securityDefinitions:SecurityDefinitions tags:Tag[] externalDocs:ExternalDocs x-*:Any"
    ),
    "Examples": "*:Any",
    "ExternalDocs": "description url x-*:Any",
    "FileSchema": (
        "format title description default:Any required:string[] type readOnly:bool "
        "externalDocs:ExternalDocs example:Any x-*:Any"
    ),
    "FormDataParameterSubSchema": f"{_PARAMETER} allowEmptyValue:bool {_VALUE} x-*:Any",
    "Header": f"{_VALUE} description x-*:Any",
    "HeaderParameterSubSchema": f"{_PARAMETER} {_VALUE} x-*:Any",
    "Headers": "*:Header",
    "Info": "title version description termsOfService contact:Contact license:License x-*:Any",
    "ItemsItem": "schema:Schema[]",
    "JsonReference": "$ref description",
    "License": "name url x-*:Any",
    "NonBodyParameter": (
        "header:HeaderParameterSubSchema? formData:FormDataParameterSubSchema? "
        "query:QueryParameterSubSchema? path:PathParameterSubSchema?"
    ),
    "Oauth2AccessCodeSecurity": (
        "type flow scopes:Oauth2Scopes authorizationUrl tokenUrl description x-*:Any"
    ),
    "Oauth2ApplicationSecurity": "type flow scopes:Oauth2Scopes tokenUrl description x-*:Any",
    "Oauth2ImplicitSecurity": "type flow scopes:Oauth2Scopes authorizationUrl description x-*:Any",
    "Oauth2PasswordSecurity": "type flow scopes:Oauth2Scopes tokenUrl description x-*:Any",
    "Oauth2Scopes": "*:string",
    "Operation": (
        "tags:string[] summary description externalDocs:ExternalDocs operationId "
        "produces:string[] consumes:string[] parameters:ParametersItem[] responses:Responses "
        "schemes:string[] deprecated:bool security:SecurityRequirement[] x-*:Any"
    ),
    "Parameter": "body:BodyParameter? nonBody:NonBodyParameter?",
    "ParameterDefinitions": "*:Parameter",
    "ParametersItem": "parameter:Parameter? reference:JsonReference?",
    "PathItem": (
        "$ref get:Operation put:Operation post:Operation delete:Operation options:Operation "
        "head:Operation patch:Operation parameters:ParametersItem[] x-*:Any"
    ),
    "PathParameterSubSchema": f"{_PARAMETER} {_VALUE} x-*:Any",
    "Paths": "x-*:Any *:PathItem",
    "PrimitivesItems": f"{_VALUE} x-*:Any",
    "Properties": "*:Schema",
    "QueryParameterSubSchema": f"{_PARAMETER} allowEmptyValue:bool {_VALUE} x-*:Any",
    "Response": "description schema:SchemaItem headers:Headers examples:Examples x-*:Any",
    "ResponseDefinitions": "*:Response",
    "ResponseValue": "response:Response? reference:JsonReference?",
    "Responses": "*:ResponseValue x-*:Any",
    "Schema": (
        "$ref format title description default:Any multipleOf:double maximum:double "
        "exclusiveMaximum:bool minimum:double exclusiveMinimum:bool maxLength:int64 "
        "minLength:int64 pattern maxItems:int64 minItems:int64 uniqueItems:bool "
        "maxProperties:int64 minProperties:int64 required:string[] enum:Any[] "
        "additionalProperties:AdditionalPropertiesItem type:TypeItem items:ItemsItem "
        "allOf:Schema[] properties:Properties discriminator readOnly:bool xml:Xml "
        "externalDocs:ExternalDocs example:Any x-*:Any"
    ),
    "SchemaItem": "schema:Schema? file:FileSchema?",
    "SecurityDefinitions": "*:SecurityDefinitionsItem",
    "SecurityDefinitionsItem": (
        "basic:BasicAuthenticationSecurity? apiKey:ApiKeySecurity? "
        "implicit:Oauth2ImplicitSecurity? password:Oauth2PasswordSecurity? "
        "application:Oauth2ApplicationSecurity? accessCode:Oauth2AccessCodeSecurity?"
    ),
    "SecurityRequirement": "*:StringArray",
    "StringArray": "value:string[]",
    "Tag": "name description externalDocs:ExternalDocs x-*:Any",
    "TypeItem": "value:string[]",
    "Xml": "name namespace prefix attribute:bool wrapped:bool x-*:Any",
}

MESSAGES = tuple(_MESSAGES)


class Field(NamedTuple):
    number: int
    type: str
    shape: str


@functools.cache
def fields(message: str) -> MappingProxyType[str, Field]:
    """The fields of a message by JSON name, those of maps under ENTRY and EXTENSION."""
    described = {}
    for number, text in enumerate(_MESSAGES[message].split(), start=1):
        name, _, type_ = text.partition(":")
        described[name] = _field(number, name, type_ or STRING)
    return MappingProxyType(described)


def _field(number: int, name: str, type_: str) -> Field:
    if name in (ENTRY, EXTENSION):
        return Field(number, type_, NAMED)
    for shape in (LIST, PRESENT):
        if type_.endswith(shape):
            return Field(number, type_.removesuffix(shape), shape)
    return Field(number, type_, ONE)

# SPDX-License-Identifier: Apache-2.0
"""What a codec must know of each message: fields, their types, and what becomes of zeros.

Numbers and presence come from the table behind `protobuf_fields`, types from the OpenAPI schemas,
which fix them: there is one protobuf type to each JSON type, and a few types of their own form,
written here as the definition's name. `protobuf_decoding`, `protobuf_encoding` and the oracle in
the tests all build on these descriptions.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import presence, protobuf_fields, schemas

Schema = dict[str, Any]

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

# Kinds of values. MESSAGE has a definition; the last ones have a form of their own.
STRING = "string"
BYTES = "bytes"
BOOL = "bool"
INT32 = "int32"
INT64 = "int64"
DOUBLE = "double"
MESSAGE = "message"
QUANTITY = "Quantity"
INT_OR_STRING = "IntOrString"
TIME = "Time"
MICRO_TIME = "MicroTime"
# A message around JSON text: RawExtension, FieldsV1, JSON.
RAW_JSON = "raw JSON"
# A message around a list of texts, which in JSON is the list itself: ExtraValue, Verbs.
TEXTS = "texts"
# A JSONSchemaProps or something else: a list of them, a bool, a list of texts.
SCHEMA_OR_ARRAY = "JSONSchemaPropsOrArray"
SCHEMA_OR_BOOL = "JSONSchemaPropsOrBool"
SCHEMA_OR_TEXTS = "JSONSchemaPropsOrStringArray"

_HOLDING_SCHEMAS = frozenset({SCHEMA_OR_ARRAY, SCHEMA_OR_BOOL, SCHEMA_OR_TEXTS})

SCALARS = frozenset({STRING, BYTES, BOOL, INT32, INT64, DOUBLE})

_META_VERSIONS = ("v1", "v1beta1")
JSON_SCHEMA = EXTENSIONS + "JSONSchemaProps"

_OWN_FORMS = {
    schemas.QUANTITY: QUANTITY,
    schemas.INT_OR_STRING: INT_OR_STRING,
    META + "Time": TIME,
    META + "MicroTime": MICRO_TIME,
    META + "FieldsV1": RAW_JSON,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": RAW_JSON,
    EXTENSIONS + "JSON": RAW_JSON,
    EXTENSIONS + "JSONSchemaPropsOrArray": SCHEMA_OR_ARRAY,
    EXTENSIONS + "JSONSchemaPropsOrBool": SCHEMA_OR_BOOL,
    EXTENSIONS + "JSONSchemaPropsOrStringArray": SCHEMA_OR_TEXTS,
}

_SCALAR_KINDS = {
    ("string", None): STRING,
    ("string", "byte"): BYTES,
    ("boolean", None): BOOL,
    ("integer", "int32"): INT32,
    ("integer", "int64"): INT64,
    ("number", "double"): DOUBLE,
}

# How often a value stands in a field. INLINED: a message whose fields are the enclosing one's.
ONE = "one"
LIST = "list"
MAP = "map"
INLINED = "inlined"


@dataclass(frozen=True, slots=True)
class Value:
    """One value; `definition` is that of the message where `kind` is MESSAGE."""

    kind: str
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a message.

    `value` is the type of the elements of a list or a map. On the wire a field is written
    `always`, present or not, where Go has no way to leave it away. In JSON a zero that was read
    is kept where `zero_kept`, and where `zero_added` it is there even if nothing was read.
    """

    name: str
    number: int
    shape: str
    value: Value
    always: bool
    zero_kept: bool
    zero_added: bool


def definition_of(gvk: GroupVersionKind) -> str:
    """The definition of a kind that has a protobuf form; raises KeyError for any other."""
    name = META + gvk.kind
    if name in _UNPUBLISHED and gvk.group in ("meta.k8s.io", "") and gvk.version in _META_VERSIONS:
        return name
    definition = schemas.definition_of(gvk)
    if protobuf_fields.of(definition) is None:
        raise KeyError(gvk)
    return definition


@functools.cache
def fields(definition: str, within: str = "") -> tuple[Field, ...]:
    """The fields of a message in order of number.

    `within` is the definition that an inlined message stands in, whose schema holds its fields.
    A field newer than the table is not there. Raises KeyError for what is no message.
    """
    rows = protobuf_fields.of(definition)
    if rows is None:
        raise KeyError(definition)
    outer = within or definition
    schema = _UNPUBLISHED.get(outer) or schemas.definition(outer)
    described = [_field(row, outer, schema) for row in rows]
    return tuple(sorted(described, key=lambda field: field.number))


@functools.cache
def nesting(definition: str) -> int | None:
    """How many objects and arrays deep a message is in JSON at most, free-form parts counted as
    one level; None for one that can hold itself, at any depth."""
    return _nesting(definition, ())


def _nesting(definition: str, above: tuple[str, ...], within: str = "") -> int | None:
    if definition in above:
        return None
    deepest = 1
    for field in fields(definition, within):
        below: int | None = 0
        if field.shape == INLINED:
            below = _nesting(field.value.definition, above, within or definition)
        elif field.value.kind == MESSAGE:
            below = _nesting(field.value.definition, (*above, definition))
        elif field.value.kind in _HOLDING_SCHEMAS:
            below = None
        elif field.value.kind in (RAW_JSON, TEXTS):
            below = 1
        if below is None:
            return None
        levels = below if field.shape == INLINED else 1 + below + (field.shape != ONE)
        deepest = max(deepest, levels)
    return deepest


def _field(row: protobuf_fields.Field, outer: str, schema: Schema) -> Field:
    if row.inlined:
        return Field(
            name=row.name,
            number=row.number,
            shape=INLINED,
            value=Value(MESSAGE, row.inlined),
            always=True,
            zero_kept=True,
            zero_added=False,
        )
    described = schema["properties"][row.name]
    shape, value = _type(described, row.flag)
    kept, added = _zeros(
        described,
        (presence.of(outer) or {})[row.name],
        required=row.name in schema.get("required", ()),
    )
    scalar = shape == ONE and value.kind in SCALARS and value.kind != BYTES
    return Field(
        name=row.name,
        number=row.number,
        shape=shape,
        value=value,
        always=row.flag == presence.STRUCT or (scalar and row.flag != presence.POINTER),
        zero_kept=kept,
        zero_added=added,
    )


def _zeros(described: Schema, flag: str, *, required: bool) -> tuple[bool, bool]:
    """Whether a zero is kept, and whether one is added: the rules that `structural` has too."""
    if flag == presence.STRUCT:
        return True, True
    if "$ref" in described or flag == presence.POINTER:
        return True, False
    kept = required or flag == presence.KEPT
    return kept, kept and "additionalProperties" not in described


def _type(schema: Schema, flag: str) -> tuple[str, Value]:
    if "items" in schema:
        if flag == presence.STRUCT:
            return ONE, Value(TEXTS)
        return LIST, _value(schema["items"])
    if "additionalProperties" in schema:
        return MAP, _value(schema["additionalProperties"])
    return ONE, _value(schema)


def _value(schema: Schema) -> Value:
    if "$ref" in schema:
        definition = schemas.ref_name(schema["$ref"])
        if definition in _OWN_FORMS:
            return Value(_OWN_FORMS[definition])
        return Value(MESSAGE, definition)
    if "items" in schema:
        return Value(TEXTS)
    return Value(_SCALAR_KINDS[schema["type"], schema.get("format")])


def _schema(**properties: Schema) -> Schema:
    return {"properties": properties}


_TEXT: Schema = {"type": "string"}
_TEXT_LIST: Schema = {"type": "array", "items": _TEXT}
_BOOL: Schema = {"type": "boolean"}
_INT64: Schema = {"type": "integer", "format": "int64"}


def _ref(name: str) -> Schema:
    return {"$ref": schemas.REF_PREFIX + META + name}


# Kinds of meta.k8s.io that the OpenAPI documents leave out.
_UNPUBLISHED: dict[str, Schema] = {
    META + "CreateOptions": _schema(dryRun=_TEXT_LIST, fieldManager=_TEXT, fieldValidation=_TEXT),
    META + "GetOptions": _schema(resourceVersion=_TEXT),
    META + "ListOptions": _schema(
        labelSelector=_TEXT,
        fieldSelector=_TEXT,
        watch=_BOOL,
        resourceVersion=_TEXT,
        timeoutSeconds=_INT64,
        limit=_INT64,
        allowWatchBookmarks=_BOOL,
        resourceVersionMatch=_TEXT,
        sendInitialEvents=_BOOL,
        shardSelector=_TEXT,
        **{"continue": _TEXT},
    ),
    META + "PartialObjectMetadata": _schema(metadata=_ref("ObjectMeta")),
    META + "PartialObjectMetadataList": _schema(
        metadata=_ref("ListMeta"),
        items={"type": "array", "items": _ref("PartialObjectMetadata")},
    )
    | {"required": ["items"]},
    META + "PatchOptions": _schema(
        dryRun=_TEXT_LIST, force=_BOOL, fieldManager=_TEXT, fieldValidation=_TEXT
    ),
    META + "UpdateOptions": _schema(dryRun=_TEXT_LIST, fieldManager=_TEXT, fieldValidation=_TEXT),
}

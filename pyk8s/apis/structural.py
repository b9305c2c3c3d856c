# SPDX-License-Identifier: Apache-2.0
"""What decoding does to an object of any kind, compiled from its OpenAPI schema, once per type.

A walker goes over a decoded JSON tree once and leaves it as kube-apiserver would print it after
decoding: JSON types are checked, unknown fields cut out, nulls dropped, zero values dropped or
written as the Go type's tags say, quantities and timestamps in canonical form. **The tree is
changed in place.** Free-form parts (RawExtension, FieldsV1, JSON) stay as they are.

How it is fast: per struct one dict gives the class a text or boolean field must have, another the
reader of every field; a loop over the fields that are there does the rest. Paths are rebuilt only
when there is something to report: a fault collects its place while it rises, an unknown field is
found again by the identity of the dict it was cut from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apis import gotypes, presence, structural_values
from pyk8s.apis.structural_errors import (
    STRICT_ERRORS_MAX,
    DecodeFault,
    TypeFault,
    ValueFault,
    mismatch,
    unknown_field,
)
from pyk8s.apis.structural_values import Reader, Unknown

Schema = dict[str, Any]
# Gives the definition a `$ref` points at.
Resolve = Callable[[str], Schema]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_TIMES = (_META + "Time", _META + "MicroTime")
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_FREE = (_META + "FieldsV1", "io.k8s.apimachinery.pkg.runtime.RawExtension", _CRD + "JSON")
_JSON_SCHEMA = _CRD + "JSONSchemaProps"

_LEAVES: dict[str, Reader] = {
    _QUANTITY: structural_values.quantity_text,
    _INT_OR_STRING: structural_values.int_or_string,
    _TIMES[0]: structural_values.time_text,
    _TIMES[1]: structural_values.micro_time_text,
} | dict.fromkeys(_FREE, structural_values.free)


@dataclass(frozen=True, slots=True)
class DecodeReport:
    """`unknown` holds the decoder's sentence for each field that was cut out, in document
    order: `unknown field "spec.foo"`."""

    obj: dict[str, Any]
    unknown: list[str] = field(default_factory=list)


Walker = Callable[[Any], DecodeReport]


@dataclass(slots=True)
class _Struct:
    """The tables of one Go struct. They are filled after the reader exists: types recur."""

    readers: dict[str, Reader] = field(default_factory=dict)
    # Text and boolean fields: the class a value of them has.
    classes: dict[str, type] = field(default_factory=dict)
    # Fields that vanish when they hold their zero value.
    omitted: set[str] = field(default_factory=set)
    # Fields that are always written, with what makes their zero value.
    always: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)


class Compiler:
    """Compiles types on first use and keeps them; one per schema source."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._readers: dict[str, Reader] = {}

    def compile_kind(self, definition: str) -> Walker:
        """The walker of a top-level type, by its definition's name.

        It raises DecodeFault when a value cannot be of its field's type; what it was given may
        then be half changed. Raises KeyError for a definition there is not.
        """
        read = self.reader(definition)

        def walk(obj: Any) -> DecodeReport:
            unknown: Unknown = []
            try:
                obj = read(obj, unknown)
                return DecodeReport(obj, _unknown_paths(obj, unknown) if unknown else [])
            except RecursionError:
                raise ValueFault("exceeded max depth") from None

        return walk

    def reader(self, definition: str) -> Reader:
        """The reader of a type by name, for parts that are decoded on their own."""
        if definition in _LEAVES:
            return _LEAVES[definition]
        if definition not in self._readers:
            self._compile(definition)
        return self._readers[definition]

    def _compile(self, definition: str) -> None:
        if definition.startswith(_JSON_SCHEMA + "Or"):
            self._readers[definition] = self._schema_union(definition)
            return
        schema = self._resolve("#/definitions/" + definition)
        struct = _Struct()
        self._readers[definition] = _struct_reader(definition, struct)
        flags = presence.of(definition)
        required = frozenset(schema.get("required", ()))
        for name, part in schema.get("properties", {}).items():
            struct.readers[name] = self._field_reader(definition, name, part)
            flag = presence.POINTER if flags is None else flags.get(name)
            if name in ("apiVersion", "kind") and flag is None:
                flag = presence.PLAIN  # TypeMeta, which is in no message
            self._place(struct, name, part, _Rule(flag, name in required))

    def _place(self, struct: _Struct, name: str, part: Schema, rule: _Rule) -> None:
        """Sort a field into the tables: its class, and what becomes of its zero value."""
        kind = _kind(part)
        if kind in _CLASSES:
            struct.classes[name] = _CLASSES[kind]
        if rule.flag == presence.STRUCT:
            struct.always.append((name, _ZEROS.get(kind) or self._zero_of_ref(part)))
        elif not kind or rule.flag == presence.POINTER or rule.flag is None:
            return
        elif rule.required or rule.flag == presence.KEPT:
            if kind in _ZEROS:
                struct.always.append((name, _ZEROS[kind]))
        else:
            struct.omitted.add(name)

    def _zero_of_ref(self, part: Schema) -> Callable[[], Any]:
        read = self._value_reader(part, "")
        definition = part.get("$ref", "").rpartition("/")[2]
        if definition in _TIMES or definition in _FREE:
            return _nothing
        if definition in _LEAVES:
            return lambda: read(None, [])
        return lambda: read({}, [])

    def _field_reader(self, definition: str, name: str, part: Schema) -> Reader:
        if "$ref" in part:
            return self._value_reader(part, "")
        wanted = gotypes.of_field(definition, name, part)
        if "items" in part or "additionalProperties" in part:
            element = part.get("items") or part["additionalProperties"]
            of_element = gotypes.of_schema(element, gotypes.element_name(definition, name))
            read = self._value_reader(element, of_element)
            collection = _list_reader if "items" in part else _map_reader
            return collection(wanted, read, _CLASSES.get(_kind(element)))
        return self._value_reader(part, wanted)

    def _value_reader(self, part: Schema, wanted: str) -> Reader:
        if "$ref" in part:
            return self.reader(part["$ref"].rpartition("/")[2])
        wanted = wanted or gotypes.of_schema(part)
        match part.get("type"), part.get("format"):
            case "string", "byte":
                return structural_values.base64_text
            case "string", _:
                return structural_values.text(wanted)
            case "boolean", _:
                return structural_values.boolean(wanted)
            case "integer", bits:
                return structural_values.integer(wanted, 32 if bits == "int32" else 64)
            case "number", _:
                return structural_values.number(wanted)
            case "array", _:
                return _list_reader(wanted, self._value_reader(part["items"], ""))
        if "additionalProperties" in part:
            return _map_reader(wanted, self._value_reader(part["additionalProperties"], ""))
        return structural_values.free

    def _schema_union(self, definition: str) -> Reader:
        """JSONSchemaPropsOrArray, OrBool, OrStringArray: a schema, or the other thing.

        Their own readers upstream decode with Go's plain decoder: unknown fields below are cut
        out unreported, and a fault below keeps no place of its own.
        """
        struct = self.reader(_JSON_SCHEMA)
        if definition.endswith("OrBool"):
            return _bool_or_struct(struct)
        strings = structural_values.text("string")
        if definition.endswith("OrStringArray"):
            return _own_reader(struct, _list_reader("[]string", strings))
        return _own_reader(struct, _list_reader("[]v1.JSONSchemaProps", struct))


@dataclass(frozen=True, slots=True)
class _Rule:
    """`flag` is None for a field newer than the presence table: it is kept as it came."""

    flag: str | None
    required: bool


def _kind(part: Schema) -> str:
    """The JSON type of a schema, `byte` for base64 text, empty for a reference."""
    if part.get("format") == "byte":
        return "byte"
    return "" if "$ref" in part else part.get("type", "object")


# Where a value of the right class is right: no range, no form.
_CLASSES: dict[str, type] = {"string": str, "boolean": bool}

_ZEROS: dict[str, Callable[[], Any]] = {
    "string": str,
    "byte": str,
    "boolean": bool,
    "integer": int,
    "number": int,
    # Go would print null; clients that read the schema strictly refuse that.
    "array": list,
}


def _nothing() -> None:
    return None


def _struct_reader(definition: str, struct: _Struct) -> Reader:
    # Bound once: the loop below is the hot path of every write.
    class_of, reader_of = struct.classes.get, struct.readers.get
    omitted, always = struct.omitted, struct.always
    name, wanted = gotypes.struct_name(definition), gotypes.of_definition(definition)

    def read(obj: Any, unknown: Unknown) -> Any:
        if obj.__class__ is not dict:
            if obj is not None:
                raise mismatch(obj, wanted)
            obj = {}
        dropped: list[str] | None = None
        key = ""
        try:
            for key, value in obj.items():
                if value.__class__ is class_of(key):
                    if value or key not in omitted:
                        continue
                elif (reader := reader_of(key)) is None:
                    unknown.append((obj, key))
                elif value is not None:
                    kept = reader(value, unknown)
                    if kept is not value:
                        obj[key] = kept
                    if kept is not None and (kept or key not in omitted):
                        continue
                if dropped is None:
                    dropped = [key]
                else:
                    dropped.append(key)
        except TypeFault as fault:
            fault.inside(name, key)
            raise
        if dropped is not None:
            for key in dropped:
                del obj[key]
        for key, zero in always:
            if key not in obj:
                obj[key] = zero()
        return obj

    return read


def _list_reader(wanted: str, read: Reader, plain: type | None = None) -> Reader:
    """`plain` is the class of elements that need no reading."""
    settled = {plain}

    def read_list(values: Any, unknown: Unknown) -> Any:
        if values.__class__ is not list:
            if values is None:
                return []
            raise mismatch(values, wanted)
        if plain is not None and {*map(type, values)} <= settled:
            return values
        for at, value in enumerate(values):
            kept = read(value, unknown)
            if kept is not value:
                values[at] = kept
        return values

    return read_list


def _map_reader(wanted: str, read: Reader, plain: type | None = None) -> Reader:
    """`plain` is the class of values that need no reading."""
    settled = {plain}

    def read_map(values: Any, unknown: Unknown) -> Any:
        if values.__class__ is not dict:
            if values is None:
                return {}
            raise mismatch(values, wanted)
        if plain is not None and {*map(type, values.values())} <= settled:
            return values
        for key, value in values.items():
            kept = read(value, unknown)
            if kept is not value:
                values[key] = kept
        return values

    return read_map


def _own_reader(struct: Reader, read_list: Reader) -> Reader:
    def read(value: Any, unknown: Unknown) -> Any:
        reader = struct if value.__class__ is dict else read_list
        if value.__class__ not in (dict, list):
            return None
        try:
            return reader(value, [])
        except TypeFault as fault:
            fault.forget_place()
            raise

    return read


def _bool_or_struct(struct: Reader) -> Reader:
    def read(value: Any, unknown: Unknown) -> Any:
        if value.__class__ is bool:
            return value
        if value.__class__ is not dict:
            raise ValueFault("boolean or JSON schema expected")
        try:
            return struct(value, [])
        except TypeFault as fault:
            fault.forget_place()
            raise

    return read


def _unknown_paths(obj: Any, unknown: Unknown) -> list[str]:
    """The sentences for fields cut out of dicts that are still in the tree, none twice."""
    wanted = {id(holder) for holder, _ in unknown}
    paths: dict[int, str] = {}
    _find(obj, "", wanted, paths)
    sentences = dict.fromkeys(
        unknown_field(_joined(paths[id(holder)], key))
        for holder, key in unknown
        if id(holder) in paths
    )
    return list(sentences)[:STRICT_ERRORS_MAX]


def _find(value: Any, path: str, wanted: set[int], paths: dict[int, str]) -> None:
    if id(value) in wanted:
        paths[id(value)] = path
    if isinstance(value, Mapping):
        for key, child in value.items():
            if isinstance(child, dict | list):
                _find(child, _joined(path, key), wanted, paths)
    elif isinstance(value, list):
        for at, child in enumerate(value):
            if isinstance(child, dict | list):
                _find(child, f"{path}[{at}]", wanted, paths)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


__all__ = ["Compiler", "DecodeFault", "DecodeReport", "Reader", "Walker"]

# SPDX-License-Identifier: Apache-2.0
"""How the fields of a kind are owned and merged: the apply part of its OpenAPI schema.

    openapi v2 definitions --Compiler.definition()--> Type
    structural v3 schema   --Compiler.custom_resource()--> Type

A `Type` says what a value may be (a scalar, a map, a list) and at which grain its parts have
owners: a struct's fields and a map's keys one by one, unless `x-kubernetes-map-type: atomic`; a
list's elements only where `x-kubernetes-list-type` is `set` or `map`. Where the schema is silent
the type is deduced from the value: maps by key, lists as a whole. Mirrors kube-openapi's
`schemaconv`, read over what kube-apiserver feeds it, the v3 definitions with their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pyk8s.apimachinery import fieldset

Schema = dict[str, Any]
Resolve = Callable[[str], Schema]

STRING = "string"
NUMERIC = "numeric"
BOOLEAN = "boolean"
UNTYPED = "untyped"

_NONE = type(None)
_CLASSES: dict[str, tuple[type, ...]] = {
    "": (_NONE,),
    STRING: (str, _NONE),
    NUMERIC: (int, float, _NONE),
    BOOLEAN: (bool, _NONE),
    UNTYPED: (str, int, float, bool, _NONE),
}


class KeyFault(ValueError):
    """An element of an associative list that nothing can identify."""


class Type:
    """One type. It may recur in itself, so it is filled after it exists; fixed from then on."""

    __slots__ = (
        "by_element",
        "deduced",
        "element",
        "exact",
        "fields",
        "is_list",
        "is_map",
        "items",
        "key_of",
        "leaf",
        "scalar",
        "scalar_classes",
    )

    def __init__(self, scalar: str = "") -> None:
        self.scalar = scalar
        self.scalar_classes = _CLASSES[scalar]
        # Owned as a whole whatever its value is: scalars, atomic maps and lists.
        self.leaf = bool(scalar)
        self.deduced = False
        # Two values of this type that Python calls equal are the same to Go too; not so where
        # both `1` and `true` are allowed.
        self.exact = True
        self.is_map = False
        # Encoded element and type by field name; `element` is the type of every other key, None
        # where there must be none.
        self.fields: dict[str, tuple[str, Type]] = {}
        # The same by encoded element: what a set's walker needs.
        self.by_element: dict[str, Type] = {}
        self.element: Type | None = None
        self.is_list = False
        self.items: Type | None = None
        # The path element of an associative list's element; None for an atomic list. Raises
        # KeyFault.
        self.key_of: Callable[[Any], str] | None = None

    def child(self, name: str) -> Type:
        """The type of a map's key; of one that should not be, whatever it is as a whole."""
        known = self.fields.get(name)
        if known is not None:
            return known[1]
        return self.element if self.element is not None else ANYTHING


def _deduced() -> tuple[Type, Type]:
    anything, deduced = Type(UNTYPED), Type(UNTYPED)
    for made in (anything, deduced):
        made.is_map = made.is_list = made.deduced = True
        made.exact = False
        made.items = anything
    anything.element = anything
    deduced.element = deduced
    deduced.leaf = False
    return anything, deduced


# Any value, owned as a whole; any value, a map by its keys.
ANYTHING, DEDUCED = _deduced()

_LIST_TYPE = "x-kubernetes-list-type"
_LIST_KEYS = "x-kubernetes-list-map-keys"
_MAP_TYPE = "x-kubernetes-map-type"
_PATCH_STRATEGY = "x-kubernetes-patch-strategy"
_PATCH_KEY = "x-kubernetes-patch-merge-key"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_FIELDS_V1 = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

_SCALARS = {"integer": NUMERIC, "number": NUMERIC, "boolean": BOOLEAN}
_ZEROS = {"string": "", "integer": 0, "number": 0, "boolean": False}

# Keys of associative lists that the v2 schema calls optional, with the default that the v3 schema
# has for them: the explicit ones, and the zero of what is not omitted when empty.
_KEY_DEFAULTS: dict[str, dict[str, Any]] = {
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.LocalObjectReference": {"name": ""},
    "io.k8s.api.core.v1.ObjectReference": {"name": ""},
    "io.k8s.api.apps.v1.DaemonSetCondition": {"type": ""},
    "io.k8s.api.apps.v1.DeploymentCondition": {"type": ""},
    "io.k8s.api.apps.v1.ReplicaSetCondition": {"type": ""},
    "io.k8s.api.apps.v1.StatefulSetCondition": {"type": ""},
}


class Compiler:
    """Compiles types on first use and keeps them; one per schema source.

    `resolve` turns a `$ref` into the raw schema it names and raises KeyError for an unknown one.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._known: dict[tuple[str, str], Type] = {}

    def definition(self, ref: str) -> Type:
        """The type a reference names: `#/definitions/io.k8s.api.apps.v1.Deployment`."""
        return self._reference(ref, "")

    def custom_resource(self, schema: Schema | None, preserve_unknown: bool = False) -> Type:
        """The type of a custom resource, from its structural OpenAPI v3 schema.

        Metadata is that of every object. Without a schema everything is deduced; with
        `preserve_unknown` (the CRD's spec.preserveUnknownFields) what the schema leaves out is.
        """
        if not schema:
            return DEDUCED
        made = _Structural(self, preserve_unknown).type(schema)
        return self._with_object_fields(made)

    def embedded(self, made: Type) -> Type:
        """The type with the fields of an object, for x-kubernetes-embedded-resource."""
        return self._with_object_fields(made)

    def _with_object_fields(self, made: Type) -> Type:
        if made.is_map and not made.leaf and made is not DEDUCED:
            text = Type(STRING)
            meta = self.definition("#/definitions/" + _OBJECT_META)
            for name, child in (("apiVersion", text), ("kind", text), ("metadata", meta)):
                made.fields[name] = fieldset.field(name), child
                made.by_element[fieldset.field(name)] = child
        return made

    def _reference(self, ref: str, relation: str) -> Type:
        name = ref.rpartition("/")[2]
        if name == _RAW_EXTENSION:
            return ANYTHING
        known = self._known.get((name, relation))
        if known is None:
            raw = self._resolve(ref)
            if not raw.get("type") and not raw.get("properties"):
                return DEDUCED
            known = self._known[name, relation] = Type()
            known.exact = False  # should it recur before it is known to be
            self._fill(known, raw, name, relation)
            # Sets hold nothing but objects.
            known.exact = known.exact or name == _FIELDS_V1
        return known

    def _type(self, raw: Schema) -> Type:
        """The type of a field, of a list's elements or of a map's values."""
        ref = raw.get("$ref")
        if ref is None and len(raw.get("allOf", ())) == 1:
            # v3 wraps a reference that has siblings.
            ref = raw["allOf"][0].get("$ref")
        if ref is not None:
            return self._reference(ref, raw.get(_MAP_TYPE, ""))
        if not raw.get("type") and not raw.get("properties"):
            return DEDUCED
        made = Type()
        self._fill(made, raw, "", "")
        return made

    def _fill(self, made: Type, raw: Schema, name: str, relation: str) -> None:
        kind = raw.get("type", "object")
        if kind == "object":
            fields = {key: self._type(part) for key, part in raw.get("properties", {}).items()}
            more = raw.get("additionalProperties")
            fill_map(made, fields, self._element(more, fields), relation or raw.get(_MAP_TYPE, ""))
        elif kind == "array":
            items = raw["items"]
            fill_list(made, self._type(items), raw, lambda key: self._key_default(items, key))
        else:
            fill_scalar(made, UNTYPED if name == _QUANTITY else scalar_of(raw))

    def _element(self, more: Any, fields: Mapping[str, Type]) -> Type | None:
        if isinstance(more, dict):
            return self._type(more)
        # An object of which nothing is said may hold anything.
        return DEDUCED if more or (more is None and not fields) else None

    def _key_default(self, items: Schema, key: str) -> Any:
        ref = items.get("$ref", "")
        raw = self._resolve(ref) if ref else items
        default = _KEY_DEFAULTS.get(ref.rpartition("/")[2], {}).get(key)
        if default is None and key in raw.get("required", ()):
            default = _ZEROS.get(raw["properties"][key].get("type", ""))
        return default


class _Structural:
    """Builds the types of one structural schema; it has no references and does not recur."""

    def __init__(self, compiler: Compiler, preserve_unknown: bool) -> None:
        self._compiler = compiler
        self._preserve = preserve_unknown

    def type(self, raw: Schema, preserve: bool = False) -> Type:
        preserve = preserve or self._preserve or bool(raw.get(_PRESERVE))
        kind = raw.get("type", "")
        if not kind and (raw.get(_INT_OR_STRING) or not raw.get("properties")):
            return DEDUCED
        made = Type()
        if kind in ("object", ""):
            self._fill_map(made, raw, preserve)
        elif kind == "array":
            items = raw.get("items") or {}
            defaults = items.get("properties", {})
            fill_list(
                made,
                self.type(items, preserve),
                raw,
                lambda key: defaults.get(key, {}).get("default"),
            )
        else:
            fill_scalar(made, scalar_of(raw))
        return made

    def _fill_map(self, made: Type, raw: Schema, preserve: bool) -> None:
        properties = raw.get("properties") or {}
        fields = {name: self.type(part, preserve) for name, part in properties.items()}
        more = raw.get("additionalProperties")
        element: Type | None = None
        if isinstance(more, dict):
            element = self.type(more, preserve)
        elif more or (more is None and (preserve or not fields)):
            element = DEDUCED
        fill_map(made, fields, element, raw.get(_MAP_TYPE, ""))
        if raw.get(_EMBEDDED):
            self._compiler.embedded(made)


def scalar_of(raw: Schema) -> str:
    if raw["type"] == "string":
        return STRING if raw.get("format", "") in ("", "byte") else UNTYPED
    return _SCALARS.get(raw["type"], UNTYPED)


def fill_scalar(made: Type, scalar: str) -> None:
    made.scalar = scalar
    made.scalar_classes = _CLASSES[scalar]
    made.leaf = made.exact = True


def fill_map(made: Type, fields: Mapping[str, Type], element: Type | None, relation: str) -> None:
    made.is_map = True
    made.fields = {name: (fieldset.field(name), child) for name, child in fields.items()}
    made.by_element = dict(made.fields.values())
    made.element = element
    made.leaf = relation == "atomic"
    parts = [*fields.values(), *([element] if element is not None else [])]
    made.exact = all(part.exact for part in parts)


def fill_list(made: Type, items: Type, raw: Schema, default: Callable[[str], Any]) -> None:
    """`default` gives an element's default for a key, None where it has none."""
    made.is_list = True
    made.items = items
    made.exact = items.exact
    made.leaf = False
    list_type = raw.get(_LIST_TYPE)
    strategy = raw.get(_PATCH_STRATEGY) if list_type is None else None
    if list_type == "map":
        keys: Iterable[str] = raw.get(_LIST_KEYS, ())
        made.key_of = keyed({key: default(key) for key in keys})
    elif list_type == "set":
        made.key_of = of_set
    elif strategy in ("merge", "merge,retainKeys"):
        key = raw.get(_PATCH_KEY)
        made.key_of = keyed({key: default(key)}) if key else of_set
    else:
        made.leaf = True


def of_set(item: Any) -> str:
    """The path element of a set's member."""
    if item.__class__ is str or item.__class__ is int:
        return "v:" + fieldset.scalar(item)
    if isinstance(item, dict):
        raise KeyFault("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise KeyFault("not supported: associative list with lists as elements")
    if item is None:
        raise KeyFault("associative list without keys has an element that's an explicit null")
    return fieldset.value(item)


def keyed(defaults: Mapping[str, Any]) -> Callable[[Any], str]:
    """Makes the path elements of a list whose elements these fields identify.

    A key that is missing and has no default is left out: it makes another element. One without
    any key is a fault.
    """
    names = [(name, f"{fieldset.scalar(name)}:", defaults[name]) for name in sorted(defaults)]
    asked = " ".join(fieldset.scalar(name) for name in defaults)
    only, prefix = (names[0][0], "k:{" + names[0][1]) if len(names) == 1 else ("", "")
    scalar = fieldset.scalar

    def key_of(item: Any) -> str:
        if item.__class__ is not dict:
            kind = "a null element" if item is None else "non-map elements"
            raise KeyFault(f"associative list with keys may not have {kind}")
        if only:
            text = item.get(only)
            if text.__class__ is str:
                return f"{prefix}{scalar(text)}}}"
        pairs = [
            encoded + scalar(item.get(name, default))
            for name, encoded, default in names
            if name in item or default is not None
        ]
        if not pairs:
            raise KeyFault(
                f"associative list with keys has an element that omits all key fields [{asked}] "
                "(and doesn't have default values for any key fields)"
            )
        return "k:{" + ",".join(pairs) + "}"

    return key_of

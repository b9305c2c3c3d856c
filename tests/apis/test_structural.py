# SPDX-License-Identifier: Apache-2.0
"""The walker over every type of the release, on generated objects."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from pyk8s.apis import gotypes, presence, schemas, structural
from pyk8s.apis.structural_errors import DecodeFault

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
DEPTH_MAX = 7

COMPILER = structural.Compiler(schemas.resolve)

LEAVES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda r: r.choice(["1536Mi", "100m", "1"]),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": lambda r: r.choice([1, "25%"]),
    META + "Time": lambda r: "2026-01-02T03:04:05Z",
    META + "MicroTime": lambda r: "2026-01-02T03:04:05.000006Z",
    META + "FieldsV1": lambda r: {"f:metadata": {"f:name": {}}},
    "io.k8s.apimachinery.pkg.runtime.RawExtension": lambda r: {"kind": "X", "any": [None, {}]},
    CRD + "JSON": lambda r: r.choice([1, "a", {"b": None}]),
    CRD + "JSONSchemaPropsOrBool": lambda r: r.choice([True, False, {"type": "string"}]),
    CRD + "JSONSchemaPropsOrArray": lambda r: r.choice([[{"type": "string"}], {"type": "object"}]),
    CRD + "JSONSchemaPropsOrStringArray": lambda r: r.choice([["a"], {"type": "object"}]),
}


def value(r: random.Random, schema: dict[str, Any], depth: int) -> Any:
    """A random value that is not zero and that decoding leaves as it is."""
    if "$ref" in schema:
        return struct(r, schemas.ref_name(schema["$ref"]), depth)
    match schema.get("type"):
        case "string":
            return "YWJj" if schema.get("format") == "byte" else r.choice(["a", "b c", "é"])
        case "integer":
            return r.choice([1, -7, 2**31 - 1])
        case "number":
            return 1.5
        case "boolean":
            return True
        case "array":
            return [value(r, schema["items"], depth + 1) for _ in range(r.randint(1, 2))]
    if "additionalProperties" in schema:
        return {"k.x/y": value(r, schema["additionalProperties"], depth + 1)}
    return {"free": [1]}


def struct(r: random.Random, name: str, depth: int = 0) -> Any:
    if name in LEAVES:
        return LEAVES[name](r)
    obj = {}
    for field, schema in schemas.definition(name).get("properties", {}).items():
        if r.random() < (0.6 if depth < DEPTH_MAX else 0.05):
            obj[field] = value(r, schema, depth + 1)
    return obj


def kinds() -> list[str]:
    return [name for name in schemas.names() if schemas.GVK_EXTENSION in schemas.definition(name)]


def contains(whole: Any, part: Any) -> bool:
    """Every value of `part` stands in `whole` at its place."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("seed", range(3))
def test_every_kind_keeps_what_is_valid(seed: int) -> None:
    """A valid object loses nothing, and decoding it again changes nothing."""
    r = random.Random(seed)
    for name in kinds():
        walk = COMPILER.compile_kind(name)
        given = struct(r, name)
        report = walk(copy.deepcopy(given))
        assert report.unknown == [], name
        assert contains(report.obj, given), name
        again = walk(copy.deepcopy(report.obj))
        assert again.obj == report.obj, name


def test_every_type_has_a_go_name_for_every_field() -> None:
    """No field's error text is without its Go type."""
    for name in schemas.names():
        for field, schema in schemas.definition(name).get("properties", {}).items():
            assert gotypes.of_field(name, field, schema)


def dicts_of_structs(name: str, obj: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    """Every struct in an object with its path, free-form parts and unions left out."""
    if name in LEAVES:
        return []
    found = [(path, obj)]
    for field, schema in schemas.definition(name).get("properties", {}).items():
        if field in obj:
            found += structs_in(schema, obj[field], f"{path}.{field}" if path else field)
    return found


def structs_in(schema: dict[str, Any], part: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    if "$ref" in schema:
        return dicts_of_structs(schemas.ref_name(schema["$ref"]), part, path)
    if "items" in schema:
        lists = (structs_in(schema["items"], v, f"{path}[{i}]") for i, v in enumerate(part))
        return [found for some in lists for found in some]
    if "additionalProperties" in schema:
        maps = (
            structs_in(schema["additionalProperties"], v, f"{path}.{k}") for k, v in part.items()
        )
        return [found for some in maps for found in some]
    return []


@pytest.mark.parametrize("seed", range(3))
def test_unknown_fields_are_cut_out_and_named_wherever_they_stand(seed: int) -> None:
    """One unknown field anywhere is found again by its path, and nothing else changes."""
    r = random.Random(seed)
    for name in kinds():
        walk = COMPILER.compile_kind(name)
        clean = walk(struct(r, name)).obj
        soiled = copy.deepcopy(clean)
        path, holder = r.choice(dicts_of_structs(name, soiled, ""))
        holder["xUnknown"] = r.choice([None, 1, {"deep": []}])
        report = walk(soiled)
        where = f"{path}.xUnknown" if path else "xUnknown"
        assert report.unknown == [f'unknown field "{where}"'], name
        assert report.obj == clean, name


WRONG = {
    "string": [1, True, [], {}],
    "integer": ["1", True, [], {}, 1.5],
    "number": ["1", False, [], {}],
    "boolean": ["true", 0, [], {}],
    "array": ["a", 1, {}],
    "object": ["a", 1, []],
}


def test_every_field_refuses_other_types() -> None:
    """Each field of each type refuses JSON values of every other type, and says where."""
    r = random.Random(7)
    for name in schemas.names():
        if name in LEAVES:
            continue
        for field, schema in schemas.definition(name).get("properties", {}).items():
            if "$ref" in schema or (
                schema.get("type") == "object" and "additionalProperties" not in schema
            ):
                continue
            wrong = copy.deepcopy(r.choice(WRONG[schema["type"]]))
            with pytest.raises(DecodeFault) as caught:
                COMPILER.compile_kind(name)({field: wrong})
            place = f"Go struct field {gotypes.struct_name(name)}.{field} of type "
            assert place in caught.value.message


def test_presence_knows_inlined_types() -> None:
    """A field of an inlined struct carries its flag under the struct that inlines it."""
    flags = presence.of("io.k8s.api.core.v1.ConfigMapKeySelector")
    assert flags == {"name": presence.PLAIN, "key": presence.PLAIN, "optional": presence.POINTER}
    beta = presence.of("io.k8s.api.admissionregistration.v1beta1.NamedRuleWithOperations")
    assert beta is not None
    assert beta["scope"] == presence.POINTER
    assert presence.of("io.k8s.api.core.v1.NoSuchType") is None


def test_presence_names_only_fields_there_are() -> None:
    """The table and the schema speak of the same fields, the release's newest aside."""
    newer = {"runningInUserNamespace", "compatibilityGroups", "derivedAttributes"}
    for name in schemas.names():
        flags, schema = presence.of(name), schemas.definition(name)
        if flags is None or name in LEAVES or "properties" not in schema:
            continue
        fields = set(schema["properties"]) - {"apiVersion", "kind"}
        assert fields - set(flags) <= newer, name


def test_partial_readers() -> None:
    """A type can be decoded on its own, outside any kind."""
    read = COMPILER.reader("io.k8s.api.core.v1.Container")
    assert read({"name": "a", "stdin": False}, []) == {"name": "a", "resources": {}}

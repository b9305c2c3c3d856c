# SPDX-License-Identifier: Apache-2.0
"""Laws of field ownership, over generated objects; other versions; golden managedFields."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pyk8s.apimachinery import codec, errors, fieldset, managedfields, typedcompare, typedvalue
from pyk8s.apimachinery.fieldmanager import FieldManager, Version, Writer
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apimachinery.typedschema import Compiler
from pyk8s.apis import decode, schemas

_COMPILER = Compiler(schemas.resolve)
_GVK = GroupVersionKind("apps", "v1", "Deployment")
_SCHEMA = _COMPILER.definition(schemas.REF_PREFIX + schemas.definition_of(_GVK))
_ZERO = decode.walker(_GVK)({"apiVersion": "apps/v1", "kind": "Deployment"}).obj
_DEPLOYMENTS = FieldManager(gvk=_GVK, schema=_SCHEMA, zero=_ZERO)
_WIDGET = _COMPILER.custom_resource(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "a": {"type": "integer"},
                    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "deep": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "additionalProperties": {"type": "integer"},
                        },
                    },
                    "set": {
                        "type": "array",
                        "x-kubernetes-list-type": "set",
                        "items": {"type": "integer"},
                    },
                    "list": {"type": "array", "items": {"type": "integer"}},
                    "keyed": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": {
                            "type": "object",
                            "properties": {
                                "k": {"type": "integer"},
                                "v": {"type": "integer"},
                                "set": {
                                    "type": "array",
                                    "x-kubernetes-list-type": "set",
                                    "items": {"type": "integer"},
                                },
                            },
                        },
                    },
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        },
    }
)
_WIDGETS = FieldManager(
    gvk=GroupVersionKind("example.com", "v1", "Widget"),
    schema=_WIDGET,
    zero={"apiVersion": "example.com/v1", "kind": "Widget"},
)


def _specs(letters: str, first: int) -> st.SearchStrategy[dict[str, Any]]:
    """Specs whose map keys are of these letters and whose elements count from that number."""
    numbers = st.integers(first, first + 3)
    names = st.sampled_from(letters)
    int_maps = st.dictionaries(names, numbers, max_size=3)
    sets = st.lists(numbers, unique=True, max_size=3)
    keyed = st.lists(
        st.fixed_dictionaries({"k": numbers}, optional={"v": numbers, "set": sets}),
        unique_by=lambda item: item["k"],
        max_size=3,
    )
    free = st.recursive(
        st.none() | st.booleans() | numbers | st.lists(numbers, max_size=2),
        lambda inner: st.dictionaries(names, inner, max_size=2),
        max_leaves=4,
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "map": int_maps,
            "deep": st.dictionaries(names, int_maps, max_size=2),
            "set": sets,
            "keyed": keyed,
            "free": st.dictionaries(names, free, max_size=2),
        },
    )


_LEAVES = st.fixed_dictionaries(
    {}, optional={"a": st.integers(0, 3), "list": st.lists(st.integers(0, 3), max_size=3)}
)
_SPECS = st.builds(lambda a, b: {**a, **b}, _LEAVES, _specs("xyz", 0))
_FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _widget(spec: dict[str, Any]) -> dict[str, Any]:
    spec = copy.deepcopy(spec)
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": spec,
    }


def _writer(name: str, seconds: int = 0, force: bool = False) -> Writer:
    return Writer(name, f"2026-01-01T00:00:{seconds:02d}Z", force)


def _created(spec: dict[str, Any]) -> dict[str, Any]:
    obj = _widget(spec)
    obj = managedfields.put(obj, _WIDGETS.update(None, obj, _writer("creator")))
    obj["metadata"]["uid"] = "1"
    return obj


@_FAST
@given(_SPECS, _SPECS)
def test_applying_again_changes_nothing(base: dict[str, Any], applied: dict[str, Any]) -> None:
    """Whoever applies what it applied before gets the live object back, times and all."""
    once = _WIDGETS.apply(_created(base), _widget(applied), _writer("a", 1, force=True))
    assert _WIDGETS.apply(once, _widget(applied), _writer("a", 2)) is once


@_FAST
@given(_SPECS, _SPECS)
def test_applying_is_heard(base: dict[str, Any], applied: dict[str, Any]) -> None:
    """By force, the object says all that was applied: applying it merges to no change."""
    after = _WIDGETS.apply(_created(base), _widget(applied), _writer("a", 1, force=True))
    assert typedvalue.merge(_WIDGET, after, _widget(applied)) is after


@_FAST
@given(_SPECS, _specs("uvw", 10))
def test_disjoint_fields_never_conflict(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Two appliers who share no leaf need no force, and neither undoes the other."""
    first = _WIDGETS.apply(None, _widget(a), _writer("a"))
    both = _WIDGETS.apply(first, _widget(b), _writer("b"))
    assert typedvalue.merge(_WIDGET, both, _widget(a)) is both
    assert _WIDGETS.apply(both, _widget(a), _writer("a", 1)) is both


@_FAST
@given(_SPECS, _SPECS, _SPECS)
def test_giving_up_leaves_others_alone(
    mine: dict[str, Any], theirs: dict[str, Any], later: dict[str, Any]
) -> None:
    """What another applier owns is there, with its value, whatever the first gives up."""
    first = _WIDGETS.apply(None, _widget(mine), _writer("a"))
    try:
        both = _WIDGETS.apply(first, _widget(theirs), _writer("b", 1))
        after = _WIDGETS.apply(both, _widget(later), _writer("a", 2))
    except errors.StatusError:
        assume(False)
    said = typedvalue.merge(_WIDGET, after, _solid(_widget(theirs)))
    assert not any(typedcompare.compare(_WIDGET, after, said))


def _solid(value: Any) -> Any:
    """Without empty maps and lists: nobody owns an empty list, and pruning may leave nulls."""
    if isinstance(value, list):
        return [_solid(item) for item in value]
    if isinstance(value, dict):
        solid = {key: _solid(item) for key, item in value.items()}
        return {key: item for key, item in solid.items() if item not in ({}, [], None)}
    return value


@_FAST
@given(_SPECS, _SPECS)
def test_pruning_with_and_without_the_short_way(mine: dict[str, Any], more: dict[str, Any]) -> None:
    """Applying more than before removes nothing, as the long way of pruning has it."""
    wider = typedvalue.merge(_WIDGET, _widget(mine), _widget(more))["spec"]
    first = _WIDGETS.apply(None, _widget(mine), _writer("a"))
    second = _WIDGETS.apply(first, _widget(wider), _writer("a", 1))
    assert typedvalue.merge(_WIDGET, second, _widget(wider)) is second


@_FAST
@given(_SPECS, _SPECS)
def test_comparison_is_complete(old: dict[str, Any], new: dict[str, Any]) -> None:
    """It is empty only between equals; what was added is new, what was removed is gone."""
    before, after = _widget(old), _widget(new)
    found = typedcompare.compare(_WIDGET, before, after)
    equal = typedvalue.same(_WIDGET, before, after)
    moved = _unordered(before) == _unordered(after)
    assert (not any(found)) == (equal or moved)
    was, now = _present(before), _present(after)
    assert not fieldset.intersection(found.added, was) or _nulls(before)
    assert fieldset.contains(now, found.added) or _nulls(after)
    assert fieldset.contains(was, found.removed) or _nulls(before)


def _present(obj: dict[str, Any]) -> fieldset.FieldSet:
    return typedcompare.compare(_WIDGET, {}, obj).added


def _nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_nulls, value.values()))
    return value is None or (isinstance(value, list) and any(map(_nulls, value)))


def _unordered(obj: dict[str, Any]) -> Any:
    """The object with sets and keyed lists in one order, in which they have no other."""
    obj = copy.deepcopy(obj)
    spec = obj["spec"]
    for item in spec.get("keyed", ()):
        item.get("set", []).sort()
    spec.get("set", []).sort()
    spec.get("keyed", []).sort(key=lambda item: item["k"])
    return codec.encode_json(_sorted(obj))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@_FAST
@given(_SPECS)
def test_removing_all_fields_leaves_nothing(spec: dict[str, Any]) -> None:
    """A value without all its fields is empty, and extracting all of them is the value."""
    obj = _widget(spec)
    fields = typedvalue.with_named_fields(_WIDGET, typedvalue.to_field_set(_WIDGET, obj))
    left = typedvalue.remove_items(_WIDGET, obj, fields) or {}
    assert not managedfields.strip(typedvalue.to_field_set(_WIDGET, left))


@_FAST
@given(_SPECS)
def test_sets_read_back(spec: dict[str, Any]) -> None:
    """A set goes over the wire and comes back as it was."""
    fields = typedvalue.to_field_set(_WIDGET, _widget(spec))
    text = codec.encode_json(fields)
    assert codec.encode_json(fieldset.parse(codec.decode_json(text))) == text


def test_a_schema_that_turned_atomic() -> None:
    """Owners of parts of what is atomic now own it as a whole."""
    fields = {"f:spec": {"f:selector": {"f:matchLabels": {"f:a": {}}}, "f:replicas": {}}}
    kept = typedvalue.reconcile(_SCHEMA, fields)
    assert kept == {"f:spec": {"f:selector": {}, "f:replicas": {}}}
    assert typedvalue.reconcile(_SCHEMA, kept) is kept


def _renamed(old: str, new: str, api_version: str) -> Any:
    def convert(obj: dict[str, Any]) -> dict[str, Any]:
        spec = {new if key == old else key: item for key, item in obj.get("spec", {}).items()}
        return {**obj, "apiVersion": api_version, "spec": spec}

    return convert


def _versions() -> tuple[FieldManager, FieldManager]:
    """A kind whose v1 calls `new` what its v0 calls `old`."""
    made: dict[str, FieldManager] = {}
    names = {"example.com/v0": "old", "example.com/v1": "new"}

    def other(api_version: str, own: str) -> Version | None:
        if api_version not in made:
            return None
        there = _renamed(names[own], names[api_version], api_version)
        back = _renamed(names[api_version], names[own], own)
        return Version(made[api_version].schema, there, back)

    for api_version, name in names.items():
        schema = {
            "type": "object",
            "properties": {name: {"type": "integer"}, "b": {"type": "integer"}},
        }
        made[api_version] = FieldManager(
            gvk=GroupVersionKind("example.com", api_version[-2:], "Widget"),
            schema=_COMPILER.custom_resource({"type": "object", "properties": {"spec": schema}}),
            zero={"apiVersion": api_version, "kind": "Widget"},
            version=lambda asked, own=api_version: other(asked, own),  # type: ignore[misc]
        )
    return made["example.com/v0"], made["example.com/v1"]


def test_managers_of_other_versions() -> None:
    """Ownership is kept in the version it was written in, and holds across versions."""
    v0, v1 = _versions()
    first = v0.apply(None, _in("v0", {"old": 1, "b": 1}), _writer("a"))
    live = _renamed("old", "new", "example.com/v1")(first)
    with pytest.raises(errors.StatusError) as refused:
        v1.apply(live, _in("v1", {"new": 2}), _writer("b"))
    assert refused.value.status["details"]["causes"][0]["field"] == ".spec.old"
    taken = v1.apply(live, _in("v1", {"new": 2}), _writer("b", force=True))
    assert [
        (entry["manager"], entry["apiVersion"], entry["fieldsV1"])
        for entry in managedfields.of(taken) or ()
    ] == [
        ("a", "example.com/v0", {"f:spec": {"f:b": {}}}),
        ("b", "example.com/v1", {"f:spec": {"f:new": {}}}),
    ]


def test_an_applier_moves_to_another_version() -> None:
    """It keeps one entry; what it gives up goes, found in the version it was applied in."""
    v0, v1 = _versions()
    first = v0.apply(None, _in("v0", {"old": 1, "b": 1}), _writer("a"))
    live = _renamed("old", "new", "example.com/v1")(first)
    moved = v1.apply(live, _in("v1", {"b": 1}), _writer("a"))
    assert moved["spec"] == {"b": 1}
    entries = managedfields.of(moved) or []
    assert [entry["apiVersion"] for entry in entries] == ["example.com/v1"]


def _in(version: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {**_widget(spec), "apiVersion": f"example.com/{version}"}


def test_golden_apply() -> None:
    """managedFields of an applied Deployment, to the byte."""
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "nginx",
                            "ports": [{"containerPort": 9090}, {"containerPort": 443}],
                            "args": ["-v"],
                        }
                    ]
                },
            },
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
        },
    }
    entries = managedfields.of(_DEPLOYMENTS.apply(None, body, _writer("kubectl")))
    assert codec.encode_json(entries).decode() == (
        '[{"manager":"kubectl","operation":"Apply","apiVersion":"apps/v1",'
        '"time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{'
        '"f:metadata":{"f:labels":{"f:app":{}}},'
        '"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{'
        '"f:metadata":{"f:labels":{"f:app":{}}},'
        '"f:spec":{"f:containers":{"k:{\\"name\\":\\"web\\"}":{".":{},"f:args":{},"f:image":{},'
        '"f:name":{},"f:ports":{'
        '"k:{\\"containerPort\\":443,\\"protocol\\":\\"TCP\\"}":{".":{},"f:containerPort":{}},'
        '"k:{\\"containerPort\\":9090,\\"protocol\\":\\"TCP\\"}":{".":{},"f:containerPort":{}}'
        "}}}}}}}}]"
    )


def test_lists_that_are_out_of_order_by_nothing_but_order() -> None:
    """A set in another order is another object, though no field of it changed."""
    live = _WIDGETS.apply(None, _widget({"set": [1, 2]}), _writer("a"))
    after = _WIDGETS.apply(live, _widget({"set": [2, 1]}), _writer("a", 1))
    assert after["spec"] == {"set": [2, 1]}


def test_an_update_that_cannot_be_told_keeps_the_entries() -> None:
    """A list's element without keys makes ownership unknowable; the write goes on."""
    live = _created({"keyed": [{"k": 1}]})
    entries = _WIDGETS.update(live, {**live, "spec": {"keyed": [{"v": 1}]}}, _writer("b"))
    assert entries is managedfields.of(live)


@pytest.mark.parametrize(
    ("body", "code", "why"),
    [
        pytest.param({"apiVersion": "a/b/c"}, 400, "invalid object type: /, Kind=", id="version"),
        pytest.param(
            {"apiVersion": 1, "kind": []}, 400, "invalid object type: /, Kind=", id="no text"
        ),
        pytest.param(
            {"metadata": "x"},
            500,
            "failed to create typed patch object (/; apps/v1, Kind=Deployment): "
            ".metadata: expected map, got &{x}",
            id="metadata",
        ),
        pytest.param(
            {"metadata": {"name": 1}},
            500,
            "failed to create typed patch object (/; apps/v1, Kind=Deployment): "
            ".metadata.name: expected string, got &value.valueUnstructured{Value:1}",
            id="name",
        ),
        pytest.param(
            {"spec": {"template": {"spec": {"containers": [{"name": {}}]}}}},
            500,
            "failed to create typed patch object (/; apps/v1, Kind=Deployment): "
            ".spec.template.spec.containers[name=].name: "
            "expected string, got &value.valueUnstructured{Value:map[string]interface {}{}}",
            id="key that is no scalar",
        ),
    ],
)
def test_bodies_of_any_shape(body: dict[str, Any], code: int, why: str) -> None:
    """Nothing that parses is beyond an answer."""
    known = {"apiVersion": "apps/v1", "kind": "Deployment"}
    with pytest.raises(errors.StatusError) as refused:
        _DEPLOYMENTS.apply(None, {**known, **body}, _writer("a"))
    assert (refused.value.code, refused.value.message) == (code, why)

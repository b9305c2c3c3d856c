# SPDX-License-Identifier: Apache-2.0
"""Sets of fields: algebra, order, text, and the form clients send."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import codec, fieldset

_ELEMENTS = st.sampled_from(
    ["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'k:{"name":"y","port":80}', 'v:"s"', "v:1", "i:0"]
)
_PATHS = st.lists(_ELEMENTS, min_size=1, max_size=3).map(tuple)
_SETS = st.frozensets(_PATHS, max_size=8)


def _members(fields: fieldset.FieldSet) -> frozenset[tuple[str, ...]]:
    return frozenset(fieldset.paths(fields))


@given(_SETS, _SETS)
def test_algebra_is_that_of_sets_of_paths(a: Any, b: Any) -> None:
    """Union, difference and intersection do with tries what they do with sets of paths."""
    left, right = fieldset.from_paths(a), fieldset.from_paths(b)
    assert _members(left) == a
    assert _members(fieldset.union(left, right)) == a | b
    assert _members(fieldset.difference(left, right)) == a - b
    assert _members(fieldset.intersection(left, right)) == a & b
    assert fieldset.contains(left, right) == (b <= a)
    assert all(fieldset.has(left, path) == (path in a) for path in a | b)


@given(_SETS, _SETS)
def test_recursive_difference_takes_what_is_below(a: Any, b: Any) -> None:
    """A member of the other set takes all paths below it along."""
    left, right = fieldset.from_paths(a), fieldset.from_paths(b)
    wanted = {path for path in a if not any(path[: len(cut)] == cut for cut in b)}
    assert _members(fieldset.recursive_difference(left, right)) == wanted


@given(_SETS)
def test_leaves_have_nothing_below(a: Any) -> None:
    """Leaves are the members that no other member is below of."""
    leaves = {path for path in a if not any(p != path and p[: len(path)] == path for p in a)}
    assert _members(fieldset.leaves(fieldset.from_paths(a))) == leaves


@given(_SETS)
def test_sets_survive_the_wire(a: Any) -> None:
    """What is written as JSON reads back as the same set, in the same order."""
    fields = fieldset.from_paths(a)
    text = codec.encode_json(fields)
    read = fieldset.parse(codec.decode_json(text))
    assert codec.encode_json(read) == text
    assert _members(read) == a


@given(_SETS, _SETS)
def test_operations_leave_their_arguments_alone(a: Any, b: Any) -> None:
    """Sets share nodes, so none may ever change."""
    left, right = fieldset.from_paths(a), fieldset.from_paths(b)
    before = codec.encode_json([left, right])
    for operation in (
        fieldset.union,
        fieldset.difference,
        fieldset.intersection,
        fieldset.recursive_difference,
    ):
        operation(left, right)
    assert codec.encode_json([left, right]) == before


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        pytest.param([("f:b",), ("f:a",)], '{"f:a":{},"f:b":{}}', id="fields by name"),
        pytest.param([("f:a", "f:b"), ("f:a",)], '{"f:a":{".":{},"f:b":{}}}', id="self first"),
        pytest.param(
            [("v:10",), ("v:9",), ("v:-1",)], '{"v:-1":{},"v:9":{},"v:10":{}}', id="by number"
        ),
        pytest.param(
            [('v:"a"',), ("v:true",), ("v:2",)],
            '{"v:2":{},"v:\\"a\\"":{},"v:true":{}}',
            id="numbers, text, booleans",
        ),
        pytest.param(
            [('k:{"port":443}',), ('k:{"port":80}',)],
            '{"k:{\\"port\\":80}":{},"k:{\\"port\\":443}":{}}',
            id="keys by value",
        ),
        pytest.param(
            [("i:10",), ("i:9",), ('v:"a"',), ('k:{"a":1}',), ("f:z",)],
            '{"f:z":{},"k:{\\"a\\":1}":{},"v:\\"a\\"":{},"i:9":{},"i:10":{}}',
            id="fields, keys, values, indices",
        ),
    ],
)
def test_golden_order(paths: Any, text: str) -> None:
    """Elements are written in upstream's order."""
    assert codec.encode_json(fieldset.from_paths(paths)).decode() == text


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param({}, {}, id="empty"),
        pytest.param(None, {}, id="null"),
        pytest.param({".": {}, "f:a": {}}, {"f:a": {}}, id="the object itself has no owner"),
        pytest.param({"f:a": {".": {}}}, {"f:a": {}}, id="self alone"),
        pytest.param({"f:a": None}, {"f:a": {}}, id="null below"),
        pytest.param({"f:a": {"x:new": {}}, "z:1": {}}, {"f:a": {}}, id="unknown kinds dropped"),
        pytest.param(
            {'k:{"b": 1.0, "a":"x"}': {}}, {'k:{"a":"x","b":1}': {}}, id="keys in canonical form"
        ),
        pytest.param(
            {'v:"<"': {}, "i:007": {}}, {'v:"\\u003c"': {}, "i:7": {}}, id="values canonical"
        ),
    ],
)
def test_parse(sent: Any, stored: Any) -> None:
    """Clients' sets come to the canonical form."""
    assert fieldset.parse(sent) == stored


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({"f": {}}, id="too short"),
        pytest.param({"fa": {}}, id="no colon"),
        pytest.param({"v:{": {}}, id="value no JSON"),
        pytest.param({"k:[]": {}}, id="keys no object"),
        pytest.param({"i:x": {}}, id="index no number"),
        pytest.param({"f:a": 1}, id="node no object"),
        pytest.param([], id="set no object"),
    ],
)
def test_parse_refuses(sent: Any) -> None:
    """Sets that upstream's decoder stops at are malformed."""
    with pytest.raises(fieldset.MalformedFields):
        fieldset.parse(sent)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(("f:spec", "f:replicas"), ".spec.replicas", id="fields"),
        pytest.param(("f:l", 'k:{"a":"x","n":80}'), '.l[a="x",n=80]', id="keys"),
        pytest.param(("f:s", 'v:"x\\"y"'), '.s[="x\\"y"]', id="text"),
        pytest.param(("f:s", "v:true"), ".s[=true]", id="boolean"),
        pytest.param(("f:s", "i:3"), ".s[3]", id="index"),
    ],
)
def test_path_text(path: Any, text: str) -> None:
    """Paths print as conflicts show them."""
    assert fieldset.path_text(path) == text


def test_filters() -> None:
    """Excluding drops fields with all below; including keeps only what matches, wildcards too."""
    fields = fieldset.from_paths(
        [
            ("f:status", "f:ready"),
            ("f:spec", "f:c", 'k:{"name":"a"}', "f:resources", "f:limits"),
            ("f:spec", "f:c", 'k:{"name":"a"}', "f:image"),
        ]
    )
    assert "f:status" not in fieldset.excluding(fieldset.named("status"))(fields)
    kept = fieldset.including(("f:spec", "f:c", fieldset.ANY, "f:resources"))(fields)
    assert [fieldset.path_text(path) for path in fieldset.paths(kept)] == [
        '.spec.c[name="a"].resources.limits'
    ]

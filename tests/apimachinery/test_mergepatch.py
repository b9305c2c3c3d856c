# SPDX-License-Identifier: Apache-2.0
"""JSON Merge Patch."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import jsonpatch, mergepatch, patcherrors


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": {"b": 1}}, {"a": {"c": {"d": None, "e": 2}}}, {"a": {"b": 1, "c": {"e": 2}}}),
        ({"a": 1}, {"a": {"b": None}}, {"a": {}}),
        ({}, {"a": [{"b": None, "c": 1}, None]}, {"a": [{"c": 1}, None]}),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
def test_apply(original: dict[str, Any], patch: Any, expected: dict[str, Any]) -> None:
    """Objects merge, null deletes, the rest replaces; arguments stay as they were."""
    before = copy.deepcopy((original, patch))
    assert mergepatch.apply(original, patch) == expected
    assert (original, patch) == before


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (None, "Invalid JSON Patch"),
        (
            [],
            "error decoding patch: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}",
        ),
        (
            "x",
            "error decoding patch: json: cannot unmarshal string into Go value of type "
            "map[string]interface {}",
        ),
    ],
)
def test_not_a_patch(patch: Any, message: str) -> None:
    """A patch that is no object is a bad request."""
    with pytest.raises(patcherrors.MalformedPatchError) as error:
        mergepatch.apply({}, patch)
    assert str(error.value) == message
    assert error.value.code == 400


scalars = st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2) | st.sampled_from([0.5])
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(objects, objects)
def test_round_trip(original: dict[str, Any], modified: dict[str, Any]) -> None:
    """The patch made from two objects turns the one into the other."""
    result = mergepatch.apply(original, mergepatch.create(original, modified))
    assert jsonpatch.equal(result, modified)


@given(objects)
def test_no_difference_no_patch(value: dict[str, Any]) -> None:
    """Equal objects differ by the empty patch."""
    assert mergepatch.create(value, copy.deepcopy(value)) == {}

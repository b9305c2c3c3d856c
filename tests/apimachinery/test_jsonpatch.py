# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501
"""JSON Patch."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import jsonpatch, patcherrors


def op(kind: str, path: str, *value: Any, **more: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {"op": kind, "path": path, **more}
    if value:
        operation["value"] = value[0]
    return operation


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        pytest.param({"a": 1}, [op("add", "/b", 2)], {"a": 1, "b": 2}, id="add member"),
        pytest.param({"a": 1}, [op("add", "/a", 2)], {"a": 2}, id="add replaces"),
        pytest.param({"a": [1, 3]}, [op("add", "/a/1", 2)], {"a": [1, 2, 3]}, id="add element"),
        pytest.param({"a": [1]}, [op("add", "/a/-", 2)], {"a": [1, 2]}, id="append"),
        pytest.param({"a": [1]}, [op("add", "/a/1", 2)], {"a": [1, 2]}, id="add at end"),
        pytest.param({"a": [1]}, [op("add", "/a/-1", 2)], {"a": [1, 2]}, id="add at -1"),
        pytest.param({"a": [1]}, [op("add", "/a/-2", 2)], {"a": [2, 1]}, id="add at -2"),
        pytest.param({"a": 1}, [op("add", "/b", None)], {"a": 1, "b": None}, id="add null"),
        pytest.param({"a": {}}, [op("add", "/a/b", {"c": 1})], {"a": {"b": {"c": 1}}}, id="nested"),
        pytest.param({"a": 1, "b": 2}, [op("remove", "/a")], {"b": 2}, id="remove member"),
        pytest.param({"a": [1, 2]}, [op("remove", "/a/0")], {"a": [2]}, id="remove element"),
        pytest.param({"a": [1, 2]}, [op("remove", "/a/-1")], {"a": [1]}, id="remove last"),
        pytest.param({"a": 1}, [op("replace", "/a", {"b": 2})], {"a": {"b": 2}}, id="replace"),
        pytest.param({"a": [1, 2]}, [op("replace", "/a/1", 3)], {"a": [1, 3]}, id="replace index"),
        pytest.param({"a": None}, [op("replace", "/a", 1)], {"a": 1}, id="replace null"),
        pytest.param(
            {"a": {"b": 1}, "c": {}},
            [op("move", "/c/d", **{"from": "/a/b"})],
            {"a": {}, "c": {"d": 1}},
            id="move",
        ),
        pytest.param(
            {"a": [1, 2, 3]}, [op("move", "/a/2", **{"from": "/a/0"})], {"a": [2, 3, 1]},
            id="move element",
        ),
        pytest.param(
            {"a": {"b": 1}}, [op("copy", "/c", **{"from": "/a"})], {"a": {"b": 1}, "c": {"b": 1}},
            id="copy",
        ),
        pytest.param(
            {"a": {"b": 1}},
            [op("copy", "/c", **{"from": "/a"}), op("replace", "/c/b", 2)],
            {"a": {"b": 1}, "c": {"b": 2}},
            id="a copy is separate",
        ),
        pytest.param(
            {"a": {"b": 1}},
            [op("add", "/a/x", 1), op("copy", "/c", **{"from": "/a"}), op("add", "/a/y", 2)],
            {"a": {"b": 1, "x": 1, "y": 2}, "c": {"b": 1, "x": 1}},
            id="a copy of what was written is separate",
        ),
        pytest.param({"a/b": 1, "m~n": 2}, [op("remove", "/a~1b"), op("remove", "/m~0n")], {},
                     id="escapes"),
        pytest.param({"~1": 1}, [op("replace", "/~01", 2)], {"~1": 2}, id="escaped escape"),
        pytest.param({"": 1}, [op("replace", "/", 2)], {"": 2}, id="empty key"),
        pytest.param({"a": 1}, [op("test", "/a", 1), op("remove", "/a")], {}, id="test passes"),
        pytest.param({"a": {"b": [1, "x"]}}, [op("test", "/a", {"b": [1, "x"]})],
                     {"a": {"b": [1, "x"]}}, id="deep test"),
        pytest.param({}, [op("test", "/a", None)], {}, id="test null on absent"),
        pytest.param({"a": None}, [op("test", "/a")], {"a": None}, id="test without value is null"),
        pytest.param({"a": 1}, [], {"a": 1}, id="no operation"),
    ],
)  # fmt: skip
def test_apply(original: Any, patch: Any, expected: Any) -> None:
    """Operations apply in order; arguments stay as they were."""
    before = copy.deepcopy((original, patch))
    assert jsonpatch.apply(original, patch) == expected
    assert (original, patch) == before


MISSING = "missing value"


@pytest.mark.parametrize(
    ("original", "operation", "message"),
    [
        ({}, op("test", "/a", 1), "testing value /a failed: test failed"),
        ({"a": 1}, op("test", "/a", 1.0), "testing value /a failed: test failed"),
        ({"a": 1}, op("test", "/a", True), "testing value /a failed: test failed"),
        ({"a": {"b": 1}}, op("test", "/a", {}), "testing value /a failed: test failed"),
        ({}, op("test", "/a/b", 1), f"test operation does not apply: is missing path: /a/b: {MISSING}"),
        ({}, op("add", "/a/b", 1), f'add operation does not apply: doc is missing path: "/a/b": {MISSING}'),
        ({}, op("add", "", 1), f'add operation does not apply: doc is missing path: "": {MISSING}'),
        ({"a": 1}, op("add", "/a/b", 1), f'add operation does not apply: doc is missing path: "/a/b": {MISSING}'),
        ({"a": []}, op("add", "/a/1", 1), "error in add for path: '/a/1': Unable to access invalid index: 1: invalid index referenced"),
        ({"a": []}, op("add", "/a/x", 1), "error in add for path: '/a/x': strconv.Atoi: parsing \"x\": invalid syntax"),
        ({}, op("remove", "/a"), f"error in remove for path: '/a': unable to remove nonexistent key: a: {MISSING}"),
        ({"a": [1]}, op("remove", "/a/1"), "error in remove for path: '/a/1': Unable to access invalid index: 1: invalid index referenced"),
        ({"a": [1]}, op("remove", "/a/-2"), "error in remove for path: '/a/-2': Unable to access invalid index: -2: invalid index referenced"),
        ({}, op("replace", "/a", 1), f"replace operation does not apply: doc is missing key: /a: {MISSING}"),
        ({"a": [1]}, op("replace", "/a/1", 1), f"replace operation does not apply: doc is missing key: /a/1: {MISSING}"),
        ({}, op("move", "/b", **{"from": "/a"}), f"error in move for path: 'a': unable to remove nonexistent key: a: {MISSING}"),
        ({"a": {"b": 1}}, op("move", "/a/b/c", **{"from": "/a/b"}), f"move operation does not apply: doc is missing destination path: /a/b/c: {MISSING}"),
        ({}, op("copy", "/b", **{"from": "/a"}), f"error in copy for from: '/a': unable to get nonexistent key: a: {MISSING}"),
        ({}, op("burn", "/a"), "Unexpected kind: burn"),
        ({}, {"path": "/a"}, "Unexpected kind: unknown"),
        ({}, {"op": "add"}, f"add operation failed to decode path: {MISSING}"),
        ({}, {"op": "move", "path": "/a"}, f"move operation failed to decode from: {MISSING}"),
    ],
)  # fmt: skip
def test_failures(original: Any, operation: Any, message: str) -> None:
    """An operation that does not apply fails the whole patch and changes nothing."""
    before = copy.deepcopy(original)
    with pytest.raises(patcherrors.UnprocessablePatchError) as error:
        jsonpatch.apply(original, [op("add", "/first", 1), operation])
    assert str(error.value) == message
    assert original == before


@pytest.mark.parametrize("patch", [{}, "x", 1, None, [1], ["x"]])
def test_not_a_patch(patch: Any) -> None:
    """A patch that is no list of operations is a bad request."""
    with pytest.raises(patcherrors.MalformedPatchError) as error:
        jsonpatch.apply({}, patch)
    assert error.value.code == 400


def test_operations_limit() -> None:
    """Ten thousand operations apply, one more is too large."""
    assert jsonpatch.apply({}, [op("add", "/a", 1)] * 10_000) == {"a": 1}
    with pytest.raises(patcherrors.OversizedPatchError) as error:
        jsonpatch.apply({}, [op("add", "/a", 1)] * 10_001)
    assert error.value.code == 413
    assert str(error.value) == (
        "The allowed maximum operations in a JSON patch is 10000, got 10001"
    )


def test_copy_limit() -> None:
    """Copies may not blow the document up: doubling ends at the limit."""
    patch = [op("copy", f"/a/{i}", **{"from": "/a"}) for i in range(40)]
    with pytest.raises(patcherrors.UnprocessablePatchError, match="Unable to complete the copy"):
        jsonpatch.apply({"a": {"x": "y" * 100}}, patch)


def test_untouched_parts_are_shared() -> None:
    """What no operation touches is not copied."""
    original = {"a": {"b": {}}, "c": {}}
    result = jsonpatch.apply(original, [op("add", "/a/x", 1)])
    assert result["c"] is original["c"]
    assert result["a"]["b"] is original["a"]["b"]


PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "-", "-1", "", "~0", "x"]), max_size=3).map(
    lambda tokens: "".join(f"/{token}" for token in tokens)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": PATHS},
    optional={"from": PATHS, "value": VALUES},
)


@given(VALUES, st.lists(OPERATIONS, max_size=5))
def test_any_patch(original: Any, patch: list[dict[str, Any]]) -> None:
    """Whatever a client sends is applied or refused, and changes no argument."""
    before = copy.deepcopy((original, patch))
    with contextlib.suppress(patcherrors.PatchError):
        jsonpatch.apply(original, patch)
    assert (original, patch) == before

# SPDX-License-Identifier: Apache-2.0
"""Columns that a CustomResourceDefinition declares."""

from typing import Any

import pytest

from pyk8s.apimachinery import jsonpath
from pyk8s.apis import columns

NOW = 1781524800.0  # 2026-06-15T12:00:00Z


def cell(type_name: str, value: Any) -> Any:
    """The one declared cell of an object that has the value at .spec.x."""
    declared = columns.columns_from_definitions(
        [{"name": "X", "type": type_name, "jsonPath": ".spec.x"}]
    )
    row = declared.cells({"metadata": {"name": "w"}, "spec": {"x": value}}, NOW)
    assert row[0] == "w"
    return row[1]


@pytest.mark.parametrize(
    ("type_name", "value", "expected"),
    [
        pytest.param("integer", 5, 5, id="integer"),
        pytest.param("integer", 5.7, 5, id="integer-of-float"),
        pytest.param("integer", "5", None, id="integer-of-text"),
        pytest.param("integer", True, None, id="integer-of-boolean"),
        pytest.param("number", 1.5, 1.5, id="number"),
        pytest.param("number", 2, 2, id="number-of-integer"),
        pytest.param("number", "2", None, id="number-of-text"),
        pytest.param("boolean", False, False, id="boolean"),
        pytest.param("boolean", "true", None, id="boolean-of-text"),
        pytest.param("date", "2026-06-15T11:00:00Z", "60m", id="date"),
        pytest.param("date", "2026-06-15T13:00:00+02:00", "60m", id="date-with-offset"),
        pytest.param("date", "2026-06-15T13:00:00Z", "<invalid>", id="date-to-come"),
        pytest.param("date", "2026-06-15", "<invalid>", id="date-of-other-text"),
        pytest.param("date", "", "<unknown>", id="date-of-empty-text"),
        pytest.param("date", 5, None, id="date-of-number"),
        pytest.param("string", "text", "text", id="string"),
        pytest.param("string", 5, "5", id="string-of-integer"),
        pytest.param("string", 1.0, "1", id="string-of-whole-float"),
        pytest.param("string", 1234567.5, "1.2345675e+06", id="string-of-large-float"),
        pytest.param("string", 0.00002, "2e-05", id="string-of-small-float"),
        pytest.param("string", True, "true", id="string-of-boolean"),
        pytest.param("string", None, "<no value>", id="string-of-null"),
        pytest.param("string", ["b", 1], '["b",1]', id="string-of-list"),
        pytest.param("string", {"b": "<", "a": []}, '{"a":[],"b":"\\u003c"}', id="string-of-map"),
        pytest.param("integer", None, None, id="integer-of-null"),
        pytest.param("quantity", 1, None, id="unknown-type"),
    ],
)
def test_makes_cells_by_type(type_name: str, value: Any, expected: Any) -> None:
    """A value of another type than the column's leaves the cell null; strings print anything."""
    made = cell(type_name, value)
    assert (made, type(made)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(".spec.missing", None, id="missing"),
        pytest.param(".spec.list[7]", None, id="path-does-not-fit"),
        pytest.param(".spec.list[*]", "a", id="first-of-several"),
        pytest.param('.status.conditions[?(@.type=="Ready")].status', "True", id="condition"),
    ],
)
def test_prints_the_first_selected_value(path: str, expected: Any) -> None:
    """Of what the path selects the first is printed; of nothing, or a misfit, null."""
    declared = columns.columns_from_definitions([{"name": "X", "type": "string", "jsonPath": path}])
    obj = {
        "metadata": {"name": "w"},
        "spec": {"list": ["a", "b"]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert declared.cells(obj, NOW) == ["w", expected]


def test_describes_the_columns() -> None:
    """Name comes first; a column without description says its path."""
    declared = columns.columns_from_definitions(
        [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "format": "int32"},
            {"name": "Why", "type": "string", "jsonPath": ".y", "description": "D", "priority": 1},
        ]
    )
    name, size, why = declared.definitions
    assert name["name"] == "Name"
    assert name["format"] == "name"
    assert size == {
        "name": "Size",
        "type": "integer",
        "format": "int32",
        "description": "Custom resource definition column (in JSONPath format): .spec.size",
        "priority": 0,
    }
    assert (why["description"], why["priority"]) == ("D", 1)


def test_prints_the_age_when_nothing_is_declared() -> None:
    """Without columns of its own a custom resource prints Name and Age."""
    declared = columns.columns_from_definitions([])
    obj = {"metadata": {"name": "w", "creationTimestamp": "2026-06-15T11:00:00Z"}}
    assert [column["name"] for column in declared.definitions] == ["Name", "Age"]
    assert declared.definitions[1]["type"] == "date"
    assert declared.definitions[1]["description"].startswith("CreationTimestamp is")
    assert declared.cells(obj, NOW) == ["w", "60m"]


def test_refuses_a_path_that_does_not_parse() -> None:
    """A definition that cannot be printed is found out when it is compiled."""
    with pytest.raises(jsonpath.ParseError):
        columns.columns_from_definitions([{"name": "X", "type": "string", "jsonPath": ".a["}])

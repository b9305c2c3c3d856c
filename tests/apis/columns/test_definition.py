# SPDX-License-Identifier: Apache-2.0
"""The columns of every built-in kind, as definitions."""

import pytest

from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis import columns, scheme
from pyk8s.apis.columns import ages

RESOURCES = sorted({resource.group_resource for resource in scheme.builtin().resources})

# Upstream looks these descriptions up where there are none.
UNDESCRIBED = {("runtimeclasses", "Handler")}


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_every_column_is_described(resource: GroupResource) -> None:
    """Definitions have all five fields; descriptions come from the schemas or stand in the code."""
    for column in columns.columns_for(resource).definitions:
        assert list(column) == ["name", "type", "format", "description", "priority"]
        assert column["type"] in ("string", "integer", "boolean", "date")
        if (resource.resource, column["name"]) not in UNDESCRIBED:
            assert column["description"]


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_every_column_has_a_cell(resource: GroupResource) -> None:
    """An object of nothing but a name prints, one cell per column."""
    resource_columns = columns.columns_for(resource)
    cells = resource_columns.cells({"metadata": {"name": "a"}}, 0.0)
    extra = 1 if resource.resource == "ipaddresses" else 0
    assert len(cells) == len(resource_columns.columns) + extra


def test_name_is_described_by_the_schema() -> None:
    """Descriptions of fields are the published ones."""
    name = columns.DEFAULT.definitions[0]
    assert name["description"].startswith("Name must be unique within a namespace.")


def test_unknown_resources_print_name_and_creation() -> None:
    """A kind without columns prints Name and Created At."""
    other = columns.columns_for(GroupResource("example.com", "widgets"))
    obj = {"metadata": {"name": "w", "creationTimestamp": "2026-06-15T11:00:00Z"}}
    assert [column["name"] for column in other.definitions] == ["Name", "Created At"]
    assert other.cells(obj, 0.0) == ["w", "2026-06-15T11:00:00Z"]
    assert other.cells({"metadata": {"name": "w"}}, 0.0) == ["w", "0001-01-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (None, "<unknown>"),
        ("", "<unknown>"),
        ("1970-01-01T00:00:10Z", "0s"),
        ("1970-01-01T00:00:08.500000Z", "1s"),
        ("1970-01-01T00:00:11.500000Z", "0s"),
        ("1970-01-01T00:00:12Z", "<invalid>"),
    ],
)
def test_ages_allow_for_clocks_that_differ(timestamp: str | None, expected: str) -> None:
    """Less than two seconds ahead is now; further ahead is no age."""
    assert ages.since(timestamp, 10.0) == expected

# SPDX-License-Identifier: Apache-2.0
"""What a kind prints: its columns, and the function that fills one row.

A row is always the wide one: the server sends every column, and the client hides those with a
priority above 0 (upstream's `printers/storage.TableConvertor` asks for `Wide` too).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis import schemas

# cells(obj, now): one JSON value per column, in order. `now` is in seconds since the epoch.
Cells = Callable[[Object, float], list[Any]]
# What holds of a row as a whole, as TableRowCondition.
Conditions = Callable[[Object], list[dict[str, str]]]
# What being printed together changes: the order of the rows, and the cells.
InList = Callable[[Sequence[Object]], tuple[Sequence[Object], Cells]]

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
API = "io.k8s.api."


@dataclass(frozen=True, slots=True)
class Column:
    """One TableColumnDefinition. A `doc` such as `io.k8s.api.core.v1.PodStatus.podIP` names the
    schema property whose description is the column's; without it `description` is."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    doc: str = ""
    priority: int = 0

    def definition(self) -> dict[str, Any]:
        """As it travels: all five fields, none left out when empty."""
        description = self.description
        if self.doc:
            name, _, field = self.doc.rpartition(".")
            description = schemas.definition(name)["properties"][field]["description"]
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": description,
            "priority": self.priority,
        }


@dataclass(frozen=True, kw_only=True)
class Columns:
    """How one kind prints. `cells` takes an object in any served version, reads what is missing
    as Go's zero value, and leaves the object as it was; few kinds have `conditions`."""

    columns: tuple[Column, ...]
    cells: Cells
    conditions: Conditions | None = None
    in_list: InList | None = None

    @functools.cached_property
    def definitions(self) -> list[dict[str, Any]]:
        """The columnDefinitions of a Table, made once and shared: do not change them."""
        return [column.definition() for column in self.columns]


ColumnsByResource = Mapping[GroupResource, Columns]

NAME = Column("Name", format="name", doc=META + "ObjectMeta.name")
AGE = Column("Age", doc=META + "ObjectMeta.creationTimestamp")
CREATED_AT = Column("Created At", type="date", doc=META + "ObjectMeta.creationTimestamp")

CONTAINERS = Column("Containers", description="The names of the template's containers.", priority=1)
IMAGES = Column("Images", description="The images of the template's containers.", priority=1)


def integer(name: str, doc: str = "", description: str = "") -> Column:
    return Column(name, type="integer", doc=doc, description=description)


def boolean(name: str, doc: str) -> Column:
    return Column(name, type="boolean", doc=doc)

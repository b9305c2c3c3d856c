# SPDX-License-Identifier: Apache-2.0
"""The node.k8s.io group: runtime classes."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import AGE, NAME, Column, Columns, ColumnsByResource


def _cells(obj: Object, now: float) -> list[Any]:
    return [obj["metadata"].get("name", ""), obj.get("handler", ""), ages.age(obj, now)]


# Upstream looks the description of Handler up where there is none, and sends an empty one.
COLUMNS: ColumnsByResource = {
    GroupResource("node.k8s.io", "runtimeclasses"): Columns(
        columns=(NAME, Column("Handler"), AGE), cells=_cells
    )
}

# SPDX-License-Identifier: Apache-2.0
"""The scheduling.k8s.io group: priority classes."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import (
    AGE,
    API,
    NAME,
    Column,
    Columns,
    ColumnsByResource,
    boolean,
    integer,
)

_CLASS = API + "scheduling.v1.PriorityClass."


def _cells(obj: Object, now: float) -> list[Any]:
    return [
        obj["metadata"].get("name", ""),
        obj.get("value", 0),
        obj.get("globalDefault", False),
        ages.age(obj, now),
        obj.get("preemptionPolicy") or "",
    ]


COLUMNS: ColumnsByResource = {
    GroupResource("scheduling.k8s.io", "priorityclasses"): Columns(
        columns=(
            NAME,
            integer("Value", _CLASS + "value"),
            boolean("Global-Default", _CLASS + "globalDefault"),
            AGE,
            Column("PreemptionPolicy", doc=_CLASS + "preemptionPolicy"),
        ),
        cells=_cells,
    )
}

# SPDX-License-Identifier: Apache-2.0
"""The policy group: pod disruption budgets."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import AGE, NAME, Column, Columns, ColumnsByResource, integer


def _bound(value: int | str | None) -> str:
    return "N/A" if value is None else str(value)


def _cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        obj["metadata"].get("name", ""),
        _bound(spec.get("minAvailable")),
        _bound(spec.get("maxUnavailable")),
        (obj.get("status") or {}).get("disruptionsAllowed", 0),
        ages.age(obj, now),
    ]


COLUMNS: ColumnsByResource = {
    GroupResource("policy", "poddisruptionbudgets"): Columns(
        columns=(
            NAME,
            Column("Min Available", description="How many pods must stay available."),
            Column("Max Unavailable", description="How many pods may be unavailable."),
            integer("Allowed Disruptions", description="How many pods may be evicted now."),
            AGE,
        ),
        cells=_cells,
    )
}

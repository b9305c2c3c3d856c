# SPDX-License-Identifier: Apache-2.0
"""The coordination.k8s.io group: leases."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns, ColumnsByResource


def _cells(obj: Object, now: float) -> list[Any]:
    holder = (obj.get("spec") or {}).get("holderIdentity") or ""
    return [obj["metadata"].get("name", ""), holder, ages.age(obj, now)]


COLUMNS: ColumnsByResource = {
    GroupResource("coordination.k8s.io", "leases"): Columns(
        columns=(NAME, Column("Holder", doc=API + "coordination.v1.LeaseSpec.holderIdentity"), AGE),
        cells=_cells,
    )
}

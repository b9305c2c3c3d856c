# SPDX-License-Identifier: Apache-2.0
"""The storagemigration.k8s.io group: storage version migrations."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns.definition import META, Column, Columns, ColumnsByResource


def _state(status: Object) -> str:
    state = "Unknown"
    for condition in status.get("conditions") or ():
        kind = condition.get("type")
        if condition.get("status") == "True" and kind in ("Running", "Failed", "Succeeded"):
            state = kind
    return state


def _cells(obj: Object, now: float) -> list[Any]:
    reference = (obj.get("spec") or {}).get("resource") or {}
    resource = GroupResource(reference.get("group") or "", reference.get("resource") or "")
    return [obj["metadata"].get("name", ""), str(resource), _state(obj.get("status") or {})]


COLUMNS: ColumnsByResource = {
    GroupResource("storagemigration.k8s.io", "storageversionmigrations"): Columns(
        columns=(
            Column("Name", doc=META + "ObjectMeta.name"),
            Column("Resource", description="The resource whose objects are written anew."),
            Column("Status", description="How far the migration has come."),
        ),
        cells=_cells,
    )
}

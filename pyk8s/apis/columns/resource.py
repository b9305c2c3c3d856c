# SPDX-License-Identifier: Apache-2.0
"""The resource.k8s.io group: dynamic resource allocation."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns, ColumnsByResource

_GROUP = "resource.k8s.io"
_SLICE = API + "resource.v1.ResourceSliceSpec."
_TAINT = API + "resource.v1.DeviceTaint."


def _plain_cells(obj: Object, now: float) -> list[Any]:
    return [obj["metadata"].get("name", ""), ages.age(obj, now)]


_PLAIN = Columns(columns=(NAME, AGE), cells=_plain_cells)


def _claim_state(obj: Object) -> str:
    status = obj.get("status") or {}
    deleted = bool(obj["metadata"].get("deletionTimestamp"))
    states = ["deleted"] if deleted else []
    if status.get("allocation") is not None:
        states.append("allocated")
        states += ["reserved"] if status.get("reservedFor") else []
    elif not deleted:
        states.append("pending")
    return ",".join(states)


def _claim_cells(obj: Object, now: float) -> list[Any]:
    return [obj["metadata"].get("name", ""), _claim_state(obj), ages.age(obj, now)]


_RESOURCE_CLAIMS = Columns(
    columns=(NAME, Column("State", description="Pending, allocated, reserved, deleted."), AGE),
    cells=_claim_cells,
)


def _slice_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        obj["metadata"].get("name", ""),
        spec.get("nodeName") or "",
        spec.get("driver", ""),
        (spec.get("pool") or {}).get("name", ""),
        ages.age(obj, now),
    ]


_RESOURCE_SLICES = Columns(
    columns=(
        NAME,
        Column("Node", doc=_SLICE + "nodeName"),
        Column("Driver", doc=_SLICE + "driver"),
        Column("Pool", doc=API + "resource.v1.ResourcePool.name"),
        AGE,
    ),
    cells=_slice_cells,
)


def _taint_rule_cells(obj: Object, now: float) -> list[Any]:
    taint = (obj.get("spec") or {}).get("taint") or {}
    added = taint.get("timeAdded")
    return [
        obj["metadata"].get("name", ""),
        taint.get("key", ""),
        taint.get("value", ""),
        taint.get("effect", ""),
        ages.since(added, now) if added else "",
        ages.age(obj, now),
    ]


_DEVICE_TAINT_RULES = Columns(
    columns=(
        NAME,
        Column("Key", doc=_TAINT + "key"),
        Column("Value", doc=_TAINT + "value"),
        Column("Effect", doc=_TAINT + "effect"),
        Column("TimeAdded", doc=_TAINT + "timeAdded"),
        AGE,
    ),
    cells=_taint_rule_cells,
)

COLUMNS: ColumnsByResource = {
    GroupResource(_GROUP, "deviceclasses"): _PLAIN,
    GroupResource(_GROUP, "devicetaintrules"): _DEVICE_TAINT_RULES,
    GroupResource(_GROUP, "resourceclaims"): _RESOURCE_CLAIMS,
    GroupResource(_GROUP, "resourceclaimtemplates"): _PLAIN,
    GroupResource(_GROUP, "resourceslices"): _RESOURCE_SLICES,
}

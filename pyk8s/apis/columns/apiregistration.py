# SPDX-License-Identifier: Apache-2.0
"""The apiregistration.k8s.io group: API services.

Mirrors `ConvertToTable` in kube-aggregator's pkg/registry/apiservice/etcd.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import AGE, NAME, Column, Columns, ColumnsByResource


def _available(status: Object) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Available":
            text: str = condition.get("status", "")
            reason = condition.get("reason")
            return f"{text} ({reason})" if reason and text != "True" else text
    return "Unknown"


def _cells(obj: Object, now: float) -> list[Any]:
    service = (obj.get("spec") or {}).get("service")
    where = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    available = _available(obj.get("status") or {})
    return [obj["metadata"].get("name", ""), where, available, ages.age(obj, now)]


COLUMNS: ColumnsByResource = {
    GroupResource("apiregistration.k8s.io", "apiservices"): Columns(
        columns=(
            NAME,
            Column("Service", description="The service that serves this API; Local for our own."),
            Column("Available", description="Whether this API can be reached."),
            AGE,
        ),
        cells=_cells,
    )
}

# SPDX-License-Identifier: Apache-2.0
"""Events, which are one kind in two groups with different field names.

Both print alike, for upstream prints the internal type that core/v1 and events.k8s.io/v1 share.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import API, NAME, Column, Columns, ColumnsByResource

# core/v1's field -> events.k8s.io/v1's.
_NEW_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_OLD_NAMES = {name: name for name in _NEW_NAMES}


def _source(event: Object, names: dict[str, str]) -> str:
    source = event.get(names["source"]) or {}
    component = source.get("component") or event.get(names["reportingComponent"]) or ""
    instance = source.get("host") or event.get("reportingInstance")
    return f"{component}, {instance}" if instance else component


def _target(reference: Object) -> str:
    kind: str = reference.get("kind", "").lower()
    return f"{kind}/{reference['name']}" if reference.get("name") else kind


def _cells(event: Object, now: float) -> list[Any]:
    names = _OLD_NAMES if "involvedObject" in event else _NEW_NAMES
    first = ages.since(event.get(names["firstTimestamp"]) or event.get("eventTime"), now)
    last_timestamp, series = event.get(names["lastTimestamp"]), event.get("series")
    if series:
        last = ages.since(series.get("lastObservedTime"), now)
        count = series.get("count", 0)
    else:
        last = ages.since(last_timestamp, now) if last_timestamp else first
        count = event.get(names["count"]) or 1
    reference = event.get(names["involvedObject"]) or {}
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        _target(reference),
        reference.get("fieldPath", ""),
        _source(event, names),
        (event.get(names["message"]) or "").strip(),
        first,
        count,
        event["metadata"].get("name", ""),
    ]


_EVENT = API + "core.v1.Event."

EVENTS = Columns(
    columns=(
        Column("Last Seen", doc=_EVENT + "lastTimestamp"),
        Column("Type", doc=_EVENT + "type"),
        Column("Reason", doc=_EVENT + "reason"),
        Column("Object", doc=_EVENT + "involvedObject"),
        Column("Subobject", doc=API + "core.v1.ObjectReference.fieldPath", priority=1),
        Column("Source", doc=_EVENT + "source", priority=1),
        Column("Message", doc=_EVENT + "message"),
        Column("First Seen", doc=_EVENT + "firstTimestamp", priority=1),
        Column("Count", doc=_EVENT + "count", priority=1),
        Column("Name", format="name", doc=NAME.doc, priority=1),
    ),
    cells=_cells,
)

COLUMNS: ColumnsByResource = {GroupResource("events.k8s.io", "events"): EVENTS}

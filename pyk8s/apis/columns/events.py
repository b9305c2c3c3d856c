# SPDX-License-Identifier: Apache-2.0
"""Events, which are one kind in two groups, with different field names; both print alike."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, GroupVersionKind, Object
from pyk8s.apis import conversion
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import API, NAME, Column, Columns, ColumnsByResource

_CORE = GroupVersionKind("", "v1", "Event")
_NEW = GroupVersionKind("events.k8s.io", "v1", "Event")


def _source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    instance = source.get("host") or event.get("reportingInstance")
    return f"{component}, {instance}" if instance else component


def _target(reference: Object) -> str:
    kind: str = reference.get("kind", "").lower()
    return f"{kind}/{reference['name']}" if reference.get("name") else kind


def _cells(event: Object, now: float) -> list[Any]:
    if event.get("apiVersion") == "events.k8s.io/v1":
        event = conversion.convert(event, _NEW, _CORE)
    first = ages.since(event.get("firstTimestamp") or event.get("eventTime"), now)
    last_timestamp, series = event.get("lastTimestamp"), event.get("series")
    if series:
        last = ages.since(series.get("lastObservedTime"), now)
        count = series.get("count", 0)
    else:
        last = ages.since(last_timestamp, now) if last_timestamp else first
        count = event.get("count") or 1
    reference = event.get("involvedObject") or {}
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        _target(reference),
        reference.get("fieldPath", ""),
        _source(event),
        (event.get("message") or "").strip(),
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

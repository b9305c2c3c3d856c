# SPDX-License-Identifier: Apache-2.0
"""The autoscaling group: horizontal pod autoscalers, and the Scale subresource.

Reads autoscaling/v2; an object of v1, whose other metrics travel in annotations, is converted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, GroupVersionKind, Object
from pyk8s.apis import conversion
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import (
    AGE,
    API,
    META,
    NAME,
    Column,
    Columns,
    ColumnsByResource,
    integer,
)

_V1 = GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler")
_V2 = GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler")
_METRICS_SHOWN = 2

# (spec of one source, status of that source or None) -> `current/target`
_Metric = Callable[[Object, Object | None], str]


def _percent(value: int | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value}%"


def _value_metric(source: Object, status: Object | None) -> str:
    """External and Object metrics, whose target is an average or a total."""
    target, current = source.get("target") or {}, (status or {}).get("current") or {}
    if target.get("averageValue") is not None:
        average = current.get("averageValue")
        shown = texts.UNKNOWN if average is None else str(average)
        return f"{shown}/{target['averageValue']} (avg)"
    shown = texts.UNKNOWN if status is None else texts.optional_quantity(current.get("value"))
    return f"{shown}/{texts.optional_quantity(target.get('value'))}"


def _average_metric(source: Object, status: Object | None) -> str:
    target = texts.optional_quantity((source.get("target") or {}).get("averageValue"))
    if status is None:
        return f"{texts.UNKNOWN}/{target}"
    current = (status.get("current") or {}).get("averageValue")
    return f"{texts.optional_quantity(current)}/{target}"


def _resource_metric(source: Object, status: Object | None) -> str:
    target = source.get("target") or {}
    if target.get("averageValue") is not None:
        return f"{source.get('name', '')}: {_average_metric(source, status)}"
    utilization = ((status or {}).get("current") or {}).get("averageUtilization")
    shown = _percent(utilization, texts.UNKNOWN)
    wanted = _percent(target.get("averageUtilization"), "<auto>")
    return f"{source.get('name', '')}: {shown}/{wanted}"


# type -> the field that both the spec and the status of such a metric have
_METRICS: dict[str, tuple[str, _Metric]] = {
    "External": ("external", _value_metric),
    "Object": ("object", _value_metric),
    "Pods": ("pods", _average_metric),
    "Resource": ("resource", _resource_metric),
    "ContainerResource": ("containerResource", _resource_metric),
}


def _targets(metrics: Sequence[Object], statuses: Sequence[Object]) -> str:
    if not metrics:
        return texts.NONE
    shown = []
    for index, metric in enumerate(metrics):
        if (known := _METRICS.get(metric.get("type", ""))) is None:
            shown.append("<unknown type>")
            continue
        field, text = known
        status = statuses[index].get(field) if index < len(statuses) else None
        shown.append(text(metric.get(field) or {}, status))
    return texts.limited(shown, _METRICS_SHOWN, ", ")


def _cells(obj: Object, now: float) -> list[Any]:
    if obj.get("apiVersion") == "autoscaling/v1":
        obj = conversion.convert(obj, _V1, _V2)
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    reference, minimum = spec.get("scaleTargetRef") or {}, spec.get("minReplicas")
    return [
        obj["metadata"].get("name", ""),
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        _targets(spec.get("metrics") or (), status.get("currentMetrics") or ()),
        texts.UNSET if minimum is None else str(minimum),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        ages.age(obj, now),
    ]


_HPA = API + "autoscaling.v2.HorizontalPodAutoscaler"

COLUMNS: ColumnsByResource = {
    GroupResource("autoscaling", "horizontalpodautoscalers"): Columns(
        columns=(
            NAME,
            Column("Reference", doc=_HPA + "Spec.scaleTargetRef"),
            Column("Targets", doc=_HPA + "Spec.metrics"),
            Column("MinPods", doc=_HPA + "Spec.minReplicas"),
            Column("MaxPods", doc=_HPA + "Spec.maxReplicas"),
            Column("Replicas", doc=_HPA + "Status.currentReplicas"),
            AGE,
        ),
        cells=_cells,
    )
}


def _scale_cells(obj: Object, now: float) -> list[Any]:
    return [
        obj["metadata"].get("name", ""),
        (obj.get("spec") or {}).get("replicas", 0),
        (obj.get("status") or {}).get("replicas", 0),
        ages.age(obj, now),
    ]


SCALE = Columns(
    columns=(
        Column("Name", doc=META + "ObjectMeta.name"),
        integer("Desired", API + "autoscaling.v1.ScaleSpec.replicas"),
        integer("Available", API + "autoscaling.v1.ScaleStatus.replicas"),
        AGE,
    ),
    cells=_scale_cells,
)

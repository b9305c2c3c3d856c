# SPDX-License-Identifier: Apache-2.0
"""Conversion between served versions that share one store.

Two pairs exist: Event (core v1 and events.k8s.io v1), which only differ in field names, and
HorizontalPodAutoscaler (autoscaling v1 and v2), where what v1 cannot say travels in annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import conversion_autoscaling

_CORE_EVENT = GroupVersionKind("", "v1", "Event")
_EVENT = GroupVersionKind("events.k8s.io", "v1", "Event")
_HPA_V1 = GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler")
_HPA_V2 = GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler")

_TO_EVENT = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_TO_CORE_EVENT = {name: core_name for core_name, name in _TO_EVENT.items()}

# core/v1 writes these empty, events.k8s.io/v1 leaves them away.
_WRITTEN_WHEN_EMPTY = ("reportingComponent", "reportingInstance")


def convert(obj: Object, from_gvk: GroupVersionKind, to_gvk: GroupVersionKind) -> Object:
    """The object in the other version.

    It is the same object when the versions are equal; otherwise a new one that may share
    unchanged parts with it. A list is converted item by item by the caller. Raises ValueError
    when there is no conversion between the two.
    """
    if from_gvk == to_gvk:
        return obj
    converter = _CONVERTERS.get((from_gvk, to_gvk))
    if converter is None:
        raise ValueError(f"no conversion from {from_gvk} to {to_gvk}")
    converted = converter(obj)
    converted["apiVersion"] = str(to_gvk.group_version)
    return converted


def has_conversion(from_gvk: GroupVersionKind, to_gvk: GroupVersionKind) -> bool:
    return from_gvk == to_gvk or (from_gvk, to_gvk) in _CONVERTERS


def _renamed(obj: Object, names: Mapping[str, str]) -> Object:
    return {names.get(key, key): value for key, value in obj.items()}


def _to_event(core_event: Object) -> Object:
    event = _renamed(core_event, _TO_EVENT)
    for name in _WRITTEN_WHEN_EMPTY:
        name = _TO_EVENT.get(name, name)
        if event.get(name) == "":
            del event[name]
    return event


def _to_core_event(event: Object) -> Object:
    core_event = _renamed(event, _TO_CORE_EVENT)
    for name in _WRITTEN_WHEN_EMPTY:
        core_event.setdefault(name, "")
    return core_event


_CONVERTERS: dict[tuple[GroupVersionKind, GroupVersionKind], Callable[[Object], Object]] = {
    (_CORE_EVENT, _EVENT): _to_event,
    (_EVENT, _CORE_EVENT): _to_core_event,
    (_HPA_V1, _HPA_V2): conversion_autoscaling.v1_to_v2,
    (_HPA_V2, _HPA_V1): conversion_autoscaling.v2_to_v1,
}

# SPDX-License-Identifier: Apache-2.0
"""Rules of HorizontalPodAutoscalers (in autoscaling/v2 form) and of Scale.

Mirrors upstream's `pkg/apis/autoscaling/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery import field, names, quantity
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_STABILIZATION_SECONDS_MAX = 3600
_PERIOD_SECONDS_MAX = 1800
_SELECT_POLICIES = frozenset({"Max", "Min", "Disabled"})
_POLICY_TYPES = frozenset({"Pods", "Percent"})
# The field that belongs to each type of metric, in the order the fields are looked at.
_SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_ZERO = quantity.parse("0")

Spec = Mapping[str, Any]


def validate_scale(scale: Object) -> list[field.Error]:
    replicas = (scale.get("spec") or {}).get("replicas")
    found = meta.validate_object_meta(scale, namespaced=True, name_rule=names.is_dns1123_subdomain)
    return found + checks.non_negative(replicas, _SPEC.child("replicas"))


def validate_autoscaler(autoscaler: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        autoscaler, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    return found + _spec(autoscaler.get("spec") or {})


def validate_autoscaler_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + _spec(updated.get("spec") or {})


def validate_autoscaler_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    status = updated.get("status") or {}
    return found + checks.all_non_negative(status, ("currentReplicas", "desiredReplicas"), _STATUS)


def _spec(spec: Spec) -> list[field.Error]:
    found = []
    low = spec.get("minReplicas")
    high = spec.get("maxReplicas", 0)
    where = _SPEC.child("maxReplicas")
    # Zero is for who has a metric that needs no Pods: HPAScaleToZero is on since 1.37.
    if low is not None and low < 0:
        detail = "must be greater than or equal to 0"
        found.append(field.invalid(_SPEC.child("minReplicas"), low, detail))
    if high < 1:
        found.append(field.invalid(where, high, "must be greater than 0"))
    if low is not None and high < low:
        detail = "must be greater than or equal to `minReplicas`"
        found.append(field.invalid(where, high, detail))
    found += _object_reference(spec.get("scaleTargetRef") or {}, _SPEC.child("scaleTargetRef"))
    found += _metrics(spec.get("metrics") or (), low, _SPEC.child("metrics"))
    behavior = spec.get("behavior") or {}
    for key in ("scaleUp", "scaleDown"):
        if key in behavior:
            found += _scaling_rules(behavior[key], _SPEC.child("behavior", key))
    return found


def _object_reference(reference: Spec, path: field.Path) -> list[field.Error]:
    found = []
    for key in ("kind", "name"):
        value = reference.get(key, "")
        if not value:
            found.append(field.required(path.child(key)))
        else:
            found += checks.follows(names.is_path_segment_name, value, path.child(key))
    return found


def _metrics(metrics: Any, low: int | None, path: field.Path) -> list[field.Error]:
    found = []
    for index, metric in enumerate(metrics):
        found += _metric(metric, path.index(index))
    if low == 0 and not any(m.get("type") in ("Object", "External") for m in metrics):
        detail = (
            "must specify at least one Object or External metric to support scaling to zero "
            "replicas"
        )
        found.append(field.forbidden(path, detail))
    return found


def _metric(metric: Spec, path: field.Path) -> list[field.Error]:
    kind = metric.get("type", "")
    found = []
    if not kind:
        found.append(field.required(path.child("type"), "must specify a metric source type"))
    supported = frozenset(_SOURCES)
    found += checks.one_of(kind, path.child("type"), supported)
    present = [source for source in _SOURCES.values() if source in metric]
    if present:
        found += _SOURCE_RULES[present[0]](metric[present[0]], path.child(present[0]))
    expected = _SOURCES.get(kind)
    if expected is None:
        # Upstream looks at the type twice, and so reports it twice.
        found += checks.one_of(kind, path.child("type"), supported)
    elif expected not in metric:
        detail = "must populate information for the given metric source"
        found.append(field.required(path.child(expected), detail))
    if len(present) != 1:
        found += [
            field.forbidden(path.child(source), "must populate the given metric source only")
            for source in present
            if source != expected
        ]
    return found


def _object_source(source: Spec, path: field.Path) -> list[field.Error]:
    target = source.get("target") or {}
    found = _object_reference(source.get("describedObject") or {}, path.child("describedObject"))
    found += _metric_name(source, path)
    found += _target(target, path.child("target"))
    if "value" not in target and "averageValue" not in target:
        where = path.child("target", "averageValue")
        found.append(field.required(where, "must set either a target value or averageValue"))
    return found


def _external_source(source: Spec, path: field.Path) -> list[field.Error]:
    target = source.get("target") or {}
    found = _metric_name(source, path) + _target(target, path.child("target"))
    if "value" not in target and "averageValue" not in target:
        detail = "must set either a target value for metric or a per-pod target"
        found.append(field.required(path.child("target", "averageValue"), detail))
    if "value" in target and "averageValue" in target:
        detail = "may not set both a target value for metric and a per-pod target"
        found.append(field.forbidden(path.child("target", "value"), detail))
    return found


def _pods_source(source: Spec, path: field.Path) -> list[field.Error]:
    target = source.get("target") or {}
    found = _metric_name(source, path) + _target(target, path.child("target"))
    if "averageValue" not in target:
        where = path.child("target", "averageValue")
        found.append(field.required(where, "must specify a positive target averageValue"))
    return found


def _resource_source(source: Spec, path: field.Path) -> list[field.Error]:
    found = []
    if not source.get("name"):
        found.append(field.required(path.child("name"), "must specify a resource name"))
    return found + _resource_target(source.get("target") or {}, path.child("target"))


def _container_resource_source(source: Spec, path: field.Path) -> list[field.Error]:
    found = []
    if not source.get("name"):
        found.append(field.required(path.child("name"), "must specify a resource name"))
    container = source.get("container", "")
    if not container:
        found.append(field.required(path.child("container"), "must specify a container"))
    else:
        found += checks.dns1123_label(container, path.child("container"))
    return found + _resource_target(source.get("target") or {}, path.child("target"))


def _resource_target(target: Spec, path: field.Path) -> list[field.Error]:
    found = _target(target, path)
    if "averageUtilization" not in target and "averageValue" not in target:
        detail = "must set either a target raw value or a target utilization"
        found.append(field.required(path.child("averageUtilization"), detail))
    if "averageUtilization" in target and "averageValue" in target:
        detail = "may not set both a target raw value and a target utilization"
        found.append(field.forbidden(path.child("averageValue"), detail))
    return found


_SOURCE_RULES: Mapping[str, Callable[[Spec, field.Path], list[field.Error]]] = {
    "object": _object_source,
    "external": _external_source,
    "pods": _pods_source,
    "resource": _resource_source,
    "containerResource": _container_resource_source,
}


def _metric_name(source: Spec, path: field.Path) -> list[field.Error]:
    name = (source.get("metric") or {}).get("name", "")
    where = path.child("metric", "name")
    if not name:
        return [field.required(where, "must specify a metric name")]
    return checks.follows(names.is_path_segment_name, name, where)


def _target(target: Spec, path: field.Path) -> list[field.Error]:
    found = []
    kind = target.get("type", "")
    if not kind:
        found.append(field.required(path.child("type"), "must specify a metric target type"))
    if kind not in ("Utilization", "Value", "AverageValue"):
        detail = "must be either Utilization, Value, or AverageValue"
        found.append(field.invalid(path.child("type"), kind, detail))
    for key in ("value", "averageValue"):
        if key in target and quantity.parse(target[key]) <= _ZERO:
            found.append(field.invalid(path.child(key), target[key], "must be positive"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        where = path.child("averageUtilization")
        found.append(field.invalid(where, utilization, "must be greater than 0"))
    return found


def _scaling_rules(rules: Spec, path: field.Path) -> list[field.Error]:
    found = []
    window = rules.get("stabilizationWindowSeconds")
    where = path.child("stabilizationWindowSeconds")
    if window is not None and window < 0:
        found.append(field.invalid(where, window, "must be greater than or equal to zero"))
    if window is not None and window > _STABILIZATION_SECONDS_MAX:
        detail = f"must be less than or equal to {_STABILIZATION_SECONDS_MAX}"
        found.append(field.invalid(where, window, detail))
    select = rules.get("selectPolicy")
    if select is not None:
        found += checks.one_of(select, path.child("selectPolicy"), _SELECT_POLICIES)
    policies = rules.get("policies") or ()
    if not policies:
        detail = "must specify at least one Policy"
        found.append(field.required(path.child("policies"), detail))
    for index, policy in enumerate(policies):
        found += _scaling_policy(policy, path.child("policies").index(index))
    tolerance = rules.get("tolerance")
    if tolerance is not None and quantity.parse(tolerance) < _ZERO:
        where = path.child("tolerance")
        found.append(field.invalid(where, tolerance, "must be greater than or equal to zero"))
    return found


def _scaling_policy(policy: Spec, path: field.Path) -> list[field.Error]:
    found = checks.one_of(policy.get("type", ""), path.child("type"), _POLICY_TYPES)
    for key in ("value", "periodSeconds"):
        number = policy.get(key, 0)
        if number <= 0:
            found.append(field.invalid(path.child(key), number, "must be greater than zero"))
    period = policy.get("periodSeconds", 0)
    if period > _PERIOD_SECONDS_MAX:
        detail = f"must be less than or equal to {_PERIOD_SECONDS_MAX}"
        found.append(field.invalid(path.child("periodSeconds"), period, detail))
    return found

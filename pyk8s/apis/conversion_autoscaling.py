# SPDX-License-Identifier: Apache-2.0
"""HorizontalPodAutoscaler between autoscaling/v1 and v2.

v1 knows one metric, the CPU utilisation. All other metrics, the metrics' current values, the
conditions and the behavior travel as JSON in four annotations, the metrics in the flat shape of
v1's own (unserved) types and the behavior with Go's field names, as kube-apiserver writes them.
An annotation that does not hold what it should is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import Object

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS = _PREFIX + "metrics"
CURRENT_METRICS = _PREFIX + "current-metrics"
CONDITIONS = _PREFIX + "conditions"
BEHAVIOR = _PREFIX + "behavior"
_ANNOTATIONS = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)

# What v1 means when it names no metric at all.
DEFAULT_CPU_UTILIZATION = 80

_CPU = "targetCPUUtilizationPercentage"
_CURRENT_CPU = "currentCPUUtilizationPercentage"

# Flat name in v1 -> where the value stands in v2, per metric type. `name` and `container` stay.
_Paths = dict[str, tuple[str, ...]]
_SPEC_PATHS: dict[str, _Paths] = {
    "object": {
        "target": ("describedObject",),
        "metricName": ("metric", "name"),
        "selector": ("metric", "selector"),
        "targetValue": ("target", "value"),
        "averageValue": ("target", "averageValue"),
    },
    "pods": {
        "metricName": ("metric", "name"),
        "selector": ("metric", "selector"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "resource": {
        "name": ("name",),
        "targetAverageUtilization": ("target", "averageUtilization"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "containerResource": {
        "name": ("name",),
        "targetAverageUtilization": ("target", "averageUtilization"),
        "targetAverageValue": ("target", "averageValue"),
        "container": ("container",),
    },
    "external": {
        "metricName": ("metric", "name"),
        "metricSelector": ("metric", "selector"),
        "targetValue": ("target", "value"),
        "targetAverageValue": ("target", "averageValue"),
    },
}
_STATUS_PATHS: dict[str, _Paths] = {
    "object": {
        "target": ("describedObject",),
        "metricName": ("metric", "name"),
        "currentValue": ("current", "value"),
        "selector": ("metric", "selector"),
        "averageValue": ("current", "averageValue"),
    },
    "pods": {
        "metricName": ("metric", "name"),
        "currentAverageValue": ("current", "averageValue"),
        "selector": ("metric", "selector"),
    },
    "resource": {
        "name": ("name",),
        "currentAverageUtilization": ("current", "averageUtilization"),
        "currentAverageValue": ("current", "averageValue"),
    },
    "containerResource": {
        "name": ("name",),
        "currentAverageUtilization": ("current", "averageUtilization"),
        "currentAverageValue": ("current", "averageValue"),
        "container": ("container",),
    },
    "external": {
        "metricName": ("metric", "name"),
        "metricSelector": ("metric", "selector"),
        "currentValue": ("current", "value"),
        "currentAverageValue": ("current", "averageValue"),
    },
}
# Quantities by value in v1: always there, zero when v2 has none.
_ZERO_QUANTITIES: dict[str, tuple[str, ...]] = {
    "object": ("targetValue", "currentValue"),
    "pods": ("targetAverageValue", "currentAverageValue"),
    "resource": ("currentAverageValue",),
    "containerResource": ("currentAverageValue",),
    "external": ("currentValue",),
}


def v2_to_v1(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    status = dict(obj.get("status") or {})
    if status:
        # Zero is written in v1 and left away in v2.
        status.setdefault("currentReplicas", 0)
    metrics = spec.pop("metrics", None) or []
    current = status.pop("currentMetrics", None) or []
    conditions = status.pop("conditions", None) or []
    behavior = spec.pop("behavior", None)
    # The first CPU metric is the one v1 shows, whatever its target; it wants a utilization.
    cpu = next((metric for metric in metrics if _is_cpu(metric)), None)
    if cpu is not None and _utilization(cpu, "target") is not None:
        spec[_CPU] = _utilization(cpu, "target")
    for metric in current:
        if _is_cpu(metric) and _utilization(metric, "current") is not None:
            status[_CURRENT_CPU] = _utilization(metric, "current")
    others = [
        metric
        for metric in metrics
        if not (_is_cpu(metric) and _utilization(metric, "target") is not None)
    ]
    saved = {
        METRICS: [_flat(metric, _SPEC_PATHS) for metric in others],
        CURRENT_METRICS: [_flat(metric, _STATUS_PATHS) for metric in current],
        CONDITIONS: conditions,
        BEHAVIOR: None if behavior is None else _go_names(behavior),
    }
    texts = {name: codec.encode_json(value).decode() for name, value in saved.items() if value}
    return _with(obj, spec, status, texts)


def v1_to_v2(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    status = dict(obj.get("status") or {})
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    utilization = spec.pop(_CPU, None)
    current = status.pop(_CURRENT_CPU, None)
    if not status.get("currentReplicas"):
        status.pop("currentReplicas", None)
    metrics = [_deep(metric, _SPEC_PATHS) for metric in _saved_list(annotations, METRICS)]
    if utilization is not None:
        metrics.append(_cpu_metric(utilization))
    spec["metrics"] = metrics or [_cpu_metric(DEFAULT_CPU_UTILIZATION)]
    if CURRENT_METRICS in annotations and _saved_list(annotations, CURRENT_METRICS):
        saved = _saved_list(annotations, CURRENT_METRICS)
        status["currentMetrics"] = [_deep(metric, _STATUS_PATHS) for metric in saved]
    elif current is not None:
        resource = {"name": "cpu", "current": {"averageUtilization": current}}
        status["currentMetrics"] = [{"type": "Resource", "resource": resource}]
    conditions = _saved_list(annotations, CONDITIONS)
    if conditions:
        status["conditions"] = conditions
    behavior = _saved(annotations, BEHAVIOR)
    if isinstance(behavior, dict):
        spec["behavior"] = _json_names(behavior)
    return _with(obj, spec, status, {})


def _with(obj: Object, spec: Object, status: Object, texts: dict[str, str]) -> Object:
    """The object with these parts; of the annotations that carry fields, only these."""
    metadata = dict(obj.get("metadata") or {})
    kept = metadata.pop("annotations", None) or {}
    annotations = {key: value for key, value in kept.items() if key not in _ANNOTATIONS} | texts
    if annotations:
        metadata["annotations"] = annotations
    return obj | {"metadata": metadata, "spec": spec, "status": status}


def _is_cpu(metric: Object) -> bool:
    return metric.get("type") == "Resource" and (metric.get("resource") or {}).get("name") == "cpu"


def _utilization(metric: Object, part: str) -> Any:
    return (metric["resource"].get(part) or {}).get("averageUtilization")


def _cpu_metric(utilization: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _flat(metric: Object, paths: dict[str, _Paths]) -> Object:
    """A v2 metric, spec or status, in the shape of v1's types."""
    flat: Object = {"type": metric.get("type", "")}
    for name, places in paths.items():
        if name not in metric:
            continue
        source = {v1_name: _at(metric[name], path) for v1_name, path in places.items()}
        for quantity in _ZERO_QUANTITIES[name]:
            if quantity in places and source[quantity] is None:
                source[quantity] = "0"
        flat[name] = {key: value for key, value in source.items() if value is not None}
    return flat


def _deep(flat: Object, paths: dict[str, _Paths]) -> Object:
    """The v2 metric of one in v1's shape."""
    metric: Object = {"type": flat.get("type", "")}
    for name, places in paths.items():
        if not isinstance(flat.get(name), dict):
            continue
        source: Object = {}
        for v1_name, path in places.items():
            if flat[name].get(v1_name) is not None:
                _put(source, path, flat[name][v1_name])
        if paths is _SPEC_PATHS:
            target = source.setdefault("target", {})
            source["target"] = {"type": _target_type(name, target)} | target
        metric[name] = source
    return metric


def _target_type(name: str, target: Object) -> str:
    if name in ("resource", "containerResource"):
        return "Utilization" if "averageUtilization" in target else "AverageValue"
    if name == "object":
        return "AverageValue" if "averageValue" in target else "Value"
    if name == "external":
        return "Value" if "value" in target else "AverageValue"
    return "AverageValue"


def _at(value: Any, path: Iterable[str]) -> Any:
    for step in path:
        value = (value or {}).get(step)
    return value


def _put(target: Object, path: tuple[str, ...], value: Any) -> None:
    for step in path[:-1]:
        target = target.setdefault(step, {})
    target[path[-1]] = value


def _saved(annotations: Object, name: str) -> Any:
    try:
        return codec.decode_json(annotations[name]) if name in annotations else None
    except codec.DecodeError:
        return None


def _saved_list(annotations: Object, name: str) -> list[Object]:
    saved = _saved(annotations, name)
    if not isinstance(saved, list) or not all(isinstance(item, dict) for item in saved):
        return []
    return saved


_POLICY_FIELDS = ("type", "value", "periodSeconds")
_RULES_FIELDS = ("stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance")


def _go(name: str) -> str:
    return name[:1].upper() + name[1:]


def _go_names(behavior: Object) -> Object:
    """The behavior as Go prints its internal type: every field, capitalised, null when unset."""
    return {_go(way): _go_rules(behavior.get(way)) for way in ("scaleUp", "scaleDown")}


def _go_rules(rules: Object | None) -> Object | None:
    if rules is None:
        return None
    named = {_go(name): rules.get(name) for name in _RULES_FIELDS}
    if rules.get("policies") is not None:
        named["Policies"] = [
            {_go(name): policy.get(name) for name in _POLICY_FIELDS} for policy in rules["policies"]
        ]
    return named


def _json_names(behavior: Object) -> Object:
    """The other way; Go's decoder takes the names in any case."""
    lowered = _lower_keys(behavior, ("scaleUp", "scaleDown"))
    for way, rules in list(lowered.items()):
        if not isinstance(rules, dict):
            del lowered[way]
            continue
        lowered[way] = _lower_keys(rules, _RULES_FIELDS)
        policies = lowered[way].get("policies")
        if isinstance(policies, list):
            lowered[way]["policies"] = [
                _lower_keys(policy, _POLICY_FIELDS) for policy in policies if policy
            ]
    return lowered


def _lower_keys(values: Object, names: tuple[str, ...]) -> Object:
    by_fold = {name.casefold(): name for name in names}
    return {
        by_fold[key.casefold()]: value
        for key, value in values.items()
        if value is not None and key.casefold() in by_fold
    }

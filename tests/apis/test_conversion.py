# SPDX-License-Identifier: Apache-2.0
"""Conversions between versions that share a store."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import conversion

CORE_EVENT = GroupVersionKind("", "v1", "Event")
EVENT = GroupVersionKind("events.k8s.io", "v1", "Event")
HPA_V1 = GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler")
HPA_V2 = GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler")
PREFIX = "autoscaling.alpha.kubernetes.io/"


def core_event() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "web"},
        "reason": "Pulled",
        "message": "Image pulled",
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:06Z",
        "count": 2,
        "type": "Normal",
        "eventTime": None,
        "series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000000Z"},
        "related": {"kind": "Node", "name": "node-1"},
        "action": "Pulling",
        "reportingComponent": "kubelet",
        "reportingInstance": "",
    }


def test_event_field_names() -> None:
    """events.k8s.io has other names for the same fields."""
    event = conversion.convert(core_event(), CORE_EVENT, EVENT)
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "regarding": {"kind": "Pod", "name": "web"},
        "reason": "Pulled",
        "note": "Image pulled",
        "deprecatedSource": {"component": "kubelet", "host": "node-1"},
        "deprecatedFirstTimestamp": "2026-01-02T03:04:05Z",
        "deprecatedLastTimestamp": "2026-01-02T03:04:06Z",
        "deprecatedCount": 2,
        "type": "Normal",
        "eventTime": None,
        "series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000000Z"},
        "related": {"kind": "Node", "name": "node-1"},
        "action": "Pulling",
        "reportingController": "kubelet",
    }


def test_event_round_trip() -> None:
    """Nothing is lost on the way to the other group and back."""
    event = conversion.convert(core_event(), CORE_EVENT, EVENT)
    assert conversion.convert(event, EVENT, CORE_EVENT) == core_event()


def hpa(version: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", **more.pop("metadata", {})},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5, **spec},
        "status": more.pop("status", {}),
    }


def cpu(**target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def test_hpa_cpu_utilization() -> None:
    """The CPU utilization is v1's own field; no annotation is needed."""
    v2 = hpa("v2", {"metrics": [cpu(type="Utilization", averageUtilization=60)]})
    v1 = conversion.convert(v2, HPA_V2, HPA_V1)
    assert v1 == hpa("v1", {"targetCPUUtilizationPercentage": 60})
    assert conversion.convert(v1, HPA_V1, HPA_V2) == v2


def test_hpa_without_metrics() -> None:
    """v1 without a target means 80 percent of the CPU."""
    v2 = conversion.convert(hpa("v1", {}), HPA_V1, HPA_V2)
    assert v2["spec"]["metrics"] == [cpu(type="Utilization", averageUtilization=80)]


METRICS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {
            "type": "Pods",
            "pods": {
                "metric": {"name": "qps", "selector": {"matchLabels": {"a": "b"}}},
                "target": {"type": "AverageValue", "averageValue": "1k"},
            },
        },
        {
            "type": "Pods",
            "pods": {
                "metricName": "qps",
                "selector": {"matchLabels": {"a": "b"}},
                "targetAverageValue": "1k",
            },
        },
    ),
    (
        {
            "type": "Object",
            "object": {
                "describedObject": {"kind": "Ingress", "name": "main"},
                "metric": {"name": "rps"},
                "target": {"type": "Value", "value": "2k"},
            },
        },
        {
            "type": "Object",
            "object": {
                "target": {"kind": "Ingress", "name": "main"},
                "metricName": "rps",
                "targetValue": "2k",
            },
        },
    ),
    (
        {
            "type": "External",
            "external": {
                "metric": {"name": "queue"},
                "target": {"type": "AverageValue", "averageValue": "30"},
            },
        },
        {"type": "External", "external": {"metricName": "queue", "targetAverageValue": "30"}},
    ),
    (
        {
            "type": "ContainerResource",
            "containerResource": {
                "name": "memory",
                "container": "app",
                "target": {"type": "Utilization", "averageUtilization": 70},
            },
        },
        {
            "type": "ContainerResource",
            "containerResource": {
                "name": "memory",
                "targetAverageUtilization": 70,
                "container": "app",
            },
        },
    ),
    (
        cpu(type="AverageValue", averageValue="500m"),
        {"type": "Resource", "resource": {"name": "cpu", "targetAverageValue": "500m"}},
    ),
]


@pytest.mark.parametrize(
    ("metric", "flat"),
    [
        pytest.param(*METRICS[0], id="pods"),
        pytest.param(*METRICS[1], id="object"),
        pytest.param(*METRICS[2], id="external"),
        pytest.param(*METRICS[3], id="container"),
        pytest.param(*METRICS[4], id="cpu by value"),
    ],
)
def test_hpa_other_metrics(metric: dict[str, Any], flat: dict[str, Any]) -> None:
    """A metric v1 does not know travels in an annotation, in v1's flat shape."""
    v2 = hpa("v2", {"metrics": [metric]}, metadata={"annotations": {"mine": "1"}})
    v1 = conversion.convert(copy.deepcopy(v2), HPA_V2, HPA_V1)
    assert "metrics" not in v1["spec"]
    assert v1["metadata"]["annotations"]["mine"] == "1"
    assert json.loads(v1["metadata"]["annotations"][PREFIX + "metrics"]) == [flat]
    assert conversion.convert(v1, HPA_V1, HPA_V2) == v2


def test_hpa_status_conditions_and_behavior() -> None:
    """Current values, conditions and behavior survive a round trip through v1."""
    resource = {"name": "cpu", "current": {"averageUtilization": 41, "averageValue": "82m"}}
    v2 = hpa(
        "v2",
        {
            "metrics": [cpu(type="Utilization", averageUtilization=60)],
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": 0,
                    "selectPolicy": "Max",
                    "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}],
                }
            },
        },
        status={
            "currentReplicas": 2,
            "desiredReplicas": 3,
            "currentMetrics": [{"type": "Resource", "resource": resource}],
            "conditions": [{"type": "AbleToScale", "status": "True"}],
        },
    )
    v1 = conversion.convert(copy.deepcopy(v2), HPA_V2, HPA_V1)
    assert v1["status"] == {
        "currentReplicas": 2,
        "desiredReplicas": 3,
        "currentCPUUtilizationPercentage": 41,
    }
    annotations = v1["metadata"]["annotations"]
    assert json.loads(annotations[PREFIX + "behavior"]) == {
        "ScaleUp": None,
        "ScaleDown": {
            "StabilizationWindowSeconds": 0,
            "SelectPolicy": "Max",
            "Policies": [{"Type": "Percent", "Value": 10, "PeriodSeconds": 60}],
            "Tolerance": None,
        },
    }
    assert conversion.convert(v1, HPA_V1, HPA_V2) == v2


def test_hpa_annotations_that_hold_nothing() -> None:
    """An annotation that is no such JSON is dropped, not an error."""
    annotations = {PREFIX + "metrics": "{", PREFIX + "behavior": "[]", PREFIX + "conditions": "[1]"}
    v1 = hpa("v1", {"targetCPUUtilizationPercentage": 50}, metadata={"annotations": annotations})
    v2 = conversion.convert(v1, HPA_V1, HPA_V2)
    assert v2 == hpa("v2", {"metrics": [cpu(type="Utilization", averageUtilization=50)]})


def test_conversion_leaves_its_argument_as_it_was() -> None:
    """Both ways make new objects."""
    v1 = hpa("v1", {"targetCPUUtilizationPercentage": 50}, metadata={"annotations": {"a": "b"}})
    before = copy.deepcopy(v1)
    v2 = conversion.convert(v1, HPA_V1, HPA_V2)
    middle = copy.deepcopy(v2)
    conversion.convert(v2, HPA_V2, HPA_V1)
    assert (v1, v2) == (before, middle)


def test_equal_versions_and_unknown_pairs() -> None:
    """Nothing happens between equal versions; a pair nobody knows is an error."""
    obj = core_event()
    assert conversion.convert(obj, CORE_EVENT, CORE_EVENT) is obj
    assert conversion.has_conversion(HPA_V1, HPA_V2)
    assert not conversion.has_conversion(HPA_V1, EVENT)
    with pytest.raises(ValueError, match="no conversion from autoscaling/v1, Kind=Horizontal"):
        conversion.convert(obj, HPA_V1, EVENT)

# SPDX-License-Identifier: Apache-2.0
"""LimitRanges and PriorityClasses."""

from __future__ import annotations

from conformance import steps
from conformance.client import JSON_PATCH, STRATEGIC, Client, Object, refused


def test_limit_ranges(client: Client, namespace: str) -> None:
    """[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection
    [Conformance]"""
    ranges = client.resource("v1", "limitranges", namespace)
    labels = f"limitrange={namespace}"
    limit = {
        "type": "Container",
        "min": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
        "max": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
        "default": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
        "defaultRequest": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"},
    }
    metadata = {"name": "e2e-limitrange", "labels": {"limitrange": namespace}}
    created = ranges.create({"metadata": metadata, "spec": {"limits": [limit]}})
    assert ranges.everywhere().names(labels) == ["e2e-limitrange"]
    patch = {
        "metadata": {"labels": {"limitrange": f"{namespace}-patched"}},
        "spec": {"limits": [{**limit, "min": {"cpu": "40m"}}]},
    }
    patched = ranges.patch("e2e-limitrange", patch, STRATEGIC)
    assert patched["spec"]["limits"][0]["min"]["cpu"] == "40m"
    assert steps.newer(patched, created)
    assert ranges.everywhere().names(f"{labels}-patched") == ["e2e-limitrange"]
    ranges.delete_collection(f"{labels}-patched")
    assert ranges.everywhere().names(f"{labels}-patched") == []


_BOUNDS = {
    "min": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
    "max": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
    "default": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
    "defaultRequest": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"},
}
_TOO_SMALL = {"cpu": "10m", "memory": "50Mi", "ephemeral-storage": "50Gi"}
_TOO_LARGE = {"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Gi"}


def _asking(name: str, requests: Object, limits: Object) -> Object:
    resources = {"requests": requests, "limits": limits}
    container = {"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def test_limit_range_defaults(client: Client, namespace: str) -> None:
    """[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has
    those defaults applied. [Conformance]"""
    ranges = client.resource("v1", "limitranges", namespace)
    pods = client.resource("v1", "pods", namespace)
    limit = {"type": "Container", **_BOUNDS}
    version = ranges.list()["metadata"]["resourceVersion"]
    with ranges.watch(version) as events:
        spec = {"limits": [limit]}
        made = ranges.create({"metadata": {"name": "limit-range"}, "spec": spec})
        events.expect("ADDED", made)
    assert made["spec"]["limits"] == [limit]

    def resources_of(name: str, requests: Object, limits: Object) -> Object:
        pods.create(_asking(name, requests, limits))
        (container,) = pods.get(name)["spec"]["containers"]
        found: Object = container["resources"]
        return found

    defaults = {"requests": _BOUNDS["defaultRequest"], "limits": _BOUNDS["default"]}
    assert resources_of("pod-no-resources", {}, {}) == defaults
    asked = {"memory": "150Mi", "ephemeral-storage": "150Gi"}
    assert resources_of("pod-partial-resources", asked, {"cpu": "300m"}) == {
        "requests": {"cpu": "300m", **asked},
        "limits": {"cpu": "300m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
    }
    with refused(403, "Forbidden"):
        pods.create(_asking("pfpod", _TOO_SMALL, {}))
    # Its limits are the default ones, so the pod is not even valid.
    with refused(422, "Invalid"):
        pods.create(_asking("pfpod", _TOO_LARGE, {}))
    with refused(403, "Forbidden"):
        pods.create(_asking("pfpod", _TOO_LARGE, _TOO_LARGE))
    smaller = {"cpu": "9m", "memory": "49Mi", "ephemeral-storage": "49Gi"}
    steps.change(ranges, "limit-range", lambda obj: obj["spec"]["limits"][0].update(min=smaller))
    assert ranges.get("limit-range")["spec"]["limits"][0]["min"] == smaller
    pods.create(_asking("pfpod", _TOO_SMALL, {}))
    with refused(403, "Forbidden"):
        pods.create(_asking("pfpod2", _TOO_LARGE, _TOO_LARGE))
    ranges.delete("limit-range")
    assert ranges.names() == []
    pods.create(_asking("pfpod2", _TOO_LARGE, {}))


def test_priority_classes(client: Client, namespace: str) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass
    endpoints can be operated with different HTTP methods [Conformance]"""
    classes = client.resource("scheduling.k8s.io/v1", "priorityclasses")
    names = [f"{namespace}-p1", f"{namespace}-p2"]
    for name, value in zip(names, (100, 200), strict=True):
        metadata = {"name": name, "labels": {"e2e": namespace}}
        classes.create({"metadata": metadata, "value": value})

    def assign(value: int) -> steps.Edit:
        return lambda obj: obj.update(value=value)

    for name, value in zip(names, (100, 200), strict=True):
        # Nothing may change the value, by whatever method.
        with refused(422, "Invalid") as refusal:
            classes.patch(
                name, [{"op": "replace", "path": "/value", "value": value * 10}], JSON_PATCH
            )
        assert _of_value(refusal.body)
        with refused(422, "Invalid") as refusal:
            steps.change(classes, name, assign(value * 10))
        assert _of_value(refusal.body)
        patched = classes.patch(name, {"description": "patched"}, STRATEGIC)
        assert (patched["description"], patched["value"]) == ("patched", value)
        updated = steps.change(classes, name, lambda obj: obj.update(description="updated"))
        assert (updated["description"], updated["value"]) == ("updated", value)
        assert classes.get(name) == updated
    assert classes.names(f"e2e={namespace}") == names
    classes.delete_collection(f"e2e={namespace}")
    assert classes.names(f"e2e={namespace}") == []


def _of_value(status: Object) -> bool:
    return [cause["field"] for cause in status["details"]["causes"]] == ["value"]

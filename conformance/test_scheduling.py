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

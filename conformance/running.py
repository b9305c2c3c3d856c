# SPDX-License-Identifier: Apache-2.0
"""Pods that run, those that a ReplicationController runs, and waiting for what is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cluster import wait_until
from kubernetes.client import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError

from conformance.client import Client, Object, Resource

PAUSE = "registry.k8s.io/pause:3.10"

# Pods that go as soon as they are told to.
_SPEC = {
    "terminationGracePeriodSeconds": 0,
    "containers": [{"name": "pause", "image": PAUSE}],
}


def pod(name: str, labels: Mapping[str, str] | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": name, "labels": dict(labels or {})}, "spec": {**_SPEC, **spec}}


def controller(name: str, replicas: int, labels: Mapping[str, str], **spec: Any) -> Object:
    """A ReplicationController."""
    template = {"metadata": {"labels": dict(labels)}, "spec": {**_SPEC, **spec}}
    wanted = {"replicas": replicas, "selector": dict(labels), "template": template}
    return {"metadata": {"name": name, "labels": dict(labels)}, "spec": wanted}


def is_running(pod: Object) -> bool:
    """And ready."""
    conditions = pod["status"].get("conditions") or ()
    ready = any((c["type"], c["status"]) == ("Ready", "True") for c in conditions)
    return ready and pod["status"]["phase"] == "Running"


def until_running(client: Client, namespace: str, count: int, labels: str = "") -> list[Object]:
    """So many pods, and no more, are there and run."""
    pods = client.resource("v1", "pods", namespace)

    def running() -> tuple[list[Object]] | None:
        found = pods.list(labels)["items"]
        return (found,) if len(found) == count and all(map(is_running, found)) else None

    (found,) = wait_until(running, f"{count} pods run")
    return list(found)


def start(client: Client, namespace: str, *pods: Object) -> list[Object]:
    """Create these pods, and wait until they run."""
    resource = client.resource("v1", "pods", namespace)
    for each in pods:
        resource.create(each)
    names = [each["metadata"]["name"] for each in pods]
    return [until(resource, name, is_running, "runs") for name in names]


def until(resource: Resource, name: str, condition: Callable[[Object], Any], what: str) -> Object:
    """The first state of the object that is as wanted."""

    def found() -> Object | None:
        obj = resource.get(name)
        return obj if condition(obj) else None

    obj: Object = wait_until(found, f"{name} {what}")
    return obj


def is_gone(resource: Resource, name: str) -> bool:
    try:
        resource.get(name)
    except (ApiException, DynamicApiError) as error:
        if error.status != 404:
            raise
        return True
    return False


def until_gone(resource: Resource, name: str) -> None:
    wait_until(lambda: is_gone(resource, name), f"{name} is gone")

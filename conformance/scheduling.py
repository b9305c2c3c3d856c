# SPDX-License-Identifier: Apache-2.0
"""Steps of tests about where pods go: nodes with room of a known size, and pods that want it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from cluster import wait_until

from conformance.client import STRATEGIC, Client, Object

HOSTNAME = "kubernetes.io/hostname"


def node_names(client: Client) -> list[str]:
    """Nodes that are ready and take pods."""
    return [
        node["metadata"]["name"]
        for node in client.resource("v1", "nodes").list()["items"]
        if not node["spec"].get("unschedulable")
        and not node["spec"].get("taints")
        and any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in node["status"]["conditions"]
        )
    ]


@contextlib.contextmanager
def resource_on(client: Client, node: str, resource: str, amount: str | None) -> Iterator[None]:
    """While inside, the node offers so much of an extended resource."""
    nodes = client.resource("v1", "nodes").status

    def offer(of_resource: str | None) -> None:
        offered = {resource: of_resource}
        nodes.patch(node, {"status": {"capacity": offered, "allocatable": offered}}, STRATEGIC)

    offer(amount)
    try:
        yield
    finally:
        offer(None)


@contextlib.contextmanager
def label_on(client: Client, node: str, key: str, value: str) -> Iterator[None]:
    """While inside, the node carries the label."""
    nodes = client.resource("v1", "nodes")
    nodes.patch(node, {"metadata": {"labels": {key: value}}}, STRATEGIC)
    try:
        yield
    finally:
        nodes.patch(node, {"metadata": {"labels": {key: None}}}, STRATEGIC)


@contextlib.contextmanager
def priority_classes(client: Client, values: Mapping[str, int]) -> Iterator[None]:
    """While inside, there are PriorityClasses of these names."""
    classes = client.resource("scheduling.k8s.io/v1", "priorityclasses")
    for name, value in values.items():
        classes.create({"metadata": {"name": name}, "value": value})
    try:
        yield
    finally:
        for name in values:
            classes.delete(name)


def pause_spec(node: str = "", requests: Mapping[str, str] | None = None, **more: Any) -> Object:
    """The spec of a pod that does nothing and wants `requests`, on the node if one is named."""
    container: Object = {"name": "pause", "image": "registry.k8s.io/pause:3.10"}
    if requests:
        container["resources"] = {"requests": dict(requests), "limits": dict(requests)}
    spec: Object = {"containers": [container], **more}
    if node:
        spec["nodeSelector"] = {HOSTNAME: node}
    return spec


def pause_pod(name: str, spec: Object, **metadata: Any) -> Object:
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def await_running(client: Client, namespace: str, name: str) -> Object:
    pods = client.resource("v1", "pods", namespace)

    def running() -> Object | None:
        pod = pods.get(name)
        return pod if pod["status"]["phase"] == "Running" else None

    found: Object = wait_until(running, f"{name} is running")
    return found


def await_unschedulable(client: Client, namespace: str, name: str) -> str:
    """What the event says, after the scheduler has found no node for the pod."""
    events = client.resource("v1", "events", namespace)

    def told() -> str | None:
        for event in events.list()["items"]:
            about = event["involvedObject"]
            if event["reason"] == "FailedScheduling" and about.get("name") == name:
                return str(event["message"])
        return None

    message: str = wait_until(told, f"FailedScheduling of {name}")
    pod = client.resource("v1", "pods", namespace).get(name)
    assert "nodeName" not in pod["spec"]
    assert pod["status"]["phase"] == "Pending"
    return message

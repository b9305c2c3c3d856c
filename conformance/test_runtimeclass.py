# SPDX-License-Identifier: Apache-2.0
"""Pods that name a RuntimeClass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cluster import wait_until

from conformance.client import Client, Object

_CONTAINER = {"name": "test", "image": "registry.k8s.io/pause:3.10"}


@contextlib.contextmanager
def _runtime_class(client: Client, name: str, **fields: Object) -> Iterator[str]:
    classes = client.resource("node.k8s.io/v1", "runtimeclasses")
    # The handler that test clusters have configured.
    made = classes.create({"metadata": {"name": name}, "handler": "test-handler", **fields})
    yield made["metadata"]["name"]
    classes.delete(name)


def _scheduled(client: Client, namespace: str, runtime_class: str) -> Object:
    pods = client.resource("v1", "pods", namespace)
    spec = {"runtimeClassName": runtime_class, "containers": [_CONTAINER]}
    pods.create({"metadata": {"name": "test-runtimeclass"}, "spec": spec})

    def find() -> Object | None:
        found = pods.get("test-runtimeclass")
        return found if found["spec"].get("nodeName") else None

    pod: Object = wait_until(find, "the pod is scheduled")
    assert pod["spec"]["runtimeClassName"] == runtime_class
    return pod


def test_pod_without_overhead(client: Client, namespace: str) -> None:
    """[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead
    [NodeConformance] [Conformance]"""
    with _runtime_class(client, f"{namespace}-preconfigured") as name:
        assert "overhead" not in _scheduled(client, namespace, name)["spec"]


def test_pod_with_overhead(client: Client, namespace: str) -> None:
    """[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its
    Overhead [NodeConformance] [Conformance]"""
    fixed = {"cpu": "10m", "memory": "1Mi"}
    overhead = {"podFixed": fixed}
    with _runtime_class(client, f"{namespace}-overhead", overhead=overhead) as name:
        assert _scheduled(client, namespace, name)["spec"]["overhead"] == fixed

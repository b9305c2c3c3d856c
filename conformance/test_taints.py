# SPDX-License-Identifier: Apache-2.0
"""Nodes that pods have to leave."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from cluster import wait_until

from conformance import running, steps
from conformance.client import Client, Object

_TAINT = {"key": "kubernetes.io/e2e-evict-taint-key", "value": "evictTaintVal"}


def _tolerating(name: str, seconds: int, **spec: object) -> Object:
    toleration = {**_TAINT, "effect": "NoExecute", "tolerationSeconds": seconds}
    return running.pod(name, {"name": name}, tolerations=[toleration], **spec)


@contextlib.contextmanager
def _tainted(client: Client, name: str) -> Iterator[None]:
    """The node has the taint, until the block ends."""
    nodes = client.resource("v1", "nodes")

    def add(node: Object) -> None:
        node["spec"].setdefault("taints", []).append({**_TAINT, "effect": "NoExecute"})

    def remove(node: Object) -> None:
        taints = node["spec"]["taints"]
        node["spec"]["taints"] = [each for each in taints if each["key"] != _TAINT["key"]]

    steps.change(nodes, name, add)
    try:
        yield
    finally:
        steps.change(nodes, name, remove)


def _until_marked(client: Client, namespace: str, name: str) -> float:
    """When the pod is on its way out, or gone, by this process's clock."""
    pods = client.resource("v1", "pods", namespace)

    def is_marked() -> bool:
        found = pods.list(f"name={name}")["items"]
        return all("deletionTimestamp" in pod["metadata"] for pod in found)

    wait_until(is_marked, f"{name} is evicted")
    return time.monotonic()


def test_toleration_seconds(client: Client, namespace: str) -> None:
    """[sig-node] NoExecuteTaintManager Multiple Pods [Serial] evicts pods with
    minTolerationSeconds [Disruptive] [Conformance]"""
    (first,) = running.start(client, namespace, _tolerating("evict-1", 1))
    node = first["spec"]["nodeName"]
    labels = client.resource("v1", "nodes").get(node)["metadata"]["labels"]
    selector = {"kubernetes.io/hostname": labels["kubernetes.io/hostname"]}
    running.start(client, namespace, _tolerating("evict-2", 3, nodeSelector=selector))
    began = time.monotonic()
    with _tainted(client, node):
        took = [_until_marked(client, namespace, name) - began for name in ("evict-1", "evict-2")]
    assert took[0] >= 1.0
    assert took[1] >= 3.0


def test_removed_taint(client: Client, namespace: str) -> None:
    """[sig-node] NoExecuteTaintManager Single Pod [Serial] removing taint cancels eviction
    [Disruptive] [Conformance]"""
    pods, seconds = client.resource("v1", "pods", namespace), 3
    (stays,) = running.start(client, namespace, _tolerating("stays", seconds))
    node = stays["spec"]["nodeName"]
    # One that does not tolerate the taint: once it goes, the taint has been seen.
    running.start(client, namespace, running.pod("goes", {"name": "goes"}, nodeName=node))
    began = time.monotonic()
    with _tainted(client, node):
        seen = _until_marked(client, namespace, "goes")
    assert seen - began < seconds, "the taint was there for as long as the pod tolerates it"
    # Not even when it would have been its time.
    ends_at = time.monotonic() + seconds + 0.5
    wait_until(lambda: time.monotonic() > ends_at, "the time of the toleration is over")
    assert running.is_running(pods.get("stays"))
    assert "deletionTimestamp" not in pods.get("stays")["metadata"]

# SPDX-License-Identifier: Apache-2.0
"""ReplicationControllers: lifecycle, scale, adoption and release of Pods."""

from __future__ import annotations

import pytest

from conformance import steps, workloads
from conformance.client import Client, Object, Resource
from conformance.workloads import count


@pytest.fixture
def controllers(client: Client, namespace: str) -> Resource:
    return client.resource("v1", "replicationcontrollers", namespace)


def _controller(name: str, replicas: int, labels: dict[str, str]) -> Object:
    made = workloads.workload(name, replicas, labels)
    made["spec"]["selector"] = dict(labels)
    return made


def test_adopts(client: Client, namespace: str, controllers: Resource) -> None:
    """[sig-apps] ReplicationController should adopt matching pods on creation [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    name, labels = "pod-adoption", {"name": "pod-adoption"}
    pods.create({**workloads.template(labels), "metadata": {"name": name, "labels": labels}})
    workloads.until_ready(client, namespace, f"name={name}", 1)
    uid = controllers.create(_controller(name, 1, labels))["metadata"]["uid"]
    workloads.until(pods, name, lambda pod: workloads.owner_of(pod) == uid, "is adopted")
    workloads.until(controllers, name, lambda rc: count(rc, "readyReplicas") == 1, "has its pod")
    assert pods.names() == [name], "nothing was made beside it"


def test_releases(client: Client, namespace: str, controllers: Resource) -> None:
    """[sig-apps] ReplicationController should release no longer matching pods [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    name, labels = "pod-release", {"name": "pod-release"}
    uid = controllers.create(_controller(name, 1, labels))["metadata"]["uid"]
    (pod,) = workloads.until_ready(client, namespace, f"name={name}", 1)
    assert workloads.owner_of(pod) == uid
    first = pod["metadata"]["name"]

    def relabel(pod: Object) -> None:
        pod["metadata"]["labels"]["name"] = "not-matching-name"

    steps.change(pods, first, relabel)
    workloads.until(pods, first, lambda pod: workloads.owner_of(pod) == "", "is released")
    (other,) = workloads.until_ready(client, namespace, f"name={name}", 1)
    assert other["metadata"]["name"] != first


def test_scale(client: Client, namespace: str, controllers: Resource) -> None:
    """[sig-apps] ReplicationController should get and update a ReplicationController scale
    [Conformance]"""
    name, labels = "e2e-rc", {"name": "e2e-rc"}
    controllers.create(_controller(name, 1, labels))
    workloads.until(controllers, name, lambda rc: count(rc, "readyReplicas") == 1, "has its pod")
    scales = controllers.subresource("scale")
    scale = scales.get(name)
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    assert scale["status"]["selector"] == f"name={name}"
    scale["spec"]["replicas"] = 2
    assert scales.update(scale)["spec"]["replicas"] == 2
    workloads.until(controllers, name, lambda rc: count(rc, "readyReplicas") == 2, "has two")
    workloads.until_ready(client, namespace, f"name={name}", 2)


def test_lifecycle(namespace: str, controllers: Resource) -> None:
    """[sig-apps] ReplicationController should test the lifecycle of a ReplicationController
    [Conformance]"""
    name, labels = "rc-test", {"test-rc-static": "true"}
    selector = workloads.selector(labels)
    version = controllers.list(selector)["metadata"]["resourceVersion"]
    with controllers.watch(version, selector) as events:
        controllers.create(_controller(name, 1, labels))
        workloads.until_seen(events, lambda rc: rc["metadata"]["name"] == name, ["ADDED"])
        workloads.until_seen(events, lambda rc: count(rc, "readyReplicas") == 1)

        controllers.patch(name, {"metadata": {"labels": {"test-rc": "patched"}}})
        workloads.until_seen(
            events, lambda rc: rc["metadata"]["labels"].get("test-rc") == "patched", ["MODIFIED"]
        )
        status = {"readyReplicas": 0, "availableReplicas": 0}
        assert count(controllers.status.patch(name, {"status": status}), "readyReplicas") == 0
        workloads.until_seen(
            events,
            lambda rc: count(rc, "readyReplicas") == count(rc, "availableReplicas") == 0,
            ["MODIFIED"],
        )
        workloads.until_seen(events, lambda rc: count(rc, "readyReplicas") == 1, ["MODIFIED"])
        found = controllers.status.get(name)
        assert (found["kind"], count(found, "replicas")) == ("ReplicationController", 1)

        scale = {"spec": {"replicas": 2}}
        controllers.subresource("scale").patch(name, scale)
        workloads.until_seen(
            events,
            lambda rc: rc["spec"]["replicas"] == count(rc, "readyReplicas") == 2,
            ["MODIFIED"],
        )

        def update(obj: Object) -> None:
            obj["metadata"]["labels"]["test-rc"] = "updated"

        steps.change(controllers, name, update)
        workloads.until_seen(
            events, lambda rc: rc["metadata"]["labels"]["test-rc"] == "updated", ["MODIFIED"]
        )
        everywhere = controllers.everywhere().list(selector)["items"]
        assert (namespace, name) in [
            (each["metadata"]["namespace"], each["metadata"]["name"]) for each in everywhere
        ]
        controllers.delete_collection(selector)
        workloads.until_seen(events, lambda rc: rc["metadata"]["name"] == name, ["DELETED"])

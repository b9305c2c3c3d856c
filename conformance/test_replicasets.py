# SPDX-License-Identifier: Apache-2.0
"""ReplicaSets: scale, adoption and release of Pods, changes of the template."""

from __future__ import annotations

from cluster import wait_until

from conformance import steps, workloads
from conformance.client import STRATEGIC, Client, Object
from conformance.workloads import APPS, OTHER_WEBSERVER, WEBSERVER, container_of, count


def test_scale(client: Client, namespace: str) -> None:
    """[sig-apps] ReplicaSet Replicaset should have a working scale subresource [Conformance]"""
    sets = client.resource(APPS, "replicasets", namespace)
    labels = {"name": "sample-pod", "pod": "webserver"}
    sets.create(workloads.workload("test-rs", 1, labels))
    workloads.until_ready(client, namespace, "name=sample-pod", 1)
    workloads.scale_both_ways(sets, "test-rs")
    workloads.until_ready(client, namespace, "name=sample-pod", 4)


def test_adopts_and_releases(client: Client, namespace: str) -> None:
    """[sig-apps] ReplicaSet should adopt matching pods on creation and release no longer matching
    pods [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    sets = client.resource(APPS, "replicasets", namespace)
    name = "pod-adoption-release"
    labels = {"name": name}
    pods.create({**workloads.template(labels), "metadata": {"name": name, "labels": labels}})
    workloads.until_ready(client, namespace, f"name={name}", 1)
    created = sets.create(workloads.workload(name, 1, labels))
    uid = created["metadata"]["uid"]
    workloads.until(pods, name, lambda pod: workloads.owner_of(pod) == uid, "is adopted")
    workloads.until(sets, name, lambda rs: count(rs, "readyReplicas") == 1, "has its pod")
    assert pods.names() == [name], "nothing was made beside it"

    def relabel(pod: Object) -> None:
        pod["metadata"]["labels"]["name"] = "not-matching-name"

    steps.change(pods, name, relabel)
    workloads.until(pods, name, lambda pod: workloads.owner_of(pod) == "", "is released")
    (other,) = workloads.until_ready(client, namespace, f"name={name}", 1)
    assert other["metadata"]["name"] != name
    assert workloads.owner_of(other) == uid


def test_replace_and_patch(client: Client, namespace: str) -> None:
    """[sig-apps] ReplicaSet Replace and Patch tests [Conformance]"""
    sets = client.resource(APPS, "replicasets", namespace)
    labels = {"name": "sample-pod", "pod": "webserver"}
    selector = workloads.selector(labels)
    version = sets.list(selector)["metadata"]["resourceVersion"]
    with sets.watch(version, selector) as events:
        sets.create(workloads.workload("test-rs", 1, labels))
        workloads.until_ready(client, namespace, selector, 1)
        steps.change(sets, "test-rs", lambda rs: rs["spec"].update(replicas=3))
        workloads.until_ready(client, namespace, selector, 3)
        workloads.until(sets, "test-rs", lambda rs: count(rs, "availableReplicas") == 3, "has 3")
        containers = [{"name": "webserver", "image": OTHER_WEBSERVER}]
        spec = {"terminationGracePeriodSeconds": 3, "containers": containers}
        patch = {
            "metadata": {"labels": {"test-rs": "patched"}},
            "spec": {"replicas": 3, "template": {"spec": spec}},
        }
        sets.patch("test-rs", patch, STRATEGIC)

        def patched(rs: Object) -> bool:
            return (
                rs["metadata"]["labels"].get("test-rs") == "patched"
                and rs["spec"]["replicas"] == count(rs, "availableReplicas") == 3
                and container_of(rs)["image"] == OTHER_WEBSERVER
                and rs["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 3
            )

        workloads.until_seen(events, patched)
    # A new template is for pods to come; those that are there stay.
    found = workloads.until_ready(client, namespace, selector, 3)
    assert {pod["spec"]["containers"][0]["image"] for pod in found} == {WEBSERVER}


def test_collection(client: Client, namespace: str) -> None:
    """[sig-apps] ReplicaSet should list and delete a collection of ReplicaSets [Conformance]"""
    sets = client.resource(APPS, "replicasets", namespace)
    labels = {"name": "sample-pod", "e2e": namespace}
    selector = f"e2e={namespace}"
    sets.create(workloads.workload("test-rs", 3, labels))
    workloads.until_ready(client, namespace, selector, 3)
    assert sets.everywhere().names(selector) == ["test-rs"]
    sets.delete_collection(selector)
    wait_until(lambda: not sets.everywhere().names(selector), "the ReplicaSet is gone")
    pods = client.resource("v1", "pods", namespace)
    wait_until(lambda: not pods.names(selector), "its pods go with it")


def test_status(client: Client, namespace: str) -> None:
    """[sig-apps] ReplicaSet should validate Replicaset Status endpoints [Conformance]"""
    sets = client.resource(APPS, "replicasets", namespace)
    labels = {"name": "sample-pod", "e2e": "testing"}
    sets.create(workloads.workload("test-rs", 1, labels))
    workloads.until_ready(client, namespace, "e2e=testing", 1)
    workloads.validate_status(sets, "test-rs", "e2e=testing")
    workloads.until(sets, "test-rs", lambda rs: count(rs, "readyReplicas") == 1, "has its pod")

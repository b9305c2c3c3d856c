# SPDX-License-Identifier: Apache-2.0
"""Pods from their creation to their end, as scheduler, kubelet and clients see them; nodes."""

from __future__ import annotations

import ipaddress
from typing import Any

from cluster import wait_until

from conformance import steps
from conformance.client import STRATEGIC, Client, Object, Resource, refused
from conformance.running import until

_AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.56"
_NGINX = "registry.k8s.io/e2e-test-images/nginx:1.15-4"
_BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"
_PAUSE = "registry.k8s.io/pause:3.10.1"


def _pod(name: str, labels: Object | None = None, **spec: Any) -> Object:
    containers = [{"name": "test", "image": _PAUSE}]
    metadata = {"name": name, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"containers": containers, **spec}}


def _until_phase(pods: Resource, name: str, phase: str) -> Object:
    return until(pods, name, lambda pod: pod["status"]["phase"] == phase, f"is {phase}")


def _until_observed(pods: Resource, name: str, generation: int) -> None:
    def observed(pod: Object) -> bool:
        return bool(pod["status"].get("observedGeneration") == generation)

    until(pods, name, observed, f"has observed generation {generation}")


def _run(pods: Resource, pod: Object) -> Object:
    """Created, and Running."""
    return _until_phase(pods, pods.create(pod)["metadata"]["name"], "Running")


def _holds(obj: Object, *types: str) -> bool:
    """Whether all these conditions are True."""
    conditions = {c["type"]: c["status"] for c in obj["status"].get("conditions") or ()}
    return all(conditions.get(type) == "True" for type in types)


# --- life and death


def test_host_ip(client: Client, namespace: str) -> None:
    """[sig-node] Pods should get a host IP [NodeConformance] [Conformance]"""
    found = _run(client.resource("v1", "pods", namespace), _pod("pod-hostip"))
    node = client.resource("v1", "nodes").get(found["spec"]["nodeName"])
    assert ipaddress.ip_address(found["status"]["hostIP"])
    assert found["status"]["hostIP"] in [each["address"] for each in node["status"]["addresses"]]
    assert found["status"]["hostIPs"] == [{"ip": found["status"]["hostIP"]}]


def test_submitted_and_removed(client: Client, namespace: str) -> None:
    """[sig-node] Pods should be submitted and removed [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    labels = f"time={namespace}"
    listed = pods.list(labels)
    assert listed["items"] == []
    with pods.watch(listed["metadata"]["resourceVersion"], labels) as events:
        created = pods.create(_pod("pod-submit-remove", {"name": "foo", "time": namespace}))
        assert pods.names(labels) == ["pod-submit-remove"]
        events.expect("ADDED", created)
        _until_phase(pods, "pod-submit-remove", "Running")
        pods.delete("pod-submit-remove", body={"gracePeriodSeconds": 30})
        last = next(seen for kind, seen in events if kind == "DELETED")
    assert last["metadata"]["uid"] == created["metadata"]["uid"]
    assert last["metadata"]["deletionTimestamp"]
    assert last["spec"]["terminationGracePeriodSeconds"]
    assert pods.names(labels) == []


def test_updated(client: Client, namespace: str) -> None:
    """[sig-node] Pods should be updated [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    _run(pods, _pod("pod-update", {"time": namespace}))
    assert pods.names(f"time={namespace}") == ["pod-update"]
    steps.change(
        pods, "pod-update", lambda pod: pod["metadata"]["labels"].update(time=f"{namespace}-later")
    )
    _until_phase(pods, "pod-update", "Running")
    assert pods.names(f"time={namespace}-later") == ["pod-update"]
    assert pods.names(f"time={namespace}") == []


def test_active_deadline(client: Client, namespace: str) -> None:
    """[sig-node] Pods should allow activeDeadlineSeconds to be updated [NodeConformance]
    [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    _run(pods, _pod("pod-deadline", {"time": namespace}))
    assert pods.names(f"time={namespace}") == ["pod-deadline"]
    steps.change(pods, "pod-deadline", lambda pod: pod["spec"].update(activeDeadlineSeconds=5))
    assert _until_phase(pods, "pod-deadline", "Failed")["status"]["reason"] == "DeadlineExceeded"


def test_collection(client: Client, namespace: str) -> None:
    """[sig-node] Pods should delete a collection of pods [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    names = [f"test-pod-{number}" for number in (1, 2, 3)]
    spec = {"terminationGracePeriodSeconds": 1, "restartPolicy": "Never"}
    for name in names:
        pods.create(_pod(name, {"type": "Testing"}, **spec))
    for name in names:
        until(pods, name, lambda pod: _holds(pod, "Ready"), "is Ready")
    pods.delete_collection("type=Testing", body={"gracePeriodSeconds": 1})
    wait_until(lambda: not pods.names("type=Testing"), "all pods are gone")


def test_lifecycle(client: Client, namespace: str) -> None:
    """[sig-node] Pods should run through the lifecycle of Pods and PodStatus [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    labels = f"test-pod-static={namespace}"
    version = pods.everywhere().list(labels)["metadata"]["resourceVersion"]
    container = {"name": "pod-test", "image": _AGNHOST}
    with pods.watch(version, labels) as events:
        spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
        pods.create(_pod("pod-test", {"test-pod-static": namespace}, **spec))
        running = next(seen for _, seen in events if seen["status"].get("phase") == "Running")

        patch = {
            "metadata": {"labels": {"test-pod": "patched"}},
            "spec": {**spec, "containers": [{"name": "pod-test", "image": _NGINX}]},
        }
        assert steps.newer(pods.patch("pod-test", patch, STRATEGIC), running)
        events.next()
        found = pods.get("pod-test")
        assert found["metadata"]["labels"]["test-pod"] == "patched"
        assert found["spec"]["containers"][0]["image"] == _NGINX

        until(pods, "pod-test", lambda pod: _holds(pod, "Ready", "ContainersReady"), "is Ready")
        updated = steps.change(pods.status, "pod-test", _unready)
        for type in ("Ready", "ContainersReady"):
            assert not _holds(updated, type)

        pods.delete_collection(labels, body={"gracePeriodSeconds": 1})
        gone = next(seen for kind, seen in events if kind == "DELETED")
    assert gone["metadata"]["uid"] == running["metadata"]["uid"]
    with refused(404, "NotFound"):
        pods.get("pod-test")


def _unready(pod: Object) -> None:
    for condition in pod["status"]["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition["status"] = "False"


def test_status_patched(client: Client, namespace: str) -> None:
    """[sig-node] Pods should patch a pod status [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    _run(pods, _pod("pod-patched", terminationGracePeriodSeconds=1))
    status = {"message": "Patched by e2e test", "reason": "E2E"}
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": status}
    patched = pods.status.patch("pod-patched", patch)
    assert {key: patched["status"].get(key) for key in status} == status
    assert patched["status"]["phase"] == "Running"


def test_always_failing(client: Client, namespace: str) -> None:
    """[sig-node] Kubelet when scheduling a busybox command that always fails in a pod should be
    possible to delete [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    container = {"name": "bin-false", "image": _BUSYBOX, "command": ["/bin/false"]}
    pods.create(_pod("bin-false", containers=[container]))
    until(pods, "bin-false", _has_failed, "has failed")
    pods.delete("bin-false")
    wait_until(lambda: "bin-false" not in pods.names(), "the pod is gone")


def _has_failed(pod: Object) -> bool:
    (container,) = pod["status"].get("containerStatuses") or [{}]
    states = (container.get("state", {}), container.get("lastState", {}))
    codes = [state["terminated"]["exitCode"] for state in states if "terminated" in state]
    return 1 in codes


# --- generation


def test_generation_counts_updates(client: Client, namespace: str) -> None:
    """[sig-node] Pods Extended (pod generation) Pod Generation pod generation should start at 1
    and increment per update [MinimumKubeletVersion:1.34] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    name, expected = "pod-generation", 1
    init = {"name": "init-container", "image": _BUSYBOX, "command": ["true"]}
    created = _run(pods, _pod(name, initContainers=[init]))
    assert created["metadata"]["generation"] == expected
    toleration = {"key": "foo", "operator": "Equal", "value": "bar", "effect": "NoSchedule"}
    edits: list[tuple[steps.Edit, bool]] = [
        (lambda pod: None, False),
        (lambda pod: pod["spec"]["tolerations"].append(toleration), True),
        (lambda pod: pod["spec"].update(activeDeadlineSeconds=5000), True),
        (lambda pod: pod["spec"]["containers"][0].update(image=_NGINX), True),
        (lambda pod: pod["spec"]["initContainers"][0].update(image=_PAUSE), True),
        (lambda pod: pod["metadata"].update(annotations={"key": "value"}), False),
        (lambda pod: pod["metadata"].update(generation=1), False),
    ]
    for edit, counts in edits:
        steps.change(pods, name, edit)
        expected += counts
        assert pods.get(name)["metadata"]["generation"] == expected
        _until_observed(pods, name, expected)


def test_generation_of_deletion(client: Client, namespace: str) -> None:
    """[sig-node] Pods Extended (pod generation) Pod Generation custom-set generation on new pods
    and graceful delete [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    pod = _pod("pod-generation")
    # A finalizer, for a node may be faster than the next request.
    pod["metadata"].update(generation=100, finalizers=["example.com/wait"])
    assert _run(pods, pod)["metadata"]["generation"] == 1
    pods.delete("pod-generation", body={"gracePeriodSeconds": 60})
    assert pods.get("pod-generation")["metadata"]["generation"] == 2
    pods.patch("pod-generation", {"metadata": {"finalizers": None}})
    wait_until(lambda: not pods.names(), "the pod is gone")


def test_generation_of_many_updates(client: Client, namespace: str) -> None:
    """[sig-node] Pods Extended (pod generation) Pod Generation issue 500 podspec updates and
    verify generation and observedGeneration eventually converge [MinimumKubeletVersion:1.34]
    [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    _run(pods, _pod("pod-generation", activeDeadlineSeconds=5000))
    for number in range(1, 500):
        less = {"spec": {"activeDeadlineSeconds": 5000 - number}}
        pods.patch("pod-generation", less, STRATEGIC)
    _until_observed(pods, "pod-generation", 500)
    assert pods.get("pod-generation")["metadata"]["generation"] == 500


# --- nodes


def test_two_nodes(client: Client) -> None:
    """[sig-architecture] Conformance Tests should have at least two untainted nodes
    [Conformance]"""
    nodes = client.resource("v1", "nodes")
    wait_until(lambda: len(_schedulable(nodes)) >= 2, "two nodes are Ready and untainted")


def _schedulable(nodes: Resource) -> list[str]:
    def is_free(node: Object) -> bool:
        spec = node["spec"]
        return not spec.get("unschedulable") and not [
            taint for taint in spec.get("taints") or () if taint["effect"] != "PreferNoSchedule"
        ]

    ready = [node for node in nodes.list()["items"] if _holds(node, "Ready")]
    return [node["metadata"]["name"] for node in ready if is_free(node)]

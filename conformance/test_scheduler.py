# SPDX-License-Identifier: Apache-2.0
"""Which nodes pods get, and which pods have to go for others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from cluster import wait_until

from conformance import scheduling
from conformance.client import MERGE, Client, Object, Resource
from conformance.scheduling import pause_pod, pause_spec

FOO = "scheduling.k8s.io/foo"
FAKE_CPU = "example.com/fakecpu"


@pytest.fixture
def nodes(client: Client) -> list[str]:
    def ready() -> list[str] | None:
        found = scheduling.node_names(client)
        return found if len(found) >= 2 else None

    return list(wait_until(ready, "two nodes are ready"))


def test_resource_limits(client: Client, namespace: str, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPredicates [Serial] validates resource limits of pods that are
    allowed to run [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    for node in nodes:
        free = _free_millis(client, node)
        fills = pause_spec(node, {"cpu": f"{free * 7 // 10}m"})
        pods.create(pause_pod(f"filler-{node}", fills))
    for node in nodes:
        filler = scheduling.await_running(client, namespace, f"filler-{node}")
        assert filler["spec"]["nodeName"] == node
    largest = max(_free_millis(client, node) for node in nodes)
    pods.create(pause_pod("additional-pod", pause_spec(requests={"cpu": f"{largest + 1}m"})))
    message = scheduling.await_unschedulable(client, namespace, "additional-pod")
    assert "Insufficient cpu" in message


def _free_millis(client: Client, node: str) -> int:
    def millis(quantity: str) -> int:
        return int(quantity[:-1]) if quantity.endswith("m") else int(float(quantity) * 1000)

    allocatable = client.resource("v1", "nodes").get(node)["status"]["allocatable"]["cpu"]
    free = millis(allocatable)
    for pod in client.resource("v1", "pods").list()["items"]:
        if pod["spec"].get("nodeName") == node:
            if pod["status"]["phase"] in ("Succeeded", "Failed"):
                continue
            for container in pod["spec"]["containers"]:
                asked = container.get("resources", {}).get("requests", {})
                free -= millis(asked.get("cpu", "0"))
    return free


def test_node_selector_not_matching(client: Client, namespace: str, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if
    not matching [Conformance]"""
    spec = pause_spec(nodeSelector={"label": "nonempty"})
    client.resource("v1", "pods", namespace).create(pause_pod("restricted-pod", spec))
    message = scheduling.await_unschedulable(client, namespace, "restricted-pod")
    assert "didn't match Pod's node affinity/selector" in message


def test_node_selector_matching(client: Client, namespace: str, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if
    matching [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    key = f"kubernetes.io/e2e-{namespace}"
    for node in nodes:
        with scheduling.label_on(client, node, key, "42"):
            pods.create(pause_pod(f"with-{node}", pause_spec(nodeSelector={key: "42"})))
            found = scheduling.await_running(client, namespace, f"with-{node}")
            assert found["spec"]["nodeName"] == node


def test_host_port_conflict(client: Client, namespace: str, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPredicates [Serial] validates that there exists conflict between
    pods with same hostPort and protocol but one using 0.0.0.0 hostIP [Conformance]"""
    pods, node = client.resource("v1", "pods", namespace), nodes[0]
    addresses = client.resource("v1", "nodes").get(node)["status"]["addresses"]
    (ip,) = (each["address"] for each in addresses if each["type"] == "InternalIP")
    for name, host_ip in (("pod4", "0.0.0.0"), ("pod5", ip)):
        spec = pause_spec(node)
        port = {"hostPort": 54322, "containerPort": 8080, "protocol": "TCP", "hostIP": host_ip}
        spec["containers"][0]["ports"] = [port]
        pods.create(pause_pod(name, spec))
        if name == "pod4":
            scheduling.await_running(client, namespace, name)
    message = scheduling.await_unschedulable(client, namespace, "pod5")
    assert "didn't have free ports" in message


@contextlib.contextmanager
def _full_nodes(client: Client, namespace: str, nodes: list[str]) -> Iterator[str]:
    """Every node holds two pods that leave too little for a third: one of low priority, whose
    name is given, and others of medium priority."""
    classes = {f"{namespace}-{name}": value for name, value in _PRIORITIES.items()}
    pods = client.resource("v1", "pods", namespace)
    names = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(scheduling.priority_classes(client, classes))
        for node in nodes:
            stack.enter_context(scheduling.resource_on(client, node, FOO, "5"))
        for number, node in enumerate(nodes):
            for place in range(2):
                priority = "medium" if number or place else "low"
                name = f"pod{number}-{place}-{priority}"
                spec = pause_spec(node, {FOO: "2"}, priorityClassName=f"{namespace}-{priority}")
                pods.create(pause_pod(name, spec))
                names.append(name)
        for name in names:
            scheduling.await_running(client, namespace, name)
        yield names[0]
        for name in names[1:]:
            assert "deletionTimestamp" not in pods.get(name)["metadata"]
        stack.callback(_delete_all, pods)


_PRIORITIES = {"low": 1, "medium": 100, "high": 1000}


def _delete_all(pods: Resource) -> None:
    for name in pods.names():
        pods.delete(name)


def _is_leaving(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def test_basic_preemption(client: Client, namespace: str, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] validates basic preemption works
    [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    with _full_nodes(client, namespace, nodes) as low:
        spec = pause_spec(requests={FOO: "2"}, priorityClassName=f"{namespace}-high")
        pods.create(pause_pod("preemptor-pod", spec))
        found = scheduling.await_running(client, namespace, "preemptor-pod")
        assert found["spec"]["nodeName"] == nodes[0]
        assert low not in pods.names()


def test_preemption_by_critical_pod(client: Client, namespace: str, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by
    critical pod [Conformance]"""
    critical = client.resource("v1", "pods", "kube-system")
    with _full_nodes(client, namespace, nodes) as low:
        spec = pause_spec(requests={FOO: "2"}, priorityClassName="system-cluster-critical")
        critical.create(pause_pod(f"critical-{namespace}", spec))
        try:
            scheduling.await_running(client, "kube-system", f"critical-{namespace}")
            assert low not in client.resource("v1", "pods", namespace).names()
        finally:
            critical.delete(f"critical-{namespace}")


def test_disruption_condition(client: Client, namespace: str, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] validates pod disruption condition is added
    to the preempted pod [Conformance]"""
    pods, node = client.resource("v1", "pods", namespace), nodes[0]
    classes = {f"{namespace}-{name}": value for name, value in _PRIORITIES.items()}
    with (
        scheduling.priority_classes(client, classes),
        scheduling.resource_on(client, node, FOO, "1"),
    ):
        finalizers = ["example.com/test-finalizer"]
        spec = pause_spec(node, {FOO: "1"}, priorityClassName=f"{namespace}-low")
        pods.create(pause_pod("victim-pod", spec, finalizers=finalizers))
        scheduling.await_running(client, namespace, "victim-pod")
        spec = pause_spec(node, {FOO: "1"}, priorityClassName=f"{namespace}-high")
        pods.create(pause_pod("preemptor-pod", spec))
        victim = wait_until(lambda: _leaving(pods, "victim-pod"), "the victim is being deleted")
        conditions = {each["type"]: each for each in victim["status"]["conditions"]}
        target = conditions["DisruptionTarget"]
        assert (target["status"], target["reason"]) == ("True", "PreemptionByScheduler")
        pods.patch("victim-pod", {"metadata": {"finalizers": None}}, MERGE)
        scheduling.await_running(client, namespace, "preemptor-pod")
        pods.delete("preemptor-pod")


def _leaving(pods: Resource, name: str) -> Object | None:
    pod = pods.get(name)
    return pod if _is_leaving(pod) else None


def test_preemption_of_replica_sets(client: Client, namespace: str, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] PreemptionExecutionPath runs ReplicaSets to
    verify preemption running path [Conformance]"""
    node, pods = nodes[0], client.resource("v1", "pods", namespace)
    sets = client.resource("apps/v1", "replicasets", namespace)
    classes = {f"{namespace}-p{value}": value for value in (1, 2, 3, 4)}
    seen: dict[str, set[str]] = {name: set() for name in ("pod1", "pod2", "pod3")}
    with (
        scheduling.priority_classes(client, classes),
        scheduling.resource_on(client, node, FAKE_CPU, "1000"),
        pods.watch(pods.list()["metadata"]["resourceVersion"]) as events,
    ):
        for name, amount in (("pod1", "200"), ("pod2", "300"), ("pod3", "450")):
            wanted = {FAKE_CPU: amount}
            spec = pause_spec(node, wanted, priorityClassName=f"{namespace}-p{name[-1]}")
            sets.create(_replica_set(name, spec))
            wait_until(lambda n=name: _is_ready(sets.get(f"rs-{n}")), f"rs-{name} is ready")
        spec = pause_spec(node, {FAKE_CPU: "500"}, priorityClassName=f"{namespace}-p4")
        pods.create(pause_pod("pod4", spec))
        scheduling.await_running(client, namespace, "pod4")
        # What was preempted is made anew, and waits; of pod3 there was ever one.
        while not all(len(seen[name]) == 2 for name in ("pod1", "pod2")):
            _, pod = events.next()
            if "labels" in pod["metadata"]:
                seen[pod["metadata"]["labels"]["name"]].add(pod["metadata"]["uid"])
        assert len(seen["pod3"]) == 1
        for name in seen:
            sets.delete(f"rs-{name}")
        pods.delete("pod4")


def _replica_set(name: str, spec: Object) -> Object:
    labels = {"name": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    body = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": f"rs-{name}"}, "spec": body}


def _is_ready(replica_set: Object) -> bool:
    return bool(replica_set["status"].get("readyReplicas") == 1)

# SPDX-License-Identifier: Apache-2.0
"""kubectl on what runs."""

from __future__ import annotations

import json

import pytest
from cluster import Kubectl

from conformance import running
from conformance.client import Client, Object

_LABELS = {"app": "agnhost", "role": "primary"}
_NAME = "agnhost-primary"


@pytest.fixture
def primary(kubectl: Kubectl, client: Client, namespace: str) -> Object:
    """The one pod of a ReplicationController."""
    made = running.controller(_NAME, 1, _LABELS)
    kubectl(
        "create",
        "-f",
        "-",
        stdin={"apiVersion": "v1", "kind": "ReplicationController", **made},
    )
    (pod,) = running.until_running(client, namespace, 1, "app=agnhost")
    return pod


def _shows(kubectl: Kubectl, target: tuple[str, ...], *wanted: tuple[str, ...]) -> None:
    """Lines that hold all of these words, in this order of lines."""
    lines = iter(kubectl("describe", *target).lines)
    for words in wanted:
        assert any(all(word in line for word in words) for line in lines), (target, words)


def test_describe(kubectl: Kubectl, primary: Object, namespace: str) -> None:
    """[sig-cli] Kubectl client Kubectl describe should check if kubectl describe prints relevant
    information for rc and pods [Conformance]"""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _NAME, "labels": _LABELS},
        "spec": {"selector": _LABELS, "ports": [{"port": 6379, "targetPort": 6379}]},
    }
    kubectl("create", "-f", "-", stdin=service)
    where, node = ("Namespace:", namespace), primary["spec"]["nodeName"]
    _shows(
        kubectl,
        ("pod", primary["metadata"]["name"]),
        ("Name:", f"{_NAME}-"),
        where,
        ("Node:", node),
        ("Labels:", "app=agnhost"),
        ("role=primary",),
        ("Annotations:",),
        ("Status:", "Running"),
        ("IP:", primary["status"]["podIP"]),
        ("Controlled By:", f"ReplicationController/{_NAME}"),
        ("Image:", running.PAUSE),
        ("State:", "Running"),
        ("QoS Class:", "BestEffort"),
    )
    _shows(
        kubectl,
        ("rc", _NAME),
        ("Name:", _NAME),
        where,
        ("Selector:", "app=agnhost,role=primary"),
        ("Labels:", "app=agnhost"),
        ("role=primary",),
        ("Annotations:",),
        ("Replicas:", "1 current", "1 desired"),
        ("Pods Status:", "1 Running", "0 Waiting", "0 Succeeded", "0 Failed"),
        ("Pod Template:",),
        ("Image:", running.PAUSE),
        ("Events:",),
        ("SuccessfulCreate",),
    )
    _shows(
        kubectl,
        ("service", _NAME),
        ("Name:", _NAME),
        where,
        ("Labels:", "app=agnhost"),
        ("role=primary",),
        ("Annotations:",),
        ("Selector:", "app=agnhost", "role=primary"),
        ("Type:", "ClusterIP"),
        ("IP:",),
        ("Port:", "<unset>", "6379/TCP"),
        ("Endpoints:", f"{primary['status']['podIP']}:6379"),
        ("Session Affinity:", "None"),
    )
    _shows(
        kubectl,
        ("node", node),
        ("Name:", node),
        ("Labels:",),
        ("Annotations:",),
        ("CreationTimestamp:",),
        ("Conditions:",),
        ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"),
        ("Addresses:",),
        ("Capacity:",),
        ("Kernel Version:",),
        ("Container Runtime Version:",),
        ("Kubelet Version:",),
        ("Pods:",),
        (namespace, primary["metadata"]["name"]),
    )
    _shows(
        kubectl,
        ("namespace", namespace),
        ("Name:", namespace),
        ("Labels:",),
        ("Annotations:",),
        ("Status:", "Active"),
    )


def test_label(kubectl: Kubectl, client: Client, namespace: str) -> None:
    """[sig-cli] Kubectl client Kubectl label should update the label on a resource
    [Conformance]"""
    running.start(client, namespace, running.pod("pause", {"name": "pause"}))
    kubectl("label", "pods", "pause", "testing-label=testing-label-value")
    columns = kubectl("get", "pod", "pause", "-L", "testing-label").words
    assert columns[1][-1] == "testing-label-value"
    kubectl("label", "pods", "pause", "testing-label-")
    columns = kubectl("get", "pod", "pause", "-L", "testing-label").words
    assert "testing-label-value" not in columns[1]


def test_patch(kubectl: Kubectl, client: Client, namespace: str, primary: Object) -> None:
    """[sig-cli] Kubectl client Kubectl patch should add annotations for pods in rc
    [Conformance]"""
    name = primary["metadata"]["name"]
    kubectl("patch", "pod", name, "-p", json.dumps({"metadata": {"annotations": {"x": "y"}}}))
    (pod,) = running.until_running(client, namespace, 1, "app=agnhost")
    assert pod["metadata"]["uid"] == primary["metadata"]["uid"]
    assert pod["metadata"]["annotations"]["x"] == "y"


def test_replace(kubectl: Kubectl, client: Client, namespace: str) -> None:
    """[sig-cli] Kubectl client Kubectl replace should update a single-container pod's image
    [Conformance]"""
    name, image = "e2e-test-httpd-pod", "busybox:1.37"
    kubectl("run", name, "--image=httpd:2.4", f"--labels=run={name}")
    running.until_running(client, namespace, 1, f"run={name}")
    pod = kubectl("get", "pod", name, "-o", "json").json()
    pod["spec"]["containers"][0]["image"] = image
    kubectl("replace", "-f", "-", stdin=pod)
    found = kubectl("get", "pod", name, "-o", "json").json()
    assert found["spec"]["containers"][0]["image"] == image
    kubectl("delete", "pod", name, "--grace-period=0", "--force")

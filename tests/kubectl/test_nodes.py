# SPDX-License-Identifier: Apache-2.0
"""kubectl on nodes: cordon, uncordon, drain, taint and describe, with pods that have to move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import ControlPlane, Kubectl, running, wait_until
from objects import deployment, pod

Object = dict[str, Any]

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A cluster of three nodes that the tests may take pods off."""
    yield from running("--nodes=3")


@pytest.fixture
def kubectl(
    plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Kubectl]:
    """In a namespace of its own; afterwards the nodes are as they were."""
    with Kubectl(plane.kubeconfig, tmp_path).in_own_namespace(request.node.originalname) as made:
        yield made
    made("uncordon", *nodes(made))
    for node in nodes(made):
        if made("get", "node", node, "-o", "json").json()["spec"].get("taints"):
            made("taint", "nodes", node, "dedicated-")


def nodes(kubectl: Kubectl) -> list[str]:
    return [line.split("/")[1] for line in kubectl("get", "nodes", "-o", "name").lines]


def places(kubectl: Kubectl, selector: str = "") -> dict[str, str]:
    """The nodes of the pods that are there to stay."""
    found = kubectl("get", "pods", "-o", "json", f"--selector={selector}").json()["items"]
    staying = [each for each in found if "deletionTimestamp" not in each["metadata"]]
    return {each["metadata"]["name"]: each["spec"].get("nodeName", "") for each in staying}


def run_web(kubectl: Kubectl, replicas: int) -> dict[str, str]:
    """A Deployment whose pods all run, and where."""
    web = deployment("web", replicas)
    web["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
    kubectl("create", "-f", "-", stdin=web)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    return places(kubectl, "app=web")


def test_cordon(kubectl: Kubectl) -> None:
    """No new pod comes to a cordoned node, those that are there stay; then it is as before."""
    closed, *_ = nodes(kubectl)
    assert kubectl("cordon", closed).lines == [f"node/{closed} cordoned"]
    assert kubectl("cordon", closed).lines == [f"node/{closed} already cordoned"]
    (row,) = [words for words in kubectl("get", "nodes").words if words[0] == closed]
    assert row[1] == "Ready,SchedulingDisabled"
    assert closed not in run_web(kubectl, 6).values()

    assert kubectl("uncordon", closed).lines == [f"node/{closed} uncordoned"]
    spec = kubectl("get", "node", closed, "-o", "json").json()["spec"]
    assert not spec.get("unschedulable")
    assert not spec.get("taints")
    kubectl("scale", "deployment/web", "--replicas=12")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert closed in places(kubectl).values()


def test_taint(kubectl: Kubectl) -> None:
    """NoSchedule keeps new pods off, NoExecute drives those away that are there."""
    avoided, *_ = nodes(kubectl)
    said = kubectl("taint", "nodes", avoided, "dedicated=infra:NoSchedule").lines
    assert said == [f"node/{avoided} tainted"]
    assert avoided not in run_web(kubectl, 6).values()
    again = kubectl("taint", "nodes", avoided, "dedicated=db:NoSchedule", status=1)
    assert "already has dedicated taint(s) with same effect(s)" in again.stderr
    kubectl("taint", "nodes", avoided, "dedicated=db:NoSchedule", "--overwrite")

    left = next(iter(places(kubectl).values()))
    kubectl("taint", "nodes", left, "dedicated=infra:NoExecute")
    third = {*nodes(kubectl)} - {avoided, left}
    wait_until(
        lambda: len(found := places(kubectl)) == 6 and {*found.values()} == third,
        "all pods are on the third node",
    )
    assert kubectl("taint", "nodes", left, "dedicated-").lines == [f"node/{left} untainted"]
    assert not kubectl("get", "node", left, "-o", "json").json()["spec"].get("taints")


def test_drain(kubectl: Kubectl) -> None:
    """It waits for a disruption budget that allows nothing, and moves the pods when it does."""
    found = run_web(kubectl, 3)
    drained = next(iter(found.values()))
    kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=3")
    _until_allowed(kubectl, "0")
    blocked = kubectl("drain", drained, "--timeout=2s", status=1)
    assert _REFUSED in blocked.stderr
    assert places(kubectl) == found

    kubectl("patch", "pdb", "web", "--type=merge", "-p", '{"spec": {"minAvailable": 2}}')
    _until_allowed(kubectl, "1")
    said = kubectl("drain", drained, "--timeout=30s")
    assert said.lines[-1] == f"node/{drained} drained"
    assert drained not in places(kubectl).values()
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    now = places(kubectl)
    assert len(now) == 3
    assert drained not in now.values()


def _until_allowed(kubectl: Kubectl, number: str) -> None:
    fields = ".status.disruptionsAllowed", ".metadata.generation", ".status.observedGeneration"
    output = "-o=jsonpath=" + " ".join(f"{{{field}}}" for field in fields)

    def is_allowed() -> bool:
        allowed, generation, observed = kubectl("get", "pdb", "web", output).stdout.split(" ")
        return allowed == number and generation == observed

    wait_until(is_allowed, f"the budget allows {number}")


def test_drain_refuses(kubectl: Kubectl) -> None:
    """Pods that nobody would make again need --force, those of a DaemonSet are passed over."""
    lone = pod("lone", {"app": "lone"})
    lone["spec"]["terminationGracePeriodSeconds"] = 0
    kubectl("create", "-f", "-", stdin=lone)
    daemon = deployment("daemon")
    daemon["kind"] = "DaemonSet"
    del daemon["spec"]["replicas"]
    kubectl("create", "-f", "-", stdin=daemon)
    kubectl("wait", "pod/lone", "--for=condition=Ready", "--timeout=30s")
    kubectl("rollout", "status", "daemonset/daemon", "--timeout=30s")
    node = places(kubectl)["lone"]
    daemons = places(kubectl, "app=daemon")
    assert sorted(daemons.values()) == sorted(nodes(kubectl))

    refused = kubectl("drain", node, status=1).stderr
    assert "declare no controller" in refused
    assert "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)" in refused
    done = kubectl("drain", node, "--force", "--ignore-daemonsets", "--timeout=30s")
    assert done.lines[-1] == f"node/{node} drained"
    assert places(kubectl, "app=lone") == {}
    assert places(kubectl, "app=daemon") == daemons


def test_describe(kubectl: Kubectl) -> None:
    """What kubectl makes of a node, its pods and what they take of it."""
    busy = pod("busy")
    resources = {"requests": {"cpu": "250m", "memory": "64Mi"}}
    busy["spec"]["containers"][0]["resources"] = resources
    kubectl("create", "-f", "-", stdin=busy)
    kubectl("wait", "pod/busy", "--for=condition=Ready", "--timeout=30s")
    node = places(kubectl)["busy"]
    kubectl("cordon", node)
    lines = kubectl("describe", "node", node).lines
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    assert fields["Unschedulable"].strip() == "true"
    assert fields["Taints"].strip() == "node.kubernetes.io/unschedulable:NoSchedule"
    (lease,) = [line for line in lines if "HolderIdentity:" in line]
    assert lease.split() == ["HolderIdentity:", node]
    assert any(line.split()[:2] == ["Ready", "True"] for line in lines)
    (row,) = [line.split() for line in lines if " busy " in line]
    assert row[:4] == [kubectl.namespace, "busy", "250m", row[3]]
    assert row[6] == "64Mi"
    wait_until(
        lambda: "RegisteredNode" in kubectl("describe", "node", node).stdout,
        "its events are shown",
    )

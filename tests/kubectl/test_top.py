# SPDX-License-Identifier: Apache-2.0
"""kubectl top and kubectl autoscale, on pods whose use is what an annotation says."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import ControlPlane, Kubectl, running, wait_until
from objects import deployment

Object = dict[str, Any]

# Everything at a pace that tests can wait for.
_METRICS_SERVER = (
    "metrics-server",
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    "--secure-port=0",
    "--kubelet-insecure-tls",
    "--kubelet-preferred-address-types=InternalIP",
    "--kubelet-use-node-status-port",
    "--metric-resolution=1s",
)
_CONTROLLERS = (
    "controller-manager",
    "--leader-elect=false",
    "--horizontal-pod-autoscaler-sync-period=500ms",
    "--horizontal-pod-autoscaler-downscale-stabilization=1s",
    "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
    "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
)


@contextlib.contextmanager
def _beside(plane: ControlPlane, *command: str) -> Iterator[None]:
    config = f"--kubeconfig={plane.kubeconfig}"
    process = subprocess.Popen([sys.executable, "-m", "pyk8s", *command, config])
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    for made in running("--nodes=2", "--components=scheduler,node"):
        with _beside(made, *_METRICS_SERVER), _beside(made, *_CONTROLLERS):
            yield made


@pytest.fixture
def kubectl(
    plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Kubectl]:
    """In a namespace of its own, once metrics are served."""
    with Kubectl(plane.kubeconfig, tmp_path).in_own_namespace(request.node.originalname) as made:
        wait_until(lambda: _available(made), "the metrics API is available")
        yield made


def _available(kubectl: Kubectl) -> bool:
    found = kubectl("get", "apiservices", "-o", "json").json()["items"]
    named = {each["metadata"]["name"]: each.get("status", {}) for each in found}
    conditions = named.get("v1beta1.metrics.k8s.io", {}).get("conditions", ())
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)


def _create(kubectl: Kubectl, name: str, cpu: str, replicas: int = 1) -> None:
    """Pods of two containers, the second of which uses 10m and 8Mi."""
    made = deployment(name, replicas)
    template = made["spec"]["template"]
    template["spec"]["terminationGracePeriodSeconds"] = 0
    first = template["spec"]["containers"][0]
    first |= {"name": "main", "resources": {"requests": {"cpu": "200m", "memory": "64Mi"}}}
    small = {"requests": {"cpu": "10m", "memory": "8Mi"}}
    template["spec"]["containers"].append({**first, "name": "beside", "resources": small})
    template["metadata"]["annotations"] = {"main.simulation.pyk8s.io/cpu-usage": cpu}
    kubectl("create", "-f", "-", stdin=made)
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")


def _rows(kubectl: Kubectl, *arguments: str) -> list[list[str]]:
    return kubectl("top", *arguments, "--no-headers").words


def test_top(kubectl: Kubectl) -> None:
    """Pods and their containers, by label, in order, in all namespaces; and nodes."""
    _create(kubectl, "low", "50m")
    _create(kubectl, "high", "150m")
    wait_until(
        lambda: (
            [row[1:] for row in _rows(kubectl, "pods", "--sort-by=cpu")]
            == [["160m", "72Mi"], ["60m", "72Mi"]]
        ),
        "both pods are known",
    )
    lines = kubectl("top", "pods").lines
    assert lines[0].split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    (row,) = _rows(kubectl, "pods", "-l", "app=low")
    assert row == [row[0], "60m", "72Mi"]
    assert _rows(kubectl, "pod", row[0], "--containers") == [
        [row[0], "beside", "10m", "8Mi"],
        [row[0], "main", "50m", "64Mi"],
    ]
    everywhere = _rows(kubectl, "pods", "-A")
    assert [kubectl.namespace, *row] in everywhere
    assert _rows(kubectl, "pods", f"--field-selector=metadata.name={row[0]}") == [row]

    nodes = wait_until(lambda: _rows(kubectl, "nodes"), "nodes are known")
    assert sum(int(each[1].removesuffix("m")) for each in nodes) >= 220
    head = kubectl("top", "nodes").lines[0].split()
    assert head == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]


def test_top_of_what_is_not_there(kubectl: Kubectl) -> None:
    """As the real one says it."""
    none = kubectl("top", "pod", "nowhere", status=1)
    assert none.stderr == 'Error from server (NotFound): pods "nowhere" not found\n'
    none = kubectl("top", "node", "nowhere", status=1)
    assert none.stderr == 'Error from server (NotFound): nodes "nowhere" not found\n'
    stopped = {"metadata": {"name": "stopped"}, "kind": "Pod", "apiVersion": "v1"}
    command = {"name": "c", "image": "c", "command": ["true"]}
    stopped["spec"] = {"restartPolicy": "Never", "containers": [command]}
    kubectl("create", "-f", "-", stdin=stopped)
    kubectl("wait", "pod/stopped", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    assert kubectl("top", "pods", status=1).stderr == "error: metrics not available yet\n"


def test_printed_and_explained(kubectl: Kubectl) -> None:
    """The group is one like all others for kubectl."""
    _create(kubectl, "web", "50m")
    (row,) = wait_until(
        lambda: kubectl("get", "pods.metrics.k8s.io", "--no-headers").words, "the pod is known"
    )
    assert row[1:3] == ["60m", "72Mi"]
    named = kubectl("api-resources", "--api-group=metrics.k8s.io", "--no-headers").words
    assert named == [
        ["nodes", "metrics.k8s.io/v1beta1", "false", "NodeMetrics"],
        ["pods", "metrics.k8s.io/v1beta1", "true", "PodMetrics"],
    ]
    explained = kubectl("explain", "pods.containers.usage", "--api-version=metrics.k8s.io/v1beta1")
    assert "KIND:       PodMetrics" in explained.lines


def test_autoscale(kubectl: Kubectl) -> None:
    """A Deployment grows while its pods use more than they should, and shrinks when they do not."""
    _create(kubectl, "web", "20m")
    kubectl("autoscale", "deployment", "web", "--cpu-percent=50", "--min=1", "--max=4")
    wait_until(lambda: "ValidMetricFound" in _conditions(kubectl).values(), "metrics are read")
    assert _replicas(kubectl) == 1

    _use(kubectl, "300m")
    wait_until(lambda: _replicas(kubectl) == 4, "it has grown")
    events = kubectl("get", "events", "-o", "json").json()["items"]
    told = [each["message"] for each in events if each["reason"] == "SuccessfulRescale"]
    reason = "cpu resource utilization (percentage of request) above target"
    assert any(each.startswith("New size: ") and each.endswith(reason) for each in told)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    _use(kubectl, "5m")
    wait_until(lambda: _replicas(kubectl) == 1, "it has shrunk")


def _use(kubectl: Kubectl, cpu: str) -> None:
    """By pods that are there, and those that come."""
    annotations = {"main.simulation.pyk8s.io/cpu-usage": cpu}
    named = [f"{key}={value}" for key, value in annotations.items()]
    kubectl("annotate", "pods", "-l", "app=web", "--overwrite", *named)


def _replicas(kubectl: Kubectl) -> int:
    found = kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}")
    return int(json.loads(found.stdout))


def _conditions(kubectl: Kubectl) -> dict[str, str]:
    """Reasons by type."""
    found = kubectl("get", "hpa", "web", "-o", "json").json()["status"].get("conditions", ())
    return {each["type"]: each["reason"] for each in found}

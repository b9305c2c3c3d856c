# SPDX-License-Identifier: Apache-2.0
"""kubectl rollout on StatefulSets and DaemonSets, with the controllers that keep their history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import ControlPlane, Kubectl, wait_until
from objects import deployment

Object = dict[str, Any]


@pytest.fixture(params=["statefulset", "daemonset"])
def rolled_out(
    request: pytest.FixtureRequest, cluster: ControlPlane, tmp_path: Path
) -> Iterator[tuple[Kubectl, str]]:
    """Two revisions of an object that has no pods to wait for."""
    kind: str = request.param
    namespace = (
        f"rollout-{kind}-{request.node.originalname.removeprefix('test_').replace('_', '-')}"
    )
    kubectl = Kubectl(cluster.kubeconfig, tmp_path, namespace)
    kubectl("create", "namespace", namespace)
    kubectl("create", "-f", "-", stdin=_without_pods(kind))
    what = f"{kind}/web"
    _wait_for(kubectl, what, ["1"])
    kubectl("set", "image", what, "main=nginx:2")
    _wait_for(kubectl, what, ["1", "2"])
    yield kubectl, what
    kubectl("delete", "namespace", namespace, "--wait=false")


def _without_pods(kind: str) -> Object:
    made = deployment("web", 0)
    if kind == "statefulset":
        made["kind"] = "StatefulSet"
        made["spec"]["serviceName"] = "web"
    else:
        made["kind"] = "DaemonSet"
        del made["spec"]["replicas"]
        made["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "true"}
    return made


def _history(kubectl: Kubectl, what: str) -> list[str]:
    words = kubectl("rollout", "history", what).words
    return [line[0] for line in words if line and line[0].isdigit()]


def _wait_for(kubectl: Kubectl, what: str, revisions: list[str]) -> None:
    wait_until(lambda: _history(kubectl, what) == revisions, f"{what} has {revisions}")


def _template(kubectl: Kubectl, what: str) -> Object:
    printed = kubectl("get", what, "-o", "jsonpath={.spec.template}").stdout
    parsed: Object = json.loads(printed)
    return parsed


def test_status(rolled_out: tuple[Kubectl, str]) -> None:
    """It ends once the controller has seen the newest generation."""
    kubectl, what = rolled_out
    assert "roll" in kubectl("rollout", "status", what, "--timeout=20s").stdout


def test_undo(rolled_out: tuple[Kubectl, str]) -> None:
    """The template of before is the newest revision, and the old number is gone."""
    kubectl, what = rolled_out
    assert kubectl("rollout", "undo", what).stdout.endswith("rolled back\n")
    _wait_for(kubectl, what, ["2", "3"])
    assert _template(kubectl, what)["spec"]["containers"][0]["image"] == "nginx:1.27"
    kubectl("rollout", "undo", what, "--to-revision=2")
    _wait_for(kubectl, what, ["3", "4"])
    assert _template(kubectl, what)["spec"]["containers"][0]["image"] == "nginx:2"


def test_restart_and_history(rolled_out: tuple[Kubectl, str]) -> None:
    """A restart is a revision of its own, and each revision shows its template."""
    kubectl, what = rolled_out
    kubectl("rollout", "restart", what)
    _wait_for(kubectl, what, ["1", "2", "3"])
    annotations = _template(kubectl, what)["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations
    assert "nginx:1.27" in kubectl("rollout", "history", what, "--revision=1").stdout

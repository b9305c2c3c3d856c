# SPDX-License-Identifier: Apache-2.0
"""kubectl."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path

import yaml
from cluster import Kubectl
from objects import deployment

from conformance.client import Object


def test_api_versions(kubectl: Kubectl) -> None:
    """[sig-cli] Kubectl client Kubectl api-versions should check if v1 is in available api
    versions [Conformance]"""
    assert "v1" in kubectl("api-versions").lines


def test_cluster_info(kubectl: Kubectl, kubeconfig: Path) -> None:
    """[sig-cli] Kubectl client Kubectl cluster-info should check if Kubernetes control plane
    services is included in cluster-info [Conformance]"""
    printed = kubectl("cluster-info").lines[0]
    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    assert "Kubernetes control plane" in printed
    assert "is running at" in printed
    assert server in printed


def test_diff(kubectl: Kubectl) -> None:
    """[sig-cli] Kubectl client Kubectl diff should check if kubectl diff finds a difference for
    Deployments [Conformance]"""
    # No replicas: nothing is to run.
    live = deployment("httpd-deployment", replicas=0)
    kubectl("create", "-f", "-", stdin=live)
    assert kubectl("diff", "-f", "-", stdin=live).stdout == ""
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "busybox:1.29"
    lines = kubectl("diff", "-f", "-", stdin=live, status=1).lines
    images = [line.replace(" ", "") for line in lines if "image:" in line]
    assert images == ["--image:nginx:1.27", "+-image:busybox:1.29"]


def _container(kubectl: Kubectl, name: str) -> Object:
    (container,) = kubectl("get", "pod", name, "-o", "json").json()["spec"]["containers"]
    found: Object = container
    return found


def test_run(kubectl: Kubectl) -> None:
    """[sig-cli] Kubectl client Kubectl run pod should create a pod from an image when restart is
    Never [Conformance]"""
    name, image = "e2e-test-httpd-pod", "httpd:2.4"
    kubectl("run", name, "--restart=Never", "--pod-running-timeout=2m0s", f"--image={image}")
    pod = kubectl("get", "pod", name, "-o", "json").json()
    assert pod["spec"]["restartPolicy"] == "Never"
    assert _container(kubectl, name)["image"] == image
    kubectl("delete", "pod", name, "--grace-period=0", "--force")


def test_dry_run(kubectl: Kubectl) -> None:
    """[sig-cli] Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run
    update Pods [Conformance]"""
    name, image = "e2e-test-httpd-pod", "httpd:2.4"
    kubectl("run", name, f"--image={image}", "--labels=run=" + name)
    patch = {"spec": {"containers": [{"name": name, "image": "busybox:1.29"}]}}
    shown = kubectl("patch", "pod", name, "-p", json.dumps(patch), "--dry-run=server", "-o", "json")
    assert shown.json()["spec"]["containers"][0]["image"] == "busybox:1.29"
    assert _container(kubectl, name)["image"] == image
    kubectl("delete", "pod", name, "--grace-period=0", "--force")


def test_version(kubectl: Kubectl) -> None:
    """[sig-cli] Kubectl client Kubectl version should check is all data is printed
    [Conformance]"""
    printed = kubectl("version").lines
    for side in ("Client Version: v", "Server Version: v"):
        assert [line for line in printed if line.startswith(side)]
    for side in ("clientVersion", "serverVersion"):
        version = kubectl("version", "-o", "json").json()[side]
        assert set(version) >= {
            "major",
            "minor",
            "gitVersion",
            "gitCommit",
            "gitTreeState",
            "buildDate",
            "goVersion",
            "compiler",
            "platform",
        }


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def _api_versions(connection: http.client.HTTPConnection) -> list[str]:
    try:
        connection.request("GET", "/api/")
        answer = connection.getresponse()
        assert answer.status == 200
        found: list[str] = json.load(answer)["versions"]
    finally:
        connection.close()
    return found


def test_proxy_by_unix_socket(kubectl: Kubectl, tmp_path: Path) -> None:
    """[sig-cli] Kubectl client Proxy server should support --unix-socket=/path [Conformance]"""
    path = tmp_path / "test"
    with kubectl.following("proxy", f"--unix-socket={path}") as lines:
        lines.until(lambda line: "Starting to serve on" in line)
        assert _api_versions(_UnixConnection(path)) == ["v1"]


def test_proxy_by_any_port(kubectl: Kubectl) -> None:
    """[sig-cli] Kubectl client Proxy server should support proxy with --port 0 [Conformance]"""
    with kubectl.following("proxy", "-p", "0", "--disable-filter") as lines:
        line = lines.until(lambda line: "Starting to serve on" in line)
        host, _, port = line.rpartition(" ")[2].rpartition(":")
        assert _api_versions(http.client.HTTPConnection(host, int(port), timeout=10)) == ["v1"]

# SPDX-License-Identifier: Apache-2.0
"""kubectl and the official client through the server to a kubelet: logs, exec, attach, cp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kubernetes
import kubernetes.stream
import pytest
from cluster import ControlPlane, Http, Kubectl
from kubelet import Kubelet
from objects import pod


@pytest.fixture(scope="module")
def kubelet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    with Kubelet(tmp_path_factory.mktemp("kubelet")).running() as running:
        yield running


@pytest.fixture
def web(http: Http, kubectl: Kubectl, kubelet: Kubelet) -> Iterator[Kubectl]:
    """A running Pod `web`, whose containers are this machine."""
    node = f"node-{kubectl.namespace}"
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
    }
    http.create("/api/v1/nodes", {"metadata": {"name": node}, "status": status})
    running = pod("web")
    running["spec"]["nodeName"] = node
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods"
    http.create(path, running)
    assert http.patch(f"{path}/web/status", {"status": {"phase": "Running"}}).status == 200
    yield kubectl
    http("DELETE", f"/api/v1/nodes/{node}")


def test_logs(web: Kubectl) -> None:
    """`logs` prints the kubelet's lines."""
    assert web("logs", "web").stdout == "one\ntwo\n"


def test_logs_of_a_container_that_is_not_there(web: Kubectl) -> None:
    """A container that is not there is refused before anybody is asked."""
    assert web("logs", "web", "-c", "none", status=1).stderr.rstrip() == (
        "error: container none is not valid for pod web"
    )


def test_exec(web: Kubectl) -> None:
    """Output and errors arrive apart, and the exit status is the command's."""
    done = web("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 3", status=3)
    assert done.stdout == "out\n"
    assert done.stderr.splitlines()[0] == "err"


def test_exec_with_input(web: Kubectl) -> None:
    """Input goes in, and its end too."""
    assert web("exec", "-i", "web", "--", "tr", "a-z", "A-Z", stdin="hello").stdout == "HELLO"


def test_exec_with_much_output(web: Kubectl) -> None:
    """Nothing gets lost of what does not fit into any buffer."""
    done = web("exec", "web", "--", "sh", "-c", "yes 0123456789abcde | head -n 200000")
    assert len(done.stdout) == 200000 * 16


def test_attach(web: Kubectl) -> None:
    """`attach -i` speaks with what runs."""
    assert web("attach", "-i", "web", stdin="hello").stdout == "hello"


def test_cp(web: Kubectl, kubelet: Kubelet, tmp_path: Path) -> None:
    """`cp` in both directions, byte by byte."""
    content = bytes(range(256)) * 4096
    (tmp_path / "there").write_bytes(content)
    web("cp", str(tmp_path / "there"), f"web:{kubelet.directory}/copy")
    assert (kubelet.directory / "copy").read_bytes() == content
    web("cp", f"web:{kubelet.directory}/copy", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content


def test_exec_where_nobody_runs(kubectl: Kubectl) -> None:
    """A Pod on no node: the server's words."""
    kubectl("create", "-f", "-", stdin=pod("idle"))
    refused = kubectl("exec", "idle", "--", "ls", status=1).stderr
    assert "pod idle does not have a host assigned" in refused


def test_python_client(web: Kubectl, control_plane: ControlPlane) -> None:
    """The official client's exec, by WebSocket v4, and its logs."""
    configured = kubernetes.config.new_client_from_config(str(control_plane.kubeconfig))
    with configured as client:
        core = kubernetes.client.CoreV1Api(client)
        assert core.read_namespaced_pod_log("web", web.namespace) == "one\ntwo\n"
        stream = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec,
            "web",
            web.namespace,
            command=["sh", "-c", "read line; echo got $line; exit 4"],
            stdin=True,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
        stream.write_stdin("this\n")
        assert stream.readline_stdout(timeout=20) == "got this"
        stream.run_forever(timeout=20)
        assert stream.returncode == 4
        # `close` leaves the socket open when the other end was first.
        stream.sock.shutdown()

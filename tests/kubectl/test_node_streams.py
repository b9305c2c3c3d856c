# SPDX-License-Identifier: Apache-2.0
"""kubectl through the server to the containers of a simulated node: logs, exec, attach, debug."""

from __future__ import annotations

import contextlib
import itertools
import json
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import kubernetes
import kubernetes.stream
import pytest
from cluster import SECONDS_MAX, Access, ControlPlane, Http, Kubectl, Object, wait_until

Answer = tuple[int, str]

MARK = "[pyk8s] simulated container: no process runs here"


_namespaces = itertools.count(1)


def _namespace(cluster: ControlPlane, home: Path) -> Iterator[Kubectl]:
    name = f"streams-{next(_namespaces)}"
    found = Kubectl(cluster.kubeconfig, home, name)
    found("create", "namespace", name)
    found("wait", "--for=create", "serviceaccount/default", "--timeout=20s")
    yield found
    found("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds what kubectl knows of the server."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def kubectl(cluster: ControlPlane, home: Path) -> Iterator[Kubectl]:
    """kubectl in a namespace of its own, in a cluster with a node."""
    yield from _namespace(cluster, home)


@pytest.fixture(scope="module")
def shared(cluster: ControlPlane, home: Path) -> Iterator[Kubectl]:
    yield from _namespace(cluster, home)


def _pod(name: str, *command: str, **more: object) -> Object:
    container = {"name": "c", "image": "example.com/app:1", "command": [*command], **more}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }


def _create(kubectl: Kubectl, pod: Object, phase: str) -> None:
    kubectl("create", "-f", "-", stdin=pod)
    name = pod["metadata"]["name"]
    kubectl("wait", f"--for=jsonpath={{.status.phase}}={phase}", f"pod/{name}", "--timeout=20s")


@pytest.fixture(scope="module")
def web(shared: Kubectl) -> Kubectl:
    """A running Pod `web` with environment and files from a ConfigMap and a Secret. Tests look at
    it, and leave it running."""
    level = {"name": "settings", "key": "level"}
    deep = {"secretName": "s", "items": [{"key": "k", "path": "deep/k"}]}
    pod = _pod(
        "web",
        "/app/server",
        env=[
            {"name": "GREETING", "value": "hello world"},
            {"name": "LEVEL", "valueFrom": {"configMapKeyRef": level}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        volumeMounts=[
            {"name": "settings", "mountPath": "/etc/settings"},
            {"name": "secret", "mountPath": "/etc/secret"},
        ],
    )
    pod["spec"]["volumes"] = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "secret", "secret": deep},
    ]
    shared("create", "configmap", "settings", "--from-literal=level=debug")
    shared("create", "secret", "generic", "s", "--from-literal=k=hidden")
    _create(shared, pod, "Running")
    return shared


# --- logs


def test_logs(kubectl: Kubectl) -> None:
    """What a command echoes stands in the log, after a line that says what kind of log it is."""
    _create(kubectl, _pod("job", "sh", "-c", "echo one; echo 'two  three'"), "Succeeded")
    assert kubectl("logs", "job").lines == [MARK, "one", "two  three"]


def test_parts_of_logs(kubectl: Kubectl) -> None:
    """The last lines, the first bytes, and moments before the lines."""
    _create(kubectl, _pod("job", "sh", "-c", "echo one; echo two"), "Succeeded")
    assert kubectl("logs", "job", "--tail=1").stdout == "two\n"
    assert kubectl("logs", "job", "--limit-bytes=7").stdout == MARK[:7]
    moment, line = kubectl("logs", "job", "--tail=1", "--timestamps").stdout.split(" ")
    assert line == "two\n"
    assert moment.endswith("Z")
    assert kubectl("logs", "job", "--since-time=2999-01-01T00:00:00Z").stdout == ""


def test_logs_are_followed(kubectl: Kubectl) -> None:
    """`logs -f` gets lines as they are printed, and ends with the container."""
    script = "echo one; sleep 1; echo two; sleep 600"
    _create(kubectl, _pod("job", "sh", "-c", script), "Running")
    with kubectl.following("logs", "-f", "job") as lines:
        assert [lines.next() for _ in range(3)] == [MARK, "one", "two"]
        kubectl("delete", "pod", "job", "--grace-period=1")
        assert lines.next() is None


def test_logs_of_the_run_before(kubectl: Kubectl) -> None:
    """`logs --previous` is refused until there was one."""
    pod = _pod("job", "sh", "-c", "echo once; exit 1")
    pod["spec"]["restartPolicy"] = "Always"
    kubectl("create", "-f", "-", stdin=pod)
    count = "jsonpath={.status.containerStatuses[0].restartCount}"
    wait_until(lambda: kubectl("get", "pod", "job", "-o", count).stdout == "1", "it ran again")
    assert kubectl("logs", "job", "--previous").lines == [MARK, "once"]
    _create(kubectl, _pod("other", "/app/server"), "Running")
    refused = kubectl("logs", "other", "--previous", status=1).stderr
    assert 'previous terminated container "c" in pod "other" not found' in refused


# --- exec


@pytest.mark.parametrize(
    ("command", "output"),
    [
        pytest.param(["echo", "a", "b"], "a b\n", id="echo"),
        pytest.param(["hostname"], "web\n", id="hostname"),
        pytest.param(
            ["sh", "-c", 'echo "$GREETING"; echo $LEVEL'], "hello world\ndebug\n", id="variables"
        ),
        pytest.param(["sh", "-c", "echo '$POD' ${POD}"], "$POD web\n", id="quotes"),
        pytest.param(["cat", "/etc/settings/level"], "debug", id="a file of a ConfigMap"),
        pytest.param(["cat", "/etc/secret/deep/k"], "hidden", id="a file of a Secret"),
        pytest.param(["sh", "-c", "false || echo no && true"], "no\n", id="operators"),
    ],
)
def test_exec(web: Kubectl, command: list[str], output: str) -> None:
    """Commands that are simulated print what they would."""
    assert web("exec", "web", "--", *command).stdout == output


def test_exit_codes(web: Kubectl) -> None:
    """The exit status of `exec` is the command's; errors arrive apart from output."""
    web("exec", "web", "--", "false", status=1)
    web("exec", "web", "--", "sh", "-c", "exit 42", status=42)
    done = web("exec", "web", "--", "cat", "/etc/settings/none", status=1)
    assert done.stdout == ""
    assert "cat: /etc/settings/none: No such file or directory" in done.stderr


def test_files_stay(web: Kubectl) -> None:
    """What a command leaves behind the next one finds."""
    web("exec", "web", "--", "sh", "-c", "echo ok > /tmp/health")
    assert web("exec", "web", "--", "cat", "/tmp/health").stdout == "ok\n"
    web("exec", "web", "--", "rm", "/tmp/health")
    done = web("exec", "web", "--", "cat", "/tmp/health", status=1)
    assert "cat: /tmp/health: No such file or directory" in done.stderr


def test_cp(web: Kubectl, tmp_path: Path) -> None:
    """kubectl cp brings files there and back, whatever is in them; what an image has, it cannot."""
    content = bytes(range(256)) * 5
    (tmp_path / "there").write_bytes(content)
    web("cp", str(tmp_path / "there"), "web:/tmp/copied")
    web("cp", "web:/tmp/copied", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    web("exec", "web", "--", "mkdir", "/tmp/directory")
    web("cp", str(tmp_path / "there"), "web:/tmp/directory")
    web("exec", "web", "--", "test", "-f", "/tmp/directory/there")
    done = web("cp", "web:/etc/passwd", str(tmp_path / "passwd"), status=127)
    assert "simulated container: tar cf - /etc/passwd is not simulated" in done.stdout


@pytest.mark.parametrize(
    ("command", "named"),
    [
        pytest.param(["ls", "/"], "ls /", id="a command"),
        pytest.param(["cat", "/bin/sh"], "cat /bin/sh", id="a file of the image"),
        pytest.param(["wc", "/bin/sh"], "wc", id="another command"),
        pytest.param(["sh", "-c", "echo a | wc"], "| wc", id="a pipe"),
        pytest.param(["sh", "-c", "for i in 1 2; do echo $i; done"], "for", id="a loop"),
    ],
)
def test_what_is_not_simulated(web: Kubectl, command: list[str], named: str) -> None:
    """Anything else is refused by name, never answered wrongly."""
    done = web("exec", "web", "--", *command, status=127)
    assert f"simulated container: {named} is not simulated" in done.stderr
    assert done.stdout == ""


def test_exec_with_input(web: Kubectl) -> None:
    """stdin goes to `cat`, or is a script for `sh`."""
    assert web("exec", "-i", "web", "--", "cat", stdin="hello").stdout == "hello"
    script = "echo one\nhostname\nexit 3\necho never\n"
    assert web("exec", "-i", "web", "--", "sh", stdin=script, status=3).stdout == "one\nweb\n"


def test_exec_up_to_what_is_not_simulated(web: Kubectl) -> None:
    """What ran before a command that is not known has been printed when it is refused."""
    script = "echo one; hostname; wc; echo never"
    for done in (
        web("exec", "web", "--", "sh", "-c", script, status=127),
        web("exec", "-i", "web", "--", "sh", stdin=script, status=127),
    ):
        assert done.stdout == "one\nweb\n"
        assert "simulated container: wc is not simulated\n" in done.stderr


def test_exec_by_the_official_client(web: Kubectl, cluster: ControlPlane) -> None:
    """The Python client speaks an older protocol."""
    with kubernetes.config.new_client_from_config(str(cluster.kubeconfig)) as client:
        stream = kubernetes.stream.stream(
            kubernetes.client.CoreV1Api(client).connect_get_namespaced_pod_exec,
            "web",
            web.namespace,
            command=["sh", "-c", "echo out; exit 5"],
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        stream.run_forever(timeout=20)
        assert (stream.read_stdout(), stream.returncode) == ("out\n", 5)
        # `close` leaves the socket open when the other end was first.
        stream.sock.shutdown()


def test_exec_where_nothing_runs(kubectl: Kubectl) -> None:
    """A container that has ended takes no commands."""
    _create(kubectl, _pod("job", "true"), "Succeeded")
    refused = kubectl("exec", "job", "--", "true", status=1).stderr
    assert "cannot exec into a container in a completed pod" in refused


# --- what needs more than a simulation


def test_port_forward(web: Kubectl) -> None:
    """It says why it cannot be."""
    refused = web("port-forward", "web", ":80", status=1).stderr
    assert "the pod is simulated, so none of its ports are open to be forwarded" in refused


# --- attach and debug


def test_attach(kubectl: Kubectl) -> None:
    """A container whose program is a shell takes commands by `attach`, and ends with it."""
    _create(kubectl, _pod("shell", "sh", stdin=True), "Running")
    output = kubectl("attach", "-i", "shell", stdin="echo in there\nexit 3\n").stdout
    assert output == "in there\n"
    code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    wait_until(lambda: kubectl("get", "pod", "shell", "-o", code).stdout == "3", "it has ended")


def test_debug(web: Kubectl) -> None:
    """An ephemeral container runs beside the others, and has a log."""
    web("debug", "web", "--image=i", "-c", "d", "--attach=false", "--", "echo", "looking")
    state = "jsonpath={.status.ephemeralContainerStatuses[?(@.name=='d')].state.terminated.reason}"
    wait_until(lambda: web("get", "pod", "web", "-o", state).stdout == "Completed", "it has ended")
    assert web("logs", "web", "-c", "d").lines == [MARK, "looking"]
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    assert web("get", "pod", "web", "-o", ready).stdout == "True"


# --- the server itself


def _ask(cluster: ControlPlane, path: str, *, admin: bool = False, token: str = "") -> Answer:
    """Straight from the node, without the API server between."""
    with contextlib.closing(Http(cluster.access)) as http:
        node = http.get("/api/v1/nodes/node-0").json()
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    access = Access.from_kubeconfig(cluster.kubeconfig)
    tls = access.tls if admin else access.anonymous_tls
    # The node has signed its certificate itself.
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection = HTTPSConnection("127.0.0.1", port, context=tls, timeout=SECONDS_MAX)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_nobody_is_let_in_unknown(kubectl: Kubectl, cluster: ControlPlane) -> None:
    """Without credentials, or with wrong ones, everything is 401; without the right, 403."""
    assert _ask(cluster, "/pods")[0] == 401
    assert _ask(cluster, "/healthz", token="no-such-token")[0] == 401
    token = kubectl("create", "token", "default").stdout.strip()
    assert _ask(cluster, "/stats/summary", token=token)[0] == 403
    assert _ask(cluster, "/healthz", admin=True) == (200, "ok")


def test_numbers(kubectl: Kubectl, cluster: ControlPlane) -> None:
    """What containers use is what an annotation says, else what they request."""
    pod = _pod("used", "/app/server", resources={"requests": {"cpu": "250m", "memory": "1Gi"}})
    pod["metadata"]["annotations"] = {"simulation.pyk8s.io/memory-usage": "64Mi"}
    _create(kubectl, pod, "Running")
    node = kubectl("get", "pod", "used", "-o", "jsonpath={.spec.nodeName}").stdout
    status, text = _ask(cluster, f"/metrics/resource?node={node}", admin=True)
    assert status == 200
    of_pod = f'{{container="c",namespace="{kubectl.namespace}",pod="used"}}'
    assert f"container_memory_working_set_bytes{of_pod} {64 << 20} " in text
    assert f"container_cpu_usage_seconds_total{of_pod} " in text
    summary = json.loads(_ask(cluster, f"/stats/summary?node={node}", admin=True)[1])
    (found,) = (
        each for each in summary["pods"] if each["podRef"]["namespace"] == kubectl.namespace
    )
    assert found["cpu"]["usageNanoCores"] == 250_000_000
    assert summary["node"]["nodeName"] == node
    assert summary["node"]["cpu"]["usageNanoCores"] >= 250_000_000
    assert _ask(cluster, "/stats/summary?node=none", admin=True)[0] == 400


def test_metrics_of_the_process(cluster: ControlPlane) -> None:
    """Under the names that every component has."""
    status, text = _ask(cluster, "/metrics", admin=True)
    assert status == 200
    for name in (
        'workqueue_adds_total{name="pods"}', 'rest_client_requests_total{code="200"',
        "kubernetes_build_info{", "process_resident_memory_bytes ",
    ):  # fmt: skip
        assert name in text


def test_pods_of_the_node(web: Kubectl, cluster: ControlPlane) -> None:
    """The nodes list the pods they run."""
    pods = json.loads(_ask(cluster, "/pods", admin=True)[1])["items"]
    names = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods]
    assert (web.namespace, "web") in names


def test_summary_through_the_proxy(kubectl: Kubectl) -> None:
    """The API server's proxy leads to the kubelet of the node that is asked for."""
    listed = json.loads(kubectl("get", "nodes", "-o", "json").stdout)["items"]
    for node in (listed[0], listed[-1]):
        name = node["metadata"]["name"]
        path = f"/api/v1/nodes/{name}/proxy/stats/summary"
        assert json.loads(kubectl("get", "--raw", path).stdout)["node"]["nodeName"] == name

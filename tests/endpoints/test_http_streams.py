# SPDX-License-Identifier: Apache-2.0
"""Logs, streams and proxies over HTTP: found, passed on, and refused where there is nobody."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import SECONDS_MAX, ControlPlane, Http, Object
from kubelet import Kubelet, free_port
from objects import pod, service

from pyk8s.server.apiserver import advertised


@pytest.fixture(scope="module")
def kubelet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    with Kubelet(tmp_path_factory.mktemp("kubelet")).running() as running:
        yield running


def make_node(http: Http, name: str, address: str, port: int) -> None:
    status = {
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    http.create("/api/v1/nodes", {"metadata": {"name": name}, "status": status})


@pytest.fixture
def pods(http: Http, namespace: str, kubelet: Kubelet) -> Iterator[str]:
    """The path of this test's Pods: `web` on a node with a kubelet, `idle` on none."""
    make_node(http, f"node-{namespace}", "127.0.0.1", kubelet.port)
    path = f"/api/v1/namespaces/{namespace}/pods"
    running = pod("web")
    running["spec"]["nodeName"] = f"node-{namespace}"
    http.create(path, running)
    http.create(path, pod("idle"))
    kubelet.requests.clear()
    kubelet.log = (200, ["one", "two"])
    yield path
    http("DELETE", f"/api/v1/nodes/node-{namespace}")


# --- logs


def test_log(http: Http, pods: str, kubelet: Kubelet, namespace: str) -> None:
    """The kubelet's lines as plain text; the one container is chosen, options are passed on."""
    answer = http.get(f"{pods}/web/log?tailLines=5&timestamps=true&limitBytes=10&previous=false")
    assert (answer.status, answer.content_type, answer.body) == (200, "text/plain", b"one\ntwo\n")
    assert kubelet.requests == [
        f"GET /containerLogs/{namespace}/web/main?limitBytes=10&tailLines=5&timestamps=true"
    ]


def test_log_is_followed(control_plane: ControlPlane, pods: str, kubelet: Kubelet) -> None:
    """Lines arrive while the kubelet goes on."""
    http = Http(control_plane.access)
    with http.watch(f"{pods}/web/log?follow=true") as lines:
        assert lines._answer.readline() == b"one\n"
        assert lines._answer.readline() == b"two\n"
        kubelet.may_end.set()
        assert lines.body() == b""
    kubelet.may_end.clear()
    http.close()


def test_log_of_a_pod_without_a_node(http: Http, pods: str) -> None:
    """There is none, and that is no error."""
    answer = http.get(f"{pods}/idle/log")
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    ("status", "code", "reason", "message"),
    [
        pytest.param(400, 400, "BadRequest", "it is creating", id="400"),
        pytest.param(
            500, 500, "InternalError", "Internal error occurred: it is creating", id="500"
        ),
        pytest.param(
            404, 404, "NotFound",
            "the server could not find the requested resource ( pods/log web)", id="404",
        ),
    ],
)  # fmt: skip
def test_log_refused_by_the_kubelet(
    http: Http, pods: str, kubelet: Kubelet, status: int, code: int, reason: str, message: str
) -> None:
    """A kubelet's refusal becomes a Status."""
    kubelet.log = (status, ["it is creating"])
    answer = http.get(f"{pods}/web/log")
    assert answer.status == code
    assert (answer.json()["reason"], answer.json()["message"]) == (reason, message)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        pytest.param(
            "tailLines=-1", 422,
            'PodLogOptions "web" is invalid: tailLines: Invalid value: -1: must be greater than or '
            "equal to 0",
            id="tailLines",
        ),
        pytest.param("limitBytes=0", 422, "must be greater than 0", id="limitBytes"),
        pytest.param("sinceSeconds=0", 422, "must be greater than 0", id="sinceSeconds"),
        pytest.param(
            "sinceSeconds=1&sinceTime=2026-01-02T03:04:05Z", 422,
            "at most one of `sinceTime` or `sinceSeconds` may be specified", id="both",
        ),
        pytest.param("tailLines=x", 400, 'parsing "x": invalid syntax', id="no number"),
        pytest.param(
            "container=none", 400, "container none is not valid for pod web", id="container"
        ),
    ],
)  # fmt: skip
def test_bad_log_options(http: Http, pods: str, query: str, code: int, message: str) -> None:
    """What cannot be is refused before a kubelet is asked."""
    answer = http.get(f"{pods}/web/log?{query}")
    assert answer.status == code
    assert message in answer.json()["message"]


def test_choice_of_containers(http: Http, pods: str, namespace: str) -> None:
    """With several, the client must choose, and is told between which."""
    several = pod("several")
    several["spec"]["containers"].append({"name": "side", "image": "x"})
    several["spec"]["initContainers"] = [{"name": "first", "image": "x"}]
    several["spec"]["nodeName"] = f"node-{namespace}"
    http.create(pods, several)
    answer = http.get(f"{pods}/several/log")
    assert (answer.status, answer.json()["message"]) == (
        400,
        "a container name must be specified for pod several, choose one of: [first main side]",
    )
    assert http.get(f"{pods}/several/log?container=side").status == 200


# --- nobody there


def test_nobody_there(http: Http, namespace: str) -> None:
    """A kubelet that does not answer: told in Go's words, by whom it was asked."""
    port = free_port()
    make_node(http, f"dead-{namespace}", "127.0.0.1", port)
    path = f"/api/v1/namespaces/{namespace}/pods"
    running = pod("web")
    running["spec"]["nodeName"] = f"dead-{namespace}"
    http.create(path, running)
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    answer = http.get(f"{path}/web/log")
    assert (answer.status, answer.json()["message"]) == (
        500,
        f'Get "https://127.0.0.1:{port}/containerLogs/{namespace}/web/main": {refused}',
    )
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    answer = http("POST", f"{path}/web/exec?command=ls&stdout=true", b"", headers)
    assert (answer.status, answer.json()["message"]) == (500, f"error dialing backend: {refused}")


def test_missing_node(http: Http, namespace: str) -> None:
    """404 for the Node."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    running = pod("web")
    running["spec"]["nodeName"] = "no-such-node"
    http.create(path, running)
    answer = http.get(f"{path}/web/log")
    assert (answer.status, answer.json()["message"]) == (404, 'nodes "no-such-node" not found')


def test_node_without_an_address(http: Http, namespace: str) -> None:
    """The addresses that are known are told."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    http.create("/api/v1/nodes", {"metadata": {"name": f"bare-{namespace}"}})
    running = pod("web")
    running["spec"]["nodeName"] = f"bare-{namespace}"
    http.create(path, running)
    answer = http.get(f"{path}/web/log")
    assert (answer.status, answer.json()["message"]) == (
        500,
        "no preferred addresses found; known addresses: []",
    )


# --- streams


class Raw:
    """One request as bytes, and what comes after it."""

    def __init__(self, plane: ControlPlane) -> None:
        access = plane.access
        plain = socket.create_connection((access.host, access.port), timeout=SECONDS_MAX)
        self.socket = access.tls.wrap_socket(plain, server_hostname=access.host)

    def request(self, text: str, more: bytes = b"") -> None:
        self.socket.sendall(text.replace("\n", "\r\n").encode() + b"\r\n\r\n" + more)

    def until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            part = self.socket.recv(65536)
            assert part, data
            data += part
        return data

    def rest(self) -> bytes:
        data = b""
        with contextlib.suppress(ssl.SSLError, OSError):
            while part := self.socket.recv(65536):
                data += part
        return data


@pytest.fixture
def raw(control_plane: ControlPlane) -> Iterator[Raw]:
    connection = Raw(control_plane)
    yield connection
    connection.socket.close()


def test_any_protocol_is_passed_through(raw: Raw, pods: str, kubelet: Kubelet) -> None:
    """After the switch the bytes are the two ends' own, those sent early included."""
    raw.request(
        f"POST {pods}/web/portforward?ports=80&ports=443 HTTP/1.1\nHost: x\nConnection: Upgrade\n"
        "Upgrade: SPDY/3.1\nContent-Length: 0",
        b"early ",
    )
    head = raw.until(b"\r\n\r\n" + b"early ")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Upgrade: SPDY/3.1\r\n" in head
    raw.socket.sendall(b"late")
    assert raw.until(b"late") == b"late"
    path = pods.removeprefix("/api/v1/namespaces/").replace("/pods", "/web")
    assert kubelet.requests == [f"POST /portForward/{path}?port=80%2C443"]


def test_much_is_passed_through(raw: Raw, pods: str) -> None:
    """More than any buffer holds, both ways at once."""
    raw.request(f"GET {pods}/web/portforward HTTP/1.1\nHost: x\nConnection: upgrade\nUpgrade: y")
    raw.until(b"\r\n\r\n")
    block = bytes(range(256)) * 256
    received = 0
    raw.socket.setblocking(True)
    for _ in range(64):
        raw.socket.sendall(block)
        while received < 65536 * 8:
            received += len(raw.socket.recv(65536))
            if received % len(block) == 0:
                break
    while received < 64 * len(block):
        part = raw.socket.recv(65536)
        assert part
        received += len(part)
    assert received == 64 * len(block)


def test_stream_needs_an_upgrade(http: Http, pods: str) -> None:
    """400 for a plain request."""
    answer = http.get(f"{pods}/web/exec?command=ls")
    assert (answer.status, answer.json()["message"]) == (400, "Upgrade request required")


@pytest.mark.parametrize("action", ["exec", "attach", "portforward"])
def test_stream_of_a_pod_without_a_node(http: Http, pods: str, action: str) -> None:
    """400, as for a Pod that nobody has placed."""
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    answer = http("POST", f"{pods}/idle/{action}", b"", headers)
    assert (answer.status, answer.json()["message"]) == (
        400,
        "pod idle does not have a host assigned",
    )
    assert http("POST", f"{pods}/none/{action}", b"", headers).status == 404


def test_refusal_of_the_kubelet_is_passed_on(http: Http, pods: str) -> None:
    """Its code and words reach the client, and the connection lives on."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "eA=="}
    answer = http("GET", f"{pods}/web/exec?command=ls", None, headers)
    assert answer.status == 400
    assert b"no protocol in common" in answer.body
    assert http.get(f"{pods}/web").status == 200


# --- proxies


@pytest.fixture(scope="module")
def address() -> str:
    """This host's own address: proxies lead to no loopback address."""
    found = advertised("0.0.0.0")
    assert not found.startswith("127."), "this host has no address but loopback"
    return found


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[Kubelet]:
    """A plain server on that address."""
    directory: Path = tmp_path_factory.mktemp("backend")
    with Kubelet(directory, address, tls=False).running() as running:
        yield running


@pytest.fixture
def proxied(http: Http, namespace: str, backend: Kubelet) -> str:
    """The path of a namespace with a Pod `web` and a Service `web`, both the backend's."""
    base = f"/api/v1/namespaces/{namespace}"
    served = pod("web")
    served["spec"]["containers"][0]["ports"] = [{"containerPort": backend.port}]
    http.create(f"{base}/pods", served)
    ips = {"phase": "Running", "podIP": backend.host, "podIPs": [{"ip": backend.host}]}
    assert http.patch(f"{base}/pods/web/status", {"status": ips}).status == 200
    http.create(f"{base}/services", service("web"))
    target = {"kind": "Pod", "namespace": namespace, "name": "web"}
    subset = {
        "addresses": [{"ip": backend.host, "targetRef": target}],
        "ports": [{"port": backend.port}],
    }
    http.create(f"{base}/endpoints", {"metadata": {"name": "web"}, "subsets": [subset]})
    return base


@pytest.mark.parametrize("what", ["pods/web", "services/web", "services/web:80", "pods/http:web:"])
def test_proxy(http: Http, proxied: str, backend: Kubelet, what: str) -> None:
    """Path, query and body reach the other side, credentials do not, CORS does not come back."""
    if what.endswith(":"):
        what += str(backend.port)
    headers = {"Content-Type": "text/plain", "Authorization": "Bearer x", "X-Own": "1"}
    answer = http("PUT", f"{proxied}/{what}/proxy/a%20b/c/?q=1", b"body", headers)
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    seen: Object = answer.json()
    assert (seen["method"], seen["path"], seen["body"]) == ("PUT", "/a%20b/c/?q=1", "body")
    assert seen["headers"]["x-own"] == "1"
    assert "authorization" not in seen["headers"]
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-forwarded-uri"] == f"{proxied}/{what}/proxy/a%20b/c/"


def test_proxy_passes_errors_on(http: Http, proxied: str) -> None:
    """Whatever the other side answers is the answer."""
    answer = http("GET", f"{proxied}/pods/web/proxy/x", None, {"X-Answer-Status": "418"})
    assert answer.status == 418


def test_proxy_leads_redirects_through(http: Http, proxied: str) -> None:
    """A redirect on the other side stays behind the proxy."""
    path = f"{proxied}/pods/web/proxy"
    answer = http("GET", f"{path}/x", None, {"X-Answer-Status": "302"})
    assert (answer.status, answer.headers["location"]) == (302, f"{path}/elsewhere?a=b")


def test_proxy_of_no_path(http: Http, proxied: str) -> None:
    """The root is behind a slash, so that relative links lead through the proxy."""
    path = f"{proxied}/pods/web/proxy"
    answer = http.get(f"{path}?a=b")
    assert (answer.status, answer.headers["location"]) == (301, f"{path}/?a=b")


def test_proxy_of_an_upgrade(raw: Raw, proxied: str) -> None:
    """Upgrades pass too."""
    path = f"{proxied}/services/web/proxy/ws"
    raw.request(f"GET {path} HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: tcp", b"hello")
    assert raw.until(b"hello").startswith(b"HTTP/1.1 101 ")


def test_node_proxy(http: Http, namespace: str, address: str, tmp_path: Path) -> None:
    """A node's kubelet, and other ports of the node."""
    with Kubelet(tmp_path, address).running() as kubelet:
        name = f"proxied-{namespace}"
        make_node(http, name, address, kubelet.port)
        for wanted in (name, f"{name}:{kubelet.port}", f"https:{name}:{kubelet.port}"):
            seen = http.get(f"/api/v1/nodes/{wanted}/proxy/healthz").json()
            assert (seen["method"], seen["path"]) == ("GET", "/healthz")


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        pytest.param("pods/none/proxy/", 404, 'pods "none" not found', id="pod"),
        pytest.param("pods/idle/proxy/", 400, "address not allowed", id="pod without address"),
        pytest.param(
            "pods/ftp:web:80/proxy/", 400, 'invalid pod request "ftp:web:80"', id="scheme"
        ),
        pytest.param("services/none/proxy/", 404, 'endpoints "none" not found', id="service"),
        pytest.param(
            "services/web:81/proxy/", 503, 'no service port 81 found for service "web"', id="port"
        ),
        pytest.param(
            "services/web:other/proxy/", 503, 'no endpoints available for service "web"', id="name"
        ),
    ],
)
def test_proxy_to_nowhere(http: Http, proxied: str, path: str, code: int, message: str) -> None:
    """Nothing to lead to, in upstream's words."""
    http.create(f"{proxied}/pods", pod("idle"))
    answer = http.get(f"{proxied}/{path}")
    assert (answer.status, answer.json()["message"]) == (code, message)


def test_proxy_to_a_closed_port(http: Http, proxied: str, backend: Kubelet) -> None:
    """503 and why."""
    port = free_port()
    answer = http.get(f"{proxied}/pods/web:{port}/proxy/")
    assert (answer.status, answer.json()["reason"]) == (503, "ServiceUnavailable")
    assert answer.json()["message"] == (
        f"error trying to reach service: dial tcp {backend.host}:{port}: connect: "
        "connection refused"
    )

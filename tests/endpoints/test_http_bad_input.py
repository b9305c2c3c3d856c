# SPDX-License-Identifier: Apache-2.0
"""Bad requests over HTTP: each a v1 Status with upstream's code, reason and words."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass

import pytest
from cluster import ControlPlane, Http, Object, wait_until
from objects import configmap

JSON = "application/json"


@pytest.fixture
def maps(namespace: str) -> str:
    """The path of this test's config maps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


@dataclass(frozen=True)
class Bad:
    """A POST to the config maps, and what comes of it."""

    body: bytes
    code: int
    reason: str
    message: str
    content_type: str = JSON


NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)

UNRECOGNIZED = (
    "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; "
    "json parse error: "
)

BODIES = [
    pytest.param(
        Bad(
            b'{"metadata":',
            400,
            "BadRequest",
            f'{UNRECOGNIZED}unexpected end of JSON input ({{"metadata":)',
        ),
        id="cut JSON",
    ),
    pytest.param(
        Bad(
            b"plainly no JSON",
            400,
            "BadRequest",
            f"{UNRECOGNIZED}invalid character 'p' looking for beginning of value "
            "(706c61696e6c79206e6f204a534f4e)",
        ),
        id="no JSON",
    ),
    pytest.param(
        Bad(b"", 400, "BadRequest", f"{UNRECOGNIZED}unexpected end of JSON input (<empty>)"),
        id="empty",
    ),
    pytest.param(
        Bad(b"[]", 400, "BadRequest", f"{UNRECOGNIZED}json: cannot unmarshal array into Go value"),
        id="an array",
    ),
    pytest.param(Bad(b"a: [", 400, "BadRequest", "yaml", "application/yaml"), id="malformed YAML"),
    pytest.param(
        Bad(
            b"{}",
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml",
            "text/plain",
        ),
        id="content type",
    ),
    pytest.param(
        Bad(b" " * (3 * 1024 * 1024 + 1), 413, "RequestEntityTooLarge", "limit is 3145728"),
        id="too large",
    ),
    pytest.param(
        Bad(
            b'{"apiVersion":"apps/v1","metadata":{"name":"a"}}',
            400,
            "BadRequest",
            "the API version in the data (apps/v1) does not match the expected API version (v1)",
        ),
        id="another version",
    ),
    pytest.param(
        Bad(
            b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}',
            400,
            "BadRequest",
            'Secret in version "v1" cannot be handled as a ConfigMap',
        ),
        id="another kind",
    ),
    pytest.param(
        Bad(
            b'{"metadata":{"name":"Not_A_Name"}}',
            422,
            "Invalid",
            f'ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": '
            f"{NAME_RULE}",
        ),
        id="name",
    ),
    pytest.param(
        Bad(
            b"{}",
            422,
            "Invalid",
            'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is '
            "required",
        ),
        id="no name",
    ),
    pytest.param(
        Bad(
            b'{"metadata":{"name":"a"},"data":{"x":1}}',
            400,
            "BadRequest",
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal '
            "number into Go struct field ConfigMap.data of type string",
        ),
        id="wrong type",
    ),
    pytest.param(
        Bad(
            b'{"metadata":{"name":"a","labels":{"x":"not a value"}}}',
            422,
            "Invalid",
            'metadata.labels: Invalid value: "not a value"',
        ),
        id="label",
    ),
]


@pytest.mark.parametrize("bad", BODIES)
def test_bad_bodies(http: Http, maps: str, bad: Bad) -> None:
    """The connection lives on, and nothing is stored."""
    answer = http("POST", maps, bad.body, {"Content-Type": bad.content_type})
    status = answer.json()
    assert (answer.status, status["code"], status["reason"]) == (bad.code, bad.code, bad.reason)
    assert bad.message in status["message"]
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert http.get(maps).json()["items"] == []


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        pytest.param({}, "Required value: name or generateName is required", id="none"),
        pytest.param({"name": "a/b"}, "may not contain '/'", id="slash"),
        pytest.param({"name": ".."}, "may not be '..'", id="dots"),
    ],
)
def test_bad_names_of_events(http: Http, metadata: Object, why: str) -> None:
    """Core events take almost any name, but not one that is no path segment."""
    event = {"metadata": metadata, "involvedObject": {"namespace": "default"}}
    refused = http("POST", "/api/v1/namespaces/default/events", event).json()
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert refused["details"]["causes"][0]["field"] == "metadata.name"
    assert why in refused["message"]


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        pytest.param("PUT", "", 405, "MethodNotAllowed", id="PUT of a collection"),
        pytest.param("POST", "/a", 405, "MethodNotAllowed", id="POST of an object"),
        pytest.param("PATCH", "", 405, "MethodNotAllowed", id="PATCH of a collection"),
        pytest.param("FROBNICATE", "/a", 405, "MethodNotAllowed", id="unknown method"),
        pytest.param("GET", "/a/nonsense", 404, "NotFound", id="subresource"),
        pytest.param("GET", "s", 404, "NotFound", id="resource"),
    ],
)
def test_bad_routes(http: Http, maps: str, method: str, path: str, code: int, reason: str) -> None:
    """What is not served there: 404 or 405."""
    answer = http(method, maps + path, None)
    assert (answer.status, answer.json()["reason"]) == (code, reason)


@pytest.mark.parametrize(
    "path", ["/apis/nonsense.example.com/v1/things", "/api/v2/pods", "/nonsense"]
)
def test_unknown_paths(http: Http, path: str) -> None:
    """Groups, versions and paths that do not exist are a 404."""
    assert http.get(path).status == 404


def test_patch_without_its_content_type(http: Http, maps: str) -> None:
    """A patch must say of which kind it is: 415 with the kinds there are."""
    http.create(maps, configmap("a"))
    answer = http("PATCH", f"{maps}/a", {}, {"Content-Type": JSON})
    assert answer.status == 415
    assert "application/strategic-merge-patch+json" in answer.json()["message"]


def test_anonymous(control_plane: ControlPlane) -> None:
    """Without credentials: 401, but for health and version."""
    http = Http(control_plane.access, anonymous=True)
    try:
        refused = http.get("/api/v1/namespaces")
        assert (refused.status, refused.json()["reason"]) == (401, "Unauthorized")
        for path in ("/livez", "/readyz", "/healthz", "/version", "/readyz?verbose"):
            assert http.get(path).status == 200
    finally:
        http.close()


def raw(plane: ControlPlane) -> ssl.SSLSocket:
    access = plane.access
    plain = socket.create_connection((access.host, access.port), timeout=10)
    return access.tls.wrap_socket(plain, server_hostname=access.host)


def test_half_a_body(control_plane: ControlPlane, http: Http, maps: str) -> None:
    """Who hangs up in the middle of a body leaves nothing behind."""
    head = f"POST {maps} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: 100\r\n\r\n"
    for _ in range(20):
        with raw(control_plane) as connection:
            connection.sendall(head.encode() + b'{"metadata":')
    assert http.get(maps).json()["items"] == []


def test_malformed_request_line(control_plane: ControlPlane, http: Http, maps: str) -> None:
    """What is no HTTP is refused or dropped, and the next client is served."""
    with raw(control_plane) as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        answer = connection.recv(1000)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert http.get(maps).status == 200


def test_client_that_never_reads(control_plane: ControlPlane, http: Http, maps: str) -> None:
    """A watcher that reads nothing holds up no writer and no other watcher."""
    version = http.get(maps).json()["metadata"]["resourceVersion"]
    with raw(control_plane) as silent:
        request = f"GET {maps}?watch=1&resourceVersion={version} HTTP/1.1\r\nHost: x\r\n\r\n"
        silent.sendall(request.encode())
        with http.watch(f"{maps}?watch=1&resourceVersion={version}") as events:
            began = time.monotonic()
            for number in range(40):
                http.create(maps, configmap(f"m{number}", x="x" * 100_000))
            assert len(events.names(40)) == 40
    assert time.monotonic() - began < 20


def test_many_watches_that_hang_up(control_plane: ControlPlane, http: Http, maps: str) -> None:
    """Watches whose clients are gone end: the server holds no socket for them."""
    version = http.get(maps).json()["metadata"]["resourceVersion"]
    request = f"GET {maps}?watch=1&resourceVersion={version} HTTP/1.1\r\nHost: x\r\n\r\n"
    before = control_plane.open_files()
    connections = [raw(control_plane) for _ in range(20)]
    for connection in connections:
        connection.sendall(request.encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert control_plane.open_files() >= before + 20
    for connection in connections:
        connection.close()
    wait_until(lambda: control_plane.open_files() < before + 5, "the sockets are closed")

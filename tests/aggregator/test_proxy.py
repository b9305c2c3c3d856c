# SPDX-License-Identifier: Apache-2.0
"""Requests of an aggregated group reach the Service that serves it, and its answers the client."""

from __future__ import annotations

import base64
import json
import socket

from aiohttp import web
from cluster import ControlPlane, Http, wait_until
from registering import (
    API_SERVICES,
    NAME,
    await_condition,
    condition,
    registration,
    services,
    slices,
)
from sampleserver import API_VERSION, FLUNDERS, GROUP, ROOT, Object, SampleServer


def flunder(name: str) -> Object:
    return {"apiVersion": API_VERSION, "kind": "Flunder", "metadata": {"name": name}}


def test_objects_of_another_server(http: Http, registered: SampleServer) -> None:
    """What is created, listed and deleted through this server is the other one's."""
    made = http.create(FLUNDERS, flunder("one"))
    assert registered.objects["one"] == made
    listed = http("GET", f"{FLUNDERS}?limit=5&labelSelector=a%3Db").json()
    assert [obj["metadata"]["name"] for obj in listed["items"]] == ["one"]
    assert registered.asked[-1].target == f"{FLUNDERS}?limit=5&labelSelector=a%3Db"
    assert http("DELETE", f"{FLUNDERS}/one").status == 200
    assert not registered.objects


def test_answers_come_as_they_are(http: Http, registered: SampleServer) -> None:
    """Status, headers and body of the other server are the client's to read."""

    async def teapot(request: web.Request) -> web.Response:
        return web.Response(status=418, body=b"\x00short", headers={"X-Own": "yes"})

    registered.instead[FLUNDERS] = teapot
    answer = http("GET", FLUNDERS)
    assert (answer.status, answer.body, answer.headers["X-Own"]) == (418, b"\x00short", "yes")


def test_who_asks(http: Http, registered: SampleServer) -> None:
    """The other server hears of the user from headers, from a proxy with its own certificate;
    what a client says of itself there does not get through."""
    lies = {
        "X-Remote-User": "mallory",
        "X-Remote-Group": "liars",
        "X-Remote-Uid": "1",
        "X-Remote-Extra-Scopes": "all",
    }
    assert http("GET", FLUNDERS, None, lies).status == 200
    seen = registered.asked[-1]
    assert seen.proxy == "front-proxy-client"
    assert seen.values("x-remote-user") == ["kubernetes-admin"]
    assert seen.values("x-remote-group") == ["system:masters", "system:authenticated"]
    assert seen.values("x-remote-uid") == []
    (credential,) = seen.values("x-remote-extra-authentication.kubernetes.io%2fcredential-id")
    assert credential.startswith("X509SHA256=")
    assert seen.values("x-remote-extra-scopes") == []
    assert seen.values("authorization") == []
    assert seen.values("host") == [f"{registered.host}:{registered.port}"]
    assert seen.values("audit-id")[0]


def test_no_strangers(http: Http, control_plane: ControlPlane, registered: SampleServer) -> None:
    """Who may not ask this server does not reach the other."""
    anonymous = Http(control_plane.access, anonymous=True)
    assert anonymous("GET", FLUNDERS).status == 401
    anonymous.close()
    assert registered.asked == []


def test_discovery_of_the_version(http: Http, registered: SampleServer) -> None:
    """Discovery of the group version is the other server's document."""
    answer = http("GET", ROOT)
    assert answer.json()["groupVersion"] == API_VERSION
    assert registered.asked[-1].target == ROOT


def test_watch(http: Http, registered: SampleServer) -> None:
    """Events come as they happen; who goes away ends the watch behind too."""
    with http.watch(f"{FLUNDERS}?watch=true") as events:
        assert events.status == 200
        http.create(FLUNDERS, flunder("one"))
        assert events.names(1) == [("ADDED", "one")]
        http("DELETE", f"{FLUNDERS}/one")
        assert events.names(1) == [("DELETED", "one")]
    wait_until(lambda: not registered.watchers, "the watch behind has ended")


def test_server_that_dies_in_mid_stream(http: Http, registered: SampleServer) -> None:
    """The client sees the stream break off; when the server is back, so is the API."""
    with http.watch(f"{FLUNDERS}?watch=true") as events:
        http.create(FLUNDERS, flunder("one"))
        events.names(1)
        registered.stop()
        assert events.broken()
    answer = http("GET", FLUNDERS)
    assert answer.status == 503
    assert answer.body.startswith(b"error trying to reach service: ") or answer.body == (
        b"service unavailable\n"
    )
    registered.start()
    wait_until(lambda: http("GET", FLUNDERS).status == 200, "the API is back")


def test_upgrade(http: Http, control_plane: ControlPlane, registered: SampleServer) -> None:
    """A WebSocket of the other server works, and it hears who asks."""

    async def echo(request: web.Request) -> web.StreamResponse:
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        async for message in stream:
            await stream.send_str(message.data.upper())
        return stream

    registered.instead[f"{FLUNDERS}/one/exec"] = echo
    access = control_plane.access
    key = base64.b64encode(b"0123456789abcdef").decode()
    with (
        socket.create_connection((access.host, access.port), timeout=10) as raw,
        access.tls.wrap_socket(raw, server_hostname=access.host) as line,
    ):
        line.sendall(
            f"GET {FLUNDERS}/one/exec HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nX-Remote-User: mallory\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += line.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 ")
        # A text frame of two masked bytes; the mask is all zeros.
        line.sendall(b"\x81\x82\x00\x00\x00\x00hi")
        assert line.recv(4) == b"\x81\x02HI"
    assert registered.asked[-1].values("x-remote-user") == ["kubernetes-admin"]


def test_uploads_in_pieces(http: Http, registered: SampleServer) -> None:
    """A large body arrives whole."""
    obj = {**flunder("large"), "spec": "x" * 700_000}
    assert http.create(FLUNDERS, obj)["spec"] == obj["spec"]
    assert json.loads(registered.asked[-1].body)["spec"] == obj["spec"]


def test_connections_are_used_again(http: Http, registered: SampleServer) -> None:
    """One request after another goes by one connection; when the other server has ended that,
    by the next, and no client notices."""

    def ports() -> set[int]:
        before = len(registered.ports)
        for _ in range(30):
            assert http("GET", f"{FLUNDERS}/none").status == 404
        return set(registered.ports[before:])

    # The aggregator itself asks this and that in between.
    first = ports()
    assert len(first) < 15
    registered.hang_up()
    second = ports()
    assert len(second) < 15
    assert not first & second


def test_writes_are_sent_once(http: Http, registered: SampleServer) -> None:
    """A write is never sent a second time, whatever becomes of the first."""

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    registered.instead[f"{FLUNDERS}/one"] = hang_up
    assert http("GET", FLUNDERS).status == 200
    assert http("PUT", f"{FLUNDERS}/one", flunder("one")).status == 503
    assert [seen.method for seen in registered.asked].count("PUT") == 1


def test_redirects_are_refused(http: Http, registered: SampleServer) -> None:
    """No server behind may send clients, with what they show, somewhere else."""

    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://example.com/"})

    registered.instead[FLUNDERS] = elsewhere
    answer = http("GET", FLUNDERS)
    assert answer.status == 502
    assert answer.body == b"the backend attempted to redirect this request, which is not permitted"


def test_certificate_for_another_name(http: Http, namespace: str, sample: SampleServer) -> None:
    """A server whose certificate is not for the Service is not believed."""
    http.create(
        services(namespace),
        {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": {"name": "other"},
            "spec": {"ports": [{"port": 443}]},
        },
    )
    http.create(slices(namespace), sample.endpoint_slice("other"))
    with registration(http, sample.api_service(namespace, "other")):
        await_condition(http, "True", "Passed")
        answer = http("GET", FLUNDERS)
    assert answer.status == 503
    assert b"tls: failed to verify certificate" in answer.body


def test_certificate_that_nobody_looks_at(http: Http, namespace: str, sample: SampleServer) -> None:
    """With insecureSkipTLSVerify any certificate will do."""
    http.create(
        services(namespace),
        {"metadata": {"name": "other"}, "spec": {"ports": [{"port": 8443}]}},
    )
    http.create(slices(namespace), sample.endpoint_slice("other"))
    obj = sample.api_service(namespace, "other")
    del obj["spec"]["caBundle"]
    obj["spec"]["insecureSkipTLSVerify"] = True
    obj["spec"]["service"]["port"] = 8443
    with registration(http, obj):
        await_condition(http, "True", "Passed")
        assert http("GET", FLUNDERS).status == 200


def test_bundle_that_is_none(http: Http, namespace: str, sample: SampleServer) -> None:
    """A caBundle without certificates is an error that says so."""
    bundle = base64.b64encode(b"no certificate").decode()
    with registration(http, sample.api_service(namespace, "sample", caBundle=bundle)):
        await_condition(http, "True", "Passed")
        answer = http("GET", FLUNDERS)
    assert answer.status == 500
    assert b"unable to load root certificates" in answer.body


def test_external_name(http: Http, namespace: str, sample: SampleServer) -> None:
    """A Service of type ExternalName leads to that name, and to the port of the reference."""
    spec = {"type": "ExternalName", "externalName": "localhost"}
    http.create(services(namespace), {"metadata": {"name": "named"}, "spec": spec})
    obj = sample.api_service(namespace, "named", insecureSkipTLSVerify=True)
    del obj["spec"]["caBundle"]
    obj["spec"]["service"]["port"] = sample.port
    with registration(http, obj):
        await_condition(http, "True", "Passed")
        assert http("GET", FLUNDERS).status == 200


def test_deleted_and_registered_again(http: Http, namespace: str, sample: SampleServer) -> None:
    """Without its APIService the group is gone; with a new one it is back."""
    for _ in range(2):
        with registration(http, sample.api_service(namespace, "sample")):
            await_condition(http, "True", "Passed")
            assert http("GET", FLUNDERS).status == 200
        wait_until(lambda: http("GET", FLUNDERS).status == 404, "the group is gone")


def test_not_available(http: Http, namespace: str, sample: SampleServer) -> None:
    """While the API is not available the answer is 503, in upstream's words."""
    with registration(http, sample.api_service(namespace, "nothing")):
        await_condition(http, "False", "ServiceNotFound")
        answer = http("GET", FLUNDERS)
    assert answer.status == 503
    assert answer.body == b"service unavailable\n"
    assert answer.content_type == "text/plain; charset=utf-8"


def test_local_group_taken_over(http: Http, namespace: str, sample: SampleServer) -> None:
    """An APIService with a Service decides, over a group of this server's own; without one, its
    own answers again."""
    name = "v1.storagemigration.k8s.io"
    root = "/apis/storagemigration.k8s.io/v1"
    own = http("GET", f"{API_SERVICES}/{name}").json()
    assert condition(http, name)["reason"] == "Local"

    async def taken(request: web.Request) -> web.Response:
        return web.json_response({"kind": "APIResourceList", "resources": []})

    sample.instead[root] = taken
    sample.instead[f"{root}/storageversionmigrations"] = taken
    spec = sample.api_service(namespace, "sample")["spec"]
    changed = {"service": spec["service"], "caBundle": spec["caBundle"]}
    try:
        http.patch(f"{API_SERVICES}/{name}", {"spec": changed})
        await_condition(http, "True", "Passed", name)
        assert http("GET", f"{root}/storageversionmigrations").json()["resources"] == []
        assert http("GET", root).json()["resources"] == []
    finally:
        http.patch(f"{API_SERVICES}/{name}", {"spec": {"service": None, "caBundle": None}})
    await_condition(http, "True", "Local", name)
    listed = http("GET", f"{root}/storageversionmigrations").json()
    assert listed["kind"] == "StorageVersionMigrationList"
    assert http("GET", f"{API_SERVICES}/{name}").json()["spec"] == own["spec"]


def test_group_that_is_not_there(http: Http) -> None:
    """A group that nobody has registered is a 404."""
    assert http("GET", f"/apis/{GROUP}x/v1/flunders").status == 404
    assert http("GET", f"{API_SERVICES}/{NAME}").status == 404

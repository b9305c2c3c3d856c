# SPDX-License-Identifier: Apache-2.0
"""A small API server for the aggregator to stand before: one group, flunders of
wardle.example.com/v1alpha1, kept in memory, over TLS, for front proxies alone.

It runs in a thread of its own, listens on an address that endpoints may have, and can be told to
answer a path in another way.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from cluster import SECONDS_MAX

from pyk8s.server import apiserver, certificates

GROUP = "wardle.example.com"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
ROOT = f"/apis/{API_VERSION}"
FLUNDERS = f"{ROOT}/namespaces/default/flunders"

Object = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    proxy: str
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class SampleServer:
    """`names` are those in its certificate, `proxy_ca` (PEM) is whose proxies it admits."""

    def __init__(self, directory: Path, names: list[str], proxy_ca: str) -> None:
        self.directory = directory
        files = certificates.ensure(directory, names)
        self.ca_bundle = base64.b64encode(files.ca_cert.read_bytes()).decode()
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=proxy_ca)
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._tls.load_cert_chain(files.serving_cert, files.serving_key)
        self.host = apiserver.advertised("127.0.0.1")
        self.port = 0
        self.seen: list[Seen] = []
        # What a path is answered with instead; without its query.
        self.instead: dict[str, Answer] = {}
        # The ports that requests came from, in their order.
        self.ports: list[int] = []
        self.objects: dict[str, Object] = {}
        self._changed: list[asyncio.Queue[Object | None]] = []
        self._revision = 1
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    def __enter__(self) -> SampleServer:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS_MAX)
        self._loop.close()

    def start(self) -> None:
        """Listen, again on the port it had before."""
        self.run(self._start())

    def stop(self) -> None:
        """Gone, and every connection cut."""
        self.run(self._stop())

    @property
    def asked(self) -> list[Seen]:
        """What others wanted than the aggregator itself."""
        own = ["system:kube-aggregator"]
        return [seen for seen in self.seen if seen.values("x-remote-user") != own]

    @property
    def watchers(self) -> int:
        return len(self._changed)

    def hang_up(self) -> None:
        """End every connection, as a server does whose patience is over."""
        self.run(self._hang_up())

    def call(self, function: Callable[[], object]) -> None:
        """On the server's own loop."""
        self._loop.call_soon_threadsafe(function)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS_MAX)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await self._runner.setup()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server(("", self.port), family=family)
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()

    async def _hang_up(self) -> None:
        server = self._runner.server if self._runner is not None else None
        for connection in list(server.connections if server is not None else ()):
            if connection.transport is not None:
                connection.transport.abort()

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._hang_up()
            await self._runner.cleanup()
            self._runner = None

    # --- what it serves

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.ports.append(request.transport.get_extra_info("peername")[1])
        peer = request.transport.get_extra_info("peercert") or {}
        name = next((v for rdn in peer["subject"] for k, v in rdn if k == "commonName"), "")
        body = b"" if "upgrade" in request.headers else await request.read()
        headers = [(key, value) for key, value in request.headers.items()]
        self.seen.append(Seen(request.method, request.path_qs, headers, name, body))
        if (instead := self.instead.get(request.path)) is not None:
            return await instead(request)
        document = self._document(request)
        if document is not None:
            return web.json_response(document)
        if request.path in (FLUNDERS, f"{ROOT}/flunders"):
            return await self._collection(request, body)
        if request.path.startswith(f"{FLUNDERS}/"):
            return self._one(request, body)
        return _status(404, "NotFound", "the server could not find the requested resource")

    def _document(self, request: web.Request) -> Object | None:
        return {
            f"/apis/{GROUP}": group(),
            ROOT: resource_list(),
            "/openapi/v2": openapi_v2(),
            "/openapi/v3": {"paths": {ROOT[1:]: {"serverRelativeURL": f"{_V3}?hash=1"}}},
            _V3: openapi_v3(),
        }.get(request.path)

    async def _collection(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.method == "POST":
            obj = json.loads(body)
            obj["metadata"].update(uid=str(uuid.uuid4()), namespace="default")
            obj["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
            return web.json_response(self._store("ADDED", obj), status=201)
        if request.method == "DELETE":
            for name in list(self.objects):
                self._delete(name)
            return _status(200, "", "")
        if request.query.get("watch") in ("1", "true"):
            return await self._watch(request)
        metadata = {"resourceVersion": str(self._revision)}
        items = list(self.objects.values())
        return web.json_response(
            {"kind": "FlunderList", "apiVersion": API_VERSION, "metadata": metadata, "items": items}
        )

    def _one(self, request: web.Request, body: bytes) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if name not in self.objects:
            return _status(404, "NotFound", f'flunders.{GROUP} "{name}" not found')
        if request.method == "DELETE":
            self._delete(name)
            return _status(200, "", "")
        if request.method == "PUT":
            return web.json_response(self._store("MODIFIED", json.loads(body)))
        return web.json_response(self.objects[name])

    def _store(self, kind: str, obj: Object) -> Object:
        self._revision += 1
        obj["metadata"]["resourceVersion"] = str(self._revision)
        self.objects[obj["metadata"]["name"]] = obj
        self._tell(kind, obj)
        return obj

    def _delete(self, name: str) -> None:
        self._tell("DELETED", self.objects.pop(name))

    def _tell(self, kind: str, obj: Object) -> None:
        for queue in self._changed:
            queue.put_nowait({"type": kind, "object": obj})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        queue: asyncio.Queue[Object | None] = asyncio.Queue()
        if request.query.get("resourceVersion", "0") in ("", "0"):
            for obj in self.objects.values():
                queue.put_nowait({"type": "ADDED", "object": obj})
        self._changed.append(queue)
        await answer.prepare(request)
        try:
            while (event := await queue.get()) is not None:
                await answer.write(json.dumps(event).encode() + b"\n")
        finally:
            self._changed.remove(queue)
        return answer

    # --- how it is registered

    def api_service(self, namespace: str, name: str, **spec: Any) -> Object:
        """The APIService of it behind that Service."""
        return {
            "kind": "APIService",
            "apiVersion": "apiregistration.k8s.io/v1",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "groupPriorityMinimum": 2000,
                "versionPriority": 200,
                "service": {"namespace": namespace, "name": name},
                "caBundle": self.ca_bundle,
                **spec,
            },
        }

    def endpoint_slice(self, service: str) -> Object:
        return {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv6" if ":" in self.host else "IPv4",
            "endpoints": [{"addresses": [self.host]}],
            "ports": [{"name": "", "port": self.port, "protocol": "TCP"}],
        }


def service(name: str) -> Object:
    """Without a selector: its endpoints are written by hand."""
    spec = {"ports": [{"port": 443, "protocol": "TCP", "targetPort": 443}]}
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}


def _status(code: int, reason: str, message: str) -> web.Response:
    document = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success" if code < 400 else "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return web.json_response(document, status=code)


def group() -> Object:
    version = {"groupVersion": API_VERSION, "version": VERSION}
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": GROUP,
        "versions": [version],
        "preferredVersion": version,
    }


def resource_list() -> Object:
    flunders = {
        "name": "flunders",
        "singularName": "flunder",
        "namespaced": True,
        "kind": "Flunder",
        "shortNames": ["fl"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "update", "watch"],
    }
    status = {
        "name": "flunders/status",
        "singularName": "",
        "namespaced": True,
        "kind": "Flunder",
        "verbs": ["get", "update"],
    }
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": API_VERSION,
        "resources": [flunders, status],
    }


_V3 = f"/openapi/v3{ROOT}"
_DEFINITION = "com.example.wardle.v1alpha1.Flunder"


def _flunder_schema(prefix: str) -> Object:
    return {
        "description": "A flunder is there to be looked at.",
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "description": "Standard object metadata."},
            "spec": {"type": "string", "description": "What the flunder is for."},
        },
        "x-kubernetes-group-version-kind": [
            {"group": GROUP, "version": VERSION, "kind": "Flunder"}
        ],
    }


def _operation(schema: Object) -> Object:
    return {
        "operationId": "readWardleFlunder",
        "responses": {"200": {"description": "OK", **schema}},
        "x-kubernetes-action": "get",
        "x-kubernetes-group-version-kind": {"group": GROUP, "version": VERSION, "kind": "Flunder"},
    }


def openapi_v2() -> Object:
    path = f"{ROOT}/namespaces/{{namespace}}/flunders/{{name}}"
    schema = {"schema": {"$ref": f"#/definitions/{_DEFINITION}"}}
    return {
        "swagger": "2.0",
        "info": {"title": "wardle", "version": "0.1"},
        "paths": {
            path: {"get": _operation(schema)},
            "/apis/apps/v1/": {"get": {"responses": {"200": {"description": "not its own"}}}},
        },
        "definitions": {_DEFINITION: _flunder_schema("#/definitions/")},
    }


def openapi_v3() -> Object:
    path = f"{ROOT}/namespaces/{{namespace}}/flunders/{{name}}"
    reference = {"$ref": f"#/components/schemas/{_DEFINITION}"}
    schema = {"content": {"application/json": {"schema": reference}}}
    return {
        "openapi": "3.0.0",
        "info": {"title": "wardle", "version": "0.1"},
        "paths": {path: {"get": _operation(schema)}},
        "components": {"schemas": {_DEFINITION: _flunder_schema("#/components/schemas/")}},
    }

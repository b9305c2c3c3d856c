# SPDX-License-Identifier: Apache-2.0
"""What a kubelet serves over TLS: logs, exec, attach, run, pods, stats.

All nodes of a process share the port. What concerns one node is asked through the API server's
proxy of that node, or with `?node=NAME` where there are several; a kubelet has no such parameter,
as it is one. Mirrors `pkg/kubelet/server/server.go`, answers included.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from pyk8s.apimachinery import codec, errors, meta
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources, rest
from pyk8s.client.client import Client
from pyk8s.componentbase.serving import Metrics
from pyk8s.node import environment, logs, stats, streams
from pyk8s.node.auth import Auth
from pyk8s.node.environment import Source, Token
from pyk8s.node.kubelet import Kubelet
from pyk8s.node.runtime import Container
from pyk8s.node.tokens import Tokens
from pyk8s.serving.delegation import bearer_token

# Refusals of upgrades have no colon in them: client-go would take them for YAML of a Status.
_NO_PORTS = "the pod is simulated, so none of its ports are open to be forwarded"
_NO_SPDY = "a simulated node serves no SPDY, only WebSocket with v5 or v4.channel.k8s.io"
_RESOURCES = {"ConfigMap": resources.CONFIGMAPS, "Secret": resources.SECRETS}

_PROXIED = re.compile(r"/api/v1/nodes/(?:https?:)?([^/:]+)(?::\d*)?/proxy/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _refuse(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")


class _Refused(Exception):
    """Carries the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.answer = _refuse(status, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeServer:
    """`nodes` are the names of those that are served; `now` gives seconds since the epoch."""

    kubelet: Kubelet
    client: Client
    auth: Auth
    gauge: stats.Gauge
    metrics: Metrics
    tokens: Tokens
    nodes: Collection[str]
    now: Callable[[], float] = time.time

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard])
        add = application.router.add_route
        for path, handler in (
            ("/healthz", self._health),
            ("/pods", self._pods),
            ("/containerLogs/{namespace}/{pod}/{container}", self._log),
            ("/stats/summary", self._summary),
            ("/metrics", self._metrics),
            ("/metrics/resource", self._resource_metrics),
        ):
            add("GET", path, handler)
        for path, handler in (
            ("/exec/{namespace}/{pod}/{container}", self._exec),
            ("/exec/{namespace}/{pod}/{uid}/{container}", self._exec),
            ("/attach/{namespace}/{pod}/{container}", self._attach),
            ("/attach/{namespace}/{pod}/{uid}/{container}", self._attach),
            ("/portForward/{namespace}/{pod}", self._port_forward),
            ("/portForward/{namespace}/{pod}/{uid}", self._port_forward),
        ):
            add("GET", path, handler)
            add("POST", path, handler)
        add("POST", "/run/{namespace}/{pod}/{container}", self._run)
        add("POST", "/run/{namespace}/{pod}/{uid}/{container}", self._run)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            await self._authorize(request)
            return await handler(request)
        except _Refused as refused:
            return refused.answer
        except (errors.StatusError, rest.ServerUnreachable) as error:
            return _refuse(500, str(error))

    async def _authorize(self, request: web.Request) -> None:
        certificate = request.get_extra_info("peercert")
        token = bearer_token(request.headers.get("Authorization", ""))
        user = await self.auth.user_of(certificate, token)
        if user is None:
            raise _Refused(401, "Unauthorized")
        node = next(iter(self.nodes), "")
        if not await self.auth.may(user, request.method, request.path, node):
            raise _Refused(
                403, f"Forbidden (user={user.name}, verb={request.method.lower()}, resource=nodes)"
            )

    # --- what is there

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _pods(self, request: web.Request) -> web.Response:
        pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self.kubelet.pods()}
        return _json(pods)

    def _pod(self, request: web.Request) -> Object:
        info = request.match_info
        pod = self.kubelet.pod(info["namespace"], info["pod"])
        if pod is None or info.get("uid", meta.uid(pod)) != meta.uid(pod):
            raise _Refused(404, f"pod {quoted_string(info['pod'])} does not exist")
        return pod

    def _container(self, request: web.Request, pod: Object) -> Object:
        wanted = request.match_info["container"]
        for kind in ("containers", "initContainers", "ephemeralContainers"):
            for container in pod["spec"].get(kind) or ():
                if container["name"] == wanted:
                    found: Object = container
                    return found
        text = f"container {quoted_string(wanted)} not found in pod {quoted_string(meta.name(pod))}"
        raise _Refused(404, text)

    # --- logs

    async def _log(self, request: web.Request) -> web.StreamResponse:
        pod = self._pod(request)
        container = self._container(request, pod)
        try:
            query = logs.query_of(request.query, self.now())
        except logs.BadLogQuery as error:
            raise _Refused(400, str(error)) from None
        run = self.kubelet.run_of(pod, container["name"], query.previous)
        if run is None:
            raise _Refused(400, _no_log(pod, container["name"], query.previous))
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        left = query.limit_bytes
        async for line in self._lines(pod, run, query):
            data = logs.shown(line, query)[:left]
            await answer.write(data)
            if left is not None:
                left -= len(data)
                if not left:
                    break
        await answer.write_eof()
        return answer

    async def _lines(
        self, pod: Object, run: Container, query: logs.LogQuery
    ) -> AsyncIterator[logs.Line]:
        """What was printed, and when it is followed, what is printed until the run has ended."""
        lines = logs.lines_of(run)
        printed = [line for line in lines if logs.is_over(line, run, self.now())]
        for line in printed[logs.first_of(printed, query) :]:
            yield line
        position = len(printed)
        while query.follow and run.is_running:
            while position < len(lines) and logs.is_over(lines[position], run, self.now()):
                yield lines[position]
                position += 1
            wait = lines[position].at - self.now() if position < len(lines) else None
            await self.kubelet.wait_for_change(pod, None if wait is None else max(0.0, wait))
        if query.follow:
            for line in lines[position:]:
                if logs.is_over(line, run, self.now()):
                    yield line

    # --- commands

    async def _place(self, request: web.Request) -> tuple[streams.Place, Container]:
        pod = self._pod(request)
        wanted = request.match_info["container"]
        run = self.kubelet.run_of(pod, wanted)
        if run is None or not run.is_running:
            raise _Refused(500, f"container not found ({quoted_string(wanted)})")
        container = self._container(request, pod)
        needed = environment.references(container) | environment.volume_references(pod)
        sources = {each: await self._source(pod, each) for each in needed}
        known = {each: data for each, data in sources.items() if data is not None}

        def age() -> float:
            return max(0.0, self.now() - run.started_at)

        return streams.Place(pod, container, known, run.files, age), run

    async def _source(self, pod: Object, wanted: Source) -> dict[str, bytes] | None:
        try:
            if isinstance(wanted, Token):
                return {environment.TOKEN: await self.tokens.get(pod, wanted)}
            resource = _RESOURCES[wanted.kind]
            found = await self.client.get(resource, wanted.name, meta.namespace(pod))
        except errors.StatusError as error:
            # A server without a key signs no tokens.
            if error.code not in (404, 501):
                raise
            return None
        return environment.data_of({"kind": wanted.kind, **found})

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        command = request.query.getall("command", [])
        place, _ = await self._place(request)
        if not command:
            raise _Refused(400, "you must specify at least 1 of command")

        async def talk(terminal: streams.Terminal) -> int:
            try:
                return await streams.execute(command, place, terminal)
            finally:
                self.kubelet.look_at(place.pod)

        return await self._over_websocket(request, talk)

    async def _run(self, request: web.Request) -> web.StreamResponse:
        """Out and errors in one, over plain HTTP."""
        command = request.query.get("cmd", "").split()
        place, _ = await self._place(request)
        if not command:
            raise _Refused(400, "you must specify a command")
        output = bytearray()

        async def send(_: int, data: bytes) -> None:
            output.extend(data)

        terminal = streams.Terminal(send=send, received=_nothing())
        code = await streams.execute(command, place, terminal)
        self.kubelet.look_at(place.pod)
        if code:
            text = output.decode("utf-8", "replace")
            raise _Refused(500, f"command '{' '.join(command)}' exited with {code}: {text}")
        return web.Response(body=bytes(output))

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        place, run = await self._place(request)

        async def talk(terminal: streams.Terminal) -> int:
            await terminal.write(f"{logs.MARK}\n", is_error=True)
            if terminal.stdin and streams.is_interactive(place):
                code = await streams.interact(place, terminal)
                await self.kubelet.end_container(place.pod, run, code)
                return 0
            query = logs.LogQuery(follow=True, since=self.now())
            async for line in self._lines(place.pod, run, query):
                await terminal.write(line.text, line.is_error)
            return 0

        return await self._over_websocket(request, talk)

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        self._pod(request)
        raise _Refused(501, _NO_PORTS)

    async def _over_websocket(
        self, request: web.Request, talk: Callable[[streams.Terminal], Awaitable[int]]
    ) -> web.StreamResponse:
        _check_upgrade(request)
        websocket = web.WebSocketResponse(protocols=streams.PROTOCOLS, compress=False)
        await websocket.prepare(request)

        async def send(channel: int, data: bytes) -> None:
            await websocket.send_bytes(bytes([channel]) + data)

        inputs: asyncio.Queue[bytes | None] = asyncio.Queue(_INPUTS_MAX)
        stdin = _flag(request, "input")
        terminal = streams.Terminal(
            send=send, received=_until_none(inputs), stdin=stdin, tty=_flag(request, "tty")
        )
        talking = asyncio.ensure_future(talk(terminal))
        reading = asyncio.ensure_future(_receive(websocket, inputs))
        try:
            # The input may end before the command does; a client that is gone ends both.
            await asyncio.wait({talking, reading}, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                status = streams.status_of(talking.result(), websocket.ws_protocol)
                if status:
                    await send(streams.ERROR, status)
        finally:
            for task in (talking, reading):
                task.cancel()
            with contextlib.suppress(ConnectionError):
                await websocket.close()
            await asyncio.gather(talking, reading, return_exceptions=True)
        return websocket

    # --- numbers

    def _node(self, request: web.Request) -> str:
        alone = next(iter(self.nodes)) if len(self.nodes) == 1 else ""
        # What a proxying API server was asked for names the node.
        proxied = _PROXIED.match(request.headers.get("X-Forwarded-Uri", ""))
        wanted = request.query.get("node") or (proxied[1] if proxied else alone)
        if wanted not in self.nodes:
            text = f"{len(self.nodes)} nodes are served on this port: say which with ?node=NAME"
            raise _Refused(400, text)
        return wanted

    def _usage(self, request: web.Request) -> stats.NodeUsage:
        name = self._node(request)
        # As exact as it is told, so that a rate over two moments is what is meant.
        now = round(self.now(), 3)
        return self.gauge.usage_of(name, self.kubelet.pods_of(name), now)

    async def _summary(self, request: web.Request) -> web.Response:
        return _json(stats.summary(self._usage(request)))

    async def _metrics(self, request: web.Request) -> web.Response:
        """Of the process, whatever the nodes."""
        body, content = self.metrics.page(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content})

    async def _resource_metrics(self, request: web.Request) -> web.Response:
        text = stats.resource_metrics(self._usage(request))
        content = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=text.encode(), headers={"Content-Type": content})


# As many messages of input wait for the command; then the client does.
_INPUTS_MAX = 64


async def _receive(websocket: web.WebSocketResponse, inputs: asyncio.Queue[bytes | None]) -> None:
    """Returns when the client is gone. Sizes of its terminal are for nobody."""
    async for message in websocket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == streams.STDIN and data:
            await inputs.put(data)
        elif channel == streams.CLOSE and data == bytes([streams.STDIN]):
            await inputs.put(None)


async def _until_none(inputs: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (data := await inputs.get()) is not None:
        yield data


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _check_upgrade(request: web.Request) -> None:
    """Raises _Refused for what is no WebSocket, or speaks none of our protocols."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise _Refused(501 if "Upgrade" in request.headers else 400, _NO_SPDY)
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if not {each.strip() for each in offered.split(",")} & {*streams.PROTOCOLS}:
        raise _Refused(400, _NO_SPDY)


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name) in ("1", "true")


def _json(content: Object) -> web.Response:
    return web.Response(body=codec.encode_json(content), content_type="application/json")


def _no_log(pod: Object, container: str, previous: bool) -> str:
    quoted, pod_name = quoted_string(container), quoted_string(meta.name(pod))
    if previous:
        return f"previous terminated container {quoted} in pod {pod_name} not found"
    reason = "ContainerCreating"
    status = pod.get("status") or {}
    for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for each in status.get(kind) or ():
            if each["name"] == container:
                reason = ((each.get("state") or {}).get("waiting") or {}).get("reason", reason)
    return f"container {quoted} in pod {pod_name} is waiting to start: {reason}"

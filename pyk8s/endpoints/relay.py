# SPDX-License-Identifier: Apache-2.0
"""Passing a request on to another server, and its answer back.

    Relay.get        an answer as it comes, for logs
    Relay.fetch      a whole answer, for what the server itself wants to know
    Relay.pass_on    a request and its answer, for proxies
    Relay.upgrade    the same until the other side switches protocols, then bare bytes both ways

The bytes of WebSocket and SPDY are none of our business: whoever speaks them sits at the ends.
Mirrors apimachinery's `util/proxy/upgradeaware.go`; faults are worded as Go words them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import h11

from pyk8s.apimachinery import errors
from pyk8s.endpoints.dialing import DIAL_SECONDS_MAX, DialError, HungUp, dial_fault, fault_text
from pyk8s.endpoints.forwarding import (
    CREDENTIALS,
    HOP_BY_HOP,
    Changes,
    Header,
    check,
    forwarded,
    framed,
    may_have_body,
)
from pyk8s.endpoints.lines import HEAD_BYTES_MAX, IdleLines, Line
from pyk8s.endpoints.request import ON_DISCONNECT, UPGRADE, ClientDisconnected, Duplex, Request
from pyk8s.registry.locations import Location

_READ_BYTES_MAX = 64 * 1024

_CORS = frozenset(
    b"access-control-allow-" + name for name in (b"credentials", b"headers", b"methods", b"origin")
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of another server's answer, and what comes after it."""

    status: int
    headers: list[Header]
    body: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete answer; header names are lower-case, of a repeated one the last counts."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom a Relay expects at every https location: `server_name` stands in its certificate."""

    tls: ssl.SSLContext
    server_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """`kubelet_tls` holds the credentials for kubelets; with a `peer` every https location is
    that one's. Anyone else is believed unverified. With `idle` connections are used again, by
    requests that can be sent once more should the other side hang up just then."""

    kubelet_tls: ssl.SSLContext | None = None
    peer: Peer | None = None
    idle: IdleLines | None = None

    # --- one connection

    def _tls(self, location: Location) -> tuple[ssl.SSLContext | None, str | None]:
        if location.scheme != "https":
            return None, None
        if self.peer is not None:
            return self.peer.tls, self.peer.server_name
        if location.kubelet and self.kubelet_tls is not None:
            return self.kubelet_tls, None
        return _unverified(), None

    async def _dial(self, location: Location) -> Line:
        """Raises DialError."""
        tls, name = self._tls(location)
        try:
            async with asyncio.timeout(DIAL_SECONDS_MAX):
                return Line(
                    *await asyncio.open_connection(
                        location.host, location.port, ssl=tls, server_hostname=name
                    )
                )
        except (OSError, ssl.SSLError, UnicodeError) as error:
            raise DialError(dial_fault(error, location)) from error

    @contextlib.asynccontextmanager
    async def _connected(self, location: Location) -> AsyncIterator[Line]:
        """A connection for this alone. Raises DialError."""
        line = await self._dial(location)
        try:
            yield line
        finally:
            line.writer.close()

    @contextlib.asynccontextmanager
    async def _borrowed(self, location: Location, *, fresh: bool) -> AsyncIterator[Line]:
        """A connection that others may have after this. Raises DialError."""
        address = location.host, location.port
        line = self.idle.take(address) if self.idle is not None and not fresh else None
        line = line or await self._dial(location)
        try:
            yield line
        except BaseException:
            line.writer.close()
            raise
        if self.idle is not None:
            self.idle.give(address, line)
        else:
            line.writer.close()

    # --- without an upgrade

    @contextlib.asynccontextmanager
    async def get(self, request: Request, location: Location) -> AsyncIterator[Answer]:
        """GET with no more than the client's name. Raises DialError."""
        agent = request.headers.get("user-agent", "").encode("latin-1")
        headers = [
            (b"host", location.authority.encode()), (b"user-agent", agent), (b"accept", b"*/*")
        ]  # fmt: skip
        async with self._connected(location) as line:
            self._hang_up_with(request, line.writer)
            head = h11.Request(method=b"GET", target=_target(location), headers=headers)
            line.writer.write(_sent(line.client, head) + _sent(line.client, h11.EndOfMessage()))
            yield await _answer(line.client, line.reader, location)

    async def fetch(self, location: Location, headers: Sequence[Header], bytes_max: int) -> Fetched:
        """GET with these headers, the answer read to its end. Raises DialError, also for an
        answer that is larger or breaks off."""
        own = [(b"host", location.authority.encode()), *headers]
        head = h11.Request(method=b"GET", target=_target(location), headers=own)
        try:
            return await self._fetch(location, head, bytes_max, fresh=False)
        except HungUp:
            return await self._fetch(location, head, bytes_max, fresh=True)

    async def _fetch(
        self, location: Location, head: h11.Request, bytes_max: int, *, fresh: bool
    ) -> Fetched:
        async with self._borrowed(location, fresh=fresh) as line:
            line.writer.write(_sent(line.client, head) + _sent(line.client, h11.EndOfMessage()))
            answer = await _first_answer(line, location)
            body = bytearray()
            async for chunk in answer.body:
                body += chunk
                if len(body) > bytes_max:
                    raise DialError(f"the answer is larger than {bytes_max} bytes")
        named = {name.decode("latin-1"): v.decode("latin-1") for name, v in answer.headers}
        return Fetched(answer.status, named, bytes(body))

    async def pass_on(self, request: Request, location: Location, changes: Changes) -> None:
        """The request with its headers changed, and whatever the answer is. Raises DialError."""
        headers = framed(request, [*forwarded(request, location, changes), *changes.added])
        head = h11.Request(method=request.method, target=_target(location), headers=headers)
        has_body = may_have_body(request.method, headers)
        try:
            await self._pass_on(request, location, changes, head, fresh=has_body)
        except HungUp:
            await self._pass_on(request, location, changes, head, fresh=True)

    async def _pass_on(
        self,
        request: Request,
        location: Location,
        changes: Changes,
        head: h11.Request,
        *,
        fresh: bool,
    ) -> None:
        async with self._borrowed(location, fresh=fresh) as line:
            self._hang_up_with(request, line.writer)
            line.writer.write(_sent(line.client, head))
            upload = asyncio.create_task(_upload(request, line))
            # What cannot be sent to its end has no answer to wait for.
            upload.add_done_callback(
                lambda task: (
                    None if task.cancelled() or task.exception() is None else line.writer.close()
                )
            )
            try:
                answer = await _first_answer(line, location)
                if not changes.redirects and _is_redirect(answer):
                    await _refuse_redirect(request)
                else:
                    await _download(request, answer, location)
            finally:
                upload.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError, h11.LocalProtocolError):
                    await upload

    @staticmethod
    def _hang_up_with(request: Request, writer: asyncio.StreamWriter) -> None:
        request.scope["extensions"][ON_DISCONNECT](writer.close)

    # --- with one

    async def upgrade(
        self, request: Request, location: Location, changes: Changes | None = None
    ) -> None:
        """Raises DialError; 500 when the other side answers neither with an upgrade nor with
        an error."""
        take_over = request.scope["extensions"].get(UPGRADE)
        if take_over is None:
            raise errors.bad_request("Upgrade request required")
        body = await request.body()
        head = _upgrade_head(request, location, changes or Changes())
        async with self._connected(location) as line:
            reader, writer = line.reader, line.writer
            writer.write(head + body)
            head = await _raw_head(reader)
            status = _status_of(head)
            if status == 101:
                request.response_started = True
                try:
                    client: Duplex = await take_over()
                except ConnectionResetError:
                    raise ClientDisconnected from None
                await client.write(head)
                await _splice(client, reader, writer)
            elif status >= 400:
                await _refused(request, head, reader, location)
            else:
                message = f"invalid upgrade response: status code {status}"
                raise errors.StatusError(500, "", message)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _target(location: Location) -> bytes:
    query = f"?{location.query}" if location.query else ""
    return f"{location.path or '/'}{query}".encode("latin-1")


def _sent(client: h11.Connection, event: Any) -> bytes:
    return client.send(event) or b""


async def _answer(
    client: h11.Connection, reader: asyncio.StreamReader, location: Location
) -> Answer:
    while True:
        event = await _next_event(client, reader)
        if isinstance(event, h11.Response):
            headers = [(name, value) for name, value in event.headers]
            return Answer(event.status_code, headers, _body(client, reader))
        if not isinstance(event, h11.InformationalResponse):
            raise DialError("EOF")


async def _next_event(client: h11.Connection, reader: asyncio.StreamReader) -> Any:
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError as error:
            raise DialError(f"net/http: HTTP/1.x transport connection broken: {error}") from error
        if event is not h11.NEED_DATA:
            return event
        try:
            client.receive_data(await reader.read(_READ_BYTES_MAX))
        except (OSError, ssl.SSLError) as error:
            raise DialError(fault_text(error)) from error


async def _body(client: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while isinstance(event := await _next_event(client, reader), h11.Data):
        yield bytes(event.data)


async def _first_answer(line: Line, location: Location) -> Answer:
    """Raises HungUp where the other side ended a connection that had served others before."""
    try:
        return await _answer(line.client, line.reader, location)
    except DialError as error:
        if line.reused and line.client.their_state is not h11.SEND_BODY:
            raise HungUp(str(error)) from error
        raise


async def _upload(request: Request, line: Line) -> None:
    has_length = "content-length" in request.headers
    more = request.method not in ("GET", "HEAD") or has_length
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
        if message.get("body"):
            line.writer.write(_sent(line.client, h11.Data(data=message["body"])))
            await line.writer.drain()
        more = message.get("more_body", False)
    line.writer.write(_sent(line.client, h11.EndOfMessage()))


async def _download(request: Request, answer: Answer, location: Location) -> None:
    dropped = HOP_BY_HOP | _CORS
    headers = [
        (name, _relocated(request, value, location) if name == b"location" else value)
        for name, value in answer.headers
        if name not in dropped
    ]
    await _send_answer(request, answer.status, headers, answer.body)


def _is_redirect(answer: Answer) -> bool:
    return 300 <= answer.status < 400 and any(name == b"location" for name, _ in answer.headers)


async def _refuse_redirect(request: Request) -> None:
    text = b"the backend attempted to redirect this request, which is not permitted"
    request.response_started = True
    head = [(b"content-length", b"%d" % len(text))]
    await request.send({"type": "http.response.start", "status": 502, "headers": head})
    await request.send({"type": "http.response.body", "body": text, "more_body": False})


async def _send_answer(
    request: Request, status: int, headers: Iterable[Header], body: AsyncIterator[bytes]
) -> None:
    request.response_started = True
    head = {"type": "http.response.start", "status": status, "headers": list(headers)}
    await request.send(head)
    async for chunk in body:
        await request.send({"type": "http.response.body", "body": chunk, "more_body": True})
    await request.send({"type": "http.response.body", "body": b"", "more_body": False})


def _relocated(request: Request, target: bytes, location: Location) -> bytes:
    """A redirect within the other server leads through this one again."""
    own = (f"{location.scheme}://{location.authority}".encode(), b"")
    base = request.info.path.encode("latin-1").removesuffix(location.path.encode("latin-1"))
    for prefix in own:
        path = target.removeprefix(prefix)
        if target.startswith(prefix) and path.startswith(b"/") and not path.startswith(b"//"):
            return target if path.startswith(base) else base + path
    return target


# --- upgrades


def _upgrade_head(request: Request, location: Location, changes: Changes) -> bytes:
    sent = forwarded(request, location, changes, CREDENTIALS)
    headers = [*sent, *changes.added]
    check(headers)
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), _target(location))]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _raw_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise errors.StatusError(500, "", "unexpected EOF") from error
    except (OSError, ssl.SSLError) as error:
        raise errors.StatusError(500, "", fault_text(error)) from error


def _status_of(head: bytes) -> int:
    parts = head.split(b" ", 2)
    if len(parts) < 2 or not head.startswith(b"HTTP/1.") or not parts[1][:3].isdigit():
        shown = head.split(b"\r\n", 1)[0].decode("latin-1")
        raise errors.StatusError(500, "", f'malformed HTTP response "{shown}"')
    return int(parts[1][:3])


async def _refused(
    request: Request, head: bytes, reader: asyncio.StreamReader, location: Location
) -> None:
    """An error of the other side is the client's to read, as it is."""
    client = h11.Connection(h11.CLIENT, HEAD_BYTES_MAX)
    request_line = h11.Request(method=b"GET", target=b"/", headers=[(b"host", b"x")])
    client.send(request_line)
    client.send(h11.EndOfMessage())
    client.receive_data(head)
    answer = await _answer(client, reader, location)
    await _download(request, answer, location)


async def _splice(
    client: Duplex, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Bytes both ways until either side ends; then the other is ended too, as upstream does."""

    async def up() -> None:
        while data := await client.read():
            writer.write(data)
            await writer.drain()

    async def down() -> None:
        while data := await reader.read(_READ_BYTES_MAX):
            await client.write(data)

    tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        # Either side may break off in the middle; there is nobody left to tell.
        await asyncio.gather(*tasks, return_exceptions=True)
        client.close()

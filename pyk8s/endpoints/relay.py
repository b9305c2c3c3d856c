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
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import h11

from pyk8s.apimachinery import errors
from pyk8s.endpoints.request import ON_DISCONNECT, UPGRADE, ClientDisconnected, Duplex, Request
from pyk8s.registry.locations import Location

# Go's dialer in client-go.
DIAL_SECONDS_MAX = 30.0

_READ_BYTES_MAX = 64 * 1024
_HEAD_BYTES_MAX = 1024 * 1024

Header = tuple[bytes, bytes]

# They speak of one connection, and of who the client is to this server.
_HOP_BY_HOP = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate",
        b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip
_CREDENTIALS = frozenset((b"authorization",))
_CORS = frozenset(
    b"access-control-allow-" + name for name in (b"credentials", b"headers", b"methods", b"origin")
)


class DialError(Exception):
    """Nobody answers there; the text is Go's."""


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


def _drops_nothing(name: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What becomes of a request's headers on the way: some are left out, then some are added.
    `own_host` replaces the client's Host by that of the other side. With `redirects` False an
    answer that leads elsewhere becomes a 502."""

    added: Sequence[Header] = ()
    is_dropped: Callable[[bytes], bool] = _drops_nothing
    own_host: bool = False
    redirects: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """`kubelet_tls` holds the credentials for kubelets; with a `peer` every https location is
    that one's. Anyone else is believed unverified."""

    kubelet_tls: ssl.SSLContext | None = None
    peer: Peer | None = None

    # --- one connection

    def _tls(self, location: Location) -> tuple[ssl.SSLContext | None, str | None]:
        if location.scheme != "https":
            return None, None
        if self.peer is not None:
            return self.peer.tls, self.peer.server_name
        if location.kubelet and self.kubelet_tls is not None:
            return self.kubelet_tls, None
        return _unverified(), None

    @contextlib.asynccontextmanager
    async def _connected(
        self, location: Location
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Raises DialError."""
        tls, name = self._tls(location)
        try:
            async with asyncio.timeout(DIAL_SECONDS_MAX):
                reader, writer = await asyncio.open_connection(
                    location.host, location.port, ssl=tls, server_hostname=name
                )
        except (OSError, ssl.SSLError) as error:
            raise DialError(dial_fault(error, location)) from error
        try:
            yield reader, writer
        finally:
            writer.close()

    # --- without an upgrade

    @contextlib.asynccontextmanager
    async def get(self, request: Request, location: Location) -> AsyncIterator[Answer]:
        """GET with no more than the client's name. Raises DialError."""
        agent = request.headers.get("user-agent", "").encode("latin-1")
        headers = [
            (b"host", location.authority.encode()), (b"user-agent", agent), (b"accept", b"*/*")
        ]  # fmt: skip
        async with self._connected(location) as (reader, writer):
            self._hang_up_with(request, writer)
            client = h11.Connection(h11.CLIENT, _HEAD_BYTES_MAX)
            head = h11.Request(method=b"GET", target=_target(location), headers=headers)
            writer.write(_sent(client, head) + _sent(client, h11.EndOfMessage()))
            yield await _answer(client, reader, location)

    async def fetch(self, location: Location, headers: Sequence[Header], bytes_max: int) -> Fetched:
        """GET with these headers, the answer read to its end. Raises DialError, also for an
        answer that is larger or breaks off."""
        own = [(b"host", location.authority.encode()), *headers]
        async with self._connected(location) as (reader, writer):
            client = h11.Connection(h11.CLIENT, _HEAD_BYTES_MAX)
            head = h11.Request(method=b"GET", target=_target(location), headers=own)
            writer.write(_sent(client, head) + _sent(client, h11.EndOfMessage()))
            answer = await _answer(client, reader, location)
            body = bytearray()
            async for chunk in answer.body:
                body += chunk
                if len(body) > bytes_max:
                    raise DialError(f"the answer is larger than {bytes_max} bytes")
        named = {name.decode("latin-1"): v.decode("latin-1") for name, v in answer.headers}
        return Fetched(answer.status, named, bytes(body))

    async def pass_on(self, request: Request, location: Location, changes: Changes) -> None:
        """The request with its headers changed, and whatever the answer is."""
        async with self._connected(location) as (reader, writer):
            self._hang_up_with(request, writer)
            client = h11.Connection(h11.CLIENT, _HEAD_BYTES_MAX)
            upload = asyncio.create_task(_upload(request, client, writer, location, changes))
            try:
                answer = await _answer(client, reader, location)
                if not changes.redirects and _is_redirect(answer):
                    await _refuse_redirect(request)
                    return
                await _download(request, answer, location)
            finally:
                upload.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
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
        async with self._connected(location) as (reader, writer):
            writer.write(_upgrade_head(request, location, changes or Changes()) + body)
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
            raise DialError(_fault_text(error)) from error


async def _body(client: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while isinstance(event := await _next_event(client, reader), h11.Data):
        yield bytes(event.data)


async def _upload(
    request: Request,
    client: h11.Connection,
    writer: asyncio.StreamWriter,
    location: Location,
    changes: Changes,
) -> None:
    headers = [*_forwarded(request, location, changes), *changes.added]
    names = {name for name, _ in headers}
    if b"content-length" not in names and request.method in ("POST", "PUT", "PATCH"):
        headers.append((b"transfer-encoding", b"chunked"))
    head = h11.Request(method=request.method, target=_target(location), headers=headers)
    writer.write(_sent(client, head))
    more = request.method not in ("GET", "HEAD") or b"content-length" in names
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
        if message.get("body"):
            writer.write(_sent(client, h11.Data(data=message["body"])))
            await writer.drain()
        more = message.get("more_body", False)
    writer.write(_sent(client, h11.EndOfMessage()))


def _forwarded(
    request: Request,
    location: Location,
    changes: Changes,
    dropped: frozenset[bytes] = _HOP_BY_HOP | _CREDENTIALS,
) -> list[Header]:
    """The client's headers, as far as they are for the other side."""
    headers = [
        (name, value)
        for name, value in request.scope["headers"]
        if name not in dropped and not changes.is_dropped(name)
    ]
    if changes.own_host:
        headers = [header for header in headers if header[0] != b"host"]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", location.authority.encode()))
    return _with_client(request, headers)


def _with_client(request: Request, headers: list[Header]) -> list[Header]:
    client = request.scope.get("client")
    if not client:
        return headers
    before = [value for name, value in headers if name == b"x-forwarded-for"]
    line = b", ".join([*before, client[0].encode()])
    return [*(h for h in headers if h[0] != b"x-forwarded-for"), (b"x-forwarded-for", line)]


async def _download(request: Request, answer: Answer, location: Location) -> None:
    dropped = _HOP_BY_HOP | _CORS
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
    headers = [*_forwarded(request, location, changes, _CREDENTIALS), *changes.added]
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), _target(location))]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _raw_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise errors.StatusError(500, "", "unexpected EOF") from error
    except (OSError, ssl.SSLError) as error:
        raise errors.StatusError(500, "", _fault_text(error)) from error


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
    client = h11.Connection(h11.CLIENT, _HEAD_BYTES_MAX)
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


# --- words


def dial_fault(error: Exception, location: Location) -> str:
    """What Go says of a connection that does not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"tls: {(error.reason or 'handshake failure').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {location.host}: no such host"
    if isinstance(error, TimeoutError):
        return f"dial tcp {location.authority}: i/o timeout"
    return f"dial tcp {location.authority}: connect: {_fault_text(error)}"


def _fault_text(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number is None and (found := _ERRNO.search(str(error))):
        # The loop tried several addresses of a name, and joined what became of each.
        number = int(found[1])
    return os.strerror(number).lower() if number else str(error)


_ERRNO = re.compile(r"\[Errno (\d+)\]")

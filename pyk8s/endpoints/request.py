# SPDX-License-Identifier: Apache-2.0
"""One HTTP request as the handlers see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from pyk8s.apimachinery import errors
from pyk8s.auth.user import UserInfo
from pyk8s.endpoints import requestinfo

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# In scope["extensions"], put there by the server: the client's verified certificate in DER form,
# empty without one; the certificate of the authority that vouches for it, likewise; and a
# function that takes a callback without arguments, called once when the client goes away before
# the answer is complete (at once if it is gone already).
CLIENT_CERTIFICATE = "pyk8s.client_certificate"
CLIENT_AUTHORITY = "pyk8s.client_authority"
ON_DISCONNECT = "pyk8s.on_disconnect"

# In scope["extensions"], where the protocol has it: a Pushed, for an answer that is a stream.
PUSHED = "pyk8s.pushed"

# In scope["extensions"] of a request that asks for an upgrade of its connection, where the
# protocol can be left: an async function without arguments that gives a Duplex. To be called
# once, after the body was read and before anything was answered.
UPGRADE = "pyk8s.upgrade"

# Upstream: MaxRequestBodyBytes, twice what etcd takes in one request.
BODY_BYTES_MAX = 3 * 1024 * 1024


class ClientDisconnected(Exception):
    """The client went away before its request was complete; nobody is left to answer."""


class Pushed(Protocol):
    """A way to send more of a streamed answer at once. Not while the app waits in `send`."""

    @property
    def is_writable(self) -> bool:
        """Whether the answer goes on and the client takes more now."""
        ...

    def push(self, data: bytes) -> None:
        """Send it; only where `is_writable` just said so."""
        ...


class Duplex(Protocol):
    """A connection as bare bytes. What the app does not read makes the client wait."""

    async def read(self) -> bytes:
        """What has come, at least a byte; empty when the client is gone or has ended."""
        ...

    async def write(self, data: bytes) -> None:
        """Returns when the client has taken enough for more to be worth making."""
        ...

    def close(self) -> None:
        """What is written already still goes out."""
        ...


class Request:
    """Scope, receive and send of one request, with what the filters found out.

    Header names are lower-case; of a repeated header the last value counts, but for Accept,
    whose values are joined.
    """

    __slots__ = (
        "_body",
        "audit_id",
        "headers",
        "info",
        "method",
        "query",
        "receive",
        "response_started",
        "scope",
        "send",
        "user",
        "warnings",
    )

    user: UserInfo

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.headers = _headers(scope["headers"])
        self.query = requestinfo.parse_query(scope["query_string"])
        raw_path = scope.get("raw_path") or scope["path"].encode()
        self.info = requestinfo.resolve(self.method, raw_path.decode("latin-1"), self.query)
        self.warnings: list[str] = []
        self.audit_id = ""
        self.response_started = False
        self._body: bytes | None = None

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, "" without one."""
        values = self.query.get(name)
        return values[0] if values else ""

    async def body(self) -> bytes:
        """The whole body, read once. Raises 413 over the limit, ClientDisconnected."""
        if self._body is None:
            self._body = await self._read_body()
        return self._body

    async def _read_body(self) -> bytes:
        length = self.headers.get("content-length", "")
        if length.isdigit() and int(length) > BODY_BYTES_MAX:
            raise _too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > BODY_BYTES_MAX:
                raise _too_large()
            if not message.get("more_body"):
                return b"".join(chunks) + chunk if chunks else chunk
            chunks.append(chunk)


def _too_large() -> errors.StatusError:
    return errors.request_entity_too_large(f"limit is {BODY_BYTES_MAX}")


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1")
        value = raw_value.decode("latin-1")
        if name == "accept" and name in headers:
            value = f"{headers[name]},{value}"
        headers[name] = value
    return headers

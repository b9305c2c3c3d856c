# SPDX-License-Identifier: Apache-2.0
"""One request and its answer: the ASGI side that HTTP/1.1 and HTTP/2 share.

    protocol --feed, feed_end, disconnect--> Stream --receive--> app
    protocol <------respond, write---------- Stream <---send---- app

A body that the app does not read never blocks the connection, a head that states its length
leaves together with its body, and the app can be told of a lost client without a task that waits
for it.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from pyk8s.endpoints.request import ON_DISCONNECT, PUSHED

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Header = tuple[bytes, bytes]
ASGIApp = Callable[
    [Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


class Sender(Protocol):
    """What a stream needs of its protocol. `more` False ends the answer."""

    async def respond(self, stream: Stream, body: bytes, more: bool) -> None:
        """Send `stream.status` and `stream.headers`, with whatever body there is already."""
        ...

    async def write(self, stream: Stream, body: bytes, more: bool) -> None:
        """Returns when the peer has taken enough for more to be worth making."""
        ...

    async def abandon(self, stream: Stream) -> None:
        """The app stopped in the middle: let the client see that the answer is not complete."""
        ...

    @property
    def can_push(self) -> bool:
        """Whether `push` may ever be used."""
        ...

    def is_writable(self, stream: Stream) -> bool:
        """Whether `write` would return at once."""
        ...

    def push(self, stream: Stream, body: bytes) -> None:
        """As `write` of more to come, where it would return at once."""
        ...

    def consumed(self, stream: Stream, size: int) -> None:
        """The app took `size` bytes of the request's body."""
        ...


class State(enum.Enum):
    REQUEST = enum.auto()
    HEAD_HELD = enum.auto()
    RESPONSE = enum.auto()
    UPGRADED = enum.auto()
    DONE = enum.auto()


# Looking a member up in its class costs more than all else that is done with it.
_REQUEST, _HEAD_HELD, _RESPONSE, _, _DONE = State


class Stream:
    """Lives from the request's head to the end of the answer or the loss of the client.

    `receive` and `send` are the app's. After the client is gone `send` does nothing and
    `receive` says http.disconnect.
    """

    __slots__ = (
        "_body",
        "_callbacks",
        "_end_delivered",
        "_sender",
        "_waiter",
        "disconnected",
        "headers",
        "length",
        "request_ended",
        "scope",
        "state",
        "status",
        "stream_id",
        "unread_bytes",
    )

    def __init__(self, sender: Sender, stream_id: int, scope: Scope) -> None:
        self.stream_id = stream_id
        self.scope = scope
        self.state = _REQUEST
        self.status = 0
        self.headers: list[Header] = []
        # What the answer's Content-Length says, None without one.
        self.length: int | None = None
        self.disconnected = False
        self.request_ended = False
        self.unread_bytes = 0
        self._sender = sender
        self._body: list[bytes] = []
        self._end_delivered = False
        self._waiter: asyncio.Future[None] | None = None
        self._callbacks: list[Callable[[], None]] = []
        scope["extensions"][ON_DISCONNECT] = self.on_disconnect
        if sender.can_push:
            scope["extensions"][PUSHED] = self

    @property
    def over(self) -> bool:
        return self.disconnected or self.state is _DONE

    def feed(self, data: bytes) -> None:
        """More of the request's body. What nobody will read any more is dropped."""
        if self.over:
            self._sender.consumed(self, len(data))
            return
        self._body.append(data)
        self.unread_bytes += len(data)
        self._wake()

    def feed_end(self) -> None:
        self.request_ended = True
        self._wake()

    def disconnect(self) -> None:
        """The client is gone. Wakes whoever waits to receive."""
        if self.over:
            return
        self.disconnected = True
        self._drop_body()
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        if self.disconnected:
            callback()
        else:
            self._callbacks.append(callback)

    async def run(self, app: ASGIApp) -> None:
        """Serve it. The boundary where an app's fault ends: the request fails, the connection
        lives on if it can."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:
            logger.exception("the application failed: %s", self.scope["path"])
        finally:
            # The scope must not keep the stream alive in a cycle.
            self.scope["extensions"].pop(ON_DISCONNECT, None)
            self.scope["extensions"].pop(PUSHED, None)
            if not self.over:
                await self._conclude()

    async def receive(self) -> Message:
        while True:
            if self.over:
                return {"type": "http.disconnect"}
            if self._body or (self.request_ended and not self._end_delivered):
                return self._next_part()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if self.disconnected:
            # An app that only ever sends must not keep the loop to itself.
            await asyncio.sleep(0)
            return
        if kind == "http.response.body" and self.state in (_HEAD_HELD, _RESPONSE):
            await self._send_body(message)
        elif kind == "http.response.start" and self.state is _REQUEST:
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
            self.length = stated_length(self.headers)
            if self.length is not None:
                self.state = _HEAD_HELD
            else:
                # A stream: watches rely on the head's leaving at once.
                self.state = _RESPONSE
                await self._sender.respond(self, b"", True)
        else:
            raise RuntimeError(f"unexpected ASGI message {kind} in state {self.state.name}")

    async def _send_body(self, message: Message) -> None:
        body = b"" if self.bodiless else message.get("body", b"")
        more = message.get("more_body", False)
        send = self._sender.respond if self.state is _HEAD_HELD else self._sender.write
        self.state = _RESPONSE if more else _DONE
        if not more:
            self._drop_body()
        await send(self, body, more)

    @property
    def is_writable(self) -> bool:
        """See `endpoints.request.Pushed`."""
        return self.state is _RESPONSE and not self.disconnected and self._sender.is_writable(self)

    def push(self, data: bytes) -> None:
        if not self.bodiless:
            self._sender.push(self, data)

    def mark_upgraded(self) -> None:
        """The app has the bare connection now; it ends when the app does."""
        if self.state is not State.REQUEST:
            raise RuntimeError(f"a response cannot be upgraded in state {self.state.name}")
        self.state = State.UPGRADED

    @property
    def bodiless(self) -> bool:
        """Whether the answer has no body by its nature, whatever the app sends."""
        return self.scope["method"] == "HEAD" or self.status in (204, 304)

    async def _conclude(self) -> None:
        if self.state in (_REQUEST, _HEAD_HELD):
            self.status, self.headers, self.length = 500, [(b"content-length", b"0")], 0
            self.state = _DONE
            self._drop_body()
            await self._sender.respond(self, b"", False)
        else:
            self.state = _DONE
            await self._sender.abandon(self)

    def _next_part(self) -> Message:
        body = self._take_body()
        self._end_delivered = self.request_ended
        return {"type": "http.request", "body": body, "more_body": not self.request_ended}

    def _drop_body(self) -> None:
        self._take_body()
        self._wake()

    def _take_body(self) -> bytes:
        if not self._body:
            return b""
        parts, self._body = self._body, []
        size, self.unread_bytes = self.unread_bytes, 0
        self._sender.consumed(self, size)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def stated_length(headers: list[Header]) -> int | None:
    """The length of the body as the headers state it."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return None


def path_of(target: bytes) -> tuple[str, bytes, bytes]:
    """The decoded path, the raw path and the query of a request target, in whatever form."""
    if not target.startswith((b"/", b"*")) and b"://" in target:
        _, _, rest = target.partition(b"://")
        _, slash, rest = rest.partition(b"/")
        target = slash + rest or b"/"
    raw_path, _, query = target.partition(b"?")
    path = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
    return path.decode("utf-8", "replace"), raw_path, query

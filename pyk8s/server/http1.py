# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on one connection: hypercorn's h11 protocol, made fit for watches.

What is otherwise than in hypercorn 0.18: bytes that arrive while a request is being served do
not stop the reading, so that a lost client is noticed behind a pipelined request; a body nobody
reads is discarded instead of blocking the connection for good; head, body and end of a short
answer leave in one write; there is no way from here to cleartext HTTP/2; and an app may take
over the bare connection of a request that asks for an upgrade, whatever the protocol is called.
"""

from __future__ import annotations

import asyncio
import http
from typing import TYPE_CHECKING, Any

import h11
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol

from pyk8s.endpoints.request import UPGRADE
from pyk8s.server.raw import RawConnection
from pyk8s.server.stream import Stream

if TYPE_CHECKING:
    from pyk8s.server.connection import Connection

# As much of a body as waits for the app before the peer has to wait.
UNREAD_BYTES_MAX = 256 * 1024
# As much of requests to come as is read ahead while one is served.
PIPELINED_BYTES_MAX = 64 * 1024
# A client that is still sending when its answer is complete would lose that answer to a reset if
# the connection were closed under it; so the rest is read and dropped, within these bounds.
DISCARDED_BYTES_MAX = 16 * 1024 * 1024
DISCARD_SECONDS_MAX = 2.0


class HTTP1(H11Protocol):
    """One connection's requests, one after the other."""

    def __init__(self, owner: Connection) -> None:
        super().__init__(
            owner.wrapped_app,
            owner.config,
            owner.context,
            owner.tasks,
            owner.state,
            True,
            owner.client,
            owner.server,
            owner.send,
        )
        self._owner = owner
        self._current: Stream | None = None
        self._raw: RawConnection | None = None
        self._room = asyncio.Event()
        self._paused = False
        self._discarded = 0
        self._discard_timer: asyncio.TimerHandle | None = None

    async def handle(self, event: Event) -> None:
        if isinstance(event, RawData):
            if self._raw is not None:
                await self._raw.feed(event.data)
                return
            self.connection.receive_data(event.data)
            if self._paused:
                await self._wait_for_room(len(self.connection.trailing_data[0]))
            else:
                await self._handle_events()
        elif isinstance(event, Closed):
            if self._raw is not None:
                self._raw.feed_end()
            if self._current is not None:
                self._current.disconnect()
                self._current = None
            await super().handle(event)
            self._cancel_discarding()

    async def _wait_for_room(self, pipelined_bytes: int) -> None:
        while self._paused and self._raw is None and pipelined_bytes > PIPELINED_BYTES_MAX:
            self._room.clear()
            await self._room.wait()

    async def _handle_events(self) -> None:
        while True:
            if self.connection.they_are_waiting_for_100_continue:
                await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))
            try:
                event = self.connection.next_event()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint)
                return
            if event is h11.PAUSED:
                self._paused = True
                return
            if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return
            if isinstance(event, h11.Request):
                self._owner.mark_busy()
                await self._create_stream(event)
            elif self._current is not None:
                await self._handle_body(self._current, event)

    async def _handle_body(self, stream: Stream, event: Any) -> None:
        if isinstance(event, h11.EndOfMessage):
            stream.feed_end()
            if stream.over:
                await self._recycle(stream)
            return
        stream.feed(bytes(event.data))
        while stream.unread_bytes > UNREAD_BYTES_MAX:
            self._room.clear()
            await self._room.wait()

    async def _create_stream(self, request: h11.Request) -> None:
        method = request.method.decode("ascii").upper()
        if method == "PRI":
            await self._refuse(505)
            return
        scope = self._owner.scope(
            method, request.target, request.http_version.decode("ascii"), list(request.headers)
        )
        self.keep_alive_requests += 1
        self._current = Stream(self, STREAM_ID, scope)
        if _wants_upgrade(request):
            scope["extensions"][UPGRADE] = self._take_over
        self._owner.serve(self._current)

    async def _take_over(self) -> RawConnection:
        """Give the bare connection to the app that serves the current request, which has read
        all of the request's body. Nothing of an answer may have been sent."""
        stream = self._current
        if stream is None:
            raise ConnectionResetError("the client is gone")
        stream.mark_upgraded()
        self._raw = RawConnection(self._owner, self.connection.trailing_data[0])
        self._room.set()
        return self._raw

    async def _refuse(self, status: int) -> None:
        """What came is no HTTP we speak: say so if no answer has begun, then hang up."""
        if self._current is not None:
            self._current.disconnect()
            self._current = None
        if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self._send_error_response(status)
        await self.send(Closed())

    async def respond(self, stream: Stream, body: bytes, more: bool) -> None:
        headers = stream.headers + self.config.response_headers("h11")
        if self._owner.stopping or self.keep_alive_requests >= self._owner.requests_max:
            headers.append((b"connection", b"close"))
        reason = _REASONS.get(stream.status, b"")
        head = h11.Response(status_code=stream.status, headers=headers, reason=reason)
        await self._send_parts(stream, head, body, more)

    async def write(self, stream: Stream, body: bytes, more: bool) -> None:
        await self._send_parts(stream, None, body, more)

    async def _send_parts(
        self, stream: Stream, head: h11.Response | None, body: bytes, more: bool
    ) -> None:
        if stream is not self._current:
            return
        parts = b""
        try:
            if head is not None:
                parts = self.connection.send(head)
            if body:
                parts += self.connection.send(h11.Data(data=body))
            if not more:
                parts += self.connection.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            # After the peer broke the protocol nothing may be said to it any more.
            if self.connection.their_state is h11.ERROR:
                return
            await self.send(Closed())
            raise
        if parts:
            await self.send(RawData(data=parts))
        if not more:
            await self._recycle(stream)

    async def abandon(self, stream: Stream) -> None:
        if stream is self._current:
            await self.send(Closed())

    def consumed(self, stream: Stream, size: int) -> None:
        self._room.set()
        if stream.over:
            self._discarded += size
            if self._discarded > DISCARDED_BYTES_MAX:
                self._owner.close()

    async def _recycle(self, stream: Stream) -> None:
        """Make ready for the next request, once this one is answered and read to its end."""
        if stream is not self._current:
            return
        if self.connection.their_state is h11.SEND_BODY and not self._owner.stopping:
            self._start_discarding()
            return
        self._cancel_discarding()
        self._current = None
        states = (self.connection.our_state, self.connection.their_state)
        if self._owner.stopping or states != (h11.DONE, h11.DONE):
            await self.send(Closed())
            return
        self.connection.start_next_cycle()
        self._owner.mark_idle()
        if self._paused:
            self._paused = False
            self._room.set()
            # Not here: the answered request's task must not wait for the next request's body.
            self._owner.tasks.spawn(self._handle_events)

    def _start_discarding(self) -> None:
        if self._discard_timer is None:
            loop = asyncio.get_running_loop()
            self._discard_timer = loop.call_later(DISCARD_SECONDS_MAX, self._owner.close)

    def _cancel_discarding(self) -> None:
        self._discarded = 0
        self._room.set()
        if self._discard_timer is not None:
            self._discard_timer.cancel()
            self._discard_timer = None


# Clients show the phrase and some compare it, so it is Go's; later Pythons have other words for
# two of them.
_REASONS = {status.value: status.phrase.encode() for status in http.HTTPStatus} | {
    413: b"Request Entity Too Large",
    422: b"Unprocessable Entity",
}


def _wants_upgrade(request: h11.Request) -> bool:
    headers = {name: value.lower() for name, value in request.headers}
    tokens = [token.strip() for token in headers.get(b"connection", b"").split(b",")]
    return b"upgrade" in tokens and bool(headers.get(b"upgrade"))

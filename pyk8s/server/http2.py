# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 on one connection: many requests at a time, each with its own flow control.

Written on the `h2` library, which knows the protocol and does no I/O. A writer takes from the
window what there is and waits for the rest: nothing is buffered here. A request's body opens the
window again only as the app reads it. A peer that does not read is not read from either.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from h2.config import H2Configuration
from hyperframe.frame import GoAwayFrame

from pyk8s.server.stream import Header, Stream

if TYPE_CHECKING:
    from pyk8s.server.connection import Connection

# client-go keeps every watch of a process on one connection; upstream's limit is 100 too low for
# informers of a large operator, Go's default is 250.
CONCURRENT_STREAMS_MAX = 1000
# What one request may send ahead of the app (upstream's MaxUploadBufferPerStream), and all
# together; more than the sum of a few uploads so that an unread one does not stop the others.
STREAM_WINDOW_BYTES = 256 * 1024
CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024
HEADER_LIST_BYTES_MAX = 64 * 1024
# Frames of one answer that are handed on in one write.
WRITE_BYTES_MAX = 64 * 1024


class HTTP2:
    """One connection's requests, all at once."""

    def __init__(self, owner: Connection) -> None:
        self._owner = owner
        self._streams: dict[int, Stream] = {}
        self._windows: dict[int, asyncio.Event] = {}
        self._closed = False
        self._h2 = h2.connection.H2Connection(
            H2Configuration(client_side=False, header_encoding=None)
        )
        codes = h2.settings.SettingCodes
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                codes.MAX_CONCURRENT_STREAMS: CONCURRENT_STREAMS_MAX,
                codes.MAX_HEADER_LIST_SIZE: HEADER_LIST_BYTES_MAX,
                codes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
            },
        )
        self._h2.decoder.max_header_list_size = HEADER_LIST_BYTES_MAX

    def initiate(self) -> None:
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES - 65535)
        self._flush()

    def receive(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            # What is to be said about it stands in the buffer already.
            self._close_all()
            self._flush()
            self._owner.close()
            return
        for received in events:
            self._dispatch(received)
        self._flush()

    def lost(self) -> None:
        self._close_all()

    def unsent(self, waiting: bool) -> None:
        """What the peer is told in answer to what it sends has to be taken as well."""
        self._owner.read_on(not waiting)

    def say_goodbye(self) -> None:
        """Ask the client to open no more requests here; those it has are finished."""
        frame = GoAwayFrame(0, last_stream_id=self._h2.highest_inbound_stream_id, error_code=0)
        self._owner.write(frame.serialize())

    def _dispatch(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(stream_id), headers=headers):
                self._open(stream_id, headers or [])
            case h2.events.DataReceived(stream_id=int(stream_id)):
                self._feed(stream_id, event.data or b"", event.flow_controlled_length or 0)
            case h2.events.StreamEnded(stream_id=int(stream_id)):
                if stream_id in self._streams:
                    self._streams[stream_id].feed_end()
            case h2.events.StreamReset(stream_id=int(stream_id)):
                self._drop(stream_id)
            case h2.events.WindowUpdated(stream_id=stream_id):
                self._wake(stream_id or 0)
            case h2.events.RemoteSettingsChanged():
                self._wake(0)
            case h2.events.ConnectionTerminated():
                self._close_all()
                self._owner.close()
            case _:
                pass

    def _open(self, stream_id: int, headers: list[Header]) -> None:
        if self._closed:
            return
        if self._owner.stopping:
            self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        # A client that opens and resets requests faster than their handlers notice
        # (CVE-2023-44487) has more work going than it may.
        if self._owner.running > 2 * CONCURRENT_STREAMS_MAX:
            self._h2.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            self._close_all()
            self._owner.close_soon()
            return
        request = _Request(headers)
        if not request.method or not request.target:
            self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.PROTOCOL_ERROR)
            return
        scope = self._owner.scope(request.method, request.target, "2", request.headers)
        stream = Stream(self, stream_id, scope)
        self._streams[stream_id] = stream
        self._owner.mark_busy()
        self._owner.serve(stream)

    def _feed(self, stream_id: int, data: bytes, flow_controlled_length: int) -> None:
        stream = self._streams.get(stream_id)
        unseen = flow_controlled_length
        if stream is not None:
            # Padding counts against the window but is no part of the body.
            unseen -= len(data)
            stream.feed(data)
        if unseen:
            self._h2.acknowledge_received_data(unseen, stream_id)

    def consumed(self, stream: Stream, size: int) -> None:
        if self._closed:
            return
        self._h2.acknowledge_received_data(size, stream.stream_id)
        self._flush()

    async def respond(self, stream: Stream, body: bytes, more: bool) -> None:
        if stream.stream_id not in self._streams:
            return
        headers = [(b":status", b"%d" % stream.status)]
        headers += stream.headers
        headers += self._owner.response_headers()
        ends = not more and not body
        self._h2.send_headers(stream.stream_id, headers, end_stream=ends)
        if ends:
            self._finish(stream)
            await self._flush_and_drain()
        elif body:
            await self.write(stream, body, more)
        else:
            await self._flush_and_drain()

    async def write(self, stream: Stream, body: bytes, more: bool) -> None:
        stream_id = stream.stream_id
        sent = 0
        while sent < len(body):
            if stream_id not in self._streams:
                return
            if taken := self._send_some(stream_id, body, sent, more):
                sent += taken
                if sent == len(body) and not more:
                    self._finish(stream)
                await self._flush_and_drain()
            else:
                await self._window(stream_id)
        if not body and not more and stream_id in self._streams:
            self._h2.end_stream(stream_id)
            self._finish(stream)
            await self._flush_and_drain()

    # The window may be smaller than what is to be sent.
    can_push = False

    def is_writable(self, stream: Stream) -> bool:
        return False

    def push(self, stream: Stream, body: bytes) -> None:
        raise RuntimeError("HTTP/2 writes as far as the window reaches, and waits")

    def _send_some(self, stream_id: int, body: bytes, start: int, more: bool) -> int:
        """Frames as far as the window and one write reach; how many bytes that were."""
        window = self._h2.local_flow_control_window(stream_id)
        end = min(len(body), start + min(window, WRITE_BYTES_MAX))
        for at in range(start, end, self._h2.max_outbound_frame_size):
            until = min(end, at + self._h2.max_outbound_frame_size)
            last = until == len(body) and not more
            self._h2.send_data(stream_id, body[at:until], end_stream=last)
        return max(0, end - start)

    async def _window(self, stream_id: int) -> None:
        """Wait until the peer may have opened the window, or the stream is gone. A peer that
        opens none for too long is taken for dead."""
        opened = self._windows.setdefault(stream_id, asyncio.Event())
        opened.clear()
        try:
            async with asyncio.timeout(self._owner.stall_seconds_max):
                await opened.wait()
        except TimeoutError:
            self._drop(stream_id)
            self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
            await self._flush_and_drain()

    async def abandon(self, stream: Stream) -> None:
        if stream.stream_id in self._streams:
            self._h2.reset_stream(stream.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            self._forget(stream.stream_id)
            await self._flush_and_drain()

    def _finish(self, stream: Stream) -> None:
        """The answer is complete. A client that is still sending is told to stop."""
        if not stream.request_ended:
            self._h2.reset_stream(stream.stream_id, h2.errors.ErrorCodes.NO_ERROR)
        self._forget(stream.stream_id)

    def _drop(self, stream_id: int) -> None:
        """The client does not want the answer any more."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.disconnect()
            self._forget(stream_id)

    def _forget(self, stream_id: int) -> None:
        del self._streams[stream_id]
        opened = self._windows.pop(stream_id, None)
        if opened is not None:
            opened.set()
        if not self._streams:
            if self._owner.stopping:
                self._owner.close_soon()
            else:
                self._owner.mark_idle()

    def _wake(self, stream_id: int) -> None:
        if stream_id:
            opened = self._windows.get(stream_id)
            if opened is not None:
                opened.set()
        else:
            for opened in self._windows.values():
                opened.set()

    def _close_all(self) -> None:
        self._closed = True
        for stream_id in list(self._streams):
            self._drop(stream_id)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._owner.write(data)

    async def _flush_and_drain(self) -> None:
        self._flush()
        if self._owner.unwritable:
            await self._owner.drain()


class _Request:
    """The request line of HTTP/1.1, from pseudo-headers; empty where one is missing."""

    def __init__(self, received: list[Header]) -> None:
        self.method = ""
        self.target = b""
        authority: bytes | None = None
        self.headers: list[Header] = []
        for name, value in received:
            if name == b":method":
                self.method = value.decode("latin-1").upper()
            elif name == b":path":
                self.target = value
            elif name == b":authority":
                authority = value
            elif not name.startswith(b":"):
                self.headers.append((name, value))
        if authority is not None:
            self.headers = [header for header in self.headers if header[0] != b"host"]
            self.headers.insert(0, (b"host", authority))

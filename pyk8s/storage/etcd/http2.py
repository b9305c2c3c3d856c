# SPDX-License-Identifier: Apache-2.0
"""A gRPC connection: HTTP/2 as far as a gRPC client needs it, on an asyncio protocol.

    Connection.call     one request, one answer, as bytes
    Connection.stream   one request message, then answers as they come

One connection carries all calls. Its event loop is the only thread; nothing is encoded twice:
the header block of a method is made once, and the server is told to use no dynamic header table
(RFC 7541, 4.2), so that equal answers have equal header blocks, which are remembered.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import NamedTuple, cast
from urllib.parse import unquote

import hpack

OK, CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE = 0, 1, 2, 4, 13, 14

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_CONTINUATION = 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _MAX_CONCURRENT, _INITIAL_WINDOW, _MAX_FRAME = 1, 2, 3, 4, 5
_CANCEL, _REFUSED_STREAM = 8, 7

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# What the other side may send before it hears from us again, per stream and in all.
_STREAM_WINDOW_BYTES = 16 * 2**20
_CONNECTION_WINDOW_BYTES = 2**30
_DEFAULT_WINDOW_BYTES = 65_535
_LAST_STREAM_ID = 2**31 - 1
# Header blocks that come over and over; error messages make new ones.
_REMEMBERED_BLOCKS_MAX = 256
# A connection that is silent for so long is asked, and given up when it does not answer.
KEEPALIVE_SECONDS = 30.0
KEEPALIVE_TIMEOUT_SECONDS = 10.0

_head = struct.Struct(">HBBBI")
_HEAD_BYTES = _head.size
# What may be sent to us in one frame: HTTP/2's default, which we do not raise.
_FRAME_BYTES_MAX = 16_384


class RpcError(Exception):
    """A call that did not succeed. `acted` is False where the server surely never saw it."""

    def __init__(self, code: int, message: str, *, acted: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.acted = acted


class Status(NamedTuple):
    """What a header block says of a call: HTTP status, and gRPC status where there is one."""

    http: str
    code: int | None
    message: str


class Stream:
    """The answers to one request. Read by one task."""

    __slots__ = (
        "_connection",
        "_credit",
        "_received",
        "_waiter",
        "error",
        "identity",
        "is_done",
        "last_flags",
        "messages",
        "unsent",
        "window",
    )

    def __init__(self, connection: Connection, identity: int, window: int) -> None:
        self._connection = connection
        self.identity = identity
        self.messages: deque[bytes] = deque()
        self.error: RpcError | None = None
        self.is_done = False
        # What may be sent, and what could not be sent yet.
        self.window = window
        self.unsent: memoryview | None = None
        self.last_flags = 0
        self._received = bytearray()
        self._credit = 0
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes | None:
        """The next message, None after the last. Raises RpcError."""
        while not self.messages:
            if self.error is not None:
                raise self.error
            if self.is_done:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self.messages.popleft()

    def cancel(self) -> None:
        """No more answers are wanted; a waiting `read` raises RpcError."""
        if not self.is_done:
            self._connection.reset(self)
            self.finish(RpcError(CANCELLED, "cancelled"))

    def receive(self, data: bytes) -> int:
        """Take in a part of the messages; says how many bytes to give back as credit."""
        received = self._received
        received += data
        while len(received) >= 5:
            end = 5 + int.from_bytes(received[1:5], "big")
            if len(received) < end:
                break
            self.messages.append(bytes(received[5:end]))
            del received[:end]
        if self.messages:
            self._wake()
        self._credit += len(data)
        if self._credit < _STREAM_WINDOW_BYTES // 4:
            return 0
        credit, self._credit = self._credit, 0
        return credit

    def finish(self, error: RpcError | None) -> None:
        if not self.is_done:
            self.is_done = True
            self.error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """Usable until it is lost or the server says goodbye; then somebody opens another one."""

    def __init__(self, scheme: str, authority: str) -> None:
        self._scheme = scheme
        self._authority = authority
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._outgoing: list[bytes] = []
        self._streams: dict[int, Stream] = {}
        self._next_identity = 1
        self._is_leaving = False
        self._window = _DEFAULT_WINDOW_BYTES
        self._peer_stream_window = _DEFAULT_WINDOW_BYTES
        self._peer_streams_max = 2**31
        self._peer_frame_bytes_max = 16_384
        self._blocked: dict[Stream, None] = {}
        self._full: deque[asyncio.Future[None]] = deque()
        self._received = 0
        self._decoder = hpack.Decoder()
        self._decoder.max_allowed_table_size = 0
        self._decoder.header_table_size = 0
        self._blocks: dict[bytes, Status] = {}
        # The flags and beginning of a header block that goes on in the next frame.
        self._block: tuple[int, bytes] | None = None
        self._requests: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}
        self._heard_at = 0.0
        self._is_asked = False
        self._keepalive: asyncio.TimerHandle | None = None

    # -- Calls -----------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        return (
            self._transport is not None
            and not self._is_leaving
            and not self._transport.is_closing()
            and self._next_identity < _LAST_STREAM_ID
        )

    async def call(self, path: str, request: bytes, timeout_seconds: float) -> bytes:
        """Raises RpcError."""
        stream = await self._open(path, (), request, _END_STREAM)
        loop = self._loop
        timer = loop.call_later(timeout_seconds, self._expire, stream, loop.time())
        try:
            message = await stream.read()
            # Only the trailers behind the message say that it counts; mostly they are here too.
            if message is None or await stream.read() is not None:
                raise RpcError(INTERNAL, "not exactly one answer")
            return message
        finally:
            timer.cancel()
            stream.cancel()

    async def stream(
        self, path: str, request: bytes, metadata: tuple[tuple[str, str], ...] = ()
    ) -> Stream:
        """One request, many answers. The request side stays open. Raises RpcError."""
        return await self._open(path, metadata, request, 0)

    def close(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def reset(self, stream: Stream) -> None:
        """Tell the server that nobody waits any more."""
        if self._streams.pop(stream.identity, None) is not None:
            self._blocked.pop(stream, None)
            self._write(_frame(_RST_STREAM, 0, stream.identity, _CANCEL.to_bytes(4, "big")))
            self._let_in()

    async def _open(
        self, path: str, metadata: tuple[tuple[str, str], ...], request: bytes, flags: int
    ) -> Stream:
        while len(self._streams) >= self._peer_streams_max and self.is_usable:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._full.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # The place that was meant for this call goes to the next.
                self._let_in()
                raise
        if not self.is_usable:
            raise RpcError(UNAVAILABLE, "the connection is closed", acted=False)
        stream = Stream(self, self._next_identity, self._peer_stream_window)
        self._next_identity += 2
        self._streams[stream.identity] = stream
        block = self._request_block(path, metadata)
        head = _frame(_HEADERS, _END_HEADERS, stream.identity, block)
        message = b"\0" + len(request).to_bytes(4, "big") + request
        size = len(message)
        if size <= min(self._window, stream.window, self._peer_frame_bytes_max):
            self._window -= size
            stream.window -= size
            self._write(head + _frame(_DATA, flags, stream.identity, message))
        else:
            self._write(head)
            stream.unsent, stream.last_flags = memoryview(message), flags
            self._blocked[stream] = None
            self._push()
        return stream

    def _request_block(self, path: str, metadata: tuple[tuple[str, str], ...]) -> bytes:
        block = self._requests.get((path, metadata))
        if block is None:
            headers = [
                (":method", "POST"),
                (":scheme", self._scheme),
                (":path", path),
                (":authority", self._authority),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                *metadata,
            ]
            # Marked sensitive, a header never enters the dynamic table: the block is the same
            # each time.
            sensitive = [hpack.NeverIndexedHeaderTuple(*header) for header in headers]
            block = hpack.Encoder().encode(sensitive)
            self._requests[path, metadata] = block
        return block

    def _expire(self, stream: Stream, began: float) -> None:
        self.reset(stream)
        stream.finish(RpcError(DEADLINE_EXCEEDED, "no answer in time"))
        if self._heard_at < began:
            # Not a byte all the while: the other side is gone, and so would be the next calls.
            self._fail("connection lost: no sign of life during a call")

    def _end(self, stream: Stream, error: RpcError | None) -> None:
        self._streams.pop(stream.identity, None)
        self._blocked.pop(stream, None)
        stream.finish(error)
        self._let_in()
        if self._is_leaving and not self._streams:
            self.close()

    def _let_in(self) -> None:
        while self._full:
            waiter = self._full.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _push(self) -> None:
        """Send of what could not be sent as much as the windows allow."""
        for stream in list(self._blocked):
            while stream.unsent is not None:
                size = min(
                    len(stream.unsent), self._window, stream.window, self._peer_frame_bytes_max
                )
                if size <= 0:
                    break
                part, rest = stream.unsent[:size], stream.unsent[size:]
                flags = 0 if rest else stream.last_flags
                self._write(_frame(_DATA, flags, stream.identity, bytes(part)))
                self._window -= size
                stream.window -= size
                stream.unsent = rest or None
            if stream.unsent is None:
                del self._blocked[stream]

    # -- The connection --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        settings = (
            (_HEADER_TABLE_SIZE, 0),
            (_ENABLE_PUSH, 0),
            (_INITIAL_WINDOW, _STREAM_WINDOW_BYTES),
        )
        payload = b"".join(struct.pack(">HI", *setting) for setting in settings)
        self._write(_PREFACE + _frame(_SETTINGS, 0, 0, payload))
        self._grant(0, _CONNECTION_WINDOW_BYTES - _DEFAULT_WINDOW_BYTES)
        self._look_in(KEEPALIVE_SECONDS)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._keepalive is not None:
            self._keepalive.cancel()
        for stream in list(self._streams.values()):
            self._end(stream, RpcError(UNAVAILABLE, f"connection lost: {error or 'closed'}"))
        while self._full:
            self._let_in()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        if self._buffer:
            data = self._buffer + data
        position, length = 0, len(data)
        try:
            while length - position >= _HEAD_BYTES:
                high, low, kind, flags, identity = _head.unpack_from(data, position)
                size = high << 8 | low
                if size > _FRAME_BYTES_MAX:
                    raise _ProtocolError("not HTTP/2, or a frame larger than allowed")
                end = position + _HEAD_BYTES + size
                if end > length:
                    break
                payload = data[position + _HEAD_BYTES : end]
                self._on_frame(kind, flags, identity & _LAST_STREAM_ID, payload)
                position = end
        except (_ProtocolError, hpack.HPACKError, struct.error) as error:
            self._fail(f"protocol error: {error}")
        self._buffer = data[position:]

    def _write(self, data: bytes) -> None:
        """At the end of this turn of the loop: the calls of all requests that are at work leave
        in one system call, and wake etcd once."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(data)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._transport is not None:
            self._transport.write(b"".join(outgoing))

    def _fail(self, why: str) -> None:
        self._is_leaving = True
        for stream in list(self._streams.values()):
            self._end(stream, RpcError(UNAVAILABLE, why))
        if self._transport is not None:
            self._flush()
            self._transport.abort()

    def _grant(self, identity: int, size: int) -> None:
        self._write(_frame(_WINDOW_UPDATE, 0, identity, size.to_bytes(4, "big")))

    def _look_in(self, seconds: float) -> None:
        self._keepalive = self._loop.call_later(seconds, self._check_alive, self._loop.time())

    def _check_alive(self, since: float) -> None:
        if self._heard_at > since:
            self._is_asked = False
            self._look_in(KEEPALIVE_SECONDS)
        elif self._is_asked:
            self._fail("connection lost: no answer to a ping")
        else:
            self._is_asked = True
            self._write(_frame(_PING, 0, 0, bytes(8)))
            self._look_in(KEEPALIVE_TIMEOUT_SECONDS)

    # -- Frames ----------------------------------------------------------------------------

    def _on_frame(self, kind: int, flags: int, identity: int, payload: bytes) -> None:
        if kind == _DATA:
            self._on_data(flags, identity, payload)
        elif kind == _HEADERS:
            self._on_headers(flags, identity, _unpadded(flags, payload))
        elif kind == _CONTINUATION and self._block is not None:
            first_flags, beginning = self._block
            self._on_headers(first_flags | flags & _END_HEADERS, identity, beginning + payload)
        elif kind == _WINDOW_UPDATE:
            self._on_window_update(identity, int.from_bytes(payload, "big") & _LAST_STREAM_ID)
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS and not flags & _ACK:
            self._on_settings(payload)
        elif kind == _RST_STREAM:
            self._on_reset(identity, int.from_bytes(payload, "big"))
        elif kind == _GOAWAY:
            self._on_goaway(int.from_bytes(payload[:4], "big") & _LAST_STREAM_ID)

    def _on_data(self, flags: int, identity: int, payload: bytes) -> None:
        self._received += len(payload)
        if self._received >= _CONNECTION_WINDOW_BYTES // 4:
            self._grant(0, self._received)
            self._received = 0
        stream = self._streams.get(identity)
        if stream is None:
            return
        credit = stream.receive(_unpadded(flags & _PADDED, payload) if flags & _PADDED else payload)
        if flags & _END_STREAM:
            self._end(stream, RpcError(INTERNAL, "the answer has no trailers"))
        elif credit:
            self._grant(identity, credit)

    def _on_headers(self, flags: int, identity: int, block: bytes) -> None:
        if not flags & _END_HEADERS:
            self._block = flags & ~(_PADDED | _PRIORITY), block
            return
        self._block = None
        status = self._blocks.get(block) or self._decode(block)
        stream = self._streams.get(identity)
        if stream is None:
            return
        if status.code is not None and flags & _END_STREAM:
            failed = status.code != OK
            self._end(stream, RpcError(status.code, status.message) if failed else None)
        elif status.http != "200" or flags & _END_STREAM:
            self.reset(stream)
            stream.finish(RpcError(UNAVAILABLE, f"HTTP status {status.http or 'missing'}"))

    def _decode(self, block: bytes) -> Status:
        headers = dict(self._decoder.decode(block, raw=True))
        code = headers.get(b"grpc-status", b"")
        status = Status(
            http=headers.get(b":status", b"").decode(),
            code=int(code) if code.isdigit() else None,
            message=unquote(headers.get(b"grpc-message", b"").decode()),
        )
        if len(self._blocks) < _REMEMBERED_BLOCKS_MAX:
            self._blocks[block] = status
        return status

    def _on_window_update(self, identity: int, size: int) -> None:
        if identity == 0:
            self._window += size
        elif identity in self._streams:
            self._streams[identity].window += size
        if self._blocked:
            self._push()

    def _on_settings(self, payload: bytes) -> None:
        for name, value in struct.iter_unpack(">HI", payload):
            if name == _MAX_CONCURRENT:
                self._peer_streams_max = value
            elif name == _MAX_FRAME:
                self._peer_frame_bytes_max = value
            elif name == _INITIAL_WINDOW:
                for stream in self._streams.values():
                    stream.window += value - self._peer_stream_window
                self._peer_stream_window = value
        self._write(_frame(_SETTINGS, _ACK, 0, b""))
        if self._blocked:
            self._push()

    def _on_reset(self, identity: int, code: int) -> None:
        stream = self._streams.get(identity)
        if stream is not None:
            acted = code != _REFUSED_STREAM
            self._end(stream, RpcError(UNAVAILABLE, f"stream reset: code {code}", acted=acted))

    def _on_goaway(self, last: int) -> None:
        self._is_leaving = True
        for identity, stream in list(self._streams.items()):
            if identity > last:
                self._end(stream, RpcError(UNAVAILABLE, "server is going away", acted=False))
        if not self._streams:
            self.close()


class _ProtocolError(Exception):
    """The other side does not speak HTTP/2 as it should."""


def _frame(kind: int, flags: int, identity: int, payload: bytes) -> bytes:
    size = len(payload)
    return _head.pack(size >> 8, size & 0xFF, kind, flags, identity) + payload


def _unpadded(flags: int, payload: bytes) -> bytes:
    start, end = 0, len(payload)
    if flags & _PADDED:
        start, end = 1, end - payload[0]
    if flags & _PRIORITY:
        start += 5
    return payload[start:end]

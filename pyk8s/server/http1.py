# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on one connection, on llhttp's parser (`httptools`).

    bytes -> parser -> Stream being served
                   `-> Streams that wait their turn, then bytes that are not parsed yet

llhttp refuses what request smuggling is made of (both or two lengths, bare CR or LF, folded
lines, spaces before colons, odd chunk sizes); what it leaves open is closed here: a Host per
request, no transfer coding but chunked, no body on a request that wants to switch protocols.

Bytes that arrive while a request is being served do not stop the reading at once, so that a lost
client is noticed behind a pipelined request. A body nobody reads is discarded, within bounds,
instead of blocking the connection. Head and body of a short answer leave in one write. An app
may take over the bare connection of a request that asks for an upgrade.
"""

from __future__ import annotations

import asyncio
import http
import logging
import re
from collections import deque
from typing import TYPE_CHECKING, Any

import httptools

from pyk8s.endpoints.request import UPGRADE
from pyk8s.server.raw import RawConnection
from pyk8s.server.stream import Header, State, Stream

if TYPE_CHECKING:
    from pyk8s.server.connection import Connection

logger = logging.getLogger(__name__)

# Go's DefaultMaxHeaderBytes, which kube-apiserver keeps; more is 431. The request line counts.
HEADER_BYTES_MAX = 1024 * 1024
# What of a body may stand between its data: the sizes and extensions of chunks, and trailers.
FRAMING_BYTES_MAX = 64 * 1024
# As much of a body as waits for the app before the peer has to wait.
UNREAD_BYTES_MAX = 256 * 1024
# As much of requests to come as is read ahead while one is served.
PIPELINED_BYTES_MAX = 64 * 1024
# Parsed in one go; bounds how many tiny pipelined requests stand ready at a time.
PARSED_BYTES_MAX = 8 * 1024
# A client that is still sending when its answer is complete would lose that answer to a reset if
# the connection were closed under it; so the rest is read and dropped, within these bounds.
DISCARDED_BYTES_MAX = 16 * 1024 * 1024
DISCARD_SECONDS_MAX = 2.0
# From here on to copy a body costs more than to write it apart from what goes around it.
_COPIED_BYTES_MAX = 64 * 1024

# Clients show the phrase and some compare it, so it is Go's; later Pythons have other words for
# two of them.
_PHRASES = {int(status): status.phrase for status in http.HTTPStatus} | {
    413: "Request Entity Too Large",
    422: "Unprocessable Entity",
}
_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in _PHRASES.items()
}
# A token of RFC 9110; no name of a method that anybody uses is as long.
_method = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}(?= )").match
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNSUPPORTED_VERSION = 505


class HTTP1:
    """One connection's requests, one after the other."""

    def __init__(self, owner: Connection) -> None:
        self._owner = owner
        self._parser: Any = httptools.HttpRequestParser(self)
        # The request being served, those that wait for it, and the one whose body is parsed.
        self._current: Stream | None = None
        self._queue: deque[Stream] = deque()
        self._latest: Stream | None = None
        # Not parsed yet: it belongs behind a request that is being served.
        self._ahead = bytearray()
        # What the parser has told of the next request's head.
        self._target = b""
        self._headers: list[Header] = []
        self._head_bytes = 0
        self._is_within = False
        self._method = ""
        self._framing_bytes = 0
        # After this request nothing more is read.
        self._is_last = False
        # The status that tells the client what is wrong with what it sent.
        self._fault = 0
        self._raw: RawConnection | None = None
        self._requests = 0
        self._unsent: int | None = None
        self._chunked = False
        self._closing = False
        self._discarded = 0
        self._discard_timer: asyncio.TimerHandle | None = None

    def initiate(self) -> None:
        """The client speaks first."""

    def say_goodbye(self) -> None:
        """HTTP/1.1 has no word for it but the header of an answer."""

    def unsent(self, waiting: bool) -> None:
        """Reading goes on while the peer takes nothing: a lost client is noticed so."""

    # --- reading

    def receive(self, data: bytes) -> None:
        if self._fault:
            return
        if self._raw is not None:
            self._raw.feed(data)
            return
        if self._ahead or self._is_full:
            self._ahead += data
        elif len(data) <= PARSED_BYTES_MAX:
            self._parse(data)
        else:
            self._ahead += data
            self._parse_ahead()
        if self._ahead or (self._latest is not None and self._latest.unread_bytes):
            self._regulate()

    @property
    def _is_full(self) -> bool:
        """Whether a whole request is being served, so that the next can wait."""
        return self._current is not None and (self._current.request_ended or bool(self._queue))

    def _parse_ahead(self) -> None:
        start, ahead = 0, bytes(self._ahead)
        self._ahead.clear()
        while start < len(ahead) and not self._is_full and not self._fault:
            end = start + PARSED_BYTES_MAX
            self._parse(ahead[start:end])
            start = end
        if not self._fault:
            self._ahead += ahead[start:]

    def _parse(self, data: bytes) -> None:
        is_first = not self._is_within and self._current is None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # What follows may be another protocol; who answers the request decides.
            self._ahead += data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _Refused):
                raise
            self._fail(error.__context__.status)
        except httptools.HttpParserInvalidMethodError:
            method = _method(data) if is_first and self._current is None else None
            if method is None:
                self._fail(400)
            else:
                self._parse_as_known(method[0], data)
        except httptools.HttpParserError as error:
            self._fail(_UNSUPPORTED_VERSION if "PRI/Upgrade" in str(error) else 400)
        else:
            self._limit(len(data))

    def _parse_as_known(self, method: bytes, data: bytes) -> None:
        """A method that the parser does not know is the app's to refuse. This works where the
        method comes in one piece, at the beginning of what is read."""
        self._method = method.decode("ascii")
        self._parser = httptools.HttpRequestParser(self)
        self._is_within = False
        self._parse(b"TRACE" + data[len(method) :])

    def _limit(self, size: int) -> None:
        """What arrived is bounded also where it never becomes a request or a body."""
        if self._target:
            self._head_bytes += size
            if self._head_bytes > HEADER_BYTES_MAX:
                self._fail(431)
        elif self._latest is not None and not self._latest.request_ended:
            self._framing_bytes += size
            if self._framing_bytes > FRAMING_BYTES_MAX:
                self._fail(400)

    def _regulate(self) -> None:
        latest = self._latest
        unread = latest.unread_bytes if latest is not None else 0
        self._owner.read_on(len(self._ahead) <= PIPELINED_BYTES_MAX and unread <= UNREAD_BYTES_MAX)

    def _fail(self, status: int) -> None:
        """What came is no HTTP we speak. Whole requests before it are still answered."""
        if self._is_last and self._latest is not None and self._latest.request_ended:
            # Bytes behind the request that was to be the last mean nothing.
            return
        self._fault = status
        self._ahead.clear()
        if self._queue and not self._queue[-1].request_ended:
            self._queue.pop()
        current = self._current
        if current is None:
            self._refuse()
        elif not current.request_ended:
            begun = current.state not in (State.REQUEST, State.HEAD_HELD)
            current.disconnect()
            self._current = None
            if begun:
                self._owner.close()
            else:
                self._refuse()

    def _refuse(self) -> None:
        """Say so, then hang up."""
        head = _STATUS_LINES[self._fault] + self._owner.date_line()
        self._owner.write(head + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self._owner.close()

    def lost(self) -> None:
        if self._raw is not None:
            self._raw.feed_end()
        for stream in (self._current, *self._queue):
            if stream is not None:
                stream.disconnect()
        self._current = None
        self._queue.clear()
        self._cancel_discarding()

    # --- what the parser tells

    def on_message_begin(self) -> None:
        self._is_within = True
        self._headers = []
        self._latest = None

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._target:
            # A trailer, which nobody asked for; bounded as all framing is.
            return
        self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self._headers
        target, self._target = self._target, b""
        if self._head_bytes:
            self._head_bytes = 0
            if sum(len(name) + len(value) + 4 for name, value in headers) > HEADER_BYTES_MAX:
                raise _Refused(431)
        version: str = parser.get_http_version()
        method: str = self._method or parser.get_method().decode("ascii")
        self._method = ""
        is_http11 = version == "1.1"
        if not is_http11 and version != "1.0":
            raise _Refused(_UNSUPPORTED_VERSION)
        if method == "SOURCE":
            # Not HTTP's; the parser knows it from another protocol.
            raise _Refused(400)
        switches: bool = parser.should_upgrade()
        self._check_head(headers, is_http11, switches)
        if not is_http11 or method == "CONNECT" or not parser.should_keep_alive():
            self._is_last = True
        scope = self._owner.scope(method, target, version, headers)
        stream = self._latest = Stream(self, 1, scope)
        self._framing_bytes = 0
        if switches and method != "CONNECT":
            scope["extensions"][UPGRADE] = self._take_over
        if self._current is None:
            self._begin(stream)
        else:
            self._queue.append(stream)

    def _check_head(self, headers: list[Header], is_http11: bool, switches: bool) -> None:
        hosts = 0
        for name, value in headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked":
                    raise _Refused(501)
                if switches or not is_http11:
                    raise _Refused(400)
            elif name == b"content-length" and switches and value.strip(b"0"):
                # The parser would take the body for another request.
                raise _Refused(400)
        if hosts > 1 or (is_http11 and not hosts):
            raise _Refused(400)

    def on_body(self, data: bytes) -> None:
        self._framing_bytes = -len(data)
        if self._latest is not None:
            self._latest.feed(data)

    def on_message_complete(self) -> None:
        self._is_within = False
        stream = self._latest
        if stream is None:
            return
        stream.feed_end()
        if stream is self._current and stream.over:
            # Not from within the parser, which is to be fed again.
            asyncio.get_running_loop().call_soon(self._recycle, stream)

    # --- serving

    def _begin(self, stream: Stream) -> None:
        self._current = stream
        self._requests += 1
        owner = self._owner
        owner.mark_busy()
        if not stream.request_ended:
            for name, value in stream.scope["headers"]:
                if name == b"expect" and value.lower() == b"100-continue":
                    owner.write(_CONTINUE)
        owner.serve(stream)

    async def _take_over(self) -> RawConnection:
        """Give the bare connection to the app that serves the current request. Nothing of an
        answer may have been sent."""
        stream = self._current
        if stream is None:
            raise ConnectionResetError("the client is gone")
        stream.mark_upgraded()
        self._raw = RawConnection(self._owner, bytes(self._ahead))
        self._ahead.clear()
        return self._raw

    async def respond(self, stream: Stream, body: bytes, more: bool) -> None:
        if stream is not self._current:
            return
        try:
            head = self._head(stream)
        except ValueError:
            self._owner.close()
            raise
        self._send(stream, head, body, more)
        if self._owner.unwritable:
            await self._owner.drain()

    async def write(self, stream: Stream, body: bytes, more: bool) -> None:
        if stream is not self._current:
            return
        self._send(stream, b"", body, more)
        if self._owner.unwritable:
            await self._owner.drain()

    can_push = True

    def is_writable(self, stream: Stream) -> bool:
        return stream is self._current and not self._owner.unwritable

    def push(self, stream: Stream, body: bytes) -> None:
        self._send(stream, b"", body, True)

    def _head(self, stream: Stream) -> bytes:
        """The head of the answer; decides how the body is delimited and what comes after it.
        Raises ValueError for a header that would break out of its line."""
        status = stream.status
        is_http11 = stream.scope["http_version"] == "1.1"
        lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        lines += [b"%b: %b\r\n" % header for header in stream.headers]
        lines.append(self._owner.date_line())
        self._closing = (
            self._is_last or self._owner.stopping or self._requests >= self._owner.requests_max
        )
        self._unsent, self._chunked = stream.length, False
        if stream.bodiless:
            self._unsent = 0
        elif stream.length is None:
            # HTTP/1.0 knows no chunks: there the end of the connection is that of the body.
            self._chunked = is_http11
        if stream.length is None and is_http11 and status not in (204, 304):
            lines.append(b"transfer-encoding: chunked\r\n")
        if self._closing:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        count = len(lines)
        if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
            raise ValueError("a header of the answer holds a line break")
        return head + b"\r\n"

    def _send(self, stream: Stream, head: bytes, body: bytes, more: bool) -> None:
        owner = self._owner
        if self._unsent is not None:
            self._unsent -= len(body)
            if self._unsent < 0 or (self._unsent and not more):
                owner.close()
                stated, at = stream.length, stream.scope["path"]
                raise ValueError(f"the body has not the length that was stated: {stated} ({at})")
            parts = [head, body]
        elif self._chunked:
            size = b"%x\r\n" % len(body) if body else b""
            parts = [head, size, body, b"\r\n" if body else b"", b"" if more else b"0\r\n\r\n"]
        else:
            parts = [head, body]
        if len(body) > _COPIED_BYTES_MAX:
            owner.write_parts([part for part in parts if part])
        elif data := b"".join(parts):
            owner.write(data)
        if not more:
            self._recycle(stream)

    async def abandon(self, stream: Stream) -> None:
        if stream is self._current:
            self._owner.close()

    def consumed(self, stream: Stream, size: int) -> None:
        if stream.over:
            self._discarded += size
            if self._discarded > DISCARDED_BYTES_MAX:
                self._owner.close()
        self._regulate()

    def _recycle(self, stream: Stream) -> None:
        """Make ready for the next request, once this one is answered and read to its end."""
        if stream is not self._current:
            return
        if not stream.request_ended and not self._owner.stopping:
            self._start_discarding()
            return
        self._cancel_discarding()
        self._current = None
        if self._closing or self._owner.stopping:
            self._owner.close()
            return
        if self._queue:
            self._begin(self._queue.popleft())
        if self._ahead:
            self._parse_ahead()
            self._regulate()
        if self._current is None:
            if self._fault:
                self._refuse()
            else:
                self._owner.mark_idle()

    def _start_discarding(self) -> None:
        if self._discard_timer is None:
            loop = asyncio.get_running_loop()
            self._discard_timer = loop.call_later(DISCARD_SECONDS_MAX, self._owner.close)

    def _cancel_discarding(self) -> None:
        self._discarded = 0
        if self._discard_timer is not None:
            self._discard_timer.cancel()
            self._discard_timer = None


class _Refused(Exception):
    """Ends the parsing of what is not to be served."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

# SPDX-License-Identifier: Apache-2.0
"""One client connection: its bytes, its timers, the tasks of its requests.

    transport --data_received, pause_writing--> Connection --receive, lost--> HTTP1 or HTTP2
    transport <----write, pause_reading-------- Connection <---write, drain-- HTTP1 or HTTP2

Sits on the transport itself, without asyncio's streams: what arrives is parsed where it arrives.
Both ends of every wait are bounded: a connection that is idle too long is closed, one that takes
nothing for too long is cut.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, cast

from pyk8s.endpoints.request import CLIENT_AUTHORITY, CLIENT_CERTIFICATE
from pyk8s.server.http1 import HTTP1
from pyk8s.server.http2 import HTTP2
from pyk8s.server.stream import Header, Scope, Stream, path_of

if TYPE_CHECKING:
    from pyk8s.server.serving import Server

# Written and not yet taken by the peer, before senders have to wait. A transport's own default
# for TLS is eight times as much, which is dear with a thousand watches.
UNSENT_BYTES_MAX = 64 * 1024
# Of a large body, in one write.
_PIECE_BYTES = 64 * 1024


class Connection(asyncio.Protocol):
    """Made per accepted connection. It counts as open until the transport is gone and the last
    of its requests has ended."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._protocol: HTTP1 | HTTP2
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = self._loop.time()
        # While the transport takes no more: who waits for it, and the timer that gives up.
        self._writable: asyncio.Future[None] | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0
        self._lost = False
        self._reading = True
        self.stall_seconds_max = server.options.stall_seconds_max
        self.requests_max = server.options.requests_per_connection_max

    @property
    def stopping(self) -> bool:
        return self._server.stopping.is_set()

    @property
    def running(self) -> int:
        """How many requests are being served."""
        return len(self._tasks)

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(UNSENT_BYTES_MAX)
        self._client = _address(transport.get_extra_info("peername"))
        self._address = _address(transport.get_extra_info("sockname"))
        ssl_object = transport.get_extra_info("ssl_object")
        self._extensions = _tls_extensions(ssl_object)
        self._server.opened(self)
        is_http2 = ssl_object is not None and ssl_object.selected_alpn_protocol() == "h2"
        self._protocol = HTTP2(self) if is_http2 else HTTP1(self)
        self._watch_idleness()
        self._protocol.initiate()

    def data_received(self, data: bytes) -> None:
        try:
            self._protocol.receive(data)
        except Exception:
            # The boundary where a fault in protocol code ends: this connection is lost.
            self._server.log_fault(self._client)
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self.resume_writing()
        self._protocol.lost()
        self._count_out()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()
        self._unsent_bytes = self._transport.get_write_buffer_size()
        self._stall_timer = self._loop.call_later(self.stall_seconds_max, self._check_stall)
        self._protocol.unsent(True)

    def resume_writing(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None
            self._protocol.unsent(False)

    def _check_stall(self) -> None:
        before, self._unsent_bytes = self._unsent_bytes, self._transport.get_write_buffer_size()
        if self._unsent_bytes >= before:
            self.abort()
        else:
            self._stall_timer = self._loop.call_later(self.stall_seconds_max, self._check_stall)

    # --- what the protocols write and read

    @property
    def unwritable(self) -> bool:
        """Whether `drain` would wait."""
        return self._writable is not None

    def write(self, data: bytes) -> None:
        if not self._lost:
            self._transport.write(data)

    def write_parts(self, parts: list[bytes]) -> None:
        """As `write`, for what is too large to be copied. It leaves in pieces: the peer decrypts
        one while the next is encrypted."""
        if self._lost:
            return
        for part in parts:
            view = memoryview(part)
            for at in range(0, len(part), _PIECE_BYTES):
                self._transport.write(view[at : at + _PIECE_BYTES])

    async def drain(self) -> None:
        """Returns when the peer has taken what there was, or is gone."""
        while self._writable is not None:
            await asyncio.shield(self._writable)

    def read_on(self, wanted: bool) -> None:
        """Whether more is to be read from the peer now."""
        if wanted is not self._reading and not self._transport.is_closing():
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # --- requests

    def serve(self, stream: Stream) -> None:
        """Start the app on a request."""
        self._tasks.add(self._loop.create_task(self._serve(stream)))

    async def _serve(self, stream: Stream) -> None:
        try:
            await stream.run(self._server.app)
        finally:
            self._tasks.discard(cast(Any, asyncio.current_task()))
            if self._lost:
                self._count_out()

    def _count_out(self) -> None:
        if self._lost and not self._tasks:
            self._server.ended(self)

    def scope(self, method: str, target: bytes, http_version: str, headers: list[Header]) -> Scope:
        path, raw_path, query_string = path_of(target)
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": http_version,
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": raw_path,
            "query_string": query_string,
            "root_path": "",
            "headers": headers,
            "client": self._client,
            "server": self._address,
            "state": self._server.state,
            "extensions": self._extensions.copy(),
        }

    def response_headers(self) -> tuple[Header, ...]:
        """What every answer carries."""
        return (_clock.header(),)

    def date_line(self) -> bytes:
        """The same as a line of HTTP/1.1."""
        return _clock.line()

    # --- idleness and the end

    def mark_busy(self) -> None:
        self._idle_since = None

    def mark_idle(self) -> None:
        self._idle_since = self._loop.time()

    def _watch_idleness(self) -> None:
        """One timer for the whole connection instead of one per request."""
        limit = self._server.options.idle_seconds_max
        idle_since = self._idle_since
        remaining = limit
        if idle_since is not None:
            remaining = idle_since + limit - self._loop.time()
            if remaining <= 0:
                self._close_idle()
                return
        self._idle_timer = self._loop.call_later(remaining, self._watch_idleness)

    def begin_stop(self) -> None:
        """Finish what is being served; close at once if that is nothing."""
        if self._idle_since is not None:
            self._close_idle()
        else:
            self._protocol.say_goodbye()

    def _close_idle(self) -> None:
        self._protocol.say_goodbye()
        self.close()

    def close(self) -> None:
        """What is written already still goes out."""
        self._transport.close()

    def close_soon(self) -> None:
        """After what the protocol is about to write in this turn of the loop."""
        self._loop.call_soon(self.close)

    def abort(self) -> None:
        self._transport.abort()

    def cancel(self) -> None:
        """Give up on everything here."""
        self.abort()
        for task in self._tasks:
            task.cancel()


class _Clock:
    """The Date header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = b""
        self._line = b""

    def header(self) -> Header:
        self.line()
        return b"date", self._date

    def line(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._date = formatdate(now, usegmt=True).encode()
            self._line = b"date: " + self._date + b"\r\n"
        return self._line


_clock = _Clock()

_ASGI = {"version": "3.0", "spec_version": "2.3"}


def _address(name: Any) -> tuple[str, int] | None:
    return (name[0], name[1]) if isinstance(name, tuple) else None


def _tls_extensions(ssl_object: ssl.SSLObject | None) -> dict[str, Any]:
    if ssl_object is None:
        return {CLIENT_CERTIFICATE: b""}
    der = ssl_object.getpeercert(binary_form=True) or b""
    tls = {
        "server_cert": None,
        "client_cert_chain": (ssl.DER_cert_to_PEM_cert(der),) if der else (),
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": _TLS_VERSIONS.get(ssl_object.version() or ""),
        "cipher_suite": None,
    }
    return {"tls": tls, CLIENT_CERTIFICATE: der, CLIENT_AUTHORITY: _authority(ssl_object)}


def _authority(ssl_object: ssl.SSLObject) -> bytes:
    """The last certificate of the peer's verified chain, in DER form; empty without a chain."""
    if hasattr(ssl_object, "get_verified_chain"):
        chain = ssl_object.get_verified_chain()
        return chain[-1] if chain else b""
    # Before Python 3.13 only the object within has it, in its own kind of certificate.
    inner = cast(Any, ssl_object)._sslobj.get_verified_chain()
    return ssl.PEM_cert_to_DER_cert(inner[-1].public_bytes()) if inner else b""


_TLS_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

# SPDX-License-Identifier: Apache-2.0
"""One client connection: its bytes, its timers, the tasks of its requests.

Takes the place of hypercorn's TCPServer. Both ends of every wait are bounded: a connection that
is idle too long is closed, one that takes nothing for too long is cut.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, cast

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.typing import ConnectionState

from pyk8s.endpoints.request import CLIENT_CERTIFICATE
from pyk8s.server.http1 import HTTP1
from pyk8s.server.http2 import HTTP2
from pyk8s.server.stream import Header, Scope, Stream, path_of

if TYPE_CHECKING:
    from pyk8s.server.serving import Server

READ_BYTES_MAX = 64 * 1024


class Connection:
    """Made per accepted connection; `run` returns when it is over and all its requests are."""

    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._protocol: HTTP1 | HTTP2 | None = None
        self._loop = asyncio.get_running_loop()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = self._loop.time()
        self.running = 0
        self.config: Config = server.config
        self.context: WorkerContext = server.context
        self.wrapped_app = ASGIWrapper(cast(Any, server.app))
        self.state = ConnectionState(server.state)
        self.stall_seconds_max = server.options.stall_seconds_max
        self.requests_max = server.options.requests_per_connection_max
        self.client = _address(writer.get_extra_info("peername"))
        self.server = _address(writer.get_extra_info("sockname"))
        self._extensions = _tls_extensions(writer.get_extra_info("ssl_object"))
        self.tasks = TaskGroup(self._loop)

    @property
    def stopping(self) -> bool:
        return self._server.stopping.is_set()

    async def run(self) -> None:
        try:
            async with self.tasks:
                ssl_object = self._writer.get_extra_info("ssl_object")
                is_http2 = ssl_object is not None and ssl_object.selected_alpn_protocol() == "h2"
                self._protocol = HTTP2(self) if is_http2 else HTTP1(self)
                self._watch_idleness()
                await self._protocol.initiate()
                await self._read()
        finally:
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            self._writer.close()

    async def _read(self) -> None:
        assert self._protocol is not None
        try:
            while data := await self._reader.read(READ_BYTES_MAX):
                await self._protocol.handle(RawData(data))
        except (OSError, ssl.SSLError):
            pass
        finally:
            await self._protocol.handle(Closed())

    async def send(self, event: Event) -> None:
        """What the protocol tells the connection. Suspends while the peer takes nothing."""
        if isinstance(event, RawData):
            self._writer.write(event.data)
            if self._writer.transport.get_write_buffer_size():
                await self._drain()
        elif isinstance(event, Closed):
            self.close()
        elif isinstance(event, Updated):
            if event.idle:
                self.mark_idle()
            else:
                self.mark_busy()

    def write_nowait(self, data: bytes) -> None:
        """For a few bytes that must not wait."""
        if data and not self._writer.is_closing():
            self._writer.write(data)

    async def _drain(self) -> None:
        transport = self._writer.transport
        pending = transport.get_write_buffer_size()
        while True:
            try:
                async with asyncio.timeout(self.stall_seconds_max):
                    await self._writer.drain()
                return
            except TimeoutError:
                previous, pending = pending, transport.get_write_buffer_size()
                if pending >= previous:
                    transport.abort()
                    return
            except (OSError, ssl.SSLError):
                return

    def serve(self, stream: Stream) -> None:
        """Start the app on a request."""
        self.running += 1
        self.tasks.spawn(self._serve, stream)

    async def _serve(self, stream: Stream) -> None:
        try:
            await stream.run(self._server.app)
        finally:
            self.running -= 1

    def scope(self, method: str, target: bytes, http_version: str, headers: list[Header]) -> Scope:
        path, raw_path, query_string = path_of(target)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": http_version,
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": raw_path,
            "query_string": query_string,
            "root_path": "",
            "headers": headers,
            "client": self.client,
            "server": self.server,
            "state": self._server.state,
            "extensions": dict(self._extensions),
        }

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
        elif isinstance(self._protocol, HTTP2):
            self._protocol.say_goodbye()

    def _close_idle(self) -> None:
        if isinstance(self._protocol, HTTP2):
            self._protocol.say_goodbye()
        self.close()

    def close(self) -> None:
        """What is written already still goes out."""
        self._writer.close()

    def close_soon(self) -> None:
        """After what the protocol is about to write in this turn of the loop."""
        self._loop.call_soon(self.close)

    def abort(self) -> None:
        self._writer.transport.abort()


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
    return {"tls": tls, CLIENT_CERTIFICATE: der}


_TLS_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

# SPDX-License-Identifier: Apache-2.0
"""A server under test and clients that send exactly the bytes a test means to send."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings

from pyk8s.server import certificates, listener, serving


@contextlib.asynccontextmanager
async def serve(
    app: Any,
    pki: certificates.Files,
    on_stopping: Callable[[], None] | None = None,
    **options: float,
) -> AsyncIterator[Harness]:
    tls = serving.tls_context(str(pki.serving_cert), str(pki.serving_key), str(pki.ca_cert))
    server = serving.Server(app, tls, serving.ServerOptions(**options), on_stopping)
    bound = listener.listen("127.0.0.1", 0)
    port = bound.getsockname()[1]
    await server.start(bound)
    try:
        yield Harness(server, port, pki)
    finally:
        await server.stop()
        assert server.connections == 0


class Harness:
    def __init__(self, server: serving.Server, port: int, pki: certificates.Files) -> None:
        self.server = server
        self.port = port
        self._pki = pki

    def client_tls(self, *alpn: str, certificate: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._pki.ca_cert))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if certificate:
            context.load_cert_chain(self._pki.admin_cert, self._pki.admin_key)
        return context

    async def http1(self, **more: Any) -> HTTP1Client:
        tls = self.client_tls(**more)
        return HTTP1Client(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls))

    async def http2(self, window: int = 65535, **more: Any) -> HTTP2Client:
        tls = self.client_tls("h2", **more)
        streams = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        client = HTTP2Client(*streams, window)
        await client.flush()
        return client

    async def until_no_connections(self) -> None:
        while self.server.connections:  # noqa: ASYNC110 (the state of the world, no event)
            await asyncio.sleep(0.002)


class HTTP1Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """The next answer's status and headers."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), headers

    async def answer(self) -> tuple[int, bytes]:
        """The next answer, which must state its length."""
        status, headers = await self.head()
        return status, await self.reader.readexactly(int(headers["content-length"]))

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()


class HTTP2Client:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self.h2.local_settings = h2.settings.Settings(
            initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
        )
        self.h2.initiate_connection()
        self._pending: list[h2.events.Event] = []
        self._received = b""

    async def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())
        # The server may be gone already; what it said before still counts.
        with contextlib.suppress(OSError):
            await self._writer.drain()

    async def request(self, method: str, path: str, *, end: bool = True) -> int:
        stream_id: int = self.h2.get_next_available_stream_id()
        headers = [(":method", method), (":path", path), (":authority", "localhost")]
        self.h2.send_headers(stream_id, [*headers, (":scheme", "https")], end_stream=end)
        await self.flush()
        return stream_id

    async def event(self, kind: type[Any], stream_id: int | None = None) -> Any:
        """The next event of a kind; others are kept for later. Opens no windows."""
        while True:
            for at, event in enumerate(self._pending):
                if isinstance(event, kind) and stream_id in (None, _stream_of(event)):
                    return self._pending.pop(at)
            data = await self._reader.read(65536)
            if not data:
                raise EOFError(f"the connection ended before {kind}")
            self._receive(data)
            await self.flush()

    def _receive(self, data: bytes) -> None:
        """Frame by frame: the library takes GOAWAY for the end at once, whereas a client may
        wait for the answers it is still owed, as Go's does."""
        self._received += data
        while len(self._received) >= 9:
            size = 9 + int.from_bytes(self._received[:3], "big")
            if len(self._received) < size:
                return
            frame, self._received = self._received[:size], self._received[size:]
            self._pending += self.h2.receive_data(frame)
            if self._pending and isinstance(self._pending[-1], h2.events.ConnectionTerminated):
                self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN

    async def status(self, stream_id: int) -> int:
        event = await self.event(h2.events.ResponseReceived, stream_id)
        return int(dict(event.headers)[":status"])

    async def body(self, stream_id: int) -> bytes:
        """All of it, opening the windows as it comes."""
        parts = []
        while True:
            event = await self.event(_DataOrEnd, stream_id)
            if isinstance(event, h2.events.StreamEnded):
                return b"".join(parts)
            parts.append(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
            await self.flush()

    async def upload(self, stream_id: int, data: bytes) -> None:
        """As the server's windows allow."""
        while data:
            room = min(
                self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size
            )
            if room > 0:
                self.h2.send_data(stream_id, data[:room])
                data = data[room:]
                await self.flush()
            else:
                await self.event(h2.events.WindowUpdated)
        self.h2.end_stream(stream_id)
        await self.flush()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()


_DataOrEnd: Any = (h2.events.DataReceived, h2.events.StreamEnded)


def _stream_of(event: h2.events.Event) -> int | None:
    return getattr(event, "stream_id", None)

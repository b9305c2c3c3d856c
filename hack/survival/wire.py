# SPDX-License-Identifier: Apache-2.0
"""One HTTP/1.1 connection to an API server. Nothing is tried twice behind the caller's back:
whoever checks histories must know whether a request may have happened."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import h11

_READ_BYTES = 256 * 1024


class Broken(Exception):
    """The connection was lost, refused or silent; the request may have happened."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where an API server listens, and how to be its admin."""

    host: str
    port: int
    tls: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """Open until something breaks it; used by one task."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)

    @classmethod
    async def open(cls, server: Server, seconds_max: float = 10.0) -> Connection:
        """Raises Broken."""
        try:
            async with asyncio.timeout(seconds_max):
                opened = await asyncio.open_connection(
                    server.host, server.port, ssl=server.tls, server_hostname="localhost"
                )
        except (OSError, TimeoutError) as error:
            raise Broken(f"no connection: {error!r}") from error
        return cls(*opened)

    def close(self) -> None:
        self.writer.transport.abort()

    async def request(
        self, method: str, path: str, body: Any = None, *, kind: str = "", seconds: float = 25.0
    ) -> Answer:
        """Raises Broken."""
        try:
            async with asyncio.timeout(seconds):
                await self._send(method, path, body, kind)
                head = await self._head()
                parts = [part async for part in self._body()]
                self._http.start_next_cycle()
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            self.close()
            raise Broken(repr(error)) from error
        return Answer(*head, b"".join(parts))

    async def stream(self, path: str) -> tuple[int, AsyncIterator[bytes]]:
        """The status, and the lines of the body as they come; both raise Broken."""
        try:
            async with asyncio.timeout(25):
                await self._send("GET", path, None, "")
                status, _ = await self._head()
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            self.close()
            raise Broken(repr(error)) from error
        return status, self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        rest = b""
        try:
            async for part in self._body():
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    yield line
        except (OSError, h11.ProtocolError) as error:
            raise Broken(repr(error)) from error

    async def _send(self, method: str, path: str, body: Any, kind: str) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        headers = [("host", "localhost"), ("content-length", str(len(data)))]
        if data:
            headers.append(("content-type", f"application/{kind or 'json'}"))
        request = h11.Request(method=method, target=path, headers=headers)
        out = (self._http.send(request) or b"") + (self._http.send(h11.Data(data=data)) or b"")
        self.writer.write(out + (self._http.send(h11.EndOfMessage()) or b""))
        await self.writer.drain()

    async def _head(self) -> tuple[int, dict[str, str]]:
        event = await self._next()
        if not isinstance(event, h11.Response):
            raise Broken(f"not an answer: {event!r}")
        return event.status_code, {k.decode(): v.decode() for k, v in event.headers}

    async def _body(self) -> AsyncIterator[bytes]:
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise Broken(f"the body broke off: {event!r}")
            yield bytes(event.data)

    async def _next(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event

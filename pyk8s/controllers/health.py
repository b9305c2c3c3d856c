# SPDX-License-Identifier: Apache-2.0
"""/healthz, /livez, /readyz and /metrics of a component, over plain HTTP on a local port.

A handful of lines instead of a server: one GET, one answer, the connection closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

_REQUEST_BYTES_MAX = 8192
_REQUEST_SECONDS_MAX = 5.0

Page = Callable[[], str]


async def serve(address: str, port: int, pages: Mapping[str, Page]) -> asyncio.Server:
    """Answer these paths with 200 and their text, all others with 404. Raises OSError for a
    taken port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.LimitOverrunError, EOFError):
            async with asyncio.timeout(_REQUEST_SECONDS_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, pages))
                await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, address, port, limit=_REQUEST_BYTES_MAX)


def _answer(head: bytes, pages: Mapping[str, Page]) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.split(b" ", 1)[0].split(b"?", 1)[0].decode("latin-1")
    if method not in (b"GET", b"HEAD"):
        return _response("405 Method Not Allowed", "")
    page = pages.get(path)
    return _response("404 Not Found", "") if page is None else _response("200 OK", page())


def _response(status: str, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body

# SPDX-License-Identifier: Apache-2.0
"""Clients that misbehave, all from here and bounded in number. While they do, others are served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from hack.survival import clients, machines, wire
from hack.survival.clients import Load

# So many handshakes at a time: TLS costs both sides a millisecond or two.
_AT_ONCE = 25
# What a request may take while others misbehave. Far above what it does take.
_SERVED_SECONDS_MAX = 10.0
# Files and sockets a server may hold more than before, for its own purposes.
_FILES_MORE_MAX = 20


async def connect_and_drop(load: Load, server: wire.Server, count: int) -> None:
    """Watchers that go as soon as their watch stands, without a word."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with gate:
            connection = await wire.Connection.open(server)
            await connection.stream(f"{clients.PATH}?watch=1&resourceVersion=0")
            connection.close()
            load.count("dropped watchers")

    await asyncio.gather(*(one() for _ in range(count)))


async def hold_connections(load: Load, server: wire.Server, count: int) -> None:
    """Many connections that ask once and then only stand there."""
    held: list[wire.Connection] = []
    try:
        for _ in range(0, count, _AT_ONCE):
            opening = (wire.Connection.open(server) for _ in range(_AT_ONCE))
            held += await asyncio.gather(*opening)
        answers = await asyncio.gather(*(c.request("GET", clients.PATH) for c in held))
        assert {answer.status for answer in answers} == {200}
        await _is_served(load, server)
    finally:
        load.count("held connections")
        for connection in held:
            connection.close()


async def send_forever(load: Load, server: wire.Server) -> None:
    """A body of unknown length that trickles, one that is too long, and a head that never ends:
    each is answered or cut within the server's bounds."""
    head = f"POST {clients.PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
    attempts = (
        _trickle(server, chunked, b"1\r\n \r\n", pause=0.05),
        _trickle(server, chunked, b"4000\r\n" + b" " * 0x4000 + b"\r\n", pause=0),
        _trickle(server, head.encode(), b"X-More: " + b"y" * 4000 + b"\r\n", pause=0),
        _is_served(load, server),
    )
    statuses = await asyncio.gather(*attempts)
    load.count(f"endless bodies and heads: {statuses[:3]}")


async def _trickle(server: wire.Server, head: bytes, part: bytes, pause: float) -> bytes:
    """Send until the server answers or hangs up: the status, or nothing."""
    connection = await wire.Connection.open(server)
    writer, reader = connection.writer, connection._reader
    answer = asyncio.create_task(reader.read(12))
    try:
        async with asyncio.timeout(40):
            writer.write(head)
            while not answer.done():
                writer.write(part)
                await writer.drain()
                await asyncio.wait([answer], timeout=pause)
    except OSError:
        await asyncio.wait([answer], timeout=1)
    finally:
        answer.cancel()
        connection.close()
    is_answered = answer.done() and not answer.cancelled() and answer.exception() is None
    return answer.result()[9:] if is_answered else b""


async def _is_served(load: Load, server: wire.Server) -> None:
    began = time.monotonic()
    connection = await wire.Connection.open(server)
    answer = await connection.request("GET", clients.PATH)
    connection.close()
    took = time.monotonic() - began
    assert answer.status == 200, answer
    assert took < _SERVED_SECONDS_MAX, f"a well-behaved client waited {took:.1f} s"


async def left_behind(server: machines.ApiServer, files_before: int) -> Sequence[str]:
    """Files and sockets that a server still holds after all its clients went."""
    for _ in range(100):
        files = machines.open_files(server.pid)
        if files <= files_before + _FILES_MORE_MAX:
            return []
        await asyncio.sleep(0.1)
    return [f"{server.name} holds {files} files and sockets, {files_before} before the crowd"]

# SPDX-License-Identifier: Apache-2.0
"""Watch fan-out: many watchers of one namespace, some writers, and when everybody has seen it.

A watcher does as little as can be done: it counts the ends of events in what TLS gives out,
into one buffer that is used again, and looks at nothing else.
"""

from __future__ import annotations

import asyncio
import json
import time

from hack.benchmarks.http import Connection, Target
from hack.benchmarks.report import Figure, rate

# How an event ends; no chunk of HTTP does.
_END = b"}\n"


class _Arrivals:
    """How many watchers have read how many events, and when the last of them did."""

    def __init__(self, watchers: int, events: int) -> None:
        self._watchers = watchers
        self._readers = [0] * (events + 1)
        self.at = [0.0] * (events + 1)
        self.done = asyncio.Event()

    def note(self, before: int, now: int) -> None:
        events = len(self._readers) - 1
        for count in range(before + 1, min(now, events) + 1):
            self._readers[count] += 1
            if self._readers[count] == self._watchers:
                self.at[count] = time.perf_counter()
                if count == events:
                    self.done.set()


class _Watcher(asyncio.BufferedProtocol):
    """One watch, from the request's bytes to the count of its events."""

    _buffer = bytearray(256 * 1024)

    def __init__(self, path: str, arrivals: _Arrivals) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode()
        self._arrivals = arrivals
        self._seen = 0
        self._ends_open = False
        self.begun = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self._request)

    def get_buffer(self, size_hint: int) -> memoryview:
        return memoryview(self._buffer)

    def buffer_updated(self, size: int) -> None:
        if not self.begun.done():
            status = bytes(self._buffer[:12])
            if status != b"HTTP/1.1 200":
                self.begun.set_exception(RuntimeError(f"a watch was answered {status!r}"))
                return
            self.begun.set_result(None)
        seen = self._seen + self._buffer.count(_END, 0, size)
        if self._ends_open and self._buffer[0] == _END[1]:
            seen += 1
        self._ends_open = self._buffer[size - 1] == _END[0]
        if seen > self._seen:
            self._arrivals.note(self._seen, seen)
            self._seen = seen


async def fan_out(
    target: Target, pods: str, *, watchers: int, writes: int, writers: int = 64
) -> Figure:
    """Events per second over all watchers, from the first write to the last watcher's reading of
    the last event. The latencies are from a write's answer to the last watcher's reading as many
    events as there were answers by then. `pods` is the path of a hundred pods and more."""
    arrivals = _Arrivals(watchers, writes)
    connections = [await Connection.open(target) for _ in range(writers)]
    _, body = await connections[0].request("GET", f"{pods}?limit=1")
    revision = json.loads(body)["metadata"]["resourceVersion"]
    loop = asyncio.get_running_loop()
    opened: list[_Watcher] = []
    for _ in range(watchers):
        _, watcher = await loop.create_connection(
            lambda: _Watcher(f"{pods}?watch=1&resourceVersion={revision}", arrivals),
            target.host,
            target.port,
            ssl=target.tls,
            server_hostname=target.host,
        )
        opened.append(watcher)
    await asyncio.gather(*(watcher.begun for watcher in opened))
    indexes = iter(range(writes))
    answered: list[float] = []

    async def write(connection: Connection, index: int) -> None:
        status, body = await connection.request(
            "PATCH",
            f"{pods}/pod-{index % 100:06}",
            {"metadata": {"annotations": {"round": f"{began}-{index}"}}},
            content_type="application/merge-patch+json",
        )
        if status != 200:
            raise SystemExit(f"fan-out: HTTP {status}: {body[:300]!r}")
        answered.append(time.perf_counter())

    async def work(connection: Connection) -> None:
        for index in indexes:
            await write(connection, index)

    began = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in connections))
    async with asyncio.timeout(120):
        await arrivals.done.wait()
    per_second = watchers * writes / (arrivals.at[writes] - began)
    for connection in connections:
        connection.close()
    for watcher in opened:
        watcher.transport.abort()
    behind = [max(0.0, at - answer) for at, answer in zip(arrivals.at[1:], answered, strict=True)]
    return rate(f"watch events, {watchers} watchers", per_second, behind)

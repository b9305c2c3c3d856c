# SPDX-License-Identifier: Apache-2.0
"""What other figures stand on: a bare app over HTTP, and bare transactions in etcd.

Both are measured in the same run as everything else, so that a ratio to them holds on any
machine, and on one that is busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from hack.benchmarks.http import Connection, Target
from hack.benchmarks.report import Figure, rate
from hack.benchmarks.storage import own_etcd
from pyk8s.storage.etcd.client import Client
from pyk8s.storage.etcd.keyspace import Keyspace
from pyk8s.storage.interface import EtcdOptions

_VALUE = b"x" * 2000


@contextlib.contextmanager
def bare(server: str) -> Iterator[Target]:
    """A process that serves the bare app; `server` as in hack.benchmarks.bare."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "hack.benchmarks.bare", server, directory]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            port = int(process.stdout.readline())
            tls = ssl.create_default_context(cafile=os.path.join(directory, "ca.crt"))
            tls.set_alpn_protocols(["http/1.1"])
            yield Target("127.0.0.1", port, tls)
        finally:
            process.terminate()
            process.wait()


async def requests_per_second(target: Target, requests: int) -> float:
    """What a bare app answers now, over 16 connections."""
    per_second, _ = await _load(target, requests, 16)
    return per_second


async def bare_app(name: str, target: Target, requests: int) -> Figure:
    """The same with its latencies, once it is warm."""
    await _load(target, requests // 10, 16)
    return rate(name, *await _load(target, requests, 16))


async def _load(target: Target, requests: int, connections: int) -> tuple[float, list[float]]:
    opened = [await Connection.open(target) for _ in range(connections)]
    indexes = iter(range(requests))
    seconds: list[float] = []

    async def work(connection: Connection) -> None:
        for _ in indexes:
            began = time.perf_counter()
            await connection.request("GET", "/api/v1/namespaces/bench/pods/pod-000000")
            seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in opened))
    per_second = requests / (time.perf_counter() - began)
    for connection in opened:
        connection.close()
    return per_second, seconds


async def etcd_transactions(writes: int, concurrency: int = 16) -> Figure:
    """Guarded puts of two kilobytes into an etcd of our own, without an API server."""
    async with own_etcd() as url:
        client = Client(EtcdOptions(servers=(url,)))
        keyspace = Keyspace(client)
        indexes = iter(range(writes))
        seconds: list[float] = []

        async def work() -> None:
            for index in indexes:
                began = time.perf_counter()
                await keyspace.put_if(f"/bench/{index}", _VALUE, revision=0)
                seconds.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        per_second = writes / (time.perf_counter() - began)
        await client.close()
    return rate("bare etcd transaction", per_second, seconds)

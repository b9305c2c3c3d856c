# SPDX-License-Identifier: Apache-2.0
"""Load on an API server: creates, gets, lists, patches, a watch fan-out.

Every phase runs for a fixed number of requests over a fixed number of connections and prints
requests per second with p50 and p99 in milliseconds. Everything it makes is in one namespace,
which it empties at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import uvloop

from hack.benchmarks.http import Connection, Target, target_of

NAMESPACE = "bench"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"

Job = Callable[[Connection, int], Awaitable[tuple[int, bytes]]]


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    per_second: float
    p50_ms: float
    p99_ms: float

    def row(self) -> str:
        return f"{self.name:<36}{self.per_second:>12,.0f}/s{self.p50_ms:>10.2f}{self.p99_ms:>10.2f}"


def pod(index: int) -> dict:
    """About 1 KB as sent, about 2 KB once defaulted."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{index:06}",
            "labels": {"app": "bench", "shard": str(index % 10)},
            "annotations": {"bench.example.com/note": "x" * 200},
        },
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "registry.example.com/app:1.2.3",
                    "args": ["--port=8080", "--verbose"],
                    "env": [{"name": f"VARIABLE_{i}", "value": f"value-{i}"} for i in range(5)],
                    "ports": [{"containerPort": 8080, "name": "http"}],
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi"},
                        "limits": {"cpu": "1", "memory": "256Mi"},
                    },
                }
            ]
        },
    }


async def phase(name: str, target: Target, job: Job, *, requests: int, connections: int) -> Result:
    """Run `requests` jobs, spread over the connections; an answer over 299 ends the run."""
    opened = [await Connection.open(target) for _ in range(connections)]
    indexes = iter(range(requests))
    latencies: list[float] = []

    async def work(connection: Connection) -> None:
        for index in indexes:
            began = time.perf_counter()
            status, body = await job(connection, index)
            latencies.append(time.perf_counter() - began)
            if status > 299:
                raise SystemExit(f"{name}: HTTP {status}: {body[:300]!r}")

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for connection in opened:
            group.create_task(work(connection))
    seconds = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return _result(name, requests / seconds, latencies)


def _result(name: str, per_second: float, latencies: list[float]) -> Result:
    latencies.sort()
    p50 = latencies[len(latencies) // 2] * 1000
    p99 = latencies[int(len(latencies) * 0.99)] * 1000
    return Result(name, per_second, p50, p99)


async def fan_out(target: Target, *, watchers: int, writes: int) -> Result:
    """Events per second over all watchers, from the first write to the last line read; the
    latencies are from a write's answer to the last watcher's reading it."""
    seen = [0] * watchers
    arrived: dict[int, float] = {}
    done = asyncio.Event()
    answered: list[float] = []

    def reader(index: int) -> Callable[[bytes], None]:
        def read(chunk: bytes) -> None:
            seen[index] += chunk.count(b"\n")
            lowest = min(seen) if index == 0 or seen[index] == writes else 0
            if lowest and lowest not in arrived:
                arrived[lowest] = time.perf_counter()
            if min(seen) >= writes:
                done.set()

        return read

    streams = []
    _, body = await _once(target, "GET", f"{_PODS}?limit=1")
    revision = json.loads(body)["metadata"]["resourceVersion"]
    for index in range(watchers):
        stream = await Connection.open(target)
        stream.stream(f"{_PODS}?watch=1&resourceVersion={revision}", reader(index))
        streams.append(stream)
    began = time.perf_counter()
    writer = await Connection.open(target)
    for index in range(writes):
        body = {"metadata": {"annotations": {"round": f"{began}-{index}"}}}
        await _patch(writer, index % 100, body)
        answered.append(time.perf_counter())
    async with asyncio.timeout(60):
        await done.wait()
    seconds = time.perf_counter() - began
    for stream in [*streams, writer]:
        stream.close()
    behind = [max(0.0, when - answered[count - 1]) for count, when in arrived.items()]
    return _result(f"watch events, {watchers} watchers", watchers * writes / seconds, behind)


async def _once(target: Target, method: str, path: str, body: object = None):
    connection = await Connection.open(target)
    try:
        return await connection.request(method, path, body)
    finally:
        connection.close()


async def _patch(connection: Connection, index: int, body: dict) -> tuple[int, bytes]:
    return await connection.request(
        "PATCH",
        f"{_PODS}/pod-{index:06}",
        body,
        content_type="application/merge-patch+json",
    )


async def run(target: Target, pods: int) -> list[Result]:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await _once(target, "POST", "/api/v1/namespaces", namespace)
    bodies = [json.dumps(pod(index)).encode() for index in range(pods)]

    async def create(connection: Connection, index: int):
        return await connection.request_bytes("POST", _PODS, bodies[index])

    async def get(connection: Connection, index: int):
        return await connection.request("GET", f"{_PODS}/pod-{index % pods:06}")

    async def get_cached(connection: Connection, index: int):
        path = f"{_PODS}/pod-{index % pods:06}?resourceVersion=0"
        return await connection.request("GET", path)

    async def patch(connection: Connection, index: int):
        body = {"metadata": {"labels": {"round": str(index // pods)}}}
        return await _patch(connection, index % pods, body)

    async def list_all(connection: Connection, index: int):
        return await connection.request("GET", _PODS)

    async def list_cached(connection: Connection, index: int):
        return await connection.request("GET", f"{_PODS}?resourceVersion=0")

    async def list_labelled(connection: Connection, index: int):
        return await connection.request("GET", f"{_PODS}?labelSelector=app%3Dbench")

    async def delete(connection: Connection, index: int):
        return await connection.request("DELETE", f"{_PODS}/pod-{index:06}?gracePeriodSeconds=0")

    many = {"requests": pods, "connections": 16}
    few = {"requests": 20, "connections": 1}
    return [
        await phase("create pods, 16 connections", target, create, **many),
        await phase("get, 16 connections", target, get, **many),
        await phase("get cached, 16 connections", target, get_cached, **many),
        await phase("merge patch, 16 connections", target, patch, **many),
        await phase(f"list {pods} pods", target, list_all, **few),
        await phase(f"list {pods} pods cached", target, list_cached, **few),
        await phase(f"list {pods} pods by label", target, list_labelled, **few),
        await fan_out(target, watchers=10, writes=300),
        await fan_out(target, watchers=200, writes=300),
        await phase("delete pods, 16 connections", target, delete, **many),
    ]


@contextlib.contextmanager
def _own_server():
    """A fresh `pyk8s up --ephemeral`, and how long it took to be ready."""
    command = [sys.executable, "-m", "pyk8s", "up", "--ephemeral", "--secure-port", "0"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line.startswith("export KUBECONFIG="):
            raise SystemExit(f"pyk8s up did not start: {line!r}")
        print(f"{'start to ready':<36}{(time.perf_counter() - began) * 1000:>10.0f} ms")
        yield line.strip().partition("=")[2]
    finally:
        process.terminate()
        process.wait()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="hack/bench api", description=__doc__)
    parser.add_argument("--kubeconfig", default="", help="the server to measure (default: ours)")
    parser.add_argument("--pods", type=int, default=3000)
    parser.add_argument("--json", default="", help="also write the results to this file")
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        kubeconfig = options.kubeconfig or stack.enter_context(_own_server())
        results = uvloop.run(run(target_of(kubeconfig), options.pods))
    print(f"{'':<36}{'':>12}  {'p50 ms':>10}{'p99 ms':>10}")
    for result in results:
        print(result.row())
    if options.json:
        figures = {r.name: [r.per_second, r.p50_ms, r.p99_ms] for r in results}
        with open(options.json, "w") as file:
            json.dump({"cores": os.cpu_count(), "results": figures}, file, indent=2)

# SPDX-License-Identifier: Apache-2.0
"""Load on an API server: creates, gets, lists, patches, applies, a watch fan-out, deletes.

Every phase runs for a fixed number of requests over a fixed number of connections and prints
requests per second with p50 and p99 in milliseconds, and as a multiple of R: what a bare app of
the same body answers on stock hypercorn in the same run. Everything it makes is in one namespace,
which it empties of pods at the end. One process makes the load, so it wants a core of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from hack.benchmarks import floor
from hack.benchmarks.fanout import fan_out
from hack.benchmarks.http import Connection, Target, target_of
from hack.benchmarks.report import Figure, Report, rate

NAMESPACE = "bench"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

# Stands in the head of a list; reading all of it as JSON would cost more than to serve it.
_CONTINUE = re.compile(rb'"continue":"([^"]+)"')

Job = Callable[[Connection, int], Awaitable[tuple[int, bytes]]]


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


async def phase(name: str, target: Target, job: Job, *, requests: int, connections: int) -> Figure:
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
    return rate(name, requests / seconds, latencies)


async def once(target: Target, method: str, path: str, body: object = None):
    connection = await Connection.open(target)
    try:
        return await connection.request(method, path, body)
    finally:
        connection.close()


class Jobs:
    """One request of each kind; the index says which object it is about."""

    def __init__(self, pods: int) -> None:
        self._pods = pods
        self._bodies = [json.dumps(pod(index)).encode() for index in range(pods)]

    def _path(self, index: int) -> str:
        return f"{PODS}/pod-{index % self._pods:06}"

    async def create(self, connection: Connection, index: int):
        return await connection.request_bytes("POST", PODS, self._bodies[index])

    async def get(self, connection: Connection, index: int):
        return await connection.request("GET", self._path(index))

    async def get_cached(self, connection: Connection, index: int):
        return await connection.request("GET", f"{self._path(index)}?resourceVersion=0")

    async def merge_patch(self, connection: Connection, index: int):
        body = {"metadata": {"labels": {"round": str(time.perf_counter_ns())}}}
        return await connection.request("PATCH", self._path(index), body, content_type=MERGE)

    async def status_update(self, connection: Connection, index: int):
        message = str(time.perf_counter_ns())
        body = {"status": {"phase": "Running", "message": message}}
        path = f"{self._path(index)}/status"
        return await connection.request("PATCH", path, body, content_type=MERGE)

    async def apply(self, connection: Connection, index: int):
        annotations = {"bench.example.com/round": str(time.perf_counter_ns())}
        metadata = {"name": f"pod-{index % self._pods:06}", "annotations": annotations}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        path = f"{self._path(index)}?fieldManager=bench&force=true"
        return await connection.request("PATCH", path, body, content_type=APPLY)

    async def delete(self, connection: Connection, index: int):
        return await connection.request("DELETE", f"{self._path(index)}?gracePeriodSeconds=0")

    def list(self, query: str) -> Job:
        async def listed(connection: Connection, index: int):
            return await connection.request("GET", PODS + query)

        return listed

    async def list_pages(self, connection: Connection, index: int):
        token = ""
        while True:
            path = f"{PODS}?limit=500&continue={token}"
            status, body = await connection.request("GET", path)
            found = _CONTINUE.search(body, 0, 1000)
            if status != 200 or found is None:
                return status, body
            token = found[1].decode()


async def run(target: Target, bare: Target, options: argparse.Namespace, report: Report) -> None:
    """`bare` is the bare app, measured anew before each phase: machines are not always as fast."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await once(target, "POST", "/api/v1/namespaces", namespace)
    pods, jobs = options.pods, Jobs(options.pods)

    async def measure(name: str, job: Job, requests: int, connections: int) -> None:
        if connections >= 16:
            report.note_floor(await floor.requests_per_second(bare, 1500))
        shown = f"{name}, {connections} connection{'s' if connections > 1 else ''}"
        report.add(await phase(shown, target, job, requests=requests, connections=connections))

    await measure("create pod", jobs.create, pods, 16)
    for connections in options.connections:
        few = max(pods // 4, pods * min(connections, 16) // 16)
        await measure("get", jobs.get, few * 2, connections)
        await measure("get cached", jobs.get_cached, few * 2, connections)
        await measure("merge patch", jobs.merge_patch, few, connections)
        await measure("status patch", jobs.status_update, few, connections)
        await measure("apply", jobs.apply, few, connections)
    queries = {"": "", " cached": "?resourceVersion=0", " by label": "?labelSelector=app%3Dbench"}
    for suffix, query in queries.items():
        await measure(f"list {pods}{suffix}", jobs.list(query), 20, 1)
    await measure(f"list {pods} in pages", jobs.list_pages, 5, 1)
    for watchers in options.watchers:
        report.note_floor(await floor.requests_per_second(bare, 1500))
        writes = max(100, min(1000, 200_000 // watchers))
        report.add(await fan_out(target, PODS, watchers=watchers, writes=writes))
    await measure("delete pod", jobs.delete, pods, 16)


async def floors(bare: Target, options: argparse.Namespace, report: Report) -> None:
    requests = options.pods * 2
    await floor.requests_per_second(bare, 1000)
    report.note_floor(await floor.requests_per_second(bare, requests))
    with floor.bare("pyk8s") as ours:
        report.add(await floor.bare_app("bare app, pyk8s", ours, requests))
    report.add(await floor.etcd_transactions(options.pods))


@contextlib.contextmanager
def _own_server(report: Report):
    """A fresh `pyk8s up --ephemeral`; notes how long it took to be ready and what it holds in
    the end."""
    # The API server and etcd alone: what lives on it would make, bind and run pods meanwhile.
    alone = ("--ephemeral", "--secure-port=0", "--components=apiserver")
    command = [sys.executable, "-m", "pyk8s", "up", *alone]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line.startswith("export KUBECONFIG="):
            raise SystemExit(f"pyk8s up did not start: {line!r}")
        report.add(Figure("start to ready", time.perf_counter() - began, "s"))
        yield line.strip().partition("=")[2]
        report.add(Figure("resident in the end", _resident(process.pid), "MiB"))
    finally:
        process.terminate()
        process.wait()


def _resident(supervisor: int) -> float:
    """Of the API server that this supervisor runs, where /proc tells."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == supervisor and b"\0apiserver\0" in (entry / "cmdline").read_bytes():
                status = (entry / "status").read_text()
                return int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return 0.0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/bench api", description=__doc__)
    parser.add_argument("--kubeconfig", default="", help="the server to measure (default: ours)")
    parser.add_argument("--pods", type=int, default=3000)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--watchers", type=int, nargs="*", default=[10, 200, 1000])
    parser.add_argument("--json", default="", help="also write the results to this file")
    parser.add_argument("--against", default="", help="a file of --json to compare with")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    report = Report(options.against)
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(floor.bare("hypercorn"))
        uvloop.run(floors(bare, options, report))
        kubeconfig = options.kubeconfig or stack.enter_context(_own_server(report))
        uvloop.run(run(target_of(kubeconfig), bare, options, report))
    report.add_floor()
    if options.json:
        report.write(options.json)

# SPDX-License-Identifier: Apache-2.0
"""What an API server costs that holds many objects and does nothing: start, memory, idle CPU.

    hack/bench cost [--objects 0,10000,100000] [--watchers 1000] [--json FILE]

Pods of about 2 KB are put into an etcd of its own; then `pyk8s apiserver` is started on it, as a
process. Memory per object is what the process has more than one without objects, beyond the
bytes of the objects as they are stored. Idle CPU is measured with the watchers open by HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

import uvloop

from hack.benchmarks.storage import CONFIG, PREFIX, pod
from hack.survival import machines, wire
from pyk8s.storage import etcd
from pyk8s.storage.interface import EtcdOptions

_WRITERS = 64
_SETTLE_SECONDS = 3.0
_IDLE_SECONDS = 10.0
# Long enough that each watcher gets its bookmark.
_WATCHED_SECONDS = 60.0


async def fill(url: str, first: int, count: int) -> None:
    backend = etcd.open(EtcdOptions(servers=(url,), compaction_interval_seconds=0))
    storage = backend.storage_for(CONFIG)
    await backend.start()
    numbers = iter(range(first, first + count))

    async def work() -> None:
        for number in numbers:
            name, namespace = f"pod-{number:07}", f"namespace-{number % 50}"
            obj = pod(name, namespace, f"node-{number % 1000}")
            await storage.create(f"{PREFIX}{namespace}/{name}", obj)

    await asyncio.gather(*(work() for _ in range(_WRITERS)))
    await backend.stop()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(
    world: machines.World, objects: int, watchers: int
) -> dict[str, tuple[float, str]]:
    began = time.perf_counter()
    server = await world.start_api_server(f"apiserver-{objects}")
    ready = time.perf_counter() - began
    await asyncio.sleep(_SETTLE_SECONDS)
    resident = machines.resident_bytes(server.pid)
    idle = await _busy(server, _IDLE_SECONDS)
    held = await _watch(server, watchers)
    watched = await _busy(server, _WATCHED_SECONDS)
    for connection in held:
        connection.close()
    await server.terminate()
    return {
        "start to ready": (ready, "s"),
        "resident": (resident / 2**20, "MiB"),
        "idle": (idle, "% of a core"),
        f"idle with {watchers:,} watchers": (watched, "% of a core"),
    }


async def _busy(server: machines.ApiServer, seconds: float) -> float:
    """In percent of a core."""
    before = cpu_seconds(server.pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(server.pid) - before) / seconds * 100


async def _watch(server: machines.ApiServer, count: int) -> list[wire.Connection]:
    """Connections with a watch on each, that nothing will come on but bookmarks."""
    gate = asyncio.Semaphore(20)

    async def one(number: int) -> wire.Connection:
        async with gate:
            connection = await wire.Connection.open(server.server, 30)
            path = f"/api/v1/namespaces/quiet-{number}/pods?watch=1&allowWatchBookmarks=true"
            await connection.stream(path)
            return connection

    return await asyncio.gather(*(one(number) for number in range(count)))


async def run(counts: list[int], watchers: int) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="pyk8s-cost-") as directory:
        world = machines.World(Path(directory), checks_itself=False)
        async with world.running():
            cluster = await world.start_etcd(flags=["--quota-backend-bytes=8589934592"])
            there = 0
            for count in sorted(counts):
                await fill(cluster.urls[0], there, count - there)
                there = count
                found = await measure(world, count, watchers)
                figures[str(count)] = {name: value for name, (value, _) in found.items()}
                for name, (value, unit) in found.items():
                    print(f"{count:>8,} pods  {name:<36}{value:>10.2f} {unit}", flush=True)
                _print_per_object(figures, count)
    return figures


def _print_per_object(figures: dict[str, dict[str, float]], count: int) -> None:
    if "0" not in figures or not count:
        return
    size = len(json.dumps(pod("pod-0000000", "namespace-10", "node-100"), separators=(",", ":")))
    more = (figures[str(count)]["resident"] - figures["0"]["resident"]) * 2**20 / count
    figures[str(count)]["bytes per object beyond its own"] = more - size
    text = f"memory per pod beyond its {size} bytes"
    print(f"{count:>8,} pods  {text:<36}{more - size:>10.0f} B", flush=True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="hack/bench cost", description=__doc__.splitlines()[0])
    parser.add_argument("--objects", default="0,10000,100000")
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--json", default="", help="write the figures to this file")
    options = parser.parse_args(arguments)
    counts = [int(count) for count in options.objects.split(",")]
    figures = uvloop.run(run(counts, options.watchers))
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n")

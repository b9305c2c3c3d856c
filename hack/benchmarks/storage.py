# SPDX-License-Identifier: Apache-2.0
"""Measures storage without HTTP: an own etcd, the cacher over it, pods of about 2 KB.

    hack/bench storage [--objects 10000] [--watchers 200] [--bare] [--json FILE]

One process and one event loop, as in the server; etcd has the other core. Every figure is a
single run: repeat before believing a difference of less than a tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from pyk8s.apimachinery import fields, labels
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.server import etcd_process
from pyk8s.storage import cacher, etcd
from pyk8s.storage.interface import (
    Backend,
    EtcdOptions,
    Item,
    ListOptions,
    Predicate,
    ResourceConfig,
    Storage,
    WatchOptions,
)

CONNECTIONS = 16
PREFIX = "/registry/pods/"


def fields_of(obj: Object) -> dict[str, str]:
    metadata, spec, status = obj["metadata"], obj["spec"], obj["status"]
    return {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.phase": status.get("phase", ""),
        "status.podIP": status.get("podIP", ""),
    }


CONFIG = ResourceConfig(
    group_resource=GroupResource("", "pods"),
    key_prefix=PREFIX,
    namespaced=True,
    fields_of=fields_of,
    indexes=("spec.nodeName",),
)


def pod(name: str, namespace: str, node: str = "") -> Object:
    """About 2 KB when stored."""
    container = {
        "name": "main",
        "image": "registry.example/team/service:v1.2.3",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "env": [{"name": f"VARIABLE_{n}", "value": "value" * 8} for n in range(14)],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": "8f3b1c1e-6c1c-4c9b-9d0e-0123456789ab",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "service", "pod-template-hash": "5d4f8c7b9d"},
        },
        "spec": {
            "nodeName": node,
            "containers": [container],
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "serviceAccountName": "default",
        },
        "status": {"phase": "Pending", "podIP": "10.0.0.1"},
    }


class Bench:
    """The figures of one backend, printed as they come."""

    def __init__(self, backend: Backend, storage: Storage, arguments: argparse.Namespace) -> None:
        self.backend = backend
        self.storage = storage
        self.arguments = arguments
        self.figures: dict[str, float] = {}
        self._names = itertools.count()

    def note(self, name: str, value: float, unit: str) -> None:
        self.figures[name] = value
        print(f"{name:<42}{value:>14,.1f} {unit}", flush=True)

    async def rate(
        self, name: str, step: Callable[[int], Awaitable[Any]], seconds: float = 2.0
    ) -> None:
        """Calls per second from sixteen tasks, each with its number."""
        done = 0
        end = time.perf_counter() + seconds

        async def work(number: int) -> None:
            nonlocal done
            while time.perf_counter() < end:
                await step(number)
                done += 1

        began = time.perf_counter()
        await asyncio.gather(*(work(number) for number in range(CONNECTIONS)))
        self.note(name, done / (time.perf_counter() - began), "/s")

    async def create(self, namespace: str = "default", node: str = "") -> Item:
        name = f"pod-{next(self._names):07}"
        return await self.storage.create(f"{PREFIX}{namespace}/{name}", pod(name, namespace, node))

    async def fill(self, count: int, namespace: str) -> None:
        async def work() -> None:
            for _ in range(count // CONNECTIONS):
                await self.create(namespace, f"node-{next(self._names) % 100}")

        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))

    async def milliseconds(self, name: str, step: Callable[[], Awaitable[Any]]) -> None:
        """The median of seven calls."""
        times = []
        for _ in range(7):
            began = time.perf_counter()
            await step()
            times.append((time.perf_counter() - began) * 1000)
        self.note(name, sorted(times)[3], "ms")

    async def requests(self) -> None:
        keys = [(await self.create()).key for _ in range(CONNECTIONS)]
        await self.rate("get, linearizable", lambda n: self.storage.get(keys[n]))
        await self.rate(
            "get, cached", lambda n: self.storage.get(keys[n], resource_version="0"), 1.0
        )
        counter = itertools.count()

        async def annotate(item: Item | None) -> Object:
            assert item is not None
            obj = item.object()
            obj["metadata"]["annotations"] = {"n": str(next(counter))}
            return obj

        await self.rate("create", lambda n: self.create("created"))
        await self.rate(
            "update, own object each", lambda n: self.storage.guaranteed_update(keys[n], annotate)
        )

    async def lists(self) -> None:
        await self.fill(3000, "listed")
        everything = ListOptions(namespace="listed")
        items = (await self.storage.list(everything)).items
        self.note("bytes of an object", sum(len(i.data) for i in items) / len(items), "B")
        await self.milliseconds("list 3,000 objects", lambda: self.storage.list(everything))

        async def join() -> bytes:
            result = await self.storage.list(everything)
            return b",".join([item.data for item in result.items])

        await self.milliseconds("list 3,000 objects, joined", join)
        selector = Predicate(label_selector=labels.parse("app=service"))
        by_label = ListOptions(namespace="listed", predicate=selector)
        began = time.perf_counter()
        await self.storage.list(by_label)
        self.note("list 3,000 by label, first", (time.perf_counter() - began) * 1000, "ms")
        await self.milliseconds(
            "list 3,000 by label, all match", lambda: self.storage.list(by_label)
        )
        on_node = Predicate(field_selector=fields.parse("spec.nodeName=node-7"))
        by_node = ListOptions(predicate=on_node)
        await self.milliseconds("list by node", lambda: self.storage.list(by_node))

    async def fan_out(self) -> None:
        watchers = self.arguments.watchers
        seen = 0
        expected = 2000

        async def follow() -> None:
            nonlocal seen
            watcher = await self.storage.watch(
                WatchOptions(namespace="fan-out", resource_version="0")
            )
            count = 0
            while count < expected:
                batch = await watcher.next_batch()
                assert batch
                count += len(batch)
                seen += len(batch)
            watcher.close()

        following = [asyncio.create_task(follow()) for _ in range(watchers)]
        await asyncio.sleep(0.1)
        began = time.perf_counter()
        await self.fill(expected, "fan-out")
        await asyncio.gather(*following)
        self.note(f"events to {watchers} watchers", seen / (time.perf_counter() - began), "/s")

    async def afresh(self, url: str) -> None:
        """What a process costs that starts on what is stored now."""
        await self.fill(self.arguments.objects, "many")
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hack.benchmarks",
            "storage",
            "--afresh",
            url,
            stdout=subprocess.PIPE,
        )
        output, _ = await child.communicate()
        for name, (value, unit) in json.loads(output).items():
            self.note(name, value, unit)


async def afresh(url: str) -> dict[str, tuple[float, str]]:
    """Start-up, memory per object beyond its bytes, and CPU when nothing happens."""
    backend = cacher.open(EtcdOptions(servers=(url,), compaction_interval_seconds=0))
    await backend.start()
    gc.collect()
    before = resident_bytes()
    began = time.perf_counter()
    storage = backend.storage_for(CONFIG)
    items = (await storage.list(ListOptions())).items
    seconds = time.perf_counter() - began
    gc.collect()
    memory = resident_bytes() - before
    beyond = (memory - sum(len(item.data) for item in items)) / len(items)
    watchers = [
        await storage.watch(
            WatchOptions(resource_version="", send_initial_events=False, allow_bookmarks=True)
        )
        for _ in range(1000)
    ]
    waiting = [asyncio.create_task(watcher.next_batch()) for watcher in watchers]
    cpu = time.process_time()
    await asyncio.sleep(5)
    busy = (time.process_time() - cpu) / 5 * 100
    for watcher in watchers:
        watcher.close()
    await asyncio.gather(*waiting)
    await backend.stop()
    return {
        f"start with {len(items)} objects": (seconds * 1000, "ms"),
        "memory per object beyond its bytes": (beyond, "B"),
        "idle with 1,000 watchers": (busy, "% of a core"),
    }


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@asynccontextmanager
async def own_etcd() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        options = etcd_process.Options(data_dir=Path(directory), ephemeral=True)
        process = etcd_process.EtcdProcess(options)
        await process.start()
        await process.wait_until_healthy()
        try:
            yield process.url
        finally:
            await process.stop()


async def measure(arguments: argparse.Namespace) -> None:
    if arguments.afresh:
        print(json.dumps(await afresh(arguments.afresh)))
        return None
    async with own_etcd() as url:
        options = EtcdOptions(servers=(url,), compaction_interval_seconds=0)
        backend = (etcd if arguments.bare else cacher).open(options)
        storage = backend.storage_for(CONFIG)
        await backend.start()
        bench = Bench(backend, storage, arguments)
        await bench.requests()
        await bench.lists()
        await bench.fan_out()
        await bench.afresh(url)
        bench.note("resident after all of this", resident_bytes() / 2**20, "MiB")
        await backend.stop()
    return bench.figures


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/bench storage", description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--bare", action="store_true", help="bare etcd instead of the cacher")
    parser.add_argument("--json", default="", help="write the figures to this file")
    parser.add_argument("--afresh", default="", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    options = parse_arguments(arguments)
    figures = uvloop.run(measure(options))
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n")

# SPDX-License-Identifier: Apache-2.0
"""The whole of `pyk8s up` at work: many simulated nodes, many pods, a Deployment, and at rest.

    hack/bench cluster [--only nodes,deployment] [--nodes 5000] [--pods 10000] [--replicas 1000]
                       [--deployment-nodes 100] [--idle-seconds 60] [--json FILE]

`nodes` starts a control plane without nodes and measures until the given number are Ready, until
pods that are bound to them from the start are Running, and until they are gone after a DELETE of
each. `deployment` measures a Deployment on fewer nodes from its POST to all replicas ready, then
what the processes use while nothing happens. etcd counts in neither CPU nor memory; memory is
the proportional set size.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from hack.benchmarks.cost import cpu_seconds
from hack.benchmarks.report import Figure, Report
from hack.benchmarks.running import all_at_once, descendants
from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupVersionResource
from pyk8s.cli import supervisor
from pyk8s.client import kubeconfig, resources, rest, watch
from pyk8s.client.client import Client, ListOptions, WatchOptions

_PROMISE = "export KUBECONFIG="
_NAMESPACES = 10
# As the pods of kwok's benchmark: one container.
_POD_SPEC = {"containers": [{"name": "container", "image": "image"}]}
_SETTLE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running `pyk8s up`, and a client of it."""

    process: asyncio.subprocess.Process
    kubeconfig: str
    client: Client
    beside: dict[str, int] = field(default_factory=dict)

    def processes(self) -> dict[str, int]:
        """The pids of all but etcd, by component."""
        found = {"up": self.process.pid, **self.beside}
        for pid, words in descendants(self.process.pid):
            if b"pyk8s" in words:
                found[words[words.index(b"pyk8s") + 1].decode()] = pid
        return found


@asynccontextmanager
async def _cluster(directory: str, nodes: int) -> AsyncIterator[Cluster]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pyk8s", "up", "--secure-port=0"),
        *(f"--data-dir={directory}", f"--nodes={nodes}"),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    if not line.startswith(_PROMISE):
        raise SystemExit("hack/bench cluster: pyk8s up did not start")
    config = shlex.split(line.removeprefix(_PROMISE))[0]
    connection = rest.RESTClient(kubeconfig.load(config), qps=0)
    try:
        yield Cluster(process, config, Client(connection))
    finally:
        await connection.close()
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


# --- many nodes


@asynccontextmanager
async def _nodes(cluster: Cluster, directory: str, count: int) -> AsyncIterator[float]:
    """The nodes, in a process of their own; how many seconds it took until all were Ready."""
    read, write = os.pipe()
    log = os.open(f"{directory}/nodes.log", os.O_WRONLY | os.O_CREAT)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pyk8s", "node", f"--simulated={count}"),
        f"--kubeconfig={cluster.kubeconfig}",
        stderr=log,
        pass_fds=(write,),
        env={**os.environ, supervisor.READY_FD: str(write)},
    )
    os.close(write)
    os.close(log)
    cluster.beside["node"] = process.pid
    try:
        said = await asyncio.get_running_loop().run_in_executor(None, os.read, read, 1)
        ready = [node async for node in _pages(cluster, resources.NODES) if _is_ready(node)]
        took = time.perf_counter() - began
        if not said or len(ready) != count:
            raise SystemExit(f"hack/bench cluster: {len(ready)} of {count} nodes are Ready")
        yield took
    finally:
        os.close(read)
        await _end(process)


async def _pages(cluster: Cluster, resource: GroupVersionResource) -> AsyncIterator[Any]:
    async for page in cluster.client.pages(resource):
        for item in page["items"]:
            yield item


def _is_ready(node: Any) -> bool:
    conditions = node["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


class _Watched:
    """The pods that are Running, as a watch tells."""

    def __init__(self, stream: watch.Watch) -> None:
        self._stream = stream
        self.running: set[str] = set()

    async def until(self, count: int) -> None:
        while len(self.running) != count:
            batch = await self._stream.next_batch()
            if not batch:
                raise SystemExit("hack/bench cluster: the watch ended")
            for event in batch:
                if event.type in (watch.ADDED, watch.MODIFIED):
                    self.running.add(meta.uid(event.object))
                elif event.type == watch.DELETED:
                    self.running.discard(meta.uid(event.object))


async def _bound_pods(cluster: Cluster, nodes: int, count: int, report: Report) -> None:
    client = cluster.client
    names = [f"bench-{number}" for number in range(_NAMESPACES)]
    for name in names:
        await client.create(resources.NAMESPACES, {"metadata": {"name": name}})
    pods = [(names[number % _NAMESPACES], f"pod-{number}") for number in range(count)]

    async def create(numbered: tuple[int, tuple[str, str]]) -> None:
        number, (namespace, name) = numbered
        spec = {**_POD_SPEC, "nodeName": f"node-{number % nodes}"}
        await client.create(resources.PODS, {"metadata": {"name": name}, "spec": spec}, namespace)

    async def delete(pod: tuple[str, str]) -> None:
        await client.delete(resources.PODS, pod[1], pod[0])

    # A pod that is deleted stays Running to its end: that it is gone is what this watch says.
    options = WatchOptions(field_selector="status.phase=Running")
    async with await client.watch(resources.PODS, "", options) as stream:
        watched = _Watched(stream)
        for text, step, items, left in (
            ("Running", create, enumerate(pods), count),
            ("deleted", delete, pods, 0),
        ):
            before = _cpu(cluster)
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                group.create_task(all_at_once(items, step))
                group.create_task(watched.until(left))
            took = time.perf_counter() - began
            report.add(Figure(f"{count:,} bound pods {text}", took, "s"))
            _print_cpu(before, _cpu(cluster))
    async for pod in _pages(cluster, resources.PODS):
        raise SystemExit(f"hack/bench cluster: {meta.name(pod)} is still there")


# --- a Deployment, and rest


async def _deployment(cluster: Cluster, replicas: int, report: Report) -> None:
    labels = {"app": "bench"}
    deployment = {
        "metadata": {"name": "bench", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _POD_SPEC},
        },
    }
    options = WatchOptions(field_selector="metadata.name=bench")
    async with await cluster.client.watch(resources.DEPLOYMENTS, "default", options) as stream:
        before = _cpu(cluster)
        began = time.perf_counter()
        await cluster.client.create(resources.DEPLOYMENTS, deployment)
        async for event in stream:
            if event.object["status"].get("readyReplicas") == replicas:
                break
        took = time.perf_counter() - began
    report.add(Figure(f"Deployment of {replicas:,}, all ready", took, "s"))
    _print_cpu(before, _cpu(cluster))


async def _rest(cluster: Cluster, seconds: float, report: Report) -> None:
    await asyncio.sleep(_SETTLE_SECONDS)
    before = _cpu(cluster)
    await asyncio.sleep(seconds)
    after = _cpu(cluster)
    used = {name: (after[name] - before[name]) / seconds * 100 for name in after}
    report.add(Figure("idle, all but etcd", sum(used.values()), "%"))
    print("  " + ", ".join(f"{name} {value:.1f} %" for name, value in used.items()))
    memory = {name: _memory(pid) / 2**20 for name, pid in cluster.processes().items()}
    report.add(Figure("memory, all but etcd", sum(memory.values()), "MiB"))
    print("  " + ", ".join(f"{name} {value:.0f} MiB" for name, value in memory.items()))


def _memory(pid: int) -> int:
    """The proportional set size: pages that processes share are counted once (Linux)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("smaps_rollup without Pss")


def _cpu(cluster: Cluster) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in cluster.processes().items()}


def _print_cpu(before: dict[str, float], after: dict[str, float]) -> None:
    used = Counter(after)
    used.subtract(before)
    print("  CPU: " + ", ".join(f"{name} {value:.1f} s" for name, value in used.most_common()))


async def _run_nodes(options: argparse.Namespace, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="pyk8s-cluster-") as directory:
        async with (
            _cluster(directory, 0) as cluster,
            _nodes(cluster, directory, options.nodes) as took,
        ):
            report.add(Figure(f"{options.nodes:,} nodes Ready", took, "s"))
            await _bound_pods(cluster, options.nodes, options.pods, report)


async def _run_deployment(options: argparse.Namespace, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="pyk8s-cluster-") as directory:
        async with _cluster(directory, options.deployment_nodes) as cluster:
            await _wait_for_account(cluster)
            await _deployment(cluster, options.replicas, report)
            await _rest(cluster, options.idle_seconds, report)


async def _wait_for_account(cluster: Cluster) -> None:
    """Without the default ServiceAccount, no pod can be made."""
    named = ListOptions(field_selector="metadata.name=default")
    while True:
        found = await cluster.client.list(resources.SERVICE_ACCOUNTS, "default", named)
        if found["items"]:
            return
        await asyncio.sleep(0.1)


_PARTS = {"nodes": _run_nodes, "deployment": _run_deployment}


async def run(options: argparse.Namespace) -> None:
    report = Report()
    for part in options.only.split(","):
        await _PARTS[part](options, report)
    if options.json:
        report.write(options.json)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="hack/bench cluster", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--only", default=",".join(_PARTS), help="parts, by commas (default: all)")
    add("--nodes", type=int, default=5000)
    add("--pods", type=int, default=10000)
    add("--replicas", type=int, default=1000)
    add("--deployment-nodes", type=int, default=100)
    add("--idle-seconds", type=float, default=60.0)
    add("--json", default="", help="write the figures to this file")
    uvloop.run(run(parser.parse_args(arguments)))

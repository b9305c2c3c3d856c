# SPDX-License-Identifier: Apache-2.0
"""The scheduler as a process beside a running API server, seen by a watcher that is neither.

    nodes, pods that wait -> `pyk8s scheduler` started -> first sign of it ... last binding

The first sign is the first pod it changes: bound, or promised a node that is being cleared.

Each case has a control plane of its own, and leaves nothing behind. `-created` makes the pods
while they are scheduled, as upstream's scheduler_perf does; then both share the API server.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hack.benchmarks.cost import cpu_seconds
from hack.benchmarks.running import all_at_once, descendants
from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import kubeconfig, resources, rest, watch
from pyk8s.client.client import MERGE_PATCH, Client, Patch, WatchOptions

_PROMISE = "export KUBECONFIG="
NAMESPACE = "default"
HIGH = "measured-high"
_PRIORITY_CLASSES = GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`aim` in pods per second. `before` are bound pods, made before anything is measured."""

    aim: float
    nodes: Callable[[], Iterable[Object]]
    pods: Callable[[], Iterable[Object]]
    before: Callable[[], Iterable[Object]] = tuple
    while_created: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`seconds` from the first pod that the scheduler changed to the last one bound; CPU seconds
    by process, in that time."""

    pods: int
    seconds: float
    cpu: dict[str, float]

    @property
    def per_second(self) -> float:
        # The first one begins the time, so that it is not in it.
        return (self.pods - 1) / self.seconds


async def run(case: Case, seconds_max: float, profile: str = "") -> Outcome:
    """`profile` names a file for the scheduler's cProfile, which slows it. Raises TimeoutError."""
    async with asyncio.timeout(seconds_max), AsyncExitStack() as stack:
        config, server = await stack.enter_async_context(_control_plane())
        connection = rest.RESTClient(kubeconfig.load(config), qps=0)
        stack.push_async_callback(connection.close)
        client = Client(connection)
        scheduler = ["-m", "pyk8s", "scheduler", "--leader-elect=false", f"--kubeconfig={config}"]
        if profile:
            scheduler = ["-m", "cProfile", "-o", profile, *scheduler]
        await _prepare(client, case)
        return await _measure(client, case, server, scheduler)


async def _prepare(client: Client, case: Case) -> None:
    account = {"metadata": {"name": "default"}}
    high = {"metadata": {"name": HIGH}, "value": 1000}
    for resource, obj, namespace in (
        (resources.SERVICE_ACCOUNTS, account, NAMESPACE),
        (_PRIORITY_CLASSES, high, ""),
    ):
        try:
            await client.create(resource, obj, namespace)
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise
    await all_at_once(case.nodes(), lambda node: _add_node(client, node))
    await all_at_once(case.before(), lambda pod: client.create(resources.PODS, pod, NAMESPACE))


async def _add_node(client: Client, node: Object) -> None:
    created = await client.create(resources.NODES, node)
    if created["spec"].get("taints"):
        # A new node is tainted until somebody says that it is ready; nobody does here.
        untainted = Patch(content={"spec": {"taints": None}}, type=MERGE_PATCH)
        await client.patch(resources.NODES, ("", meta.name(node)), untainted)


async def _measure(client: Client, case: Case, server: int, command: list[str]) -> Outcome:
    pods = [*case.pods()]

    async def create() -> None:
        await all_at_once(pods, lambda pod: client.create(resources.PODS, pod, NAMESPACE))

    options = WatchOptions(label_selector="app=measured")
    async with AsyncExitStack() as stack:
        stream = await client.watch(resources.PODS, NAMESPACE, options)
        await stack.enter_async_context(stream)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        first = asyncio.Event()
        bound = group.create_task(_bindings(stream, len(pods), first))
        if not case.while_created:
            await create()
        scheduler = await stack.enter_async_context(_python(*command))
        processes = {"scheduler": scheduler.pid, "bench": os.getpid(), **_by_name(server)}
        created = group.create_task(create()) if case.while_created else None
        await first.wait()
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        if created is not None:
            await created
        began, ended = await bound
        cpu = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}
        if scheduler.returncode is not None:
            raise SystemExit("hack/bench scheduler: the scheduler ended")
        return Outcome(pods=len(pods), seconds=ended - began, cpu=cpu)


async def _bindings(stream: watch.Watch, count: int, first: asyncio.Event) -> tuple[float, float]:
    """When the first of so many pods was seen changed, which is told by `first`, and when the last
    one was on a node."""
    seen: set[str] = set()
    began = 0.0
    while len(seen) < count:
        batch = await stream.next_batch()
        if not batch:
            raise SystemExit("hack/bench scheduler: the watch ended")
        changed = [event.object for event in batch if event.type == watch.MODIFIED]
        if changed:
            first.set()
            began = began or time.perf_counter()
        seen.update(meta.name(pod) for pod in changed if pod["spec"].get("nodeName"))
    return began, time.perf_counter()


# --- processes


@asynccontextmanager
async def _python(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=None if os.environ.get("BENCH_LOG") else asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def _control_plane() -> AsyncIterator[tuple[str, int]]:
    """An API server: its kubeconfig, and the pid of who keeps it running."""
    flags = ("--ephemeral", "--secure-port=0", "--components=apiserver")
    async with _python("-m", "pyk8s", "up", *flags) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode().strip()
        if not line.startswith(_PROMISE):
            raise SystemExit("hack/bench scheduler: pyk8s up did not start")
        yield line.removeprefix(_PROMISE).strip("'"), process.pid


def _by_name(pid: int) -> dict[str, int]:
    """The API server and its etcd."""
    found: dict[str, int] = {}
    for child, words in descendants(pid):
        if b"apiserver" in words:
            found.setdefault("apiserver", child)
        elif words[0].endswith(b"etcd"):
            found["etcd"] = child
    return found

# SPDX-License-Identifier: Apache-2.0
"""hack/churn: random changes of workloads for so many minutes, then nothing may be left."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from hack.churning import leftovers, load, settled
from pyk8s.apimachinery import errors, meta
from pyk8s.client import kubeconfig, resources, rest
from pyk8s.client.client import Client, DeleteOptions, Patch

_NAMESPACES, _ACTORS = 4, 3
_PREFIX = "churn-"
_SETTLE_SECONDS_MAX = 180.0
_STOP_SECONDS_MAX = 30.0
_PROMISE = "export KUBECONFIG="
_SHOWN = 20
_BACKGROUND = DeleteOptions(propagation_policy="Background")


@contextlib.asynccontextmanager
async def _plane(nodes: int) -> AsyncIterator[Path]:
    """`pyk8s up`: its kubeconfig; stopped with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pyk8s", "up", "--ephemeral", "--secure-port=0", f"--nodes={nodes}",
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode().strip()
        if not line.startswith(_PROMISE):
            raise SystemExit("hack/churn: pyk8s up did not start")
        yield Path(line.removeprefix(_PROMISE))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), _STOP_SECONDS_MAX)


async def _until_none(ask: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """What there still is of it when the time is up: nothing, if all is well."""
    end = time.monotonic() + _SETTLE_SECONDS_MAX
    while True:
        found = await ask()
        if not found or time.monotonic() > end:
            return found
        await asyncio.sleep(0.5)


class _Churn:
    def __init__(self, client: Client, config: Path) -> None:
        self._client, self._config = client, config
        self.names = [f"{_PREFIX}{number}" for number in range(_NAMESPACES)]
        (self._etcd,) = config.parent.glob("etcd/socket/*:2379")
        self.problems: list[str] = []

    async def prepare(self) -> None:
        for name in self.names:
            await self._client.create(resources.NAMESPACES, {"metadata": {"name": name}})
            spec = {"selector": load.LABELS, "ports": [{"port": 80}]}
            service = {"metadata": {"name": "all"}, "spec": spec}
            await self._client.create(resources.SERVICES, service, name)

    async def run(self, seconds: float, seed: int) -> None:
        totals = load.Totals()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for number in range(_NAMESPACES * _ACTORS):
                    place = (self.names[number % _NAMESPACES], f"actor-{number}")
                    chance = random.Random(seed * 1000 + number)
                    actor = load.Actor(self._client, place, str(self._config), chance)
                    group.create_task(actor.run(totals))
        done = sum(totals.done.values())
        print(f"{done} changes in {seconds:.0f} s, {totals.passed_by} came too late")
        for what, count in sorted(totals.done.items()):
            print(f"  {what:<20} {count}")
        self._note("not allowed", totals.failures)

    async def settle(self) -> None:
        began = time.monotonic()
        await self._resume()
        self._note("not settled", await _until_none(self._unsettled))
        print(f"settled after {time.monotonic() - began:.1f} s, {await self._pods()} pods")

    async def _resume(self) -> None:
        """A rollout that was paused halfway rests there, with more pods than it is to have."""
        for name in self.names:
            for obj in (await self._client.list(resources.DEPLOYMENTS, name))["items"]:
                if obj["spec"].get("paused"):
                    patch = Patch(content={"spec": {"paused": None}})
                    key = meta.namespaced_name(obj)
                    await self._client.patch(resources.DEPLOYMENTS, key, patch)

    async def _pods(self) -> int:
        lists = [await self._client.list(resources.PODS, name) for name in self.names]
        return sum(len(each["items"]) for each in lists)

    async def _unsettled(self) -> list[str]:
        found: list[str] = []
        for kind, (resource, _) in load.KINDS.items():
            for name in self.names:
                items = (await self._client.list(resource, name))["items"]
                found += settled.unsettled(kind, items)
        return found

    async def delete_workloads(self) -> None:
        """With the Services; namespaces stay, so that it is the owners whose end is followed."""
        began = time.monotonic()
        for name in self.names:
            await self._client.delete(resources.SERVICES, "all", name)
            for resource, _ in load.KINDS.values():
                for obj in (await self._client.list(resource, name))["items"]:
                    # A Job that is deleted without a word leaves its pods.
                    await self._client.delete(resource, obj["metadata"]["name"], name, _BACKGROUND)
        left = await _until_none(lambda: leftovers.by_api(self._client, self.names))
        self._note("left over", left)
        print(f"nothing owned is left after {time.monotonic() - began:.1f} s")

    async def delete_namespaces(self) -> None:
        began = time.monotonic()
        for name in self.names:
            with contextlib.suppress(errors.StatusError):
                await self._client.delete(resources.NAMESPACES, name)

        async def keys() -> list[str]:
            return await leftovers.in_etcd(self._etcd, lambda s: s.startswith(_PREFIX))

        self._note("left in etcd", await _until_none(keys))
        self._note("of nobody", await leftovers.leases_of_nobody(self._client))
        print(f"no key is left in etcd after {time.monotonic() - began:.1f} s")

    def look_at_logs(self) -> None:
        for log in sorted(self._config.parent.glob("*.log")):
            count = log.read_text().count("Traceback")
            if count:
                self._note("in the log", [f"{log.name}: {count} tracebacks"])

    def _note(self, what: str, found: list[str]) -> None:
        self.problems += [f"{what}: {text}" for text in found]


async def run(minutes: float, nodes: int, seed: int) -> int:
    """The exit status: 0 if all was as it must be. SIGTERM ends the control plane too."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with _plane(nodes) as config:
        connection = rest.RESTClient(kubeconfig.load(str(config)), qps=0)
        churn = _Churn(Client(connection), config)
        try:
            await churn.prepare()
            await churn.run(minutes * 60, seed)
            await churn.settle()
            await churn.delete_workloads()
            await churn.delete_namespaces()
            churn.look_at_logs()
        finally:
            await connection.close()
    for problem in churn.problems[:_SHOWN]:
        print(f"PROBLEM {problem}")
    print(f"{len(churn.problems)} problems")
    return 1 if churn.problems else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="hack/churn", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of changes (default: 10)")
    parser.add_argument("--nodes", type=int, default=5, help="simulated ones (default: 5)")
    parser.add_argument("--seed", type=int, default=1, help="of all chances")
    options = parser.parse_args()
    if not shutil.which("kubectl"):
        parser.error("kubectl must be on PATH: https://kubernetes.io/docs/tasks/tools/")
    return asyncio.run(run(options.minutes, options.nodes, options.seed))


sys.exit(main())

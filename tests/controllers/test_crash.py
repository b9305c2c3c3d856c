# SPDX-License-Identifier: Apache-2.0
"""The controller manager killed in the middle of its work, again and again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import objects
import pytest
from cluster import SECONDS_MAX, ControlPlane, eventually, running
from test_deployment import image, rolling, sizes, until_complete, until_seen
from world import World

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, kubeconfig, reflector, resources, rest
from pyk8s.client.client import Client
from pyk8s.controllers import pods

_REPLICAS, _SURGE, _MISSING = 200, 20, 20
# Of what ends five times in quick succession, `pyk8s up` despairs.
_KILLS = 4
# A manager that is killed every second or two gets little done between two kills, so a rollout may
# last until after the last of them. Each costs a delay of the supervisor (0.1 s to 0.8 s), a start
# and the filling of caches: about 1.3 s together, and a multiple where others use the machine.
_SECONDS_MAX = (_KILLS + 1) * SECONDS_MAX
_COMPLETIONS = 100


class _Census:
    """How many pods of the namespace there were at most, and how many were ready at least, since
    `begin`; those on their way out count for neither."""

    def __init__(self, client: Client, namespace: str) -> None:
        source = reflector.ResourceListWatcher(
            client=client, resource=resources.PODS, namespace=namespace
        )
        self.informer = informer.SharedInformer(source)
        self.informer.add_event_handler(
            informer.Handler(
                on_add=lambda pod, _: self._seen(pod),
                on_update=lambda _, pod: self._seen(pod),
                on_delete=lambda deleted: self._count(informer.last_known(deleted), False, False),
            )
        )
        self._alive: set[str] = set()
        self._ready: set[str] = set()
        self.begin()

    def _seen(self, pod: Object) -> None:
        is_alive = not meta.is_being_deleted(pod)
        self._count(pod, is_alive, is_alive and pods.is_ready(pod))

    def _count(self, pod: Object, is_alive: bool, is_ready: bool) -> None:
        uid = meta.uid(pod)
        (self._alive.add if is_alive else self._alive.discard)(uid)
        (self._ready.add if is_ready else self._ready.discard)(uid)
        self.most = max(self.most, len(self._alive))
        self.least_ready = min(self.least_ready, len(self._ready))

    def begin(self) -> None:
        self.most, self.least_ready = len(self._alive), len(self._ready)


@contextlib.asynccontextmanager
async def _census(world: World) -> AsyncIterator[_Census]:
    census = _Census(world.client, world.namespace)
    task = asyncio.ensure_future(census.informer.run())
    await census.informer.wait_until_synced()
    yield census
    task.cancel()
    await asyncio.wait([task])


def _manager(plane: ControlPlane) -> int:
    """Its pid; 0 while there is none."""
    for pid in plane.children():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"\0controller-manager\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return 0


async def _kill_now_and_then(
    plane: ControlPlane, chance: random.Random, kills: int = _KILLS
) -> None:
    """Moments from before its caches are filled to long after."""
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0.3, 2.5))
        os.kill(await eventually(lambda: _manager(plane), "it runs again"), signal.SIGKILL)


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    """One whose controller manager may be killed, with room for all pods of the test."""
    yield from running("--nodes=3")


@pytest.fixture
async def own_world(plane: ControlPlane) -> AsyncIterator[World]:
    connection = rest.RESTClient(kubeconfig.load(str(plane.kubeconfig)), qps=0)
    yield World(Client(connection), "default")
    await connection.close()


async def test_killed_during_a_rollout(plane: ControlPlane, own_world: World) -> None:
    """The end state is right, and there were never more pods than maxSurge allows nor fewer
    ready ones than maxUnavailable does."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    world = own_world
    made = objects.deployment("web", _REPLICAS)
    made["spec"]["strategy"] = rolling(_SURGE, _MISSING)
    await world.create(resources.DEPLOYMENTS, made)
    await until_complete(world, "web")
    async with _census(world) as census:
        census.begin()
        killing = asyncio.ensure_future(_kill_now_and_then(plane, random.Random(seed)))
        version = 1
        while not killing.done():
            version += 1
            await world.patch(resources.DEPLOYMENTS, "web", image(f"nginx:{version}"))
            await until_seen(world, "web", _SECONDS_MAX)
            await until_complete(world, "web", _SECONDS_MAX)
        await killing
        assert await sizes(world) == [0] * (version - 1) + [_REPLICAS]
        found = await world.list(resources.PODS)
        images = [pod["spec"]["containers"][0]["image"] for pod in found]
        assert images == [f"nginx:{version}"] * _REPLICAS
        print(f"{version} versions, {census.most} pods at most, {census.least_ready} ready")
        assert census.most <= _REPLICAS + _SURGE
        assert census.least_ready >= _REPLICAS - _MISSING


async def test_killed_during_jobs(plane: ControlPlane, own_world: World) -> None:
    """Every Pod that succeeded is counted, and none of them twice."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    killing = asyncio.ensure_future(_kill_now_and_then(plane, random.Random(seed), kills=2))
    number = 0
    while not killing.done():
        number += 1
        await _run_job(own_world, f"sum-{number}")
    await killing
    print(f"{number} Jobs")


async def _run_job(world: World, name: str) -> None:
    pod = {**objects.pod("sum")["spec"], "restartPolicy": "Never"}
    pod["containers"][0]["command"] = ["sleep", "0.2"]
    spec = {"completions": _COMPLETIONS, "parallelism": 20, "template": {"spec": pod}}
    await world.create(resources.JOBS, {"metadata": {"name": name}, "spec": spec})

    async def complete() -> Object | None:
        found = await world.find(resources.JOBS, name)
        assert found is not None
        return found if "completionTime" in found["status"] else None

    status = (await eventually(complete, f"{name} is complete", seconds_max=120.0))["status"]
    assert (status["succeeded"], status.get("failed", 0)) == (_COMPLETIONS, 0)
    assert not status["uncountedTerminatedPods"]
    found = await world.list(resources.PODS, f"job-name={name}")
    assert [pod["status"]["phase"] for pod in found] == ["Succeeded"] * _COMPLETIONS
    assert not any(map(meta.finalizers, found))

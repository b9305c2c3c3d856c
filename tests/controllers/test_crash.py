# SPDX-License-Identifier: Apache-2.0
"""The controller manager killed in the middle of its work, again and again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import objects
import pytest
from cluster import ControlPlane
from nodes import running
from test_deployment import image, rolling, sizes, until_complete, until_seen
from world import World

from pyk8s.client import kubeconfig, resources, rest
from pyk8s.client.client import Client

_REPLICAS, _SURGE, _MISSING = 60, 6, 6
_KILLS = 4


def _manager(plane: ControlPlane) -> int:
    """Its pid; 0 while there is none."""
    own = plane.process.pid
    for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split():
        if b"controller-manager" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    return 0


async def _kill_now_and_then(plane: ControlPlane, chance: random.Random) -> None:
    for _ in range(_KILLS):
        await asyncio.sleep(chance.uniform(1.0, 2.5))
        if pid := _manager(plane):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    """One whose controller manager may be killed."""
    plane = ControlPlane("--ephemeral", "--secure-port=0")
    yield plane
    assert plane.stop()[0] == 0


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
    async with running(world.client, "default") as kubelet:
        made = objects.deployment("web", _REPLICAS)
        made["spec"]["strategy"] = rolling(_SURGE, _MISSING)
        await world.create(resources.DEPLOYMENTS, made)
        await until_complete(world, "web")
        kubelet.watch_from_here()
        killing = asyncio.ensure_future(_kill_now_and_then(plane, random.Random(seed)))
        for version in range(2, 5):
            await world.patch(resources.DEPLOYMENTS, "web", image(f"nginx:{version}"))
            await until_seen(world, "web")
            await until_complete(world, "web")
        await killing
        await until_complete(world, "web")
        assert await sizes(world) == [0, 0, 0, _REPLICAS]
        assert len(await world.names(resources.PODS)) == _REPLICAS
        assert kubelet.most <= _REPLICAS + _SURGE
        assert kubelet.least_ready >= _REPLICAS - _MISSING

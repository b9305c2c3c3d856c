# SPDX-License-Identifier: Apache-2.0
"""A scheduler that dies at any moment leaves nothing that another cannot take over."""

from __future__ import annotations

import random

import pytest
from cluster import eventually
from schedulers import Schedulers, add_node, node, pod
from world import World

from hack.scheduling import history, play
from hack.scheduling.checker import Checker
from pyk8s.apimachinery import errors, meta
from pyk8s.client import resources

_LEASE = ("kube-system", "kube-scheduler")
_LEADING = (
    "--leader-elect-lease-duration=3s",
    "--leader-elect-renew-deadline=2s",
    "--leader-elect-retry-period=500ms",
)


@pytest.mark.parametrize("seed", [1])
async def test_churn_with_kills(bare: World, schedulers: Schedulers, seed: int) -> None:
    """Nodes and pods come, change and go, the scheduler is killed now and then: no binding is one
    that the cluster did not allow, none is made twice, and what has room gets a node."""
    chance, running = random.Random(seed), [schedulers.start()]

    async def meanwhile(step: int) -> None:
        if chance.randrange(50) == 0:
            schedulers.kill(running.pop())
            running.append(schedulers.start())

    found = await play.play(bare.client, seed, 140, meanwhile)
    assert found.violations == []
    assert found.pending == []
    assert found.bindings > 30


async def _holder(world: World) -> str:
    namespace, name = _LEASE
    try:
        lease = await world.client.get(resources.LEASES, name, namespace)
    except errors.StatusError as error:
        if error.reason != errors.NOT_FOUND:
            raise
        return ""
    return str(lease["spec"].get("holderIdentity") or "")


async def test_leader_is_killed(bare: World, schedulers: Schedulers) -> None:
    """When the leader of two is killed while pods come, the other takes over: every pod gets a
    node, once, and no node too much."""
    for number in range(6):
        await add_node(bare, node(f"node-{number}"))
    recorder = history.Recorder(bare.client)
    await recorder.start(expects_nothing=False)
    leader = schedulers.start(*_LEADING)
    await eventually(lambda: _holder(bare), "one leads")
    first = await _holder(bare)
    schedulers.start(*_LEADING)
    for number in range(24):
        await bare.create(resources.PODS, pod(f"pod-{number}"))
        if number == 12:
            await eventually(lambda: len(recorder.bound()) >= 6, "it is under way")
            schedulers.kill(leader)
    await eventually(lambda: len(recorder.bound()) == 24, "every pod has a node")
    assert await _holder(bare) != first
    nodes = {meta.name(each): each for each in (await bare.client.list(resources.NODES))["items"]}
    before = [history.Change(0, 0.0, "nodes", "ADDED", each) for each in nodes.values()]
    judged = Checker([*before, *await recorder.stop()])
    assert judged.run() == []
    assert judged.bindings == 24

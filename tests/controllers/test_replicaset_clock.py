# SPDX-License-Identifier: Apache-2.0
"""A ReplicaSet whose pods become available while the controller looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import objects
from cluster import eventually
from running import running
from world import World

from pyk8s.apimachinery import meta, times
from pyk8s.client import resources
from pyk8s.controllers.replicaset.controller import ReplicaSetController

READY_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Each look at it is `step` after the one before."""

    def __init__(self) -> None:
        self.now = READY_AT + timedelta(seconds=1)
        self.step = timedelta()

    def __call__(self) -> datetime:
        now = self.now
        self.now += self.step
        return now


async def test_available_between_two_looks_at_the_clock(quiet: World) -> None:
    """A pod that was not counted yet is waited for, however soon its moment comes."""
    clock = Clock()
    async with running(quiet.client, lambda context: ReplicaSetController(context, clock)):
        made = objects.deployment("web", 1)
        made["kind"] = "ReplicaSet"
        made["spec"]["minReadySeconds"] = 100
        await quiet.create(resources.REPLICA_SETS, made)
        await eventually(lambda: _pods(quiet), "its pod is made")
        (pod,) = await quiet.list(resources.PODS)
        ready = {
            "type": "Ready",
            "status": "True",
            "lastTransitionTime": times.format(READY_AT),
        }
        status = {"phase": "Running", "conditions": [ready]}
        await quiet.patch(resources.PODS, meta.name(pod), {"status": status}, "status")
        await eventually(lambda: _counts(quiet, "readyReplicas"), "the pod is ready")
        clock.now = READY_AT + timedelta(seconds=99.9995)
        clock.step = timedelta(seconds=0.001)
        note = {"metadata": {"annotations": {"look": "again"}}}
        await quiet.patch(resources.REPLICA_SETS, "web", note)
        await eventually(lambda: _counts(quiet, "availableReplicas"), "the pod is available")


async def _pods(world: World) -> bool:
    return bool(await world.list(resources.PODS))


async def _counts(world: World, field: str) -> bool:
    found = await world.find(resources.REPLICA_SETS, "web")
    return bool(found and found["status"].get(field) == 1)

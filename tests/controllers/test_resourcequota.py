# SPDX-License-Identifier: Apache-2.0
"""What the resourcequota controller writes into status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cluster import eventually
from objects import deployment, pod
from running import running
from world import Object, World

from pyk8s.client import resources
from pyk8s.client.client import DeleteOptions
from pyk8s.controllers.resourcequota.controller import SETTLE_SECONDS, ResourceQuotaController


@pytest.fixture
async def counted(quiet: World) -> AsyncIterator[World]:
    """A namespace whose quotas are counted, by this controller alone."""
    async with running(quiet.client, ResourceQuotaController):
        yield quiet


async def limit(world: World, **spec: Any) -> Object:
    quota = {"metadata": {"name": "q"}, "spec": spec}
    return await world.create(resources.RESOURCE_QUOTAS, quota)


async def until_used(world: World, **used: str) -> None:
    async def is_so() -> bool:
        found = await world.find(resources.RESOURCE_QUOTAS, "q")
        return ((found or {}).get("status") or {}).get("used") == used

    await eventually(is_so, f"{used} are used")


async def test_what_is_there_is_counted(counted: World) -> None:
    """Pods with what they ask for, and whatever has a number."""
    made = pod("p")
    made["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "250m"}}
    await counted.create(resources.PODS, made)
    await counted.create(resources.DEPLOYMENTS, deployment("d"))
    hard = {"pods": "9", "cpu": "2", "count/deployments.apps": "3", "serviceaccounts.x/y": "1"}
    await limit(counted, hard=hard)
    await until_used(counted, **{"pods": "1", "cpu": "250m", "count/deployments.apps": "1"})
    status = (await counted.client.get(resources.RESOURCE_QUOTAS, "q", counted.namespace))["status"]
    assert status["hard"] == hard


async def test_a_change_of_spec_is_followed(counted: World) -> None:
    """What is limited no longer is not counted any more."""
    await limit(counted, hard={"secrets": "2", "configmaps": "2"})
    await until_used(counted, secrets="0", configmaps="0")
    await counted.patch(resources.RESOURCE_QUOTAS, "q", {"spec": {"hard": {"secrets": None}}})
    await until_used(counted, configmaps="0")


async def test_what_goes_is_given_back(counted: World) -> None:
    """A deleted Secret, and a pod that has come to its end, which is there still."""
    await limit(counted, hard={"secrets": "2", "pods": "2", "count/pods": "2"})
    await until_used(counted, **{"secrets": "0", "pods": "0", "count/pods": "0"})
    await counted.create(resources.SECRETS, {"metadata": {"name": "s"}})
    await counted.create(resources.PODS, pod("p"))
    await until_used(counted, **{"secrets": "1", "pods": "1", "count/pods": "1"})
    await counted.client.delete(resources.SECRETS, "s", counted.namespace, DeleteOptions())
    await counted.patch(resources.PODS, "p", {"status": {"phase": "Failed"}}, "status")
    await until_used(counted, **{"secrets": "0", "pods": "0", "count/pods": "1"})


async def test_a_charge_of_something_on_its_way_stays(counted: World) -> None:
    """Counting anew does not take back at once what was charged for an object that is not there
    yet; what never comes is not charged for ever."""
    await limit(counted, hard={"secrets": "9"})
    await until_used(counted, secrets="0")
    started = asyncio.get_running_loop().time()
    await counted.patch(
        resources.RESOURCE_QUOTAS, "q", {"status": {"used": {"secrets": "3"}}}, "status"
    )
    # Something else to count for.
    await counted.patch(resources.RESOURCE_QUOTAS, "q", {"spec": {"hard": {"services": "1"}}})
    await until_used(counted, secrets="3", services="0")
    await until_used(counted, secrets="0", services="0")
    assert asyncio.get_running_loop().time() - started >= SETTLE_SECONDS

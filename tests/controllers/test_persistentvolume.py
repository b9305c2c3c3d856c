# SPDX-License-Identifier: Apache-2.0
"""Claims and volumes in a running cluster: bound, lost, released, provisioned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import storage
from cluster import eventually
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.componenthelpers import volumes

PVC, PV = resources.PERSISTENT_VOLUME_CLAIMS, resources.PERSISTENT_VOLUMES
CLASSES = resources.STORAGE_CLASSES


class Disks:
    """The cluster-scoped side of a world: names are made its own, and gone when the test is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: list[tuple[Any, str]] = []
        self.at_large = World(world.client, "")

    def named(self, name: str) -> str:
        return f"{self._world.namespace}-{name}"

    async def volume(self, name: str, **spec: Any) -> dict[str, Any]:
        """Without a class of its own it would be anybody's."""
        given = {"storageClassName": self.named("static"), **spec}
        return await self.make(PV, storage.volume(self.named(name), **given))

    async def storage_class(self, name: str, **more: Any) -> dict[str, Any]:
        return await self.make(CLASSES, storage.storage_class(self.named(name), **more))

    async def make(self, resource: Any, obj: dict[str, Any]) -> dict[str, Any]:
        self._made.append((resource, meta.name(obj)))
        return await self._world.client.create(resource, obj)

    async def claim(self, name: str, **spec: Any) -> dict[str, Any]:
        given = {"storageClassName": self.named("static"), **spec}
        return await self._world.create(PVC, storage.claim(name, **given))

    async def phase(self, name: str) -> str | None:
        found = await self.at_large.find(PV, self.named(name))
        return None if found is None else found["status"]["phase"]

    async def until_phase(self, name: str, phase: str) -> dict[str, Any]:
        async def is_so() -> bool:
            return await self.phase(name) == phase

        await eventually(is_so, f"volume {name} is {phase}")
        return await self._world.client.get(PV, self.named(name))

    async def until_claim(self, name: str, phase: str) -> dict[str, Any]:
        async def is_so() -> bool:
            found = await self._world.find(PVC, name)
            return found is not None and found["status"]["phase"] == phase

        await eventually(is_so, f"claim {name} is {phase}")
        found = await self._world.find(PVC, name)
        assert found is not None
        return found

    async def until_event(self, name: str, reason: str) -> dict[str, Any]:
        async def told() -> list[dict[str, Any]]:
            return [
                event
                for event in await self._world.list(resources.EVENTS)
                if event["involvedObject"]["name"] == name and event["reason"] == reason
            ]

        return (await eventually(told, f"event {reason} of {name}"))[-1]

    async def clear(self) -> None:
        for resource, name in self._made:
            if await self.at_large.find(resource, name) is not None:
                await self.at_large.delete(resource, name)


@pytest.fixture
async def disks(world: World) -> AsyncIterator[Disks]:
    found = Disks(world)
    yield found
    for name in await world.names(PVC):
        await world.delete(PVC, name)
    await found.clear()


async def test_the_smallest_volume_that_is_large_enough_is_bound(disks: Disks) -> None:
    """Both sides name each other, say that the controller did it, and are Bound."""
    for name, size in (("small", "1Gi"), ("right", "3Gi"), ("large", "5Gi")):
        await disks.volume(name, size=size)
        await disks.until_phase(name, "Available")
    claim = await disks.claim("data", size="2Gi")
    bound = await disks.until_claim("data", "Bound")
    volume = await disks.until_phase("right", "Bound")
    assert bound["spec"]["volumeName"] == disks.named("right")
    assert bound["status"]["capacity"] == {"storage": "3Gi"}
    assert bound["status"]["accessModes"] == ["ReadWriteOnce"]
    assert volume["spec"]["claimRef"]["uid"] == meta.uid(claim)
    assert meta.annotations(bound)[volumes.BIND_COMPLETED] == "yes"
    assert meta.annotations(bound)[volumes.BOUND_BY_CONTROLLER] == "yes"
    assert meta.annotations(volume)[volumes.BOUND_BY_CONTROLLER] == "yes"
    assert await disks.phase("large") == "Available"


async def test_a_waiting_claim_is_bound_when_a_volume_comes(disks: Disks) -> None:
    """Nobody has to look again by the clock."""
    await disks.claim("data")
    await disks.volume("late")
    await disks.until_claim("data", "Bound")


async def test_many_claims_get_a_volume_each(disks: Disks) -> None:
    """No volume is given away twice, whoever asks at once."""
    await asyncio.gather(*(disks.volume(f"v{number}") for number in range(12)))
    await asyncio.gather(*(disks.claim(f"c{number}") for number in range(12)))
    found = [await disks.until_claim(f"c{number}", "Bound") for number in range(12)]
    assert len({claim["spec"]["volumeName"] for claim in found}) == 12


async def test_a_reserved_volume_waits_for_its_claim(disks: Disks, world: World) -> None:
    """A claimRef without uid keeps everybody else away, and was no controller's doing."""
    reference = {"namespace": world.namespace, "name": "mine"}
    await disks.volume("reserved", claimRef=reference)
    await disks.until_phase("reserved", "Available")
    await disks.claim("other")
    mine = await disks.claim("mine")
    await disks.until_claim("mine", "Bound")
    volume = await disks.until_phase("reserved", "Bound")
    assert volume["spec"]["claimRef"]["uid"] == meta.uid(mine)
    assert volumes.BOUND_BY_CONTROLLER not in meta.annotations(volume)
    assert (await disks.until_claim("other", "Pending"))["spec"].get("volumeName") is None


async def test_a_claim_that_names_a_volume_too_small_says_so(disks: Disks) -> None:
    """It stays Pending, and its event says what does not fit."""
    await disks.volume("small", size="1Gi")
    await disks.claim("data", size="2Gi", volumeName=disks.named("small"))
    event = await disks.until_event("data", "VolumeMismatch")
    volume = disks.named("small")
    assert event["message"] == (
        f'Cannot bind to requested volume "{volume}": requested PV is too small'
    )
    assert event["source"]["component"] == "persistentvolume-controller"


async def test_a_retained_volume_is_released_and_given_to_nobody(
    disks: Disks, world: World
) -> None:
    """Its data may be somebody's still; a new claim of the old name does not get it."""
    await disks.volume("kept", persistentVolumeReclaimPolicy="Retain")
    await disks.claim("data")
    await disks.until_claim("data", "Bound")
    await world.delete(PVC, "data")
    await disks.until_phase("kept", "Released")
    await disks.claim("data")
    await disks.until_claim("data", "Pending")
    assert await disks.phase("kept") == "Released"


@pytest.mark.parametrize(
    ("policy", "reason", "message"),
    [
        ("Delete", "VolumeFailedDelete", "no deletable volume plugin matched"),
        ("Recycle", "VolumeFailedRecycle", "No recycler plugin found for the volume!"),
    ],
)
async def test_what_nobody_here_can_reclaim_fails(
    disks: Disks, world: World, policy: str, reason: str, message: str
) -> None:
    """The volume is Failed, with the reason in its status and its event."""
    await disks.volume("gone", persistentVolumeReclaimPolicy=policy)
    await disks.claim("data")
    await disks.until_claim("data", "Bound")
    await world.delete(PVC, "data")
    volume = await disks.until_phase("gone", "Failed")
    assert message in volume["status"]["message"]
    told = World(world.client, "default")

    async def event() -> bool:
        found = await told.list(resources.EVENTS)
        return any(
            each["involvedObject"]["name"] == disks.named("gone") and each["reason"] == reason
            for each in found
        )

    await eventually(event, reason)


async def test_a_claim_whose_volume_is_gone_is_lost(disks: Disks, world: World) -> None:
    """It says that the data is lost."""
    await disks.volume("doomed")
    await disks.claim("data")
    await disks.until_claim("data", "Bound")
    await disks.at_large.delete(PV, disks.named("doomed"))
    await disks.at_large.patch(PV, disks.named("doomed"), {"metadata": {"finalizers": None}})
    lost = await disks.until_claim("data", "Lost")
    assert "capacity" not in lost["status"]
    event = await disks.until_event("data", "ClaimLost")
    assert (
        event["message"] == "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    )


async def test_a_provisioner_is_asked_and_its_volume_bound(disks: Disks, world: World) -> None:
    """It is named on the claim; the volume it makes for that claim is the claim's."""
    await disks.storage_class("fast")
    claim = await disks.claim("data", storageClassName=disks.named("fast"))
    event = await disks.until_event("data", "ExternalProvisioning")
    assert f"by the external provisioner '{storage.PROVISIONER}'" in event["message"]
    found = await world.find(PVC, "data")
    assert found is not None
    assert meta.annotations(found)[volumes.STORAGE_PROVISIONER] == storage.PROVISIONER
    assert meta.annotations(found)[volumes.BETA_STORAGE_PROVISIONER] == storage.PROVISIONER
    reference = volumes.reference_to(claim)
    await disks.volume("made", storageClassName=disks.named("fast"), claimRef=reference)
    bound = await disks.until_claim("data", "Bound")
    assert bound["spec"]["volumeName"] == disks.named("made")


async def test_a_class_that_waits_for_a_pod_says_so(disks: Disks) -> None:
    """No provisioner is asked before the scheduler has chosen a node."""
    await disks.storage_class("local", waits=True)
    await disks.claim("data", storageClassName=disks.named("local"))
    event = await disks.until_event("data", "WaitForFirstConsumer")
    assert event["message"] == "waiting for first consumer to be created before binding"


async def test_a_missing_class_is_named(disks: Disks) -> None:
    """The user reads which one is missing."""
    await disks.claim("data", storageClassName="absent")
    event = await disks.until_event("data", "ProvisioningFailed")
    assert event["message"] == 'storageclass.storage.k8s.io "absent" not found'

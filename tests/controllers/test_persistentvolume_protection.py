# SPDX-License-Identifier: Apache-2.0
"""What is in use stays until it is not, and pods bring the claims of their ephemeral volumes."""

from __future__ import annotations

from typing import Any

import storage
from cluster import eventually
from test_persistentvolume import PV, PVC, Disks, disks
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.componenthelpers import volumes

__all__ = ["disks"]


def pod_with(name: str, *mounted: dict[str, Any], **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "registry.example.com/main"}]
    given = {"terminationGracePeriodSeconds": 0, "containers": containers, **spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"volumes": [*mounted], **given},
    }


def claimed(name: str) -> dict[str, Any]:
    return {"name": "data", "persistentVolumeClaim": {"claimName": name}}


def _ephemeral() -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"of": "pod"}},
        "spec": storage.claim("", storageClassName="absent")["spec"],
    }
    return {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}


async def until_running(world: World, name: str) -> None:
    async def runs() -> bool:
        pod = await world.find(resources.PODS, name)
        return pod is not None and pod["status"].get("phase") == "Running"

    await eventually(runs, f"pod {name} runs")


async def test_a_claim_in_use_goes_with_its_last_pod(disks: Disks, world: World) -> None:
    """Deleted under a running pod it is marked, and gone once the pod is."""
    await disks.volume("disk")
    await disks.claim("data")
    await world.create(resources.PODS, pod_with("user", claimed("data")))
    await until_running(world, "user")
    await world.delete(PVC, "data")
    marked = await world.find(PVC, "data")
    assert marked is not None
    assert meta.is_being_deleted(marked)
    assert volumes.CLAIM_PROTECTION in meta.finalizers(marked)
    await world.delete(resources.PODS, "user")
    await world.until_gone(PVC, "data")


async def test_an_unused_claim_goes_at_once(disks: Disks, world: World) -> None:
    """Nothing holds what no pod mounts."""
    await disks.claim("data")
    await world.delete(PVC, "data")
    await world.until_gone(PVC, "data")


async def test_a_bound_volume_stays_until_its_claim_is_gone(disks: Disks, world: World) -> None:
    """Deleted under its claim it is marked, and gone once it is released."""
    await disks.volume("disk")
    await disks.claim("data")
    await disks.until_claim("data", "Bound")
    await disks.at_large.delete(PV, disks.named("disk"))
    marked = await disks.at_large.find(PV, disks.named("disk"))
    assert marked is not None
    assert volumes.VOLUME_PROTECTION in meta.finalizers(marked)
    await world.delete(PVC, "data")
    await disks.at_large.until_gone(PV, disks.named("disk"))


async def test_what_lost_its_finalizer_gets_it_back(disks: Disks, world: World) -> None:
    """Protection does not rest on how the object was made."""
    await disks.claim("data")
    await world.patch(PVC, "data", {"metadata": {"finalizers": None}})

    async def is_protected() -> bool:
        found = await world.find(PVC, "data")
        return found is not None and volumes.CLAIM_PROTECTION in meta.finalizers(found)

    await eventually(is_protected, "the finalizer is back")


async def test_a_pod_brings_the_claim_of_its_ephemeral_volume(disks: Disks, world: World) -> None:
    """Named after pod and volume, labelled as the template says, owned by the pod and gone with
    it."""
    pod = await world.create(resources.PODS, pod_with("user", _ephemeral()))
    await world.until_names(PVC, "user-scratch")
    found = await world.find(PVC, "user-scratch")
    assert found is not None
    assert meta.is_controlled_by(found, pod)
    assert meta.labels(found) == {"of": "pod"}
    await world.delete(resources.PODS, "user")
    await world.until_gone(PVC, "user-scratch")


async def test_a_claim_of_somebody_else_is_not_taken(disks: Disks, world: World) -> None:
    """The pod says which claim stands in its way."""
    await world.create(PVC, storage.claim("user-scratch", storageClassName="absent"))
    await world.create(resources.PODS, pod_with("user", _ephemeral()))
    event = await disks.until_event("user", "FailedBinding")
    where = world.namespace
    assert event["message"] == (
        f"ephemeral volume scratch: PVC {where}/user-scratch was not created for pod "
        f"{where}/user (pod is not owner)"
    )
    assert event["source"]["component"] == "ephemeral_volume"


async def test_growing_a_claim_waits_for_somebody_outside(disks: Disks, world: World) -> None:
    """Nothing here can expand a volume, and the claim is told so."""
    await disks.storage_class("fast", allowVolumeExpansion=True)
    await disks.volume("disk", storageClassName=disks.named("fast"))
    await disks.claim("data", storageClassName=disks.named("fast"))
    await disks.until_claim("data", "Bound")
    await world.patch(PVC, "data", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    event = await disks.until_event("data", "ExternalExpanding")
    assert "waiting for an external controller to process this PVC" in event["message"]


async def test_without_controllers_nothing_is_protected(quiet: World) -> None:
    """Nobody would take the finalizer off again."""
    await quiet.create(PVC, storage.claim("data"))
    await quiet.delete(PVC, "data")
    assert await quiet.find(PVC, "data") is None


async def test_an_attributes_class_in_use_stays(disks: Disks, world: World) -> None:
    """As long as a claim names it; it is gone with the last."""
    VAC = resources.VOLUME_ATTRIBUTES_CLASSES
    name = disks.named("gold")
    made = {"metadata": {"name": name}, "driverName": "csi.example.com", "parameters": {"a": "b"}}
    created = await world.client.create(VAC, made)
    assert volumes.ATTRIBUTES_CLASS_PROTECTION in meta.finalizers(created)
    claim = storage.claim("data", storageClassName="absent", volumeAttributesClassName=name)
    await world.create(PVC, claim)
    await world.client.delete(VAC, name)
    marked = await world.client.get(VAC, name)
    assert meta.is_being_deleted(marked)
    await world.delete(PVC, "data")
    await disks.at_large.until_gone(VAC, name)

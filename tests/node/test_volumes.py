# SPDX-License-Identifier: Apache-2.0
"""Pods whose volumes have to be attached, on a simulated node of a running cluster."""

from __future__ import annotations

from typing import Any

from bound import pod, until, until_holds, until_told, waiting
from bound import world as world
from cluster import eventually
from world import World

from pyk8s.client import resources
from pyk8s.componenthelpers import attachments
from pyk8s.node.volumemanager import Missing

Object = dict[str, Any]


def claim(name: str, **spec: Any) -> Object:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": {**asked, **spec}}


def with_claim(name: str) -> Object:
    own = pod(name)
    source = {"persistentVolumeClaim": {"claimName": name}}
    own["spec"]["volumes"] = [{"name": "data", **source}]
    return own


async def attachments_of(world: World, volume: str) -> list[Object]:
    found = (await world.client.list(resources.VOLUME_ATTACHMENTS))["items"]
    return [each for each in found if attachments.volume_name(each) == volume]


async def test_simulated_volume(world: World) -> None:
    """It is attached, and says that this is simulated; it is detached when its pod has gone."""
    await world.create(resources.PERSISTENT_VOLUME_CLAIMS, claim("web"))
    own = with_claim("web")
    # The scheduler is to choose, so that the claim is bound.
    del own["spec"]["nodeName"]
    await world.create(resources.PODS, own)
    name = (await until(world, "web", "Running"))["spec"]["nodeName"]
    found = await world.find(resources.PERSISTENT_VOLUME_CLAIMS, "web")
    assert found is not None
    volume = found["spec"]["volumeName"]
    (attachment,) = await attachments_of(world, volume)
    assert attachment["status"]["attached"]
    assert attachment["status"]["attachmentMetadata"] == {"simulated": "true"}
    unique = f"kubernetes.io/csi/simulated.pyk8s.io^{volume}"
    status = (await world.client.get(resources.NODES, name))["status"]
    assert unique in status["volumesInUse"]
    assert unique in [each["name"] for each in status["volumesAttached"]]
    await world.delete(resources.PODS, "web")

    async def is_detached() -> bool:
        node = await world.client.get(resources.NODES, name)
        in_use = node["status"].get("volumesInUse") or ()
        return not await attachments_of(world, volume) and unique not in in_use

    await eventually(is_detached, "the volume is detached")


async def test_installed_driver(world: World) -> None:
    """A pod waits for the attacher of a driver that is installed, and runs once it has attached
    the volume."""
    name = f"{world.namespace}-csi"
    driver = {"metadata": {"name": f"{name}.example.com"}, "spec": {"attachRequired": True}}
    await world.client.create(resources.CSI_DRIVERS, driver)
    csi = {"driver": driver["metadata"]["name"], "volumeHandle": name}
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": csi,
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": world.namespace, "name": "own"}}  # fmt: skip
    await world.client.create(
        resources.PERSISTENT_VOLUMES, {"metadata": {"name": name}, "spec": spec}
    )
    await world.create(
        resources.PERSISTENT_VOLUME_CLAIMS, claim("own", storageClassName="", volumeName=name)
    )
    await world.create(resources.PODS, with_claim("own"))
    await eventually(lambda: attachments_of(world, name), "it is to be attached")
    found = await until_holds(world, "own", lambda p: waiting(p) == "ContainerCreating", "waits")
    sandbox = [c for c in found["status"]["conditions"] if c["type"] == "PodReadyToStartContainers"]
    assert sandbox[0]["status"] == "False"
    (attachment,) = await attachments_of(world, name)
    await world.client.update(
        resources.VOLUME_ATTACHMENTS, {**attachment, "status": {"attached": True}}, "status"
    )
    await until(world, "own", "Running")
    told = await world.list(resources.EVENTS)
    assert "SuccessfulAttachVolume" in {event["reason"] for event in told}
    await world.delete(resources.PODS, "own")
    await world.until_gone(resources.PODS, "own")
    await world.client.delete(resources.PERSISTENT_VOLUMES, name)
    await world.client.delete(resources.CSI_DRIVERS, driver["metadata"]["name"])


async def test_claim_is_missing(world: World) -> None:
    """A pod whose claim is not there waits for it."""
    await world.create(resources.PODS, with_claim("late"))
    await until_holds(world, "late", lambda p: waiting(p) == "ContainerCreating", "waits")
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/late"}}  # fmt: skip
    await world.client.create(
        resources.PERSISTENT_VOLUMES, {"metadata": {"name": "late"}, "spec": spec}
    )
    await world.create(
        resources.PERSISTENT_VOLUME_CLAIMS, claim("late", storageClassName="", volumeName="late")
    )
    await until(world, "late", "Running")
    await until_told(world, "late", "Started")
    await world.client.delete(resources.PERSISTENT_VOLUMES, "late")


def test_told() -> None:
    """Who waits for too long is told for what."""
    assert Missing(("a", "b")).message == (
        "Unable to attach or mount volumes: unmounted volumes=[a b], unattached volumes=[a b], "
        "failed to process volumes=[]: context deadline exceeded"
    )
    why = "error processing PVC n/c: PVC is not bound"
    assert Missing(("a",), (why,)).message == (
        "Unable to attach or mount volumes: unmounted volumes=[a], unattached volumes=[], "
        f"failed to process volumes=[a]: {why}"
    )

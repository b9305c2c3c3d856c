# SPDX-License-Identifier: Apache-2.0
"""Pods with claims in a running cluster: where they go, what they wait for."""

from __future__ import annotations

from typing import Any

import storage
from cluster import eventually
from test_persistentvolume import PVC, Disks, disks
from test_persistentvolume_protection import claimed, pod_with, until_running
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.componenthelpers import volumes

__all__ = ["disks"]


async def _until_unschedulable(world: World, name: str, why: str) -> None:
    async def is_so() -> bool:
        pod = await world.find(resources.PODS, name)
        conditions = (pod or {}).get("status", {}).get("conditions") or ()
        return any(why in (each.get("message") or "") for each in conditions)

    await eventually(is_so, f"pod {name} waits: {why}")


async def _nodes(world: World) -> list[str]:
    found = await world.client.list(resources.NODES)
    return sorted(map(meta.name, found["items"]))


def _on(hostname: str) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [hostname]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


async def test_a_pod_waits_until_its_claim_is_bound(disks: Disks, world: World) -> None:
    """Users read what it waits for, and it runs as soon as a volume is there."""
    await world.create(resources.PODS, pod_with("user", claimed("data")))
    await _until_unschedulable(world, "user", 'persistentvolumeclaim "data" not found')
    await disks.claim("data")
    why = "pod has unbound immediate PersistentVolumeClaims"
    await _until_unschedulable(world, "user", why)
    await disks.volume("disk")
    await until_running(world, "user")


async def test_a_pod_stays_away_from_nodes_its_volume_cannot_reach(
    disks: Disks, world: World
) -> None:
    """The node affinity of the volume is the pod's as well."""
    await disks.volume("elsewhere", nodeAffinity=_on("elsewhere"))
    await disks.claim("data")
    await disks.until_claim("data", "Bound")
    await world.create(resources.PODS, pod_with("user", claimed("data")))
    why = "node(s) didn't match PersistentVolume's node affinity"
    await _until_unschedulable(world, "user", why)


async def test_a_waiting_claim_gets_a_volume_of_the_pods_node(disks: Disks, world: World) -> None:
    """The scheduler chooses among those the node can reach, and binds it before the pod."""
    *_, node = await _nodes(world)
    await disks.storage_class("local", waits=True, provisioner=volumes.NO_PROVISIONER)
    local = disks.named("local")
    await disks.volume("far", storageClassName=local, nodeAffinity=_on("elsewhere"))
    await disks.volume("near", size="9Gi", storageClassName=local, nodeAffinity=_on(node))
    await disks.claim("data", storageClassName=local)
    await disks.until_event("data", "WaitForFirstConsumer")
    await world.create(resources.PODS, pod_with("user", claimed("data")))
    await until_running(world, "user")
    bound = await disks.until_claim("data", "Bound")
    assert bound["spec"]["volumeName"] == disks.named("near")


async def test_a_claim_is_provisioned_for_the_node_of_its_pod(disks: Disks, world: World) -> None:
    """The scheduler names the node, the provisioner makes a volume, then the pod is bound."""
    await disks.storage_class("fast", waits=True)
    fast = disks.named("fast")
    claim = await disks.claim("data", storageClassName=fast)
    await world.create(resources.PODS, pod_with("user", claimed("data")))
    await disks.until_event("data", "ExternalProvisioning")
    asked = await world.find(PVC, "data")
    assert asked is not None
    assert meta.annotations(asked)[volumes.SELECTED_NODE] in await _nodes(world)
    pod = await world.find(resources.PODS, "user")
    assert pod is not None
    assert "nodeName" not in pod["spec"]
    reference = volumes.reference_to(claim)
    await disks.volume("made", storageClassName=fast, claimRef=reference)
    await until_running(world, "user")


async def test_no_volume_for_the_node_is_said(disks: Disks, world: World) -> None:
    """A class without provisioner has only the volumes that there are."""
    await disks.storage_class("local", waits=True, provisioner=volumes.NO_PROVISIONER)
    await disks.claim("data", storageClassName=disks.named("local"))
    await world.create(resources.PODS, pod_with("user", claimed("data")))
    why = "node(s) didn't find available persistent volumes to bind"
    await _until_unschedulable(world, "user", why)


async def test_only_one_pod_has_what_is_for_one_pod(disks: Disks, world: World) -> None:
    """The next one comes when the first has gone."""
    await disks.volume("disk", accessModes=["ReadWriteOncePod"])
    await disks.claim("data", accessModes=["ReadWriteOncePod"])
    await world.create(resources.PODS, pod_with("first", claimed("data")))
    await until_running(world, "first")
    await world.create(resources.PODS, pod_with("second", claimed("data")))
    await _until_unschedulable(world, "second", "ReadWriteOncePod access mode")
    await world.delete(resources.PODS, "first")
    await until_running(world, "second")


async def test_a_volume_in_another_zone_is_out_of_reach(disks: Disks, world: World) -> None:
    """Where nodes say in which zone they are, volumes that name another keep pods away."""
    zone = {"topology.kubernetes.io/zone": "here"}
    at_large = disks.at_large
    for node in await _nodes(world):
        await at_large.patch(resources.NODES, node, {"metadata": {"labels": zone}})
    elsewhere = {"topology.kubernetes.io/zone": "there"}
    spec = {"storageClassName": disks.named("static")}
    volume = storage.volume(disks.named("disk"), **spec)
    await disks.make(resources.PERSISTENT_VOLUMES, storage.with_metadata(volume, labels=elsewhere))
    await disks.claim("data")
    await world.create(resources.PODS, pod_with("user", claimed("data")))
    await _until_unschedulable(world, "user", "node(s) had no available volume zone")
    gone: dict[str, None] = dict.fromkeys(zone)
    for node in await _nodes(world):
        await at_large.patch(resources.NODES, node, {"metadata": {"labels": gone}})
    await until_running(world, "user")


async def test_a_stateful_set_gets_simulated_volumes(disks: Disks, world: World) -> None:
    """Claims without a class get the simulated one; its volumes go with their claims."""
    template = storage.claim("data", storageClassName=None)
    labels = {"app": "web"}
    pod = pod_with("", volumes=[])
    mount = [{"name": "data", "mountPath": "/data"}]
    pod["spec"]["containers"][0]["volumeMounts"] = mount
    spec = {
        "replicas": 2,
        "serviceName": "web",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
        "volumeClaimTemplates": [template],
    }
    obj = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"}}
    await world.create(resources.STATEFUL_SETS, {**obj, "spec": spec})
    for name in ("web-0", "web-1"):
        await until_running(world, name)
    bound = await disks.until_claim("data-web-1", "Bound")
    assert bound["spec"]["storageClassName"] == "simulated"
    volume = bound["spec"]["volumeName"]
    made = await disks.at_large.find(resources.PERSISTENT_VOLUMES, volume)
    assert made is not None
    assert made["spec"]["csi"]["driver"] == "simulated.pyk8s.io"
    await world.delete(resources.STATEFUL_SETS, "web")
    await world.until_names(resources.PODS)
    await world.delete(PVC, "data-web-1")
    await disks.at_large.until_gone(resources.PERSISTENT_VOLUMES, volume)

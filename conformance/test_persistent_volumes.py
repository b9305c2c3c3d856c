# SPDX-License-Identifier: Apache-2.0
"""PersistentVolumes and their claims, as objects: no driver is asked for anything."""

from __future__ import annotations

from cluster import wait_until

from conformance import steps
from conformance.client import STRATEGIC, Client, Object, Resource

_CONDITIONS = [
    {"type": "StatusPatched", "status": "True", "reason": "E2E patchStatus"},
    {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"},
]


def _volume(namespace: str) -> Object:
    csi = {"driver": f"inline-driver-{namespace}", "volumeHandle": "e2e-conformance"}
    return {
        "metadata": {"generateName": f"{namespace}-", "labels": {"e2e-pv-pool": namespace}},
        "spec": {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": namespace,
            "csi": csi,
        },
    }


def _claim(namespace: str) -> Object:
    return {
        "metadata": {"generateName": "pvc-", "labels": {"e2e-pv-pool": namespace}},
        "spec": {
            "selector": {"matchLabels": {"e2e-pv-pool": namespace}},
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "2Gi"}},
            "storageClassName": namespace,
        },
    }


def _goes(resource: Resource, name: str) -> None:
    """Nobody uses it: no finalizer keeps it for long."""

    def is_gone() -> bool:
        return not resource.list(field_selector=f"metadata.name={name}")["items"]

    wait_until(is_gone, f"{name} is gone")


def test_lifecycle(client: Client, namespace: str) -> None:
    """[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV
    and a PVC [Conformance]"""
    volumes = client.resource("v1", "persistentvolumes")
    claims = client.resource("v1", "persistentvolumeclaims", namespace)
    pool = f"e2e-pv-pool={namespace}"
    pairs = ((claims, _claim(namespace)), (volumes, _volume(namespace)))
    for resource, template in reversed(pairs):
        resource.create(template)
    for resource, _ in pairs:
        (found,) = resource.list(pool)["items"]
        name = found["metadata"]["name"]
        patched = resource.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
        assert patched["metadata"]["labels"][name] == "patched"
        assert resource.get(name)["metadata"]["uid"] == found["metadata"]["uid"]
    for resource, _ in pairs:
        (name,) = resource.names(pool)
        resource.delete(name)
        _goes(resource, name)
    for resource, template in reversed(pairs):
        resource.create(template)
    for resource, _ in pairs:
        (name,) = resource.names(pool)
        updated = steps.change(resource, name, lambda obj: _label(obj, "updated"))
        assert updated["metadata"]["labels"]["state"] == "updated"
        assert resource.everywhere().names(f"{pool},state=updated") == [name]
    for resource, _ in pairs:
        (name,) = resource.names(pool)
        resource.delete_collection(f"{pool},state=updated")
        _goes(resource, name)


def _label(obj: Object, value: str) -> None:
    obj["metadata"]["labels"]["state"] = value


def test_status(client: Client, namespace: str) -> None:
    """[sig-storage] PersistentVolumes CSI Conformance should apply changes to a pv/pvc status
    [Conformance]"""
    volumes = client.resource("v1", "persistentvolumes")
    claims = client.resource("v1", "persistentvolumeclaims", namespace)
    volume = volumes.create(_volume(namespace))["metadata"]["name"]
    claim = claims.create(_claim(namespace))["metadata"]["name"]

    patched = claims.status.patch(claim, {"status": {"conditions": _CONDITIONS[:1]}})
    assert [c["type"] for c in patched["status"]["conditions"]] == ["StatusPatched"]
    message = {"status": {"message": "StatusPatched", "reason": "E2E patchStatus"}}
    patched = volumes.status.patch(volume, message)
    assert patched["status"]["message"] == "StatusPatched"

    updated = steps.change(
        claims.status, claim, lambda obj: obj["status"]["conditions"].append(_CONDITIONS[1])
    )
    assert [c["type"] for c in updated["status"]["conditions"]] == [
        "StatusPatched",
        "StatusUpdate",
    ]
    edit = {"message": "StatusUpdated", "reason": "E2E updateStatus"}
    updated = steps.change(volumes.status, volume, lambda obj: obj["status"].update(edit))
    assert updated["status"]["reason"] == "E2E updateStatus"
    assert claims.status.get(claim)["status"]["conditions"][1]["message"] == "Set from e2e test"
    assert volumes.status.get(volume)["status"]["message"] == "StatusUpdated"
    for resource, name in ((claims, claim), (volumes, volume)):
        resource.delete(name)
        _goes(resource, name)

# SPDX-License-Identifier: Apache-2.0
"""Kinds of storage.k8s.io, what does not change, and a Pod with volumes of its own."""

from __future__ import annotations

import pytest

from conformance import steps
from conformance.client import STRATEGIC, Client, Object, Resource, refused


def test_storage_class(client: Client, namespace: str) -> None:
    """[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a
    StorageClass [Conformance]"""

    def template(suffix: str) -> Object:
        return {
            "metadata": {"generateName": f"e2e-{suffix}-"},
            "provisioner": "e2e-fake-provisioner",
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        }

    classes = client.resource("storage.k8s.io/v1", "storageclasses")
    steps.run_lifecycle(classes, template, namespace)


def test_volume_attributes_class(client: Client, namespace: str) -> None:
    """[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through
    the lifecycle of a VolumeAttributesClass [Conformance]"""

    def template(suffix: str) -> Object:
        return {
            "metadata": {"generateName": f"e2e-{suffix}-"},
            "driverName": "e2e-fake-csi-driver",
            "parameters": {"foo": "bar"},
        }

    classes = client.resource("storage.k8s.io/v1", "volumeattributesclasses")
    steps.run_lifecycle(classes, template, namespace)


def test_csi_node(client: Client, namespace: str) -> None:
    """[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode
    [Conformance]"""

    def template(suffix: str) -> Object:
        # A list that is null, as a client in Go writes an empty one.
        return {"metadata": {"name": f"{namespace}-{suffix}"}, "spec": {"drivers": None}}

    steps.run_lifecycle(client.resource("storage.k8s.io/v1", "csinodes"), template, namespace)


def _attachment(name: str, namespace: str) -> Object:
    source = {"persistentVolumeName": f"pv-{namespace}"}
    spec = {"attacher": "e2e-attacher", "source": source, "nodeName": f"node-{namespace}"}
    return {"metadata": {"name": f"{namespace}-{name}"}, "spec": spec}


def test_volume_attachment(client: Client, namespace: str) -> None:
    """[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a
    VolumeAttachment [Conformance]"""
    attachments = client.resource("storage.k8s.io/v1", "volumeattachments")
    steps.run_lifecycle(attachments, lambda name: _attachment(name, namespace), namespace)


def test_volume_attachment_status(client: Client, namespace: str) -> None:
    """[sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment
    status [Conformance]"""
    attachments = client.resource("storage.k8s.io/v1", "volumeattachments")
    made = attachments.create(_attachment("status", namespace))
    name = made["metadata"]["name"]
    labelled = attachments.patch(name, {"metadata": {"labels": {namespace: "patched"}}})
    assert labelled["metadata"]["labels"] == {namespace: "patched"}
    assert attachments.status.get(name)["status"] == {"attached": False}
    patched = attachments.status.patch(name, {"status": {"attached": True}})
    assert patched["status"]["attached"] is True
    assert attachments.status.get(name)["status"]["attached"] is True
    updated = steps.change(
        attachments.status, name, lambda obj: obj["status"].update(attached=False)
    )
    assert updated["status"]["attached"] is False
    assert attachments.get(name)["spec"] == made["spec"]
    attachments.delete(name)
    steps.gone(attachments, name)


def test_csi_driver(client: Client, namespace: str) -> None:
    """[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver
    [Conformance]"""
    drivers = client.resource("storage.k8s.io/v1", "csidrivers")
    names = [f"inline-driver-{number}-{namespace}" for number in (1, 2)]
    modes: list[list[str]] = [["Ephemeral"], ["Persistent", "Ephemeral"]]
    objects = [
        {
            "metadata": {"name": name, "labels": {"e2e-test": namespace}},
            "spec": {"volumeLifecycleModes": mode, "fsGroupPolicy": "ReadWriteOnceWithFSType"},
        }
        for name, mode in zip(names, modes, strict=True)
    ]
    created = [drivers.create(obj) for obj in objects]
    with refused(409, "AlreadyExists"):
        drivers.create(objects[0])
    for obj in created:
        assert drivers.get(obj["metadata"]["name"])["metadata"]["uid"] == obj["metadata"]["uid"]
    patched = drivers.patch(names[1], {"metadata": {"labels": {"state": "patched"}}}, STRATEGIC)
    assert patched["metadata"]["labels"] == {"e2e-test": namespace, "state": "patched"}
    updated = steps.change(
        drivers, names[1], lambda obj: obj["metadata"]["labels"].update(state=namespace)
    )
    assert updated["metadata"]["labels"]["state"] == namespace
    assert drivers.names(f"e2e-test={namespace}") == names
    drivers.delete(names[0])
    steps.gone(drivers, names[0])
    drivers.delete_collection(f"state={namespace}")
    steps.gone(drivers, names[1])


def test_inline_volumes(client: Client, namespace: str) -> None:
    """[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    name, driver = "pod-csi-inline-volumes", "e2e.example.com"
    sources = [{"driver": driver}, {"driver": driver, "fsType": "ext4", "readOnly": True}]
    volumes = [{"name": f"vol{n}", "csi": source} for n, source in enumerate(sources)]
    mounts = [{"name": f"vol{n}", "mountPath": f"/mnt/vol{n}"} for n in range(2)]
    container = {"name": name, "image": "busybox", "volumeMounts": mounts}
    pod = {"metadata": {"name": name}, "spec": {"volumes": volumes, "containers": [container]}}
    created = pods.create(pod)
    with refused(409, "AlreadyExists"):
        pods.create(pod)
    found = pods.get(name)
    assert found["metadata"]["uid"] == created["metadata"]["uid"]
    assert [each["csi"] for each in found["spec"]["volumes"] if "csi" in each] == sources
    assert pods.names() == [name]
    patched = pods.patch(name, {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    pods.delete(name)
    for left in pods.list()["items"]:
        assert left["metadata"]["deletionTimestamp"]


@pytest.fixture
def config_maps(client: Client, namespace: str) -> Resource:
    return client.resource("v1", "configmaps", namespace)


@pytest.fixture
def secrets(client: Client, namespace: str) -> Resource:
    return client.resource("v1", "secrets", namespace)


def _stay_as_they_are(resource: Resource, one: str, two: str) -> None:
    """Data changes until the object is immutable, and then neither it nor the mark does."""
    resource.create({"metadata": {"name": "immutable"}, "data": {"key": one}})

    def write(value: str) -> steps.Edit:
        return lambda obj: obj["data"].update(key=value)

    steps.change(resource, "immutable", write(two))
    steps.change(resource, "immutable", lambda obj: obj.update(immutable=True))
    with refused(422, "Invalid"):
        steps.change(resource, "immutable", write(one))
    with refused(422, "Invalid"):
        steps.change(resource, "immutable", lambda obj: obj.pop("immutable"))
    # What is not data may change, and the object may go.
    steps.change(resource, "immutable", lambda obj: steps.annotate(obj, "updated"))
    assert resource.get("immutable")["data"] == {"key": two}
    resource.delete("immutable")
    steps.gone(resource, "immutable")


def test_immutable_config_map(config_maps: Resource) -> None:
    """[sig-storage] ConfigMap should be immutable if `immutable` field is set [Conformance]"""
    _stay_as_they_are(config_maps, "value-1", "value-2")


def test_immutable_secret(secrets: Resource) -> None:
    """[sig-storage] Secrets should be immutable if `immutable` field is set [Conformance]"""
    _stay_as_they_are(secrets, "dmFsdWUtMQ==", "dmFsdWUtMg==")

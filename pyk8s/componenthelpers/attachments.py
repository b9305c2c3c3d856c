# SPDX-License-Identifier: Apache-2.0
"""Which volumes have to be attached to a node before Pods use them there, and under which names,
for the attach-detach controller and for kubelets alike.

Mirrors `pkg/volume/csi` and `pkg/volume/util`. Volumes of CSI drivers alone are ever attached here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object

# On a Node: its kubelet leaves attaching to the controller.
MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"
KEEPS_TERMINATED = "volumes.kubernetes.io/keep-terminated-pod-volumes"
_MULTIPLE = frozenset(("ReadWriteMany", "ReadOnlyMany"))


def driver_of(volume: Object) -> str:
    """The CSI driver of a PersistentVolume; empty for one of another kind."""
    return str((volume["spec"].get("csi") or {}).get("driver") or "")


def is_required(driver: Object | None) -> bool:
    """Whether volumes of the driver are attached. Where nobody has said (there is no CSIDriver),
    they are."""
    return driver is None or (driver.get("spec") or {}).get("attachRequired") is not False


def unique_name(volume: Object) -> str:
    """As `volumesAttached` and `volumesInUse` of a Node name it."""
    csi = volume["spec"]["csi"]
    return f"kubernetes.io/csi/{csi['driver']}^{csi['volumeHandle']}"


def attachment_name(volume: Object, node: str) -> str:
    """Of the VolumeAttachment that stands for the volume on the node."""
    csi = volume["spec"]["csi"]
    text = f"{csi['volumeHandle']}{csi['driver']}{node}"
    return f"csi-{hashlib.sha256(text.encode()).hexdigest()}"


def is_exclusive(volume: Object) -> bool:
    """Whether it can be attached to one node at a time."""
    modes = volume["spec"].get("accessModes") or ()
    return bool(modes) and not _MULTIPLE.intersection(modes)


def new_attachment(volume: Object, node: str) -> Object:
    """The VolumeAttachment, not created yet."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": attachment_name(volume, node)},
        "spec": {
            "attacher": driver_of(volume),
            "nodeName": node,
            "source": {"persistentVolumeName": meta.name(volume)},
        },
    }


def node_of(attachment: Object) -> str:
    return str(attachment["spec"]["nodeName"])


def volume_name(attachment: Object) -> str:
    """Of its PersistentVolume; empty for an inline one."""
    return (attachment["spec"].get("source") or {}).get("persistentVolumeName") or ""


def is_attached(attachment: Object) -> bool:
    """And to stay so."""
    status = attachment.get("status") or {}
    return bool(status.get("attached")) and not meta.is_being_deleted(attachment)


def attach_error(attachment: Object) -> Mapping[str, Any]:
    return (attachment.get("status") or {}).get("attachError") or {}


def is_terminated(pod: Object) -> bool:
    """Nothing of it runs, so that it needs its volumes no more."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    if not meta.is_being_deleted(pod):
        return False
    statuses = status.get("containerStatuses") or ()
    return all(
        "terminated" in (each.get("state") or {}) or "waiting" in (each.get("state") or {})
        for each in statuses
    )

# SPDX-License-Identifier: Apache-2.0
"""The storage.k8s.io group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import (
    AGE,
    API,
    NAME,
    Cells,
    Column,
    Columns,
    ColumnsByResource,
    boolean,
    integer,
)

_GROUP = "storage.k8s.io"
_STORAGE = API + "storage.v1."
_DEFAULT_CLASS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def _is_default_class(obj: Object) -> bool:
    annotations = obj["metadata"].get("annotations") or {}
    return any(annotations.get(name) == "true" for name in _DEFAULT_CLASS)


def _effective_default(classes: Sequence[Object]) -> str | None:
    """The class that claims without one get: the newest marked one, of equals the first by name."""
    newest: tuple[str, str] | None = None
    for obj in filter(_is_default_class, classes):
        metadata = obj["metadata"]
        created, name = metadata.get("creationTimestamp") or "", metadata.get("name", "")
        if newest is None or created > newest[0] or (created == newest[0] and name < newest[1]):
            newest = created, name
    return newest[1] if newest else None


def _storage_class_cells(obj: Object, now: float) -> list[Any]:
    return [
        obj["metadata"].get("name", ""),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate",
        obj.get("allowVolumeExpansion") or False,
        ages.age(obj, now),
    ]


def _storage_classes_in_list(classes: Sequence[Object]) -> tuple[Sequence[Object], Cells]:
    """Only a list can tell which class is the default one, so only there is it marked."""
    default = _effective_default(classes)

    def cells(obj: Object, now: float) -> list[Any]:
        row = _storage_class_cells(obj, now)
        if row[0] == default:
            row[0] += " (default)"
        return row

    return classes, cells


_STORAGE_CLASSES = Columns(
    columns=(
        NAME,
        Column("Provisioner", doc=_STORAGE + "StorageClass.provisioner"),
        Column("ReclaimPolicy", doc=_STORAGE + "StorageClass.reclaimPolicy"),
        Column("VolumeBindingMode", doc=_STORAGE + "StorageClass.volumeBindingMode"),
        Column("AllowVolumeExpansion", doc=_STORAGE + "StorageClass.allowVolumeExpansion"),
        AGE,
    ),
    cells=_storage_class_cells,
    in_list=_storage_classes_in_list,
)


def _volume_attributes_class_cells(obj: Object, now: float) -> list[Any]:
    return [obj["metadata"].get("name", ""), obj.get("driverName", ""), ages.age(obj, now)]


_VOLUME_ATTRIBUTES_CLASSES = Columns(
    columns=(NAME, Column("DriverName", doc=_STORAGE + "VolumeAttributesClass.driverName"), AGE),
    cells=_volume_attributes_class_cells,
)


def _volume_attachment_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        obj["metadata"].get("name", ""),
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName") or "",
        spec.get("nodeName", ""),
        (obj.get("status") or {}).get("attached", False),
        ages.age(obj, now),
    ]


_VOLUME_ATTACHMENTS = Columns(
    columns=(
        NAME,
        Column("Attacher", format="name", doc=_STORAGE + "VolumeAttachmentSpec.attacher"),
        Column("PV", doc=_STORAGE + "VolumeAttachmentSource.persistentVolumeName"),
        Column("Node", doc=_STORAGE + "VolumeAttachmentSpec.nodeName"),
        boolean("Attached", _STORAGE + "VolumeAttachmentStatus.attached"),
        AGE,
    ),
    cells=_volume_attachment_cells,
)


def _csi_node_cells(obj: Object, now: float) -> list[Any]:
    count = len((obj.get("spec") or {}).get("drivers") or ())
    return [obj["metadata"].get("name", ""), count, ages.age(obj, now)]


_CSI_NODES = Columns(
    columns=(
        NAME,
        integer("Drivers", description="How many CSI drivers are registered on the node."),
        AGE,
    ),
    cells=_csi_node_cells,
)


def _csi_driver_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    attach, tokens = spec.get("attachRequired"), spec.get("tokenRequests")
    audiences = texts.UNSET
    if tokens is not None:
        audiences = ",".join(token.get("audience", "") for token in tokens)
    return [
        obj["metadata"].get("name", ""),
        True if attach is None else attach,
        spec.get("podInfoOnMount") or False,
        spec.get("storageCapacity") or False,
        audiences,
        spec.get("requiresRepublish") or False,
        ",".join(spec.get("volumeLifecycleModes") or ()) or texts.NONE,
        ages.age(obj, now),
    ]


_CSI_DRIVER = _STORAGE + "CSIDriverSpec."
_CSI_DRIVERS = Columns(
    columns=(
        NAME,
        boolean("AttachRequired", _CSI_DRIVER + "attachRequired"),
        boolean("PodInfoOnMount", _CSI_DRIVER + "podInfoOnMount"),
        boolean("StorageCapacity", _CSI_DRIVER + "storageCapacity"),
        Column("TokenRequests", doc=_CSI_DRIVER + "tokenRequests"),
        boolean("RequiresRepublish", _CSI_DRIVER + "requiresRepublish"),
        Column("Modes", doc=_CSI_DRIVER + "volumeLifecycleModes"),
        AGE,
    ),
    cells=_csi_driver_cells,
)

# csistoragecapacities print as any kind does: upstream has columns for them, but its store is
# wired to the default convertor.
COLUMNS: ColumnsByResource = {
    GroupResource(_GROUP, "csidrivers"): _CSI_DRIVERS,
    GroupResource(_GROUP, "csinodes"): _CSI_NODES,
    GroupResource(_GROUP, "storageclasses"): _STORAGE_CLASSES,
    GroupResource(_GROUP, "volumeattachments"): _VOLUME_ATTACHMENTS,
    GroupResource(_GROUP, "volumeattributesclasses"): _VOLUME_ATTRIBUTES_CLASSES,
}

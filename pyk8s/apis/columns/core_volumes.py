# SPDX-License-Identifier: Apache-2.0
"""Persistent volumes and the claims on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns
from pyk8s.apis.columns.texts import UNSET

_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
# In the order in which they are printed.
_ACCESS_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _access_modes(modes: Sequence[str] | None) -> str:
    return ",".join(short for mode, short in _ACCESS_MODES.items() if mode in (modes or ()))


def _storage_class(obj: Object, spec: Object) -> str:
    """The annotation of before the field existed wins, even when it is empty."""
    annotations = obj["metadata"].get("annotations") or {}
    if _CLASS_ANNOTATION in annotations:
        return str(annotations[_CLASS_ANNOTATION])
    return spec.get("storageClassName") or ""


def _phase(obj: Object, status: Object) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    phase: str = status.get("phase", "")
    return phase


def _or_unset(value: str | None) -> str:
    return UNSET if value is None else value


def _volume_cells(obj: Object, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    claim = spec.get("claimRef")
    return [
        obj["metadata"].get("name", ""),
        texts.quantity((spec.get("capacity") or {}).get("storage")),
        _access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(obj, status),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _storage_class(obj, spec),
        _or_unset(spec.get("volumeAttributesClassName")),
        status.get("reason", ""),
        ages.age(obj, now),
        _or_unset(spec.get("volumeMode")),
    ]


_PV = API + "core.v1.PersistentVolume"

PERSISTENT_VOLUMES = Columns(
    columns=(
        NAME,
        Column("Capacity", doc=_PV + "Spec.capacity"),
        Column("Access Modes", doc=_PV + "Spec.accessModes"),
        Column("Reclaim Policy", doc=_PV + "Spec.persistentVolumeReclaimPolicy"),
        Column("Status", doc=_PV + "Status.phase"),
        Column("Claim", doc=_PV + "Spec.claimRef"),
        Column("StorageClass", description="The volume's StorageClass."),
        Column("VolumeAttributesClass", description="The volume's VolumeAttributesClass."),
        Column("Reason", doc=_PV + "Status.reason"),
        AGE,
        Column("VolumeMode", doc=_PV + "Spec.volumeMode", priority=1),
    ),
    cells=_volume_cells,
)


def _claim_cells(obj: Object, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    volume = spec.get("volumeName") or ""
    # What an unbound claim asks for is not shown: only what it has got.
    bound = status if volume else {}
    return [
        obj["metadata"].get("name", ""),
        _phase(obj, status),
        volume,
        texts.quantity((bound.get("capacity") or {}).get("storage")) if volume else "",
        _access_modes(bound.get("accessModes")),
        _storage_class(obj, spec),
        _or_unset(spec.get("volumeAttributesClassName")),
        ages.age(obj, now),
        _or_unset(spec.get("volumeMode")),
    ]


_PVC = API + "core.v1.PersistentVolumeClaim"

PERSISTENT_VOLUME_CLAIMS = Columns(
    columns=(
        NAME,
        Column("Status", doc=_PVC + "Status.phase"),
        Column("Volume", doc=_PVC + "Spec.volumeName"),
        Column("Capacity", doc=_PVC + "Status.capacity"),
        Column("Access Modes", doc=_PVC + "Status.accessModes"),
        Column("StorageClass", description="The claim's StorageClass."),
        Column("VolumeAttributesClass", description="The claim's VolumeAttributesClass."),
        AGE,
        Column("VolumeMode", doc=_PVC + "Spec.volumeMode", priority=1),
    ),
    cells=_claim_cells,
)

# SPDX-License-Identifier: Apache-2.0
"""Claims, volumes and classes for tests, complete with what the server would fill in."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

PROVISIONER = "storage.example.com"


def claim(name: str = "data", *, size: str = "1Gi", **spec: Any) -> Object:
    """Without storageClassName in `spec` it is for volumes that have no class."""
    resources = {"requests": {"storage": size}}
    given = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", **spec}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"resources": resources, **given},
    }


def volume(name: str, *, size: str = "1Gi", **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/data"},
            **spec,
        },
    }


def storage_class(name: str, *, waits: bool = False, **more: Any) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer" if waits else "Immediate",
        **more,
    }


def with_metadata(obj: Object, **metadata: Any) -> Object:
    return {**obj, "metadata": {**obj["metadata"], **metadata}}

# SPDX-License-Identifier: Apache-2.0
"""Rules of volume mounts and raw block devices in a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apis.validation import checks, filepaths

Container = Mapping[str, Any]
Volumes = Mapping[str, Mapping[str, Any]]

_PROPAGATION = frozenset({"Bidirectional", "HostToContainer", "None"})
_RECURSIVE_READ_ONLY = frozenset({"Disabled", "IfPossible", "Enabled"})
_IN_IMAGE = "not allowed in image volume sources"


def validate_mounts(container: Container, volumes: Volumes, path: field.Path) -> list[field.Error]:
    """`path` is the container's volumeMounts. Some faults stand there without their index, as
    upstream reports them."""
    errors: list[field.Error] = []
    devices = {
        device.get("name", ""): device.get("devicePath", "")
        for device in container.get("volumeDevices", ())
    }
    seen: set[str] = set()
    for index, mount in enumerate(container["volumeMounts"]):
        errors += _validate_names(mount, volumes, devices, path.index(index))
        where = mount.get("mountPath", "")
        if where in seen:
            at = path.index(index).child("mountPath")
            errors.append(field.invalid(at, where, "must be unique"))
        seen.add(where)
        if len(mount) > 2:
            errors += _validate_sub_paths(mount, volumes, path, index)
            errors += _validate_propagation(mount, container, path)
            errors += _validate_recursive_read_only(mount, path)
    return errors


def _validate_names(
    mount: Mapping[str, Any], volumes: Volumes, devices: Mapping[str, str], path: field.Path
) -> list[field.Error]:
    name, where = mount.get("name", ""), mount.get("mountPath", "")
    errors = []
    if not name:
        errors.append(field.required(path.child("name")))
    if name not in volumes:
        errors.append(field.not_found(path.child("name"), name))
    if not where:
        errors.append(field.required(path.child("mountPath")))
    if name in devices:
        detail = "must not already exist in volumeDevices"
        errors.append(field.invalid(path.child("name"), name, detail))
    if where in devices.values():
        detail = "must not already exist as a path in volumeDevices"
        errors.append(field.invalid(path.child("mountPath"), where, detail))
    return errors


def _validate_sub_paths(
    mount: Mapping[str, Any], volumes: Volumes, path: field.Path, index: int
) -> list[field.Error]:
    errors: list[field.Error] = []
    in_image = "image" in volumes.get(mount.get("name", ""), ())
    for name in ("subPath", "subPathExpr"):
        sub_path = mount.get(name)
        if not sub_path:
            continue
        if in_image:
            errors.append(field.invalid(path.index(index).child(name), sub_path, _IN_IMAGE))
        if name == "subPathExpr" and mount.get("subPath"):
            detail = "subPathExpr and subPath are mutually exclusive"
            errors.append(field.invalid(path.index(index).child(name), sub_path, detail))
        errors += filepaths.local_descending(sub_path, path.child(name))
    return errors


def _validate_propagation(
    mount: Mapping[str, Any], container: Container, path: field.Path
) -> list[field.Error]:
    propagation = mount.get("mountPropagation")
    at = path.child("mountPropagation")
    errors = checks.optional_one_of(propagation, at, _PROPAGATION)
    privileged = (container.get("securityContext") or {}).get("privileged")
    if propagation == "Bidirectional" and not privileged:
        detail = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(field.forbidden(at, detail))
    return errors


def _validate_recursive_read_only(mount: Mapping[str, Any], path: field.Path) -> list[field.Error]:
    recursive = mount.get("recursiveReadOnly")
    at = path.child("recursiveReadOnly")
    if recursive not in ("Enabled", "IfPossible"):
        return checks.optional_one_of(recursive, at, _RECURSIVE_READ_ONLY)
    errors = []
    if not mount.get("readOnly"):
        errors.append(field.forbidden(at, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation", "None") != "None":
        detail = "may only be specified when mountPropagation is None or not specified"
        errors.append(field.forbidden(at, detail))
    return errors


def validate_devices(
    devices: Sequence[Mapping[str, Any]],
    container: Container,
    volumes: Volumes,
    path: field.Path,
) -> list[field.Error]:
    errors: list[field.Error] = []
    mounts = {
        mount.get("name", ""): mount.get("mountPath", "")
        for mount in container.get("volumeMounts", ())
    }
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(devices):
        at = path.index(index)
        name, where = device.get("name", ""), device.get("devicePath", "")
        errors += _validate_device_name(name, volumes, at.child("name"))
        errors += _validate_device_path(where, at.child("devicePath"))
        if name in names:
            errors.append(field.invalid(at.child("name"), name, "must be unique"))
        if where in paths:
            errors.append(field.invalid(at.child("devicePath"), where, "must be unique"))
        if name in mounts:
            detail = "must not already exist in volumeMounts"
            errors.append(field.invalid(at.child("name"), name, detail))
        if where in mounts.values():
            detail = "must not already exist as a path in volumeMounts"
            errors.append(field.invalid(at.child("devicePath"), where, detail))
        names.add(name)
        paths.add(where)
    return errors


def _validate_device_name(name: str, volumes: Volumes, path: field.Path) -> list[field.Error]:
    errors = [] if name else [field.required(path)]
    volume = volumes.get(name)
    if volume is None:
        errors.append(field.not_found(path, name))
    elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
        detail = (
            "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        )
        errors.append(field.invalid(path, name, detail))
    return errors


def _validate_device_path(where: str, path: field.Path) -> list[field.Error]:
    if not where:
        return [field.required(path)]
    if ".." in where.split("/"):
        return [field.invalid(path, where, "can not contain backsteps ('..')")]
    return []

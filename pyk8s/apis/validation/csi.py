# SPDX-License-Identifier: Apache-2.0
"""Rules of what CSI drivers and the volume controllers write: drivers, nodes, attachments, room.

Mirrors upstream's `pkg/apis/storage/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names, quantity
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_NODE_ID_MAX = 256
_DRIVER_NAME_MAX = 63
_METADATA_BYTES_MAX = 256 * 1024
_ERROR_BYTES_MAX = 1024
_INT32_MAX = 2**31 - 1
_TOKEN_SECONDS_MIN = 600
_TOKEN_SECONDS_MAX = 1 << 32
_FS_GROUP_POLICIES = frozenset({"ReadWriteOnceWithFSType", "File", "None"})
_LIFECYCLE_MODES = ("Persistent", "Ephemeral")

Spec = Mapping[str, Any]


# CSIDrivers


def validate_csi_driver(driver: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        driver, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    return found + _driver_spec(driver.get("spec") or {})


def validate_csi_driver_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    spec, before = updated.get("spec") or {}, existing.get("spec") or {}
    found += _driver_spec(spec)
    # The first path is misspelled upstream, and so it is searched for.
    for key, name in (
        ("attachRequired", "attachedRequired"),
        ("volumeLifecycleModes", "volumeLifecycleModes"),
    ):
        found += checks.immutable(spec.get(key), before.get(key), _SPEC.child(name))
    return found


def _driver_spec(spec: Spec) -> list[field.Error]:
    found = []
    for key, name in (
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
        ("seLinuxMount", "seLinuxMount"),
    ):
        if spec.get(key) is None:
            found.append(field.required(_SPEC.child(name)))
    policy = spec.get("fsGroupPolicy")
    if policy is not None:
        found += checks.one_of(policy, _SPEC.child("fsGroupPolicy"), _FS_GROUP_POLICIES)
    found += _token_requests(spec.get("tokenRequests") or (), _SPEC.child("tokenRequests"))
    for mode in spec.get("volumeLifecycleModes") or ():
        found += checks.one_of(mode, _SPEC.child("volumeLifecycleModes"), _LIFECYCLE_MODES)
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < 10:
        where = _SPEC.child("nodeAllocatableUpdatePeriodSeconds")
        detail = "must be greater than or equal to 10 seconds"
        found.append(field.invalid(where, period, detail))
    return found


def _token_requests(requests: Any, path: field.Path) -> list[field.Error]:
    found = []
    audiences: set[str] = set()
    for index, request in enumerate(requests):
        audience = request.get("audience", "")
        if audience in audiences:
            found.append(field.duplicate(path.index(index).child("audience"), audience))
            continue
        audiences.add(audience)
        seconds = request.get("expirationSeconds")
        where = path.index(index).child("expirationSeconds")
        if seconds is not None and seconds < _TOKEN_SECONDS_MIN:
            detail = "may not specify a duration less than 10 minutes"
            found.append(field.invalid(where, seconds, detail))
        if seconds is not None and seconds > _TOKEN_SECONDS_MAX:
            detail = "may not specify a duration larger than 2^32 seconds"
            found.append(field.invalid(where, seconds, detail))
    return found


def driver_name(name: str, path: field.Path) -> list[field.Error]:
    """A driver as other objects name it (upstream's ValidateCSIDriverName)."""
    found = []
    if not name:
        found.append(field.required(path))
    if names.bytes_length(name) > _DRIVER_NAME_MAX:
        found.append(field.too_long(path, _DRIVER_NAME_MAX))
    return found + checks.all_invalid(path, name, names.is_dns1123_subdomain(name.lower()))


# CSINodes


def validate_csi_node(node: Object) -> list[field.Error]:
    found = meta.validate_object_meta(node, namespaced=False, name_rule=names.is_dns1123_subdomain)
    drivers = (node.get("spec") or {}).get("drivers") or ()
    path = _SPEC.child("drivers")
    for index, driver in enumerate(drivers):
        found += _node_driver(driver, path.index(index))
    return found + checks.unique([d.get("name", "") for d in drivers], path, "name")


def validate_csi_node_update(updated: Object, existing: Object) -> list[field.Error]:
    found = validate_csi_node(updated)
    before = {d.get("name"): d for d in (existing.get("spec") or {}).get("drivers") or ()}
    for driver in (updated.get("spec") or {}).get("drivers") or ():
        known = before.get(driver.get("name"))
        if known is not None:
            now, then = _without_allocatable(driver), _without_allocatable(known)
            found += checks.immutable(now, then, _SPEC.child("drivers"))
    return found


def _without_allocatable(driver: Spec) -> dict[str, Any]:
    return {key: value for key, value in driver.items() if key != "allocatable"}


def _node_driver(driver: Spec, path: field.Path) -> list[field.Error]:
    found = driver_name(driver.get("name", ""), path.child("name"))
    node_id = driver.get("nodeID", "")
    where = path.child("nodeID")
    if not node_id:
        found.append(field.required(where))
    if names.bytes_length(node_id) > _NODE_ID_MAX:
        found.append(field.invalid(where, node_id, f"must be {_NODE_ID_MAX} characters or less"))
    count = (driver.get("allocatable") or {}).get("count")
    found += checks.non_negative(count, path.child("allocatable", "count"))
    seen: set[str] = set()
    for key in driver.get("topologyKeys") or ():
        if not key:
            found.append(field.required(path))
        if key in seen:
            found.append(field.duplicate(path, key))
        seen.add(key)
        found += checks.qualified_name(key, path)
    return found


# VolumeAttachments


def validate_volume_attachment(attachment: Object) -> list[field.Error]:
    found = _attachment(attachment)
    spec = attachment.get("spec") or {}
    # These two came with v1 and repeat what stands above.
    found += driver_name(spec.get("attacher", ""), field.Path("spec.attacher"))
    volume = (spec.get("source") or {}).get("persistentVolumeName")
    if volume is not None:
        path = field.Path("spec.source.persistentVolumeName")
        found += checks.dns1123_subdomain(volume, path)
    return found


def validate_volume_attachment_update(updated: Object, existing: Object) -> list[field.Error]:
    found = _attachment(updated)
    return found + checks.immutable(updated.get("spec"), existing.get("spec"), _SPEC)


def _attachment(attachment: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        attachment, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    spec = attachment.get("spec") or {}
    if not spec.get("attacher"):
        found.append(field.required(_SPEC.child("attacher")))
    found += _attachment_source(spec.get("source") or {}, _SPEC.child("source"))
    found += checks.dns1123_subdomain(spec.get("nodeName", ""), _SPEC.child("nodeName"))
    status = attachment.get("status") or {}
    written = status.get("attachmentMetadata") or {}
    length = names.bytes_length
    if sum(length(key) + length(value) for key, value in written.items()) > _METADATA_BYTES_MAX:
        found.append(field.too_long(_STATUS.child("attachmentMetadata"), _METADATA_BYTES_MAX))
    for key in ("attachError", "detachError"):
        found += _volume_error(status.get(key) or {}, _STATUS.child(key))
    return found


def _attachment_source(source: Spec, path: field.Path) -> list[field.Error]:
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if name is None and inline is None:
        return [field.required(path, detail)]
    if name is not None and inline is not None:
        return [field.forbidden(path, detail)]
    if name == "":
        where = path.child("persistentVolumeName")
        return [field.required(where, "must specify non empty persistentVolumeName")]
    return []


def _volume_error(error: Spec, path: field.Path) -> list[field.Error]:
    found = []
    if names.bytes_length(error.get("message", "")) > _ERROR_BYTES_MAX:
        # The limit named is the other one, upstream too.
        found.append(field.too_long(path.child("message"), _METADATA_BYTES_MAX))
    code = error.get("errorCode", 0)
    if code < 0:
        detail = names.range_message(0, _INT32_MAX)
        found.append(field.invalid(path.child("errorCode"), code, detail))
    return found


# CSIStorageCapacities


def validate_csi_storage_capacity(capacity: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        capacity, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    topology = capacity.get("nodeTopology")
    found += meta.validate_label_selector(topology, field.Path("nodeTopology"))
    name = capacity.get("storageClassName", "")
    found += checks.dns1123_subdomain(name, field.Path("storageClassName"))
    amount = capacity.get("capacity")
    if amount is not None and quantity.parse(amount) < quantity.parse("0"):
        found.append(field.invalid(field.Path("capacity"), amount, checks.NOT_NEGATIVE))
    return found


def validate_csi_storage_capacity_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    for key in ("nodeTopology", "storageClassName"):
        found += checks.immutable(updated.get(key), existing.get(key), field.Path(key))
    return found

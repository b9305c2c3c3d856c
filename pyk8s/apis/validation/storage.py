# SPDX-License-Identifier: Apache-2.0
"""Rules of PersistentVolumes and PersistentVolumeClaims."""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import pod_amounts
from pyk8s.apis.validation import checks, meta, resources, scheduling, volume_sources

Spec = Mapping[str, Any]

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_ACCESS_MODES = frozenset({"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"})
_RECLAIM_POLICIES = frozenset({"Delete", "Recycle", "Retain"})
_VOLUME_MODES = frozenset({"Block", "Filesystem"})
_RESIZE_STATUSES = frozenset(
    {
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizePending",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
    }
)
_ONE_TYPE = "may not specify more than 1 volume type"
_BETA_TO_GA = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}
_SPEC = field.Path("spec")


def _validate_access_modes(modes: Sequence[str], path: field.Path) -> list[field.Error]:
    errors = [
        field.not_supported(path, mode, _ACCESS_MODES)
        for mode in modes
        if mode not in _ACCESS_MODES
    ]
    known = _ACCESS_MODES.intersection(modes)
    if "ReadWriteOncePod" in known and len(known) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        errors.append(field.forbidden(path, detail))
    return errors


# --- PersistentVolume


def validate_volume(volume: Object) -> list[field.Error]:
    """A PersistentVolume on create."""
    errors = meta.validate_object_meta(
        volume, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    name = volume["metadata"].get("name", "")
    return errors + _validate_volume_spec(volume.get("spec") or {}, name)


def _validate_volume_spec(spec: Spec, name: str) -> list[field.Error]:
    modes = spec.get("accessModes", ())
    errors = [] if modes else [field.required(_SPEC.child("accessModes"))]
    errors += _validate_access_modes(modes, _SPEC.child("accessModes"))
    errors += _validate_capacity(spec.get("capacity", {}))
    policy = spec.get("persistentVolumeReclaimPolicy")
    at = _SPEC.child("persistentVolumeReclaimPolicy")
    errors += checks.optional_one_of(policy or None, at, _RECLAIM_POLICIES)
    if "nodeAffinity" in spec:
        errors += _validate_volume_affinity(spec["nodeAffinity"], _SPEC.child("nodeAffinity"))
    errors += _validate_volume_source(spec, name)
    where = (spec.get("hostPath") or {}).get("path", "")
    if policy == "Recycle" and where and posixpath.normpath(where) in ("/", "//"):
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(field.forbidden(at, detail))
    if spec.get("storageClassName"):
        at = _SPEC.child("storageClassName")
        errors += checks.dns1123_subdomain(spec["storageClassName"], at)
    errors += checks.optional_one_of(
        spec.get("volumeMode"), _SPEC.child("volumeMode"), _VOLUME_MODES
    )
    if "volumeAttributesClassName" in spec:
        errors += _validate_attributes_class(spec)
    return errors


def _validate_attributes_class(spec: Spec) -> list[field.Error]:
    at = _SPEC.child("volumeAttributesClassName")
    name = spec["volumeAttributesClassName"]
    if not name:
        errors = [field.required(at, "an empty string is disallowed")]
    else:
        errors = checks.dns1123_subdomain(name, at)
    if "csi" not in spec:
        detail = "has to be specified when using volumeAttributesClassName"
        errors.append(field.required(_SPEC.child("csi"), detail))
    return errors


def _validate_capacity(capacity: Mapping[str, str]) -> list[field.Error]:
    at = _SPEC.child("capacity")
    errors = [] if capacity else [field.required(at)]
    if set(capacity) != {"storage"}:
        errors.append(field.not_supported(at, dict(capacity), ["storage"]))
    for name, quantity in capacity.items():
        errors += resources.validate_basic_amount(quantity, at.key(name))
        errors += resources.validate_positive(quantity, at.key(name))
    return errors


def _validate_volume_affinity(affinity: Spec, path: field.Path) -> list[field.Error]:
    if "required" not in affinity:
        return [field.required(path.child("required"), "must specify required node constraints")]
    return scheduling.validate_node_selector(affinity["required"], path.child("required"))


def _validate_volume_source(spec: Spec, name: str) -> list[field.Error]:
    kinds = [kind for kind in _ORDER if kind in spec]
    if not kinds:
        return [field.required(_SPEC, "must specify a volume type")]
    first = kinds[0]
    at = _SPEC.child(volume_sources.PATHS.get(first, first))
    errors = volume_sources.PERSISTENT[first](spec[first], at)
    if first == "iscsi" and "initiatorName" in spec[first]:
        portal = spec[first].get("targetPortal", "")
        if len(f"{name}:{portal}") > 64:
            where = at.child("targetportal")
            errors.append(field.invalid(where, portal, volume_sources.ISCSI_TOO_LONG))
    if first == "local" and "nodeAffinity" not in spec:
        detail = "Local volume requires node affinity"
        errors.append(field.required(_SPEC.child("nodeAffinity"), detail))
    for kind in kinds[1:]:
        where = _SPEC.child("cephFS" if kind == "cephfs" else kind)
        errors.append(field.forbidden(where, _ONE_TYPE))
    return errors


_ORDER = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd",
    "quobyte", "cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume",
    "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip


def validate_volume_update(updated: Object, existing: Object) -> list[field.Error]:
    """The source, the mode, and the node affinity once set stay as they are."""
    errors = validate_volume(updated)
    new, old = updated["spec"], existing["spec"]
    if _source(new, old) != _source(old, old):
        detail = "spec.persistentvolumesource is immutable after creation"
        errors.append(field.forbidden(_SPEC.child("persistentvolumesource"), detail))
    errors += checks.immutable(
        new.get("volumeMode"), old.get("volumeMode"), field.Path("volumeMode")
    )
    if "nodeAffinity" in old and not _same_affinity(new.get("nodeAffinity"), old["nodeAffinity"]):
        detail = f"{checks.IMMUTABLE}, except for updating from beta label to GA"
        at = field.Path("nodeAffinity")
        errors.append(field.invalid(at, new.get("nodeAffinity"), detail))
    if "volumeAttributesClassName" in old and "volumeAttributesClassName" not in new:
        detail = "update from non-nil value to nil is forbidden"
        errors.append(field.forbidden(_SPEC.child("volumeAttributesClassName"), detail))
    return errors


def _source(spec: Spec, old: Spec) -> dict[str, Any]:
    source = {kind: spec[kind] for kind in _ORDER if kind in spec}
    secret = "controllerExpandSecretRef"
    # The one thing a source may gain.
    if "csi" in source and secret not in (old.get("csi") or {secret: None}):
        source["csi"] = {key: value for key, value in source["csi"].items() if key != secret}
    return source


def _same_affinity(new: Spec | None, old: Spec) -> bool:
    if new == old:
        return True
    if new is None:
        return False
    mapped = copy.deepcopy(dict(old))
    mine = (new.get("required") or {}).get("nodeSelectorTerms", ())
    theirs = (mapped.get("required") or {}).get("nodeSelectorTerms", ())
    for term, other in zip(theirs, mine, strict=False):
        expressions = zip(
            term.get("matchExpressions", ()), other.get("matchExpressions", ()), strict=False
        )
        for requirement, wanted in expressions:
            if _BETA_TO_GA.get(requirement.get("key", "")) == wanted.get("key"):
                requirement["key"] = wanted["key"]
    return bool(mapped == new)


def validate_volume_status_update(updated: Object, existing: Object) -> list[field.Error]:
    return meta.validate_object_meta_update(updated, existing)


# --- PersistentVolumeClaim


def validate_claim(claim: Object) -> list[field.Error]:
    """A PersistentVolumeClaim on create."""
    return _validate_claim(claim, None)


def _validate_claim(claim: Object, existing: Spec | None) -> list[field.Error]:
    errors = meta.validate_object_meta(claim, namespaced=True, name_rule=names.is_dns1123_subdomain)
    return errors + validate_claim_spec(claim.get("spec") or {}, _SPEC, existing)


def validate_claim_template(template: Spec, path: field.Path) -> list[field.Error]:
    """A PersistentVolumeClaimTemplate: of its metadata only labels and annotations count."""
    metadata = template.get("metadata") or {}
    at = path.child("metadata")
    errors = meta.validate_annotations(metadata.get("annotations", {}), at.child("annotations"))
    errors += meta.validate_labels(metadata.get("labels", {}), at.child("labels"))
    for name, value in metadata.items():
        if name not in ("labels", "annotations") and value:
            errors.append(field.forbidden(at.child(name), "cannot be set"))
    return errors + validate_claim_spec(template.get("spec") or {}, path.child("spec"))


def validate_claim_spec(
    spec: Spec, path: field.Path, existing: Spec | None = None
) -> list[field.Error]:
    """A claim's spec, also inside a template; `existing` is the stored spec on update."""
    modes = spec.get("accessModes", ())
    at = path.child("accessModes")
    errors = [] if modes else [field.required(at, "at least 1 access mode is required")]
    errors += meta.validate_label_selector(spec.get("selector"), path.child("selector"))
    errors += _validate_access_modes(modes, at)
    errors += _validate_storage_request(spec, path.child("resources").key("storage"))
    for name in ("storageClassName", "volumeAttributesClassName"):
        if spec.get(name):
            errors += checks.dns1123_subdomain(spec[name], path.child(name))
    errors += checks.optional_one_of(
        spec.get("volumeMode"), path.child("volumeMode"), _VOLUME_MODES
    )
    return errors + _validate_data_sources(spec, path, existing)


def _validate_storage_request(spec: Spec, path: field.Path) -> list[field.Error]:
    request = (spec.get("resources") or {}).get("requests", {}).get("storage")
    if request is None:
        return [field.required(path)]
    errors = resources.validate_positive(request, path)
    return errors or resources.validate_amount("storage", request, path)


def _validate_data_sources(
    spec: Spec, path: field.Path, existing: Spec | None
) -> list[field.Error]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    errors: list[field.Error] = []
    # A stored claim that already names a group may name it badly.
    lenient = any(
        "apiGroup" in ((existing or {}).get(name) or {}) for name in ("dataSource", "dataSourceRef")
    )
    if source is not None:
        errors += _validate_data_source(source, path.child("dataSource"), lenient)
    if reference is not None:
        at = path.child("dataSourceRef")
        errors += _validate_data_source(reference, at, lenient)
        if reference.get("namespace"):
            errors += checks.dns1123_label(reference["namespace"], at.child("namespace"))
    if source is None or reference is None:
        return errors
    if reference.get("namespace"):
        detail = "may not be specified when dataSourceRef.namespace is specified"
        errors.append(field.invalid(path, str(path.child("dataSource")), detail))
    elif any(source.get(name) != reference.get(name) for name in ("apiGroup", "kind", "name")):
        detail = "must match dataSourceRef"
        errors.append(field.invalid(path, str(path.child("dataSource")), detail))
    return errors


def _validate_data_source(source: Spec, path: field.Path, lenient: bool) -> list[field.Error]:
    errors = volume_sources.requires("name", "kind")(source, path)
    group, kind = source.get("apiGroup") or "", source.get("kind", "")
    if not group and kind != "PersistentVolumeClaim":
        detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(field.invalid(path, kind, detail))
    if group and not lenient:
        errors += checks.dns1123_subdomain(group, path.child("apiGroup"))
    return errors


def validate_claim_update(updated: Object, existing: Object) -> list[field.Error]:
    """A bound claim may grow and change its attributes class; a volume's name is set once."""
    new, old = updated["spec"], existing["spec"]
    errors = meta.validate_object_meta_update(updated, existing)
    errors += _validate_claim(updated, old)
    mine, theirs = copy.deepcopy(dict(new)), copy.deepcopy(dict(old))
    if not old.get("volumeName"):
        theirs["volumeName"] = mine.get("volumeName")
    errors += _excuse_class(updated, existing, mine, theirs)
    if (updated.get("status") or {}).get("phase") == "Bound":
        _excuse_growth(mine, theirs)
    if _without_empty(mine) != _without_empty(theirs):
        detail = (
            "spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims"
        )
        errors.append(field.forbidden(_SPEC, detail))
    errors += _validate_size(new, existing)
    errors += checks.immutable(
        new.get("volumeMode"), old.get("volumeMode"), field.Path("volumeMode")
    )
    return errors + _validate_class_change(new, old)


def _excuse_class(
    updated: Object, existing: Object, mine: dict[str, Any], theirs: dict[str, Any]
) -> list[field.Error]:
    """A storage class may be set where there was none, or taken over from the old annotation."""
    new_name, old_name = mine.get("storageClassName"), theirs.get("storageClassName")
    new_note = updated["metadata"].get("annotations", {}).get(CLASS_ANNOTATION)
    old_note = existing["metadata"].get("annotations", {}).get(CLASS_ANNOTATION)
    unset = old_name is None and new_name is not None
    if unset and old_note is not None and new_name == old_note and new_note in (None, old_note):
        mine.pop("storageClassName")
        return []
    if unset and old_note in (None, new_name):
        mine.pop("storageClassName")
    if (new_note or "") != (old_note or ""):
        at = field.Path("metadata", "annotations", CLASS_ANNOTATION)
        return [field.invalid(at, new_note or "", checks.IMMUTABLE)]
    return []


def _excuse_growth(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    requests = (mine.get("resources") or {}).get("requests")
    if requests is not None:
        old = (theirs.get("resources") or {}).get("requests", {})
        requests["storage"] = old.get("storage")
    if "volumeAttributesClassName" in mine:
        mine["volumeAttributesClassName"] = theirs.get("volumeAttributesClassName")


def _without_empty(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if value not in (None, "", {}, [])}


def _validate_size(new: Spec, existing: Object) -> list[field.Error]:
    size = _storage(new["resources"].get("requests"))
    capacity = _storage((existing.get("status") or {}).get("capacity"))
    if size >= _storage(existing["spec"]["resources"].get("requests")) or size > capacity:
        return []
    detail = "field can not be less than status.capacity"
    return [field.forbidden(_SPEC.child("resources", "requests", "storage"), detail)]


def _storage(amounts: Mapping[str, str] | None) -> Any:
    return pod_amounts.amount((amounts or {}).get("storage", "0"))


def _validate_class_change(new: Spec, old: Spec) -> list[field.Error]:
    name = "volumeAttributesClassName"
    if name not in old or new.get(name) == old[name]:
        return []
    at = _SPEC.child(name)
    if name not in new:
        return [field.forbidden(at, "update from non-nil value to nil is forbidden")]
    if not new[name]:
        detail = "update from non-nil value to an empty string is forbidden"
        return [field.forbidden(at, detail)]
    return []


def validate_claim_status_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    status = updated.get("status") or {}
    path = field.Path("status")
    for name, quantity in status.get("capacity", {}).items():
        errors += resources.validate_basic_amount(quantity, path.child("capacity").key(name))
    # The path is upstream's, which lost a plural.
    at = path.child("allocatedResourceStatus")
    for name, phase in status.get("allocatedResourceStatuses", {}).items():
        errors += _validate_resource_key(name, at)
        if phase not in _RESIZE_STATUSES:
            errors.append(field.not_supported(at, name, _RESIZE_STATUSES))
    at = path.child("allocatedResources")
    for name, quantity in status.get("allocatedResources", {}).items():
        faults = _validate_resource_key(name, at)
        errors += faults or resources.validate_basic_amount(quantity, at.key(name))
    return errors


def _validate_resource_key(name: str, path: field.Path) -> list[field.Error]:
    errors = checks.qualified_name(name, path)
    if not errors and resources.is_native(name) and name != "storage":
        errors.append(field.not_supported(path, name, ["storage"]))
    return errors

# SPDX-License-Identifier: Apache-2.0
"""Rules of a Pod's volumes: one source each, names unique, every source sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis import pod_amounts
from pyk8s.apis.validation import checks, filepaths, projections, storage, volume_sources
from pyk8s.apis.validation.options import PodOptions
from pyk8s.apis.validation.projections import validate_mode

Source = Mapping[str, Any]
Volumes = Mapping[str, Mapping[str, Any]]

ONE_TYPE = "may not specify more than 1 volume type"
PULL_POLICIES = frozenset({"Always", "IfNotPresent", "Never"})


def validate_volumes(
    volumes: Sequence[Mapping[str, Any]], path: field.Path, options: PodOptions
) -> tuple[Volumes, list[field.Error]]:
    """The sound volumes by name, which mounts may refer to, and the faults of the others."""
    errors: list[field.Error] = []
    sound: dict[str, Mapping[str, Any]] = {}
    created_claims = _created_claims(volumes, options)
    for index, volume in enumerate(volumes):
        at = path.index(index)
        faults = _validate_volume(volume, at, options)
        name = volume.get("name", "")
        if name in sound:
            faults.append(field.duplicate(at.child("name"), name))
        if not faults:
            sound[name] = volume
        errors += faults
        claim = volume.get("persistentVolumeClaim")
        if claim is not None and claim.get("claimName") in created_claims:
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            where = at.child("persistentVolumeClaim", "claimName")
            errors.append(field.invalid(where, claim["claimName"], detail))
    return sound, errors


def _created_claims(volumes: Sequence[Mapping[str, Any]], options: PodOptions) -> set[str]:
    if not options.pod_name:
        return set()
    return {
        f"{options.pod_name}-{volume.get('name', '')}"
        for volume in volumes
        if "ephemeral" in volume
    }


def _validate_volume(
    volume: Mapping[str, Any], path: field.Path, options: PodOptions
) -> list[field.Error]:
    name = volume.get("name", "")
    errors = _validate_source(volume, name, path, options)
    if not name:
        errors.append(field.required(path.child("name")))
    else:
        errors += checks.dns1123_label(name, path.child("name"))
    return errors


def _validate_source(
    volume: Mapping[str, Any], name: str, path: field.Path, options: PodOptions
) -> list[field.Error]:
    kinds = [kind for kind in _ORDER if kind in volume] if len(volume) > 2 else list(volume)
    kinds = [kind for kind in kinds if kind != "name"]
    if not kinds:
        return [field.required(path, "must specify a volume type")]
    kind = kinds[0]
    source = volume[kind]
    at = path.child(volume_sources.PATHS.get(kind, kind))
    errors = _VALIDATORS[kind](source, at)
    for other in kinds[1:]:
        errors.append(field.forbidden(path.child(_FORBIDDEN_PATHS.get(other, other)), ONE_TYPE))
    if kind == "iscsi" and "initiatorName" in source:
        if len(f"{name}:{source.get('targetPortal', '')}") > 64:
            errors.append(field.invalid(path.child("name"), name, volume_sources.ISCSI_TOO_LONG))
    elif kind == "ephemeral":
        errors += _validate_claim_name(name, path, options)
    elif kind == "image" and not options.template and not source.get("reference"):
        errors.append(field.required(at.child("reference")))
    return errors


def _validate_claim_name(name: str, path: field.Path, options: PodOptions) -> list[field.Error]:
    if not options.pod_name or not name:
        return []
    claim = f"{options.pod_name}-{name}"
    return [
        field.invalid(path.child("name"), name, f'PVC name "{claim}": {fault}')
        for fault in names.is_dns1123_subdomain(claim)
    ]


def _validate_empty_dir(source: Source, path: field.Path) -> list[field.Error]:
    limit = source.get("sizeLimit")
    if limit is not None and pod_amounts.amount(limit) < 0:
        detail = "SizeLimit field must be a valid resource quantity"
        return [field.forbidden(path.child("sizeLimit"), detail)]
    return []


def _validate_git_repo(source: Source, path: field.Path) -> list[field.Error]:
    errors = volume_sources.requires("repository")(source, path)
    directory = source.get("directory", "")
    return errors + filepaths.local_descending(directory, path.child("directory"))


def _validate_secret(source: Source, path: field.Path) -> list[field.Error]:
    return _validate_items(source, path, "secretName")


def _validate_config_map(source: Source, path: field.Path) -> list[field.Error]:
    return _validate_items(source, path, "name")


def _validate_items(source: Source, path: field.Path, name: str) -> list[field.Error]:
    errors = [] if source.get(name) else [field.required(path.child(name))]
    errors += validate_mode(source.get("defaultMode"), path, "defaultMode")
    for index, item in enumerate(source.get("items", ())):
        errors += projections.validate_key_to_path(item, path.child("items").index(index))
    return errors


def _validate_downward_api(source: Source, path: field.Path) -> list[field.Error]:
    errors = validate_mode(source.get("defaultMode"), path, "defaultMode")
    for item in source.get("items", ()):
        errors += projections.validate_downward_api_file(item, path)
    return errors


def _validate_ephemeral(source: Source, path: field.Path) -> list[field.Error]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [field.required(path.child("volumeClaimTemplate"))]
    return storage.validate_claim_template(template, path.child("volumeClaimTemplate"))


def _validate_image(source: Source, path: field.Path) -> list[field.Error]:
    policy = source.get("pullPolicy")
    return checks.required_one_of(policy, path.child("pullPolicy"), PULL_POLICIES)


_VALIDATORS: dict[str, Callable[[Source, field.Path], list[field.Error]]] = {
    "emptyDir": _validate_empty_dir,
    **volume_sources.SHARED,
    "gitRepo": _validate_git_repo,
    "secret": _validate_secret,
    "persistentVolumeClaim": volume_sources.requires("claimName"),
    "downwardAPI": _validate_downward_api,
    "configMap": _validate_config_map,
    "projected": projections.validate_projected,
    "ephemeral": _validate_ephemeral,
    "image": _validate_image,
}
# Upstream looks for a source in this order; the first found counts, the others are too many.
_ORDER = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret",
    "nfs", "iscsi", "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs",
    "quobyte", "downwardAPI", "fc", "flexVolume", "configMap", "azureFile", "vsphereVolume",
    "photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO",
    "csi", "ephemeral", "image",
)  # fmt: skip
_FORBIDDEN_PATHS = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}

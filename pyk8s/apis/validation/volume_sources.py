# SPDX-License-Identifier: Apache-2.0
"""Rules of the volume sources that Pods and PersistentVolumes share, most of them deprecated.

One function per source, `(source, path) -> faults`, in two tables: SHARED for both, and
PERSISTENT for those that a PersistentVolume words a little differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks, filepaths

Source = Mapping[str, Any]
Validator = Callable[[Source, field.Path], list[field.Error]]

PARTITION_MESSAGE = names.range_message(1, 255)
_HOST_PATH_TYPES = frozenset(
    {
        "",
        "DirectoryOrCreate",
        "Directory",
        "FileOrCreate",
        "File",
        "Socket",
        "CharDevice",
        "BlockDevice",
    }
)
_ISCSI_NAME = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([0-9A-Za-z\-.]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"^eui.[0-9A-Za-z]{16}$"),
    "naa": re.compile(r"^naa.[0-9A-Za-z]{32}$"),
}
ISCSI_TOO_LONG = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
    "iscsi.initiatorName is specified."
)


def requires(*fields: str) -> Validator:
    """A validator for a source of which only the presence of some fields is checked."""

    def validate(source: Source, path: field.Path) -> list[field.Error]:
        return [field.required(path.child(name)) for name in fields if not source.get(name)]

    return validate


def secret_reference(
    source: Source, path: field.Path, *, name: str = "secretRef", namespaced: bool = False
) -> list[field.Error]:
    """A reference that, where it is given, must name the secret (and its namespace)."""
    reference = source.get(name)
    if reference is None:
        return []
    wanted = ("name", "namespace") if namespaced else ("name",)
    return requires(*wanted)(reference, path.child(name))


def validate_host_path(source: Source, path: field.Path) -> list[field.Error]:
    where = source.get("path")
    if not where:
        return [field.required(path.child("path"))]
    errors = filepaths.no_backsteps(where, path.child("path"))
    kind = source.get("type")
    return errors + checks.optional_one_of(kind, path.child("type"), _HOST_PATH_TYPES)


def _validate_disk(identifier: str) -> Validator:
    def validate(source: Source, path: field.Path) -> list[field.Error]:
        errors = requires(identifier)(source, path)
        partition = source.get("partition", 0)
        if not 0 <= partition <= 255:
            errors.append(field.invalid(path.child("partition"), partition, PARTITION_MESSAGE))
        return errors

    return validate


def validate_nfs(source: Source, path: field.Path) -> list[field.Error]:
    errors = requires("server", "path")(source, path)
    where = source.get("path", "")
    if not where.startswith("/"):
        errors.append(field.invalid(path.child("path"), where, "must be an absolute path"))
    return errors


def _validate_iscsi(source: Source, path: field.Path, starting: str) -> list[field.Error]:
    errors = requires("targetPortal", "iqn")(source, path)
    if source.get("iqn"):
        errors += _validate_iscsi_name(source["iqn"], path.child("iqn"), starting)
    lun = source.get("lun", 0)
    if not 0 <= lun <= 255:
        errors.append(field.invalid(path.child("lun"), lun, names.range_message(0, 255)))
    authenticates = source.get("chapAuthDiscovery") or source.get("chapAuthSession")
    if authenticates and "secretRef" not in source:
        errors.append(field.required(path.child("secretRef")))
    return errors


def _validate_iscsi_initiator(source: Source, path: field.Path, starting: str) -> list[field.Error]:
    if "initiatorName" not in source:
        return []
    return _validate_iscsi_name(source["initiatorName"], path.child("initiatorname"), starting)


def _validate_iscsi_name(name: str, path: field.Path, starting: str) -> list[field.Error]:
    pattern = _ISCSI_NAME.get(name[:3])
    if pattern is None:
        return [field.invalid(path, name, starting)]
    return [] if pattern.search(name) else [field.invalid(path, name, "must be valid format")]


_STARTING = "must be valid format starting with iqn, eui, or naa"


def validate_iscsi(source: Source, path: field.Path) -> list[field.Error]:
    errors = _validate_iscsi(source, path, _STARTING)
    return errors + _validate_iscsi_initiator(source, path, _STARTING)


def validate_persistent_iscsi(source: Source, path: field.Path) -> list[field.Error]:
    errors = _validate_iscsi(source, path, "must be valid format")
    errors += secret_reference(source, path)
    return errors + _validate_iscsi_initiator(source, path, "must be valid format")


def validate_fc(source: Source, path: field.Path) -> list[field.Error]:
    errors = []
    targets, wwids = source.get("targetWWNs"), source.get("wwids")
    if not targets and not wwids:
        detail = "must specify either targetWWNs or wwids, but not both"
        errors.append(field.required(path.child("targetWWNs"), detail))
    if targets and wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        errors.append(field.invalid(path.child("targetWWNs"), targets, detail))
    if not targets:
        return errors
    lun = source.get("lun")
    if lun is None:
        detail = "lun is required if targetWWNs is specified"
        errors.append(field.required(path.child("lun"), detail))
    elif not 0 <= lun <= 255:
        errors.append(field.invalid(path.child("lun"), lun, names.range_message(0, 255)))
    return errors


def validate_persistent_glusterfs(source: Source, path: field.Path) -> list[field.Error]:
    errors = requires("endpoints", "path")(source, path)
    namespace = source.get("endpointsNamespace")
    if namespace == "":
        detail = "if the endpointnamespace is set, it must be a valid namespace name"
        errors.append(field.invalid(path.child("endpointsNamespace"), namespace, detail))
    elif namespace is not None:
        errors += checks.dns1123_label(namespace, path.child("endpointsNamespace"))
    return errors


def validate_flocker(source: Source, path: field.Path) -> list[field.Error]:
    errors = []
    name, uid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uid:
        errors.append(field.required(path, "one of datasetName and datasetUUID is required"))
    if name and uid:
        detail = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(field.invalid(path, "resource", detail))
    if "/" in name:
        errors.append(field.invalid(path.child("datasetName"), name, "must not contain '/'"))
    return errors


_QUOBYTE_REGISTRY = "must be a host:port pair or multiple pairs separated by commas"


def validate_quobyte(source: Source, path: field.Path) -> list[field.Error]:
    errors = []
    registry = source.get("registry", "")
    if not registry:
        errors.append(field.required(path.child("registry"), _QUOBYTE_REGISTRY))
    elif len(source.get("tenant", "")) >= 65:
        detail = "must be a UUID and may not exceed a length of 64 characters"
        errors.append(field.required(path.child("tenant"), detail))
    else:
        for pair in registry.split(","):
            if pair.count(":") != 1 and not pair.startswith("["):
                errors.append(field.invalid(path.child("registry"), registry, _QUOBYTE_REGISTRY))
    return errors + requires("volume")(source, path)


def validate_cinder(source: Source, path: field.Path) -> list[field.Error]:
    return requires("volumeID")(source, path) + secret_reference(source, path)


def validate_persistent_cinder(source: Source, path: field.Path) -> list[field.Error]:
    errors = requires("volumeID")(source, path)
    return errors + secret_reference(source, path, namespaced=True)


def validate_flex(source: Source, path: field.Path) -> list[field.Error]:
    errors = requires("driver")(source, path)
    for key in source.get("options", ()):
        namespace = "." + key.partition("/")[0].lower()
        if namespace.endswith((".kubernetes.io", ".k8s.io")):
            detail = "kubernetes.io and k8s.io namespaces are reserved"
            errors.append(field.invalid(path.child("options").key(key), key, detail))
    return errors


def validate_persistent_azure_file(source: Source, path: field.Path) -> list[field.Error]:
    errors = requires("secretName", "shareName")(source, path)
    if source.get("secretNamespace") == "":
        errors.append(field.required(path.child("secretNamespace")))
    return errors


_AZURE_CACHING = frozenset({"None", "ReadOnly", "ReadWrite"})
_AZURE_KINDS = frozenset({"Shared", "Dedicated", "Managed"})
_AZURE_MANAGED_URI = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/"
    "{disk-id}"
)
_AZURE_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def validate_azure_disk(source: Source, path: field.Path) -> list[field.Error]:
    errors = requires("diskName", "diskURI")(source, path)
    caching, kind = source.get("cachingMode"), source.get("kind")
    errors += checks.optional_one_of(caching, path.child("cachingMode"), _AZURE_CACHING)
    errors += checks.optional_one_of(kind, path.child("kind"), _AZURE_KINDS)
    uri = source.get("diskURI", "")
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        errors.append(field.not_supported(path.child("diskURI"), uri, [_AZURE_MANAGED_URI]))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        errors.append(field.not_supported(path.child("diskURI"), uri, [_AZURE_BLOB_URI]))
    return errors


def _validate_storage_os(namespaced: bool) -> Validator:
    def validate(source: Source, path: field.Path) -> list[field.Error]:
        errors = checks.required_name(
            names.is_dns1123_label, source.get("volumeName"), path.child("volumeName")
        )
        if source.get("volumeNamespace"):
            errors += checks.dns1123_label(source["volumeNamespace"], path.child("volumeNamespace"))
        return errors + secret_reference(source, path, namespaced=namespaced)

    return validate


def validate_csi_driver_name(name: str, path: field.Path) -> list[field.Error]:
    """The name a CSI driver goes by: a DNS subdomain of at most 63 bytes, case ignored."""
    errors = [] if name else [field.required(path)]
    if len(name) > 63:
        errors.append(field.too_long(path, 63))
    for fault in names.is_dns1123_subdomain(name.lower()):
        errors.append(field.invalid(path, name, fault))
    return errors


def validate_csi(source: Source, path: field.Path) -> list[field.Error]:
    errors = validate_csi_driver_name(source.get("driver", ""), path.child("driver"))
    reference = source.get("nodePublishSecretRef")
    if reference is None:
        return errors
    name = reference.get("name")
    if not name:
        errors.append(field.required(path.child("nodePublishSecretRef", "name")))
        return errors
    return errors + checks.dns1123_subdomain(name, path.child("name"))


_CSI_SECRETS = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
)


def validate_persistent_csi(source: Source, path: field.Path) -> list[field.Error]:
    errors = validate_csi_driver_name(source.get("driver", ""), path.child("driver"))
    errors += requires("volumeHandle")(source, path)
    for name in _CSI_SECRETS:
        if name in source:
            errors += _validate_secret(source[name], path.child(name))
    return errors


def _validate_secret(reference: Source, path: field.Path) -> list[field.Error]:
    errors = checks.required_name(
        names.is_dns1123_subdomain, reference.get("name"), path.child("name")
    )
    return errors + checks.required_name(
        names.is_dns1123_label, reference.get("namespace"), path.child("namespace")
    )


def validate_local(source: Source, path: field.Path) -> list[field.Error]:
    if not source.get("path"):
        return [field.required(path.child("path"))]
    return filepaths.no_backsteps(source["path"], path.child("path"))


SHARED: Mapping[str, Validator] = {
    "hostPath": validate_host_path,
    "gcePersistentDisk": _validate_disk("pdName"),
    "awsElasticBlockStore": _validate_disk("volumeID"),
    "nfs": validate_nfs,
    "iscsi": validate_iscsi,
    "glusterfs": requires("endpoints", "path"),
    "flocker": validate_flocker,
    "rbd": requires("monitors", "image"),
    "cinder": validate_cinder,
    "cephfs": requires("monitors"),
    "quobyte": validate_quobyte,
    "fc": validate_fc,
    "flexVolume": validate_flex,
    "azureFile": requires("secretName", "shareName"),
    "vsphereVolume": requires("volumePath"),
    "photonPersistentDisk": requires("pdID"),
    "portworxVolume": requires("volumeID"),
    "azureDisk": validate_azure_disk,
    "storageos": _validate_storage_os(namespaced=False),
    "scaleIO": requires("gateway", "system", "volumeName"),
    "csi": validate_csi,
}
PERSISTENT: Mapping[str, Validator] = {
    **SHARED,
    "glusterfs": validate_persistent_glusterfs,
    "cinder": validate_persistent_cinder,
    "iscsi": validate_persistent_iscsi,
    "azureFile": validate_persistent_azure_file,
    "storageos": _validate_storage_os(namespaced=True),
    "csi": validate_persistent_csi,
    "local": validate_local,
}
# Upstream misspells where the fault of these stands.
PATHS = {"gcePersistentDisk": "persistentDisk"}

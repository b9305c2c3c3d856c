# SPDX-License-Identifier: Apache-2.0
"""Defaults of volumes: those of a Pod, and the sources that PersistentVolumes share with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyk8s.apis.defaults.images import default_pull_policy

Source = dict[str, Any]


def default_volume(volume: dict[str, Any]) -> None:
    """Fill in a Pod's volume, in place; one without a source becomes an emptyDir."""
    if (len(volume) == 1 and "name" in volume) or not volume:
        volume["emptyDir"] = {}
        return
    for kind, source in volume.items():
        default = _DEFAULTS.get(kind)
        if default is not None:
            default(source)


def default_persistent_source(spec: dict[str, Any]) -> None:
    """Fill in the volume source of a PersistentVolume's spec, in place."""
    for kind in _PERSISTENT:
        if kind in spec:
            _DEFAULTS[kind](spec[kind])


def _default_mode(source: Source) -> None:
    source.setdefault("defaultMode", 0o644)


def _default_downward_api(source: Source) -> None:
    source.setdefault("defaultMode", 0o644)
    _default_downward_api_items(source)


def _default_downward_api_items(source: Source) -> None:
    for item in source.get("items", ()):
        if "fieldRef" in item and not item["fieldRef"].get("apiVersion"):
            item["fieldRef"]["apiVersion"] = "v1"
        if "resourceFieldRef" in item:
            item["resourceFieldRef"].setdefault("divisor", "0")


def _default_projected(source: Source) -> None:
    source.setdefault("defaultMode", 0o644)
    for projection in source.get("sources", ()):
        if "downwardAPI" in projection:
            _default_downward_api_items(projection["downwardAPI"])
        if "serviceAccountToken" in projection:
            projection["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        if "podCertificate" in projection:
            projection["podCertificate"].setdefault("maxExpirationSeconds", 86400)


def _default_host_path(source: Source) -> None:
    source.setdefault("type", "")


def _default_image(source: Source) -> None:
    if not source.get("pullPolicy"):
        source["pullPolicy"] = default_pull_policy(source.get("reference", ""))


def _default_ephemeral(source: Source) -> None:
    template = source.get("volumeClaimTemplate")
    if template is not None:
        template.setdefault("metadata", {})
        default_claim_spec(template.setdefault("spec", {}))


def default_claim_spec(spec: dict[str, Any]) -> None:
    """Fill in a PersistentVolumeClaim's spec, in place."""
    spec.setdefault("volumeMode", "Filesystem")
    spec.setdefault("resources", {})


def _default_iscsi(source: Source) -> None:
    if not source.get("iscsiInterface"):
        source["iscsiInterface"] = "default"


def _default_rbd(source: Source) -> None:
    for name, value in (("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")):
        if not source.get(name):
            source[name] = value


def _default_azure_disk(source: Source) -> None:
    source.setdefault("cachingMode", "ReadWrite")
    source.setdefault("fsType", "ext4")
    source.setdefault("readOnly", False)
    source.setdefault("kind", "Shared")


def _default_scale_io(source: Source) -> None:
    for name, value in (("storageMode", "ThinProvisioned"), ("fsType", "xfs")):
        if not source.get(name):
            source[name] = value


_DEFAULTS: dict[str, Callable[[Source], None]] = {
    "secret": _default_mode,
    "configMap": _default_mode,
    "downwardAPI": _default_downward_api,
    "projected": _default_projected,
    "hostPath": _default_host_path,
    "image": _default_image,
    "ephemeral": _default_ephemeral,
    "iscsi": _default_iscsi,
    "rbd": _default_rbd,
    "azureDisk": _default_azure_disk,
    "scaleIO": _default_scale_io,
}
_PERSISTENT = ("hostPath", "iscsi", "rbd", "azureDisk", "scaleIO")

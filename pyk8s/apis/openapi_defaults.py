# SPDX-License-Identifier: Apache-2.0
"""The defaults that the v3 documents state, and v2 does not.

Upstream derives them from its Go types: a field that is a struct by value defaults to `{}`, one
that is always written defaults to its zero value, one that is a pointer to nothing. The schemas
do not tell these apart, `presence` does. Explicit defaults stand here.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apis import presence, schemas
from pyk8s.apis.schemas import Schema

_ZERO: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False}

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
# Structs that write themselves as something else than an object: `{}` would not fit them.
_OWN_FORM = frozenset(
    {
        schemas.QUANTITY,
        schemas.INT_OR_STRING,
        f"{_META}.Time",
        f"{_META}.MicroTime",
        f"{_META}.FieldsV1",
        "io.k8s.apimachinery.pkg.runtime.RawExtension",
        f"{_EXTENSIONS}.JSON",
        f"{_EXTENSIONS}.JSONSchemaPropsOrArray",
        f"{_EXTENSIONS}.JSONSchemaPropsOrBool",
        f"{_EXTENSIONS}.JSONSchemaPropsOrStringArray",
    }
)


def default_of_property(name: str, field: str, property_: Schema, *, required: bool) -> Any:
    """The default of a definition's field, None when it has none."""
    explicit = _EXPLICIT.get(name, {}).get(field)
    if explicit is not None:
        return explicit
    flag = (presence.of(name) or {}).get(field, presence.PLAIN)
    if "$ref" in property_:
        by_value = flag == presence.STRUCT
        return {} if by_value and schemas.ref_name(property_["$ref"]) not in _OWN_FORM else None
    return _zero_of(property_) if required and flag != presence.POINTER else None


def default_of_element(element: Schema) -> Any:
    """The default of a list's item or a map's value: never a pointer, so always its zero."""
    if "$ref" in element:
        return None if schemas.ref_name(element["$ref"]) in _OWN_FORM else {}
    return _zero_of(element)


def _zero_of(described: Schema) -> Any:
    if described.get("format") == "byte":
        return None  # a slice, though it travels as a string
    return _ZERO.get(described.get("type", ""))


def _core(fields: dict[str, Any]) -> dict[str, Any]:
    return {f"io.k8s.api.core.v1.{type_}": value for type_, value in fields.items()}


_RBD = {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"}
_SCALE_IO = {"fsType": "xfs", "storageMode": "ThinProvisioned"}
_NAME = {"name": ""}
# The `+default=` tags of the served types.
_EXPLICIT: dict[str, dict[str, Any]] = _core(
    {
        "AzureDiskVolumeSource": {
            "cachingMode": "ReadWrite",
            "fsType": "ext4",
            "kind": "Shared",
            "readOnly": False,
        },
        "ConfigMapEnvSource": _NAME,
        "ConfigMapKeySelector": _NAME,
        "ConfigMapProjection": _NAME,
        "ConfigMapVolumeSource": _NAME,
        "ContainerPort": {"protocol": "TCP"},
        "GRPCAction": {"service": ""},
        "ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
        "ISCSIVolumeSource": {"iscsiInterface": "default"},
        "LocalObjectReference": _NAME,
        "RBDPersistentVolumeSource": _RBD,
        "RBDVolumeSource": _RBD,
        "ReplicationControllerSpec": {"minReadySeconds": 0, "replicas": 1},
        "ScaleIOPersistentVolumeSource": _SCALE_IO,
        "ScaleIOVolumeSource": _SCALE_IO,
        "SecretEnvSource": _NAME,
        "SecretKeySelector": _NAME,
        "SecretProjection": _NAME,
        "ServicePort": {"protocol": "TCP"},
    }
)

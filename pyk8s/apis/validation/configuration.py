# SPDX-License-Identifier: Apache-2.0
"""Rules of ConfigMaps and Secrets: keys that can be file names, a size, what a type promises."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from pyk8s.apimachinery import codec, field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

BYTES_MAX = 1024 * 1024

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
_DATA = field.Path("data")
_FROZEN = "field is immutable when `immutable` is set"


def validate_config_map(config_map: Object) -> list[field.Error]:
    errors = meta.validate_object_meta(
        config_map, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    data, binary = config_map.get("data", {}), config_map.get("binaryData", {})
    size = 0
    for key, value in data.items():
        errors += _validate_key(key, _DATA)
        if key in binary:
            detail = "duplicate of key present in binaryData"
            errors.append(field.invalid(_DATA.key(key), key, detail))
        size += names.bytes_length(value)
    for key, value in binary.items():
        errors += _validate_key(key, field.Path("binaryData"))
        size += decoded_length(value)
    if size > BYTES_MAX:
        errors.append(field.too_long(checks.WHOLE_OBJECT, BYTES_MAX))
    return errors


def _validate_key(key: str, path: field.Path) -> list[field.Error]:
    return [field.invalid(path.key(key), key, fault) for fault in names.is_config_map_key(key)]


def decoded_length(encoded: str) -> int:
    """The number of bytes a base64 text stands for."""
    return len(encoded) * 3 // 4 - encoded[-2:].count("=")


def validate_config_map_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    errors += _validate_frozen(updated, existing, ("data", "binaryData"))
    return errors + validate_config_map(updated)


def _validate_frozen(
    updated: Object, existing: Object, fields: tuple[str, ...]
) -> list[field.Error]:
    if not existing.get("immutable"):
        return []
    errors = []
    if not updated.get("immutable"):
        errors.append(field.forbidden(field.Path("immutable"), _FROZEN))
    for name in fields:
        if updated.get(name, {}) != existing.get(name, {}):
            errors.append(field.forbidden(field.Path(name), _FROZEN))
    return errors


def validate_secret(secret: Object) -> list[field.Error]:
    """A Secret whose stringData has been merged into its data."""
    errors = meta.validate_object_meta(
        secret, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    data = secret.get("data", {})
    size = 0
    for key, value in data.items():
        errors += _validate_key(key, _DATA)
        size += decoded_length(value)
    if size > BYTES_MAX:
        errors.append(field.too_long(_DATA, BYTES_MAX))
    return errors + _validate_type(secret, data)


_JSON_KEYS = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def _validate_type(secret: Object, data: Mapping[str, str]) -> list[field.Error]:
    kind = secret.get("type", "")
    if kind == SERVICE_ACCOUNT_TOKEN:
        if secret["metadata"].get("annotations", {}).get(SERVICE_ACCOUNT_NAME):
            return []
        return [field.required(meta.PATH.child("annotations").key(SERVICE_ACCOUNT_NAME))]
    if kind in _JSON_KEYS:
        return _validate_json(data, _JSON_KEYS[kind])
    if kind == "kubernetes.io/basic-auth":
        wanted = ("username", "password")
        return [] if any(key in data for key in wanted) else _missing(wanted)
    if kind == "kubernetes.io/ssh-auth":
        return [] if data.get("ssh-privatekey") else _missing(("ssh-privatekey",))
    if kind == "kubernetes.io/tls":
        return _missing(tuple(key for key in ("tls.crt", "tls.key") if key not in data))
    return []


def _missing(keys: tuple[str, ...]) -> list[field.Error]:
    return [field.required(_DATA.key(key)) for key in keys]


def _validate_json(data: Mapping[str, str], key: str) -> list[field.Error]:
    if key not in data:
        return _missing((key,))
    redacted = "<secret contents redacted>"
    try:
        content = codec.decode_json(base64.b64decode(data[key]))
    except (ValueError, binascii.Error) as error:
        return [field.invalid(_DATA.key(key), redacted, str(error))]
    if not isinstance(content, dict):
        detail = "json: cannot unmarshal into Go value of type map[string]interface {}"
        return [field.invalid(_DATA.key(key), redacted, detail)]
    return []


def validate_secret_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    errors += checks.immutable(
        updated.get("type", ""), existing.get("type", ""), field.Path("type")
    )
    errors += _validate_frozen(updated, existing, ("data",))
    return errors + validate_secret(updated)

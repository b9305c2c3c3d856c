# SPDX-License-Identifier: Apache-2.0
"""Rules of what environments and volumes refer to: Pod fields, container resources, keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis import pod_amounts
from pyk8s.apis.validation import checks

Selector = Mapping[str, Any]

_SUBSCRIPT = re.compile(r"(?P<path>.*)\['(?P<key>.*)'\]", re.DOTALL)
# What the downward API knows; old spellings were never served by v1.
_FIELDS = frozenset(
    {
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.serviceAccountName",
        "spec.schedulerName",
        "status.phase",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
_RESOURCES = frozenset(
    f"{kind}.{name}"
    for kind in ("limits", "requests")
    for name in ("cpu", "memory", "ephemeral-storage")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SIZES_MESSAGE = f"only divisor's values {', '.join(_SIZES)} are supported with the "


def validate_field_selector(
    selector: Selector, supported: frozenset[str], path: field.Path
) -> list[field.Error]:
    """An ObjectFieldSelector; `supported` are the fields this place can take."""
    for name in ("apiVersion", "fieldPath"):
        if not selector.get(name):
            return [field.required(path.child(name))]
    wanted = selector["fieldPath"]
    match = _SUBSCRIPT.fullmatch(wanted)
    base = match["path"] if match else wanted
    if selector["apiVersion"] != "v1":
        version = selector["apiVersion"]
        detail = f"error converting fieldPath: unsupported pod version: {version}"
        return [field.invalid(path.child("fieldPath"), wanted, detail)]
    subscripted = match is not None and base in ("metadata.annotations", "metadata.labels")
    if not subscripted and wanted not in _FIELDS:
        detail = f"error converting fieldPath: field label not supported: {wanted}"
        if match is not None:
            detail = f"error converting fieldPath: field label does not support subscript: {wanted}"
        return [field.invalid(path.child("fieldPath"), wanted, detail)]
    if match is not None:
        key = match["key"].lower() if base == "metadata.annotations" else match["key"]
        return checks.qualified_name(key, path)
    if wanted not in supported:
        return [field.not_supported(path.child("fieldPath"), wanted, supported)]
    return []


def validate_resource_selector(
    selector: Selector, path: field.Path, *, in_volume: bool
) -> list[field.Error]:
    """A ResourceFieldSelector; a volume has no container of its own, so it must name one."""
    errors = []
    resource = selector.get("resource", "")
    if in_volume and not selector.get("containerName"):
        errors.append(field.required(path.child("containerName")))
    elif not resource:
        errors.append(field.required(path.child("resource")))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        errors.append(field.not_supported(path.child("resource"), resource, _RESOURCES))
    return errors + _validate_divisor(resource, selector.get("divisor", "0"), path)


def _validate_divisor(resource: str, divisor: str, path: field.Path) -> list[field.Error]:
    if pod_amounts.amount(divisor) == 0:
        return []
    name = resource.partition(".")[2]
    if name == "cpu":
        allowed: tuple[str, ...] = ("1m", "1")
        detail = "only divisor's values 1m and 1 are supported with the cpu resource"
    elif name == "memory":
        allowed, detail = _SIZES, _SIZES_MESSAGE + "memory resource"
    elif name == "ephemeral-storage":
        allowed, detail = _SIZES, _SIZES_MESSAGE + "local ephemeral storage resource"
    elif name.startswith("hugepages-"):
        allowed, detail = _SIZES, _SIZES_MESSAGE + "hugepages resource"
    else:
        return []
    return [] if divisor in allowed else [field.invalid(path.child("divisor"), resource, detail)]


def validate_key_selector(selector: Selector, path: field.Path) -> list[field.Error]:
    """A key of a ConfigMap or a Secret."""
    errors = checks.dns1123_subdomain(selector.get("name", ""), path.child("name"))
    key = selector.get("key")
    return errors + checks.required_name(names.is_config_map_key, key, path.child("key"))

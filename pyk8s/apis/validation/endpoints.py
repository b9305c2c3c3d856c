# SPDX-License-Identifier: Apache-2.0
"""Rules of Endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta, netaddr
from pyk8s.apis.validation.containers import PROTOCOLS

_SUBSETS = field.Path("subsets")


def validate_endpoints(endpoints: Object, existing: Object | None = None) -> list[field.Error]:
    """Endpoints; addresses that `existing` holds already may keep their form."""
    errors = meta.validate_object_meta(
        endpoints, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    stored = frozenset(_addresses(existing)) if existing else frozenset()
    for index, subset in enumerate(endpoints.get("subsets", ())):
        errors += _validate_subset(subset, _SUBSETS.index(index), stored)
    return errors


def _addresses(endpoints: Object) -> list[str]:
    return [
        address.get("ip", "")
        for subset in endpoints.get("subsets", ())
        for kind in ("addresses", "notReadyAddresses")
        for address in subset.get(kind, ())
    ]


def _validate_subset(
    subset: Mapping[str, Any], path: field.Path, stored: frozenset[str]
) -> list[field.Error]:
    errors: list[field.Error] = []
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        detail = "must specify `addresses` or `notReadyAddresses`"
        errors.append(field.required(path, detail))
    for kind in ("addresses", "notReadyAddresses"):
        for index, address in enumerate(subset.get(kind, ())):
            errors += _validate_address(address, path.child(kind).index(index), stored)
    ports = subset.get("ports", ())
    for index, port in enumerate(ports):
        errors += _validate_port(port, path.child("ports").index(index), named=len(ports) > 1)
    return errors


def _validate_address(
    address: Mapping[str, Any], path: field.Path, stored: frozenset[str]
) -> list[field.Error]:
    ip = address.get("ip", "")
    errors = netaddr.ip(ip, path.child("ip"), stored)
    if address.get("hostname"):
        errors += checks.dns1123_label(address["hostname"], path.child("hostname"))
    if "nodeName" in address:
        node = address["nodeName"]
        errors += checks.dns1123_subdomain(node, path.child("nodeName"))
    return errors + netaddr.non_special_ip(ip, path.child("ip"))


def _validate_port(port: Mapping[str, Any], path: field.Path, *, named: bool) -> list[field.Error]:
    errors: list[field.Error] = []
    name = port.get("name")
    if name:
        errors += checks.dns1123_label(name, path.child("name"))
    elif named:
        errors.append(field.required(path.child("name")))
    errors += netaddr.port_number(port.get("port", 0), path.child("port"))
    errors += checks.required_one_of(port.get("protocol"), path.child("protocol"), PROTOCOLS)
    if "appProtocol" in port:
        errors += checks.qualified_name(port["appProtocol"], path.child("appProtocol"))
    return errors


def validate_endpoints_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    return errors + validate_endpoints(updated, existing)

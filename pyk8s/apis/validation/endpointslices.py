# SPDX-License-Identifier: Apache-2.0
"""Rules of EndpointSlices.

Mirrors upstream's `pkg/apis/discovery/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta, netaddr

_ADDRESS_TYPES = frozenset({"IPv4", "IPv6", "FQDN"})
_PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
_TOPOLOGY_LABELS_MAX = 16
_ADDRESSES_MAX = 100
_PORTS_MAX = 20000
_ENDPOINTS_MAX = 1000
_HINTS_MAX = 8

Spec = Mapping[str, Any]


def validate_endpoint_slice(endpoint_slice: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        endpoint_slice, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    kind = endpoint_slice.get("addressType", "")
    found += checks.required_one_of(kind, field.Path("addressType"), _ADDRESS_TYPES)
    found += _endpoints(endpoint_slice.get("endpoints") or (), kind, field.Path("endpoints"))
    return found + _ports(endpoint_slice.get("ports") or (), field.Path("ports"))


def validate_endpoint_slice_update(updated: Object, existing: Object) -> list[field.Error]:
    found = validate_endpoint_slice(updated)
    kinds = (updated.get("addressType"), existing.get("addressType"))
    return found + checks.immutable(*kinds, field.Path("addressType"))


def _endpoints(endpoints: Sequence[Spec], kind: str, path: field.Path) -> list[field.Error]:
    if len(endpoints) > _ENDPOINTS_MAX:
        return [field.too_many(path, len(endpoints), _ENDPOINTS_MAX)]
    found = []
    for index, endpoint in enumerate(endpoints):
        found += _endpoint(endpoint, kind, path.index(index))
    return found


def _endpoint(endpoint: Spec, kind: str, path: field.Path) -> list[field.Error]:
    found = _addresses(endpoint.get("addresses") or (), kind, path.child("addresses"))
    node = endpoint.get("nodeName")
    if node is not None:
        found += checks.dns1123_subdomain(node, path.child("nodeName"))
    topology = endpoint.get("deprecatedTopology") or {}
    where = path.child("deprecatedTopology")
    if len(topology) > _TOPOLOGY_LABELS_MAX:
        found.append(field.too_many(where, len(topology), _TOPOLOGY_LABELS_MAX))
    found += meta.validate_labels(topology, where)
    host = endpoint.get("hostname")
    if host is not None:
        found += checks.dns1123_label(host, path.child("hostname"))
    hints = endpoint.get("hints") or {}
    found += _hints(hints.get("forZones") or (), path.child("hints", "forZones"), _zone)
    return found + _hints(hints.get("forNodes") or (), path.child("hints", "forNodes"), _node)


def _addresses(addresses: Sequence[str], kind: str, path: field.Path) -> list[field.Error]:
    found = []
    if not addresses:
        found.append(field.required(path, "must contain at least 1 address"))
    elif len(addresses) > _ADDRESSES_MAX:
        found.append(field.too_many(path, len(addresses), _ADDRESSES_MAX))
    if kind == "FQDN":
        for index, address in enumerate(addresses):
            found += _domain_name(address, path.index(index))
    elif kind in ("IPv4", "IPv6"):
        for index, address in enumerate(addresses):
            found += _ip(address, kind, path.index(index))
    return found


def _ip(address: str, kind: str, path: field.Path) -> list[field.Error]:
    parsed = netaddr.parse_ip(address)
    found = []
    if parsed is None or f"IPv{parsed.version}" != kind:
        found.append(field.invalid(path, address, f"must be a valid {kind} address"))
    return found + netaddr.non_special_ip(address, path)


def _domain_name(name: str, path: field.Path) -> list[field.Error]:
    """Two labels at least; a dot at the end is fine (upstream's IsFullyQualifiedDomainName)."""
    if not name:
        return [field.required(path)]
    bare = name.removesuffix(".")
    faults = names.is_dns1123_subdomain(bare)
    if faults:
        return [field.invalid(path, bare, ",".join(faults))]
    labels = bare.split(".")
    if len(labels) < 2:
        detail = "should be a domain with at least two segments separated by dots"
        return [field.invalid(path, bare, detail)]
    found = []
    for label in labels:
        found += checks.joined(names.is_dns1123_label, label, path)
    return found


def _ports(ports: Sequence[Spec], path: field.Path) -> list[field.Error]:
    if len(ports) > _PORTS_MAX:
        return [field.too_many(path, len(ports), _PORTS_MAX)]
    found = checks.unique([port.get("name", "") for port in ports], path, "name")
    for index, port in enumerate(ports):
        where = path.index(index)
        if port.get("name"):
            found += checks.dns1123_label(port["name"], where.child("name"))
        protocol = port.get("protocol")
        found += checks.required_one_of(protocol, where.child("protocol"), _PROTOCOLS)
        application = port.get("appProtocol")
        if application is not None:
            found += checks.qualified_name(application, where.child("appProtocol"))
    return found


def _zone(name: str, path: field.Path) -> list[field.Error]:
    return checks.follows(names.is_valid_label_value, name, path)


def _node(name: str, path: field.Path) -> list[field.Error]:
    return checks.dns1123_subdomain(name, path)


def _hints(
    hints: Sequence[Spec],
    path: field.Path,
    rule: Callable[[str, field.Path], list[field.Error]],
) -> list[field.Error]:
    if len(hints) > _HINTS_MAX:
        return [field.too_many(path, len(hints), _HINTS_MAX)]
    wanted = [hint.get("name", "") for hint in hints]
    found = checks.unique(wanted, path, "name")
    for index, name in enumerate(wanted):
        found += rule(name, path.index(index).child("name"))
    return found

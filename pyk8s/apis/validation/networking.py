# SPDX-License-Identifier: Apache-2.0
"""Rules of NetworkPolicies, IPAddresses and ServiceCIDRs.

Mirrors upstream's `pkg/apis/networking/validation/validation.go`; Ingresses have their own module.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta, netaddr

_SPEC = field.Path("spec")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_POLICY_TYPES = ("Ingress", "Egress")

Spec = Mapping[str, Any]


def validate_network_policy(policy: Object) -> list[field.Error]:
    found = meta.validate_object_meta(policy, namespaced=True, name_rule=names.is_dns1123_subdomain)
    return found + _network_policy_spec(policy["spec"])


def validate_network_policy_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + _network_policy_spec(updated["spec"])


def _network_policy_spec(spec: Spec) -> list[field.Error]:
    found = meta.validate_label_selector(spec.get("podSelector"), _SPEC.child("podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            path = _SPEC.child(direction).index(index)
            for i, port in enumerate(rule.get("ports") or ()):
                found += _port(port, path.child("ports").index(i))
            for i, peer in enumerate(rule.get(peers) or ()):
                found += _peer(peer, path.child(peers).index(i))
    return found + _policy_types(spec.get("policyTypes") or [], _SPEC.child("policyTypes"))


def _policy_types(types: Sequence[str], path: field.Path) -> list[field.Error]:
    if len(types) > len(_POLICY_TYPES):
        return [field.invalid(path, types, "may not specify more than two policyTypes")]
    found = []
    for index, name in enumerate(types):
        found += checks.one_of(name, path.index(index), _POLICY_TYPES)
    return found


def _port(port: Spec, path: field.Path) -> list[field.Error]:
    found = []
    protocol = port.get("protocol")
    if protocol is not None:
        found += checks.one_of(protocol, path.child("protocol"), _PROTOCOLS)
    number, end = port.get("port"), port.get("endPort")
    where = path.child("endPort")
    if number is None:
        if end is not None:
            detail = "may not be specified when `port` is not specified"
            found.append(field.invalid(where, end, detail))
        return found
    if isinstance(number, str):
        if end is not None:
            detail = "may not be specified when `port` is non-numeric"
            found.append(field.invalid(where, end, detail))
        return found + checks.follows(names.is_valid_port_name, number, path.child("port"))
    found += checks.all_invalid(path.child("port"), number, names.is_valid_port_num(number))
    if end is not None:
        if end < number:
            # The value shown is the port's, upstream too.
            detail = "must be greater than or equal to `port`"
            found.append(field.invalid(where, number, detail))
        found += checks.all_invalid(where, end, names.is_valid_port_num(end))
    return found


def _peer(peer: Spec, path: field.Path) -> list[field.Error]:
    found = []
    given = 0
    for key in ("podSelector", "namespaceSelector"):
        if key in peer:
            given += 1
            found += meta.validate_label_selector(peer[key], path.child(key))
    block = peer.get("ipBlock")
    if block is not None:
        found += _ip_block(block, path.child("ipBlock"))
        if given:
            detail = "may not specify both ipBlock and another peer"
            found.append(field.forbidden(path, detail))
    elif not given:
        found.append(field.required(path, "must specify a peer"))
    return found


def _ip_block(block: Spec, path: field.Path) -> list[field.Error]:
    cidr = block.get("cidr", "")
    where = path.child("cidr")
    if not cidr:
        return [field.required(where)]
    found = checks.follows(names.is_valid_cidr_for_legacy_field, cidr, where)
    network = _network(cidr)
    if network is None:
        return found
    for index, excepted in enumerate(block.get("except") or ()):
        where = path.child("except").index(index)
        found += checks.follows(names.is_valid_cidr_for_legacy_field, excepted, where)
        inner = _network(excepted)
        if inner is not None and not _is_inside(inner, network):
            detail = "must be a strict subset of `cidr`"
            found.append(field.invalid(where, excepted, detail))
    return found


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(cidr: str) -> _Network | None:
    # A bare address is a network to the standard library, and none to upstream.
    if "/" not in cidr:
        return None
    try:
        return ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return None


def _is_inside(inner: _Network, outer: _Network) -> bool:
    if inner.version != outer.version or inner.prefixlen <= outer.prefixlen:
        return False
    return inner.network_address in outer


def validate_ip_address(address: Object) -> list[field.Error]:
    found = meta.validate_object_meta(address, namespaced=False, name_rule=names.is_valid_ip)
    path = _SPEC.child("parentRef")
    parent = (address.get("spec") or {}).get("parentRef")
    if parent is None:
        return [*found, field.required(path)]
    group = parent.get("group", "")
    # The core group, whose name is empty, owns most addresses.
    if group:
        found += checks.dns1123_subdomain(group, path.child("group"))
    for key in ("resource", "name"):
        value = parent.get(key, "")
        if not value:
            found.append(field.required(path.child(key)))
        else:
            found += checks.follows(names.is_path_segment_name, value, path.child(key))
    namespace = parent.get("namespace", "")
    if namespace:
        found += checks.follows(names.is_path_segment_name, namespace, path.child("namespace"))
    return found


def validate_ip_address_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    parents = [(obj.get("spec") or {}).get("parentRef") for obj in (updated, existing)]
    return found + checks.immutable(parents[0], parents[1], _SPEC.child("parentRef"))


def validate_service_cidr(service_cidr: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        service_cidr, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    return found + _service_cidr_ranges((service_cidr.get("spec") or {}).get("cidrs") or [])


def _service_cidr_ranges(cidrs: Sequence[str]) -> list[field.Error]:
    path = _SPEC.child("cidrs")
    if not cidrs:
        return [field.required(path, "at least one CIDR required")]
    shown = {"CIDRs": cidrs}
    if len(cidrs) > 2:
        return [field.invalid(path, shown, "may only hold up to 2 values")]
    if len(cidrs) == 2 and not (all(map(_network, cidrs)) and netaddr.is_dual_stack(cidrs)):
        detail = (
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and "
            "2001:db8::/64"
        )
        return [field.invalid(path, shown, detail)]
    found = []
    for index, cidr in enumerate(cidrs):
        found += checks.follows(names.is_valid_cidr, cidr, path.index(index))
    return found


def validate_service_cidr_update(updated: Object, existing: Object) -> list[field.Error]:
    """The ranges stay; only a second one may come, of the other family."""
    found = meta.validate_object_meta_update(updated, existing)
    path = _SPEC.child("cidrs")
    new, old = ((obj.get("spec") or {}).get("cidrs") or [] for obj in (updated, existing))
    grows = (len(old), len(new)) == (1, 2)
    if len(new) != len(old) and not grows:
        return found + checks.immutable(new, old, path)
    for index, cidr in enumerate(old):
        found += checks.immutable(new[index], cidr, path.index(index))
    return found + (_service_cidr_ranges(new) if grows else [])

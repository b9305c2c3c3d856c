# SPDX-License-Identifier: Apache-2.0
"""Rules of Services.

Addresses and node ports are given out by allocators between preparation and validation; what
stands here looks at what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import services
from pyk8s.apis.validation import checks, meta, netaddr
from pyk8s.apis.validation.containers import PROTOCOLS

Spec = Mapping[str, Any]
Ports = Sequence[Mapping[str, Any]]

_AFFINITIES = frozenset({"ClientIP", "None"})
_TYPES = frozenset({"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"})
_TRAFFIC_POLICIES = frozenset({"Cluster", "Local"})
_DISTRIBUTIONS = frozenset({"PreferClose", "PreferSameZone", "PreferSameNode"})
_FAMILIES = frozenset({"IPv4", "IPv6"})
_FAMILY_POLICIES = frozenset({"SingleStack", "PreferDualStack", "RequireDualStack"})
_AFFINITY_SECONDS_MAX = 86400
_TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
_TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"
_CHANGED = "may not change once set"
_SPEC = field.Path("spec")
_METADATA = field.Path("metadata")


def validate_service(service: Object, existing: Object | None = None) -> list[field.Error]:
    """A Service; `existing` is the stored one on update, whose addresses may keep old forms."""
    spec = service["spec"]
    old = existing["spec"] if existing else {}
    errors = meta.validate_object_meta(
        service,
        namespaced=True,
        name_rule=names.is_dns1123_label,
    )
    annotations = service["metadata"].get("annotations", {})
    mode, hints = annotations.get(_TOPOLOGY_MODE), annotations.get(_TOPOLOGY_HINTS)
    if mode is not None and hints is not None and mode != hints:
        detail = f"must match annotations[{_TOPOLOGY_HINTS}] when both are specified"
        at = _METADATA.child("annotations").key(_TOPOLOGY_MODE)
        errors.append(field.invalid(at, mode, detail))
    ports = spec.get("ports", ())
    kind = spec.get("type")
    if not ports and not services.is_headless(spec) and kind != services.EXTERNAL_NAME:
        errors.append(field.required(_SPEC.child("ports")))
    errors += _validate_for_type(spec)
    errors += _validate_ports(ports)
    if "selector" in spec:
        errors += meta.validate_labels(spec["selector"], _SPEC.child("selector"))
    errors += _validate_affinity(spec)
    errors += validate_cluster_ips(spec, old)
    for index, address in enumerate(spec.get("externalIPs", ())):
        at = _SPEC.child("externalIPs").index(index)
        faults = netaddr.ip(address, at, old.get("externalIPs", ()))
        errors += faults or netaddr.non_special_ip(address, at)
    errors += checks.required_one_of(kind, _SPEC.child("type"), _TYPES)
    errors += _validate_distinct_ports(spec, ports)
    return errors + _validate_traffic(spec, old, annotations)


def _validate_for_type(spec: Spec) -> list[field.Error]:
    kind = spec.get("type")
    errors: list[field.Error] = []
    if kind in (services.LOAD_BALANCER, services.NODE_PORT) and services.is_headless(spec):
        detail = f"may not be set to 'None' for {kind} services"
        errors.append(field.invalid(_SPEC.child("clusterIPs").index(0), services.NONE, detail))
    if kind != services.EXTERNAL_NAME:
        return errors
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name):
            detail = "may not be set for ExternalName services"
            errors.append(field.forbidden(_SPEC.child(name), detail))
    name = spec.get("externalName", "").removesuffix(".")
    return errors + checks.required_name(
        names.is_dns1123_subdomain, name, _SPEC.child("externalName")
    )


def _validate_ports(ports: Ports) -> list[field.Error]:
    errors: list[field.Error] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = _SPEC.child("ports").index(index)
        name = port.get("name")
        if name:
            errors += checks.dns1123_label(name, at.child("name"))
            if name in seen:
                errors.append(field.duplicate(at.child("name"), name))
            seen.add(name)
        elif len(ports) > 1:
            errors.append(field.required(at.child("name")))
        errors += netaddr.port_number(port.get("port", 0), at.child("port"))
        errors += checks.required_one_of(port.get("protocol"), at.child("protocol"), PROTOCOLS)
        target = port.get("targetPort", 0)
        errors += netaddr.port_number_or_name(target, at.child("targetPort"))
        if "appProtocol" in port:
            errors += checks.qualified_name(port["appProtocol"], at.child("appProtocol"))
    return errors


def _validate_affinity(spec: Spec) -> list[field.Error]:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    errors = checks.required_one_of(affinity, _SPEC.child("sessionAffinity"), _AFFINITIES)
    at = _SPEC.child("sessionAffinityConfig")
    if affinity == "None" and config is not None:
        detail = "must not be set when session affinity is None"
        errors.append(field.forbidden(at, detail))
    if affinity != "ClientIP":
        return errors
    client = (config or {}).get("clientIP")
    seconds = (client or {}).get("timeoutSeconds")
    detail = "when session affinity type is ClientIP"
    if config is None:
        errors.append(field.required(at, detail))
    elif client is None:
        errors.append(field.required(at.child("clientIP"), detail))
    elif seconds is None:
        errors.append(field.required(at.child("clientIP", "timeoutSeconds"), detail))
    elif not 0 < seconds <= _AFFINITY_SECONDS_MAX:
        detail = f"must be greater than 0 and less than {_AFFINITY_SECONDS_MAX}"
        errors.append(field.invalid(at.child("clientIP", "timeoutSeconds"), seconds, detail))
    return errors


def validate_cluster_ips(spec: Spec, existing: Spec) -> list[field.Error]:
    """clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy, alone and together. An allocator
    asks this before it gives anything out."""
    if spec.get("type") == services.EXTERNAL_NAME:
        return []
    errors = _validate_first_cluster_ip(spec) + _validate_families(spec)
    addresses = spec.get("clusterIPs", ())
    at = _SPEC.child("clusterIPs")
    faults: list[field.Error] = []
    for index, address in enumerate(addresses):
        if index == 0 and address == services.NONE:
            if len(addresses) > 1:
                detail = "'None' must be the first and only value"
                faults.append(field.invalid(at, addresses, detail))
            continue
        faults += netaddr.ip(address, at.index(index), existing.get("clusterIPs", ()))
    errors += faults
    if len(addresses) > 2:
        errors.append(field.invalid(at, addresses, "may only hold up to 2 values"))
    if faults:
        return errors
    if len(addresses) > 1 and not netaddr.is_dual_stack(addresses):
        detail = "may specify no more than one IP for each IP family"
        errors.append(field.invalid(at, addresses, detail))
    if services.is_headless(spec):
        return errors
    families = spec.get("ipFamilies", ())
    for index, (address, family) in enumerate(zip(addresses, families, strict=False)):
        if (family == "IPv6") != (":" in address) and family in _FAMILIES:
            detail = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            errors.append(field.invalid(at.index(index), address, detail))
    return errors


def _validate_first_cluster_ip(spec: Spec) -> list[field.Error]:
    single, addresses = spec.get("clusterIP"), spec.get("clusterIPs", ())
    at = _SPEC.child("clusterIPs")
    if not single:
        if not addresses:
            return []
        detail = "must be empty when `clusterIP` is not specified"
        return [field.invalid(at, addresses, detail)]
    if not addresses:
        return [field.required(at)]
    if addresses[0] != single:
        return [field.invalid(at, addresses, "first value must match `clusterIP`")]
    return []


def _validate_families(spec: Spec) -> list[field.Error]:
    errors: list[field.Error] = []
    families = spec.get("ipFamilies", ())
    for index, family in enumerate(families):
        at = _SPEC.child("ipFamilies").index(index)
        if family not in _FAMILIES:
            errors.append(field.not_supported(at, family, _FAMILIES))
        if family in families[:index]:
            errors.append(field.duplicate(at, family))
    policy = spec.get("ipFamilyPolicy")
    return errors + checks.optional_one_of(policy, _SPEC.child("ipFamilyPolicy"), _FAMILY_POLICIES)


def _validate_distinct_ports(spec: Spec, ports: Ports) -> list[field.Error]:
    errors: list[field.Error] = []
    path = _SPEC.child("ports")
    if spec.get("type") == services.CLUSTER_IP:
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                detail = "may not be used when `type` is 'ClusterIP'"
                errors.append(field.forbidden(path.index(index).child("nodePort"), detail))
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol", ""), port.get("nodePort", 0))
        if key[1] and key in node_ports:
            errors.append(field.duplicate(path.index(index).child("nodePort"), key[1]))
        node_ports.add(key)
    own: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol", ""), port.get("port", 0))
        if key in own:
            shown = {"protocol": key[0], "port": key[1]}
            errors.append(field.duplicate(path.index(index), shown))
        own.add(key)
    return errors


def _validate_traffic(spec: Spec, old: Spec, annotations: Mapping[str, str]) -> list[field.Error]:
    errors = _validate_source_ranges(spec, old, annotations)
    balances = spec.get("type") == services.LOAD_BALANCER
    allocate = "allocateLoadBalancerNodePorts"
    if allocate in spec and not balances:
        errors.append(field.forbidden(_SPEC.child(allocate), _ONLY_LOAD_BALANCER))
    if balances and allocate not in spec:
        errors.append(field.required(field.Path(allocate)))
    errors += _validate_class(spec)
    errors += _validate_external_policy(spec)
    internal, at = spec.get("internalTrafficPolicy"), _SPEC.child("internalTrafficPolicy")
    if internal is None and services.needs_cluster_ip(spec):
        errors.append(field.required(at))
    errors += checks.optional_one_of(internal, at, _TRAFFIC_POLICIES)
    return errors + checks.optional_one_of(
        spec.get("trafficDistribution"), _SPEC.child("trafficDistribution"), _DISTRIBUTIONS
    )


def _validate_source_ranges(
    spec: Spec, old: Spec, annotations: Mapping[str, str]
) -> list[field.Error]:
    ranges = spec.get("loadBalancerSourceRanges", ())
    balances = spec.get("type") == services.LOAD_BALANCER
    errors: list[field.Error] = []
    if ranges:
        at = _SPEC.child("LoadBalancerSourceRanges")
        if not balances:
            errors.append(field.forbidden(at, _ONLY_LOAD_BALANCER))
        stored = [value.strip() for value in old.get("loadBalancerSourceRanges", ())]
        for index, value in enumerate(ranges):
            errors += netaddr.cidr(value.strip(), at.index(index), stored)
    elif _SOURCE_RANGES in annotations:
        at = _METADATA.child("annotations").key(_SOURCE_RANGES)
        if not balances:
            errors.append(field.forbidden(at, _ONLY_LOAD_BALANCER))
        text = annotations[_SOURCE_RANGES].strip()
        for value in text.split(",") if text else ():
            errors += netaddr.cidr(value.strip(), at)
    return errors


def _validate_class(spec: Spec) -> list[field.Error]:
    name = spec.get("loadBalancerClass")
    if name is None:
        return []
    at = _SPEC.child("loadBalancerClass")
    if spec.get("type") != services.LOAD_BALANCER:
        return [field.forbidden(at, _ONLY_LOAD_BALANCER)]
    return checks.qualified_name(name, at)


def _validate_external_policy(spec: Spec) -> list[field.Error]:
    policy, at = spec.get("externalTrafficPolicy"), _SPEC.child("externalTrafficPolicy")
    errors: list[field.Error] = []
    if services.is_externally_accessible(spec):
        errors += checks.required_one_of(policy, at, _TRAFFIC_POLICIES)
    elif policy:
        detail = "may only be set for externally-accessible services"
        errors.append(field.invalid(at, policy, detail))
    port, at = spec.get("healthCheckNodePort", 0), _SPEC.child("healthCheckNodePort")
    if not services.needs_health_check(spec):
        if port:
            detail = (
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is "
                "'Local'"
            )
            errors.append(field.invalid(at, port, detail))
    elif not port:
        errors.append(field.required(at))
    else:
        errors += netaddr.port_number(port, at)
    return errors


def validate_service_update(updated: Object, existing: Object) -> list[field.Error]:
    """Addresses and families stay once given, except to and from ExternalName."""
    new, old = updated["spec"], existing["spec"]
    errors = meta.validate_object_meta_update(updated, existing)
    if services.EXTERNAL_NAME not in (new.get("type"), old.get("type")):
        was, becomes = services.is_headless(old), services.is_headless(new)
        if not (was and becomes):
            errors += _validate_kept_addresses(new, old)
        if not was and not becomes:
            errors += _validate_kept_families(new, old)
    both_balance = new.get("type") == old.get("type") == services.LOAD_BALANCER
    if both_balance and new.get("loadBalancerClass") != old.get("loadBalancerClass"):
        at = _SPEC.child("loadBalancerClass")
        errors.append(field.invalid(at, new.get("loadBalancerClass"), _CHANGED))
    both_checked = services.needs_health_check(new) and services.needs_health_check(old)
    if both_checked and new.get("healthCheckNodePort") != old.get("healthCheckNodePort"):
        at = _SPEC.child("healthCheckNodePort")
        errors.append(field.forbidden(at, "field is immutable"))
    return errors + validate_service(updated, existing)


def _validate_kept_addresses(new: Spec, old: Spec) -> list[field.Error]:
    after, before = new.get("clusterIPs", ()), old.get("clusterIPs", ())
    at = _SPEC.child("clusterIPs")
    if len(after) == len(before):
        return [
            field.invalid(at.index(index), after, _CHANGED)
            for index, address in enumerate(before)
            if address != after[index]
        ]
    errors = []
    if before and not after:
        errors.append(field.invalid(at.index(0), after, "primary clusterIP can not be unset"))
    if before and after and before[0] != after[0]:
        errors.append(field.invalid(at.index(0), after, _CHANGED))
    if len(before) > len(after) == 1:
        errors += _validate_released(new, "clusterIP")
    return errors


def _validate_kept_families(new: Spec, old: Spec) -> list[field.Error]:
    after, before = new.get("ipFamilies", ()), old.get("ipFamilies", ())
    at = _SPEC.child("ipFamilies").index(0)
    if len(after) == len(before):
        return [
            field.invalid(at, after, _CHANGED)
            for index, family in enumerate(before)
            if family != after[index]
        ]
    errors = []
    shrinks = len(before) > len(after)
    if shrinks and not new.get("clusterIPs"):
        errors.append(field.invalid(at, after, "primary ipFamily can not be unset"))
    if before and after and before[0] != after[0]:
        errors.append(field.invalid(at, new.get("clusterIPs", ()), _CHANGED))
    if shrinks and len(after) == 1:
        errors += _validate_released(new, "ipFamily")
    return errors


def _validate_released(new: Spec, what: str) -> list[field.Error]:
    policy = new.get("ipFamilyPolicy")
    if policy == "SingleStack":
        return []
    detail = f"must be set to 'SingleStack' when releasing the secondary {what}"
    return [field.invalid(_SPEC.child("ipFamilyPolicy"), policy, detail)]


def validate_service_status_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    balancer = (updated.get("status") or {}).get("loadBalancer") or {}
    at = field.Path("status", "loadBalancer", "ingress")
    ingresses = balancer.get("ingress", ())
    if ingresses and updated["spec"].get("type") != services.LOAD_BALANCER:
        detail = "may only be used when `spec.type` is 'LoadBalancer'"
        return [*errors, field.forbidden(at, detail)]
    for index, ingress in enumerate(ingresses):
        errors += _validate_ingress(ingress, at.index(index))
    return errors


def _validate_ingress(ingress: Mapping[str, Any], path: field.Path) -> list[field.Error]:
    address, mode = ingress.get("ip", ""), ingress.get("ipMode")
    errors = netaddr.ip(address, path.child("ip")) if address else []
    at = path.child("ipMode")
    if mode is None:
        if address:
            errors.append(field.required(at, "must be specified when `ip` is set"))
    elif not address:
        errors.append(field.forbidden(at, "may not be specified when `ip` is not set"))
    else:
        errors += checks.optional_one_of(mode, at, {"VIP", "Proxy"})
    host = ingress.get("hostname")
    if host:
        errors += checks.dns1123_subdomain(host, path.child("hostname"))
        if netaddr.parse_ip(host) is not None:
            detail = "must be a DNS name, not an IP address"
            errors.append(field.invalid(path.child("hostname"), host, detail))
    return errors

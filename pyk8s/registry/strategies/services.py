# SPDX-License-Identifier: Apache-2.0
"""The Strategy of Services.

    default -> prepare -> [registry.services] -> validate

Preparation brings clusterIP and clusterIPs together, keeps what an update left out, and drops
what the new type has no use for. It gives nothing out: the pools of cluster IPs and node ports
are stateful, so they stand in `registry.services`, between preparation and validation. A Service
that no pool has seen has no cluster IP and no node port.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import core_warnings, services
from pyk8s.apis.defaults import core as defaults
from pyk8s.apis.validation import services as validation
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategy import Strategy

Spec = dict[str, Any]


class ServiceStrategy(Strategy):
    """Mirrors `pkg/registry/core/service/strategy.go` and the parts of its storage that need no
    allocator."""

    allow_create_on_update = True

    def default(self, obj: Object) -> None:
        defaults.default_service(obj)

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_for_create(context, obj)
        obj["status"] = {"loadBalancer": {}}
        spec = obj["spec"]
        if spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]

    def validate(self, context: RequestContext, obj: Object) -> list[field.Error]:
        return validation.validate_service(obj)

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        return core_warnings.warnings_for_service(obj)

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        super().prepare_for_update(context, updated, existing)
        new, old = updated["spec"], existing["spec"]
        _keep_allocated(new, old)
        _normalize_cluster_ips(new, old)
        _drop_unused(new, old)

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return validation.validate_service_update(updated, existing)

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        return core_warnings.warnings_for_service(updated)

    def prepare_for_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        updated["spec"] = existing["spec"]

    def validate_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return validation.validate_service_status_update(updated, existing)


def _keep_allocated(new: Spec, old: Spec) -> None:
    """A client that writes a Service anew without what it was given keeps it."""
    if services.needs_cluster_ip(old) and services.needs_cluster_ip(new):
        if not new.get("clusterIP") and old.get("clusterIP"):
            new["clusterIP"] = old["clusterIP"]
        same = new.get("clusterIP") == old.get("clusterIP")
        if not new.get("clusterIPs") and same and old.get("clusterIPs"):
            new["clusterIPs"] = list(old["clusterIPs"])
    if _may_have_node_ports(old) and _may_have_node_ports(new):
        _keep_node_ports(new, old)
    checked = services.needs_health_check(old) and services.needs_health_check(new)
    if checked and not new.get("healthCheckNodePort") and old.get("healthCheckNodePort"):
        new["healthCheckNodePort"] = old["healthCheckNodePort"]


def _may_have_node_ports(spec: Spec) -> bool:
    """A load balancer that is given none keeps those it names."""
    return spec.get("type") in (services.NODE_PORT, services.LOAD_BALANCER)


def _keep_node_ports(new: Spec, old: Spec) -> None:
    taken = _node_ports(old) & _node_ports(new)
    by_name = {port.get("name", ""): port.get("nodePort", 0) for port in old.get("ports", ())}
    for port in new.get("ports", ()):
        stored = by_name.get(port.get("name", ""), 0)
        if not port.get("nodePort") and stored and stored not in taken:
            port["nodePort"] = stored


def _node_ports(spec: Spec) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}


def _normalize_cluster_ips(new: Spec, old: Spec) -> None:
    """Guess what a client meant that knows only one of clusterIP and clusterIPs."""
    single, before = new.get("clusterIP", ""), old.get("clusterIP", "")
    if old.get("clusterIPs") and not new.get("clusterIPs") and single == before:
        new["clusterIPs"] = list(old["clusterIPs"])
    if single == before or new.get("clusterIPs", []) != old.get("clusterIPs", []):
        return
    if single:
        new["clusterIPs"] = [single]
    else:
        new.pop("clusterIPs", None)


def _drop_unused(new: Spec, old: Spec) -> None:
    """What an update leaves as it was though its new type has no use for it goes; what it
    changed stays, for validation to refuse."""
    if services.needs_cluster_ip(old) and not services.needs_cluster_ip(new):
        if _same(new, old, "clusterIP") and _same(new, old, "clusterIPs"):
            new.pop("clusterIP", None)
            new.pop("clusterIPs", None)
        _drop_if_same(new, old, "ipFamilies", "ipFamilyPolicy")
    if services.needs_node_port(old) and not services.needs_node_port(new):
        ports = [port.get("nodePort", 0) for port in new.get("ports", ())]
        if ports == [port.get("nodePort", 0) for port in old.get("ports", ())]:
            for port in new.get("ports", ()):
                port.pop("nodePort", None)
    if services.needs_health_check(old) and not services.needs_health_check(new):
        _drop_if_same(new, old, "healthCheckNodePort")
    balanced = old.get("type") == services.LOAD_BALANCER
    if balanced and new.get("type") != services.LOAD_BALANCER:
        _drop_if_same(new, old, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    accessible = services.is_externally_accessible(old)
    if accessible and not services.is_externally_accessible(new):
        _drop_if_same(new, old, "externalTrafficPolicy")


def _same(new: Spec, old: Spec, name: str) -> bool:
    return (new.get(name) or None) == (old.get(name) or None)


def _drop_if_same(new: Spec, old: Spec, *fields: str) -> None:
    for name in fields:
        if _same(new, old, name):
            new.pop(name, None)

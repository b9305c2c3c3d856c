# SPDX-License-Identifier: Apache-2.0
"""Defaults of NetworkPolicies, IngressClasses and EndpointSlices.

Mirrors upstream's `pkg/apis/{networking,discovery}/v1/defaults.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyk8s.apimachinery.gvk import GroupVersionKind, Object


def default_network_policy(policy: Object) -> None:
    spec = policy.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    for rules in (spec.get("ingress") or (), spec.get("egress") or ()):
        for rule in rules:
            for port in rule.get("ports") or ():
                port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        egress = ["Egress"] if spec.get("egress") else []
        spec["policyTypes"] = ["Ingress", *egress]


def default_ingress_class(ingress_class: Object) -> None:
    parameters = (ingress_class.get("spec") or {}).get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


def default_endpoint_slice(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind("networking.k8s.io", "v1", "NetworkPolicy"): default_network_policy,
    GroupVersionKind("networking.k8s.io", "v1", "IngressClass"): default_ingress_class,
    GroupVersionKind("discovery.k8s.io", "v1", "EndpointSlice"): default_endpoint_slice,
}

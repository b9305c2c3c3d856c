# SPDX-License-Identifier: Apache-2.0
"""The Strategies of networking.k8s.io and discovery.k8s.io.

Switches and preparation are those of `pkg/registry/{networking,discovery}/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.defaults import networking as defaults
from pyk8s.apis.validation import endpointslices, ingresses, networking
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.resetting import ResettingStrategy
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


def warnings_for_ingress(ingress: Object) -> list[str]:
    if _CLASS_ANNOTATION not in (ingress["metadata"].get("annotations") or {}):
        return []
    return [
        f"annotation \"{_CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' "
        "instead"
    ]


class IngressStrategy(RuledStrategy):
    tracks_generation = True
    rules = Rules(
        validate=ingresses.validate_ingress,
        validate_update=ingresses.validate_ingress_update,
        validate_status_update=ingresses.validate_ingress_status_update,
        warn=warnings_for_ingress,
    )

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        return []


class IngressClassStrategy(RuledStrategy):
    tracks_generation = True
    rules = Rules(
        default=defaults.default_ingress_class,
        validate=ingresses.validate_ingress_class,
        validate_update=ingresses.validate_ingress_class_update,
    )


class NetworkPolicyStrategy(RuledStrategy):
    tracks_generation = True
    rules = Rules(
        default=defaults.default_network_policy,
        validate=networking.validate_network_policy,
        validate_update=networking.validate_network_policy_update,
    )


class IPAddressStrategy(RuledStrategy):
    rules = Rules(
        validate=networking.validate_ip_address,
        validate_update=networking.validate_ip_address_update,
    )


class ServiceCIDRStrategy(ResettingStrategy):
    """Its status comes and goes with any write: the controller sets it right again."""

    rules = Rules(
        validate=networking.validate_service_cidr,
        validate_update=networking.validate_service_cidr_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        pass

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        pass


class EndpointSliceStrategy(RuledStrategy):
    tracks_generation = True
    rules = Rules(
        default=defaults.default_endpoint_slice,
        validate=endpointslices.validate_endpoint_slice,
        validate_update=endpointslices.validate_endpoint_slice_update,
    )

    def spec_changed(self, updated: Object, existing: Object) -> bool:
        # All of it but the metadata is what a spec would be.
        bodies = [{k: v for k, v in o.items() if k != "metadata"} for o in (updated, existing)]
        return bodies[0] != bodies[1]


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource("networking.k8s.io", "ingresses"): IngressStrategy,
    GroupResource("networking.k8s.io", "ingressclasses"): IngressClassStrategy,
    GroupResource("networking.k8s.io", "networkpolicies"): NetworkPolicyStrategy,
    GroupResource("networking.k8s.io", "ipaddresses"): IPAddressStrategy,
    GroupResource("networking.k8s.io", "servicecidrs"): ServiceCIDRStrategy,
    GroupResource("discovery.k8s.io", "endpointslices"): EndpointSliceStrategy,
}

# SPDX-License-Identifier: Apache-2.0
"""All Stores of the built-in resources: one per place in storage, whatever versions serve it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyk8s.admission import interface as admission
from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis import scheme, selectable
from pyk8s.registry import strategies
from pyk8s.registry.namespaces import NamespaceStore
from pyk8s.registry.services import ports
from pyk8s.registry.services.addresses import AddressPool
from pyk8s.registry.services.allocation import Pools
from pyk8s.registry.services.ranges import ServiceRanges
from pyk8s.registry.services.store import ServiceStore
from pyk8s.registry.store import Store
from pyk8s.storage import interface as storage

_EVENTS = GroupResource("", "events")
_NAMESPACES = GroupResource("", "namespaces")
_SERVICES = GroupResource("", "services")

Stores = dict[str, Store]


class EventStore(Store):
    """Events expire; the garbage collector does not look at them."""

    collected = False


_STORES: dict[GroupResource, type[Store]] = {
    _EVENTS: EventStore,
    _NAMESPACES: NamespaceStore,
    _SERVICES: ServiceStore,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`key_prefix` is etcd's --etcd-prefix, without a final slash."""

    key_prefix: str
    event_ttl_seconds: int
    service_ranges: ServiceRanges


def build(
    resources: Iterable[scheme.Resource],
    backend: storage.Backend,
    chain: admission.Chain,
    options: Options,
) -> Stores:
    """Stores by storage prefix."""
    stores: Stores = {}
    for resource in resources:
        if not resource.stored or resource.gvk != resource.storage_version:
            continue
        fields = selectable.of(resource.group_resource)
        config = storage.ResourceConfig(
            group_resource=resource.group_resource,
            key_prefix=f"{options.key_prefix}/{resource.storage_prefix}/",
            namespaced=resource.namespaced,
            fields_of=fields.fields_of,
            indexes=fields.indexed,
            ttl_seconds=options.event_ttl_seconds if resource.group_resource == _EVENTS else None,
        )
        store_type = _STORES.get(resource.group_resource, Store)
        stores[resource.storage_prefix] = store_type(
            resource, strategies.strategy_for(resource), backend.storage_for(config), chain
        )
    services = stores.get("services/specs")
    if isinstance(services, ServiceStore):
        services.endpoints = stores["services/endpoints"]
        services.pools = _pools(stores, backend, options)
    return stores


def _pools(stores: Stores, backend: storage.Backend, options: Options) -> Pools:
    node_ports = backend.storage_for(ports.config(options.key_prefix))
    return Pools(
        families=options.service_ranges.families,
        addresses=AddressPool(stores["ipaddresses"], stores["servicecidrs"]),
        ports=ports.PortPool(node_ports, options.service_ranges.node_ports),
    )

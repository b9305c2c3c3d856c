# SPDX-License-Identifier: Apache-2.0
"""All Stores of the built-in resources: one per place in storage, whatever versions serve it."""

from __future__ import annotations

from collections.abc import Iterable

from pyk8s.admission import interface as admission
from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis import scheme, selectable
from pyk8s.registry import strategies
from pyk8s.registry.store import NamespaceStore, Store
from pyk8s.storage import interface as storage

_EVENTS = GroupResource("", "events")
_NAMESPACES = GroupResource("", "namespaces")

Stores = dict[str, Store]


class EventStore(Store):
    """Events expire; the garbage collector does not look at them."""

    collected = False


_STORES: dict[GroupResource, type[Store]] = {_EVENTS: EventStore, _NAMESPACES: NamespaceStore}


def build(
    resources: Iterable[scheme.Resource],
    backend: storage.Backend,
    chain: admission.Chain,
    *,
    key_prefix: str,
    event_ttl_seconds: int,
) -> Stores:
    """Stores by storage prefix. `key_prefix` is etcd's --etcd-prefix, without a final slash."""
    stores: Stores = {}
    for resource in resources:
        if not resource.stored or resource.gvk != resource.storage_version:
            continue
        fields = selectable.of(resource.group_resource)
        config = storage.ResourceConfig(
            group_resource=resource.group_resource,
            key_prefix=f"{key_prefix}/{resource.storage_prefix}/",
            namespaced=resource.namespaced,
            fields_of=fields.fields_of,
            indexes=fields.indexed,
            ttl_seconds=event_ttl_seconds if resource.group_resource == _EVENTS else None,
        )
        store_type = _STORES.get(resource.group_resource, Store)
        stores[resource.storage_prefix] = store_type(
            resource, strategies.strategy_for(resource), backend.storage_for(config), chain
        )
    return stores

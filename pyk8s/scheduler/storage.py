# SPDX-License-Identifier: Apache-2.0
"""Claims, volumes, classes and what CSI drivers say, as plugins of volumes see them.

Claims and volumes may be assumed to be what a pod that is being bound makes of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import informer, reflector, resources
from pyk8s.client.assumecache import AssumeCache
from pyk8s.client.client import Client
from pyk8s.client.store import Indexer
from pyk8s.scheduler.framework import clusterevents as ce
from pyk8s.scheduler.framework.clusterevents import ActionType, ClusterEvent

# By the names that plugins register for.
_FOLLOWED: Mapping[GroupVersionResource, str] = {
    resources.PERSISTENT_VOLUME_CLAIMS: ce.PERSISTENT_VOLUME_CLAIM,
    resources.PERSISTENT_VOLUMES: ce.PERSISTENT_VOLUME,
    resources.STORAGE_CLASSES: ce.STORAGE_CLASS,
    resources.CSI_NODES: ce.CSI_NODE,
    resources.CSI_DRIVERS: ce.CSI_DRIVER,
    resources.CSI_STORAGE_CAPACITIES: ce.CSI_STORAGE_CAPACITY,
}
OnChange = Callable[[ClusterEvent, Object | None, Object | None], None]


class Storage:
    """What there is. `client` writes what a pod's volumes need; without one nothing is written,
    and no pod may be bound."""

    def __init__(
        self,
        client: Client | None = None,
        indexers: Mapping[GroupVersionResource, Indexer] | None = None,
    ) -> None:
        self.client = client
        self.indexers = indexers or {resource: Indexer() for resource in _FOLLOWED}
        self.claims = AssumeCache(self.indexers[resources.PERSISTENT_VOLUME_CLAIMS])
        self.volumes = AssumeCache(self.indexers[resources.PERSISTENT_VOLUMES])
        self._changed = asyncio.Event()

    def storage_class(self, name: str) -> Object | None:
        return self._get(resources.STORAGE_CLASSES, name)

    def csi_node(self, name: str) -> Object | None:
        return self._get(resources.CSI_NODES, name)

    def csi_driver(self, name: str) -> Object | None:
        return self._get(resources.CSI_DRIVERS, name)

    def capacities(self) -> Sequence[Object]:
        return self.indexers[resources.CSI_STORAGE_CAPACITIES].list()

    def _get(self, resource: GroupVersionResource, name: str) -> Object | None:
        return self.indexers[resource].get(("", name))

    async def changed(self) -> None:
        """Returns at the next change."""
        await self._changed.wait()

    def wake(self) -> None:
        """Let who waits for a change look again."""
        self._changed.set()
        self._changed = asyncio.Event()


class StorageInformers:
    """Follows all of it. `on_change(event, old, new)` is called for every change."""

    def __init__(self, client: Client, on_change: OnChange) -> None:
        self._on_change = on_change
        self.informers = [self._follow(client, *followed) for followed in _FOLLOWED.items()]
        pairs = zip(_FOLLOWED, self.informers, strict=True)
        self.storage = Storage(client, {resource: each.indexer for resource, each in pairs})

    def _follow(
        self, client: Client, resource: GroupVersionResource, name: str
    ) -> informer.SharedInformer:
        def tell(action: ActionType, old: Object | None, new: Object | None) -> None:
            self.storage.wake()
            self._on_change(ClusterEvent(name, action), old, new)

        source = reflector.ResourceListWatcher(client=client, resource=resource)
        found = informer.SharedInformer(source, transform=informer.without_managed_fields)
        found.add_event_handler(
            informer.Handler(
                on_add=lambda obj, _: tell(ce.ADD, None, obj),
                on_update=lambda old, new: tell(ce.UPDATE, old, new),
                on_delete=lambda deleted: tell(ce.DELETE, informer.last_known(deleted), None),
            )
        )
        return found

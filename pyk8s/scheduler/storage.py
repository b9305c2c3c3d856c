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

_FOLLOWED = (
    resources.PERSISTENT_VOLUME_CLAIMS,
    resources.PERSISTENT_VOLUMES,
    resources.STORAGE_CLASSES,
    resources.CSI_NODES,
    resources.CSI_DRIVERS,
    resources.CSI_STORAGE_CAPACITIES,
)


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
    """Follows all of it. `on_change` is called for every change that may let a pod pass."""

    def __init__(self, client: Client, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self.informers = [self._follow(client, resource) for resource in _FOLLOWED]
        pairs = zip(_FOLLOWED, self.informers, strict=True)
        self.storage = Storage(client, {resource: each.indexer for resource, each in pairs})

    def _follow(self, client: Client, resource: GroupVersionResource) -> informer.SharedInformer:
        source = reflector.ResourceListWatcher(client=client, resource=resource)
        found = informer.SharedInformer(source, transform=informer.without_managed_fields)
        found.add_event_handler(informer.on_any_change(lambda _: self._tell()))
        return found

    def _tell(self) -> None:
        self.storage.wake()
        self._on_change()

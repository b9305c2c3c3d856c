# SPDX-License-Identifier: Apache-2.0
"""An informer for every resource that can be listed, watched and deleted, as discovery goes.

Where another controller follows the whole objects, its informer serves; for the rest metadata
is enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupKind, GroupResource, GroupVersionResource, Object
from pyk8s.client import discovery, informer, rest
from pyk8s.client.client import Client
from pyk8s.client.informer import SharedInformers
from pyk8s.controllers.garbagecollector.graph import Graph

_log = logging.getLogger(__name__)

_NEEDED_VERBS = frozenset(("list", "watch", "delete"))
# Neither owners nor owned, and too many: upstream's list.
_IGNORED = frozenset((GroupResource("", "events"), GroupResource("events.k8s.io", "events")))

_DISCOVERY_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_SYNC_SECONDS_MAX = 30.0


class Monitors:
    """Feeds the graph. `by_kind` is what discovery said last, of all resources."""

    def __init__(self, client: Client, informers: SharedInformers, graph: Graph) -> None:
        self.by_kind: Mapping[GroupKind, discovery.Resource] = {}
        self._client = client
        self._informers = informers
        self._graph = graph
        self._followed: dict[GroupVersionResource, informer.Handler] = {}
        self._refreshing = asyncio.Lock()
        self._synced = asyncio.Event()
        self._own: set[GroupVersionResource] = set()

    async def wait_until_synced(self) -> None:
        """All that was there at the start is in the graph, or does not come in time."""
        await self._synced.wait()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            seconds = _DISCOVERY_SECONDS
            try:
                await self.refresh()
                await self._wait_for_informers()
            except (errors.StatusError, rest.ServerUnreachable) as error:
                _log.warning("discovery failed: error=%s", error)
                seconds = _RETRY_SECONDS
            await asyncio.sleep(seconds)

    async def _wait_for_informers(self) -> None:
        # One resource that cannot be listed must not keep all others from being collected.
        if self._synced.is_set():
            return
        followed = [self._informers.of(resource) for resource in self._followed]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SYNC_SECONDS_MAX):
                await informer.wait_until_synced(followed)
        self._synced.set()

    async def refresh(self) -> None:
        """Ask what is served now, and follow that. Raises StatusError and ServerUnreachable."""
        async with self._refreshing:
            served = await discovery.preferred_resources(self._client)
            self.by_kind = discovery.by_kind(served)
            wanted = {
                resource.gvr: resource.kind
                for resource in served.resources
                if resource.verbs >= _NEEDED_VERBS and resource.gvr.group_resource not in _IGNORED
            }
            for resource in wanted.keys() - self._followed.keys():
                self._follow(resource, wanted[resource])
            # What could not be discovered may still be served: it is followed on.
            if not served.failed:
                for resource in self._followed.keys() - wanted.keys():
                    self._leave(resource)

    def _follow(self, resource: GroupVersionResource, kind: str) -> None:
        group_version = str(resource.group_version)

        def observe(obj: Object) -> None:
            # Metadata alone says PartialObjectMetadata of itself.
            self._graph.observe(
                resource,
                {"apiVersion": group_version, "kind": kind, "metadata": obj["metadata"]},
            )

        def added(obj: Object, initial: bool) -> None:
            observe(obj)

        def updated(before: Object, obj: Object) -> None:
            if meta.uid(before) != meta.uid(obj):
                self._graph.forget(meta.uid(before))
            observe(obj)

        def deleted(gone: informer.Deleted) -> None:
            self._graph.forget(meta.uid(informer.last_known(gone)))

        if resource not in self._informers:
            self._own.add(resource)
        handler = informer.Handler(on_add=added, on_update=updated, on_delete=deleted)
        shared = self._informers.of(resource, metadata_only=True)
        self._followed[resource] = handler
        shared.add_event_handler(handler)

    def _leave(self, resource: GroupVersionResource) -> None:
        handler = self._followed.pop(resource)
        if resource in self._own:
            self._own.discard(resource)
            self._informers.stop(resource)
        else:
            self._informers.of(resource).remove_event_handler(handler)

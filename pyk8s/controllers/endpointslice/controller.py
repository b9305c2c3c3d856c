# SPDX-License-Identifier: Apache-2.0
"""The EndpointSlice controller: reads what `slices` needs, writes what it says."""

from __future__ import annotations

import asyncio

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources
from pyk8s.client.store import Key
from pyk8s.controllers import services
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.endpointslice import slices
from pyk8s.controllers.serviceaccount.accounts import is_terminating

_ZONE = "topology.kubernetes.io/zone"
_SERVICE_INDEX = "service"
# What was written and is not seen by then has been overtaken: better to count again.
_UNSEEN_SECONDS_MAX = 10.0


def _by_service(obj: Object) -> tuple[str, ...]:
    labels = meta.labels(obj)
    if labels.get(slices.MANAGED_BY) != slices.MANAGER:
        return ()
    return (f"{meta.namespace(obj)}/{labels.get(slices.SERVICE_NAME, '')}",)


class EndpointSliceController(ObjectController):
    name = "endpointslice-controller"
    workers = 5
    resource = resources.SERVICES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._pods = self.informer(resources.PODS)
        services.follow_pods(self._pods, self.objects, self.queue.add)
        self._nodes = self.informer(resources.NODES)
        self._slices = self.informer(resources.ENDPOINT_SLICES)
        self._slices.indexer.add_index(_SERVICE_INDEX, _by_service)
        self._slices.add_event_handler(informer.on_any_change(self._slice_changed))
        # Slices written and not shown by the informer yet: their resourceVersion, "" for gone.
        self._unseen: dict[Key, dict[Key, str]] = {}

    def _slice_changed(self, endpoint_slice: Object) -> None:
        labels = meta.labels(endpoint_slice)
        if labels.get(slices.MANAGED_BY) == slices.MANAGER:
            self.queue.add((meta.namespace(endpoint_slice), labels.get(slices.SERVICE_NAME, "")))

    async def reconcile(self, key: Key) -> None:
        service = self.objects.indexer.get(key)
        if service is None or not services.has_selector(service):
            # Slices of a Service that is gone are the garbage collector's.
            self._unseen.pop(key, None)
            return
        if not self._has_seen_all(key):
            self.queue.add_after(key, _UNSEEN_SECONDS_MAX)
            return
        namespace, name = key
        behind = self._pods.lister.list(namespace, services.selector(service))
        existing = self._slices.indexer.by_index(_SERVICE_INDEX, f"{namespace}/{name}")
        zones = {meta.name(node): meta.labels(node).get(_ZONE, "") for node in self._nodes_of()}
        most = self.context.options.max_endpoints_per_slice
        await self._write(key, slices.changes(service, behind, existing, zones, most))

    def _nodes_of(self) -> list[Object]:
        return self._nodes.indexer.list()

    def _has_seen_all(self, key: Key) -> bool:
        unseen = self._unseen.get(key)
        if not unseen:
            return True
        for name, version in [*unseen.items()]:
            cached = self._slices.indexer.get(name)
            shown = meta.resource_version(cached) if cached is not None else ""
            if (not version and cached is None) or (
                version and shown and int(shown) >= int(version)
            ):
                del unseen[name]
        return not unseen

    async def _write(self, key: Key, made: slices.Changes) -> None:
        unseen = self._unseen[key] = {}
        loop = asyncio.get_running_loop()
        loop.call_later(_UNSEEN_SECONDS_MAX, unseen.clear)
        try:
            for endpoint_slice in made.create:
                created = await self.client.create(resources.ENDPOINT_SLICES, endpoint_slice)
                unseen[meta.namespaced_name(created)] = meta.resource_version(created)
        except errors.StatusError as error:
            if is_terminating(error):
                return
            raise
        for endpoint_slice in made.update:
            updated = await self.client.update(resources.ENDPOINT_SLICES, endpoint_slice)
            unseen[meta.namespaced_name(updated)] = meta.resource_version(updated)
        for endpoint_slice in made.delete:
            namespace, name = meta.namespaced_name(endpoint_slice)
            try:
                await self.client.delete(resources.ENDPOINT_SLICES, name, namespace)
            except errors.StatusError as error:
                if error.reason != errors.NOT_FOUND:
                    raise
            unseen[(namespace, name)] = ""

# SPDX-License-Identifier: Apache-2.0
"""The EndpointSlice mirroring controller: reads what `mirror` needs, writes what it says."""

from __future__ import annotations

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import ListOptions
from pyk8s.client.store import Key
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.endpointslice.slices import MANAGED_BY, SERVICE_NAME
from pyk8s.controllers.endpointslicemirroring import mirror
from pyk8s.controllers.serviceaccount.accounts import is_terminating


class EndpointSliceMirroringController(ObjectController):
    name = "endpointslice-mirroring-controller"
    component = "endpoint-slice-mirroring-controller"
    workers = 5
    resource = resources.ENDPOINTS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._services = self.informer(resources.SERVICES)
        self._services.add_event_handler(informer.on_any_change(self._service_changed))
        slices = self.informer(resources.ENDPOINT_SLICES)
        slices.add_event_handler(informer.on_any_change(self._slice_changed))
        self._slices = slices

    def _service_changed(self, service: Object) -> None:
        if service["spec"].get("selector") is None:
            self.enqueue(service)

    def _slice_changed(self, endpoint_slice: Object) -> None:
        labels = meta.labels(endpoint_slice)
        if labels.get(MANAGED_BY) == mirror.MANAGER:
            self.queue.add((meta.namespace(endpoint_slice), labels.get(SERVICE_NAME, "")))

    def _mirrored(self, key: Key) -> Object | None:
        endpoints, service = self.objects.indexer.get(key), self._services.indexer.get(key)
        if endpoints is None or meta.is_being_deleted(endpoints):
            return None
        return endpoints if mirror.is_mirrored(endpoints, service) else None

    async def reconcile(self, key: Key) -> None:
        endpoints = self._mirrored(key)
        if endpoints is None and not self._has_slices(key):
            return
        # By the server's word: a cache may not show yet what was made a moment ago.
        existing = await self._existing(key)
        if endpoints is None:
            for endpoint_slice in existing:
                await self._delete(endpoint_slice)
            return
        most = self.context.options.mirroring_max_endpoints_per_subset
        made = mirror.mirror(endpoints, existing, most)
        self._tell(endpoints, made, most)
        await self._write(made)

    def _has_slices(self, key: Key) -> bool:
        return any(
            meta.labels(s).get(MANAGED_BY) == mirror.MANAGER
            and meta.labels(s).get(SERVICE_NAME) == key[1]
            for s in self._slices.lister.list(key[0])
        )

    async def _existing(self, key: Key) -> list[Object]:
        selector = f"{SERVICE_NAME}={key[1]},{MANAGED_BY}={mirror.MANAGER}"
        options = ListOptions(label_selector=selector)
        page = await self.client.list(resources.ENDPOINT_SLICES, key[0], options)
        return page.get("items") or []

    def _tell(self, endpoints: Object, made: mirror.Mirror, most: int) -> None:
        said = self.context.recorder.event
        if made.invalid:
            text = f"Skipped {made.invalid} invalid IP addresses when mirroring to EndpointSlices"
            said(endpoints, events.WARNING, "InvalidIPAddress", text)
        if made.skipped:
            text = (
                f"A max of {most} addresses can be mirrored to EndpointSlices per Endpoints "
                f"subset. {made.skipped + made.invalid} addresses were skipped"
            )
            said(endpoints, events.WARNING, "TooManyAddressesToMirror", text)

    async def _write(self, made: mirror.Mirror) -> None:
        try:
            for endpoint_slice in made.create:
                await self.client.create(resources.ENDPOINT_SLICES, endpoint_slice)
        except errors.StatusError as error:
            if not is_terminating(error):
                raise
            return
        for endpoint_slice in made.update:
            await self.client.update(resources.ENDPOINT_SLICES, endpoint_slice)
        for endpoint_slice in made.delete:
            await self._delete(endpoint_slice)

    async def _delete(self, endpoint_slice: Object) -> None:
        namespace, name = meta.namespaced_name(endpoint_slice)
        try:
            await self.client.delete(resources.ENDPOINT_SLICES, name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise

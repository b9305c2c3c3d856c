# SPDX-License-Identifier: Apache-2.0
"""The EndpointSlice controller: reads what `slices` and its neighbours need, writes what they say.

Mirrors upstream's `pkg/controller/endpointslice`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources, worker
from pyk8s.client.store import Key
from pyk8s.controllers import pods, services, triggertimes
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.endpointslice import hints, slices, topology
from pyk8s.controllers.endpointslice.changes import Changes
from pyk8s.controllers.serviceaccount.accounts import is_terminating

_SERVICE_INDEX = "service"
# What was written and is not seen by then has been overtaken: better to count again.
_UNSEEN_SECONDS_MAX = 10.0
# Upstream's endpointSliceChangeMinSyncDelay: several slices that somebody changes are one look.
_SLICE_CHANGE_SECONDS = 1.0
# Nodes come in crowds.
_NODES_SECONDS = 1.0


def _service_key(endpoint_slice: Object) -> Key:
    name = meta.labels(endpoint_slice).get(slices.SERVICE_NAME, "")
    return meta.namespace(endpoint_slice), name


def _is_managed(endpoint_slice: Object) -> bool:
    return meta.labels(endpoint_slice).get(slices.MANAGED_BY) == slices.MANAGER


def _by_service(obj: Object) -> tuple[str, ...]:
    return ("/".join(_service_key(obj)),) if _is_managed(obj) else ()


class EndpointSliceController(ObjectController):
    name = "endpointslice-controller"
    component = "endpoint-slice-controller"
    workers = 5
    retry_seconds = 1.0
    resource = resources.SERVICES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.options
        self._batch_seconds = options.endpointslice_updates_batch_period
        self._most = options.max_endpoints_per_slice
        self._pods = self.informer(resources.PODS)
        services.follow_pods(self._pods, self.objects, self._pod_changed)
        self._nodes = self.informer(resources.NODES)
        self._nodes.add_event_handler(
            informer.Handler(
                on_add=lambda *_: self._nodes_changed(),
                on_update=self._node_updated,
                on_delete=lambda _: self._nodes_changed(),
            )
        )
        self._slices = self.informer(resources.ENDPOINT_SLICES)
        self._slices.indexer.add_index(_SERVICE_INDEX, _by_service)
        self._slices.add_event_handler(
            informer.Handler(
                on_add=lambda each, _: self._slice_changed(each),
                on_update=self._slice_updated,
                on_delete=lambda deleted: self._slice_deleted(informer.last_known(deleted)),
            )
        )
        self._trigger_times = triggertimes.TriggerTimes()
        self._topology = topology.Topology()
        self._knows_nodes = False
        self._nodes_timer: asyncio.TimerHandle | None = None
        # Slices written and not shown by the informer yet: their resourceVersion, "" for gone.
        self._unseen: dict[Key, dict[Key, str]] = {}

    # --- what changes

    def _pod_changed(self, key: Key) -> None:
        self.queue.add_after(key, self._batch_seconds)

    def _slice_updated(self, before: Object, after: Object) -> None:
        if _service_key(before) != _service_key(after) or _is_managed(before) != _is_managed(after):
            self._look_again(before)
            self._look_again(after)
        else:
            self._slice_changed(after)

    def _slice_changed(self, endpoint_slice: Object) -> None:
        if _is_managed(endpoint_slice) and not self._is_expected(
            endpoint_slice, meta.resource_version(endpoint_slice)
        ):
            self._look_again(endpoint_slice)

    def _slice_deleted(self, endpoint_slice: Object) -> None:
        if _is_managed(endpoint_slice) and not self._is_expected(endpoint_slice, ""):
            self._look_again(endpoint_slice)

    def _is_expected(self, endpoint_slice: Object, version: str) -> bool:
        """Whether this is what the controller itself has written, seen now."""
        key, name = _service_key(endpoint_slice), meta.namespaced_name(endpoint_slice)
        unseen = self._unseen.get(key, {})
        wanted = unseen.get(name)
        if wanted is None:
            return False
        if version and wanted and int(version) < int(wanted):
            # Older than what it was written over with.
            return True
        del unseen[name]
        return version == wanted

    def _look_again(self, endpoint_slice: Object) -> None:
        seconds = max(_SLICE_CHANGE_SECONDS, self._batch_seconds)
        self.queue.add_after(_service_key(endpoint_slice), seconds)

    def _node_updated(self, before: Object, after: Object) -> None:
        def matters(node: Object) -> tuple[object, ...]:
            return meta.labels(node).get(topology.ZONE), pods.is_ready(node)

        if matters(before) != matters(after):
            self._nodes_changed()

    def _nodes_changed(self) -> None:
        self._knows_nodes = False
        if self._topology.has_hinted and self._nodes_timer is None:
            loop = asyncio.get_running_loop()
            self._nodes_timer = loop.call_later(_NODES_SECONDS, self._check_overload)

    def _check_overload(self) -> None:
        self._nodes_timer = None
        self._look_at_nodes()
        for key in self._topology.overloaded():
            self.queue.add(key)

    def _look_at_nodes(self) -> None:
        if not self._knows_nodes:
            self._topology.set_nodes(self._nodes.indexer.list())
            self._knows_nodes = True

    # --- what is to be

    async def reconcile(self, key: Key) -> None:
        service = self.objects.indexer.get(key)
        if service is None:
            # Slices of a Service that is gone are the garbage collector's.
            self._unseen.pop(key, None)
            self._topology.forget(key)
            self._trigger_times.forget(key)
            return
        if not services.has_selector(service):
            return
        if not self._has_seen_all(key):
            self.queue.add_after(key, _SLICE_CHANGE_SECONDS)
            return
        behind = self._pods.lister.list(key[0], services.selector(service))
        trigger_time = self._trigger_times.look(service, behind)
        zones = self._zones_of(behind)
        existing = self._slices.indexer.by_index(_SERVICE_INDEX, "/".join(key))
        made = slices.changes(service, behind, existing, zones, self._most)
        for family, changes in made.items():
            self._give_hints(service, key, family, changes)
        for changes in made.values():
            await self._write(service, changes, trigger_time)
        self._require_nodes(service, behind, zones)

    def failure(self, key: Key, error: Exception) -> tuple[str, str]:
        text = f"Error updating Endpoint Slices for Service {'/'.join(key)}: {error}"
        return "FailedToUpdateEndpointSlices", text

    def _zones_of(self, behind: Iterable[Object]) -> dict[str, str]:
        names = {pod["spec"].get("nodeName") or "" for pod in behind}
        nodes = {name: self._nodes.indexer.get(("", name)) for name in names}
        return {
            name: meta.labels(node).get(topology.ZONE, "")
            for name, node in nodes.items()
            if node is not None
        }

    def _require_nodes(
        self, service: Object, behind: Iterable[Object], zones: dict[str, str]
    ) -> None:
        """Raises for a pod whose node is not there (yet), so that it is looked for again."""
        for pod in filter(services.is_behind, behind):
            if slices.node_is_missing(service, pod, zones):
                namespace, name = meta.namespaced_name(service)
                raise worker.Irreconcilable(
                    f"skipping Pod {meta.name(pod)} for Service {namespace}/{name}: "
                    f"Node {pod['spec']['nodeName']} Not Found"
                )

    def _give_hints(self, service: Object, key: Key, family: str, changes: Changes) -> None:
        if hints.wants_topology(service):
            self._look_at_nodes()
            told = self._topology.share_out(key, family, changes)
        else:
            told = self._topology.give_up(key, family)
            hints.distribute(service, changes)
        for event in told:
            self.context.recorder.event(service, *event)

    # --- writing

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

    def _expect(self, key: Key, name: Key, version: str) -> None:
        unseen = self._unseen.setdefault(key, {})
        unseen[name] = version
        asyncio.get_running_loop().call_later(_UNSEEN_SECONDS_MAX, _forget, unseen, name, version)

    async def _write(self, service: Object, changes: Changes, trigger_time: str) -> None:
        key = meta.namespaced_name(service)
        for each in changes.written():
            metadata = each["metadata"]
            annotations = triggertimes.annotate(metadata.get("annotations") or {}, trigger_time)
            each["metadata"] = {**metadata, "annotations": annotations}
        # The garbage collector takes the slices of a Service that is going; new ones would be
        # in its way.
        if not meta.is_being_deleted(service):
            for each in changes.create:
                try:
                    created = await self.client.create(resources.ENDPOINT_SLICES, each)
                except errors.StatusError as error:
                    if is_terminating(error):
                        return
                    raise
                self._expect(key, meta.namespaced_name(created), meta.resource_version(created))
        for each in changes.update:
            updated = await self.client.update(resources.ENDPOINT_SLICES, each)
            if meta.resource_version(updated) != meta.resource_version(each):
                self._expect(key, meta.namespaced_name(updated), meta.resource_version(updated))
        for each in changes.delete:
            await self._delete(key, each)

    async def _delete(self, key: Key, each: Object) -> None:
        namespace, name = meta.namespaced_name(each)
        self._expect(key, (namespace, name), "")
        try:
            await self.client.delete(resources.ENDPOINT_SLICES, name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                _forget(self._unseen[key], (namespace, name), "")
                raise


def _forget(unseen: dict[Key, str], name: Key, version: str) -> None:
    if unseen.get(name) == version:
        del unseen[name]

# SPDX-License-Identifier: Apache-2.0
"""The pod garbage collector. Mirrors upstream's `pkg/controller/podgc`.

Upstream looks at all pods every 20 s; here handlers say which to look at, and each is looked at
again after that time for as long as it is there and has to go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, DeleteOptions, Patch
from pyk8s.client.store import Key
from pyk8s.controllers import nodes, pods
from pyk8s.controllers.controller import Context, Controller

_PERIOD_SECONDS = 20.0
# A node may be seen later than its pods: this long before the server is asked for it.
QUARANTINE_SECONDS = 40.0


class Item(NamedTuple):
    """One pod; or a node that is missing, or the finished pods, which have no namespace."""

    what: str
    namespace: str = ""
    name: str = ""


_FINISHED = Item("finished")


class PodGarbageCollector(Controller[Item]):
    name = "pod-garbage-collector-controller"

    def __init__(self, context: Context, quarantine_seconds: float = QUARANTINE_SECONDS) -> None:
        super().__init__(context)
        self._quarantine = quarantine_seconds
        self._finished: dict[Key, None] = {}
        self._threshold = context.options.terminated_pod_gc_threshold
        self._nodes = self.informer(resources.NODES)
        self._pods = self.informer(resources.PODS)
        self._pods.indexer.add_index(nodes.NODE_INDEX, nodes.by_node)
        self._nodes.add_event_handler(
            informer.Handler(
                on_add=lambda node, _: self._node_changed(node),
                on_update=lambda _, node: self._node_changed(node),
                on_delete=lambda gone: self._missing(meta.name(informer.last_known(gone))),
            )
        )
        self._pods.add_event_handler(
            informer.Handler(
                on_add=lambda pod, _: self._pod_changed(pod),
                on_update=lambda _, pod: self._pod_changed(pod),
                on_delete=lambda gone: self._pod_gone(informer.last_known(gone)),
            )
        )

    def subject(self, key: Item) -> Object | None:
        return self._pods.indexer.get((key.namespace, key.name)) if key.what == "pod" else None

    def _pod_changed(self, pod: Object) -> None:
        key = meta.namespaced_name(pod)
        if pods.is_finished(pod):
            self._finished[key] = None
            if 0 < self._threshold < len(self._finished):
                self.queue.add(_FINISHED)
        node = nodes.name_of(pod)
        if node and self._nodes.lister.get(node) is None:
            self._missing(node)
        elif self._has_to_go(pod):
            self.queue.add(Item("pod", *key))

    def _pod_gone(self, pod: Object) -> None:
        self._finished.pop(meta.namespaced_name(pod), None)

    def _missing(self, name: str) -> None:
        if self._pods.indexer.index_keys(nodes.NODE_INDEX, name):
            self.queue.add_after(Item("node", "", name), self._quarantine)

    def _node_changed(self, node: Object) -> None:
        if _is_out_of_service(node):
            for pod in self._pods.indexer.by_index(nodes.NODE_INDEX, meta.name(node)):
                if self._has_to_go(pod):
                    self.queue.add(Item("pod", *meta.namespaced_name(pod)))

    def _has_to_go(self, pod: Object) -> bool:
        """It is being deleted, and nobody is there to end it."""
        if not meta.is_being_deleted(pod):
            return False
        name = nodes.name_of(pod)
        node = self._nodes.lister.get(name) if name else None
        return not name or (node is not None and _is_out_of_service(node))

    async def reconcile(self, key: Item) -> None:
        if key.what == "finished":
            await self._delete_finished()
        elif key.what == "node":
            await self._delete_orphans(key)
        else:
            pod = self._pods.indexer.get((key.namespace, key.name))
            if pod is not None and self._has_to_go(pod):
                await self._delete(pod)
                self.queue.add_after(key, _PERIOD_SECONDS)

    async def _delete_finished(self) -> None:
        found = [self._pods.indexer.get(key) for key in self._finished]
        doomed = first_to_go([pod for pod in found if pod is not None], self._threshold)
        for pod in doomed:
            await self._delete(pod)

    async def _delete_orphans(self, key: Item) -> None:
        if self._nodes.lister.get(key.name) is not None or await self._exists(key.name):
            return
        found = self._pods.indexer.by_index(nodes.NODE_INDEX, key.name)
        for pod in found:
            condition = pods.disruption_target(
                pod, "DeletionByPodGC", "PodGC: node no longer exists", times.now()
            )
            await self._delete(pod, condition)
        if found:
            self.queue.add_after(key, _PERIOD_SECONDS)

    async def _exists(self, name: str) -> bool:
        try:
            await self.client.get_metadata(resources.NODES, name)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return False
        return True

    async def _delete(self, pod: Object, condition: Object | None = None) -> None:
        """Failed first, for no kubelet will say so, then gone without grace."""
        namespace, name = meta.namespaced_name(pod)
        status: Object = {"phase": "Failed"}
        if condition is not None:
            status["conditions"] = [condition]
        content = {"metadata": {"uid": meta.uid(pod)}, "status": status}
        try:
            if not pods.is_finished(pod):
                patch = Patch(content=content, type=STRATEGIC_MERGE_PATCH)
                await self.client.patch(resources.PODS, (namespace, name), patch, "status")
            options = DeleteOptions(grace_period_seconds=0, uid=meta.uid(pod))
            await self.client.delete(resources.PODS, name, namespace, options)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise


def _is_out_of_service(node: Object) -> bool:
    return nodes.ready_status(node) != "True" and nodes.has_taint(node, nodes.OUT_OF_SERVICE)


def first_to_go(finished: Iterable[Object], threshold: int) -> list[Object]:
    """Those above the threshold: evicted ones before others, old before young."""

    def rank(pod: Object) -> tuple[bool, str, str]:
        evicted = pods.phase(pod) == "Failed" and pod["status"].get("reason") == "Evicted"
        return not evicted, meta.of(pod).get("creationTimestamp") or "", meta.name(pod)

    ordered = sorted(finished, key=rank)
    return ordered[: max(0, len(ordered) - threshold)]

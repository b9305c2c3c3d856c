# SPDX-License-Identifier: Apache-2.0
"""The taint eviction controller. Mirrors upstream's `pkg/controller/tainteviction`.

NoExecute taints of a node changed -> its pods -> stay: none, until a moment, or over
a pod bound, or tolerating otherwise ->   '-> condition DisruptionTarget, then DELETE
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, DeleteOptions, Patch
from pyk8s.client.store import Key
from pyk8s.controllers import nodes
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.pods import disruption_target
from pyk8s.controllers.tainteviction import deadlines
from pyk8s.controllers.tainteviction.deadlines import Stay


class TaintEvictionController(Controller[Key]):
    name = "taint-eviction-controller"
    workers = 8

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(context)
        self._clock = clock
        # Pods that have to go at some moment, and nobody else.
        self._stays: dict[Key, Stay] = {}
        self._nodes = self.informer(resources.NODES)
        self._nodes.add_event_handler(
            informer.Handler(
                on_add=lambda node, _: self._node_changed(None, node),
                on_update=self._node_changed,
            )
        )
        self._pods = self.informer(resources.PODS)
        self._pods.indexer.add_index(nodes.NODE_INDEX, nodes.by_node)
        self._pods.add_event_handler(
            informer.Handler(
                on_add=lambda pod, _: self._pod_changed(None, pod),
                on_update=self._pod_changed,
                on_delete=lambda deleted: self._gone(informer.last_known(deleted)),
            )
        )

    def subject(self, key: Key) -> Object | None:
        return self._pods.indexer.get(key)

    def _node_changed(self, before: Object | None, node: Object) -> None:
        seen = deadlines.no_execute(nodes.taints(before)) if before is not None else []
        if seen != deadlines.no_execute(nodes.taints(node)):
            for key in self._pods.indexer.index_keys(nodes.NODE_INDEX, meta.name(node)):
                self.queue.add(key)

    def _pod_changed(self, before: Object | None, pod: Object) -> None:
        if before is not None and _asked(before) == _asked(pod):
            return
        key = meta.namespaced_name(pod)
        if key in self._stays or self._taints_of(pod):
            self.queue.add(key)

    def _gone(self, pod: Object) -> None:
        key = meta.namespaced_name(pod)
        if key in self._stays:
            self.queue.add(key)

    def _taints_of(self, pod: Object) -> list[Object]:
        name = nodes.name_of(pod)
        node = self._nodes.lister.get(name) if name else None
        return deadlines.no_execute(nodes.taints(node)) if node is not None else []

    async def reconcile(self, key: Key) -> None:
        pod = self._pods.indexer.get(key)
        before = self._stays.get(key)
        if pod is None or meta.is_being_deleted(pod):
            self._stays.pop(key, None)
            return
        if before is not None and (before.uid, before.node) != _identity(pod):
            before = None
        now = self._clock()
        tolerations = pod["spec"].get("tolerations") or ()
        after = deadlines.stay(before, self._taints_of(pod), tolerations, now)
        if after is None:
            if self._stays.pop(key, None) is not None:
                self._tell(pod, f"Cancelling deletion of Pod {'/'.join(key)}")
            return
        after.uid, after.node = _identity(pod)
        self._stays[key] = after
        if after.ends_at > now:
            self.queue.add_after(key, after.ends_at - now)
            return
        self._tell(pod, f"Marking for deletion Pod {'/'.join(key)}")
        await self._evict(pod)
        self._stays.pop(key, None)

    async def _evict(self, pod: Object) -> None:
        condition = disruption_target(
            pod,
            "DeletionByTaintManager",
            "Taint manager: deleting due to NoExecute taint",
            times.now(),
        )
        content = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
        patch = Patch(content=content, type=STRATEGIC_MERGE_PATCH)
        namespace, name = meta.namespaced_name(pod)
        try:
            await self.client.patch(resources.PODS, (namespace, name), patch, "status")
            await self.client.delete(
                resources.PODS, name, namespace, DeleteOptions(uid=meta.uid(pod))
            )
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise

    def _tell(self, pod: Object, message: str) -> None:
        self.context.recorder.event(pod, events.NORMAL, "TaintManagerEviction", message)


def _asked(pod: Object) -> tuple[str, object]:
    return nodes.name_of(pod), (pod.get("spec") or {}).get("tolerations")


def _identity(pod: Object) -> tuple[str, str]:
    return meta.uid(pod), nodes.name_of(pod)

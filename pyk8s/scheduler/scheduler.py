# SPDX-License-Identifier: Apache-2.0
"""The loop: pop a pod, find it a node, assume that it is there, bind it in a task of its own.

As `pkg/scheduler/schedule_one.go`. Between pop and assume nothing suspends. A pod whose binding
failed is forgotten and tried again; the server binds a pod once, whoever asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import events, informer, reflector, resources, rest
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Client, Patch
from pyk8s.scheduler import placement, queue
from pyk8s.scheduler.evaluation import Evaluations, Profile
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.profiles import RELEVANT, Handle, default_profile
from pyk8s.scheduler.selectors import ServicesAndOwners

_log = logging.getLogger(__name__)

_BINDINGS_AT_ONCE = 64
_PODS_IN_A_ROW = 20
_ENDED = ("Succeeded", "Failed")


@dataclass(slots=True)
class Statistics:
    """Attempts since the start, by upstream's results."""

    scheduled: int = 0
    unschedulable: int = 0
    error: int = 0


class Scheduler:
    """Made on a running loop; `run` until cancelled."""

    def __init__(
        self,
        client: Client,
        recorder: events.EventRecorder,
        make_profile: Callable[[Handle], Profile] = default_profile,
    ) -> None:
        self.nodes = NodeTable()
        self._index = placement.follow(self.nodes)
        selectors = ServicesAndOwners(client)
        self.queue = queue.Queue(RELEVANT)
        self.statistics = Statistics()
        self._client = client
        self._recorder = recorder
        self._profile = make_profile(Handle(self.nodes, self._index, selectors))
        self._evaluations = Evaluations(self.nodes)
        # Pods that are assumed to be on a node, until the server says so itself.
        self._assumed: set[str] = set()
        self._binding = asyncio.Semaphore(_BINDINGS_AT_ONCE)
        self._pods = self._follow(
            resources.PODS, self._pod_changed, self._pod_updated, self._pod_gone
        )
        node_informer = self._follow(
            resources.NODES,
            lambda node: self._node_changed(node, queue.NODE_ADDED),
            self._node_updated,
            self._node_gone,
        )
        namespaces = self._follow(
            resources.NAMESPACES,
            self._namespace_changed,
            lambda _, namespace: self._namespace_changed(namespace),
            lambda namespace: self._index.set_namespace(meta.name(namespace), None),
        )
        # Nodes before pods, namespaces before both: less is looked at twice.
        self._informers = (namespaces, *selectors.informers, node_informer, self._pods)

    def _follow(
        self,
        resource: GroupVersionResource,
        added: Callable[[Object], None],
        updated: Callable[[Object, Object], None],
        gone: Callable[[Object], None],
    ) -> informer.SharedInformer:
        source = reflector.ResourceListWatcher(client=self._client, resource=resource)
        found = informer.SharedInformer(source, transform=informer.without_managed_fields)
        found.add_event_handler(
            informer.Handler(
                on_add=lambda obj, _: added(obj),
                on_update=updated,
                on_delete=lambda deleted: gone(informer.last_known(deleted)),
            )
        )
        return found

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for each in self._informers:
                group.create_task(each.run())
            group.create_task(self.queue.run())
            await informer.wait_until_synced(self._informers)
            _log.info("scheduler started: nodes=%s", self.nodes.node_count)
            while True:
                for _ in range(_PODS_IN_A_ROW):
                    # The turn first: nothing may happen between pop and the verdict.
                    await self._binding.acquire()
                    queued = await self.queue.pop()
                    self._schedule_one(queued, group)
                await asyncio.sleep(0)

    # --- what the server says

    def _pod_updated(self, before: Object, pod: Object) -> None:
        if meta.uid(before) != meta.uid(pod):
            self._pod_gone(before)
        self._pod_changed(pod)

    def _pod_changed(self, pod: Object) -> None:
        if (pod.get("status") or {}).get("phase") in _ENDED:
            self._pod_gone(pod)
            return
        uid, spec = meta.uid(pod), pod["spec"]
        if spec.get("nodeName"):
            self._on_node(pod, uid, spec["nodeName"])
        elif (
            uid in self._assumed
            or spec.get("schedulerName") != self._profile.name
            or spec.get("schedulingGates")
        ):
            return
        elif meta.is_being_deleted(pod):
            self.queue.remove(uid)
        else:
            self._wants_node(podinfo.of(pod))

    def _on_node(self, pod: Object, uid: str, node: str) -> None:
        known = self.nodes.node_of(uid)
        self._assumed.discard(uid)
        self.queue.remove(uid)
        self.nodes.add_pod(podinfo.of(pod), node)
        self.queue.event(queue.POD_UPDATED if known else queue.POD_ADDED)

    def _wants_node(self, info: PodInfo) -> None:
        known = self.queue.knows(info.uid)
        if known is not None and known.signature == info.signature:
            # Such as our own report that it is unschedulable.
            self.queue.replace(info)
        else:
            self.queue.add(info)

    def _pod_gone(self, pod: Object) -> None:
        uid = meta.uid(pod)
        self.queue.remove(uid)
        self._assumed.discard(uid)
        if self.nodes.remove_pod(uid) is not None:
            self.queue.event(queue.POD_DELETED)

    def _node_updated(self, before: Object, node: Object) -> None:
        if _judged(before) != _judged(node):
            self._node_changed(node, queue.NODE_UPDATED)

    def _node_changed(self, node: Object, event: str) -> None:
        self.nodes.set_node(node)
        self.queue.event(event)

    def _node_gone(self, node: Object) -> None:
        self.nodes.remove_node(meta.name(node))
        self.queue.event(queue.NODE_DELETED)

    def _namespace_changed(self, namespace: Object) -> None:
        version = self._index.version
        self._index.set_namespace(meta.name(namespace), meta.labels(namespace))
        if version != self._index.version:
            self.queue.event(queue.NAMESPACE_CHANGED)

    # --- one pod

    def _schedule_one(self, queued: queue.QueuedPod, group: asyncio.TaskGroup) -> None:
        """Holds one turn to bind, and hands it on to the task."""
        info = queued.info
        evaluation = self._evaluations.of(self._profile, info)
        row = -1 if evaluation.rejected is not None else evaluation.best()
        if row < 0:
            diagnosis = evaluation.diagnosis()
            self.statistics.unschedulable += 1
            self.queue.add_unschedulable(queued, diagnosis.plugins)
            group.create_task(self._report(info.pod, "Unschedulable", diagnosis.message))
            return
        node = self.nodes.names[row]
        self.nodes.add_pod(info, node)
        self._assumed.add(info.uid)
        group.create_task(self._bind(queued, node))

    async def _bind(self, queued: queue.QueuedPod, node: str) -> None:
        pod = queued.info.pod
        namespace, name = meta.namespaced_name(pod)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": meta.uid(pod)},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self._client.create_subresource(
                resources.PODS, (namespace, name), "binding", binding
            )
        except (errors.StatusError, rest.ServerUnreachable) as error:
            self._binding_failed(queued, error)
            await self._report(pod, "SchedulerError", str(error))
        else:
            self.statistics.scheduled += 1
            message = f"Successfully assigned {namespace}/{name} to {node}"
            self._recorder.event(_whole(pod), events.NORMAL, "Scheduled", message)
            self._binding.release()

    def _binding_failed(self, queued: queue.QueuedPod, error: Exception) -> None:
        uid = queued.info.uid
        self.statistics.error += 1
        _log.warning("binding failed: pod=%s error=%s", queued.info.key, error)
        if uid not in self._assumed:
            # The server has said meanwhile where the pod is, or that it is gone.
            return
        self._assumed.discard(uid)
        self.nodes.remove_pod(uid)
        self.queue.event(queue.POD_DELETED)
        newest = self._pods.indexer.get(queued.info.key)
        if newest is not None and meta.uid(newest) == uid:
            queued.info = podinfo.of(newest)
            self.queue.add_after_backoff(queued)

    async def _report(self, pod: Object, reason: str, message: str) -> None:
        """Event and condition of a pod that got no node; then the turn is another's."""
        try:
            self._recorder.event(_whole(pod), events.WARNING, "FailedScheduling", message)
            await self._set_condition(pod, reason, message)
        except (errors.StatusError, rest.ServerUnreachable) as error:
            _log.warning("condition not set: pod=%s error=%s", meta.namespaced_name(pod), error)
        finally:
            self._binding.release()

    async def _set_condition(self, pod: Object, reason: str, message: str) -> None:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
        }
        for existing in (pod.get("status") or {}).get("conditions") or ():
            if existing["type"] == "PodScheduled":
                if all(existing.get(key) == value for key, value in condition.items()):
                    return
                if existing["status"] == "False":
                    condition["lastTransitionTime"] = existing.get("lastTransitionTime")
        condition.setdefault("lastTransitionTime", times.now())
        content = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
        patch = Patch(content=content, type=STRATEGIC_MERGE_PATCH)
        await self._client.patch(resources.PODS, meta.namespaced_name(pod), patch, "status")


def _whole(pod: Object) -> Object:
    """Items of a list may lack their kind, which an Event needs."""
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def _judged(node: Object) -> tuple[object, ...]:
    """What of a node a plugin looks at; its heartbeats are not."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    return (
        meta.labels(node),
        spec.get("taints"),
        spec.get("unschedulable"),
        status.get("allocatable"),
    )

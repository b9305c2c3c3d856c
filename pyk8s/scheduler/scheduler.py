# SPDX-License-Identifier: Apache-2.0
"""The loop: pop a pod, find it a node, assume that it is there, bind it in a task of its own.

As `pkg/scheduler/schedule_one.go`. Between pop and assume nothing suspends. A pod whose binding
failed is forgotten and tried again; the server binds a pod once, whoever asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import events, informer, reflector, resources, rest
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Client, Patch
from pyk8s.componenthelpers import volumes
from pyk8s.scheduler import placement, queue
from pyk8s.scheduler.binding import BindingCycle
from pyk8s.scheduler.evaluation import Evaluation, Evaluations
from pyk8s.scheduler.framework import interface, podinfo
from pyk8s.scheduler.framework.events import NODE_NOTED
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.profile import Profile
from pyk8s.scheduler.framework.status import SUCCESS, Code, PluginError, Status
from pyk8s.scheduler.framework.waiting import WaitingPods
from pyk8s.scheduler.handle import Handle
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.preempting import Preemptor
from pyk8s.scheduler.profiles import default_profile, relevant
from pyk8s.scheduler.selectors import ServicesAndOwners
from pyk8s.scheduler.storage import StorageInformers

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why a pod got no node. `nominated` is what it was promised; None leaves that as it is."""

    reason: str
    message: str
    nominated: str | None = None


def _default(handle: Handle) -> Mapping[str, Profile]:
    profile = default_profile(handle)
    return {profile.name: profile}


class Scheduler:
    """Made on a running loop; `run` until cancelled. Pods that name none of its profiles are left
    to other schedulers."""

    def __init__(
        self,
        client: Client,
        recorder: events.EventRecorder,
        make_profiles: Callable[[Handle], Mapping[str, Profile]] = _default,
        backoff: queue.Backoff | None = None,
    ) -> None:
        self.nodes = NodeTable()
        self._index = placement.follow(self.nodes)
        self._nominator = Nominator(self.nodes)
        selectors = ServicesAndOwners(client)
        self.statistics = Statistics()
        self._client = client
        self._recorder = recorder
        source = reflector.ResourceListWatcher(
            client=client, resource=resources.POD_DISRUPTION_BUDGETS
        )
        budgets = informer.SharedInformer(source, transform=informer.without_managed_fields)
        storage = StorageInformers(client, lambda: self.queue.event(queue.STORAGE_CHANGED))
        handle = Handle(
            nodes=self.nodes,
            index=self._index,
            nominator=self._nominator,
            selectors=selectors,
            budgets=budgets.indexer.list,
            client=client,
            storage=storage.storage,
            waiting=WaitingPods(),
            recorder=recorder,
        )
        self._waiting = handle.waiting
        self._profiles = make_profiles(handle)
        profiles = [*self._profiles.values()]
        self._has_foreign = any(each.foreign for each in profiles)
        # There is one queue: of every profile the sort is the same.
        (sort,) = profiles[0].having(interface.QueueSortPlugin)
        self.queue = queue.Queue(relevant(profiles), sort.sort_key, self._gate, backoff)
        self._cycles = {each.name: BindingCycle(each, self._waiting) for each in profiles}
        self._preemptor = Preemptor(client, recorder, self._nominator, self._waiting)
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
        self._informers = (
            namespaces,
            budgets,
            *selectors.informers,
            *storage.informers,
            node_informer,
            self._pods,
        )

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
        elif _nominated_node(before) and not _nominated_node(pod):
            # A promise of our own that is not written yet is not touched by other news.
            self._nominator.remove(meta.uid(pod))
        self._pod_changed(pod)

    def _pod_changed(self, pod: Object) -> None:
        if (pod.get("status") or {}).get("phase") in _ENDED:
            self._pod_gone(pod)
            return
        uid, spec = meta.uid(pod), pod["spec"]
        if spec.get("nodeName"):
            self._on_node(pod, uid, spec["nodeName"])
        elif uid in self._assumed or spec.get("schedulerName") not in self._profiles:
            return
        elif meta.is_being_deleted(pod):
            self.queue.remove(uid)
            self._nominator.remove(uid)
        else:
            self._wants_node(podinfo.of(pod))

    def _on_node(self, pod: Object, uid: str, node: str) -> None:
        known = self.nodes.node_of(uid)
        self._assumed.discard(uid)
        self.queue.remove(uid)
        self._nominator.remove(uid)
        self.nodes.add_pod(podinfo.of(pod), node)
        self.queue.event(queue.POD_UPDATED if known else queue.POD_ADDED)

    def _wants_node(self, info: PodInfo) -> None:
        if nominated := _nominated_node(info.pod):
            self._nominator.add(info, nominated)
        known = self.queue.knows(info.uid)
        is_same = known is not None and known.signature == info.signature
        if is_same and not self.queue.is_gated(info.uid):
            # Such as our own report that it is unschedulable.
            self.queue.replace(info)
        else:
            self.queue.add(info)

    def _pod_gone(self, pod: Object) -> None:
        uid = meta.uid(pod)
        self.queue.remove(uid)
        self._nominator.remove(uid)
        was_assumed, node = uid in self._assumed, self.nodes.node_of(uid)
        self._assumed.discard(uid)
        if (info := self.nodes.remove_pod(uid)) is not None:
            if was_assumed:
                # Whoever binds it need not wait any longer.
                self._waiting.reject(uid)
                self._cycle_of(info).unreserve({}, info, node)
            self.queue.event(queue.POD_DELETED)

    def _node_updated(self, before: Object, node: Object) -> None:
        if _judged(before) != _judged(node):
            self._node_changed(node, queue.NODE_UPDATED)
            return
        row = self.nodes.refresh_node(node)
        if self._has_foreign and _noted(before) != _noted(node):
            self.nodes.touch(row)
            self.queue.event(NODE_NOTED)

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

    def _profile_of(self, info: PodInfo) -> Profile:
        return self._profiles[info.pod["spec"]["schedulerName"]]

    def _cycle_of(self, info: PodInfo) -> BindingCycle:
        return self._cycles[info.pod["spec"]["schedulerName"]]

    def _gate(self, info: PodInfo) -> Status:
        for plugin in self._profile_of(info).having(interface.PreEnqueuePlugin):
            status: Status = plugin.pre_enqueue(info)
            if not status.is_success:
                return Status(status.code, status.reasons, plugin.name)
        return SUCCESS

    def _schedule_one(self, queued: queue.QueuedPod, group: asyncio.TaskGroup) -> None:
        """Holds one turn to bind, and hands it on to the task."""
        try:
            self._attempt(queued, group)
        except PluginError as error:
            # Before any node was chosen.
            self.statistics.error += 1
            self.queue.add_after_backoff(queued)
            outcome = Outcome("SchedulerError", str(error))
            group.create_task(self._report(queued.info.pod, outcome))

    def _attempt(self, queued: queue.QueuedPod, group: asyncio.TaskGroup) -> None:
        info = queued.info
        evaluation = self._evaluations.of(self._profile_of(info), info)
        row = self._choose(evaluation, info)
        if row < 0:
            self._no_node(queued, evaluation, group)
            return
        node = self.nodes.names[row]
        self.nodes.add_pod(info, node)
        self._assumed.add(info.uid)
        status = self._cycle_of(info).reserve(evaluation.state, info, node)
        if status.is_success:
            self._nominator.remove(info.uid)
            group.create_task(self._bind(queued, node, evaluation.state))
        else:
            self._refused(queued, status)
            report = self._report(info.pod, Outcome(_reason_of(status), status.message))
            group.create_task(report)

    def _choose(self, evaluation: Evaluation, info: PodInfo) -> int:
        if evaluation.rejected is not None:
            return -1
        promised = self.nodes.rows.get(self._nominator.node_of(info.uid), -1)
        # Looked at last of all: each look changes the table and brings it back.
        others = [row for row in self._nominator.rows_before(info) if evaluation.is_feasible(row)]
        taken = {}
        for row in others:
            status = self._nominator.rejection_at(evaluation, info, row)
            if status is not None:
                taken[row] = status
        evaluation.taken = taken
        if promised >= 0 and evaluation.is_feasible(promised) and promised not in taken:
            return promised
        return evaluation.best()

    def _no_node(
        self, queued: queue.QueuedPod, evaluation: Evaluation, group: asyncio.TaskGroup
    ) -> None:
        info, diagnosis = queued.info, evaluation.diagnosis()
        message, nominated = diagnosis.message, None
        post_filters = self._profile_of(info).having(interface.PostFilterPlugin)
        self.statistics.unschedulable += 1
        self.queue.add_unschedulable(queued, diagnosis.plugins)
        for plugin in post_filters if self.nodes.node_count else ():
            result: interface.PostFilterResult = plugin.post_filter(info, evaluation)
            message, nominated = f"{message} {result.message}".rstrip(), result.node
            if result.node:
                self._nominator.add(info, result.node)
                group.create_task(self._make_room(info, result, message))
                return
        if nominated is not None:
            self._nominator.remove(info.uid)
        group.create_task(self._report(info.pod, Outcome("Unschedulable", message, nominated)))

    async def _make_room(
        self, info: PodInfo, result: interface.PostFilterResult, message: str
    ) -> None:
        """The victims first: whoever sees the promise sees that it is being kept."""
        node = result.node or ""
        outcome = Outcome("Unschedulable", message, node)
        try:
            await self._preemptor.make_room(info, node, result.victims)
        except (errors.StatusError, rest.ServerUnreachable) as error:
            _log.warning("preemption failed: pod=%s error=%s", info.key, error)
            if self._nominator.node_of(info.uid) == node:
                self._nominator.remove(info.uid)
            self.queue.retry(info.uid)
            outcome = Outcome("Unschedulable", message, "")
        await self._report(info.pod, outcome)

    async def _bind(self, queued: queue.QueuedPod, node: str, state: interface.CycleState) -> None:
        info = queued.info
        waits = bool(volumes.claim_names(info.pod)) or self._waiting.get(info.uid) is not None
        if waits:
            # Volumes and who permits may take minutes, in which the turn is others'.
            self._binding.release()
        try:
            status = await self._cycle_of(info).run(state, info, node)
        except (errors.StatusError, rest.ServerUnreachable) as error:
            status = Status(Code.ERROR, (str(error),))
        if waits:
            await self._binding.acquire()
        if status.is_success:
            self.statistics.scheduled += 1
            namespace, name = info.key
            message = f"Successfully assigned {namespace}/{name} to {node}"
            self._recorder.event(_whole(info.pod), events.NORMAL, "Scheduled", message)
            self._binding.release()
        else:
            self._refused(queued, status)
            await self._report(info.pod, Outcome(_reason_of(status), status.message))

    def _refused(self, queued: queue.QueuedPod, status: Status) -> None:
        """A node was chosen, and then something said no: the pod is on no node any more."""
        uid = queued.info.uid
        if status.is_rejected:
            self.statistics.unschedulable += 1
        else:
            self.statistics.error += 1
            _log.warning("not bound: pod=%s error=%s", queued.info.key, status.message)
        if uid not in self._assumed:
            # The server has said meanwhile where the pod is, or that it is gone.
            return
        self._assumed.discard(uid)
        self.nodes.remove_pod(uid)
        self.queue.event(queue.POD_DELETED)
        newest = self._pods.indexer.get(queued.info.key)
        if newest is not None and meta.uid(newest) == uid:
            queued.info = podinfo.of(newest)
            if status.is_rejected:
                self.queue.add_unschedulable(queued, frozenset({status.plugin}))
            else:
                self.queue.add_after_backoff(queued)

    async def _report(self, pod: Object, outcome: Outcome) -> None:
        """Event and condition of a pod that got no node; then the turn is another's."""
        try:
            self._recorder.event(_whole(pod), events.WARNING, "FailedScheduling", outcome.message)
            await self._write(pod, outcome)
        except (errors.StatusError, rest.ServerUnreachable) as error:
            _log.warning("condition not set: pod=%s error=%s", meta.namespaced_name(pod), error)
        finally:
            self._binding.release()

    async def _write(self, pod: Object, outcome: Outcome) -> None:
        status = _status_of(pod, outcome)
        if status:
            content = {"metadata": {"uid": meta.uid(pod)}, "status": status}
            patch = Patch(content=content, type=STRATEGIC_MERGE_PATCH)
            await self._client.patch(resources.PODS, meta.namespaced_name(pod), patch, "status")


def _status_of(pod: Object, outcome: Outcome) -> Object:
    """What of the pod's status has to change."""
    changes: Object = {}
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": outcome.reason,
        "message": outcome.message,
    }
    known = {each["type"]: each for each in (pod.get("status") or {}).get("conditions") or ()}
    existing = known.get("PodScheduled") or {}
    if any(existing.get(key) != value for key, value in condition.items()):
        if existing.get("status") == "False" and existing.get("lastTransitionTime"):
            condition["lastTransitionTime"] = existing["lastTransitionTime"]
        else:
            condition["lastTransitionTime"] = times.now()
        changes["conditions"] = [condition]
    if outcome.nominated is not None and outcome.nominated != _nominated_node(pod):
        changes["nominatedNodeName"] = outcome.nominated or None
    return changes


def _nominated_node(pod: Object) -> str:
    return (pod.get("status") or {}).get("nominatedNodeName") or ""


def _reason_of(status: Status) -> str:
    return "Unschedulable" if status.is_rejected else "SchedulerError"


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


def _noted(node: Object) -> tuple[object, ...]:
    """What else plugins of others may look at; heartbeats are not of it either."""
    status = node.get("status") or {}
    conditions = [(each["type"], each["status"]) for each in status.get("conditions") or ()]
    return (meta.annotations(node), conditions, status.get("capacity"), node.get("spec"))

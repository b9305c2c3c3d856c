# SPDX-License-Identifier: Apache-2.0
"""The loop: pop a pod, find it a node, assume that it is there, bind it in a task of its own.

As `pkg/scheduler/schedule_one.go`. Between pop and assume nothing suspends. A pod whose binding
failed is forgotten and tried again; the server binds a pod once, whoever asks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import eventsv1, informer, reflector, resources, rest
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Client, Patch
from pyk8s.componenthelpers import volumes
from pyk8s.scheduler import metrics as measured
from pyk8s.scheduler import placement, queue
from pyk8s.scheduler.binding import BindingCycle
from pyk8s.scheduler.evaluation import Diagnosis, Evaluation, Evaluations
from pyk8s.scheduler.eventhandlers import Cluster, EventHandlers, nominated_node
from pyk8s.scheduler.extender import NAME as EXTENDER
from pyk8s.scheduler.extender import ExtenderError, Extenders, Opinion
from pyk8s.scheduler.framework import clusterevents, interface, podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.profile import Profile
from pyk8s.scheduler.framework.status import Code, PluginError, Status
from pyk8s.scheduler.framework.waiting import WaitingPods
from pyk8s.scheduler.handle import Handle
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.preempting import Preemptor
from pyk8s.scheduler.profiles import default_profile
from pyk8s.scheduler.selectors import ServicesAndOwners
from pyk8s.scheduler.storage import StorageInformers

_log = logging.getLogger(__name__)

# An extender need not say why it leaves out a node.
_UNSAID = Status(Code.UNSCHEDULABLE, (), EXTENDER)

_BINDINGS_AT_ONCE = 64
_PODS_IN_A_ROW = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why a pod got no node. `nominated` is what it was promised; None leaves that as it is."""

    reason: str
    message: str
    nominated: str | None = None


def _default(handle: Handle) -> Mapping[str, Profile]:
    profile = default_profile(handle)
    return {profile.name: profile}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a configuration says: how the profiles are made, by scheduler name, the back-off, and
    who is asked beside the plugins."""

    extenders: Extenders = field(default_factory=Extenders)
    make_profiles: Callable[[Handle], Mapping[str, Profile]] = _default
    backoff: queue.Backoff = field(default_factory=queue.Backoff)


_DEFAULT_SETTINGS = Settings()


class Scheduler:
    """Made on a running loop; `run` until cancelled. Pods that name none of its profiles are left
    to other schedulers."""

    def __init__(
        self,
        client: Client,
        recorder: eventsv1.EventRecorder,
        settings: Settings = _DEFAULT_SETTINGS,
        metrics: measured.SchedulerMetrics | None = None,
    ) -> None:
        self.nodes = NodeTable()
        self.metrics = metrics or measured.SchedulerMetrics()
        self._client = client
        self._recorder = recorder
        self._nominator = Nominator(self.nodes)
        index = placement.follow(self.nodes)
        selectors = ServicesAndOwners(client)
        source = reflector.ResourceListWatcher(
            client=client, resource=resources.POD_DISRUPTION_BUDGETS
        )
        budgets = informer.SharedInformer(source, transform=informer.without_managed_fields)
        storage = StorageInformers(client, lambda *event: self.queue.event(*event))
        handle = Handle(
            nodes=self.nodes,
            index=index,
            nominator=self._nominator,
            selectors=selectors,
            budgets=budgets.indexer.list,
            client=client,
            storage=storage.storage,
            waiting=WaitingPods(),
            recorder=recorder,
        )
        self._waiting = handle.waiting
        self._profiles = settings.make_profiles(handle)
        profiles = [*self._profiles.values()]
        self.queue = self._new_queue(profiles, settings.backoff)
        self._extenders = extenders = settings.extenders
        self._cycles = {
            each.name: BindingCycle(each, self._waiting, self.metrics, extenders)
            for each in profiles
        }
        self._preemptor = Preemptor(client, recorder, self._nominator, self._waiting)
        self._evaluations = Evaluations(self.nodes)
        self._binding = asyncio.Semaphore(_BINDINGS_AT_ONCE)
        self._cluster = Cluster(
            nodes=self.nodes,
            index=index,
            nominator=self._nominator,
            queue=self.queue,
            schedulers=self._profiles,
        )
        self._assumed = self._cluster.assumed
        handlers = EventHandlers(client, self._cluster, self._gone_before_bound)
        self._pods = handlers.pods
        # Nodes before pods, namespaces before both: less is looked at twice.
        self._informers = (
            handlers.namespaces,
            budgets,
            *selectors.informers,
            *storage.informers,
            handlers.nodes,
            handlers.pods,
        )
        self._tell_gauges()

    def _new_queue(self, profiles: list[Profile], backoff: queue.Backoff) -> queue.Queue:
        # There is one queue: of every profile the sort is the same.
        (sort,) = profiles[0].having(interface.QueueSortPlugin)
        hints = {each.name: clusterevents.hints_of(each.plugins) for each in profiles}
        return queue.Queue(
            queue.QueueOptions(
                hints=hints,
                sort_key=sort.sort_key,
                gate=self._gate,
                backoff=backoff,
                on_incoming=self.metrics.incoming.inc,
            )
        )

    def _tell_gauges(self) -> None:
        self.metrics.watch(
            "scheduler_pending_pods",
            "Number of pending pods, by the queue type. 'active' means number of pods in activeQ;"
            " 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in"
            " unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the"
            " number of unschedulable pods that the scheduler never attempted to schedule because"
            " they are gated.",
            "queue",
            self.queue.depths,
        )
        self.metrics.watch(
            "scheduler_cache_size",
            "Number of nodes, pods, and assumed (bound) pods in the scheduler cache.",
            "type",
            lambda: {
                "assumed_pods": len(self._assumed),
                "nodes": self.nodes.node_count,
                "pods": int(self.nodes.pod_count.sum()),
            },
        )

    @property
    def has_synced(self) -> bool:
        return all(each.has_synced for each in self._informers)

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """`ready` is called once everything that is there is known."""
        async with asyncio.TaskGroup() as group:
            for each in self._informers:
                group.create_task(each.run())
            group.create_task(self.queue.run())
            await informer.wait_until_synced(self._informers)
            _log.info("scheduler started: nodes=%s", self.nodes.node_count)
            ready()
            while True:
                for _ in range(_PODS_IN_A_ROW):
                    # The turn first: nothing may happen between pop and the verdict.
                    await self._binding.acquire()
                    queued = await self.queue.pop()
                    if self._extenders.concern(queued.info.pod):
                        await self._schedule_with_extenders(queued, group)
                    else:
                        self._schedule_one(queued, group)
                await asyncio.sleep(0)

    def _profile_of(self, info: PodInfo) -> Profile:
        return self._profiles[info.pod["spec"]["schedulerName"]]

    def _cycle_of(self, info: PodInfo) -> BindingCycle:
        return self._cycles[info.pod["spec"]["schedulerName"]]

    def _gone_before_bound(self, info: PodInfo, node: str) -> None:
        self._waiting.reject(info.uid)
        self._cycle_of(info).unreserve({}, info, node)

    def _gate(self, info: PodInfo) -> str:
        for plugin in self._profile_of(info).having(interface.PreEnqueuePlugin):
            if not plugin.pre_enqueue(info).is_success:
                return str(plugin.name)
        return ""

    # --- one pod

    def _schedule_one(
        self, queued: queue.QueuedPod, group: asyncio.TaskGroup, opinion: Opinion | None = None
    ) -> None:
        """Holds one turn to bind, and hands it on to the task."""
        began = time.perf_counter()
        try:
            self._attempt(queued, group, began, opinion)
        except PluginError as error:
            self._failed(queued, group, error)

    async def _schedule_with_extenders(
        self, queued: queue.QueuedPod, group: asyncio.TaskGroup
    ) -> None:
        """They are asked about the nodes that are feasible now. What changes meanwhile counts: the
        choice is made anew, among those that they let pass."""
        info = queued.info
        try:
            evaluation = self._evaluations.of(self._profile_of(info), info)
            names = [self.nodes.names[row] for row in evaluation.feasible_rows()]
            nodes = {name: self.nodes.nodes[self.nodes.rows[name]] or {} for name in names}
            opinion = await self._extenders.opinion(info.pod, nodes)
        except (PluginError, ExtenderError) as error:
            self._failed(queued, group, error)
            return
        if self.queue.knows(info.uid) is None:
            # It has a node, or is gone.
            self._binding.release()
        else:
            self._schedule_one(queued, group, opinion)

    def _failed(self, queued: queue.QueuedPod, group: asyncio.TaskGroup, error: Exception) -> None:
        """Before any node was chosen."""
        self._count(queued.info, measured.ERROR, time.perf_counter())
        self.queue.add_after_error(queued)
        outcome = Outcome("SchedulerError", str(error))
        group.create_task(self._report(queued.info.pod, outcome))

    def _attempt(
        self,
        queued: queue.QueuedPod,
        group: asyncio.TaskGroup,
        began: float,
        opinion: Opinion | None,
    ) -> None:
        info = queued.info
        evaluation = self._evaluations.of(self._profile_of(info), info, self.metrics.sampled())
        row = self._choose(evaluation, info, opinion)
        self.metrics.algorithm_seconds.observe(time.perf_counter() - began)
        if row < 0:
            self._no_node(queued, evaluation, group)
            self._count(info, measured.UNSCHEDULABLE, began)
            return
        node = self.nodes.names[row]
        self.nodes.add_pod(info, node)
        self._assumed.add(info.uid)
        status = self._cycle_of(info).reserve(evaluation.state, info, node)
        if status.is_success:
            self._nominator.remove(info.uid)
            group.create_task(self._bind(queued, node, evaluation.state, began))
        else:
            self._refused(queued, status, began)
            report = self._report(info.pod, Outcome(_reason_of(status), status.message))
            group.create_task(report)

    def _count(self, info: PodInfo, result: str, began: float) -> None:
        labels = (result, self._profile_of(info).name)
        self.metrics.attempts.inc(*labels)
        self.metrics.attempt_seconds.observe(time.perf_counter() - began, *labels)

    def _choose(self, evaluation: Evaluation, info: PodInfo, opinion: Opinion | None) -> int:
        if evaluation.rejected is not None:
            return -1
        promised = self.nodes.rows.get(self._nominator.node_of(info.uid), -1)
        evaluation.extra, evaluation.left_out = {}, {}
        if opinion is not None:
            self._heed(opinion, evaluation)
        self._nominator.look_beside(evaluation, info, evaluation.taken)
        left_out = promised in evaluation.left_out or promised in evaluation.taken.why
        if promised >= 0 and evaluation.is_feasible(promised) and not left_out:
            return promised
        return evaluation.best()

    def _heed(self, opinion: Opinion, evaluation: Evaluation) -> None:
        """Nodes that became feasible meanwhile have not passed the extenders either."""
        names = ((row, self.nodes.names[row]) for row in evaluation.feasible_rows())
        evaluation.left_out = {
            row: opinion.failed.get(name, _UNSAID)
            for row, name in names
            if name not in opinion.passed
        }
        rows = self.nodes.rows
        scores = opinion.scores.items()
        evaluation.extra = {rows[name]: score for name, score in scores if name in rows}

    def _no_node(
        self, queued: queue.QueuedPod, evaluation: Evaluation, group: asyncio.TaskGroup
    ) -> None:
        info, diagnosis = queued.info, evaluation.diagnosis()
        message, nominated = diagnosis.message, None
        post_filters = self._profile_of(info).having(interface.PostFilterPlugin)
        for plugin in post_filters if self.nodes.node_count else ():
            self.metrics.preemptions.inc()
            result: interface.PostFilterResult = plugin.post_filter(info, evaluation)
            message, nominated = f"{message} {result.message}".rstrip(), result.node
            if result.node:
                self.metrics.victims.observe(len(result.victims))
                self._nominator.add(info, result.node)
                group.create_task(
                    self._make_room(queued, result, Diagnosis(message, diagnosis.plugins))
                )
                return
        self.queue.add_unschedulable(queued, diagnosis.plugins)
        if nominated is not None:
            self._nominator.remove(info.uid)
        group.create_task(self._report(info.pod, Outcome("Unschedulable", message, nominated)))

    async def _make_room(
        self, queued: queue.QueuedPod, result: interface.PostFilterResult, diagnosis: Diagnosis
    ) -> None:
        """The victims first: whoever sees the promise sees that it is being kept. Until they are
        told to go the pod stays in flight, so that it is not tried meanwhile."""
        info, node = queued.info, result.node or ""
        outcome = Outcome("Unschedulable", diagnosis.message, node)
        try:
            await self._preemptor.make_room(info, node, result.victims)
        except (errors.StatusError, rest.ServerUnreachable) as error:
            _log.warning("preemption failed: pod=%s error=%s", info.key, error)
            if self._nominator.node_of(info.uid) == node:
                self._nominator.remove(info.uid)
            self.queue.add_after_error(queued)
            outcome = Outcome("Unschedulable", diagnosis.message, "")
        else:
            self.queue.add_unschedulable(queued, diagnosis.plugins)
        await self._report(info.pod, outcome)

    async def _bind(
        self, queued: queue.QueuedPod, node: str, state: interface.CycleState, began: float
    ) -> None:
        info = queued.info
        waits = bool(volumes.claim_names(info.pod)) or self._waiting.get(info.uid) is not None
        if waits:
            # Volumes and who permits may take minutes, in which the turn is others'.
            self._binding.release()
        try:
            status = await self._cycle_of(info).run(state, info, node, self.queue.done)
        except (errors.StatusError, rest.ServerUnreachable) as error:
            status = Status(Code.ERROR, (str(error),))
        if waits:
            await self._binding.acquire()
        if status.is_success:
            self._bound(queued, node, began)
            self._binding.release()
        else:
            self._refused(queued, status, began)
            await self._report(info.pod, Outcome(_reason_of(status), status.message))

    def _bound(self, queued: queue.QueuedPod, node: str, began: float) -> None:
        self._count(queued.info, measured.SCHEDULED, began)
        self.metrics.pod_attempts.observe(queued.attempts)
        waited = asyncio.get_running_loop().time() - queued.since
        self.metrics.sli_seconds.observe(waited, str(min(queued.attempts, 16)))
        namespace, name = queued.info.key
        note = f"Successfully assigned {namespace}/{name} to {node}"
        telling = eventsv1.Telling(
            type=eventsv1.NORMAL,
            reason="Scheduled",
            action="Binding",
            note=note,
            controller=self._profile_of(queued.info).name,
        )
        self._recorder.event(_whole(queued.info.pod), telling)

    def _refused(self, queued: queue.QueuedPod, status: Status, began: float) -> None:
        """A node was chosen, and then something said no: the pod is on no node any more."""
        uid = queued.info.uid
        result = measured.UNSCHEDULABLE if status.is_rejected else measured.ERROR
        self._count(queued.info, result, began)
        if not status.is_rejected:
            _log.warning("not bound: pod=%s error=%s", queued.info.key, status.message)
        if uid not in self._assumed:
            # The server has said meanwhile where the pod is, or that it is gone.
            return
        self._assumed.discard(uid)
        self.nodes.remove_pod(uid)
        newest = self._pods.indexer.get(queued.info.key)
        if newest is not None and meta.uid(newest) == uid:
            queued.info = podinfo.of(newest)
            if status.is_rejected:
                pending = (status.plugin,) if status.code is Code.PENDING else ()
                self.queue.add_unschedulable(queued, (status.plugin,), pending)
            else:
                self.queue.add_after_error(queued)
        # Only now, for it is no news to the pod itself.
        self.queue.event(clusterevents.ASSIGNED_POD_DELETE, queued.info.pod, besides=uid)

    async def _report(self, pod: Object, outcome: Outcome) -> None:
        """Event and condition of a pod that got no node; then the turn is another's."""
        telling = eventsv1.Telling(
            type=eventsv1.WARNING,
            reason="FailedScheduling",
            action="Scheduling",
            note=outcome.message,
            controller=pod["spec"]["schedulerName"],
        )
        try:
            self._recorder.event(_whole(pod), telling)
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
        changes["conditions"] = [{**condition, **_observed(pod)}]
    if outcome.nominated is not None and outcome.nominated != nominated_node(pod):
        changes["nominatedNodeName"] = outcome.nominated or None
    return changes


def _observed(pod: Object) -> Object:
    """Which generation of the pod was looked at, where the server counts them."""
    generation = pod["metadata"].get("generation")
    return {"observedGeneration": generation} if generation else {}


def _reason_of(status: Status) -> str:
    return "Unschedulable" if status.is_rejected else "SchedulerError"


def _whole(pod: Object) -> Object:
    """Items of a list may lack their kind, which an Event needs."""
    return {"apiVersion": "v1", "kind": "Pod", **pod}

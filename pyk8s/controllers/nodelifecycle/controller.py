# SPDX-License-Identifier: Apache-2.0
"""The node lifecycle controller. Mirrors upstream's `pkg/controller/nodelifecycle`.

    every node-monitor-period: who is overdue -> silent; how are the zones; whose turn is it
    per node: silent? conditions Unknown -> taints, labels -> pods that are no longer ready

Handlers count by difference, so a cluster in which all is well costs its heartbeats.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Patch
from pyk8s.client.store import Key
from pyk8s.controllers import nodes, pods
from pyk8s.controllers.controller import Context, Controller, Task, every
from pyk8s.controllers.nodelifecycle import taints
from pyk8s.controllers.nodelifecycle.health import Health, Healths
from pyk8s.controllers.nodelifecycle.zones import Zones

_log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"


class NodeLifecycleController(Controller[Key]):
    name = "node-lifecycle-controller"
    component = "node-controller"
    workers = 8

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(context)
        self._clock = clock
        options = context.options
        self._period = options.node_monitor_period
        self.healths = Healths(options.node_monitor_grace_period, options.node_startup_grace_period)
        self.zones = Zones(options, self._granted)
        # Not ready and without a taint: they are put in their zone's queue at the next look.
        self._to_evict: set[str] = set()
        # Pods bound to a node after it was known not to be ready.
        self._late: dict[str, set[Key]] = {}
        self._nodes = self.informer(resources.NODES)
        self._nodes.add_event_handler(
            informer.Handler(
                on_add=self._added,
                on_update=self._updated,
                on_delete=lambda deleted: self._deleted(informer.last_known(deleted)),
            )
        )
        self._leases = self.informer(resources.LEASES)
        self._leases.add_event_handler(
            informer.Handler(
                on_add=lambda lease, _: self._renewed(lease),
                on_update=lambda _, lease: self._renewed(lease),
            )
        )
        self._pods = self.informer(resources.PODS)
        self._pods.indexer.add_index(nodes.NODE_INDEX, nodes.by_node)
        self._pods.add_event_handler(
            informer.Handler(
                on_add=lambda pod, _: self._bound(pod),
                on_update=self._pod_updated,
            )
        )

    def subject(self, key: Key) -> Object | None:
        return self._nodes.indexer.get(key)

    # --- news

    def _added(self, node: Object, initial: bool) -> None:
        self._tell(node, "RegisteredNode", f"Registered Node {meta.name(node)} in Controller")
        self._observe(node)
        self.queue.add(meta.namespaced_name(node))

    def _updated(self, before: Object, node: Object) -> None:
        if meta.uid(before) != meta.uid(node):
            self._deleted(before)
            self._added(node, False)
            return
        self._observe(node)
        if taints.relevant(before) != taints.relevant(node):
            self.queue.add(meta.namespaced_name(node))

    def _deleted(self, node: Object) -> None:
        name = meta.name(node)
        self._tell(node, "RemovingNode", f"Removing Node {name} from Controller")
        self.healths.forget(name)
        self.zones.forget(name)
        self._to_evict.discard(name)
        self._late.pop(name, None)

    def _observe(self, node: Object) -> None:
        health = self.healths.observe(node, self._clock())
        lease = self._leases.lister.get(health.name, LEASE_NAMESPACE)
        if lease is not None:
            self._renewed(lease)
        self.zones.observe(health)

    def _renewed(self, lease: Object) -> None:
        namespace, name = meta.namespaced_name(lease)
        if namespace != LEASE_NAMESPACE:
            return
        renewed = (lease.get("spec") or {}).get("renewTime") or ""
        health = self.healths.renewed(name, renewed, self._clock())
        if health is not None:
            self.zones.observe(health)

    def _pod_updated(self, before: Object, pod: Object) -> None:
        if nodes.name_of(before) != nodes.name_of(pod):
            self._bound(pod)
            return
        health = self.healths.get(nodes.name_of(pod))
        # The last word of a kubelet may come in after its node was given up.
        if health is not None and health.ready == "Unknown" and pods.is_ready(pod):
            self.queue.add(("", health.name))

    def _bound(self, pod: Object) -> None:
        node = nodes.name_of(pod)
        health = self.healths.get(node) if node else None
        if health is not None and health.ready not in ("True", ""):
            self._late.setdefault(node, set()).add(meta.namespaced_name(pod))
            self.queue.add(("", node))

    # --- the look at all of them

    def tasks(self) -> Iterable[Task]:
        return (every(self._period, self.look),)

    def look(self) -> None:
        """Who has fallen silent, how the zones are, and who is to be evicted."""
        silent = self.healths.due(self._clock())
        for health in silent:
            self.zones.observe(health)
            self.queue.add(("", health.name))
        judgement = self.zones.judge()
        if judgement.entered_full_disruption:
            _log.warning("all nodes are not ready: evictions stop: nodes=%s", len(self.healths))
            self._look_at_all()
        elif judgement.left_full_disruption:
            _log.info("some nodes are ready again: evictions go on")
            self.healths.all_alive(self._clock())
            for health in self.healths:
                self.zones.observe(health)
            self._look_at_all()
        for name in (*self._to_evict, *(health.name for health in silent)):
            health_of = self.healths.get(name)
            if health_of is not None and not health_of.may_be_tainted:
                self.zones.get(health_of.zone).queue.add(name)
        self._to_evict.clear()

    def _look_at_all(self) -> None:
        for health in self.healths:
            self.queue.add(("", health.name))

    def _granted(self, name: str) -> None:
        health = self.healths.get(name)
        if health is not None and not health.is_ready:
            health.may_be_tainted = True
            self.queue.add(("", name))

    # --- one node

    async def reconcile(self, key: Key) -> None:
        node = self._nodes.indexer.get(key)
        health = self.healths.get(key[1])
        if node is None or health is None or health.uid != meta.uid(node):
            return
        if health.is_silent:
            node = await self._say_unknown(node)
        await self._set_taints(node, health)
        await self._mark_pods(node)

    async def _say_unknown(self, node: Object) -> Object:
        """The node as it is after that."""
        conditions = taints.unknown_conditions(node, times.now())
        if conditions is None:
            return node
        content = {
            "metadata": {"resourceVersion": meta.resource_version(node)},
            "status": {"conditions": conditions},
        }
        was_ready = nodes.ready_status(node) == "True"
        name = meta.namespaced_name(node)
        after = await self.client.patch(resources.NODES, name, Patch(content=content), "status")
        if was_ready:
            message = f"Node {meta.name(node)} status is now: NodeNotReady"
            self.context.recorder.event(node, events.NORMAL, "NodeNotReady", message)
        return after

    async def _set_taints(self, node: Object, health: Health) -> None:
        """Taints and labels in one write, if one is needed."""
        no_execute = self._no_execute(node, health)
        made = taints.with_taints(node, taints.no_schedule_keys(node), no_execute, times.now())
        labels = taints.labels_to_set(node)
        if made is None and not labels:
            return
        content: Object = {"metadata": {"resourceVersion": meta.resource_version(node)}}
        if labels:
            content["metadata"]["labels"] = labels
        if made is not None:
            content["spec"] = {"taints": made or None}
        await self.client.patch(resources.NODES, meta.namespaced_name(node), Patch(content=content))
        if no_execute:
            # Its turn is used up. One that came while something else was written still is its own.
            health.may_be_tainted = False

    def _no_execute(self, node: Object, health: Health) -> set[str]:
        """Of which keys the node is to have a NoExecute taint now."""
        ready = nodes.ready_status(node)
        present = {
            key
            for key in (nodes.NOT_READY, nodes.UNREACHABLE)
            if nodes.has_taint(node, key, nodes.NO_EXECUTE)
        }
        if not ready:
            return present
        key = taints.no_execute_key(ready)
        if not key or self.zones.all_disrupted:
            self.zones.get(health.zone).queue.remove(health.name)
            health.may_be_tainted = False
            if key:
                self._to_evict.add(health.name)
            return set()
        # One of the two is there: which one is no eviction more.
        if present or health.may_be_tainted:
            return {key}
        self._to_evict.add(health.name)
        return set()

    # --- its pods

    async def _mark_pods(self, node: Object) -> None:
        name, ready = meta.name(node), nodes.ready_status(node)
        late = self._late.get(name, set())
        if ready in ("True", ""):
            self._late.pop(name, None)
            return
        found = self._pods.indexer.by_index(nodes.NODE_INDEX, name)
        # A kubelet that still speaks tells of its pods itself.
        if ready == "False":
            found = tuple(pod for pod in found if meta.namespaced_name(pod) in late)
        for pod in taints.ready_pods(found):
            await self._mark_not_ready(pod)
        late.difference_update(map(meta.namespaced_name, found))

    async def _mark_not_ready(self, pod: Object) -> None:
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": times.now()}
        content = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
        patch = Patch(content=content, type=STRATEGIC_MERGE_PATCH)
        try:
            await self.client.patch(resources.PODS, meta.namespaced_name(pod), patch, "status")
        except errors.StatusError as error:
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise
            return
        self.context.recorder.event(pod, events.WARNING, "NodeNotReady", "Node is not ready")

    def _tell(self, node: Object, reason: str, message: str) -> None:
        text = f"Node {meta.name(node)} event: {message}"
        self.context.recorder.event(node, events.NORMAL, reason, text)

# SPDX-License-Identifier: Apache-2.0
"""Takes each bound Pod from Pending to its end: one worker per pod at a time, level-based.

    watch of bound Pods -> uid into WorkQueue -> sync: admit or adopt, containers, then the status
                                  ^-- when a container ends or a back-off is over    if it changed

Mirrors what `pkg/kubelet` does in pod_workers and status_manager.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, reflector, resources, rest
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Client, DeleteOptions, Patch
from pyk8s.client.store import Key
from pyk8s.client.workqueue import WorkQueue
from pyk8s.componenthelpers import volumes
from pyk8s.node import admission, adoption, containers, podstatus, resize
from pyk8s.node.addresses import Addresses
from pyk8s.node.admission import Claims, Rejection
from pyk8s.node.containers import ContainerKeeper
from pyk8s.node.dependencies import Dependencies
from pyk8s.node.known import KnownPod
from pyk8s.node.runtime import Container, Runtime
from pyk8s.node.volumemanager import VolumeManager

_log = logging.getLogger(__name__)

_WORKERS = 32
# A pod's containers that end at once are carried on this often before others get their turn.
_ROUNDS_MAX = 64
DEADLINE_EXCEEDED = (
    "DeadlineExceeded",
    "Pod was active on the node longer than the specified deadline",
)
# Upstream's podAttachAndMountTimeout: who waits for volumes longer is told so, again and again.
_MOUNT_SECONDS_MAX = 123.0
_LOOK_SECONDS_MIN = 0.1
_LOOK_SECONDS_MAX = 2.0
_NODE_INDEX = "node"
_POD_RANGE = "100.64.0.0/10"
COMPONENT = "kubelet"
# Lists of the status that a patch merges, of which every entry is the kubelet's.
_MERGED = frozenset(("podIPs", "hostIPs"))


class Nodes(Protocol):
    """The nodes whose kubelet this is: `nodes.NodeKeeper`."""

    def __contains__(self, name: object) -> bool: ...

    def node(self, name: str) -> Object:
        """The Node as last seen, even if it is gone by now. Raises KeyError for one that never
        was."""
        ...

    async def fresh_node(self, name: str) -> Object:
        """As the server has it. Raises StatusError and ServerUnreachable."""
        ...


class Kubelet:
    """The pods of all nodes that `nodes` contains. `now` is the clock, seconds since the epoch."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        nodes: Nodes,
        recorder: events.EventRecorder,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._runtime = runtime
        self._nodes = nodes
        self._recorder = recorder
        self._now = now
        self._containers = ContainerKeeper(runtime, Dependencies(client), self._tell, now)
        self._volumes = VolumeManager(client)
        self._addresses = Addresses(_POD_RANGE)
        self._pods: dict[str, KnownPod] = {}
        # What the pods of a node take of it, by node and uid.
        self._claims: defaultdict[str, dict[str, Claims]] = defaultdict(dict)
        self._deferred: defaultdict[str, set[str]] = defaultdict(set)
        self._keys: dict[str, Key] = {}
        self._pulses: dict[str, asyncio.Event] = {}
        self.queue: WorkQueue[str] = WorkQueue("pods")
        source = reflector.ResourceListWatcher(
            client=client, resource=resources.PODS, field_selector="spec.nodeName!="
        )
        self.informer = informer.SharedInformer(
            source,
            name="bound pods",
            transform=informer.without_managed_fields,
            indexes={_NODE_INDEX: lambda pod: (pod["spec"].get("nodeName", ""),)},
        )
        self.informer.add_event_handler(
            informer.Handler(
                on_add=lambda pod, _: self._changed(pod),
                on_update=self._updated,
                on_delete=lambda deleted: self._changed(informer.last_known(deleted)),
            )
        )

    def _updated(self, before: Object, after: Object) -> None:
        if meta.uid(before) != meta.uid(after):
            self._changed(before)
        self._changed(after)

    def _changed(self, pod: Object) -> None:
        if pod["spec"].get("nodeName") in self._nodes:
            self._keys[meta.uid(pod)] = meta.namespaced_name(pod)
            self.queue.add(meta.uid(pod))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.informer.run())
            await self.informer.wait_until_synced()
            self._take_over()
            for _ in range(_WORKERS):
                group.create_task(self._work())

    def _take_over(self) -> None:
        """What pods have from an earlier process is theirs, before any gets something new."""
        for pod in self.informer.indexer.list():
            status = pod.get("status") or {}
            if address := status.get("podIP"):
                self._addresses.reserve(address)
            node = pod["spec"].get("nodeName")
            is_over = status.get("phase") in ("Succeeded", "Failed")
            if node in self._nodes and status.get("startTime") and not is_over:
                self._claims[node][meta.uid(pod)] = admission.claims_of(pod)

    async def _work(self) -> None:
        while True:
            uid = await self.queue.get()
            try:
                await self._sync(uid)
                self.queue.forget(uid)
            except (errors.StatusError, rest.ServerUnreachable) as error:
                _log.info("pod not synced: pod=%s error=%s", self._keys.get(uid), error)
                self.queue.add_rate_limited(uid)
            finally:
                self.queue.done(uid)
                if pulse := self._pulses.pop(uid, None):
                    pulse.set()

    # --- for those who ask about pods

    def pods(self) -> list[Object]:
        """The pods of these nodes, shared: to be read."""
        return [p for p in self.informer.indexer.list() if p["spec"].get("nodeName") in self._nodes]

    def pods_of(self, node: str) -> tuple[Object, ...]:
        """Those of one of these nodes, shared as well."""
        return self.informer.indexer.by_index(_NODE_INDEX, node)

    def pod(self, namespace: str, name: str) -> Object | None:
        pod = self.informer.indexer.get((namespace, name))
        return pod if pod is not None and pod["spec"].get("nodeName") in self._nodes else None

    def run_of(self, pod: Object, container: str, previous: bool = False) -> Container | None:
        """The last run of the container, or the one before it; None where there is none."""
        known = self._pods.get(meta.uid(pod))
        if known is None:
            return None
        if previous and (container in known.waiting or container not in known.previous):
            # While it waits to be started again, the run that has ended is the last one.
            return known.current.get(container) if container in known.waiting else None
        return (known.previous if previous else known.current).get(container)

    async def wait_for_change(self, pod: Object, seconds_max: float | None) -> None:
        """Returns once something was done for the pod, or after that time."""
        pulse = self._pulses.setdefault(meta.uid(pod), asyncio.Event())
        try:
            async with asyncio.timeout(seconds_max):
                await pulse.wait()
        except TimeoutError:
            pass

    def look_at(self, pod: Object) -> None:
        """Something in its containers may be another than it was."""
        self.queue.add(meta.uid(pod))

    async def end_container(self, pod: Object, run: Container, exit_code: int) -> None:
        """End a container as if its process had exited."""
        await self._runtime.end_container(run, exit_code)
        self.queue.add(meta.uid(pod))

    # --- one pod

    async def _sync(self, uid: str) -> None:
        key = self._keys.get(uid)
        pod = self.informer.indexer.get(key) if key is not None else None
        if pod is None or meta.uid(pod) != uid:
            await self._forget(uid)
            return
        if pod["spec"]["nodeName"] not in self._nodes:
            # The node was deleted, its kubelet is no more: what becomes of its pods, others say.
            return
        phase: str = (pod.get("status") or {}).get("phase") or ""
        is_over = phase in ("Succeeded", "Failed")
        if is_over:
            self._release(uid, pod["spec"]["nodeName"])
        if meta.is_being_deleted(pod):
            await self._terminate(uid, pod, is_over)
        elif not is_over:
            await self._carry_on(uid, pod)
        elif (known := self._pods.get(uid)) is not None:
            # Whoever said that it is over: nothing of it runs on.
            await self._containers.stop(known, 0.0)
            await self._volumes.unmount(uid, known.node)
            await self._report(pod, known, phase)

    def _release(self, uid: str, node: str) -> None:
        claims = self._claims[node]
        if claims.pop(uid, None) is not None:
            # Those whose resize found no room look again.
            for waiting in self._deferred.pop(node, ()):
                self.queue.add(waiting)
        if not claims:
            del self._claims[node]

    async def _forget(self, uid: str) -> None:
        self._keys.pop(uid, None)
        known = self._pods.get(uid)
        if known is not None:
            await self._containers.stop(known, 0.0)
            await self._volumes.unmount(uid, known.node)
            del self._pods[uid]
            self._release(uid, known.node)
            if known.ip and known.ip != known.host_ip:
                self._addresses.give_back(known.ip)

    async def _terminate(self, uid: str, pod: Object, is_over: bool) -> None:
        known = self._pods.get(uid)
        if known is None and not is_over:
            known = await self._adopt(pod)
        if known is not None and not is_over:
            self._pods[uid] = known
            grace = float(meta.of(pod).get("deletionGracePeriodSeconds") or 0)
            if (wake_at := await self._stop(pod, known, grace)) is not None:
                # preStop hooks run: what is asked of the pod meanwhile is still answered.
                await self._report(pod, known)
                self.queue.add_after(uid, max(0.001, wake_at - self._now()))
                return
            await self._containers.stop(known, grace)
            await self._volumes.unmount(uid, known.node)
            # Whoever sees the pod gone may bind another in its place: that one finds room.
            self._release(uid, known.node)
            # Whoever holds the pod by a finalizer wants to know how it ended.
            if meta.finalizers(pod):
                await self._report(pod, known, "Failed" if _any_failed(known) else "Succeeded")
        options = DeleteOptions(grace_period_seconds=0, uid=uid)
        namespace, name = meta.namespaced_name(pod)
        try:
            await self._client.delete(resources.PODS, name, namespace, options)
        except errors.StatusError as error:
            # Gone, or another pod of that name is there: either way this one is no more.
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise

    async def _stop(self, pod: Object, known: KnownPod, grace: float) -> float | None:
        """When to look again; None once nothing of it runs any more."""
        if known.stops is None:
            self._containers.begin_stop(pod, known, grace)
        # The grace may have become shorter since.
        latest = self._now() + grace
        known.stops = {name: min(at, latest) for name, at in (known.stops or {}).items()}
        next_stop = await self._containers.advance_stop(known)
        if next_stop is None:
            return None
        self._containers.probe(pod, known, ends=True)
        next_probe = self._containers.next_probe(pod, known, ends=True)
        return next_stop if next_probe is None else min(next_stop, next_probe)

    async def _carry_on(self, uid: str, pod: Object) -> None:
        known = self._pods.get(uid) or await self._adopt(pod)
        if known is None:
            claims = admission.claims_of(pod)
            if (rejection := await self._admit(uid, pod, claims)) is not None:
                await self._reject(pod, rejection)
                return
            known = await self._begin(pod, claims)
        self._pods[uid] = known
        if known.resize is not None or known.generation != meta.generation(pod):
            self._resize(uid, pod, known)
        wake_at = await self._mount(pod, known)
        for _ in range(_ROUNDS_MAX if known.is_mounted else 0):
            wake_at = await self._containers.advance(pod, known)
            if wake_at is None or wake_at > self._now():
                break
        deadline = pod["spec"].get("activeDeadlineSeconds")
        if deadline is not None:
            over_at = known.start_time + deadline
            if over_at <= self._now():
                self._containers.begin_stop(pod, known, 0.0)
                await self._containers.stop(known, 0.0)
                known.failure = DEADLINE_EXCEEDED
                self._tell(pod, events.NORMAL, *DEADLINE_EXCEEDED)
                wake_at = None
            else:
                wake_at = min(wake_at or over_at, over_at)
        await self._report(pod, known)
        if wake_at is not None:
            self.queue.add_after(uid, max(0.001, wake_at - self._now()))

    async def _mount(self, pod: Object, known: KnownPod) -> float | None:
        """When to look again whether its volumes are usable; None once they are."""
        if known.is_mounted:
            return None
        missing = await self._volumes.mount(pod) if volumes.claim_names(pod) else None
        # What runs on from an earlier process has them already.
        if missing is None or known.current:
            known.is_mounted = True
            return None
        now = self._now()
        if known.mounts_since is None:
            known.mounts_since = known.start_time
        waited = now - known.mounts_since
        if waited >= _MOUNT_SECONDS_MAX:
            self._tell(pod, events.WARNING, "FailedMount", missing.message)
            known.mounts_since = now
            waited = 0.0
        return now + min(_LOOK_SECONDS_MAX, max(_LOOK_SECONDS_MIN, waited))

    async def _admit(self, uid: str, pod: Object, own: Claims) -> Rejection | None:
        """None where the node takes it; then what it claims is its own from here on."""
        name = pod["spec"]["nodeName"]
        claims = self._claims[name]

        def ask(node: Object) -> Rejection | None:
            others = (other for each, other in claims.items() if each != uid)
            return admission.reject(pod, own, node, others)

        rejection = ask(self._nodes.node(name))
        if rejection is not None and rejection.depends_on_node:
            rejection = ask(await self._nodes.fresh_node(name))
        if rejection is None:
            claims[uid] = own
        return rejection

    def _resize(self, uid: str, pod: Object, known: KnownPod) -> None:
        """Put the resources of the spec in force, where the node has them."""
        known.generation = meta.generation(pod)
        wanted = admission.claims_of(pod)
        claims = self._claims[known.node]
        before, known.resize = known.resize, None
        asked = any(
            known.allocated.get(name, {}) != each
            for name, each in admission.resources_of(pod).items()
        )
        if dict(wanted.requests) != dict(known.claims.requests):
            others = [other for each, other in claims.items() if each != uid]
            node = self._nodes.node(known.node)
            known.resize = admission.refuse_resize(wanted, node, others)
        if known.resize is not None:
            self._deferred[known.node].add(uid)
            if known.resize != before:
                self._tell(pod, *resize.refused(pod, known.resize))
            return
        known.restart.update(admission.restarted_by_resize(pod, known.allocated))
        known.claims = claims[uid] = wanted
        known.allocated = admission.resources_of(pod)
        for told in resize.done(pod) if asked else ():
            self._tell(pod, *told)

    async def _reject(self, pod: Object, rejection: Rejection) -> None:
        self._tell(pod, events.WARNING, rejection.reason, rejection.message)
        status = podstatus.rejected(pod, rejection.reason, rejection.message, self._now())
        await self._patch_status(pod, status)

    async def _begin(self, pod: Object, claims: Claims) -> KnownPod:
        spec = pod["spec"]
        known = KnownPod(meta.namespaced_name(pod), spec["nodeName"], self._now(), claims)
        known.allocated = admission.resources_of(pod)
        known.generation = meta.generation(pod)
        known.sandbox = await self._runtime.run_sandbox(pod)
        known.host_ip = _internal_ip(self._nodes.node(known.node))
        known.ip = known.host_ip if spec.get("hostNetwork") else self._addresses.take()
        return known

    async def _adopt(self, pod: Object) -> KnownPod | None:
        """A pod that another process has begun with; None for a new one."""
        found = adoption.adopt(pod)
        if found is None:
            return None
        node = pod["spec"]["nodeName"]
        known = KnownPod(meta.namespaced_name(pod), node, found.start_time)
        known.claims = self._claims[node].setdefault(meta.uid(pod), admission.claims_of(pod))
        known.host_ip = _internal_ip(self._nodes.node(node))
        known.ip = found.pod_ip
        known.sandbox = await self._runtime.run_sandbox(pod)
        known.current, known.previous = found.current, found.previous
        known.allocated = found.allocated
        for name, run in (*known.current.items(), *known.previous.items()):
            if (spec := podstatus.container_of(pod, name)) is not None:
                await self._runtime.adopt_container(pod, spec, run)
        self._containers.adopt_probes(pod, known, found.started, found.ready)
        return known

    def _tell(self, pod: Object, type: str, reason: str, message: str, container: str = "") -> None:
        path = podstatus.field_path(pod, container) if container else ""
        origin = events.Origin(host=pod["spec"]["nodeName"], field_path=path)
        self._recorder.event(pod, type, reason, message, origin)

    # --- status

    async def _report(self, pod: Object, known: KnownPod, final_phase: str = "") -> None:
        seen = podstatus.Seen(
            start_time=known.start_time,
            host_ip=known.host_ip,
            pod_ip=known.ip,
            has_sandbox=known.is_mounted,
            current=containers.shown(known),
            previous=known.previous,
            waiting=known.waiting,
            started=frozenset(name for name in known.current if containers.is_started(known, name)),
            ready=frozenset(containers.ready(pod, known)),
            failure=known.failure,
            allocated=known.allocated,
            resize=known.resize,
        )
        status = podstatus.status_of(pod, seen)
        if final_phase:
            status["phase"] = final_phase
        await self._patch_status(pod, status)

    async def _patch_status(self, pod: Object, status: dict[str, Any]) -> None:
        there = pod.get("status") or {}
        changes = {k: v for k, v in status.items() if not _holds(there.get(k), v)}
        if not changes:
            return
        for key in _MERGED.intersection(changes):
            if there.get(key):
                # By itself, a strategic merge patch would leave the other's entries in place.
                changes[key] = [{"$patch": "replace"}, *changes[key]]
        patch = Patch(
            content={"metadata": {"uid": meta.uid(pod)}, "status": changes},
            type=STRATEGIC_MERGE_PATCH,
        )
        try:
            await self._client.patch(resources.PODS, meta.namespaced_name(pod), patch, "status")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise


def _any_failed(known: KnownPod) -> bool:
    return any(run.exit_code for run in known.current.values())


def _internal_ip(node: Object) -> str:
    for address in (node.get("status") or {}).get("addresses") or ():
        if address["type"] == "InternalIP":
            found: str = address["address"]
            return found
    return ""


def _holds(there: Any, wanted: Any) -> bool:
    """Whether the stored value has what is wanted: conditions of others may stand beside ours,
    and what is empty is not stored."""
    if isinstance(wanted, list) and wanted and "type" in wanted[0]:
        known = {each["type"]: each for each in there or ()}
        return all(_holds(known.get(each["type"]), each) for each in wanted)
    if isinstance(wanted, list):
        if len(wanted) != len(there or ()):
            return False
        return all(map(_holds, there or (), wanted))
    if isinstance(wanted, dict):
        return all(_holds((there or {}).get(key), value) for key, value in wanted.items())
    return there == wanted or (not there and not wanted)

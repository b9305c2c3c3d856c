# SPDX-License-Identifier: Apache-2.0
"""Takes each bound Pod from Pending to its end: one worker per pod at a time, level-based.

    watch of bound Pods -> uid into WorkQueue -> sync: runtime first, then the status if it changed
                                  ^-- when a container ends or a back-off is over

Mirrors what `pkg/kubelet` does in pod_workers, kuberuntime's computePodActions and status_manager.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Iterator
from collections.abc import Container as Collection
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, reflector, resources, rest
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Client, DeleteOptions, Patch
from pyk8s.client.store import Key
from pyk8s.client.workqueue import WorkQueue
from pyk8s.node import podstatus
from pyk8s.node.runtime import Container, Runtime, Sandbox

_log = logging.getLogger(__name__)

_WORKERS = 32
# Upstream: initial and maximum container back-off; one that ran twice the maximum starts anew.
BACKOFF_FIRST_SECONDS = 10.0
BACKOFF_SECONDS_MAX = 300.0
# A pod's containers that end at once are carried on this often before others get their turn.
_ROUNDS_MAX = 64
DEADLINE_EXCEEDED = (
    "DeadlineExceeded",
    "Pod was active on the node longer than the specified deadline",
)
_POD_RANGE = "100.64.0.0/10"


@dataclass(slots=True)
class _Pod:
    """What is known of one pod here; the API object is the informer's."""

    key: Key
    node: str
    start_time: float
    ip: str = ""
    sandbox: Sandbox | None = None
    current: dict[str, Container] = field(default_factory=dict)
    previous: dict[str, Container] = field(default_factory=dict)
    delay: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    failure: tuple[str, str] | None = None


class _Addresses:
    """Pod IPs out of one range, each given to one pod at a time."""

    def __init__(self, network: str) -> None:
        self._fresh: Iterator[Any] = ipaddress.ip_network(network).hosts()
        self._free: list[str] = []

    def take(self) -> str:
        return self._free.pop(0) if self._free else str(next(self._fresh))

    def give_back(self, address: str) -> None:
        self._free.append(address)


class Kubelet:
    """The pods of all nodes that `nodes` contains. `now` is the clock, seconds since the epoch."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        nodes: Collection[str],
        *,
        node_ip: str = "127.0.0.1",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._runtime = runtime
        self._nodes = nodes
        self._node_ip = node_ip
        self._now = now
        self._addresses = _Addresses(_POD_RANGE)
        self._pods: dict[str, _Pod] = {}
        self._keys: dict[str, Key] = {}
        self._pulses: dict[str, asyncio.Event] = {}
        self._queue: WorkQueue[str] = WorkQueue("pods")
        source = reflector.ResourceListWatcher(
            client=client, resource=resources.PODS, field_selector="spec.nodeName!="
        )
        self.informer = informer.SharedInformer(
            source, name="bound pods", transform=informer.without_managed_fields
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
            self._queue.add(meta.uid(pod))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.informer.run())
            await self.informer.wait_until_synced()
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                await self._sync(uid)
                self._queue.forget(uid)
            except (errors.StatusError, rest.ServerUnreachable) as error:
                _log.info("pod not synced: pod=%s error=%s", self._keys.get(uid), error)
                self._queue.add_rate_limited(uid)
            finally:
                self._queue.done(uid)
                if pulse := self._pulses.pop(uid, None):
                    pulse.set()

    # --- for those who ask about pods

    def pods(self) -> list[Object]:
        """The pods of these nodes, shared: to be read."""
        return [p for p in self.informer.indexer.list() if p["spec"].get("nodeName") in self._nodes]

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

    async def end_container(self, pod: Object, run: Container, exit_code: int) -> None:
        """End a container as if its process had exited."""
        await self._runtime.end_container(run, exit_code)
        self._queue.add(meta.uid(pod))

    # --- one pod

    async def _sync(self, uid: str) -> None:
        key = self._keys.get(uid)
        pod = self.informer.indexer.get(key) if key is not None else None
        if pod is None or meta.uid(pod) != uid:
            await self._forget(uid)
            return
        is_over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if meta.is_being_deleted(pod):
            await self._terminate(uid, pod, is_over)
        elif not is_over:
            await self._carry_on(uid, pod)

    async def _forget(self, uid: str) -> None:
        self._keys.pop(uid, None)
        known = self._pods.pop(uid, None)
        if known is not None:
            await self._stop(known, 0.0)
            if known.ip and known.ip != self._node_ip:
                self._addresses.give_back(known.ip)

    async def _stop(self, known: _Pod, grace_seconds: float) -> None:
        for container in known.current.values():
            await self._runtime.stop_container(container, grace_seconds)

    async def _terminate(self, uid: str, pod: Object, is_over: bool) -> None:
        known = self._pods.get(uid)
        if known is not None and not is_over:
            await self._stop(known, float(meta.of(pod).get("deletionGracePeriodSeconds") or 0))
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

    async def _carry_on(self, uid: str, pod: Object) -> None:
        known = self._pods.get(uid)
        if known is None:
            known = await self._begin(pod)
            self._pods[uid] = known
        for _ in range(_ROUNDS_MAX):
            wake_at = await self._advance(pod, known)
            if wake_at is None or wake_at > self._now():
                break
        deadline = pod["spec"].get("activeDeadlineSeconds")
        if deadline is not None:
            over_at = known.start_time + deadline
            if over_at <= self._now():
                await self._stop(known, 0.0)
                known.failure = DEADLINE_EXCEEDED
                wake_at = None
            else:
                wake_at = min(wake_at or over_at, over_at)
        await self._report(pod, known)
        if wake_at is not None:
            self._queue.add_after(uid, max(0.001, wake_at - self._now()))

    async def _begin(self, pod: Object) -> _Pod:
        spec = pod["spec"]
        known = _Pod(meta.namespaced_name(pod), spec["nodeName"], self._now())
        known.sandbox = await self._runtime.run_sandbox(pod)
        known.ip = self._node_ip if spec.get("hostNetwork") else self._addresses.take()
        return known

    # --- containers

    async def _advance(self, pod: Object, known: _Pod) -> float | None:
        """Start what is to be started; when to look again, None if nothing is to come."""
        known.waiting.clear()
        wakes: list[float] = []
        for container in known.current.values():
            self._runtime.observe(container)
        if await self._advance_init(pod, known, wakes):
            policy = pod["spec"].get("restartPolicy") or "Always"
            for spec in pod["spec"]["containers"]:
                await self._keep(pod, known, spec, policy, wakes)
        for spec in pod["spec"].get("ephemeralContainers") or ():
            await self._keep(pod, known, spec, "Never", wakes)
        for container in known.current.values():
            if container.is_running and container.ends_at is not None:
                wakes.append(container.ends_at)
        return min(wakes, default=None)

    async def _advance_init(self, pod: Object, known: _Pod, wakes: list[float]) -> bool:
        """Whether the main containers may run."""
        policy = pod["spec"].get("restartPolicy") or "Always"
        for spec in pod["spec"].get("initContainers") or ():
            if podstatus.is_sidecar(spec):
                await self._keep(pod, known, spec, "Always", wakes)
                continue
            run = known.current.get(spec["name"])
            if run is not None and not run.is_running and not run.exit_code:
                continue
            await self._keep(pod, known, spec, "Never" if policy == "Never" else "OnFailure", wakes)
            run = known.current[spec["name"]]
            if run.is_running or run.exit_code:
                return False
        return True

    async def _keep(
        self, pod: Object, known: _Pod, spec: Object, policy: str, wakes: list[float]
    ) -> None:
        """Start the container, or again once its back-off is over, as its policy has it."""
        name = spec["name"]
        run = known.current.get(name)
        if run is None:
            known.current[name] = await self._runtime.start_container(pod, spec, 0)
            return
        if run.finished_at is None or policy == "Never":
            return
        if policy == "OnFailure" and not run.exit_code:
            return
        if run.finished_at - run.started_at >= 2 * BACKOFF_SECONDS_MAX:
            known.delay.pop(name, None)
        # The first restart waits for nothing; each later one twice as long as the one before.
        delay = known.delay.get(name, 0.0)
        if run.finished_at + delay > self._now():
            known.waiting[name] = ("CrashLoopBackOff", _back_off(pod, name, delay))
            wakes.append(run.finished_at + delay)
            return
        known.delay[name] = min(BACKOFF_SECONDS_MAX, delay * 2 or BACKOFF_FIRST_SECONDS)
        known.previous[name] = run
        known.current[name] = await self._runtime.start_container(pod, spec, run.attempt + 1)

    # --- status

    async def _report(self, pod: Object, known: _Pod, final_phase: str = "") -> None:
        seen = podstatus.Seen(
            start_time=known.start_time,
            host_ip=self._node_ip,
            pod_ip=known.ip,
            current=known.current,
            previous=known.previous,
            waiting=known.waiting,
            ready=frozenset(_ready(known)),
            failure=known.failure,
        )
        status = podstatus.status_of(pod, seen)
        if final_phase:
            status["phase"] = final_phase
        there = pod.get("status") or {}
        changes = {k: v for k, v in status.items() if not _holds(there.get(k), v)}
        if not changes:
            return
        patch = Patch(
            content={"metadata": {"uid": meta.uid(pod)}, "status": changes},
            type=STRATEGIC_MERGE_PATCH,
        )
        try:
            await self._client.patch(resources.PODS, known.key, patch, "status")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise


def _ready(known: _Pod) -> Iterator[str]:
    """Running, or an init container that is done; probes always succeed."""
    for name, run in known.current.items():
        if run.is_running or not run.exit_code:
            yield name


def _any_failed(known: _Pod) -> bool:
    return any(run.exit_code for run in known.current.values())


def _back_off(pod: Object, name: str, seconds: float) -> str:
    pod_name = f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"
    minutes, rest_seconds = divmod(int(seconds), 60)
    text = f"{minutes}m{rest_seconds}s" if minutes else f"{rest_seconds}s"
    return f"back-off {text} restarting failed container={name} pod={pod_name}"


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

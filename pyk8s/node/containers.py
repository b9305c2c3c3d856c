# SPDX-License-Identifier: Apache-2.0
"""Brings the containers of one Pod where its spec wants them, step by step.

Mirrors kuberuntime's computePodActions, startContainer and killContainer, and the image manager:
order of init containers, restarts with back-off, lifecycle hooks, probes, images, and the events
that tell of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client.events import NORMAL, WARNING
from pyk8s.node import dependencies, podstatus, program
from pyk8s.node.imagemanager import ImageManager
from pyk8s.node.known import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_SECONDS_MAX,
    KnownPod,
    Tell,
    Teller,
    Waiting,
)
from pyk8s.node.probes import Probes, has_probes
from pyk8s.node.runtime import Ask, Container, Hook, Outcome, Runtime

# Between looks for a ConfigMap or Secret that lacks, first and at most.
_LOOK_FIRST_SECONDS = 1.0
_LOOK_SECONDS_MAX = 10.0

READY = "simulation.pyk8s.io/ready"


class ContainerKeeper:
    """The containers of all pods. `tell` records events, `now` is the clock."""

    def __init__(
        self,
        runtime: Runtime,
        needs: dependencies.Dependencies,
        tell: Tell,
        now: Callable[[], float],
    ) -> None:
        self._runtime = runtime
        self._needs = needs
        self._tell = tell
        self._now = now
        self._teller = Teller(tell)
        self._images = ImageManager(self._teller, now)

    async def advance(self, pod: Object, known: KnownPod) -> float | None:
        """Start what is to be started; when to look again, None if nothing is to come."""
        known.waiting.clear()
        wakes: list[float] = []
        for container in known.current.values():
            self._runtime.observe(container)
        if not known.current and (fault := await dependencies.volume_fault(self._needs, pod)):
            self._teller.once(pod, known, "", ("FailedMount", fault))
            return self._next_look(known, "")
        self.probe(pod, known)
        if podstatus.is_done(pod, known.current):
            await self._end_sidecars(pod, known, wakes)
        elif await self._advance_init(pod, known, wakes):
            policy = pod["spec"].get("restartPolicy") or "Always"
            for spec in pod["spec"]["containers"]:
                if not await self._keep(pod, known, spec, policy, wakes):
                    break
        for spec in pod["spec"].get("ephemeralContainers") or ():
            await self._keep(pod, known, spec, "Never", wakes)
        for container in known.current.values():
            if container.is_running and container.ends_at is not None:
                wakes.append(container.ends_at)
        if (at := self.next_probe(pod, known)) is not None:
            wakes.append(at)
        return min(wakes, default=None)

    # --- the end

    def begin_stop(self, pod: Object, known: KnownPod, grace_seconds: float) -> None:
        """Tell that they are killed and run their preStop hooks; `stops` says when each ends."""
        now = self._now()
        known.stops = {}
        for name in _running(known):
            self._tell(pod, NORMAL, "Killing", f"Stopping container {name}", name)
            known.stops[name] = now + self._run_pre_stop(pod, known, name, grace_seconds)
        # Sidecars outlive whom they serve, and end one after the other, the last one first.
        after = max(known.stops.get(c["name"], now) for c in pod["spec"]["containers"])
        for spec in reversed(pod["spec"].get("initContainers") or ()):
            if podstatus.is_sidecar(spec) and spec["name"] in known.stops:
                after = max(known.stops[spec["name"]], after)
                known.stops[spec["name"]] = after

    async def _end_sidecars(self, pod: Object, known: KnownPod, wakes: list[float]) -> None:
        """Nobody is left whom they could serve."""
        if known.stops is None and _running(known):
            grace = float(pod["spec"].get("terminationGracePeriodSeconds") or 0)
            self.begin_stop(pod, known, grace)
        if (at := await self.advance_stop(known)) is not None:
            wakes.append(at)

    async def advance_stop(self, known: KnownPod) -> float | None:
        """Stop those whose moment has come; that of the next one, None once all have ended."""
        later = []
        for name, at in (known.stops or {}).items():
            run = self._runtime.observe(known.current[name])
            if run.is_running and at <= self._now():
                await self._runtime.stop_container(run, 0.0)
            elif run.is_running:
                later.append(at)
        return min(later, default=None)

    async def stop(self, known: KnownPod, grace_seconds: float) -> None:
        for container in known.current.values():
            await self._runtime.stop_container(container, grace_seconds)

    def _run_pre_stop(self, pod: Object, known: KnownPod, name: str, grace_seconds: float) -> float:
        """The seconds it takes."""
        spec, run = _specs(pod).get(name) or {}, known.current[name]
        handler = (spec.get("lifecycle") or {}).get("preStop")
        if not handler or grace_seconds <= 0:
            return 0.0
        outcome = self._runtime.run_hook(pod, spec, run, Hook(handler, self._now()))
        if not outcome.succeeded or outcome.seconds > grace_seconds:
            self._tell(pod, WARNING, "FailedPreStopHook", "PreStopHook failed", name)
        return min(outcome.seconds, grace_seconds)

    # --- probes

    def probe(self, pod: Object, known: KnownPod, *, ends: bool = False) -> None:
        """Ask what has fallen due; readiness alone in a pod that ends."""
        for name, probes in known.probes.items():
            if known.current[name].is_running and name not in known.ending:
                answer = self._answer(pod, known, name)
                for told in probes.advance(self._now(), answer, ends=ends):
                    self._tell(pod, WARNING, told.reason, told.message, name)

    def next_probe(self, pod: Object, known: KnownPod, *, ends: bool = False) -> float | None:
        moments = [
            probes.next(self._answer(pod, known, name), ends=ends)
            for name, probes in known.probes.items()
            if known.current[name].is_running and name not in known.ending
        ]
        return min((at for at in moments if at is not None), default=None)

    def _answer(self, pod: Object, known: KnownPod, name: str) -> Callable[[Ask], Outcome]:
        spec, run = _specs(pod)[name], known.current[name]
        return lambda ask: self._runtime.probe(pod, spec, run, ask)

    def adopt_probes(
        self, pod: Object, known: KnownPod, started: Collection[str], ready: Collection[str]
    ) -> None:
        """Go on with what an earlier process has probed."""
        for name, spec in _specs(pod).items():
            run = known.current.get(name)
            if run is not None and run.is_running and has_probes(spec):
                known.probes[name] = Probes(
                    spec,
                    run.started_at,
                    self._now(),
                    started=name in started,
                    ready=name in ready,
                )

    # --- one container

    async def _advance_init(self, pod: Object, known: KnownPod, wakes: list[float]) -> bool:
        """Whether the main containers may run."""
        policy = pod["spec"].get("restartPolicy") or "Always"
        is_initialized = any(spec["name"] in known.current for spec in pod["spec"]["containers"])
        for spec in pod["spec"].get("initContainers") or ():
            name = spec["name"]
            if podstatus.is_sidecar(spec):
                may_go_on = await self._keep(pod, known, spec, "Always", wakes)
                if not may_go_on or not (is_initialized or is_started(known, name)):
                    return False
                continue
            run = known.current.get(name)
            if run is not None and not run.is_running and not run.exit_code:
                continue
            await self._keep(pod, known, spec, "Never" if policy == "Never" else "OnFailure", wakes)
            run = known.current.get(name)
            if run is None or run.is_running or run.exit_code:
                return False
        return True

    async def _keep(
        self, pod: Object, known: KnownPod, spec: Object, policy: str, wakes: list[float]
    ) -> bool:
        """Start the container, or again once its back-off is over, as its policy has it. Whether
        the next one may be looked at: not while the postStart hook of this one runs."""
        name = spec["name"]
        run = known.current.get(name)
        if run is None:
            await self._start(pod, known, spec, 0, wakes)
            return name not in known.hooks
        if run.is_running and not await self._end_hook(pod, known, spec, wakes):
            return False
        if run.is_running:
            await self._replace(pod, known, spec, policy, wakes)
            return name not in known.hooks
        if policy == "Never" or (policy == "OnFailure" and not run.exit_code):
            return True
        await self._restart(pod, known, spec, run, wakes)
        return name not in known.hooks

    async def _restart(
        self,
        pod: Object,
        known: KnownPod,
        spec: Object,
        since: Container | None,
        wakes: list[float],
    ) -> None:
        """Start it again, or wait for its back-off, which counts from the end of `since`. The
        first restart waits for nothing; each later one twice as long as the one before."""
        name = spec["name"]
        run = known.current[name]
        if since is None:
            await self._start(pod, known, spec, run.attempt + 1, wakes)
            return
        assert since.finished_at is not None
        assert run.finished_at is not None
        if since.finished_at - since.started_at >= 2 * BACKOFF_SECONDS_MAX:
            known.delay.pop(name, None)
        delay = known.delay.get(name, 0.0)
        if since.finished_at + delay > self._now():
            message = _back_off(pod, name, delay)
            known.waiting[name] = ("CrashLoopBackOff", message)
            wakes.append(run.finished_at + delay)
            text = f"Back-off restarting failed container {name} in pod {_full_name(pod)}"
            self._teller.once(pod, known, name, ("BackOff", text))
            return
        if await self._start(pod, known, spec, run.attempt + 1, wakes):
            known.delay[name] = min(BACKOFF_SECONDS_MAX, delay * 2 or BACKOFF_FIRST_SECONDS)

    async def _replace(
        self, pod: Object, known: KnownPod, spec: Object, policy: str, wakes: list[float]
    ) -> None:
        """End a container that runs and is not to run on, and start it again."""
        name = spec["name"]
        run = known.current[name]
        changed = _what_changed(known, spec, run)
        probes = known.probes.get(name)
        failed = probes.failed if probes is not None else ""
        if not changed and not failed:
            return
        grace: float | None = None
        if failed and probes is not None and not changed:
            changed = f"Container {name} failed {failed} probe"
            changed += ", will be restarted" if policy != "Never" else ""
            grace = probes.grace_seconds(failed)
        if grace is None:
            grace = float(pod["spec"].get("terminationGracePeriodSeconds") or 0)
        if name not in known.ending:
            self._tell(pod, NORMAL, "Killing", changed, name)
            took = self._run_pre_stop(pod, known, name, float(grace))
            known.ending[name] = self._now() + took
        if known.ending[name] > self._now():
            wakes.append(known.ending[name])
            return
        del known.ending[name]
        known.restart.discard(name)
        await self._runtime.stop_container(run, 0.0)
        if not failed:
            await self._start(pod, known, spec, run.attempt + 1, wakes)
        elif policy != "Never":
            # Upstream has not seen its end yet: the back-off counts from the one before.
            await self._restart(pod, known, spec, known.previous.get(name), wakes)

    async def _start(
        self, pod: Object, known: KnownPod, spec: Object, attempt: int, wakes: list[float]
    ) -> bool:
        name = spec["name"]
        waits = self._images.pull(pod, known, spec)
        if waits is None:
            fault = await dependencies.environment_fault(self._needs, pod, spec)
            if fault:
                self._teller.once(pod, known, name, ("Failed", f"Error: {fault}"))
                until = self._next_look(known, name)
                waits = Waiting("CreateContainerConfigError", fault, until)
        if waits is not None:
            known.waiting[name] = waits.reason, waits.message
            wakes.append(waits.until)
            return False
        if (before := known.current.get(name)) is not None:
            known.previous[name] = before
        known.probes.pop(name, None)
        run = known.current[name] = await self._runtime.start_container(pod, spec, attempt)
        self._tell(pod, NORMAL, "Created", "Container created", name)
        self._tell(pod, NORMAL, "Started", "Container started", name)
        if handler := (spec.get("lifecycle") or {}).get("postStart"):
            outcome = self._runtime.run_hook(pod, spec, run, Hook(handler, self._now()))
            known.hooks[name] = self._now() + outcome.seconds, outcome
            await self._end_hook(pod, known, spec, wakes)
        elif has_probes(spec):
            self._begin_probes(pod, known, spec)
        return True

    def _begin_probes(self, pod: Object, known: KnownPod, spec: Object) -> None:
        since = known.current[spec["name"]].started_at
        known.probes[spec["name"]] = Probes(spec, since, self._now())
        self.probe(pod, known)

    async def _end_hook(
        self, pod: Object, known: KnownPod, spec: Object, wakes: list[float]
    ) -> bool:
        """False while the postStart hook runs; one that fails takes its container with it."""
        name = spec["name"]
        if name not in known.hooks:
            return True
        until, outcome = known.hooks[name]
        if until > self._now():
            wakes.append(until)
            return False
        del known.hooks[name]
        if outcome.succeeded:
            if has_probes(spec):
                self._begin_probes(pod, known, spec)
            return True
        self._tell(pod, WARNING, "FailedPostStartHook", "PostStartHook failed", name)
        self._tell(pod, NORMAL, "Killing", "FailedPostStartHook", name)
        await self._runtime.stop_container(known.current[name], 0.0)
        # What becomes of it now, the next look says.
        wakes.append(self._now())
        return True

    def _next_look(self, known: KnownPod, name: str) -> float:
        """When to look again for what a container lacks, or the pod: ever later."""
        delay, at = known.looks.get(name, (0.0, 0.0))
        if at <= self._now():
            delay = min(_LOOK_SECONDS_MAX, delay * 2 or _LOOK_FIRST_SECONDS)
            at = self._now() + delay
            known.looks[name] = delay, at
        return at


def shown(known: KnownPod) -> dict[str, Container]:
    """The runs that the status tells of: one whose postStart hook is not over is none yet."""
    if not known.hooks:
        return known.current
    found = {**known.current, **{n: known.previous.get(n) for n in known.hooks}}
    return {name: run for name, run in found.items() if run is not None}


def is_started(known: KnownPod, name: str) -> bool:
    """It runs, its postStart hook is over, and its startup probe has succeeded."""
    run = known.current.get(name)
    if run is None or not run.is_running or name in known.hooks:
        return False
    probes = known.probes.get(name)
    return probes is None or probes.started


def ready(pod: Object, known: KnownPod) -> Iterator[str]:
    """Running, as ready as its probe finds it and not declared unready; or an init container that
    is done."""
    specs = _specs(pod)
    for name, run in known.current.items():
        if not run.is_running:
            if not run.exit_code:
                yield name
            continue
        probes = known.probes.get(name)
        if name in known.hooks or (probes is not None and not probes.ready):
            continue
        if program.annotation(pod, specs.get(name) or {"name": name}, READY) != "false":
            yield name


def _what_changed(known: KnownPod, spec: Object, run: Container) -> str:
    """Why a container that runs has to be another one; empty where it has not."""
    name = spec["name"]
    if run.image != spec.get("image"):
        return f"Container {name} definition changed, will be restarted"
    if name in known.restart:
        return f"Container {name} resize requires restart"
    return ""


def _running(known: KnownPod) -> list[str]:
    return [name for name, run in known.current.items() if run.is_running]


def _specs(pod: Object) -> dict[str, Any]:
    spec = pod["spec"]
    return {c["name"]: c for c in (*(spec.get("initContainers") or ()), *spec["containers"])}


def _full_name(pod: Object) -> str:
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


def _back_off(pod: Object, name: str, seconds: float) -> str:
    minutes, rest_seconds = divmod(int(seconds), 60)
    text = f"{minutes}m{rest_seconds}s" if minutes else f"{rest_seconds}s"
    return f"back-off {text} restarting failed container={name} pod={_full_name(pod)}"

# SPDX-License-Identifier: Apache-2.0
"""Brings the containers of one Pod where its spec wants them, step by step.

Mirrors kuberuntime's computePodActions, startContainer and killContainer, and the image manager:
order of init containers, restarts with back-off, images, and the events that tell of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client.events import NORMAL, WARNING
from pyk8s.client.store import Key
from pyk8s.node import dependencies, podstatus, program
from pyk8s.node.admission import Claims
from pyk8s.node.runtime import Container, Runtime, Sandbox

# Upstream: initial and maximum container back-off; one that ran twice the maximum starts anew.
BACKOFF_FIRST_SECONDS = 10.0
BACKOFF_SECONDS_MAX = 300.0
# After a pull that failed, before ImagePullBackOff is told; and between looks for what lacks.
_LOOK_AGAIN_SECONDS = 1.0

PULL_ERROR = "simulation.pyk8s.io/image-pull-error"
READY = "simulation.pyk8s.io/ready"

_IMAGE = re.compile(
    r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


class Waiting(NamedTuple):
    """Why a container does not run, and when to look again."""

    reason: str
    message: str
    until: float


@dataclass(slots=True)
class KnownPod:
    """What is known of one pod here; the API object is the informer's. `delay` is the last
    back-off by container, `pulls` that of its image and until when it holds."""

    key: Key
    node: str
    start_time: float
    claims: Claims = field(default_factory=Claims)
    ip: str = ""
    host_ip: str = ""
    sandbox: Sandbox | None = None
    current: dict[str, Container] = field(default_factory=dict)
    previous: dict[str, Container] = field(default_factory=dict)
    delay: dict[str, float] = field(default_factory=dict)
    pulls: dict[str, tuple[float, float]] = field(default_factory=dict)
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    failure: tuple[str, str] | None = None
    # The last thing told of a container, so that it is told once.
    told: dict[str, tuple[str, int]] = field(default_factory=dict)
    stops_at: float | None = None


class Tell(Protocol):
    def __call__(
        self, pod: Object, type: str, reason: str, message: str, container: str = ""
    ) -> None: ...


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
        self._images: dict[str, set[str]] = {}

    async def advance(self, pod: Object, known: KnownPod) -> float | None:
        """Start what is to be started; when to look again, None if nothing is to come."""
        known.waiting.clear()
        wakes: list[float] = []
        for container in known.current.values():
            self._runtime.observe(container)
        if not known.current and (fault := await dependencies.volume_fault(self._needs, pod)):
            self._tell_once(pod, known, "", ("FailedMount", fault))
            return self._now() + _LOOK_AGAIN_SECONDS
        if await self._advance_init(pod, known, wakes):
            policy = pod["spec"].get("restartPolicy") or "Always"
            for spec in pod["spec"]["containers"]:
                await self._keep(pod, known, spec, policy, wakes)
        for container in known.current.values():
            if container.is_running and container.ends_at is not None:
                wakes.append(container.ends_at)
        return min(wakes, default=None)

    def begin_stop(self, pod: Object, known: KnownPod, grace_seconds: float) -> float:
        """Tell that they are killed and run their preStop hooks; when these are over."""
        took = 0.0
        for name in _running(known):
            self._tell(pod, NORMAL, "Killing", f"Stopping container {name}", name)
            took = max(took, _hook_seconds(pod, name, "preStop"))
        return self._now() + min(took, grace_seconds)

    async def stop(self, known: KnownPod, grace_seconds: float) -> None:
        for container in known.current.values():
            await self._runtime.stop_container(container, grace_seconds)

    async def _advance_init(self, pod: Object, known: KnownPod, wakes: list[float]) -> bool:
        """Whether the main containers may run."""
        policy = pod["spec"].get("restartPolicy") or "Always"
        for spec in pod["spec"].get("initContainers") or ():
            if podstatus.is_sidecar(spec):
                await self._keep(pod, known, spec, "Always", wakes)
                if spec["name"] not in known.current:
                    return False
                continue
            run = known.current.get(spec["name"])
            if run is not None and not run.is_running and not run.exit_code:
                continue
            await self._keep(pod, known, spec, "Never" if policy == "Never" else "OnFailure", wakes)
            run = known.current.get(spec["name"])
            if run is None or run.is_running or run.exit_code:
                return False
        return True

    async def _keep(
        self, pod: Object, known: KnownPod, spec: Object, policy: str, wakes: list[float]
    ) -> None:
        """Start the container, or again once its back-off is over, as its policy has it."""
        name = spec["name"]
        run = known.current.get(name)
        if run is None:
            await self._start(pod, known, spec, 0, wakes)
            return
        if run.is_running:
            if run.image != spec.get("image"):
                await self._replace(pod, known, spec, wakes)
            return
        if policy == "Never" or (policy == "OnFailure" and not run.exit_code):
            return
        assert run.finished_at is not None
        if run.finished_at - run.started_at >= 2 * BACKOFF_SECONDS_MAX:
            known.delay.pop(name, None)
        # The first restart waits for nothing; each later one twice as long as the one before.
        delay = known.delay.get(name, 0.0)
        if run.finished_at + delay > self._now():
            message = _back_off(pod, name, delay)
            known.waiting[name] = ("CrashLoopBackOff", message)
            wakes.append(run.finished_at + delay)
            text = f"Back-off restarting failed container {name} in pod {_full_name(pod)}"
            self._tell_once(pod, known, name, ("BackOff", text))
            return
        if await self._start(pod, known, spec, run.attempt + 1, wakes):
            known.delay[name] = min(BACKOFF_SECONDS_MAX, delay * 2 or BACKOFF_FIRST_SECONDS)

    async def _replace(
        self, pod: Object, known: KnownPod, spec: Object, wakes: list[float]
    ) -> None:
        name = spec["name"]
        run = known.current[name]
        message = f"Container {name} definition changed, will be restarted"
        self._tell(pod, NORMAL, "Killing", message, name)
        grace = float(pod["spec"].get("terminationGracePeriodSeconds") or 0)
        await self._runtime.stop_container(run, grace)
        await self._start(pod, known, spec, run.attempt + 1, wakes)

    async def _start(
        self, pod: Object, known: KnownPod, spec: Object, attempt: int, wakes: list[float]
    ) -> bool:
        name = spec["name"]
        waits = self._pull(pod, known, spec)
        if waits is None:
            fault = await dependencies.environment_fault(self._needs, pod, spec)
            if fault:
                self._tell_once(pod, known, name, ("Failed", f"Error: {fault}"))
                until = self._now() + _LOOK_AGAIN_SECONDS
                waits = Waiting("CreateContainerConfigError", fault, until)
        if waits is not None:
            known.waiting[name] = waits.reason, waits.message
            wakes.append(waits.until)
            return False
        if (before := known.current.get(name)) is not None:
            known.previous[name] = before
        known.current[name] = await self._runtime.start_container(pod, spec, attempt)
        self._tell(pod, NORMAL, "Created", "Container created", name)
        self._tell(pod, NORMAL, "Started", "Container started", name)
        return True

    # --- images

    def _pull(self, pod: Object, known: KnownPod, spec: Object) -> Waiting | None:
        """None once the image is on the node."""
        name, image = spec["name"], spec.get("image") or ""
        if not _IMAGE.fullmatch(image):
            text = (
                f'Failed to apply default image tag "{image}": couldn\'t parse image name '
                f'"{image}": invalid reference format'
            )
            self._tell_once(pod, known, name, ("InspectFailed", text))
            return Waiting("InvalidImageName", text, self._now() + BACKOFF_SECONDS_MAX)
        there = self._images.setdefault(known.node, set())
        policy = spec.get("imagePullPolicy")
        if image in there and policy != "Always":
            text = f'Container image "{image}" already present on machine and can be accessed'
            self._tell(pod, NORMAL, "Pulled", f"{text} by the pod", name)
            return None
        error = program.annotation(pod, spec, PULL_ERROR)
        if error is not None and policy != "Never":
            return self._failed_pull(pod, known, spec, error)
        known.pulls.pop(image, None)
        there.add(image)
        self._tell(pod, NORMAL, "Pulling", f'Pulling image "{image}"', name)
        text = f'Successfully pulled image "{image}" in 0s (0s including waiting)'
        self._tell(pod, NORMAL, "Pulled", text, name)
        return None

    def _failed_pull(self, pod: Object, known: KnownPod, spec: Object, error: str) -> Waiting:
        name, image = spec["name"], spec.get("image") or ""
        delay, until = known.pulls.get(image, (0.0, 0.0))
        if until > self._now():
            text = f'Back-off pulling image "{image}"'
            self._tell_once(pod, known, name, ("BackOff", text), NORMAL)
            return Waiting("ImagePullBackOff", f"{text}: ErrImagePull: {error}", until)
        self._tell(pod, NORMAL, "Pulling", f'Pulling image "{image}"', name)
        self._tell(pod, WARNING, "Failed", f'Failed to pull image "{image}": {error}', name)
        self._tell_once(pod, known, name, ("Failed", "Error: ErrImagePull"))
        delay = min(BACKOFF_SECONDS_MAX, delay * 2 or BACKOFF_FIRST_SECONDS)
        known.pulls[image] = delay, self._now() + delay
        return Waiting("ErrImagePull", error, self._now() + _LOOK_AGAIN_SECONDS)

    def _tell_once(
        self,
        pod: Object,
        known: KnownPod,
        name: str,
        what: tuple[str, str],
        type: str = WARNING,
    ) -> None:
        """An event of reason and message, unless it was the last one of this container's run."""
        run = known.current.get(name)
        mark = what[1], run.attempt if run is not None else -1
        if known.told.get(name) != mark:
            known.told[name] = mark
            self._tell(pod, type, *what, container=name)


def ready(pod: Object, known: KnownPod) -> Iterator[str]:
    """Running and not declared unready, or an init container that is done."""
    specs = _specs(pod)
    for name, run in known.current.items():
        if not run.is_running:
            if not run.exit_code:
                yield name
        elif program.annotation(pod, specs.get(name) or {"name": name}, READY) != "false":
            yield name


def _running(known: KnownPod) -> list[str]:
    return [name for name, run in known.current.items() if run.is_running]


def _specs(pod: Object) -> dict[str, Any]:
    spec = pod["spec"]
    return {c["name"]: c for c in (*(spec.get("initContainers") or ()), *spec["containers"])}


def _hook_seconds(pod: Object, name: str, hook: str) -> float:
    """How long a lifecycle hook takes: what it sleeps, in whichever way it says so."""
    lifecycle = (_specs(pod).get(name) or {}).get("lifecycle") or {}
    action = lifecycle.get(hook) or {}
    if "sleep" in action:
        return float(action["sleep"].get("seconds") or 0)
    command = (action.get("exec") or {}).get("command")
    return (program.of_command(command).seconds or 0.0) if command else 0.0


def _full_name(pod: Object) -> str:
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


def _back_off(pod: Object, name: str, seconds: float) -> str:
    minutes, rest_seconds = divmod(int(seconds), 60)
    text = f"{minutes}m{rest_seconds}s" if minutes else f"{rest_seconds}s"
    return f"back-off {text} restarting failed container={name} pod={_full_name(pod)}"

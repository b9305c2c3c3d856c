# SPDX-License-Identifier: Apache-2.0
"""What a kubelet asks of a container runtime: the part of CRI that pods need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pyk8s.apimachinery.gvk import Object
from pyk8s.node.files import Files
from pyk8s.node.shell import Printed


@dataclass(slots=True, kw_only=True)
class Container:
    """One run of one container. Moments are seconds since the epoch; `finished_at` is None while
    it runs. `ends_at` is when it ends by itself and `printed` what it prints until then, where the
    runtime knows that beforehand; `files` are those it knows of."""

    id: str
    name: str
    image: str
    image_id: str
    attempt: int
    started_at: float
    ends_at: float | None = None
    finished_at: float | None = None
    exit_code: int = 0
    printed: tuple[Printed, ...] = ()
    files: Files = field(default_factory=Files)

    @property
    def is_running(self) -> bool:
        return self.finished_at is None


class Outcome(NamedTuple):
    """What a probe or a lifecycle hook has come to, and after how many seconds. `error` says why
    there is no result at all. One at a later moment before `until` would come to the same, unless
    somebody steps in; None for ever."""

    succeeded: bool = True
    output: str = ""
    seconds: float = 0.0
    error: str = ""
    until: float | None = None


class Ask(NamedTuple):
    """A probe, `kind` being startup, readiness or liveness, at a moment in seconds since the
    epoch."""

    kind: str
    probe: Object
    at: float


class Hook(NamedTuple):
    """A lifecycle handler, begun at a moment in seconds since the epoch."""

    handler: Object
    at: float


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What the containers of one pod share."""

    id: str


class Runtime(Protocol):
    """Runs pods. Sandboxes and containers belong to the runtime: only it changes them."""

    name: str
    version: str

    async def run_sandbox(self, pod: Object) -> Sandbox: ...

    async def start_container(self, pod: Object, spec: Object, attempt: int) -> Container:
        """Create and start one run of the container."""
        ...

    async def adopt_container(self, pod: Object, spec: Object, container: Container) -> None:
        """Go on with one that an earlier process of this node has started, or has seen end."""
        ...

    def observe(self, container: Container) -> Container:
        """Its state as it is now."""
        ...

    def probe(self, pod: Object, spec: Object, container: Container, ask: Ask) -> Outcome:
        """What a probe comes to."""
        ...

    def run_hook(self, pod: Object, spec: Object, container: Container, hook: Hook) -> Outcome:
        """Begin a lifecycle hook at this moment; what it comes to."""
        ...

    async def stop_container(self, container: Container, grace_seconds: float) -> None:
        """Ask it to end, and end it after the grace; returns once it has ended."""
        ...

    async def end_container(self, container: Container, exit_code: int) -> None:
        """Its process has come to its end by what somebody attached to it has done."""
        ...

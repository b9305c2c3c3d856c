# SPDX-License-Identifier: Apache-2.0
"""What a kubelet asks of a container runtime: the part of CRI that pods need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pyk8s.apimachinery.gvk import Object


@dataclass(slots=True, kw_only=True)
class Container:
    """One run of one container. Moments are seconds since the epoch; `finished_at` is None while
    it runs. `ends_at` is when it ends by itself, where the runtime knows that beforehand."""

    id: str
    name: str
    image: str
    image_id: str
    attempt: int
    started_at: float
    ends_at: float | None = None
    finished_at: float | None = None
    exit_code: int = 0

    @property
    def is_running(self) -> bool:
        return self.finished_at is None


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
        """Go on with one that an earlier process of this node has started."""
        ...

    def observe(self, container: Container) -> Container:
        """Its state as it is now."""
        ...

    async def stop_container(self, container: Container, grace_seconds: float) -> None:
        """Ask it to end, and end it after the grace; returns once it has ended."""
        ...

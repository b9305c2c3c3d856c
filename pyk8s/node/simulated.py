# SPDX-License-Identifier: Apache-2.0
"""The runtime that runs nothing: its containers are programs of which the end is known."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

import pyk8s
from pyk8s.apimachinery.gvk import Object
from pyk8s.node import answers, images, program
from pyk8s.node.files import Change, Files
from pyk8s.node.program import Program
from pyk8s.node.runtime import Ask, Container, Hook, Outcome, Sandbox

_SCHEME = "simulated://"


class SimulatedRuntime:
    """A node.runtime.Runtime. `now` is the clock, seconds since the epoch."""

    name = "simulated"
    version = pyk8s.__version__

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._stop_codes: dict[str, int] = {}

    async def run_sandbox(self, pod: Object) -> Sandbox:
        return Sandbox(_SCHEME + secrets.token_hex(32))

    async def start_container(self, pod: Object, spec: Object, attempt: int) -> Container:
        found = program.of(pod, spec)
        began = self._now()
        image = spec.get("image") or ""
        container = Container(
            id=_SCHEME + secrets.token_hex(32),
            name=spec["name"],
            image=image,
            image_id=f"{_SCHEME}sha256:{hashlib.sha256(image.encode()).hexdigest()}",
            attempt=attempt,
            started_at=began,
            ends_at=None if found.seconds is None else began + found.seconds,
            exit_code=found.exit_code,
            printed=found.printed,
            files=_files(found, spec),
        )
        self._stop_codes[container.id] = found.stop_code
        return container

    async def adopt_container(self, pod: Object, spec: Object, container: Container) -> None:
        found = program.of(pod, spec)
        container.printed = found.printed
        container.files = _files(found, spec)
        if not container.is_running:
            return
        if found.seconds is not None:
            container.ends_at = container.started_at + found.seconds
            container.exit_code = found.exit_code
        self._stop_codes[container.id] = found.stop_code

    def observe(self, container: Container) -> Container:
        ends = container.ends_at
        if container.is_running and ends is not None and ends <= self._now():
            container.finished_at = ends
            self._stop_codes.pop(container.id, None)
        return container

    def probe(self, pod: Object, spec: Object, container: Container, ask: Ask) -> Outcome:
        return answers.of_probe(pod, spec, container, ask)

    def run_hook(self, pod: Object, spec: Object, container: Container, hook: Hook) -> Outcome:
        return answers.of_hook(pod, spec, container, hook)

    async def stop_container(self, container: Container, grace_seconds: float) -> None:
        if self.observe(container).is_running:
            container.exit_code = self._stop_codes.pop(container.id, 0)
            container.finished_at = self._now()

    async def end_container(self, container: Container, exit_code: int) -> None:
        if self.observe(container).is_running:
            self._stop_codes.pop(container.id, None)
            container.exit_code = exit_code
            container.finished_at = self._now()


def _files(found: Program, spec: Object) -> Files:
    command = [*(spec.get("command") or ()), *(spec.get("args") or ())]
    there = images.files(spec.get("image") or "", command)
    changes = (*(Change(0.0, path, content) for path, content in there.items()), *found.changes)
    return Files(changes, knows_all=bool(there) or not found.is_server)

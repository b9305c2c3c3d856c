# SPDX-License-Identifier: Apache-2.0
"""From a chosen node to a bound pod: Reserve, Permit, PreBind, Bind and PostBind, in order.

What was reserved is unreserved, in reverse, when a later step says no. Mirrors the binding half of
`pkg/scheduler/schedule_one.go` and of `framework/runtime/framework.go`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from pyk8s.scheduler.evaluation import Profile
from pyk8s.scheduler.framework import interface
from pyk8s.scheduler.framework.interface import CycleState
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import SUCCESS, Code, Status
from pyk8s.scheduler.metrics import SchedulerMetrics

# However long a plugin asks for.
_PERMIT_SECONDS_MAX = 900.0


class BindingCycle:
    """The steps of one profile. A rejection names its plugin; plugins may raise StatusError and
    ServerUnreachable from `bind`, and the pod is unreserved then too."""

    def __init__(self, profile: Profile, metrics: SchedulerMetrics) -> None:
        self._profile = profile.name
        self._metrics = metrics
        self._reserve = profile.having(interface.ReservePlugin)
        self._permit = profile.having(interface.PermitPlugin)
        self._pre_bind = profile.having(interface.PreBindPlugin)
        self._bind = profile.having(interface.BindPlugin)
        self._post_bind = profile.having(interface.PostBindPlugin)
        self._waiting: dict[str, asyncio.Future[Status]] = {}

    def reserve(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        began = time.perf_counter()
        status = self._reserved(state, pod, node)
        self._measure("Reserve", began, status)
        return status

    def _reserved(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        for plugin in self._reserve:
            status: Status = plugin.reserve(state, pod, node)
            if not status.is_success:
                self.unreserve(state, pod, node)
                return _by(plugin, status)
        return SUCCESS

    def unreserve(self, state: CycleState, pod: PodInfo, node: str) -> None:
        for plugin in reversed(self._reserve):
            plugin.unreserve(state, pod, node)

    def _measure(self, point: str, began: float, status: Status) -> None:
        seconds = time.perf_counter() - began
        self._metrics.point_seconds.observe(seconds, point, status.code.value, self._profile)

    async def run(
        self, state: CycleState, pod: PodInfo, node: str, permitted: Callable[[str], None]
    ) -> Status:
        """After `reserve`. `permitted` is told the uid once no plugin can hold the pod any more."""
        bound = False
        try:
            status = await self._permitted(state, pod, node)
            if status.is_success:
                permitted(pod.uid)
                status = await self._steps(state, pod, node)
            bound = status.is_success
        finally:
            if not bound:
                self.unreserve(state, pod, node)
        for plugin in self._post_bind if bound else ():
            plugin.post_bind(state, pod, node)
        return status

    def allow(self, uid: str) -> None:
        """A pod that Permit holds may go on."""
        self._decide(uid, SUCCESS)

    def reject(self, uid: str, status: Status) -> None:
        """A pod that Permit holds has to look for another node."""
        self._decide(uid, status)

    def _decide(self, uid: str, status: Status) -> None:
        verdict = self._waiting.get(uid)
        if verdict is not None and not verdict.done():
            verdict.set_result(status)

    async def _steps(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        began = time.perf_counter()
        status = await self._prepared(state, pod, node)
        self._measure("PreBind", began, status)
        if not status.is_success:
            return status
        began = time.perf_counter()
        status = await self._bound(state, pod, node)
        self._measure("Bind", began, status)
        return status

    async def _prepared(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        for plugin in self._pre_bind:
            status: Status = await plugin.pre_bind(state, pod, node)
            if not status.is_success and status.code is not Code.SKIP:
                return _by(plugin, status)
        return SUCCESS

    async def _bound(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        for plugin in self._bind:
            status: Status = await plugin.bind(state, pod, node)
            if status.code is not Code.SKIP:
                return _by(plugin, status)
        return Status(Code.ERROR, ("no plugin bound the pod",))

    async def _permitted(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        waits: list[tuple[Any, float]] = []
        for plugin in self._permit:
            status, seconds = plugin.permit(state, pod, node)
            if status.code is Code.WAIT:
                waits.append((plugin, min(seconds, _PERMIT_SECONDS_MAX)))
            elif not status.is_success:
                return _by(plugin, status)
        return await self._wait(pod.uid, waits) if waits else SUCCESS

    async def _wait(self, uid: str, waits: Sequence[tuple[Any, float]]) -> Status:
        plugin, seconds = min(waits, key=lambda each: each[1])
        verdict: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
        self._waiting[uid] = verdict
        began = time.perf_counter()
        try:
            async with asyncio.timeout(seconds):
                status = await verdict
        except TimeoutError:
            reason = f"timeout after waiting {seconds:g}s at WaitOnPermit"
            status = Status(Code.UNSCHEDULABLE, (reason,), plugin.name)
        finally:
            del self._waiting[uid]
        self._metrics.permit_seconds.observe(time.perf_counter() - began, status.code.value)
        return status


def _by(plugin: Any, status: Status) -> Status:
    return Status(status.code, status.reasons, plugin.name)

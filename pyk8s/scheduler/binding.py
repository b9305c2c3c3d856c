# SPDX-License-Identifier: Apache-2.0
"""From a chosen node to a bound pod: Reserve, Permit, PreBind, Bind and PostBind, in order.

    reserve (nothing suspends): Reserve, Permit -> run: wait for who said Wait, PreBind, Bind

What was reserved is unreserved, in reverse, when a later step says no. Mirrors the binding half of
`pkg/scheduler/schedule_one.go` and of `framework/runtime/framework.go`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pyk8s.scheduler.extender import ExtenderError, Extenders
from pyk8s.scheduler.framework import interface
from pyk8s.scheduler.framework.interface import CycleState
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.profile import Profile
from pyk8s.scheduler.framework.status import SUCCESS, Code, PluginError, Status
from pyk8s.scheduler.framework.waiting import WaitingPod, WaitingPods
from pyk8s.scheduler.metrics import SchedulerMetrics


class BindingCycle:
    """The steps of one profile. A rejection names its plugin; plugins may raise StatusError and
    ServerUnreachable from `bind`, and the pod is unreserved then too."""

    def __init__(
        self,
        profile: Profile,
        waiting: WaitingPods,
        metrics: SchedulerMetrics,
        extenders: Extenders | None = None,
    ) -> None:
        self._extenders = extenders or Extenders()
        self._profile = profile.name
        self._metrics = metrics
        self._reserve = profile.having(interface.ReservePlugin)
        self._permit = profile.having(interface.PermitPlugin)
        self._pre_bind = profile.having(interface.PreBindPlugin)
        self._bind = profile.having(interface.BindPlugin)
        self._post_bind = profile.having(interface.PostBindPlugin)
        self._waiting = waiting

    def reserve(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        """Reserve and Permit: after a rejection nothing is reserved."""
        began = time.perf_counter()
        status = self._reserved(state, pod, node)
        self._measure("Reserve", began, status)
        if status.is_success:
            began = time.perf_counter()
            status = self._permitted(state, pod, node)
            self._measure("Permit", began, status)
        if not status.is_success:
            self.unreserve(state, pod, node)
        return status

    def _reserved(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        for plugin in self._reserve:
            try:
                status: Status = plugin.reserve(state, pod, node)
            except PluginError as error:
                return Status(Code.ERROR, (str(error),), plugin.name)
            if not status.is_success:
                return _by(plugin, status, "Reserve")
        return SUCCESS

    def _permitted(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        seconds: dict[str, float] = {}
        for plugin in self._permit:
            try:
                status, of_plugin = plugin.permit(state, pod, node)
            except PluginError as error:
                return Status(Code.ERROR, (str(error),), plugin.name)
            if status.code is Code.WAIT:
                seconds[plugin.name] = of_plugin
            elif not status.is_success:
                return _by(plugin, status, "Permit")
        if seconds:
            self._waiting.add(WaitingPod(pod, node, seconds))
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
        """After `reserve`. `permitted` is told the uid once no plugin holds the pod any more."""
        bound = False
        try:
            status = await self._wait(pod)
            if status.is_success:
                permitted(pod.uid)
                status = await self._steps(state, pod, node)
            bound = status.is_success
        except PluginError as error:
            status = Status(Code.ERROR, (str(error),), error.plugin)
        finally:
            self._waiting.remove(pod.uid)
            if not bound:
                self.unreserve(state, pod, node)
        for plugin in self._post_bind if bound else ():
            plugin.post_bind(state, pod, node)
        return status

    async def _wait(self, pod: PodInfo) -> Status:
        waiting = self._waiting.get(pod.uid)
        if waiting is None:
            return SUCCESS
        began = time.perf_counter()
        status = await waiting.verdict()
        self._metrics.permit_seconds.observe(time.perf_counter() - began, status.code.value)
        return status

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
                return _by(plugin, status, "PreBind")
        return SUCCESS

    async def _bound(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        try:
            if await self._extenders.bind(pod, node):
                return SUCCESS
        except ExtenderError as error:
            return Status(Code.ERROR, (str(error),))
        for plugin in self._bind:
            status: Status = await plugin.bind(state, pod, node)
            if status.code is not Code.SKIP:
                return _by(plugin, status, "Bind")
        return Status(Code.ERROR, ("no plugin bound the pod",))


def _by(plugin: Any, status: Status, point: str) -> Status:
    if status.is_success or status.is_rejected:
        return Status(status.code, status.reasons, plugin.name)
    message = f'running {point} plugin "{plugin.name}": {status.message}'
    return Status(Code.ERROR, (message,), plugin.name)

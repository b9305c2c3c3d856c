# SPDX-License-Identifier: Apache-2.0
"""Pods that Permit plugins hold on their way: `framework/runtime/waiting_pods_map.go`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from pyk8s.apimachinery import durations
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import SUCCESS, Code, Status

# However long a plugin asks for.
SECONDS_MAX = 900.0


class WaitingPod:
    """Goes on when every plugin that holds it has allowed it, and back when one rejects it or has
    not allowed it in time."""

    def __init__(self, pod: PodInfo, node: str, seconds: Mapping[str, float]) -> None:
        loop = asyncio.get_running_loop()
        self.pod = pod
        self.node = node
        self._verdict: asyncio.Future[Status] = loop.create_future()
        self._timers = {
            plugin: loop.call_later(bounded, self._too_late, plugin, bounded)
            for plugin, bounded in (
                (name, min(each, SECONDS_MAX)) for name, each in seconds.items()
            )
        }

    @property
    def pending_plugins(self) -> Sequence[str]:
        return [*self._timers]

    def allow(self, plugin: str) -> None:
        if (timer := self._timers.pop(plugin, None)) is not None:
            timer.cancel()
        if not self._timers:
            self._decide(SUCCESS)

    def reject(self, plugin: str, message: str) -> None:
        self._decide(Status(Code.UNSCHEDULABLE, (message,), plugin))

    async def verdict(self) -> Status:
        return await self._verdict

    def end(self) -> None:
        """Nobody waits for the verdict any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _too_late(self, plugin: str, seconds: float) -> None:
        waited = durations.format(round(seconds * durations.SECOND))
        self.reject(plugin, f"rejected due to timeout after waiting {waited} at plugin {plugin}")

    def _decide(self, status: Status) -> None:
        if not self._verdict.done():
            self._verdict.set_result(status)
        self.end()


class WaitingPods:
    """All of them, by uid, whatever their profile."""

    def __init__(self) -> None:
        self._pods: dict[str, WaitingPod] = {}

    def __iter__(self) -> Iterator[WaitingPod]:
        return iter([*self._pods.values()])

    def get(self, uid: str) -> WaitingPod | None:
        return self._pods.get(uid)

    def add(self, waiting: WaitingPod) -> None:
        self._pods[waiting.pod.uid] = waiting

    def remove(self, uid: str) -> None:
        if (waiting := self._pods.pop(uid, None)) is not None:
            waiting.end()

    def reject(self, uid: str) -> bool:
        """Whether there was such a pod; it has to look for another node, or is gone."""
        waiting = self._pods.get(uid)
        if waiting is not None:
            waiting.reject("", "removed")
        return waiting is not None

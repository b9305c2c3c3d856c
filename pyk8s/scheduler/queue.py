# SPDX-License-Identifier: Apache-2.0
"""Pods that wait for a node, in three places.

    add -> active (by priority, then age) -> pop
             ^   ^------ back-off over ------ backing off
             '-- something relevant changed, or five minutes -- unschedulable

As `pkg/scheduler/backend/queue`: back-off of 1 s, doubled by each failed attempt, 10 s at most. A
pod found unschedulable leaves its place only for an event one of the plugins that rejected it
names. Attempts do not suspend between pop and the verdict, so no event falls in between.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyk8s.scheduler.framework.events import NAMESPACE_CHANGED as NAMESPACE_CHANGED
from pyk8s.scheduler.framework.events import NODE_ADDED as NODE_ADDED
from pyk8s.scheduler.framework.events import NODE_DELETED as NODE_DELETED
from pyk8s.scheduler.framework.events import NODE_UPDATED as NODE_UPDATED
from pyk8s.scheduler.framework.events import POD_ADDED as POD_ADDED
from pyk8s.scheduler.framework.events import POD_DELETED as POD_DELETED
from pyk8s.scheduler.framework.events import POD_UPDATED as POD_UPDATED
from pyk8s.scheduler.framework.events import STORAGE_CHANGED as STORAGE_CHANGED
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import SUCCESS, Status

UNSCHEDULABLE_SECONDS_MAX = 300.0
_FLUSH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """podInitialBackoffSeconds and podMaxBackoffSeconds."""

    initial_seconds: float = 1.0
    max_seconds: float = 10.0

    def after(self, attempts: int) -> float:
        doublings = min(attempts - 1, 30)
        return min(self.initial_seconds * 2.0**doublings, self.max_seconds)


@dataclass(slots=True, eq=False)
class QueuedPod:
    """`attempts` counts how often it was popped; times are the loop's."""

    info: PodInfo
    queued_at: float
    attempts: int = 0
    failed_at: float = 0.0
    rejected_by: frozenset[str] = field(default_factory=frozenset)
    is_gated: bool = False


def _by_priority(pod: PodInfo, queued_at: float) -> tuple[float, float]:
    return (-pod.priority, queued_at)


def _open(pod: PodInfo) -> Status:
    return SUCCESS


class Queue:
    """A pod, by uid, is in one of the places or with whoever popped it. `relevant` names the
    events for which a plugin may change its mind; the pod with the least `sort_key` comes first.
    `gate` is asked (PreEnqueue) whenever a pod is about to become active: one that it does not let
    in waits for an event among the unschedulable."""

    def __init__(
        self,
        relevant: Mapping[str, frozenset[str]],
        sort_key: Callable[[PodInfo, float], Any] = _by_priority,
        gate: Callable[[PodInfo], Status] = _open,
        backoff: Backoff | None = None,
    ) -> None:
        self._relevant = relevant
        self._sort_key = sort_key
        self._gate = gate
        self._backoff = backoff or Backoff()
        self._active: list[tuple[Any, int, QueuedPod]] = []
        self._waiting: dict[str, QueuedPod] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._unschedulable: dict[str, QueuedPod] = {}
        self._numbers = itertools.count()
        self._filled = asyncio.Event()

    def depths(self) -> dict[str, int]:
        """How many pods wait, by upstream's names of the places."""
        gated = sum(queued.is_gated for queued in self._unschedulable.values())
        return {
            "active": len(self._waiting),
            "backoff": len(self._timers),
            "unschedulable": len(self._unschedulable) - gated,
            "gated": gated,
        }

    def add(self, info: PodInfo) -> None:
        """A new pod, or a changed one: what is known of it is replaced, and a changed one may
        try again at once."""
        now = asyncio.get_running_loop().time()
        known = self._take(info.uid)
        queued = known or QueuedPod(info, now)
        queued.info = info
        self._activate(queued)

    def replace(self, info: PodInfo) -> None:
        """A newer state of the pod that matters to nobody."""
        for place in (self._waiting, self._unschedulable):
            if info.uid in place:
                place[info.uid].info = info

    def is_gated(self, uid: str) -> bool:
        queued = self._unschedulable.get(uid)
        return queued is not None and queued.is_gated

    def knows(self, uid: str) -> PodInfo | None:
        queued = self._waiting.get(uid) or self._unschedulable.get(uid)
        return queued.info if queued is not None else None

    def remove(self, uid: str) -> None:
        self._take(uid)

    async def pop(self) -> QueuedPod:
        """The next pod; the caller has to say what became of it."""
        while True:
            while self._active:
                *_, queued = heapq.heappop(self._active)
                # An entry whose pod went elsewhere meanwhile is not the one that counts.
                if self._waiting.get(queued.info.uid) is queued:
                    del self._waiting[queued.info.uid]
                    queued.attempts += 1
                    return queued
            self._filled.clear()
            await self._filled.wait()

    def add_unschedulable(self, queued: QueuedPod, rejected_by: frozenset[str]) -> None:
        queued.rejected_by = rejected_by
        queued.failed_at = asyncio.get_running_loop().time()
        self._unschedulable[queued.info.uid] = queued

    def add_after_backoff(self, queued: QueuedPod) -> None:
        """An attempt failed for no reason of the pod's own."""
        queued.failed_at = asyncio.get_running_loop().time()
        self._unschedulable[queued.info.uid] = queued
        self._back_off(queued)

    def retry(self, uid: str) -> None:
        """What stood in the way of a pod has gone in a way no event tells of."""
        if (queued := self._unschedulable.get(uid)) is not None:
            self._back_off(queued)

    def event(self, name: str) -> None:
        """Move those that it may help to back-off, or past it."""
        for queued in [*self._unschedulable.values()]:
            plugins = queued.rejected_by
            if not plugins or any(name in self._relevant.get(p, ()) for p in plugins):
                if queued.is_gated:
                    self._take(queued.info.uid)
                    self._activate(queued)
                else:
                    self._back_off(queued)

    async def run(self) -> None:
        """Let no pod wait for ever, whatever was missed. Until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            oldest = asyncio.get_running_loop().time() - UNSCHEDULABLE_SECONDS_MAX
            for queued in [*self._unschedulable.values()]:
                if queued.failed_at < oldest and not queued.is_gated:
                    self._back_off(queued)

    # --- places

    def _back_off(self, queued: QueuedPod) -> None:
        uid = queued.info.uid
        if uid in self._timers:
            return
        loop = asyncio.get_running_loop()
        when = queued.failed_at + self._backoff.after(queued.attempts)
        if when <= loop.time():
            self._take(uid)
            self._activate(queued)
        else:
            self._timers[uid] = loop.call_at(when, self._backed_off, uid)

    def _backed_off(self, uid: str) -> None:
        if (queued := self._take(uid)) is not None:
            self._activate(queued)

    def _activate(self, queued: QueuedPod) -> None:
        verdict = self._gate(queued.info)
        queued.is_gated = not verdict.is_success
        if queued.is_gated:
            queued.rejected_by = frozenset({verdict.plugin})
            self._unschedulable[queued.info.uid] = queued
            return
        self._waiting[queued.info.uid] = queued
        key = self._sort_key(queued.info, queued.queued_at)
        entry = (key, next(self._numbers), queued)
        heapq.heappush(self._active, entry)
        self._filled.set()

    def _take(self, uid: str) -> QueuedPod | None:
        if (timer := self._timers.pop(uid, None)) is not None:
            timer.cancel()
        return self._waiting.pop(uid, None) or self._unschedulable.pop(uid, None)

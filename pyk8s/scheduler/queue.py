# SPDX-License-Identifier: Apache-2.0
"""Pods that wait for a node, in four places, and those that are being tried.

    add -> active (by priority, then age) -> pop -> in flight -> done
     |       ^   ^------ back-off over ------ backing off <-.    |
     |       |                                    ^         |    |  rejected, and nothing happened
     |       '--- the last gate went              |      error   |  meanwhile that might help
     '-> gated            it may help: a hint, or five minutes   v
                                                  '------- unschedulable

As `pkg/scheduler/backend/queue`: a back-off of 1 s, doubled by each failed attempt, 10 s at most;
where nothing is active, the next of those that back off is tried before its time, unless it failed
by an error (SchedulerPopFromBackoffQ). The 1 s windows that upstream orders back-offs by, and
flushes them at, are not kept: each pod has its own moment.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler.framework import clusterevents as ce
from pyk8s.scheduler.framework.clusterevents import ClusterEvent, HintMap
from pyk8s.scheduler.framework.podinfo import PodInfo

UNSCHEDULABLE_SECONDS_MAX = 300.0
_FLUSH_SECONDS = 30.0

ACTIVE, BACKOFF, UNSCHEDULABLE, GATED = "active", "backoff", "unschedulable", "gated"
_SKIP, _AFTER_BACKOFF, _AT_ONCE = range(3)


@dataclass(frozen=True, slots=True)
class Backoff:
    """podInitialBackoffSeconds and podMaxBackoffSeconds."""

    initial_seconds: float = 1.0
    max_seconds: float = 10.0

    def after(self, failures: int) -> float:
        doublings = min(failures - 1, 30)
        return min(self.initial_seconds * 2.0**doublings, self.max_seconds)


# Which of the pods that wait may be tried alike: by profile, who rejected them, signature.
_GroupKey = tuple[str, frozenset[str], frozenset[str], bytes]


@dataclass(slots=True, eq=False)
class QueuedPod:
    """`attempts` counts how often it was popped; times are the loop's. `since` is when it was
    first ready to be tried. `pending_by` are those of `rejected_by` that said Pending: what they
    wait for is worth a try at once; `gated_by` is who keeps it from being queued."""

    info: PodInfo
    queued_at: float
    since: float = 0.0
    attempts: int = 0
    rejections: int = 0
    errors_in_a_row: int = 0
    rejected_by: frozenset[str] = field(default_factory=frozenset)
    pending_by: frozenset[str] = field(default_factory=frozenset)
    gated_by: str = ""
    place: str = ""
    ready_at: float = 0.0

    @property
    def group(self) -> _GroupKey:
        profile = self.info.pod["spec"].get("schedulerName") or ""
        return (profile, self.rejected_by, self.pending_by, self.info.signature)


class _Happened(NamedTuple):
    event: ClusterEvent
    old: Object | None
    new: Object | None
    # The one pod it is about; empty: any.
    uid: str


def _by_priority(pod: PodInfo, queued_at: float) -> tuple[float, float]:
    return (-pod.priority, queued_at)


def _is_open(pod: PodInfo) -> str:
    return ""


def _ignore(place: str, event: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """`hints` by profile and plugin. The pod with the least `sort_key` comes first. `gate` names
    the plugin that keeps a pod from being queued, empty if none does; it is asked whenever a pod
    is about to be, and after events that this plugin registered. `on_incoming` is told each
    place that a pod comes to, and for which event."""

    hints: HintMap = field(default_factory=dict)
    sort_key: Callable[[PodInfo, float], Any] = _by_priority
    gate: Callable[[PodInfo], str] = _is_open
    backoff: Backoff = Backoff()
    on_incoming: Callable[[str, str], None] = _ignore


class Queue:
    """A pod, by uid, is in one of the places, or in flight with whoever popped it, who has to say
    what became of it: `done`, `add_unschedulable` or `add_after_error`."""

    def __init__(self, options: QueueOptions) -> None:
        self._options = options
        self._known: dict[str, QueuedPod] = {}
        self._counts = dict.fromkeys((ACTIVE, BACKOFF, UNSCHEDULABLE, GATED), 0)
        self._active: list[tuple[Any, int, QueuedPod]] = []
        self._backoff: list[tuple[float, int, QueuedPod]] = []
        self._groups: dict[_GroupKey, dict[str, QueuedPod]] = {}
        # By profile and who gates them.
        self._gated: dict[tuple[str, str], dict[str, QueuedPod]] = {}
        # By uid, in the order of pops, from where on in `_happened` a pod has missed nothing.
        self._in_flight: dict[str, int] = {}
        self._happened: list[_Happened] = []
        self._forgotten = 0
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._filled = asyncio.Event()

    def depths(self) -> dict[str, int]:
        """How many pods wait, by upstream's names of the places."""
        return dict(self._counts)

    def knows(self, uid: str) -> PodInfo | None:
        """The newest state of a pod that waits or is being tried."""
        queued = self._known.get(uid)
        return queued.info if queued is not None else None

    # --- what the server says of a pod that has no node

    def add(self, info: PodInfo) -> None:
        """A pod that was not here; one that is, is updated."""
        if (known := self._known.get(info.uid)) is not None:
            self._update(known, info)
            return
        now = _now()
        self._known[info.uid] = queued = QueuedPod(info, now, since=now)
        self._move_to(queued, ACTIVE, str(ce.UNSCHEDULED_POD_ADD))

    def remove(self, uid: str) -> None:
        """It has a node, or is gone."""
        queued = self._known.pop(uid, None)
        if queued is not None:
            self._leave(queued)
        self._land(uid)

    def _update(self, queued: QueuedPod, info: PodInfo) -> None:
        old, place = queued.info, queued.place
        if place == UNSCHEDULABLE:
            self._ungroup(queued)
        queued.info = info
        if place == UNSCHEDULABLE:
            self._group(queued)
        if place == GATED:
            if not self._options.gate(info):
                queued.since = _now()
                self._move_to(queued, ACTIVE, str(ce.pod_changes(old, info)[0]))
            return
        changes = [
            _Happened(event, old.pod, info.pod, info.uid) for event in ce.pod_changes(old, info)
        ]
        if place == UNSCHEDULABLE:
            for change in changes:
                self._move_if(queued, change, self._verdict(queued, change))
        elif info.uid in self._in_flight:
            self._happened += changes
        elif place == ACTIVE and old.priority != info.priority:
            self._push(queued)

    # --- trying

    async def pop(self) -> QueuedPod:
        """The next pod."""
        while True:
            if (queued := self._next()) is not None:
                self._leave(queued)
                queued.attempts += 1
                self._in_flight[queued.info.uid] = self._forgotten + len(self._happened)
                return queued
            self._filled.clear()
            await self._filled.wait()

    def _next(self) -> QueuedPod | None:
        # An entry whose pod went elsewhere meanwhile, or came again, is not the one that counts.
        while self._active:
            key, _, queued = heapq.heappop(self._active)
            if queued.place == ACTIVE and key == self._key(queued):
                return queued
        held = []
        found = None
        while self._backoff and found is None:
            entry = heapq.heappop(self._backoff)
            ready_at, _, queued = entry
            if queued.place != BACKOFF or queued.ready_at != ready_at:
                continue
            if queued.errors_in_a_row:
                held.append(entry)
            else:
                found = queued
        for entry in held:
            heapq.heappush(self._backoff, entry)
        if found is not None:
            self._options.on_incoming(ACTIVE, ce.POP_FROM_BACKOFF_QUEUE)
        return found

    def done(self, uid: str) -> None:
        """Whatever happens from now on cannot make it unschedulable; what may still come is an
        error, after which it comes back by `add_after_error`."""
        self._land(uid)

    def add_unschedulable(
        self,
        queued: QueuedPod,
        rejected_by: Iterable[str],
        pending_by: Iterable[str] = (),
    ) -> None:
        """No plugin named: any event may help. It backs off instead, if what happened since it was
        popped may help, or if `done` was said before."""
        missed = self._land(queued.info.uid)
        if not self._may_return(queued):
            return
        queued.pending_by = frozenset(pending_by)
        queued.rejected_by = frozenset(rejected_by) | queued.pending_by
        queued.rejections += 1
        queued.errors_in_a_row = 0
        self._time(queued, queued.rejections)
        if missed is None:
            self._move_to(queued, BACKOFF, ce.SCHEDULE_ATTEMPT_FAILURE)
            return
        for happened in missed:
            if happened.uid in ("", queued.info.uid):
                verdict = self._verdict(queued, happened)
                if verdict != _SKIP:
                    place = ACTIVE if verdict == _AT_ONCE else BACKOFF
                    self._move_to(queued, place, ce.SCHEDULE_ATTEMPT_FAILURE)
                    return
        self._move_to(queued, UNSCHEDULABLE, ce.SCHEDULE_ATTEMPT_FAILURE)

    def add_after_error(self, queued: QueuedPod) -> None:
        """An attempt failed for no reason of the pod's own."""
        self._land(queued.info.uid)
        if not self._may_return(queued):
            return
        queued.rejected_by = queued.pending_by = frozenset()
        queued.errors_in_a_row += 1
        self._time(queued, queued.errors_in_a_row)
        self._move_to(queued, BACKOFF, ce.SCHEDULE_ATTEMPT_FAILURE)

    def _may_return(self, queued: QueuedPod) -> bool:
        """Unless it was removed meanwhile, or is another pod object by now."""
        return self._known.get(queued.info.uid) is queued and not queued.place

    def _time(self, queued: QueuedPod, failures: int) -> None:
        now = _now()
        queued.queued_at, queued.ready_at = now, now + self._options.backoff.after(failures)

    def _land(self, uid: str) -> list[_Happened] | None:
        """What happened while it was in flight; None: it was not."""
        position = self._in_flight.pop(uid, None)
        if position is None:
            return None
        missed = self._happened[position - self._forgotten :]
        if not self._in_flight:
            self._forgotten += len(self._happened)
            self._happened.clear()
        else:
            first = next(iter(self._in_flight.values()))
            del self._happened[: first - self._forgotten]
            self._forgotten = first
        return missed

    # --- what happens in the cluster

    def event(
        self,
        event: ClusterEvent,
        old: Object | None = None,
        new: Object | None = None,
        besides: str = "",
    ) -> None:
        """Move those that it may help to back-off, or past it, all but the pod `besides`."""
        happened = _Happened(event, old, new, "")
        if self._in_flight:
            self._happened.append(happened)
        for group in [*self._groups.values()]:
            verdict = self._verdict(next(iter(group.values())), happened)
            if verdict != _SKIP:
                for queued in [*group.values()]:
                    if queued.info.uid != besides:
                        self._move_if(queued, happened, verdict)
        for gate, gated in [*self._gated.items()]:
            if any(each.event.covers(event) for each in self._registered(*gate)):
                for queued in [*gated.values()]:
                    self._ask_again(queued, happened)

    def _registered(self, profile: str, plugin: str) -> Sequence[ce.ClusterEventWithHint]:
        return self._options.hints.get(profile, {}).get(plugin, ce.EVERYTHING)

    def _ask_again(self, queued: QueuedPod, happened: _Happened) -> None:
        registered = self._registered(queued.group[0], queued.gated_by)
        covering = [each for each in registered if each.event.covers(happened.event)]
        hints = (each.hint for each in covering)
        helps = any(hint is None or hint(queued.info, *happened[1:3]) for hint in hints)
        if helps and not self._options.gate(queued.info):
            queued.since = _now()
            self._move_to(queued, ACTIVE, str(happened.event))

    def activate(self, uid: str) -> None:
        """Try it next time, whatever it waits for."""
        queued = self._known.get(uid)
        if queued is not None and queued.place in (UNSCHEDULABLE, BACKOFF):
            self._move_to(queued, ACTIVE, str(ce.FORCE_ACTIVATE))

    async def run(self) -> None:
        """Let no pod wait for ever, whatever was missed. Until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            oldest = _now() - UNSCHEDULABLE_SECONDS_MAX
            late = [
                queued
                for group in self._groups.values()
                for queued in group.values()
                if queued.queued_at < oldest
            ]
            for queued in late:
                self._move_to(queued, ACTIVE, str(ce.UNSCHEDULABLE_TIMEOUT))

    def _verdict(self, queued: QueuedPod, happened: _Happened) -> int:
        """Whether the pod, and all of its group, may pass now."""
        profile, rejected_by, pending_by, _ = queued.group
        if not rejected_by:
            return _AFTER_BACKOFF
        verdict = _SKIP
        for plugin in rejected_by:
            for each in self._registered(profile, plugin):
                if not each.event.covers(happened.event):
                    continue
                if each.hint is None or each.hint(queued.info, happened.old, happened.new):
                    if plugin in pending_by:
                        return _AT_ONCE
                    verdict = _AFTER_BACKOFF
        return verdict

    def _move_if(self, queued: QueuedPod, happened: _Happened, verdict: int) -> None:
        if verdict == _SKIP or queued.place != UNSCHEDULABLE:
            return
        backs_off = verdict == _AFTER_BACKOFF and queued.ready_at > _now()
        self._move_to(queued, BACKOFF if backs_off else ACTIVE, str(happened.event))

    # --- places

    def _move_to(self, queued: QueuedPod, place: str, event: str) -> None:
        """Where a gate is in the way of being tried, there."""
        self._leave(queued)
        if place in (ACTIVE, BACKOFF) and (gate := self._options.gate(queued.info)):
            place, queued.gated_by = GATED, gate
        queued.place = place
        self._counts[place] += 1
        self._options.on_incoming(place, event)
        if place == ACTIVE:
            self._push(queued)
        elif place == UNSCHEDULABLE:
            self._group(queued)
        elif place == GATED:
            gated = self._gated.setdefault((queued.group[0], queued.gated_by), {})
            gated[queued.info.uid] = queued
        elif place == BACKOFF:
            entry = (queued.ready_at, next(self._numbers), queued)
            heapq.heappush(self._backoff, entry)
            self._filled.set()
            self._set_timer()

    def _leave(self, queued: QueuedPod) -> None:
        if queued.place:
            self._counts[queued.place] -= 1
        if queued.place == UNSCHEDULABLE:
            self._ungroup(queued)
        elif queued.place == GATED:
            gate = (queued.group[0], queued.gated_by)
            del self._gated[gate][queued.info.uid]
            if not self._gated[gate]:
                del self._gated[gate]
        queued.place = ""

    def _key(self, queued: QueuedPod) -> Any:
        return self._options.sort_key(queued.info, queued.queued_at)

    def _push(self, queued: QueuedPod) -> None:
        heapq.heappush(self._active, (self._key(queued), next(self._numbers), queued))
        self._filled.set()

    def _group(self, queued: QueuedPod) -> None:
        self._groups.setdefault(queued.group, {})[queued.info.uid] = queued

    def _ungroup(self, queued: QueuedPod) -> None:
        group = self._groups[queued.group]
        del group[queued.info.uid]
        if not group:
            del self._groups[queued.group]

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._backoff:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._backoff[0][0], self._flush_backoff)

    def _flush_backoff(self) -> None:
        now = _now()
        while self._backoff and self._backoff[0][0] <= now:
            ready_at, _, queued = heapq.heappop(self._backoff)
            if queued.place == BACKOFF and queued.ready_at == ready_at:
                self._move_to(queued, ACTIVE, ce.BACKOFF_COMPLETE)
        self._set_timer()


def _now() -> float:
    return asyncio.get_running_loop().time()

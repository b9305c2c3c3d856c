# SPDX-License-Identifier: Apache-2.0
"""Events in the new form, events.k8s.io/v1, where a repetition makes a series of an event.

    event() -> queue -> a few writers -> the first of its kind: create
                                         the second: patch, a series of 2
                                         more: counted, and told every half hour and at the end

As client-go's `tools/events`, with its times. There the object's resourceVersion is part of what
makes two events one, and the note is not; here it is the other way round, so that a pod found
unschedulable again for the same reasons has one event, and for others a new one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections import OrderedDict
from dataclasses import dataclass

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources, rest
from pyk8s.client.client import Client, Patch
from pyk8s.componentbase.metrics import Counter

_log = logging.getLogger(__name__)

NORMAL, WARNING = "Normal", "Warning"

QUEUED_MAX = 10_000
# Few beside what else a component has under way: what it does goes before what it tells.
WRITERS = 8
# A burst of pods has one event each, of which none need ever be repeated.
_REMEMBERED_MAX = 20_000
_FINISH_SECONDS = 360.0
_REFRESH_SECONDS = 1800.0
_TRIES_MAX = 12
_RETRY_SECONDS = 10.0
NOTE_BYTES_MAX = 1024
_INSTANCE_MAX = 128
_CUT = " ..."

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """`type` is Normal or Warning, `reason` a short CamelCase word, `action` what was tried, such
    as Binding, `note` a sentence; `related` is another object that has to do with it. `controller`
    says that it is another one than the recorder's, for a component of several names."""

    type: str
    reason: str
    action: str
    note: str
    related: Object | None = None
    controller: str = ""


@dataclass(slots=True)
class _Told:
    """One that happened `count` times so far, of which the server knows `known`."""

    event: Object
    last_at: float
    last_observed: str
    written_at: float
    count: int = 1
    known: int = 0


class EventRecorder:
    """Records events of one component. `event` never waits; `run` writes, until cancelled.

    Events are told at best. When 10,000 wait, which is a burst of 10,000 pods, those that come are
    dropped and counted in `dropped`; one that the server cannot be told in twelve tries is given
    up. Of the last 20,000 different ones it is known whether they are repeated.
    """

    def __init__(self, client: Client, controller: str) -> None:
        self._client = client
        self._controller = controller
        self._queue: asyncio.Queue[_Key] = asyncio.Queue()
        # Queued or being written.
        self._waiting: dict[_Key, _Told] = {}
        self._told: OrderedDict[_Key, _Told] = OrderedDict()
        self.dropped = Counter(
            "pyk8s_events_dropped_total", "Events that were not written, for too many waited"
        )

    def event(self, regarding: Object, telling: Telling) -> None:
        """`regarding` is a whole object, with apiVersion and kind."""
        now, observed = asyncio.get_running_loop().time(), times.now_micro()
        key = _key(regarding, telling)
        told = self._told.get(key)
        if told is not None and now - told.last_at <= _FINISH_SECONDS:
            self._told.move_to_end(key)
            told.count += 1
            told.last_at, told.last_observed = now, observed
            if told.known == 1:
                self._enqueue(key, told)
        elif len(self._waiting) >= QUEUED_MAX:
            self.dropped.inc()
        else:
            event = self._make(regarding, telling, observed)
            told = self._told[key] = _Told(event, now, observed, now)
            self._told.move_to_end(key)
            if len(self._told) > _REMEMBERED_MAX:
                self._told.popitem(last=False)
            self._enqueue(key, told)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._finish())
            for _ in range(WRITERS):
                group.create_task(self._work())

    async def drain(self, seconds_max: float = 1.0) -> None:
        """Write what is queued, for a component that ends; `run` must have ended."""
        try:
            async with asyncio.timeout(seconds_max):
                while not self._queue.empty():
                    await self._write(self._waiting.pop(self._queue.get_nowait()))
        except TimeoutError:
            _log.warning("events dropped at the end: count=%s", self._queue.qsize())

    def _make(self, regarding: Object, telling: Telling, observed: str) -> Object:
        namespace, name = meta.namespaced_name(regarding)
        controller = telling.controller or self._controller
        event: Object = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{name}.{time.time_ns():x}",
                "namespace": namespace or "default",
            },
            "eventTime": observed,
            "reportingController": controller,
            "reportingInstance": f"{controller}-{socket.gethostname()}"[:_INSTANCE_MAX],
            "action": telling.action,
            "reason": telling.reason,
            "regarding": _reference(regarding),
            "note": shortened(telling.note),
            "type": telling.type,
        }
        if telling.related is not None:
            event["related"] = _reference(telling.related)
        return event

    def _enqueue(self, key: _Key, told: _Told) -> None:
        if key not in self._waiting:
            self._waiting[key] = told
            self._queue.put_nowait(key)

    # --- writing

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            told = self._waiting[key]
            for _ in range(_TRIES_MAX):
                if await self._write(told):
                    break
                await asyncio.sleep(_RETRY_SECONDS * (1 + random.random() / 4))
            # Not before: what is repeated meanwhile is told next, and never by two at once.
            del self._waiting[key]
            if told.known == 1 and told.count > 1:
                self._enqueue(key, told)

    async def _write(self, told: _Told) -> bool:
        """False when it is worth another try."""
        count, told.written_at = told.count, asyncio.get_running_loop().time()
        event = told.event
        if count > 1:
            event = {**event, "series": {"count": count, "lastObservedTime": told.last_observed}}
        try:
            if not told.known or not await self._continue(event):
                await self._client.create(resources.EVENTS_V1, event)
        except errors.StatusError as error:
            # The namespace is going, or the server does not like it: another try is no better.
            _log.info("event refused: error=%s", error)
        except rest.ServerUnreachable as error:
            _log.info("event not sent: error=%s", error)
            return False
        told.known = count
        return True

    async def _continue(self, event: Object) -> bool:
        """False when the one before is gone."""
        change = Patch(content={"series": event["series"]})
        try:
            await self._client.patch(resources.EVENTS_V1, meta.namespaced_name(event), change)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return False
        return True

    async def _finish(self) -> None:
        """Tell how often it was, once nothing has been added for a while and every half hour:
        an event would expire otherwise. What nobody repeats is forgotten."""
        while True:
            await asyncio.sleep(_FINISH_SECONDS)
            now = asyncio.get_running_loop().time()
            for key, told in [*self._told.items()]:
                is_over = now - told.last_at > _FINISH_SECONDS
                if is_over:
                    del self._told[key]
                is_news = told.known > 0 and told.count > told.known
                if is_news and (is_over or now - told.written_at > _REFRESH_SECONDS):
                    self._enqueue(key, told)


def shortened(note: str) -> str:
    """Of a note that is too long for the API the beginning."""
    encoded = note.encode()
    if len(encoded) <= NOTE_BYTES_MAX:
        return note
    return encoded[: NOTE_BYTES_MAX - len(_CUT)].decode(errors="ignore") + _CUT


def _reference(obj: Object) -> Object:
    reference = {
        "kind": obj.get("kind", ""),
        "namespace": meta.namespace(obj),
        "name": meta.name(obj),
        "uid": meta.uid(obj),
        "apiVersion": obj.get("apiVersion", ""),
        "resourceVersion": meta.resource_version(obj),
    }
    return {key: value for key, value in reference.items() if value}


def _key(regarding: Object, telling: Telling) -> _Key:
    related = meta.uid(telling.related) if telling.related is not None else ""
    concerned = (regarding.get("kind", ""), *meta.namespaced_name(regarding), meta.uid(regarding))
    return (*concerned, telling.type, telling.reason, telling.action, related, telling.note)

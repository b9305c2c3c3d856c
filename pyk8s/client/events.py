# SPDX-License-Identifier: Apache-2.0
"""Telling people what a component did and why, as Event objects beside the ones concerned.

    event() -> spam filter -> similar ones become one -> queue -> create, or patch the count

As client-go's `tools/record`, its EventCorrelator with its figures: many like it become one with
a count, many of one reason become one that says so, and who talks too much about one object is
heard once in five minutes. Events are told at best: a full queue or a lost server drops them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import backoff, resources, rest
from pyk8s.client.client import Client, Patch

_log = logging.getLogger(__name__)

NORMAL = "Normal"
WARNING = "Warning"

_QUEUE_MAX = 1000
_REMEMBERED_MAX = 4096
# Spam: per source and object, this many at once and then one in five minutes.
_SPAM_BURST = 25
_SPAM_QPS = 1 / 300
# Aggregation: more than this many different messages of one reason within ten minutes.
_SIMILAR_MAX = 10
_SIMILAR_SECONDS = 600.0
_COMBINED = "(combined from similar events): "
_TRIES_MAX = 12
_RETRY_SECONDS = 10.0
_MESSAGE_MAX = 1024

V = TypeVar("V")


class _Recent(Generic[V]):
    """A mapping that forgets what was used longest ago."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, ...], V] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: tuple[str, ...], value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > _REMEMBERED_MAX:
            self._entries.popitem(last=False)

    def pop(self, key: tuple[str, ...]) -> None:
        self._entries.pop(key, None)


@dataclass(slots=True)
class _Similar:
    """The different messages of one reason, and since when."""

    messages: set[str] = field(default_factory=set)
    last_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an event comes from and what part of the object it is about: `host` in place of the
    recorder's own, `field_path` as `spec.containers{name}`."""

    host: str = ""
    field_path: str = ""


_NO_ORIGIN = Origin()


class EventRecorder:
    """Records events of one component. `event` never waits; `run` sends, until cancelled."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[Object] = asyncio.Queue(_QUEUE_MAX)
        self._spam: _Recent[backoff.TokenBucket] = _Recent()
        self._similar: _Recent[_Similar] = _Recent()
        self._written: _Recent[Object] = _Recent()
        self._dropped = 0

    def event(
        self, obj: Object, type: str, reason: str, message: str, origin: Origin = _NO_ORIGIN
    ) -> None:
        """`type` is Normal or Warning, `reason` a short CamelCase word, `message` a sentence."""
        if self._queue.full():
            _log.debug("event dropped, too many: reason=%s message=%s", reason, message)
            self._dropped += 1
            return
        event = self._make(obj, type, reason, message[:_MESSAGE_MAX])
        concerned, source = event["involvedObject"], event["source"]
        if origin.field_path:
            concerned["fieldPath"] = origin.field_path
        if origin.host:
            source["host"] = event["reportingInstance"] = origin.host
        if self._allowed(event):
            self._queue.put_nowait(event)

    async def run(self) -> None:
        while True:
            event = await self._queue.get()
            if self._dropped and self._queue.empty():
                _log.warning("events dropped, too many at once: count=%s", self._dropped)
                self._dropped = 0
            for _ in range(_TRIES_MAX):
                if await self._write(event):
                    break
                await asyncio.sleep(_RETRY_SECONDS)

    async def drain(self, seconds_max: float = 1.0) -> None:
        """Send what is queued, for a component that ends; `run` must have ended."""
        try:
            async with asyncio.timeout(seconds_max):
                while not self._queue.empty():
                    await self._write(self._queue.get_nowait())
        except TimeoutError:
            _log.warning("events dropped at the end: count=%s", self._queue.qsize())

    def _make(self, obj: Object, type: str, reason: str, message: str) -> Object:
        now = times.now()
        namespace, name = meta.namespaced_name(obj)
        reference = {
            "kind": obj.get("kind", ""),
            "namespace": namespace,
            "name": name,
            "uid": meta.uid(obj),
            "apiVersion": obj.get("apiVersion", ""),
            "resourceVersion": meta.resource_version(obj),
        }
        source = {"component": self._component, "host": self._host}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{name}.{time.time_ns():x}",
                "namespace": namespace or "default",
            },
            "involvedObject": {key: value for key, value in reference.items() if value},
            "reason": reason,
            "message": message,
            "source": {key: value for key, value in source.items() if value},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": type,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

    def _allowed(self, event: Object) -> bool:
        key = _about(event)
        bucket = self._spam.get(key)
        if bucket is None:
            bucket = backoff.TokenBucket(_SPAM_QPS, _SPAM_BURST)
            self._spam.put(key, bucket)
        return bucket.try_take()

    def _key(self, event: Object) -> tuple[str, ...]:
        """Which events are one. Those of a reason with too many messages are, whatever they
        say; then the message is marked as standing for all of them."""
        group = (*_about(event), event["type"], event["reason"])
        now = asyncio.get_running_loop().time()
        similar = self._similar.get(group)
        if similar is None or now - similar.last_at > _SIMILAR_SECONDS:
            similar = _Similar()
            self._similar.put(group, similar)
        similar.last_at = now
        if len(similar.messages) < _SIMILAR_MAX:
            similar.messages.add(event["message"])
        elif event["message"] not in similar.messages:
            event["message"] = _COMBINED + event["message"]
            return group
        return (*group, event["involvedObject"].get("fieldPath", ""), event["message"])

    async def _write(self, event: Object) -> bool:
        """False when it is worth another try."""
        key = self._key(event)
        try:
            before = self._written.get(key)
            written = await self._count(before, event) if before is not None else None
            if written is None:
                written = await self._client.create(resources.EVENTS, event)
            self._written.put(key, written)
        except errors.StatusError as error:
            # The namespace is going, or the server does not like it: another try is no better.
            _log.info("event refused: error=%s", error)
        except rest.ServerUnreachable as error:
            _log.info("event not sent: error=%s", error)
            return False
        return True

    async def _count(self, before: Object, event: Object) -> Object | None:
        """None when the one before is gone."""
        change = {
            "count": before["count"] + 1,
            "lastTimestamp": event["lastTimestamp"],
            "message": event["message"],
        }
        try:
            name = meta.namespaced_name(before)
            return await self._client.patch(resources.EVENTS, name, Patch(content=change))
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None


def _about(event: Object) -> tuple[str, ...]:
    concerned = event["involvedObject"]
    keys = ("kind", "namespace", "name", "uid", "apiVersion")
    source = (event["reportingComponent"], event["reportingInstance"])
    return (*source, *(concerned.get(key, "") for key in keys))

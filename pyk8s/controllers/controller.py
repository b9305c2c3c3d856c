# SPDX-License-Identifier: Apache-2.0
"""What all controllers share: keys in, `reconcile` called, failures counted, told and retried."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import backoff, events, informer, worker
from pyk8s.client.client import Client
from pyk8s.client.informer import SharedInformer, SharedInformers
from pyk8s.client.store import Key
from pyk8s.client.workqueue import K, WorkQueue
from pyk8s.controllers import queuenames
from pyk8s.controllers.options import Options

_log = logging.getLogger(__name__)

# The server's way of saying that the world has moved on: try again, nobody need know.
_EXPECTED_REASONS = (errors.CONFLICT, errors.ALREADY_EXISTS)

# What runs for as long as the controller does.
Task = Callable[[], Coroutine[Any, Any, None]]


def every(seconds: float, look: Callable[[], None]) -> Task:
    """Look now and again and again, with so much time between."""

    async def keep_looking() -> None:
        while True:
            look()
            await asyncio.sleep(seconds)

    return keep_looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a controller is made with. `client` and `recorder` speak in its name."""

    client: Client
    informers: SharedInformers
    recorder: events.EventRecorder
    ca: bytes = b""
    options: Options = field(default_factory=Options)


@dataclass(slots=True)
class Statistics:
    """Totals since the start."""

    reconciled: int = 0
    failed: int = 0
    last_error: str = field(default="")


class Controller(ABC, Generic[K]):
    """Subclasses name themselves as upstream's do, add keys from handlers they register, and
    reconcile one key. The same key is never reconciled twice at once."""

    name: ClassVar[str]
    # Who its Events are from, where upstream says something else than the name.
    component: ClassVar[str] = ""
    workers: ClassVar[int] = 5
    # After the first failure of a key; each further one doubles it.
    retry_seconds: ClassVar[float] = 0.005

    def __init__(self, context: Context) -> None:
        self.context = context
        self.client = context.client
        limiter = backoff.DefaultControllerLimiter(self.retry_seconds)
        self.queue: WorkQueue[K] = WorkQueue(queuenames.of(self.name), limiter)
        self.statistics = Statistics()
        self._informers: list[SharedInformer] = []

    @classmethod
    def is_wanted(cls, options: Options) -> bool:
        """Whether it has anything to do with these options."""
        return True

    @abstractmethod
    async def reconcile(self, key: K) -> None:
        """Bring the world closer to what the object wants. Raises to be called again later."""

    def subject(self, key: K) -> Object | None:
        """The object Events about a failure go to; None where there is none."""
        return None

    def informer(self, resource: GroupVersionResource) -> SharedInformer:
        """The shared informer; the workers wait for it to be synced."""
        shared = self.context.informers.of(resource)
        if shared not in self._informers:
            self._informers.append(shared)
        return shared

    async def run(self) -> None:
        """Until cancelled."""
        await informer.wait_until_synced(self._informers)
        _log.info("controller started: name=%s", self.name)
        async with asyncio.TaskGroup() as group:
            for task in self.tasks():
                group.create_task(task())
            for _ in range(self.workers):
                group.create_task(worker.work(self.queue, self._reconcile, self._failed))

    def tasks(self) -> Iterable[Task]:
        """What runs beside the workers."""
        return ()

    async def _reconcile(self, key: K) -> None:
        self.statistics.reconciled += 1
        await self.reconcile(key)

    def _failed(self, key: K, error: Exception) -> None:
        if isinstance(error, errors.StatusError) and error.reason in _EXPECTED_REASONS:
            return
        self.statistics.failed += 1
        self.statistics.last_error = str(error)
        _log.warning("reconcile failed: controller=%s key=%s error=%s", self.name, key, error)
        if (subject := self.subject(key)) is not None:
            self.context.recorder.event(subject, events.WARNING, *self.failure(key, error))

    def failure(self, key: K, error: Exception) -> tuple[str, str]:
        """Reason and message of the Event about a failed reconcile."""
        return "FailedReconcile", f"{self.name}: {error}"


class ObjectController(Controller[Key]):
    """A controller of the objects of one resource: keys are their namespaced names."""

    resource: ClassVar[GroupVersionResource]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.objects = self.informer(self.resource)
        self.objects.add_event_handler(informer.on_any_change(self.enqueue))

    def enqueue(self, obj: Object) -> None:
        self.queue.add(meta.namespaced_name(obj))

    def subject(self, key: Key) -> Object | None:
        return self.objects.indexer.get(key)


class OwnerController(ObjectController):
    """A controller of objects that control others, which name it in a controller reference."""

    # apiVersion and kind in such a reference.
    kind: ClassVar[tuple[str, str]]

    def is_mine(self, reference: Object) -> bool:
        """Whether it names an object of this controller's kind, be it there or not."""
        return (reference["apiVersion"], reference["kind"]) == self.kind

    def owner_key(self, dependent: Object) -> Key | None:
        """Who controls it: None where that is nobody of this kind, or not there any more."""
        reference = meta.controller_of(dependent)
        if reference is None or not self.is_mine(reference):
            return None
        key = (meta.namespace(dependent), reference["name"])
        owner = self.objects.indexer.get(key)
        return key if owner is not None and meta.uid(owner) == reference["uid"] else None

# SPDX-License-Identifier: Apache-2.0
"""Follows one resource: all of it first, then every change, for as long as it runs.

    WatchList, or LIST -> replace -> WATCH -> apply, apply ... -> stream ended: WATCH again
          ^                            '-- 410: resourceVersion too old --.
          '---------------------------- back-off --------------------------'

Mirrors client-go's `tools/cache/reflector.go`: its start with resourceVersion 0, its ways back
after Expired, its bounds of time and its back-off.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pyk8s.apimachinery import errors, gvk, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import backoff, rest, watch
from pyk8s.client.client import PAGE_LIMIT, Client, ListOptions, WatchOptions, with_kind
from pyk8s.client.store import Key

_log = logging.getLogger(__name__)

# A watch is begun anew after five to ten minutes, so that no server keeps all clients.
_WATCH_SECONDS_MIN = 300
# A watch that ends sooner than this without an event was not served.
_VERY_SHORT_SECONDS = 1.0
_BACKOFF_FIRST_SECONDS = 0.8
_BACKOFF_SECONDS_MAX = 30.0

# Answers that mean "not this way", so that LIST is tried: the server knows no WatchList.
_NO_WATCH_LIST = (400, 403, 404, 405, 422)


class ListWatcher(Protocol):
    """Reads one resource, or the part of it that is of interest."""

    async def list(self, resource_version: str) -> tuple[list[Object], str]:
        """All objects and the resourceVersion they are complete for. "0": whatever is at hand;
        "": as fresh as the storage."""
        ...

    async def watch(self, options: WatchOptions) -> watch.Watch: ...


class Sink(Protocol):
    """Where a Reflector delivers; nothing here suspends."""

    def replace(self, objects: dict[Key, Object]) -> None:
        """This is all there is."""
        ...

    def apply(self, events: Sequence[watch.Event]) -> None:
        """ADDED, MODIFIED and DELETED, in the order in which they happened."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceListWatcher:
    """A resource of the server; `namespace` and selectors narrow it."""

    client: Client
    resource: GroupVersionResource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False

    async def list(self, resource_version: str) -> tuple[list[Object], str]:
        # From the watch cache a list comes whole; from storage it comes in pages.
        options = ListOptions(
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            resource_version=resource_version,
            limit=0 if resource_version else PAGE_LIMIT,
            metadata_only=self.metadata_only,
        )
        objects: list[Object] = []
        if resource_version:
            page = await self.client.list(self.resource, self.namespace, options)
            return _items(page), meta.resource_version(page)
        revision = ""
        async for page in self.client.pages(self.resource, self.namespace, options):
            objects += _items(page)
            revision = meta.resource_version(page)
        return objects, revision

    async def watch(self, options: WatchOptions) -> watch.Watch:
        wanted = WatchOptions(
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            resource_version=options.resource_version,
            resource_version_match=options.resource_version_match,
            send_initial_events=options.send_initial_events,
            allow_bookmarks=options.allow_bookmarks,
            timeout_seconds=options.timeout_seconds,
            metadata_only=self.metadata_only,
        )
        return await self.client.watch(self.resource, self.namespace, wanted)


def _items(page: Object) -> list[Object]:
    """Complete objects: within a list they need not repeat what the list says."""
    version = gvk.parse_group_version(page.get("apiVersion") or "v1")
    kind = (page.get("kind") or "").removesuffix("List")
    return [with_kind(item, version, kind) for item in page.get("items") or ()]


class _ListAgain(Exception):
    """The last resourceVersion is of no use any more."""


class Reflector:
    """Delivers to the sink, from the one task that runs it:

    - first `replace` with everything, then each change once, in order, without gaps;
    - `replace` again whenever the server could not say what happened in between, so that what
      was missed is in it;
    - never an older state after a newer one, as long as the server keeps its word.

    It runs until cancelled: failures of the server are logged and waited out, from 0.8 s up to
    30 s with jitter.
    """

    def __init__(self, source: ListWatcher, sink: Sink, name: str = "") -> None:
        self.last_resource_version = ""
        self._source = source
        self._sink = sink
        self._name = name
        self._uses_watch_list = True
        # The last one was expired or unknown to the server that answered.
        self._version_unusable = False
        self._backoff = backoff.Backoff(_BACKOFF_FIRST_SECONDS, _BACKOFF_SECONDS_MAX)

    async def run(self) -> None:
        while True:
            try:
                await self._list_and_watch()
            except _ListAgain as reason:
                _log.info("listing again: resource=%s reason=%s", self._name, reason)
            except (errors.StatusError, rest.ServerUnreachable) as error:
                _log.warning("failed to follow: resource=%s error=%s", self._name, error)
            await self._backoff.wait()

    async def _list_and_watch(self) -> None:
        stream = await self._watch_list() if self._uses_watch_list else None
        if stream is None:
            await self._list()
        while True:
            if stream is None:
                stream = await self._begin_watch()
            try:
                await self._follow(stream)
            finally:
                stream.close()
            stream = None

    # --- all of it

    async def _watch_list(self) -> watch.Watch | None:
        """Everything over a watch that then goes on; None where the server does not serve it."""
        try:
            return await self._watch_list_from(
                "" if self._version_unusable else self.last_resource_version
            )
        except errors.StatusError as error:
            if error.code in _NO_WATCH_LIST:
                _log.info("no WatchList: resource=%s error=%s", self._name, error)
                self._uses_watch_list = False
                return None
            if not _is_unusable_version(error) or self._version_unusable:
                raise
        self._version_unusable = True
        return await self._watch_list_from("")

    async def _watch_list_from(self, revision: str) -> watch.Watch:
        options = WatchOptions(
            resource_version=revision,
            resource_version_match="NotOlderThan",
            send_initial_events=True,
            allow_bookmarks=True,
            timeout_seconds=_watch_seconds(),
        )
        stream = await self._source.watch(options)
        complete = False
        try:
            complete = await self._initial_events(stream)
        finally:
            if not complete:
                stream.close()
        if not complete:
            raise _ListAgain("the watch ended before all objects were here")
        return stream

    async def _initial_events(self, stream: watch.Watch) -> bool:
        """False when the stream ended before all were here."""
        objects: dict[Key, Object] = {}
        while batch := await stream.next_batch():
            for index, event in enumerate(batch):
                if event.type == watch.BOOKMARK:
                    if meta.annotations(event.object).get(watch.INITIAL_EVENTS_END) == "true":
                        self._replace(objects, meta.resource_version(event.object))
                        self._apply(batch[index + 1 :])
                        return True
                elif event.type == watch.DELETED:
                    objects.pop(meta.namespaced_name(event.object), None)
                else:
                    objects[meta.namespaced_name(event.object)] = event.object
        return False

    async def _list(self) -> None:
        revision = "" if self._version_unusable else self.last_resource_version or "0"
        try:
            objects, complete_for = await self._source.list(revision)
        except errors.StatusError as error:
            if not _is_unusable_version(error):
                raise
            self._version_unusable = True
            objects, complete_for = await self._source.list("")
        self._replace({meta.namespaced_name(obj): obj for obj in objects}, complete_for)

    def _replace(self, objects: dict[Key, Object], complete_for: str) -> None:
        self._version_unusable = False
        self.last_resource_version = complete_for
        self._sink.replace(objects)

    # --- every change

    async def _begin_watch(self) -> watch.Watch:
        """From the last resourceVersion on. A server that is not there or too busy is waited
        for: nothing is lost yet, and a LIST would only add to its load."""
        while True:
            options = WatchOptions(
                resource_version=self.last_resource_version,
                allow_bookmarks=True,
                timeout_seconds=_watch_seconds(),
            )
            try:
                return await self._source.watch(options)
            except rest.ServerUnreachable as error:
                _log.info("no watch: resource=%s error=%s", self._name, error)
            except errors.StatusError as error:
                if _is_expired(error):
                    raise self._expired(error) from error
                if error.code != 429:
                    raise
            await self._backoff.wait()

    async def _follow(self, stream: watch.Watch) -> None:
        """Until the stream ends."""
        loop = asyncio.get_running_loop()
        began, quiet = loop.time(), True
        try:
            while batch := await stream.next_batch():
                quiet = False
                self._apply(batch)
        except errors.StatusError as error:
            if _is_expired(error):
                raise self._expired(error) from error
            if error.code != 429:
                raise
            await self._backoff.wait()
            return
        if quiet and loop.time() - began < _VERY_SHORT_SECONDS:
            _log.info("very short watch: resource=%s", self._name)
            await self._backoff.wait()

    def _expired(self, error: errors.StatusError) -> _ListAgain:
        self._version_unusable = True
        return _ListAgain(error.message)

    def _apply(self, batch: Sequence[watch.Event]) -> None:
        if not batch:
            return
        changes = [event for event in batch if event.type != watch.BOOKMARK]
        if changes:
            self._sink.apply(changes)
        # Only after the sink has it: what is not delivered is watched again.
        self.last_resource_version = meta.resource_version(batch[-1].object)


def _watch_seconds() -> int:
    return int(_WATCH_SECONDS_MIN * (1 + random.random()))


def _is_expired(error: errors.StatusError) -> bool:
    return error.reason in (errors.EXPIRED, errors.GONE) or error.code == 410


def _is_unusable_version(error: errors.StatusError) -> bool:
    """Expired, or one that a server restored from a backup, or behind the others, has not
    reached: a list without it tells what is."""
    causes = (error.details or {}).get("causes") or ()
    too_large = any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)
    return _is_expired(error) or too_large

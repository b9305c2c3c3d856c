# SPDX-License-Identifier: Apache-2.0
"""A resource in memory that keeps a server's word on revisions, for races on virtual time.

It will not validate, select, or page; what it does is list at a revision, watch from one, forget
old ones, and break off when told to.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pyk8s.apimachinery import codec, errors
from pyk8s.client import rest, watch
from pyk8s.client.client import WatchOptions

Object = dict[str, Any]


class Stream:
    """Lines as one watcher gets them."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = False

    def send(self, type: str, obj: Object) -> None:
        self._chunks.put_nowait(codec.encode_json({"type": type, "object": obj}) + b"\n")

    def end(self) -> None:
        self._chunks.put_nowait(b"")

    async def read_some(self) -> bytes:
        return await self._chunks.get()

    def close(self) -> None:
        self.closed = True


class Source:
    """Writes are sync and told to every watcher in order."""

    def __init__(self, *, serves_watch_list: bool = True) -> None:
        self.revision = 10
        self.compacted = 0
        self.objects: dict[str, Object] = {}
        self.history: list[tuple[int, str, Object]] = []
        self.streams: list[Stream] = []
        self.requests: list[str] = []
        self.serves_watch_list = serves_watch_list
        self.reachable = True
        self.ends_at_once = 0
        # Answers to the next requests, in place of what was asked for.
        self.refusals: list[errors.StatusError] = []
        # How many objects of the next WatchList arrive before it breaks off.
        self.breaks_off_after: int | None = None

    # --- writing

    def put(self, name: str, **more: Any) -> None:
        type = "MODIFIED" if name in self.objects else "ADDED"
        self.revision += 1
        metadata = {"name": name, "namespace": "ns", "resourceVersion": str(self.revision)}
        obj = {"kind": "Thing", "metadata": metadata, **more}
        self.objects[name] = obj
        self._tell(type, obj)

    def remove(self, name: str) -> None:
        self.revision += 1
        obj = self.objects.pop(name)
        metadata = {**obj["metadata"], "resourceVersion": str(self.revision)}
        self._tell("DELETED", {**obj, "metadata": metadata})

    def _tell(self, type: str, obj: Object) -> None:
        self.history.append((self.revision, type, obj))
        for stream in self.streams:
            stream.send(type, obj)

    def bookmark(self) -> None:
        self.revision += 1
        for stream in self.streams:
            stream.send("BOOKMARK", _at(self.revision))

    def fail(self, error: errors.StatusError) -> None:
        """Ends every watch with an ERROR event."""
        for stream in self.streams:
            stream.send("ERROR", error.status)
        self.hang_up()

    def compact(self) -> None:
        """Whoever comes with an older revision is too late."""
        self.compacted = self.revision
        self.history.clear()

    def hang_up(self) -> None:
        for stream in self.streams:
            stream.end()
        self.streams.clear()

    # --- what a Reflector asks

    async def list(self, resource_version: str) -> tuple[list[Object], str]:
        await self._answer(f"list {resource_version!r}")
        return [*map(_copy, self.objects.values())], str(self.revision)

    async def watch(self, options: WatchOptions) -> watch.Watch:
        kind = "watchlist" if options.send_initial_events else "watch"
        await self._answer(f"{kind} {options.resource_version!r}")
        if options.send_initial_events and not self.serves_watch_list:
            raise errors.StatusError(422, errors.INVALID, "sendInitialEvents is forbidden")
        stream = Stream()
        since = int(options.resource_version or 0)
        if since and since < self.compacted:
            stream.send("ERROR", errors.resource_expired("too old resource version").status)
        elif self.ends_at_once:
            self.ends_at_once -= 1
            stream.end()
        elif options.send_initial_events:
            if self.breaks_off_after is not None:
                for obj in [*self.objects.values()][: self.breaks_off_after]:
                    stream.send("ADDED", obj)
                stream.end()
                self.breaks_off_after = None
                return watch.Watch(stream)
            for obj in self.objects.values():
                stream.send("ADDED", obj)
            done = _at(self.revision)
            done["metadata"]["annotations"] = {watch.INITIAL_EVENTS_END: "true"}
            stream.send("BOOKMARK", done)
            self.streams.append(stream)
        else:
            for revision, type, obj in self.history:
                if revision > since:
                    stream.send(type, obj)
            self.streams.append(stream)
        return watch.Watch(stream)

    async def _answer(self, request: str) -> None:
        await asyncio.sleep(0.001)
        if not self.reachable:
            raise rest.ServerUnreachable("refused")
        self.requests.append(request)
        if self.refusals:
            raise self.refusals.pop(0)


def _at(revision: int) -> Object:
    return {"kind": "Thing", "metadata": {"resourceVersion": str(revision)}}


def _copy(obj: Object) -> Object:
    copied: Object = codec.decode_json(codec.encode_json(obj))
    return copied

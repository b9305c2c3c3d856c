# SPDX-License-Identifier: Apache-2.0
"""What outside watchers saw of pods and nodes, brought into the one order that etcd has."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import resources, watch
from pyk8s.client.client import Client, ListOptions, WatchOptions


@dataclass(frozen=True, slots=True)
class Change:
    """`revision` orders changes of all resources; `at` is when the watcher saw it, in seconds."""

    revision: int
    at: float
    kind: str
    type: str
    object: Object


class Recorder:
    """Follows pods and nodes from now on."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.changes: list[Change] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, expects_nothing: bool = True) -> None:
        for resource in (resources.PODS, resources.NODES):
            listed = await self._client.list(resource, "", ListOptions(resource_version="0"))
            stream = await self._client.watch(
                resource, "", WatchOptions(resource_version=meta.resource_version(listed))
            )
            if expects_nothing and listed["items"]:
                raise SystemExit(f"there are {resource.resource} already")
            self._tasks.append(asyncio.create_task(self._follow(resource, stream)))

    async def _follow(self, resource: GroupVersionResource, stream: watch.Watch) -> None:
        async with stream:
            while batch := await stream.next_batch():
                now = time.monotonic()
                for event in batch:
                    revision = int(meta.resource_version(event.object))
                    self.changes.append(
                        Change(revision, now, resource.resource, event.type, event.object)
                    )
        raise SystemExit(f"the watch of {resource.resource} ended")

    def bound(self) -> dict[str, str]:
        """The node of each pod that is there and has one, by name."""
        found: dict[str, str] = {}
        for change in self.changes:
            if change.kind == "pods":
                name = meta.name(change.object)
                node = change.object["spec"].get("nodeName")
                if change.type == watch.DELETED:
                    found.pop(name, None)
                elif node:
                    found[name] = node
        return found

    async def stop(self) -> list[Change]:
        """All changes, in order. Raises what ended a watch."""
        for task in self._tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.wait(self._tasks)
        return sorted(self.changes, key=lambda change: change.revision)

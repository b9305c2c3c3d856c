# SPDX-License-Identifier: Apache-2.0
"""What really happened, heard from etcd itself: its JSON gateway, one watch from the beginning.

It follows while the faults happen, for a compaction would take the past away.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import h11

from hack.survival import history, machines

# A member that has lost its leader may keep a watch open and say nothing on it, for ever. After so
# long another member is asked; where nothing has happened that costs one connection.
_SILENT_SECONDS_MAX = 5.0


class Oracle:
    """Fills `truth` with the changes of the objects under a prefix, from `start` to `stop`."""

    def __init__(self, etcd: machines.Etcd, prefix: str) -> None:
        self.truth = history.Truth()
        self._etcd = etcd
        self._prefix = prefix
        self.revision = 0
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Condition()

    async def start(self) -> None:
        status = await machines.gateway(self._etcd.urls[0], "maintenance/status", {})
        self.revision = int(status["header"]["revision"])
        self._task = asyncio.create_task(self._follow(), name="oracle")

    async def until(self, revision: int) -> None:
        """Everything up to a revision at which the prefix changed is here."""
        assert self._task is not None
        async with asyncio.timeout(30), self._moved:
            await self._moved.wait_for(lambda: self.revision >= revision)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self) -> None:
        turn = 0
        while True:
            turn += 1
            url = self._etcd.urls[turn % len(self._etcd.urls)]
            try:
                async for message in _watch(url, self._prefix, self.revision + 1):
                    await self._take(message["result"])
            except (OSError, TimeoutError, h11.ProtocolError):
                await asyncio.sleep(0.05)

    async def _take(self, result: dict[str, Any]) -> None:
        assert "compact_revision" not in result, "the oracle came too late"
        for event in result.get("events", []):
            self._note(event)
        async with self._moved:
            self._moved.notify_all()

    def _note(self, event: dict[str, Any]) -> None:
        kv = event["kv"]
        name = base64.b64decode(kv["key"]).decode().removeprefix(self._prefix)
        revision = int(kv["mod_revision"])
        state = None
        if event.get("type") != "DELETE":
            state = history.state_of(json.loads(base64.b64decode(kv["value"])))
        self.truth.add(revision, name, state)
        self.revision = revision


async def _watch(url: str, prefix: str, start: int) -> AsyncIterator[dict[str, Any]]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    http = h11.Connection(h11.CLIENT)
    try:
        create = {"key": _b64(prefix), "range_end": _b64(prefix[:-1] + chr(ord(prefix[-1]) + 1))}
        body = json.dumps({"create_request": {**create, "start_revision": start}}).encode()
        headers = [("host", "localhost"), ("content-length", str(len(body)))]
        request = h11.Request(method="POST", target="/v3/watch", headers=headers)
        # The request side stays open: its end would end the watch.
        writer.write((http.send(request) or b"") + (http.send(h11.Data(data=body)) or b""))
        rest = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(_SILENT_SECONDS_MAX):
                    data = await reader.read(2**18)
                if not data:
                    raise ConnectionResetError("etcd hung up")
                http.receive_data(data)
            elif isinstance(event, h11.Data):
                *lines, rest = (rest + bytes(event.data)).split(b"\n")
                for line in lines:
                    yield json.loads(line)
            elif not isinstance(event, h11.Response):
                raise ConnectionResetError("the watch on etcd ended")
    finally:
        writer.transport.abort()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

# SPDX-License-Identifier: Apache-2.0
"""Forgets history older than one interval, one replica at a time.

`compact_rev_key` is a clock that all API servers on an etcd share: its version counts the
intervals, and only who moves it on compacts, to the revision seen one interval before.

    version   1            2            3
              |-- 5 min ---|-- 5 min ---|
    A         moves it     moves it         crashed
    B            loses        loses        moves it, compacts to what it saw at 2

Mirrors apiserver's `etcd3/compact.go`, so a kube-apiserver takes its turns as well.
"""

from __future__ import annotations

import asyncio
import logging

from pyk8s.storage import errors
from pyk8s.storage.etcd.keyspace import Keyspace

KEY = "compact_rev_key"

_log = logging.getLogger(__name__)


class Compactor:
    """Runs between start and stop. An interval of 0 seconds never compacts."""

    def __init__(self, keyspace: Keyspace, interval_seconds: float) -> None:
        self._keyspace = keyspace
        self._interval_seconds = interval_seconds
        self._version = 0
        self._revision = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._interval_seconds > 0:
            self._task = asyncio.create_task(self._run(), name="etcd compactor")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def compact_once(self) -> int:
        """Take a turn; says the revision compacted to, 0 where it was somebody else's turn."""
        target = self._revision
        ours, self._version, self._revision = await self._keyspace.put_if_version(
            KEY, str(target).encode(), self._version
        )
        if not ours or not target:
            return 0
        await self._keyspace.compact(target)
        return target

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self.compact_once()
            except errors.StorageError as error:
                _log.warning("Compaction failed, to be tried again: error=%s", error)

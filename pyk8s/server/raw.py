# SPDX-License-Identifier: Apache-2.0
"""The bare connection of a request that was upgraded: bytes in, bytes out, no protocol.

    client --feed--> RawConnection --read--> app
    client <------------- write <----------- app

Neither side runs ahead of the other by more than the bounds below.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyk8s.server.connection import Connection

# As much as waits for the app before the client has to wait.
UNREAD_BYTES_MAX = 256 * 1024


class RawConnection:
    """`pyk8s.endpoints.request.Duplex`, over one of the server's connections."""

    def __init__(self, owner: Connection, received: bytes) -> None:
        self._owner = owner
        self._unread = bytearray(received)
        self._ended = False
        self._changed = asyncio.Event()
        owner.read_on(True)

    def feed(self, data: bytes) -> None:
        self._unread += data
        self._changed.set()
        if len(self._unread) > UNREAD_BYTES_MAX:
            self._owner.read_on(False)

    def feed_end(self) -> None:
        self._ended = True
        self._changed.set()

    async def read(self) -> bytes:
        while not self._unread and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._unread)
        self._unread.clear()
        self._owner.read_on(True)
        return data

    async def write(self, data: bytes) -> None:
        self._owner.write(data)
        await self._owner.drain()

    def close(self) -> None:
        self.feed_end()
        self._owner.close()

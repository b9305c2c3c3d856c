# SPDX-License-Identifier: Apache-2.0
"""Connections to another server that wait for their next request.

As Go's http.Transport keeps them: a few for each address, none longer than it may be idle.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import h11

# client-go's and net/http's.
IDLE_SECONDS_MAX = 90.0
IDLE_PER_ADDRESS_MAX = 25

HEAD_BYTES_MAX = 1024 * 1024

Address = tuple[str, int]


def _connection() -> h11.Connection:
    return h11.Connection(h11.CLIENT, HEAD_BYTES_MAX)


@dataclass(slots=True)
class Line:
    """One connection and the request on it. `reused` says that it had others before, so that the
    other side may be hanging up at this moment."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    client: h11.Connection = field(default_factory=_connection)
    reused: bool = False
    idle_since: float = 0.0

    @property
    def is_free(self) -> bool:
        """Whether the request and its answer are complete, and another may follow."""
        done = self.client.our_state is h11.DONE and self.client.their_state is h11.DONE
        return done and not self._has_ended

    @property
    def _has_ended(self) -> bool:
        return self.writer.is_closing() or self.reader.at_eof()

    @property
    def is_usable(self) -> bool:
        return not self._has_ended


@dataclass(slots=True)
class IdleLines:
    """Those of one peer. `close` when nothing more is to be asked there."""

    _lines: dict[Address, list[Line]] = field(default_factory=dict)
    _timer: asyncio.TimerHandle | None = None
    _closed: bool = False

    def take(self, address: Address) -> Line | None:
        """The one used last; None where there is none."""
        lines = self._lines.get(address, [])
        while lines:
            line = lines.pop()
            if line.is_usable:
                line.reused = True
                return line
            line.writer.close()
        return None

    def give(self, address: Address, line: Line) -> None:
        """Keep it, if it is free; else it is closed."""
        lines = self._lines.setdefault(address, [])
        if self._closed or not line.is_free or len(lines) >= IDLE_PER_ADDRESS_MAX:
            line.writer.close()
            return
        line.client.start_next_cycle()
        loop = asyncio.get_running_loop()
        line.idle_since = loop.time()
        lines.append(line)
        if self._timer is None:
            self._timer = loop.call_later(IDLE_SECONDS_MAX, self._expire)

    def close(self) -> None:
        self._closed = True
        for lines in self._lines.values():
            for line in lines:
                line.writer.close()
        self._lines.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_SECONDS_MAX
        for address, lines in list(self._lines.items()):
            # The longest idle come first.
            while lines and lines[0].idle_since <= oldest:
                lines.pop(0).writer.close()
            if not lines:
                del self._lines[address]
        self._timer = None
        if self._lines:
            first = min(lines[0].idle_since for lines in self._lines.values())
            self._timer = loop.call_at(first + IDLE_SECONDS_MAX, self._expire)

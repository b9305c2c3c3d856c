# SPDX-License-Identifier: Apache-2.0
"""Keeps processes running: starts each again when it ends unasked, and gives up on one that
will not live.

    start -> wait --ended--> say so, back off -> start ...
                    \\--five quick ends in a row--> GaveUp
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

# What a child is told by its environment: a pipe that wants one byte once it is ready, and the
# process to end with.
READY_FD = "PYK8S_READY_FD"
PARENT_PID = "PYK8S_PARENT_PID"

# A process that lived longer than this was not stillborn; the count of quick ends begins anew.
QUICK_SECONDS = 10.0
QUICK_ENDS_MAX = 5
FIRST_DELAY_SECONDS = 0.1


class GaveUp(Exception):
    """A process ended too often; one line for the operator."""


class Supervised(Protocol):
    """A process that can be started again. `wait` answers how it ended."""

    name: str

    async def start(self) -> None: ...

    async def wait(self) -> str: ...

    async def stop(self) -> None: ...


async def keep_running(process: Supervised, report: Callable[[str], None]) -> None:
    """Until cancelled. The process runs already. Raises GaveUp, and what `start` raises."""
    loop = asyncio.get_running_loop()
    quick_ends = 0
    while True:
        started = loop.time()
        how = await process.wait()
        quick_ends = quick_ends + 1 if loop.time() - started < QUICK_SECONDS else 0
        if quick_ends >= QUICK_ENDS_MAX:
            raise GaveUp(f"{process.name} ended {quick_ends} times in a row, last with {how}")
        delay = FIRST_DELAY_SECONDS * 2 ** max(0, quick_ends - 1)
        report(f"{process.name} ended unexpectedly with {how}; starting it again")
        await asyncio.sleep(delay)
        await process.start()


@dataclass(kw_only=True)
class Component:
    """A command as a child of this process. What it prints goes to `log_file`.

    `inherited` are descriptors the child finds under the same numbers. The child closes the
    write end of `ready` after writing one byte to it, so `wait_until_ready` sees either the
    byte or, if it ended before, the end of the pipe.
    """

    name: str
    command: Sequence[str]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    inherited: Sequence[int] = ()
    ready_variable: str = ""
    stop_seconds_max: float = 3.5
    _process: asyncio.subprocess.Process | None = None
    _ready_fd: int = -1

    async def start(self) -> None:
        """Raises OSError."""
        self._close_ready()
        read_end, write_end = os.pipe()
        self._ready_fd = read_end
        environment = {**os.environ, **self.environment, self.ready_variable: str(write_end)}
        try:
            with self.log_file.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self.command,
                    env=environment,
                    pass_fds=(*self.inherited, write_end),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C is ours to answer, in order.
                    start_new_session=True,
                )
        finally:
            os.close(write_end)

    async def wait_until_ready(self) -> bool:
        """False when the child ended or closed its end without a word."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        pipe = os.fdopen(os.dup(self._ready_fd), "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            return await reader.read(1) != b""
        finally:
            transport.close()

    async def wait(self) -> str:
        assert self._process is not None
        status = await self._process.wait()
        return f"status {status}: {self._last_words()}"

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not go in time."""
        self._close_ready()
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), self.stop_seconds_max)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _close_ready(self) -> None:
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else "it said nothing"

# SPDX-License-Identifier: Apache-2.0
"""A way to etcd that a test can cut: a proxy on a unix socket that passes bytes on."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path


class Way:
    """Open from the start. `cut` breaks all connections and lets none be made, until `mend`."""

    def __init__(self, path: Path, target: str) -> None:
        self._path = path
        self._target = target.removeprefix("unix://")
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        # Answers are held back while this is not set.
        self.answers = asyncio.Event()
        self.answers.set()

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._connect, str(self._path))

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._path.unlink(missing_ok=True)
        for writer in self._writers:
            writer.transport.abort()
        # What was held back goes nowhere now.
        self.answers.set()
        if self._pipes:
            await asyncio.wait(self._pipes)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self._target)
        self._writers |= {writer, there_writer}
        self._pipe(reader, there_writer, None)
        self._pipe(there_reader, writer, self.answers)

    def _pipe(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: asyncio.Event | None,
    ) -> None:
        task = asyncio.create_task(self._copy(reader, writer, gate))
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: asyncio.Event | None,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if gate is not None:
                    await gate.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
        self._writers.discard(writer)

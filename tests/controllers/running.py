# SPDX-License-Identifier: Apache-2.0
"""One controller in the test's own process, with the settings and the clock of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from pyk8s.client import events
from pyk8s.client.client import Client
from pyk8s.client.informer import SharedInformers
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.options import Options


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@contextlib.asynccontextmanager
async def running(
    client: Client, make: Callable[[Context], Controller], options: Options | None = None
) -> AsyncIterator[Controller]:
    """The controller at work, its caches filled."""
    informers = SharedInformers(client)
    recorder = events.EventRecorder(client, "test")
    context = Context(
        client=client, informers=informers, recorder=recorder, options=options or Options()
    )
    controller = make(context)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            informers.start(group)
            group.create_task(recorder.run())
            group.create_task(controller.run())

    task = asyncio.ensure_future(run())
    try:
        await informers.wait_until_synced()
        yield controller
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

# SPDX-License-Identifier: Apache-2.0
"""How a component of the client wing ends: by a signal, in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger(__name__)

_COLLECT_AFTER_OBJECTS = 50_000


async def run_until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, or cancel it at SIGINT or SIGTERM and return. Raises what it raises."""
    running = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        _log.info("stopped: process=%s", os.getpid())


def settle() -> None:
    """Everything that was there is known. What is in memory by now stays, so the collector need
    never look at it; and objects that come by watch are trees by the hundred that are freed
    without it, so that it need not look often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS, 10, 10)

# SPDX-License-Identifier: Apache-2.0
"""The loop between a WorkQueue and `reconcile`: failures are tried again, and stop nothing else.

key -> reconcile --fine--> forgotten
                 --raises--> told to `failed`, tried again ever later
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from pyk8s.apimachinery import errors
from pyk8s.client import rest
from pyk8s.client.workqueue import K, ShutDown, WorkQueue

_log = logging.getLogger(__name__)


class Irreconcilable(Exception):
    """An object that does not allow what is to be done: no mistake of the program's, and told in
    one line like the refusals of the API server."""


async def work(
    queue: WorkQueue[K],
    reconcile: Callable[[K], Awaitable[None]],
    failed: Callable[[K, Exception], None] | None = None,
) -> None:
    """One worker: until the queue is shut down and empty, or the task is cancelled. Any number
    may work on one queue, and none gets a key that another one has.

    Whatever `reconcile` raises, the key comes back by the queue's rate limit; `failed` is told,
    by default the log is.
    """
    while True:
        try:
            key = await queue.get()
        except ShutDown:
            return
        try:
            await reconcile(key)
        except (errors.StatusError, rest.ServerUnreachable, Irreconcilable) as error:
            queue.add_rate_limited(key)
            (failed or _tell_log)(key, error)
        except Exception as error:
            # A boundary: a mistake about one object must not keep the others waiting.
            _log.exception("reconcile failed: queue=%s key=%s", queue.name, key)
            queue.add_rate_limited(key)
            if failed is not None:
                failed(key, error)
        else:
            queue.forget(key)
        finally:
            queue.done(key)


def _tell_log(key: object, error: Exception) -> None:
    _log.warning("reconcile failed: key=%s error=%s", key, error)

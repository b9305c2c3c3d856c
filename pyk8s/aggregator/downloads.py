# SPDX-License-Identifier: Apache-2.0
"""What the server of an APIService says of itself, asked again and again in the background.

    the APIService is new or has changed  -> asked at once
    afterwards                            -> every minute, or later the more often it failed

A Download is one such question; discovery and the two forms of OpenAPI are three kinds of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from pyk8s.aggregator import transport
from pyk8s.aggregator.apiservice import APIService
from pyk8s.aggregator.resolver import ResolveError, Resolver
from pyk8s.auth import user
from pyk8s.endpoints.dialing import DialError
from pyk8s.endpoints.relay import Fetched, Relay

_log = logging.getLogger(__name__)

# More than any discovery or OpenAPI document; an answer that is larger is none.
_ANSWER_BYTES_MAX = 64 * 1024 * 1024

_ASKER = user.UserInfo("system:kube-aggregator", groups=(user.SYSTEM_MASTERS,))


class DownloadError(Exception):
    """The server did not say it; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One APIService with a Service, and the way to it; `relay` is None where there is none."""

    service: APIService
    relay: Relay | None
    resolver: Resolver

    async def get(self, path: str, accept: str, seconds_max: float, etag: str = "") -> Fetched:
        """Whatever the answer is. Raises DownloadError when there is none."""
        assert self.service.service is not None
        if not self.service.available or self.relay is None:
            raise DownloadError("service unavailable")
        headers = [(b"accept", accept.encode()), *transport.identity_headers(_ASKER)]
        if etag:
            headers.append((b"if-none-match", etag.encode()))
        try:
            location = replace(await self.resolver.resolve(self.service.service), path=path)
            async with asyncio.timeout(seconds_max):
                return await self.relay.fetch(location, headers, _ANSWER_BYTES_MAX)
        except TimeoutError:
            raise DownloadError("request timed out") from None
        except (ResolveError, DialError) as error:
            raise DownloadError(str(error)) from error


# Asks once and keeps what it learns; raises DownloadError when the answer was none.
Ask = Callable[[Source], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """After a success, and after a first and after the last of many failures."""

    success_seconds: float = 60.0
    failure_seconds: float = 60.0
    failure_seconds_max: float = 60.0

    def after(self, failures: int) -> float:
        if not failures:
            return self.success_seconds
        # The exponent is bounded because a float is.
        delay = self.failure_seconds * 2.0 ** min(failures - 1, 30)
        return min(delay, self.failure_seconds_max)


@dataclass(slots=True)
class _Running:
    source: Source
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Downloads:
    """One kind of question, to the servers of all APIServices."""

    def __init__(self, what: str, ask: Ask, pace: Pace) -> None:
        self._what = what
        self._ask = ask
        self._pace = pace
        self._running: dict[str, _Running] = {}

    def changed(self, source: Source) -> None:
        """The APIService is new, or leads elsewhere, or is available or is not any more."""
        name = source.service.name
        running = self._running.get(name)
        if running is not None:
            if _differ(running.source, source):
                running.changed.set()
            running.source = source
            return
        running = self._running[name] = _Running(source)
        running.task = asyncio.create_task(self._run(running), name=f"{self._what} of {name}")

    def removed(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is not None and running.task is not None:
            running.task.cancel()

    async def stop(self) -> None:
        tasks = [running.task for running in self._running.values() if running.task]
        for name in list(self._running):
            self.removed(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, running: _Running) -> None:
        failures = 0
        while True:
            running.changed.clear()
            try:
                await self._ask(running.source)
                failures = 0
            except DownloadError as error:
                failures += 1
                name = running.source.service.name
                _log.info("%s of APIService %s: %s", self._what, name, error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.after(failures)):
                    await running.changed.wait()
                    failures = 0


def _differ(before: Source, after: Source) -> bool:
    """In more than the words of the condition."""
    return replace(before.service, reason="") != replace(after.service, reason="")

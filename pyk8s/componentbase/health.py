# SPDX-License-Identifier: Apache-2.0
"""Named checks, all at once or one by one, in upstream's words (`server/healthz`).

People and probes read the texts. A failing check keeps its reason to itself and to the log,
because these paths are open to everyone.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

_log = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"


class NotHealthy(Exception):
    """What a check raises; the message goes to the log."""


Check = Callable[[], Awaitable[None]]
# A URL's query: the values of each parameter.
Query = Mapping[str, Sequence[str]]


async def ping() -> None:
    """Proves that the process answers at all."""


class Report(NamedTuple):
    status_code: int
    text: str


class Checks:
    """What stands behind `/healthz`, `/livez` or `/readyz`, which `name` is without its slash.
    `failures` are the exceptions by which a check says no; any other is a mistake and is raised.
    """

    def __init__(
        self,
        name: str,
        checks: Mapping[str, Check],
        failures: tuple[type[Exception], ...] = (NotHealthy,),
    ) -> None:
        self.name = name
        self._checks = checks
        self._failures = failures

    async def all(self, query: Query) -> Report:
        """`?verbose` tells each check, as a failure always does; `?exclude=NAME` leaves one out."""
        unknown = {*query.get("exclude", ())}
        excluded = unknown & {*self._checks}
        lines, failed = [], []
        for check in [*self._checks]:
            if check in excluded:
                lines.append(f"[+]{check} excluded: ok")
            elif await self._passes(check):
                lines.append(f"[+]{check} ok")
            else:
                lines.append(f"[-]{check} failed: reason withheld")
                failed.append(check)
        if unknown := unknown - excluded:
            lines.append(_cannot_exclude(unknown))
        if not failed and "verbose" not in query:
            return Report(200, "ok")
        lines.append(f"{self.name} check {'failed' if failed else 'passed'}")
        return Report(500 if failed else 200, "".join(line + "\n" for line in lines))

    async def one(self, check: str) -> Report | None:
        """None for a check that does not exist."""
        if check not in self._checks:
            return None
        if await self._passes(check):
            return Report(200, "ok")
        return Report(500, "internal server error: reason withheld\n")

    async def _passes(self, check: str) -> bool:
        try:
            await self._checks[check]()
        except self._failures as error:
            _log.warning("health check failed: endpoint=%s check=%s: %s", self.name, check, error)
            return False
        return True


def _cannot_exclude(names: Collection[str]) -> str:
    quoted = ",".join(f'"{name}"' for name in sorted(names))
    return f"warn: some health checks cannot be excluded: no matches for {quoted}"

# SPDX-License-Identifier: Apache-2.0
"""/livez, /readyz, /healthz: named checks, all at once or one by one.

The texts are upstream's (`server/healthz`): people and probes read them. A failing check keeps
its reason to itself and to the log, because these paths are open to everyone.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from pyk8s.apimachinery import errors
from pyk8s.endpoints import response
from pyk8s.endpoints.endpoint import Handler
from pyk8s.endpoints.request import Request
from pyk8s.storage import errors as storage_errors

_log = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"


class NotHealthy(Exception):
    """What a check raises; the message goes to the log."""


Check = Callable[[], Awaitable[None]]


async def ping() -> None:
    """Proves that the server answers at all."""


def handlers(name: str, checks: Mapping[str, Check]) -> tuple[dict[str, Handler], Handler]:
    """For `livez`: the handler of `/livez` by its path, and the one for `/livez/CHECK`."""

    async def all_checks(request: Request) -> None:
        excluded = set(request.query.get("exclude", []))
        lines, failed = [], []
        for check_name, check in checks.items():
            if check_name in excluded:
                excluded.discard(check_name)
                lines.append(f"[+]{check_name} excluded: ok")
                continue
            healthy = await _passes(name, check_name, check)
            lines.append(
                f"[+]{check_name} ok" if healthy else f"[-]{check_name} failed: reason withheld"
            )
            if not healthy:
                failed.append(check_name)
        if excluded:
            names = ", ".join(f'"{name}"' for name in sorted(excluded))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
        await _answer(request, name, lines, failed)

    async def one_check(request: Request) -> None:
        check = checks.get(request.info.path.rstrip("/").rpartition("/")[2])
        if check is None:
            raise errors.page_not_found()
        check_name = request.info.path.rstrip("/").rpartition("/")[2]
        if await _passes(name, check_name, check):
            await _send_text(request, 200, "ok")
        else:
            await _send_text(request, 500, "internal server error: reason withheld\n")

    return {f"/{name}": all_checks}, one_check


async def _passes(endpoint: str, name: str, check: Check) -> bool:
    try:
        await check()
    except (NotHealthy, storage_errors.StorageError) as error:
        _log.warning("health check failed: endpoint=%s check=%s: %s", endpoint, name, error)
        return False
    return True


async def _answer(request: Request, name: str, lines: list[str], failed: list[str]) -> None:
    if failed:
        text = "".join(line + "\n" for line in lines) + f"{name} check failed\n"
        await _send_text(request, 500, text)
    elif "verbose" in request.query:
        text = "".join(line + "\n" for line in lines) + f"{name} check passed\n"
        await _send_text(request, 200, text)
    else:
        await _send_text(request, 200, "ok")


async def _send_text(request: Request, status_code: int, text: str) -> None:
    await response.send_bytes(
        request,
        text.encode(),
        status_code=status_code,
        content_type=TEXT,
        extra_headers=[(b"x-content-type-options", b"nosniff")],
    )

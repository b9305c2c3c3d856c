# SPDX-License-Identifier: Apache-2.0
"""/livez, /readyz, /healthz: the checks of the API server, all at once or one by one."""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery import errors
from pyk8s.componentbase import health
from pyk8s.endpoints import response
from pyk8s.endpoints.endpoint import Handler
from pyk8s.endpoints.request import Request
from pyk8s.storage import errors as storage_errors


def handlers(name: str, checks: Mapping[str, health.Check]) -> tuple[dict[str, Handler], Handler]:
    """For `livez`: the handler of `/livez` by its path, and the one for `/livez/CHECK`."""
    behind = health.Checks(name, checks, (health.NotHealthy, storage_errors.StorageError))

    async def all_checks(request: Request) -> None:
        await _send(request, await behind.all(request.query))

    async def one_check(request: Request) -> None:
        report = await behind.one(request.info.path.rstrip("/").rpartition("/")[2])
        if report is None:
            raise errors.page_not_found()
        await _send(request, report)

    return {f"/{name}": all_checks}, one_check


async def _send(request: Request, report: health.Report) -> None:
    await response.send_bytes(
        request,
        report.text.encode(),
        status_code=report.status_code,
        content_type=health.TEXT,
        extra_headers=[(b"x-content-type-options", b"nosniff")],
    )

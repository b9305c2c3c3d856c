# SPDX-License-Identifier: Apache-2.0
"""/version: the release whose behaviour is served, and what serves it."""

from __future__ import annotations

from pyk8s.componentbase import version as component_version
from pyk8s.endpoints import negotiation, response
from pyk8s.endpoints.request import Request


async def version(request: Request) -> None:
    wanted = negotiation.negotiate(
        request.headers.get("accept", ""), transforms=False, served=negotiation.TEXTUAL
    )
    body = response.encode(component_version.info(), wanted.media_type, pretty=True)
    await response.send_bytes(request, body, content_type=wanted.media_type)

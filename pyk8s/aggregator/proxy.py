# SPDX-License-Identifier: Apache-2.0
"""Requests of an aggregated group version, passed on to the Service that serves it.

They have been authenticated and authorized; the other server is told who asks, and may ask this
one again whether that user may. What fails here is answered in plain text, as upstream does.
Mirrors kube-aggregator's `pkg/apiserver/handler_proxy.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from pyk8s.aggregator import transport
from pyk8s.aggregator.apiservice import APIService
from pyk8s.aggregator.resolver import ResolveError, Resolver
from pyk8s.endpoints import response
from pyk8s.endpoints.dialing import DialError
from pyk8s.endpoints.forwarding import Changes
from pyk8s.endpoints.relay import Relay
from pyk8s.endpoints.request import UPGRADE, ClientDisconnected, Request
from pyk8s.registry.locations import Location

_log = logging.getLogger(__name__)

# Discovery is cheap, and every client waits for it. Upstream: aggregatedDiscoveryTimeout.
DISCOVERY_SECONDS_MAX = 5.0

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One APIService with a Service, as it is now. `relay` is None where `fault` says why there
    can be none."""

    service: APIService
    resolver: Resolver
    relay: Relay | None
    fault: str = ""
    says_who: Callable[[bytes], bool]
    rejects_redirects: bool = True

    async def handle(self, request: Request) -> None:
        assert self.service.service is not None
        if not self.service.available:
            await _answer(request, 503, "service unavailable")
            return
        if self.relay is None:
            await _answer(request, 500, self.fault)
            return
        try:
            found = await self.resolver.resolve(self.service.service)
        except ResolveError as error:
            _log.warning("APIService %s: %s", self.service.name, error)
            await _answer(request, 503, "service unavailable")
            return
        location = replace(
            found,
            path=request.info.path,
            query=request.scope["query_string"].decode("latin-1"),
        )
        try:
            await self._pass_on(request, self.relay, location)
        except DialError as error:
            if request.response_started:
                # The client sees the stream break off, which is all there is to say.
                _log.warning("APIService %s: broken off: %s", self.service.name, error)
                raise ClientDisconnected from None
            await _answer(request, 503, f"error trying to reach service: {error}")

    async def _pass_on(self, request: Request, way: Relay, location: Location) -> None:
        changes = self._changes(request)
        if UPGRADE in request.scope["extensions"]:
            await way.upgrade(request, location, changes)
        elif _is_discovery(request):
            try:
                async with asyncio.timeout(DISCOVERY_SECONDS_MAX):
                    await way.pass_on(request, location, changes)
            except TimeoutError:
                raise DialError("context deadline exceeded") from None
        else:
            await way.pass_on(request, location, changes)

    def _changes(self, request: Request) -> Changes:
        forwarded = [
            (b"x-forwarded-uri", request.info.path.encode("latin-1")),
            (b"x-forwarded-host", request.headers.get("host", "").encode("latin-1")),
            (b"x-forwarded-proto", b"https"),
            (b"audit-id", request.audit_id.encode("latin-1")),
        ]
        return Changes(
            added=[*forwarded, *transport.identity_headers(request.user)],
            is_dropped=lambda name: _is_ours(name) or self.says_who(name),
            own_host=True,
            redirects=not self.rejects_redirects,
        )


def _is_ours(name: bytes) -> bool:
    return name == b"audit-id" or name.startswith(b"impersonate-")


def _is_discovery(request: Request) -> bool:
    info = request.info
    return not info.is_resource_request and len(info.path.strip("/").split("/")) == 3


async def _answer(request: Request, code: int, text: str) -> None:
    await response.send_bytes(
        request,
        text.encode() + b"\n",
        status_code=code,
        content_type=_TEXT,
        extra_headers=[(b"x-content-type-options", b"nosniff")],
    )

# SPDX-License-Identifier: Apache-2.0
"""Who may ask a node's server what.

Mirrors `pkg/kubelet/server/auth.go` with webhook authorization: what is asked for is a subresource
of the nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.client.client import Client
from pyk8s.serving.delegation import CacheSeconds, Delegation, User, user_of_certificate

# Upstream: cacheTTL, cacheAuthorizedTTL and cacheUnauthorizedTTL of the kubelet's webhooks.
_SECONDS = CacheSeconds(token=120.0, allowed=300.0, denied=30.0)

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch",
          "DELETE": "delete"}  # fmt: skip
_SUBRESOURCES = {"stats": "stats", "metrics": "metrics", "logs": "log", "healthz": "healthz",
                 "pods": "pods", "configz": "configz"}  # fmt: skip


class Auth:
    """Its methods raise StatusError and ServerUnreachable where the API server cannot be asked."""

    def __init__(self, client: Client) -> None:
        self._delegation = Delegation(client, _SECONDS)

    async def user_of(self, certificate: Mapping[str, Any] | None, token: str) -> User | None:
        """`certificate` is a verified one as `SSLSocket.getpeercert` gives it."""
        if certificate:
            return user_of_certificate(certificate)
        return await self._delegation.user_of_token(token)

    async def may(self, user: User, method: str, path: str, node: str) -> bool:
        attributes = {
            "verb": _VERBS.get(method, ""), "version": "v1", "resource": "nodes",
            "subresource": subresource_of(path), "name": node,
        }  # fmt: skip
        return await self._delegation.may(user, resourceAttributes=attributes)


def subresource_of(path: str) -> str:
    """Of the nodes; `proxy` for all that has no name of its own."""
    return _SUBRESOURCES.get(path.lstrip("/").partition("/")[0], "proxy")

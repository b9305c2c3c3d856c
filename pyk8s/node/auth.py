# SPDX-License-Identifier: Apache-2.0
"""Who may ask a node's server what: what is asked for is a subresource of the nodes.

Mirrors `pkg/kubelet/server/auth.go` with webhook authorization.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pyk8s.client.client import Client
from pyk8s.client.delegatedauth import DelegatedAuth, Lifetimes, User

# A kubelet's cacheTTL, cacheAuthorizedTTL and cacheUnauthorizedTTL.
_LIFETIMES = Lifetimes(token=120.0, allowed=300.0, denied=30.0)

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch",
          "DELETE": "delete"}  # fmt: skip
_SUBRESOURCES = {"stats": "stats", "metrics": "metrics", "logs": "log", "healthz": "healthz",
                 "pods": "pods", "configz": "configz"}  # fmt: skip


class Auth(DelegatedAuth):
    """Of a node's server."""

    def __init__(self, client: Client, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(client, _LIFETIMES, now)

    async def may(self, user: User, method: str, path: str, node: str) -> bool:
        attributes = {
            "verb": _VERBS.get(method, ""), "version": "v1", "resource": "nodes",
            "subresource": subresource_of(path), "name": node,
        }  # fmt: skip
        return await self.is_allowed(user, "resourceAttributes", attributes)


def subresource_of(path: str) -> str:
    """Of the nodes; `proxy` for all that has no name of its own."""
    return _SUBRESOURCES.get(path.lstrip("/").partition("/")[0], "proxy")

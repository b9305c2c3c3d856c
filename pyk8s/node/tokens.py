# SPDX-License-Identifier: Apache-2.0
"""Tokens of Pods, asked for when something reads them, and kept until most of their time is over.

Mirrors `pkg/kubelet/token/token_manager.go`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources
from pyk8s.client.client import Client
from pyk8s.node.environment import Token

# Upstream: tokens are asked for anew once a fifth of their time is left or a day is over, spread.
_SHARE_MAX = 0.8
_SECONDS_MAX = 24 * 60 * 60.0
_SECONDS_SPREAD = 10.0
_REMEMBERED_MAX = 10_000


class Tokens:
    """Of all pods of a process. `now` is a clock that never goes back, in seconds."""

    def __init__(self, client: Client, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._known: dict[tuple[str, Token], tuple[float, bytes]] = {}

    async def get(self, pod: Object, token: Token) -> bytes:
        """Bound to the pod. Raises StatusError."""
        where = (meta.uid(pod), token)
        until, known = self._known.get(where, (0.0, b""))
        if until > self._now():
            return known
        issued = await self._request(pod, token)
        seconds = min(token.seconds * _SHARE_MAX, _SECONDS_MAX) - random.uniform(0, _SECONDS_SPREAD)
        if len(self._known) >= _REMEMBERED_MAX:
            self._known.clear()
        self._known[where] = self._now() + seconds, issued
        return issued

    async def _request(self, pod: Object, token: Token) -> bytes:
        bound = {"kind": "Pod", "apiVersion": "v1", "name": meta.name(pod), "uid": meta.uid(pod)}
        spec: Object = {"expirationSeconds": token.seconds, "boundObjectRef": bound}
        spec["audiences"] = [token.audience] if token.audience else []
        account = (meta.namespace(pod), pod["spec"]["serviceAccountName"])
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": spec,
        }
        answer = await self._client.create_subresource(
            resources.SERVICE_ACCOUNTS, account, "token", request
        )
        return str(answer["status"]["token"]).encode()

# SPDX-License-Identifier: Apache-2.0
"""Who may ask a component what, by the API server's word.

    certificate signed by a trusted CA, or TokenReview -> user -> SubjectAccessReview

Mirrors `k8s.io/apiserver/pkg/authentication/authenticatorfactory` and the webhook authorizer.
Answers are kept for a while, as upstream keeps them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client.client import Client

_TOKEN_REVIEWS = GroupVersionResource("authentication.k8s.io", "v1", "tokenreviews")
_ACCESS_REVIEWS = GroupVersionResource("authorization.k8s.io", "v1", "subjectaccessreviews")

_ENTRIES_MAX = 1024


class User(NamedTuple):
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long answers hold, in seconds; upstream's for components that are no kubelet."""

    token: float = 10.0
    allowed: float = 10.0
    denied: float = 10.0


class _Remembered:
    """Answers by key, each for a time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._answers: dict[Any, tuple[float, Any]] = {}

    def get(self, key: Any) -> Any:
        until, answer = self._answers.get(key, (0.0, None))
        return answer if until > self._now() else None

    def put(self, key: Any, answer: Any, seconds: float) -> None:
        if len(self._answers) >= _ENTRIES_MAX:
            self._answers.clear()
        self._answers[key] = (self._now() + seconds, answer)


class DelegatedAuth:
    """Asks the API server behind `client`. Its methods raise StatusError and ServerUnreachable
    where that cannot be asked."""

    def __init__(
        self,
        client: Client,
        lifetimes: Lifetimes | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._lifetimes = lifetimes or Lifetimes()
        self._users = _Remembered(now)
        self._allowed = _Remembered(now)

    async def user_of(self, certificate: Mapping[str, Any] | None, token: str) -> User | None:
        """`certificate` is a verified one as `SSLSocket.getpeercert` gives it."""
        if certificate:
            return user_of_certificate(certificate)
        if not token:
            return None
        key = hashlib.sha256(token.encode()).digest()
        user: User | None = self._users.get(key)
        if user is None:
            user = await self._review_token(token)
            if user is not None:
                self._users.put(key, user, self._lifetimes.token)
        return user

    async def _review_token(self, token: str) -> User | None:
        review = await self._client.create(_TOKEN_REVIEWS, _review(_TOKEN_REVIEWS, token=token))
        status = review.get("status") or {}
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        return User(user.get("username", ""), tuple(user.get("groups") or ()), user.get("uid", ""))

    async def is_allowed(self, user: User, kind: str, attributes: Mapping[str, str]) -> bool:
        """`kind` is resourceAttributes or nonResourceAttributes."""
        key = (user, kind, *sorted(attributes.items()))
        allowed: bool | None = self._allowed.get(key)
        if allowed is None:
            allowed = await self._review_access(user, {kind: dict(attributes)})
            seconds = self._lifetimes.allowed if allowed else self._lifetimes.denied
            self._allowed.put(key, allowed, seconds)
        return allowed

    async def _review_access(self, user: User, attributes: Mapping[str, Object]) -> bool:
        spec = {"user": user.name, "groups": list(user.groups), "uid": user.uid}
        wanted = _review(_ACCESS_REVIEWS, **spec, **attributes)
        review = await self._client.create(_ACCESS_REVIEWS, wanted)
        return bool((review.get("status") or {}).get("allowed"))


def _review(resource: GroupVersionResource, **spec: Any) -> Object:
    kind = "TokenReview" if resource is _TOKEN_REVIEWS else "SubjectAccessReview"
    return {"apiVersion": f"{resource.group}/{resource.version}", "kind": kind, "spec": spec}


def user_of_certificate(certificate: Mapping[str, Any]) -> User | None:
    """The common name is the user, organizations are the groups; None without a name."""
    names = [pair for part in certificate.get("subject") or () for pair in part]
    name = next((value for key, value in names if key == "commonName"), "")
    groups = [value for key, value in names if key == "organizationName"]
    return User(name, (*groups, "system:authenticated")) if name else None


def bearer_token(authorization: str) -> str:
    """Empty where the header holds something else."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

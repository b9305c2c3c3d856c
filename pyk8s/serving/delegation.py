# SPDX-License-Identifier: Apache-2.0
"""Who may ask a server what: client certificates and tokens, and the API server's word.

    certificate of a known authority, or TokenReview -> User -> SubjectAccessReview

Mirrors apiserver's `pkg/server/options/{authentication,authorization}.go` and the kubelet's
`cmd/kubelet/app/auth.go`. Answers are kept for a while, as upstream keeps them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client.client import Client

_TOKEN_REVIEWS = GroupVersionResource("authentication.k8s.io", "v1", "tokenreviews")
_ACCESS_REVIEWS = GroupVersionResource("authorization.k8s.io", "v1", "subjectaccessreviews")

AUTHENTICATED = "system:authenticated"
# Upstream's default of --authorization-always-allow-paths.
ALWAYS_ALLOWED_PATHS = ("/healthz", "/readyz", "/livez")
_ENTRIES_MAX = 1024

# Of a SubjectAccessReview: its resourceAttributes or its nonResourceAttributes.
Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSeconds:
    """How long answers hold; upstream's defaults for an extension API server."""

    token: float = 10.0
    allowed: float = 10.0
    denied: float = 10.0


class User(NamedTuple):
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


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


class Delegation:
    """Asks the API server behind `client`. Its methods raise StatusError and ServerUnreachable
    where that cannot be asked."""

    def __init__(
        self,
        client: Client,
        seconds: CacheSeconds = CacheSeconds(),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._seconds = seconds
        self._users = _Remembered(now)
        self._allowed = _Remembered(now)

    async def user_of_token(self, token: str) -> User | None:
        """None for a token that the API server does not know."""
        if not token:
            return None
        key = hashlib.sha256(token.encode()).digest()
        user: User | None = self._users.get(key)
        if user is None:
            user = await self._review_token(token)
            if user is not None:
                self._users.put(key, user, self._seconds.token)
        return user

    async def _review_token(self, token: str) -> User | None:
        review = await self._client.create(_TOKEN_REVIEWS, _review(_TOKEN_REVIEWS, token=token))
        status = review.get("status") or {}
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        extra = tuple((key, tuple(values)) for key, values in (user.get("extra") or {}).items())
        groups = tuple(user.get("groups") or ())
        return User(user.get("username", ""), groups, user.get("uid", ""), extra)

    async def may(self, user: User, **attributes: Attributes) -> bool:
        """`resourceAttributes` or `nonResourceAttributes`, as in a SubjectAccessReview's spec."""
        key = (user, *((kind, *sorted(each.items())) for kind, each in attributes.items()))
        allowed: bool | None = self._allowed.get(key)
        if allowed is None:
            allowed = await self._review_access(user, attributes)
            seconds = self._seconds.allowed if allowed else self._seconds.denied
            self._allowed.put(key, allowed, seconds)
        return allowed

    async def _review_access(self, user: User, attributes: Mapping[str, Attributes]) -> bool:
        spec: dict[str, Any] = {"user": user.name, "groups": [*user.groups], "uid": user.uid}
        if user.extra:
            spec["extra"] = {key: list(values) for key, values in user.extra}
        review = await self._client.create(
            _ACCESS_REVIEWS, _review(_ACCESS_REVIEWS, **spec, **attributes)
        )
        return bool((review.get("status") or {}).get("allowed"))


def _review(resource: GroupVersionResource, **spec: Any) -> Object:
    kind = "TokenReview" if resource is _TOKEN_REVIEWS else "SubjectAccessReview"
    return {"apiVersion": f"{resource.group}/{resource.version}", "kind": kind, "spec": spec}


def user_of_certificate(certificate: Mapping[str, Any] | None) -> User | None:
    """`certificate` is a verified one as `SSLSocket.getpeercert` gives it. Its common name is the
    user, its organizations are the groups; None without a name."""
    subject = (certificate or {}).get("subject")
    name = names(subject, "commonName")
    if not name:
        return None
    return User(name[-1], (*names(subject, "organizationName"), AUTHENTICATED))


def names(distinguished: Any, key: str) -> list[str]:
    """The values of one kind in a subject or issuer, in order."""
    pairs = [pair for part in distinguished or () for pair in part]
    return [value for each, value in pairs if each == key]


def bearer_token(authorization: str) -> str:
    """Of an Authorization header; empty where it holds none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def always_allowed_by(paths: Collection[str]) -> Callable[[str], bool]:
    """Whether these values of --authorization-always-allow-paths open a path to everybody,
    unasked: it by itself, or with a `*` at the end all that begin so."""
    exact = {path for path in paths if not path.endswith("*")}
    prefixes = tuple(path[:-1] for path in paths if path.endswith("*"))
    return lambda path: path in exact or path.startswith(prefixes)

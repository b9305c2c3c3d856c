# SPDX-License-Identifier: Apache-2.0
"""The headers of a request that is passed on: what is left out, and what comes in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pyk8s.endpoints.dialing import DialError
from pyk8s.endpoints.request import Request
from pyk8s.registry.locations import Location

Header = tuple[bytes, bytes]

# They speak of one connection, and of who the client is to this server.
HOP_BY_HOP = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate",
        b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip
CREDENTIALS = frozenset((b"authorization",))

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def _drops_nothing(name: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What becomes of a request's headers on the way: some are left out, then some are added.
    `own_host` replaces the client's Host by that of the other side. With `redirects` False an
    answer that leads elsewhere becomes a 502."""

    added: Sequence[Header] = ()
    is_dropped: Callable[[bytes], bool] = _drops_nothing
    own_host: bool = False
    redirects: bool = True


def forwarded(
    request: Request,
    location: Location,
    changes: Changes,
    dropped: frozenset[bytes] = HOP_BY_HOP | CREDENTIALS,
) -> list[Header]:
    """The client's headers, as far as they are for the other side."""
    headers = [
        (name, value)
        for name, value in request.scope["headers"]
        if name not in dropped and not changes.is_dropped(name)
    ]
    if changes.own_host:
        headers = [header for header in headers if header[0] != b"host"]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", location.authority.encode()))
    return _with_client(request, headers)


def _with_client(request: Request, headers: list[Header]) -> list[Header]:
    client = request.scope.get("client")
    if not client:
        return headers
    before = [value for name, value in headers if name == b"x-forwarded-for"]
    line = b", ".join([*before, client[0].encode()])
    return [*(h for h in headers if h[0] != b"x-forwarded-for"), (b"x-forwarded-for", line)]


def may_have_body(method: str, headers: Iterable[Header]) -> bool:
    """Whether something may follow the head that cannot be sent a second time."""
    framing = (b"content-length", b"transfer-encoding")
    return method not in ("GET", "HEAD") or any(name in framing for name, _ in headers)


def framed(request: Request, headers: list[Header]) -> list[Header]:
    """Headers that say how long the body is, and hold nothing that is no header's. Raises
    DialError."""
    check(headers)
    has_length = any(name == b"content-length" for name, _ in headers)
    if not has_length and request.method in ("POST", "PUT", "PATCH"):
        return [*headers, (b"transfer-encoding", b"chunked")]
    return headers


def check(headers: Iterable[Header]) -> None:
    """A user's name comes from elsewhere and may hold anything, but must not end its line."""
    for name, value in headers:
        if _CONTROL.search(value):
            shown = name.decode("latin-1").title()
            raise DialError(f'net/http: invalid header field value for "{shown}"')

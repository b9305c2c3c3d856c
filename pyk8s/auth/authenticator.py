# SPDX-License-Identifier: Apache-2.0
"""Who is asking: authenticators, and how several of them answer as one.

Each authenticator looks at one kind of credential. The union asks them in order; the first that
knows the caller wins, whatever the others would say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pyk8s.apimachinery import errors
from pyk8s.auth import user
from pyk8s.auth.user import UserInfo

# Whom a request without credentials acts as, on the few paths that are open to all.
ANONYMOUS_USER = UserInfo(user.ANONYMOUS, groups=(user.UNAUTHENTICATED,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the connection and the headers show.

    `authorization` is the value of that header. `client_certificate` is the DER form of a
    certificate whose chain the TLS layer has already verified; empty when none was offered.
    `client_authority` is the certificate its chain ends at, which is one of those the server
    trusts. `headers` are all headers as they came, names in lower case.
    """

    authorization: str = ""
    client_certificate: bytes = b""
    client_authority: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()


class Authenticator(Protocol):
    async def authenticate(self, credentials: Credentials) -> UserInfo | None:
        """None when there is no credential of the kind looked for. Raises StatusError 401 for
        one that is there and does not hold."""
        ...


class TokenAuthenticator(Protocol):
    async def authenticate_token(self, token: str) -> UserInfo | None:
        """None when the token is not one of this authenticator's."""
        ...


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whose token it is, and for which of the audiences asked about it is good."""

    user: UserInfo
    audiences: tuple[str, ...] = ()


class TokenRejected(Exception):
    """The token is one of ours and does not hold; the reason may be told to who asks."""


class AudienceAuthenticator(Protocol):
    async def vouch(self, token: str, audiences: Sequence[str]) -> Vouched | None:
        """None when the token is not one of this authenticator's, or good for none of the
        audiences. Raises TokenRejected."""
        ...


class ForAudiences:
    """Tokens that know of no audience are good for the server's own. Mirrors upstream's
    WrapAudienceAgnosticToken."""

    def __init__(self, tokens: TokenAuthenticator, audiences: Sequence[str]) -> None:
        self._tokens = tokens
        self._audiences = tuple(audiences)

    async def vouch(self, token: str, audiences: Sequence[str]) -> Vouched | None:
        common = tuple(audience for audience in self._audiences if audience in audiences)
        found = await self._tokens.authenticate_token(token) if common else None
        return Vouched(found, common) if found else None


class Tokens:
    """All kinds of tokens this server knows; `audiences` are the server's own names."""

    def __init__(self, members: Sequence[AudienceAuthenticator], audiences: Sequence[str]) -> None:
        self._members = tuple(members)
        self.audiences = tuple(audiences)

    async def vouch(self, token: str, audiences: Sequence[str] = ()) -> Vouched | None:
        """Raises TokenRejected when nobody vouches and somebody refuses."""
        refusal: TokenRejected | None = None
        for member in self._members:
            try:
                found = await member.vouch(token, audiences or self.audiences)
            except TokenRejected as error:
                refusal = refusal or error
                continue
            if found is not None:
                return found
        if refusal is not None:
            raise refusal
        return None

    async def authenticate_token(self, token: str) -> UserInfo | None:
        try:
            found = await self.vouch(token)
        except TokenRejected:
            return None
        return found.user if found else None


class Union:
    """Asks in order; a refusal counts only when nobody else vouches for the caller.

    Everyone it lets in is a member of system:authenticated, as upstream's
    AuthenticatedGroupAdder sees to it.
    """

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    async def authenticate(self, credentials: Credentials) -> UserInfo | None:
        refusal: errors.StatusError | None = None
        for authenticator in self._authenticators:
            try:
                found = await authenticator.authenticate(credentials)
            except errors.StatusError as error:
                refusal = refusal or error
                continue
            if found is not None:
                return with_authenticated_group(found)
        if refusal is not None:
            raise refusal
        return None


class BearerToken:
    """Reads `Authorization: Bearer TOKEN` and asks the token authenticators in order."""

    def __init__(self, authenticators: Sequence[TokenAuthenticator]) -> None:
        self._authenticators = tuple(authenticators)

    async def authenticate(self, credentials: Credentials) -> UserInfo | None:
        token = bearer_token(credentials.authorization)
        if not token:
            return None
        for authenticator in self._authenticators:
            found = await authenticator.authenticate_token(token)
            if found is not None:
                return found
        raise errors.unauthorized()


def bearer_token(authorization: str) -> str:
    """The token in an Authorization header; empty where the scheme is another or it is missing."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        return ""
    return rest.partition(" ")[0]


def with_authenticated_group(found: UserInfo) -> UserInfo:
    """Leaves alone the anonymous user and who already carries one of the two marks."""
    marks = (user.AUTHENTICATED, user.UNAUTHENTICATED)
    if found.name == user.ANONYMOUS or any(mark in found.groups for mark in marks):
        return found
    groups = (*found.groups, user.AUTHENTICATED)
    return UserInfo(found.name, found.uid, groups, found.extra)

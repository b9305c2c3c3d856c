# SPDX-License-Identifier: Apache-2.0
"""Tokens that Secrets hold: they name no end and no audience, and hold as long as their Secret and
its ServiceAccount are there and the Secret is not marked as invalid.

The day of its use is written on the Secret, at most once a day. Mirrors upstream's
`pkg/serviceaccount/legacy.go`.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.auth.authenticator import TokenRejected, Vouched
from pyk8s.auth.serviceaccount import GROUP, Find, Signatures, unverified_issuer
from pyk8s.auth.user import UserInfo
from pyk8s.componenthelpers import tokensigning
from pyk8s.componenthelpers.tokensigning import Claims, VerifyingKey

_log = logging.getLogger(__name__)

_NEEDED = (
    ("sub", "sub"),
    (tokensigning.LEGACY_NAMESPACE, "namespace"),
    (tokensigning.LEGACY_SECRET, "secretName"),
    (tokensigning.LEGACY_ACCOUNT, "serviceAccountName"),
    (tokensigning.LEGACY_ACCOUNT_UID, "serviceAccountUID"),
)
_INVALIDATED = "service account token has been invalidated"

# Writes onto the Secret, as it was seen, the day of its use. Raises StatusError.
MarkUsed = Callable[[Object, str], Awaitable[None]]


class Authenticator:
    """Knows the holders of such tokens. `audiences` are those of this server, for which they are
    good; `find` reads the objects."""

    def __init__(
        self,
        keys: Sequence[VerifyingKey],
        audiences: Sequence[str],
        find: Find,
        mark_used: MarkUsed,
    ) -> None:
        self._signatures = Signatures(keys)
        self._audiences = tuple(audiences)
        self._find = find
        self._mark_used = mark_used

    async def vouch(self, token: str, audiences: Sequence[str]) -> Vouched | None:
        if unverified_issuer(token) != tokensigning.LEGACY_ISSUER:
            return None
        claims = self._signatures.claims(token, tokensigning.LEGACY_SECRET)
        common = tuple(audience for audience in self._audiences if audience in audiences)
        if not common:
            return None
        _check_claims(claims)
        secret = await self._secret(claims, token)
        account = await self._account(claims)
        _check_valid(secret, account)
        await self._used(secret)
        namespace, name = meta.namespaced_name(account)
        user = UserInfo(
            tokensigning.user_name(namespace, name),
            uid=meta.uid(account),
            groups=(GROUP, f"{GROUP}:{namespace}"),
        )
        return Vouched(user, common)

    async def _secret(self, claims: Claims, token: str) -> Object:
        """The one that holds the token. Raises TokenRejected."""
        namespace = claims[tokensigning.LEGACY_NAMESPACE]
        name = claims[tokensigning.LEGACY_SECRET]
        found = await self._find("secrets", namespace, name, "")
        if found is None or meta.is_being_deleted(found):
            raise TokenRejected(_INVALIDATED)
        held = (found.get("data") or {}).get(tokensigning.TOKEN_KEY) or ""
        if held != base64.b64encode(token.encode()).decode():
            raise TokenRejected("service account token does not match server's copy")
        return found

    async def _account(self, claims: Claims) -> Object:
        namespace = claims[tokensigning.LEGACY_NAMESPACE]
        name = claims[tokensigning.LEGACY_ACCOUNT]
        uid = claims[tokensigning.LEGACY_ACCOUNT_UID]
        found = await self._find("serviceaccounts", namespace, name, uid)
        if found is None:
            raise TokenRejected(f"serviceaccounts {quoted_string(name)} not found")
        if meta.is_being_deleted(found):
            raise TokenRejected(f"service account {namespace}/{name} has been deleted")
        if meta.uid(found) != uid:
            raise TokenRejected(
                f"service account UID ({meta.uid(found)}) does not match claim ({uid})"
            )
        return found

    async def _used(self, secret: Object) -> None:
        now = datetime.fromtimestamp(time.time(), UTC)
        # Servers in other time zones, or with other clocks, are not to take turns.
        days = [(now + timedelta(days=n)).strftime(tokensigning.DATE_FORMAT) for n in (-1, 0, 1)]
        if meta.labels(secret).get(tokensigning.LAST_USED) in days:
            return
        try:
            await self._mark_used(secret, days[1])
        except errors.StatusError as error:
            where = "/".join(meta.namespaced_name(secret))
            _log.error("last use of a token not written: secret=%s error=%s", where, error)


def _check_claims(claims: Claims) -> None:
    for claim, name in _NEEDED:
        if not claims.get(claim):
            raise TokenRejected(f"{name} claim is missing")
    namespace = claims[tokensigning.LEGACY_NAMESPACE]
    if claims["sub"] != tokensigning.user_name(namespace, claims[tokensigning.LEGACY_ACCOUNT]):
        raise TokenRejected("sub claim is invalid")


def _check_valid(secret: Object, account: Object) -> None:
    if not meta.labels(secret).get(tokensigning.INVALID_SINCE):
        return
    secret_name, account_name = ("/".join(meta.namespaced_name(o)) for o in (secret, account))
    raise TokenRejected(
        f"the token in secret {secret_name} for service account {account_name} has been marked "
        "invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, "
        f"or remove the '{tokensigning.INVALID_SINCE}' label from the secret to temporarily allow "
        "use of this token"
    )

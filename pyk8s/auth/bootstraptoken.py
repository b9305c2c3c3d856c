# SPDX-License-Identifier: Apache-2.0
"""Bootstrap tokens as bearer tokens: what a new node shows before it has a certificate.

Mirrors upstream's `plugin/pkg/auth/authenticator/token/bootstrap`.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.auth.serviceaccount import Find
from pyk8s.auth.user import UserInfo
from pyk8s.componenthelpers import bootstraptokens

_log = logging.getLogger(__name__)


class Authenticator:
    """A TokenAuthenticator. `find` reads the Secrets of tokens, `now` is the clock."""

    def __init__(self, find: Find, now: Callable[[], float] = time.time) -> None:
        self._find = find
        self._now = now

    async def authenticate_token(self, token: str) -> UserInfo | None:
        parts = bootstraptokens.parse(token)
        if parts is None:
            return None
        token_id, token_secret = parts
        name = bootstraptokens.NAME_PREFIX + token_id
        secret = await self._find("secrets", bootstraptokens.NAMESPACE, name, "")
        if secret is None:
            return None
        now = datetime.fromtimestamp(self._now(), UTC)
        if fault := _fault(secret, token_id, token_secret, now):
            _log.info("bootstrap token refused: secret=%s reason=%s", name, fault)
            return None
        groups = bootstraptokens.groups(secret)
        if groups is None:
            _log.info("bootstrap token refused: secret=%s reason=its extra groups", name)
            return None
        return UserInfo(bootstraptokens.USER_PREFIX + token_id, groups=groups)


def _fault(secret: Object, token_id: str, token_secret: str, now: datetime) -> str:
    if meta.is_being_deleted(secret):
        return "it is being deleted"
    if secret.get("type") != bootstraptokens.SECRET_TYPE:
        return f"its type is not {bootstraptokens.SECRET_TYPE}"
    held = bootstraptokens.value(secret, bootstraptokens.SECRET)
    if not hmac.compare_digest(held.encode(), token_secret.encode()):
        return "the token is another"
    if bootstraptokens.value(secret, bootstraptokens.ID) != token_id:
        return "its id is another"
    if bootstraptokens.has_expired(secret, now):
        return "it has expired"
    if bootstraptokens.value(secret, bootstraptokens.FOR_AUTHENTICATION) != "true":
        return "it is not for authentication"
    return ""

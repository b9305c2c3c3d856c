# SPDX-License-Identifier: Apache-2.0
"""OpenID discovery: where others learn how to check the tokens of ServiceAccounts."""

from __future__ import annotations

from collections.abc import Sequence

from pyk8s.apimachinery import codec
from pyk8s.auth import openid
from pyk8s.componenthelpers.tokensigning import VerifyingKey
from pyk8s.endpoints import response
from pyk8s.endpoints.endpoint import Handler
from pyk8s.endpoints.request import Request

# As long as a key is announced before it is used. Upstream: cacheControl.
_CACHE_CONTROL = b"public, max-age=3600"


def handlers(issuer: str, host: str, keys: Sequence[VerifyingKey]) -> dict[str, Handler]:
    """By path; nothing for an issuer that OpenID knows nothing of, as upstream. `host` and port
    are where clients reach this server."""
    if not issuer.startswith("https://") or not keys:
        return {}
    jwks_uri = f"https://{host}{openid.JWKS_PATH}"
    configuration = codec.encode_json(openid.configuration(issuer, jwks_uri, keys))
    key_set = codec.encode_json(openid.key_set(keys))
    return {
        openid.CONFIGURATION_PATH: _document(configuration, "application/json"),
        openid.JWKS_PATH: _document(key_set, "application/jwk-set+json"),
    }


def _document(body: bytes, content_type: str) -> Handler:
    async def send(request: Request) -> None:
        await response.send_bytes(
            request, body, content_type=content_type, cache_control=_CACHE_CONTROL
        )

    return send

# SPDX-License-Identifier: Apache-2.0
"""What others need to check ServiceAccount tokens: the issuer's metadata and its public keys.

Mirrors upstream's `pkg/serviceaccount/openidmetadata.go`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from pyk8s.componenthelpers.tokensigning import VerifyingKey

CONFIGURATION_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"


def configuration(issuer: str, jwks_uri: str, keys: Sequence[VerifyingKey]) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in keys}),
    }


def key_set(keys: Sequence[VerifyingKey]) -> dict[str, Any]:
    return {"keys": [_jwk(key) for key in keys]}


def _jwk(verifying: VerifyingKey) -> dict[str, str]:
    key = verifying.key
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        own = {"n": _number(numbers.n), "e": _number(numbers.e)}
        kind = {"kty": "RSA"}
    else:
        size = (key.curve.key_size + 7) // 8
        point = key.public_numbers()
        own = {"x": _number(point.x, size), "y": _number(point.y, size)}
        kind = {"kty": "EC"}
        own = {"crv": f"P-{key.curve.key_size}", **own}
    return {"use": "sig", **kind, "kid": verifying.key_id, "alg": verifying.algorithm, **own}


def _number(value: int, size: int = 0) -> str:
    data = value.to_bytes(size or (value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

# SPDX-License-Identifier: Apache-2.0
"""How ServiceAccount tokens are signed: keys with their ids and algorithms, and what a token that
a Secret holds says. Mirrors `pkg/serviceaccount/jwt.go` and `legacy.go`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object

USER_PREFIX = "system:serviceaccount:"

# The issuer of tokens in Secrets, and their claims.
LEGACY_ISSUER = "kubernetes/serviceaccount"
_LEGACY = "kubernetes.io/serviceaccount/"
LEGACY_NAMESPACE = f"{_LEGACY}namespace"
LEGACY_SECRET = f"{_LEGACY}secret.name"
LEGACY_ACCOUNT = f"{_LEGACY}service-account.name"
LEGACY_ACCOUNT_UID = f"{_LEGACY}service-account.uid"

# A Secret that holds one: its type, the annotations that name the account, its keys, and labels
# that tell when it was used and since when it is no longer accepted.
SECRET_TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
TOKEN_KEY = "token"
ROOT_CA_KEY = "ca.crt"
NAMESPACE_KEY = "namespace"
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
DATE_FORMAT = "%Y-%m-%d"
# Since when the API server sets LAST_USED: the ConfigMap that says so, in kube-system, and its key.
TRACKING_CONFIG_MAP = "kube-apiserver-legacy-service-account-token-tracking"
TRACKING_SINCE = "since"

_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    key_id: str
    algorithm: str
    key: PublicKey


def verifying_key(key: PublicKey) -> VerifyingKey:
    """Raises ValueError for a curve that no signature algorithm of JOSE goes with."""
    if isinstance(key, rsa.RSAPublicKey):
        algorithm = "RS256"
    elif key.curve.name in _CURVES:
        algorithm = _CURVES[key.curve.name]
    else:
        raise ValueError("unknown private key curve, must be 256, 384, or 521")
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashlib.sha256(der).digest()
    key_id = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return VerifyingKey(key_id, algorithm, key)


class Issuer:
    """Signs tokens in one issuer's name."""

    def __init__(self, issuer: str, key: PrivateKey) -> None:
        """Raises ValueError for a curve that cannot sign."""
        self._issuer = issuer
        self._key = key
        self._verifying = verifying_key(key.public_key())

    def sign(self, claims: Claims) -> str:
        payload = dict(sorted({**claims, "iss": self._issuer}.items()))
        headers = {"kid": self._verifying.key_id, "typ": None}
        return jwt.encode(payload, self._key, self._verifying.algorithm, headers=headers)


def user_name(namespace: str, name: str) -> str:
    return f"{USER_PREFIX}{namespace}:{name}"


def legacy_claims(account: Object, secret: Object) -> dict[str, str]:
    """Of a token that holds as long as both objects are there, but for the issuer."""
    namespace, name = meta.namespaced_name(account)
    return {
        "sub": user_name(namespace, name),
        LEGACY_NAMESPACE: namespace,
        LEGACY_SECRET: meta.name(secret),
        LEGACY_ACCOUNT: name,
        LEGACY_ACCOUNT_UID: meta.uid(account),
    }

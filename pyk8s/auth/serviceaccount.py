# SPDX-License-Identifier: Apache-2.0
"""ServiceAccount tokens: signed, checked, and bound to objects that must still be there.

    sign      claims -> JWT, by the private key of --service-account-signing-key-file
    vouch     JWT -> signature (remembered) -> issuer, audience, time -> bound objects -> user

A signature that once held holds for ever, so it is checked once per token; everything that can
change is looked at for each request. Mirrors upstream's `pkg/serviceaccount` (jwt.go, claims.go)
and apiserver's `authentication/serviceaccount`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from pyk8s.apimachinery import codec, times
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.auth.authenticator import TokenRejected, Vouched
from pyk8s.auth.user import UserInfo
from pyk8s.auth.x509 import CREDENTIAL_ID
from pyk8s.componenthelpers.tokensigning import (
    Claims,
    PrivateKey,
    PublicKey,
    VerifyingKey,
    user_name,
    verifying_key,
)

GROUP = "system:serviceaccounts"

_EXTRA = "authentication.kubernetes.io/"

# Clocks differ; and an object may be going while its own clean-up still speaks for it.
# go-jose's DefaultLeeway.
_LEEWAY_SECONDS = 60

# As many as there may be tokens in use at a time; one more costs a signature per request.
_TOKENS_REMEMBERED_MAX = 4096

# What the private claims are found under.
_PRIVATE_CLAIMS = "kubernetes.io"

# (resource, namespace, name, uid) -> the object as it is; one of another uid when that is the
# one there is; None without one.
Find = Callable[[str, str, str, str], Awaitable[Object | None]]


class KeyFileError(Exception):
    """A key file cannot be used; one line for the operator."""


def load_verifying_keys(path: str) -> list[VerifyingKey]:
    """The public keys of a PEM file, and those of the private ones in it. Raises KeyFileError."""
    keys: list[VerifyingKey] = []
    for block in _pem_blocks(_read(path)):
        try:
            keys.append(verifying_key(_public(block)))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFileError(f"cannot use a key in {path}: {error}") from error
    if not keys:
        raise KeyFileError(f"{path} holds no PEM-encoded RSA or ECDSA key")
    return keys


def load_signing_key(path: str) -> PrivateKey:
    """Raises KeyFileError."""
    try:
        key = serialization.load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path} holds no PEM-encoded private key: {error}") from error
    if not isinstance(key, PrivateKey):
        raise KeyFileError(f"the key in {path} is neither RSA nor ECDSA")
    return key


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise KeyFileError(f"cannot read key file {path}: {error.strerror}") from error


def _pem_blocks(data: bytes) -> list[bytes]:
    begin = b"-----BEGIN "
    blocks = [begin + part for part in data.split(begin)[1:]]
    # openssl puts the curve before an EC key, in a block of its own.
    return [block for block in blocks if b"KEY-----" in block]


def _public(block: bytes) -> PublicKey:
    if b"PRIVATE KEY-----" in block:
        private = serialization.load_pem_private_key(block, None)
        if isinstance(private, PrivateKey):
            return private.public_key()
    else:
        public = serialization.load_pem_public_key(block)
        if isinstance(public, PublicKey):
            return public
    raise ValueError("it is neither RSA nor ECDSA")


class Signatures:
    """Reads tokens that one of the keys has signed; a signature that holds is checked once."""

    def __init__(self, keys: Sequence[VerifyingKey]) -> None:
        self._keys = tuple(keys)
        self._verified = lru_cache(maxsize=_TOKENS_REMEMBERED_MAX)(self._verify)

    def claims(self, token: str, wanted: str, kind: type = str) -> Claims:
        """Those of a token whose signature holds and that has the one that is wanted, of this
        type. Raises TokenRejected, which the cache does not keep."""
        return self._verified(token, wanted, kind)

    def _verify(self, token: str, wanted: str, kind: type) -> Claims:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise TokenRejected(str(error)) from error
        keys = [key for key in self._keys if not key_id or key.key_id == key_id]
        for key in keys:
            try:
                claims: Claims = jwt.decode(
                    token, key.key, algorithms=[key.algorithm], options=_SIGNATURE_ALONE
                )
            except jwt.InvalidTokenError:
                continue
            if isinstance(claims.get(wanted), kind):
                return claims
        why = "no keys found" if not keys else "square/go-jose: error in cryptographic primitive"
        raise TokenRejected(f"invalid signature, {why}")


class Authenticator:
    """Knows the holders of tokens that one of the issuers signed. `audiences` are those of this
    server: what a token without any is good for. `find` reads the objects a token is bound to.
    """

    def __init__(
        self,
        issuers: Sequence[str],
        keys: Sequence[VerifyingKey],
        audiences: Sequence[str],
        find: Find,
    ) -> None:
        self._issuers = frozenset(issuers)
        self._signatures = Signatures(keys)
        self._audiences = tuple(audiences)
        self._find = find

    async def vouch(self, token: str, audiences: Sequence[str]) -> Vouched | None:
        if unverified_issuer(token) not in self._issuers:
            return None
        claims = self._signatures.claims(token, _PRIVATE_CLAIMS, dict)
        good_for = claims.get("aud") or self._audiences
        if isinstance(good_for, str):
            good_for = [good_for]
        common = tuple(audience for audience in good_for if audience in audiences)
        if not common:
            message = (
                f"token audiences {_quoted(good_for)} is invalid for the target audiences "
                f"{_quoted(audiences)}"
            )
            raise TokenRejected(message)
        now = time.time()
        _check_time(claims, now)
        await self._check_objects(claims, now - _LEEWAY_SECONDS)
        return Vouched(_user(claims), common)

    async def _check_objects(self, claims: Claims, deleted_before: float) -> None:
        """Raises TokenRejected when what the token is bound to is not there any more."""
        bound = claims[_PRIVATE_CLAIMS]
        namespace = bound.get("namespace") or ""
        account = bound.get("serviceaccount") or {}
        name, uid = account.get("name") or "", account.get("uid") or ""
        found = await self._find("serviceaccounts", namespace, name, uid)
        if found is None:
            raise TokenRejected(f"serviceaccounts {quoted_string(name)} not found")
        if _deleted(found, deleted_before):
            raise TokenRejected(f"service account {namespace}/{name} has been deleted")
        actual = found["metadata"].get("uid", "")
        if actual != uid:
            raise TokenRejected(f"service account UID ({actual}) does not match claim ({uid})")
        for kind in ("secret", "pod"):
            if bound.get(kind):
                await self._check_bound(kind, namespace, bound[kind], deleted_before)
        # A Pod's token names its node for information alone.
        if bound.get("node") and not bound.get("pod") and not bound.get("secret"):
            await self._check_bound("node", "", bound["node"], deleted_before)

    async def _check_bound(
        self, kind: str, namespace: str, reference: Claims, deleted_before: float
    ) -> None:
        uid = reference.get("uid") or ""
        found = await self._find(f"{kind}s", namespace, reference.get("name") or "", uid)
        if found is None or _deleted(found, deleted_before):
            raise TokenRejected("service account token has been invalidated")
        actual = found["metadata"].get("uid", "")
        if actual != uid:
            shown = "Secret" if kind == "secret" else kind
            claim = (
                "service account secret ref" if kind == "secret" else f"service account {kind} ref"
            )
            raise TokenRejected(
                f"{shown.lower()} UID ({actual}) does not match {claim} claim ({uid})"
            )


_SIGNATURE_ALONE: Any = {
    "verify_signature": True,
    **dict.fromkeys(
        (f"verify_{claim}" for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")), False
    ),
}


def unverified_issuer(token: str) -> str:
    """The issuer a token claims, "" for what is no token at all."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    payload = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        claims = codec.decode_json(base64.b64decode(payload, b"-_", validate=True))
    except (ValueError, codec.DecodeError):
        return ""
    issuer = claims.get("iss") if isinstance(claims, dict) else ""
    return issuer if isinstance(issuer, str) else ""


def _quoted(audiences: Sequence[str]) -> str:
    return "[" + " ".join(map(quoted_string, audiences)) + "]"


def _check_time(claims: Claims, now: float) -> None:
    if now - _LEEWAY_SECONDS > claims.get("exp", now):
        raise TokenRejected("service account token has expired")
    if now + _LEEWAY_SECONDS < claims.get("nbf", now):
        raise TokenRejected("service account token is not valid yet")
    if now + _LEEWAY_SECONDS < claims.get("iat", now):
        why = "service account token is issued in the future"
        raise TokenRejected(why)


def _deleted(obj: Object, before: float) -> bool:
    moment = obj["metadata"].get("deletionTimestamp")
    return bool(moment) and times.parse(moment).timestamp() < before


def _user(claims: Claims) -> UserInfo:
    bound = claims[_PRIVATE_CLAIMS]
    namespace, account = bound["namespace"], bound["serviceaccount"]
    extra: dict[str, tuple[str, ...]] = {}
    if claims.get("jti"):
        extra[CREDENTIAL_ID] = (f"JTI={claims['jti']}",)
    for kind in ("node", "pod"):
        for key in ("name", "uid"):
            if value := (bound.get(kind) or {}).get(key):
                extra[f"{_EXTRA}{kind}-{key}"] = (value,)
    return UserInfo(
        user_name(namespace, account["name"]),
        uid=account["uid"],
        groups=(GROUP, f"{GROUP}:{namespace}"),
        extra=extra,
    )

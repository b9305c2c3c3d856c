# SPDX-License-Identifier: Apache-2.0
"""A front proxy says who asks: it shows its own certificate, and names the user in headers.

Believed only from a proxy whose certificate an authority of its own vouches for, so that no
client can name itself. Mirrors apiserver's `pkg/authentication/request/headerrequest` and the
verifier of `request/x509` around it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pyk8s.apimachinery import errors
from pyk8s.auth.authenticator import Credentials
from pyk8s.auth.user import UserInfo
from pyk8s.componenthelpers import requestheaders

Headers = Sequence[tuple[bytes, bytes]]


class BundleError(Exception):
    """A file holds no certificates; one line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names(requestheaders.Names):
    """kube-apiserver's --requestheader-* flags. No `allowed` names allow every one."""

    allowed: tuple[str, ...] = ()


class RequestHeader:
    """`authorities` are the certificates (DER) of those who vouch for front proxies."""

    def __init__(self, authorities: frozenset[bytes], names: Names) -> None:
        self._authorities = authorities
        self._names = names
        self._allowed = frozenset(names.allowed)

    async def authenticate(self, credentials: Credentials) -> UserInfo | None:
        if credentials.client_authority not in self._authorities:
            return None
        proxy = _holder(credentials.client_certificate)
        if not proxy.not_before <= time.time() <= proxy.not_after:
            raise errors.unauthorized()
        if self._allowed and proxy.common_name not in self._allowed:
            raise errors.unauthorized()
        return self._user(credentials.headers)

    def _user(self, headers: Headers) -> UserInfo | None:
        told = [
            (name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in headers
        ]
        found = requestheaders.identity(told, self._names)
        if found is None:
            return None
        return UserInfo(found.name, uid=found.uid, groups=found.groups, extra=found.extra)


@dataclass(frozen=True, slots=True)
class _Proxy:
    common_name: str
    not_before: float
    not_after: float


@lru_cache(maxsize=256)
def _holder(der: bytes) -> _Proxy:
    """Raises StatusError 401 for what cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name = str(names[-1].value) if names else ""
    except ValueError as error:
        raise errors.unauthorized() from error
    return _Proxy(
        name,
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def authorities(pem: bytes, source: str) -> frozenset[bytes]:
    """The certificates of a bundle in DER form, at least one. Raises BundleError."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BundleError(f"{source} does not hold PEM certificates") from error
    return frozenset(certificate.public_bytes(Encoding.DER) for certificate in found)

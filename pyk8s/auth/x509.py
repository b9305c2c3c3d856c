# SPDX-License-Identifier: Apache-2.0
"""Client certificates: the subject's common name is the user, its organizations are the groups.

The TLS layer has verified the chain and the purpose at the handshake. A connection may outlive
its certificate, so the end of validity is looked at again for each request.
"""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pyk8s.apimachinery import errors
from pyk8s.auth.authenticator import Credentials
from pyk8s.auth.user import UserInfo

# An element of the subject that carries the user's uid: upstream's asn1.X509UID, read since 1.33
# (AllowParsingUserUIDFromCertAuth).
USER_UID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")

# Extra of authenticated users upstream: which credential it was (user.CredentialIDKey).
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class X509:
    """Authenticates by the certificate the connection was opened with.

    With `authorities` (DER) only they vouch for clients: the server may trust others for another
    purpose, and who has a certificate of theirs is refused.
    """

    def __init__(self, authorities: frozenset[bytes] | None = None) -> None:
        self._authorities = authorities

    async def authenticate(self, credentials: Credentials) -> UserInfo | None:
        if not credentials.client_certificate:
            return None
        if self._authorities is not None and credentials.client_authority not in self._authorities:
            raise errors.unauthorized()
        holder = _holder(credentials.client_certificate)
        if holder is None:
            return None
        if not holder.not_before <= time.time() <= holder.not_after:
            raise errors.unauthorized()
        return holder.user


class _Holder(NamedTuple):
    user: UserInfo
    not_before: float
    not_after: float


# As many as there may be distinct clients at a time; one more costs a parse per request.
@lru_cache(maxsize=4096)
def _holder(der: bytes) -> _Holder | None:
    """Raises StatusError 401 for a subject that cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        found = user_of(certificate)
    except ValueError as error:
        raise errors.unauthorized() from error
    if found is None:
        return None
    return _Holder(
        found,
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def user_of(certificate: x509.Certificate) -> UserInfo | None:
    """The user a certificate names; None without a common name. Of several common names the
    last counts, as in Go's pkix.Name. Raises ValueError for a uid that is given twice or empty.
    """
    subject = certificate.subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names or not names[-1].value:
        return None
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return UserInfo(
        _text(names[-1].value),
        uid=_uid(subject),
        groups=tuple(_text(group.value) for group in groups),
        extra={CREDENTIAL_ID: (f"X509SHA256={digest}",)},
    )


def _uid(subject: x509.Name) -> str:
    uids = subject.get_attributes_for_oid(USER_UID)
    if not uids:
        return ""
    if len(uids) > 1:
        raise ValueError("expected 1 UID, but found multiple")
    if not uids[0].value:
        raise ValueError("UID cannot be an empty string")
    return _text(uids[0].value)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()

# SPDX-License-Identifier: Apache-2.0
"""Users by client certificate."""

from __future__ import annotations

import hashlib

import pytest
from clientcertificates import DAY, certificate
from cryptography.x509.oid import NameOID

from pyk8s.apimachinery import errors
from pyk8s.auth.authenticator import Credentials
from pyk8s.auth.x509 import CREDENTIAL_ID, USER_UID, X509

CN, O = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME  # noqa: E741 (the attribute's name)


async def test_user_of_a_certificate() -> None:
    """The common name is the user, organizations are groups, the extra tells the credential."""
    der = certificate((O, "dev"), (O, "ops"), (CN, "jane"), (USER_UID, "42"))
    user = await X509().authenticate(Credentials(client_certificate=der))
    assert user is not None
    assert (user.name, user.uid, user.groups) == ("jane", "42", ("dev", "ops"))
    assert user.extra == {CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)}


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(b"", id="no certificate"),
        pytest.param(certificate((O, "dev")), id="no common name"),
    ],
)
async def test_nobody(der: bytes) -> None:
    """Without a name there is nothing to say."""
    assert await X509().authenticate(Credentials(client_certificate=der)) is None


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(certificate((CN, "jane"), lasts=-DAY), id="expired"),
        pytest.param(certificate((CN, "jane"), (USER_UID, "1"), (USER_UID, "2")), id="two uids"),
        pytest.param(b"nonsense", id="no DER"),
    ],
)
async def test_refused(der: bytes) -> None:
    """A certificate that does not hold any more, or says two things, is 401."""
    with pytest.raises(errors.StatusError) as caught:
        await X509().authenticate(Credentials(client_certificate=der))
    assert caught.value.code == 401

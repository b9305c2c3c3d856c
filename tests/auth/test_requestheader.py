# SPDX-License-Identifier: Apache-2.0
"""Users that a front proxy names."""

from __future__ import annotations

import pytest
from clientcertificates import DAY, certificate
from cryptography.x509.oid import NameOID

from pyk8s.apimachinery import errors
from pyk8s.auth.authenticator import Credentials, Union
from pyk8s.auth.requestheader import BundleError, Names, RequestHeader, authorities
from pyk8s.auth.x509 import X509

PROXY_CA, CLIENT_CA = b"the front proxies' authority", b"the clients' authority"
NAMES = Names(
    username=("X-Remote-User", "X-User"),
    uid=("X-Remote-Uid",),
    group=("X-Remote-Group", "X-Group"),
    extra_prefix=("X-Remote-Extra-",),
    allowed=("front-proxy-client",),
)


def proxy(name: str = "front-proxy-client", lasts=DAY) -> bytes:
    return certificate((NameOID.COMMON_NAME, name), lasts=lasts)


def credentials(
    *headers: tuple[str, str], certificate: bytes = b"", authority: bytes = PROXY_CA
) -> Credentials:
    return Credentials(
        client_certificate=certificate or proxy(),
        client_authority=authority,
        headers=[(name.encode(), value.encode()) for name, value in headers],
    )


AUTHENTICATOR = RequestHeader(frozenset([PROXY_CA]), NAMES)


async def test_user_of_the_headers() -> None:
    """Name, uid, all groups, and extra by keys that are unescaped and in lower case."""
    user = await AUTHENTICATOR.authenticate(
        credentials(
            ("x-remote-group", "dev"),
            ("x-user", "second choice"),
            ("x-remote-user", "jané"),
            ("x-group", "more"),
            ("x-remote-group", "ops"),
            ("x-remote-uid", "42"),
            ("x-remote-extra-example.com%2fscope", "a"),
            ("x-remote-extra-example.com%2Fscope", "b"),
        )
    )
    assert user is not None
    assert (user.name, user.uid, user.groups) == ("jané", "42", ("dev", "ops", "more"))
    assert user.extra == {"example.com/scope": ("a", "b")}


async def test_no_name() -> None:
    """A proxy that names nobody has not said who asks."""
    assert await AUTHENTICATOR.authenticate(credentials(("x-remote-group", "dev"))) is None


async def test_a_client_is_no_proxy() -> None:
    """Headers count from those alone for whom the proxies' own authority vouches."""
    lie = credentials(("x-remote-user", "root"), authority=CLIENT_CA)
    assert await AUTHENTICATOR.authenticate(lie) is None
    assert (
        await AUTHENTICATOR.authenticate(Credentials(headers=[(b"x-remote-user", b"root")])) is None
    )


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(proxy("another"), id="another name"),
        pytest.param(proxy(lasts=-DAY), id="expired"),
        pytest.param(b"no certificate", id="unreadable"),
    ],
)
async def test_proxy_that_is_not_allowed(certificate: bytes) -> None:
    """Only proxies of the names given, for as long as their certificate lasts."""
    with pytest.raises(errors.StatusError) as refusal:
        await AUTHENTICATOR.authenticate(
            credentials(("x-remote-user", "jane"), certificate=certificate)
        )
    assert refusal.value.code == 401


async def test_any_name() -> None:
    """Without names every proxy of the authority is allowed."""
    anyone = RequestHeader(frozenset([PROXY_CA]), Names(username=("X-Remote-User",)))
    shown = credentials(("x-remote-user", "jane"), certificate=proxy("another"))
    user = await anyone.authenticate(shown)
    assert user is not None
    assert user.name == "jane"


async def test_a_proxy_is_no_client() -> None:
    """A proxy that names nobody is not let in under the name in its own certificate."""
    union = Union([AUTHENTICATOR, X509(frozenset([CLIENT_CA]))])
    with pytest.raises(errors.StatusError) as refusal:
        await union.authenticate(credentials())
    assert refusal.value.code == 401
    user = await union.authenticate(credentials(authority=CLIENT_CA))
    assert user is not None
    assert user.name == "front-proxy-client"


def test_bundle_without_certificates() -> None:
    """A file that holds none is named."""
    with pytest.raises(BundleError, match=r"proxies\.crt does not hold PEM certificates"):
        authorities(b"nothing", "proxies.crt")

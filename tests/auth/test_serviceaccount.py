# SPDX-License-Identifier: Apache-2.0
"""Signing and checking tokens: keys, times, and how little is trusted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pyk8s.apimachinery.gvk import Object
from pyk8s.auth import openid, serviceaccount
from pyk8s.auth.authenticator import TokenRejected
from pyk8s.componenthelpers import tokensigning

ISSUER = "https://issuer"


def pem(key: Any) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    data: bytes = key.private_bytes(encoding, form, serialization.NoEncryption())
    return data


def public_pem(key: Any) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    data: bytes = key.public_key().public_bytes(encoding, form)
    return data


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEYS = {curve.name: ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1())}


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "sub": "system:serviceaccount:ns:robot",
        "aud": ["api"],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "kubernetes.io": {"namespace": "ns", "serviceaccount": {"name": "robot", "uid": "1"}},
        **more,
    }


async def find(resource: str, namespace: str, name: str, uid: str) -> Object | None:
    return {"metadata": {"name": name, "uid": "1"}}


def checker(*keys: Any, find: serviceaccount.Find = find) -> serviceaccount.Authenticator:
    known = [tokensigning.verifying_key(key.public_key()) for key in keys]
    return serviceaccount.Authenticator([ISSUER], known, ["api"], find)


@pytest.mark.parametrize(
    "key", [RSA_KEY, *EC_KEYS.values()], ids=["RS256", *EC_KEYS]
)  # fmt: skip
async def test_sign_and_check(key: Any) -> None:
    """A token of each kind of key is its holder's."""
    token = tokensigning.Issuer(ISSUER, key).sign(claims())
    found = await checker(RSA_KEY, *EC_KEYS.values()).vouch(token, ["other", "api"])
    assert found is not None
    assert (found.user.name, found.audiences) == ("system:serviceaccount:ns:robot", ("api",))


async def test_another_key() -> None:
    """A key that is not known signs for nobody."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    token = tokensigning.Issuer(ISSUER, stranger).sign(claims())
    with pytest.raises(TokenRejected, match="no keys found"):
        await checker(RSA_KEY).vouch(token, ["api"])


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("abc", id="no token"),
        pytest.param("a.b.c", id="no JSON"),
        pytest.param("e30.e30.e30", id="no issuer"),
        pytest.param("e30.WzFd.e30", id="no object"),
        pytest.param(tokensigning.Issuer("https://other", RSA_KEY).sign(claims()), id="foreign"),
    ],
)
async def test_not_ours(token: str) -> None:
    """What another issuer signed, or nobody, is left to others."""
    assert await checker(RSA_KEY).vouch(token, ["api"]) is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        pytest.param({"exp": time.time() - 3600}, "has expired", id="expired"),
        pytest.param({"nbf": time.time() + 3600}, "is not valid yet", id="early"),
        pytest.param({"iat": time.time() + 3600}, "issued in the future", id="future"),
        pytest.param({"aud": ["other"]}, r'token audiences \["other"\]', id="audience"),
        pytest.param({"kubernetes.io": None}, "invalid signature", id="no claims of ours"),
    ],
)
async def test_rejected(more: dict[str, Any], why: str) -> None:
    """A sound signature is not enough."""
    token = tokensigning.Issuer(ISSUER, RSA_KEY).sign(claims(**more))
    with pytest.raises(TokenRejected, match=why):
        await checker(RSA_KEY).vouch(token, ["api"])


@pytest.mark.parametrize(
    ("claim", "seconds"),
    [
        pytest.param("exp", -5, id="expired a moment ago"),
        pytest.param("nbf", 5, id="valid in a moment"),
        pytest.param("aud", None, id="for whoever it is"),
    ],
)
async def test_tolerated(claim: str, seconds: int | None) -> None:
    """Clocks may differ by a minute, and an old token without audience is for this server."""
    # Now is when the test runs, not when it was collected.
    more: dict[str, Any] = {claim: None if seconds is None else time.time() + seconds}
    token = tokensigning.Issuer(ISSUER, RSA_KEY).sign(claims(**more))
    assert await checker(RSA_KEY).vouch(token, ["api"]) is not None


async def test_what_is_long_gone_ends_the_token() -> None:
    """An object that is being deleted counts for another minute."""
    token = tokensigning.Issuer(ISSUER, RSA_KEY).sign(claims())
    moments = ["2020-01-01T00:00:00Z"]

    async def leaving(resource: str, namespace: str, name: str, uid: str) -> Object | None:
        return {"metadata": {"name": name, "uid": "1", "deletionTimestamp": moments[0]}}

    with pytest.raises(TokenRejected, match="service account ns/robot has been deleted"):
        await checker(RSA_KEY, find=leaving).vouch(token, ["api"])
    moments[0] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert await checker(RSA_KEY, find=leaving).vouch(token, ["api"]) is not None


def test_key_files(tmp_path: Path) -> None:
    """Public and private keys, several in a file; of a private one the public half."""
    path = tmp_path / "keys.pem"
    path.write_bytes(pem(RSA_KEY) + public_pem(EC_KEYS["secp256r1"]))
    keys = serviceaccount.load_verifying_keys(str(path))
    assert [key.algorithm for key in keys] == ["RS256", "ES256"]
    assert keys[0].key_id == tokensigning.verifying_key(RSA_KEY.public_key()).key_id


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing", pem(ed25519.Ed25519PrivateKey.generate())],
    ids=["empty", "text", "ed25519"],
)
def test_bad_key_files(tmp_path: Path, content: bytes) -> None:
    """One line that names the file."""
    path = tmp_path / "keys.pem"
    path.write_bytes(content)
    for load in (serviceaccount.load_verifying_keys, serviceaccount.load_signing_key):
        with pytest.raises(serviceaccount.KeyFileError, match=str(path)):
            load(str(path))


def test_key_set() -> None:
    """Public numbers alone, at their full width."""
    keys = [tokensigning.verifying_key(k.public_key()) for k in (RSA_KEY, EC_KEYS["secp384r1"])]
    first, second = openid.key_set(keys)["keys"]
    assert set(first) == {"use", "kty", "kid", "alg", "n", "e"}
    assert (second["crv"], second["alg"], len(second["x"]), len(second["y"])) == (
        "P-384",
        "ES384",
        64,
        64,
    )

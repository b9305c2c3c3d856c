# SPDX-License-Identifier: Apache-2.0
"""The ConfigMap from which aggregated servers learn whom this cluster believes."""

from __future__ import annotations

import datetime
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from pyk8s.auth.requestheader import Names
from pyk8s.server import authentication_trust as trust
from pyk8s.server import certificates

NAMES = Names(
    username=("X-Remote-User",),
    uid=("X-Remote-Uid",),
    group=("X-Remote-Group",),
    extra_prefix=("X-Remote-Extra-",),
    allowed=("front-proxy-client",),
)


@pytest.fixture
def own(pki: certificates.Files) -> trust.Trust:
    return trust.Trust(
        client_ca=pki.ca_cert.read_text(),
        proxy_ca=pki.front_proxy_ca_cert.read_text(),
        names=NAMES,
    )


def test_from_nothing(own: trust.Trust) -> None:
    """Both bundles, and the names as JSON lists."""
    assert trust.combined({}, own) == {
        "client-ca-file": own.client_ca,
        "requestheader-client-ca-file": own.proxy_ca,
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        "requestheader-allowed-names": '["front-proxy-client"]',
    }


def test_again(own: trust.Trust) -> None:
    """What is there already is there once."""
    data = trust.combined({}, own)
    assert trust.combined(data, own) == data


def test_with_another_server(own: trust.Trust) -> None:
    """What another server believes stays, before what this one adds."""
    other = trust.Trust(
        client_ca=own.proxy_ca, proxy_ca=own.client_ca, names=Names(username=("X-User",))
    )
    data = trust.combined(trust.combined({}, other), own)
    assert data["client-ca-file"] == own.proxy_ca + own.client_ca
    assert json.loads(data["requestheader-username-headers"]) == ["X-User", "X-Remote-User"]


def test_without_proxies(own: trust.Trust) -> None:
    """Headers are named only beside those who may send them."""
    alone = trust.Trust(client_ca=own.client_ca, names=NAMES)
    assert trust.combined({}, alone) == {"client-ca-file": own.client_ca}


def test_expired(own: trust.Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates leave when they have expired."""
    expired = load_pem_x509_certificate(own.client_ca.encode())
    assert expired.public_bytes(Encoding.PEM).decode() == own.client_ca

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return expired.not_valid_after_utc + datetime.timedelta(minutes=6)

    monkeypatch.setattr(trust, "datetime", Later)
    assert trust.combined({}, own) == {}


def test_unreadable(own: trust.Trust) -> None:
    """What somebody has broken is left to him, not written over."""
    with pytest.raises(ValueError):  # noqa: PT011 (of JSON or of PEM)
        trust.combined({"requestheader-username-headers": "["}, own)

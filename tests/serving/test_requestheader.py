# SPDX-License-Identifier: Apache-2.0
"""Whom an extension API server believes that somebody else asks."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from pyk8s.server import certificates
from pyk8s.serving import requestheader
from pyk8s.serving.requestheader import Authorities, Config

PROXY = {"subject": ((("commonName", "front-proxy-client"),),)}
CONFIG = Config(allowed_names=("front-proxy-client",))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], None, id="nobody"),
        pytest.param([("X-Remote-User", "")], None, id="an empty name"),
        pytest.param([("X-Remote-Group", "g")], None, id="a group alone"),
        pytest.param(
            [("x-remote-user", "u")], ("u", ("system:authenticated",), "", ()), id="a user"
        ),
        pytest.param(
            [
                ("X-Remote-User", "u"),
                ("X-Remote-Group", "g"),
                ("X-Remote-Group", "system:authenticated"),
                ("X-Remote-Uid", "7"),
                ("X-Remote-Extra-Example.com%2fScopes", "a"),
                ("X-Remote-Extra-Example.com%2fScopes", "b"),
            ],
            (
                "u",
                ("g", "system:authenticated"),
                "7",
                (("example.com/scopes", ("a", "b")),),
            ),
            id="all that is known",
        ),
    ],
)
def test_headers(headers: list[tuple[str, str]], expected: Any) -> None:
    """The user that a proxy names."""
    assert requestheader.user_of(CIMultiDict(headers), PROXY, CONFIG) == expected


def test_names_of_proxies() -> None:
    """Not every client of the proxies' authority may speak for others, unless none is named."""
    headers = CIMultiDict([("X-Remote-User", "u")])
    other = {"subject": ((("commonName", "other"),),)}
    assert requestheader.user_of(headers, other, CONFIG) is None
    assert requestheader.user_of(headers, {"subject": ()}, CONFIG) is None
    assert requestheader.user_of(headers, other, Config()) is not None


def test_config_map() -> None:
    """What a cluster says of its proxies and clients."""
    data = {
        "client-ca-file": "A",
        "requestheader-client-ca-file": "B",
        "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
    expected = Config(client_ca="A", proxy_ca="B", allowed_names=("front-proxy-client",))
    assert requestheader.of_config_map({"data": data}) == expected
    assert requestheader.of_config_map({}).proxy_ca == ""
    for bad in ("[", '"x"', "[1]"):
        with pytest.raises(ValueError, match="requestheader-allowed-names is no"):
            requestheader.of_config_map({"data": {**data, "requestheader-allowed-names": bad}})


def _shown(cert: Path) -> dict[str, Any]:
    """A certificate as TLS shows it."""
    found: dict[str, Any] = ssl._ssl._test_decode_cert(str(cert))  # type: ignore[attr-defined]
    return found


def test_authorities(tmp_path: Path) -> None:
    """Clients of the one authority are told from those of the other."""
    files = certificates.ensure(tmp_path, ["localhost"])
    clients, proxies = files.ca_cert.read_text(), files.front_proxy_ca_cert.read_text()
    admin, proxy = _shown(files.admin_cert), _shown(files.front_proxy_client_cert)
    both = Authorities(Config(client_ca=clients, proxy_ca=proxies))
    assert (both.signed_client(admin), both.signed_proxy(admin)) == (True, False)
    assert (both.signed_client(proxy), both.signed_proxy(proxy)) == (False, True)
    same = Authorities(Config(client_ca=clients, proxy_ca=clients))
    assert (same.signed_client(admin), same.signed_proxy(admin)) == (True, True)
    none = Authorities(Config())
    assert not none.signed_client(admin)
    assert not none.signed_proxy(proxy)


def test_authorities_of_one_name(tmp_path: Path) -> None:
    """Different ones that are called the same could not be told apart."""
    names = ["localhost"]
    one, other = (certificates.ensure(tmp_path / each, names) for each in ("one", "other"))
    config = Config(client_ca=one.ca_cert.read_text(), proxy_ca=other.ca_cert.read_text())
    with pytest.raises(ValueError, match="two authorities are called 'kubernetes'"):
        Authorities(config)

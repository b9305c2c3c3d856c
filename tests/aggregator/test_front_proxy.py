# SPDX-License-Identifier: Apache-2.0
"""This server believes front proxies about who asks, as the servers behind it believe this one."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Iterator

import pytest
from cluster import Access, ControlPlane, Http
from sampleserver import Object

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[Http]:
    """Requests by the certificate of a front proxy."""
    pki = control_plane.kubeconfig.parent / "pki"
    tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    tls.load_cert_chain(pki / "front-proxy-client.crt", pki / "front-proxy-client.key")
    access: Access = dataclasses.replace(control_plane.access, tls=tls)
    http = Http(access)
    yield http
    http.close()


def who(http: Http, headers: dict[str, str]) -> Object:
    answer = http("POST", REVIEW, {}, headers)
    assert answer.status == 201, answer.body
    found: Object = answer.json()["status"]["userInfo"]
    return found


def test_user_that_a_proxy_names(proxy: Http) -> None:
    """Name, uid, groups and extra are what the headers say."""
    headers = {
        "X-Remote-User": "jane",
        "X-Remote-Uid": "42",
        "X-Remote-Group": "system:masters",
        "X-Remote-Extra-Scopes": "all",
    }
    assert who(proxy, headers) == {
        "username": "jane",
        "uid": "42",
        "groups": ["system:masters", "system:authenticated"],
        "extra": {"scopes": ["all"]},
    }


def test_proxy_that_names_nobody(proxy: Http) -> None:
    """Its own certificate opens nothing."""
    assert proxy("GET", "/api/v1/namespaces").status == 401
    assert proxy("GET", "/api/v1/namespaces", None, {"X-Remote-Group": "a"}).status == 401


def test_user_without_rights(proxy: Http) -> None:
    """Who is named has the rights of whom he is named."""
    answer = proxy("GET", "/api/v1/namespaces", None, {"X-Remote-User": "jane"})
    assert answer.status == 403
    assert 'User "jane" cannot list' in answer.json()["message"]


def test_client_that_says_it_is_another(http: Http) -> None:
    """A client with a certificate of its own is who that says."""
    assert who(http, {"X-Remote-User": "jane"})["username"] == "kubernetes-admin"

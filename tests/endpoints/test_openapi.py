# SPDX-License-Identifier: Apache-2.0
"""/openapi/v2 in the forms that clients ask for."""

from __future__ import annotations

import pytest
from cluster import Http

JSON = "application/json"
ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
ANSWERED = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("", JSON, id="nothing"),
        pytest.param("*/*", JSON, id="anything"),
        pytest.param("application/*", JSON, id="any application"),
        pytest.param(ASKED, ANSWERED, id="client-go"),
        pytest.param(ANSWERED, ANSWERED, id="with a dot"),
        pytest.param(f"{JSON}, {ASKED}", JSON, id="JSON first"),
        pytest.param(f"{JSON};q=0.5, {ASKED}", ANSWERED, id="JSON second"),
        pytest.param(f"text/html, {ASKED};q=0.9", ANSWERED, id="the one that is served"),
    ],
)
def test_v2_media_types(http: Http, accept: str, expected: str) -> None:
    """The best clause that can be served decides; protobuf is named by its newer name."""
    answer = http.get("/openapi/v2", accept=accept) if accept else http.get("/openapi/v2")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == expected
    assert answer.body.startswith(b"{" if expected == JSON else b"\x0a\x032.0")


def test_v2_not_acceptable(http: Http) -> None:
    """What is not served is 406."""
    assert http.get("/openapi/v2", accept="application/yaml").status == 406


def test_v2_etag(http: Http) -> None:
    """Both forms have one tag, told apart by Vary; a client that has it is sent nothing."""
    textual, binary = (http.get("/openapi/v2", accept=accept) for accept in (JSON, ASKED))
    assert textual.headers["Etag"] == binary.headers["Etag"]
    assert "Accept" in binary.headers.get_all("Vary")
    again = http.get("/openapi/v2", accept=ASKED, if_none_match=binary.headers["Etag"])
    assert (again.status, again.body) == (304, b"")

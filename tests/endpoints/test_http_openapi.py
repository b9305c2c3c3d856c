# SPDX-License-Identifier: Apache-2.0
"""OpenAPI over HTTP: forms, hashes, ETags."""

from __future__ import annotations

import pytest
from cluster import Http

from pyk8s.apis import protobuf_wire as wire

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1"])
def test_etag(http: Http, path: str) -> None:
    """What a client has already is not sent again."""
    first = http.get(path)
    assert (first.status, first.content_type) == (200, "application/json")
    again = http.get(path, if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_index_names_hashes(http: Http) -> None:
    """A document asked for by its hash may be kept; by an old hash it leads to the new one."""
    paths = http.get("/openapi/v3").json()["paths"]
    assert {"api/v1", "apis/apps/v1", "version"} <= paths.keys()
    url = paths["apis/apps/v1"]["serverRelativeURL"]
    kept = http.get(url)
    assert kept.status == 200
    assert "immutable" in kept.headers["cache-control"]
    assert "x-kubernetes-group-version-kind" in kept.body.decode()
    moved = http.get("/openapi/v3/apis/apps/v1?hash=OLD")
    assert (moved.status, moved.headers["location"]) == (301, url)


@pytest.mark.parametrize(
    "accept", [PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"]
)
def test_v2_as_protobuf(http: Http, accept: str) -> None:
    """gnostic's Document, under both its names: every definition and every path is in it."""
    answer = http.get("/openapi/v2", accept=accept)
    assert (answer.status, answer.content_type) == (200, PROTOBUF)
    document = http.get("/openapi/v2").json()
    fields = fields_of(answer.body)
    assert fields[1] == [b"2.0"]
    assert names(fields_of(fields[9][0])[1]) == list(document["definitions"])
    assert names(fields_of(fields[8][0])[2]) == list(document["paths"])


def fields_of(message: bytes) -> dict[int, list[bytes]]:
    """The length-delimited fields of a message by number."""
    fields: dict[int, list[bytes]] = {}
    at = 0
    while at < len(message):
        tag, at = wire.read_varint(message, at)
        value, at = wire.read_varint(message, at)
        if tag & 7 == wire.LENGTH:
            fields.setdefault(tag >> 3, []).append(message[at : at + value])
            at += value
    return fields


def names(pairs: list[bytes]) -> list[str]:
    return [fields_of(pair)[1][0].decode() for pair in pairs]


def test_v3_has_no_protobuf(http: Http) -> None:
    """406 for the form of v3 that is not made."""
    accept = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
    assert http.get("/openapi/v3/api/v1", accept=accept).status == 406

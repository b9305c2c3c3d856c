# SPDX-License-Identifier: Apache-2.0
"""Content negotiation, with the headers real clients send."""

from __future__ import annotations

import pytest

from pyk8s.apimachinery import errors
from pyk8s.endpoints import negotiation
from pyk8s.endpoints.negotiation import JSON, PROTOBUF, YAML, Negotiated

KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
METADATA = (
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("", Negotiated(JSON), id="none"),
        pytest.param("*/*", Negotiated(JSON), id="anything"),
        pytest.param("application/*", Negotiated(JSON), id="any application"),
        pytest.param("application/yaml", Negotiated(YAML), id="yaml"),
        pytest.param("application/json;q=0.1, application/yaml", Negotiated(YAML), id="quality"),
        pytest.param("application/JSON; charset=utf-8", Negotiated(JSON), id="parameters"),
        pytest.param(
            "application/vnd.kubernetes.protobuf,application/json",
            Negotiated(PROTOBUF),
            id="client-go prefers protobuf",
        ),
        pytest.param(KUBECTL_GET, Negotiated(JSON, "Table", "v1"), id="kubectl get"),
        pytest.param(METADATA, Negotiated(PROTOBUF, "PartialObjectMetadata", "v1"), id="metadata"),
        pytest.param(
            "application/json;as=Table;v=v2;g=meta.k8s.io,application/json",
            Negotiated(JSON),
            id="an unknown version of Table is passed over",
        ),
    ],
)
def test_the_best_clause_that_can_be_served_wins(header: str, expected: Negotiated) -> None:
    """Clauses count in order of quality; what is not served is passed over."""
    assert negotiation.negotiate(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "application/cbor",
        "text/html",
        "application/json;q=0",
        "application/json;as=Table;v=v1;g=other.io",
    ],
)
def test_what_cannot_be_served_is_406(header: str) -> None:
    """The message names what could be."""
    with pytest.raises(errors.StatusError) as caught:
        negotiation.negotiate(header)
    assert caught.value.code == 406
    assert caught.value.reason == "NotAcceptable"
    assert JSON in caught.value.message


def test_a_body_without_content_type_is_json() -> None:
    """Upstream assumes the first type it knows."""
    assert negotiation.body_media_type("") == JSON


def test_a_body_of_another_type_is_415() -> None:
    """The message names the accepted types."""
    with pytest.raises(errors.StatusError) as caught:
        negotiation.body_media_type("text/plain; charset=utf-8")
    assert caught.value.code == 415
    assert caught.value.message == (
        "the body of the request was in an unknown format - "
        "accepted media types include: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf"
    )

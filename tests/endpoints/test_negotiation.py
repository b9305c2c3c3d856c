# SPDX-License-Identifier: Apache-2.0
"""Content negotiation, with the headers real clients send."""

from __future__ import annotations

import pytest

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupVersionKind
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
            id="client-go",
        ),
        pytest.param(
            "application/vnd.kubernetes.protobuf;q=0.5,application/json",
            Negotiated(JSON),
            id="JSON before protobuf",
        ),
        pytest.param(
            "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io," + KUBECTL_GET,
            Negotiated(JSON, "Table", "v1"),
            id="no Table is protobuf",
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
        "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io",
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
    assert caught.value.message == (
        "only the following media types are accepted: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def test_custom_resources_have_no_protobuf() -> None:
    """Their metadata alone has; otherwise the next clause counts."""
    textual = negotiation.media_types_of(GroupVersionKind("example.com", "v1", "Widget"))
    assert textual == (JSON, YAML)
    both = "application/vnd.kubernetes.protobuf,application/json"
    assert negotiation.negotiate(both, plain=textual) == Negotiated(JSON)
    metadata = Negotiated(PROTOBUF, "PartialObjectMetadata", "v1")
    assert negotiation.negotiate(METADATA, plain=textual) == metadata
    with pytest.raises(errors.StatusError, match="only the following") as caught:
        negotiation.negotiate(PROTOBUF, plain=textual)
    assert caught.value.code == 406
    with pytest.raises(errors.StatusError, match="in an unknown format") as caught:
        negotiation.body_media_type(PROTOBUF, textual)
    assert caught.value.code == 415


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
        "accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )

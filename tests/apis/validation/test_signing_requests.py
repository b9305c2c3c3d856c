# SPDX-License-Identifier: Apache-2.0
"""CertificateSigningRequests and ClusterTrustBundles: who asks, who decides, what is signed."""

from __future__ import annotations

import base64
import datetime
import functools
from typing import Any

import pytest
import roads
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
APPROVED = {"type": "Approved", "status": "True", "reason": "Because"}
DENIED = {"type": "Denied", "status": "True"}


def _base64(text: bytes) -> str:
    return base64.b64encode(text).decode()


@functools.cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def _request_pem() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(NAME)
    return builder.sign(_key(), hashes.SHA256()).public_bytes(PEM)


def _certificate_pem(*, ca: bool) -> str:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(_key().public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    return builder.sign(_key(), hashes.SHA256()).public_bytes(PEM).decode()


def _request(**spec: Any) -> dict[str, Any]:
    given = {
        "request": _base64(_request_pem()),
        "signerName": "example.com/a",
        "usages": ["client auth"],
        **spec,
    }
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "jane"},
        "spec": given,
    }


def _stored(**spec: Any) -> dict[str, Any]:
    found, faults = roads.created(_request(**spec))
    assert faults == []
    return found


def test_the_requester_is_the_user() -> None:
    found = _stored(username="root", groups=["system:masters"], uid="0", extra={"a": ["b"]})

    assert found["spec"]["username"] == "jane"
    assert found["spec"]["uid"] == "42"
    assert found["spec"]["groups"] == ["dev", "system:authenticated"]
    assert "extra" not in found["spec"]


def test_nobody_changes_the_spec() -> None:
    existing = _stored()

    updated, faults = roads.updated(existing, {"spec username": "root", "spec usages": ["any"]})

    assert faults == []
    assert updated["spec"] == existing["spec"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["any", "any"]}, 'spec.usages[1]: Duplicate value: "any"'),
        ({"signerName": ""}, "spec.signerName: Required value"),
        (
            {"signerName": "kubernetes.io/legacy-unknown"},
            'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy '
            "signerName is not allowed via this API version",
        ),
        (
            {"signerName": "a"},
            'spec.signerName: Invalid value: "a": must be a fully qualified domain and path of '
            "the form 'example.com/signer-name'",
        ),
        (
            {"expirationSeconds": 599},
            "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than "
            "600 seconds (10 minutes)",
        ),
    ],
)
def test_a_request_is_refused(spec: dict[str, Any], message: str) -> None:
    _, faults = roads.created(_request(**spec))

    assert roads.messages(faults) == [message]


def test_a_request_is_in_pem() -> None:
    _, faults = roads.created(_request(request=_base64(b"hello")))

    (message,) = roads.messages(faults)
    assert message.startswith("spec.request: Invalid value: ")
    assert message.endswith(": PEM block type must be CERTIFICATE REQUEST")


def test_approval_dates_its_decision() -> None:
    found, faults = roads.subresource_updated(
        _stored(), {"status": {"conditions": [APPROVED]}}, "approval"
    )

    assert faults == []
    (condition,) = found["status"]["conditions"]
    assert condition["lastUpdateTime"]
    assert condition["lastTransitionTime"]


def test_approval_takes_no_certificate() -> None:
    certificate = _base64(_certificate_pem(ca=False).encode())
    found, faults = roads.subresource_updated(
        _stored(), {"status": {"conditions": [APPROVED], "certificate": certificate}}, "approval"
    )

    assert faults == []
    assert "certificate" not in found["status"]


def test_a_decision_is_one_of_two() -> None:
    _, faults = roads.subresource_updated(
        _stored(), {"status": {"conditions": [APPROVED, DENIED]}}, "approval"
    )

    assert roads.messages(faults) == [
        'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually '
        "exclusive"
    ]


def test_the_status_decides_nothing() -> None:
    _, faults = roads.subresource_updated(_stored(), {"status": {"conditions": [APPROVED]}})

    assert roads.messages(faults) == [
        'status.conditions: Forbidden: updates may not add a condition of type "Approved"'
    ]


def test_a_decision_stays() -> None:
    approved, _ = roads.subresource_updated(
        _stored(), {"status": {"conditions": [APPROVED]}}, "approval"
    )

    _, faults = roads.subresource_updated(approved, {"status": {}}, "approval")

    assert roads.messages(faults) == [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    ]


def test_a_certificate_is_issued_once() -> None:
    certificate = _base64(_certificate_pem(ca=False).encode())
    issued, faults = roads.subresource_updated(_stored(), {"status": {"certificate": certificate}})
    assert faults == []

    other = _base64(_certificate_pem(ca=True).encode())
    _, faults = roads.subresource_updated(issued, {"status certificate": other})

    assert roads.messages(faults) == [
        "status.certificate: Forbidden: updates may not modify existing certificate content"
    ]


def test_a_certificate_is_in_pem() -> None:
    _, faults = roads.subresource_updated(_stored(), {"status": {"certificate": _base64(b"hello")}})

    assert roads.messages(faults) == [
        'status.certificate: Invalid value: "<certificate data>": must contain at least one '
        "CERTIFICATE PEM block"
    ]


# ClusterTrustBundles


def _bundle(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "ClusterTrustBundle",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("name", "signer"), [("roots", ""), ("example.com:a:roots", "example.com/a")]
)
def test_a_trust_bundle_is_sound(name: str, signer: str) -> None:
    spec = {"signerName": signer} if signer else {}

    _, faults = roads.created(_bundle(name, trustBundle=_certificate_pem(ca=True), **spec))

    assert faults == []


@pytest.mark.parametrize(
    ("name", "spec", "detail"),
    [
        ("a", {"trustBundle": ""}, "at least one trust anchor must be provided"),
        ("a", {"trustBundle": _certificate_pem(ca=False)}, "entry 0 does not have the CA bit set"),
        (
            "a",
            {"trustBundle": _request_pem().decode()},
            "entry 0 has bad block type: CERTIFICATE REQUEST",
        ),
        (
            "a",
            {"trustBundle": _certificate_pem(ca=True), "signerName": "example.com/a"},
            "ClusterTrustBundle for signerName example.com/a must be named with prefix "
            "example.com:a:",
        ),
        (
            "a:b",
            {"trustBundle": _certificate_pem(ca=True)},
            'ClusterTrustBundle without signer name must not have ":" in its name',
        ),
    ],
)
def test_a_trust_bundle_is_refused(name: str, spec: dict[str, Any], detail: str) -> None:
    _, faults = roads.created(_bundle(name, **spec))

    (message,) = roads.messages(faults)
    assert message.endswith(": " + detail)


def test_a_trust_anchor_counts_once() -> None:
    anchor = _certificate_pem(ca=True)

    _, faults = roads.created(_bundle("a", trustBundle=anchor + anchor))

    (message,) = roads.messages(faults)
    assert message.endswith(": duplicate trust anchor (indices [0 1])")

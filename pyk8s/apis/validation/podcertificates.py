# SPDX-License-Identifier: Apache-2.0
"""Rules of PodCertificateRequests.

Mirrors upstream's `pkg/apis/certificates/validation/validation.go`.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from typing import Any

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import certificates, checks, conditions, meta, pem, signernames

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_CHAIN = _STATUS.child("certificateChain")
_UID_BYTES_MAX = 128
_LIFETIME_SECONDS_MIN = 3600
_LIFETIME_SECONDS_MAX = 91 * 86400
_KUBERNETES_LIFETIME_SECONDS_MAX = 86400
_REQUEST_BYTES_MAX = 10 * 1024
_CHAIN_BYTES_MAX = 100 * 1024
_CLOCK_SKEW = datetime.timedelta(minutes=5)
_REFRESH_MARGIN = datetime.timedelta(minutes=10)
_KINDS = ("Issued", "Denied", "Failed")


def validate_request(request: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        request, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    spec = request.get("spec") or {}
    signer = spec.get("signerName", "")
    found += signernames.signer_name(signer, _SPEC.child("signerName"))
    for name in ("pod", "serviceAccount", "node"):
        found += checks.dns1123_subdomain(spec.get(name + "Name", ""), _SPEC.child(name + "Name"))
        found += _uid(spec.get(name + "UID", ""), _SPEC.child(name + "UID"))
    seconds = spec.get("maxExpirationSeconds")
    path = _SPEC.child("maxExpirationSeconds")
    if seconds is None:
        return [*found, field.required(path, "must be set")]
    most = _KUBERNETES_LIFETIME_SECONDS_MAX if _is_kubernetes(signer) else _LIFETIME_SECONDS_MAX
    if not _LIFETIME_SECONDS_MIN <= seconds <= most:
        detail = f"must be in the range [{_LIFETIME_SECONDS_MIN}, {most}]"
        found.append(field.invalid(path, seconds, detail))
    return found + _stub_request(spec.get("stubPKCS10Request", ""))


def _is_kubernetes(signer: str) -> bool:
    host = signer.partition("/")[0]
    return host == "kubernetes.io" or host.endswith(".kubernetes.io")


def _uid(uid: str, path: field.Path) -> list[field.Error]:
    if not uid:
        return [field.invalid(path, uid, "must not be empty")]
    if names.bytes_length(uid) > _UID_BYTES_MAX:
        return [field.too_long(path, _UID_BYTES_MAX)]
    return []


def _stub_request(encoded: str) -> list[field.Error]:
    path = _SPEC.child("stubPKCS10Request")
    if not encoded:
        return [field.required(path)]
    try:
        der = base64.b64decode(encoded)
    except binascii.Error as error:
        return [field.invalid(path, encoded, str(error))]
    if len(der) > _REQUEST_BYTES_MAX:
        return [field.too_long(path, _REQUEST_BYTES_MAX)]
    fault = certificates.signature_fault(der)
    if fault:
        return [field.invalid(path, encoded, fault)]
    fault = _key_fault(x509.load_der_x509_csr(der).public_key())
    return [field.invalid(path, field.OMITTED, fault)] if fault else []


def _key_fault(key: Any) -> str:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        known = isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
        return "" if known else "elliptic public keys must use curve P256 or P384"
    if isinstance(key, rsa.RSAPublicKey):
        known = key.key_size in (3072, 4096)
        return "" if known else "RSA keys must have modulus size 3072 or 4096"
    return "unknown public key type; supported types are Ed25519, ECDSA, and RSA"


def validate_request_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + checks.immutable(updated.get("spec"), existing.get("spec"), _SPEC)


def validate_request_status_update(updated: Object, existing: Object) -> list[field.Error]:
    """A request ends once, as issued, denied or failed, and then stays as it is."""
    status, before = updated.get("status") or {}, existing.get("status") or {}
    found = meta.validate_object_meta_update(updated, existing) or _known_conditions(status)
    given = status.get("conditions") or ()
    found += conditions.validate_conditions(given, _STATUS.child("conditions"))
    if found:
        return found
    if _outcome(before):
        detail = "immutable after PodCertificateRequest is issued, denied, or failed"
        return [] if status == before else [field.invalid(_STATUS, field.OMITTED, detail)]
    outcome = _outcome(status)
    if outcome in ("Denied", "Failed"):
        if not any(value for key, value in status.items() if key != "conditions"):
            return []
        detail = (
            "non-condition status fields must be empty when denying or failing the "
            "PodCertificateRequest"
        )
        return [field.invalid(_STATUS, field.OMITTED, detail)]
    if outcome == "Issued":
        return _issued(status, existing)
    if status == before:
        return []
    detail = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'
    return [field.invalid(_STATUS, field.OMITTED, detail)]


def _known_conditions(status: Object) -> list[field.Error]:
    found = []
    for index, condition in enumerate(status.get("conditions") or ()):
        path = _STATUS.child("conditions").index(index)
        kind = condition.get("type", "")
        if kind not in _KINDS:
            found.append(field.not_supported(path.child("type"), kind, _KINDS))
            continue
        if index:
            detail = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
            found.append(field.invalid(path.child("type"), kind, detail))
        found += checks.one_of(condition.get("status", ""), path.child("status"), ("True",))
    return found


def _outcome(status: Object) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") in _KINDS and condition.get("status") == "True":
            return str(condition["type"])
    return ""


def _issued(status: Object, existing: Object) -> list[field.Error]:
    chain = status.get("certificateChain", "")
    if names.bytes_length(chain) > _CHAIN_BYTES_MAX:
        return [field.too_long(_CHAIN, _CHAIN_BYTES_MAX)]
    blocks = pem.blocks(chain)
    if not blocks:
        detail = "issued certificate chain must contain at least one certificate"
        return [field.invalid(_CHAIN, chain, detail)]
    if any(block.kind != "CERTIFICATE" for block in blocks):
        detail = "issued certificate chain must consist entirely of CERTIFICATE PEM blocks"
        return [field.invalid(_CHAIN, chain, detail)]
    loaded = []
    for index, block in enumerate(blocks):
        try:
            loaded.append(x509.load_der_x509_certificate(block.der))
        except ValueError:
            which = "intermediate" if index else "leaf"
            detail = f"{which} certificate does not parse as valid X.509"
            return [field.invalid(_CHAIN, chain, detail)]
    if _public_key(loaded[0]) != _requested_key(existing):
        detail = "leaf certificate was not issued to the requested public key"
        return [field.invalid(_CHAIN, chain, detail)]
    seconds = (existing.get("spec") or {}).get("maxExpirationSeconds", 0)
    return _times_given(status) or _times(status, loaded[0], seconds)


def _public_key(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return holder.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _requested_key(request: Object) -> bytes:
    encoded = (request.get("spec") or {}).get("stubPKCS10Request", "")
    try:
        return _public_key(x509.load_der_x509_csr(base64.b64decode(encoded)))
    except (ValueError, exceptions.UnsupportedAlgorithm):
        return b""


def _times_given(status: Object) -> list[field.Error]:
    consistent = "must be present and consistent with the issued certificate"
    refresh = "must be present and in the range [notbefore+10min, notafter-10min]"
    needed = (("notBefore", consistent), ("notAfter", consistent), ("beginRefreshAt", refresh))
    return [
        field.required(_STATUS.child(key), detail) for key, detail in needed if not status.get(key)
    ]


def _times(status: Object, leaf: x509.Certificate, seconds_max: int) -> list[field.Error]:
    given = {key: _time(status[key]) for key in ("notBefore", "notAfter", "beginRefreshAt")}
    start, end, refresh = given.values()
    now = datetime.datetime.now(datetime.UTC)
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    rules = (
        (
            start == leaf.not_valid_before_utc,
            "notBefore",
            "must be set to the NotBefore time encoded in the leaf certificate",
        ),
        (
            abs(start - now) < _CLOCK_SKEW,
            "notBefore",
            "must be set to within 5 minutes of kube-apiserver's current time",
        ),
        (
            end == leaf.not_valid_after_utc,
            "notAfter",
            "must be set to the NotAfter time encoded in the leaf certificate",
        ),
        (
            lifetime.total_seconds() >= _LIFETIME_SECONDS_MIN,
            "certificateChain",
            "leaf certificate lifetime must be >= 1 hour",
        ),
        (
            lifetime.total_seconds() <= seconds_max,
            "certificateChain",
            f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({seconds_max})",
        ),
        (
            refresh >= start + _REFRESH_MARGIN,
            "beginRefreshAt",
            "must be at least 10 minutes after status.notBefore",
        ),
        (
            refresh <= end - _REFRESH_MARGIN,
            "beginRefreshAt",
            "must be at least 10 minutes before status.notAfter",
        ),
    )
    for holds, key, detail in rules:
        if not holds:
            shown = f"{lifetime}" if key == "certificateChain" else status[key]
            return [field.invalid(_STATUS.child(key), shown, detail)]
    return []


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)

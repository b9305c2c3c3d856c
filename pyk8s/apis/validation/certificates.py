# SPDX-License-Identifier: Apache-2.0
"""Rules of CertificateSigningRequests and ClusterTrustBundles.

Mirrors upstream's `pkg/apis/certificates/validation/validation.go` and
`pkg/apis/core/validation/names.go`.
"""

from __future__ import annotations

import base64
import binascii

from cryptography import exceptions, x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta, pem, signernames

_SPEC = field.Path("spec")
_CONDITIONS = field.Path("status", "conditions")
_CERTIFICATE = field.Path("status", "certificate")
_LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
_LIFETIME_SECONDS_MIN = 600
_TRUST_BUNDLE_BYTES_MAX = 1024 * 1024
_DECISIONS = ("Approved", "Denied")
_USAGES = frozenset(
    {
        "signing",
        "digital signature",
        "content commitment",
        "key encipherment",
        "key agreement",
        "data encipherment",
        "cert sign",
        "crl sign",
        "encipher only",
        "decipher only",
        "any",
        "server auth",
        "client auth",
        "code signing",
        "email protection",
        "s/mime",
        "ipsec end system",
        "ipsec tunnel",
        "ipsec user",
        "timestamping",
        "ocsp signing",
        "microsoft sgc",
        "netscape sgc",
    }
)
_STATUSES = frozenset({"True", "False", "Unknown"})


# CertificateSigningRequests


def validate_signing_request(request: Object) -> list[field.Error]:
    return _request(request, None)


def validate_signing_request_update(
    updated: Object, existing: Object, *, decides: bool = False, issues: bool = False
) -> list[field.Error]:
    """`decides` in the approval subresource, `issues` in the status subresource."""
    found = _request(updated, existing)
    counts = _counts(updated), _counts(existing)
    for kind in (*_DECISIONS, "Failed"):
        if len(counts[0].get(kind, ())) < len(counts[1].get(kind, ())):
            shown = quoted_string(kind)
            detail = f"updates may not remove a condition of type {shown}"
            found.append(field.forbidden(_CONDITIONS, detail))
    if not decides:
        found += _decision_kept(*counts)
    found += _certificate_update(updated, existing, issues)
    return found + meta.validate_object_meta_update(updated, existing)


def _counts(request: Object) -> dict[str, list[Object]]:
    """The conditions of each type."""
    found: dict[str, list[Object]] = {}
    for condition in (request.get("status") or {}).get("conditions") or ():
        found.setdefault(condition.get("type", ""), []).append(condition)
    return found


def _decision_kept(
    after: dict[str, list[Object]], before: dict[str, list[Object]]
) -> list[field.Error]:
    found = []
    for kind in _DECISIONS:
        now, then = after.get(kind, []), before.get(kind, [])
        verb = "add" if len(now) > len(then) else "modify"
        if now != then and len(now) >= len(then):
            detail = f"updates may not {verb} a condition of type {quoted_string(kind)}"
            found.append(field.forbidden(_CONDITIONS, detail))
    return found


def _certificate_update(updated: Object, existing: Object, issues: bool) -> list[field.Error]:
    now = (updated.get("status") or {}).get("certificate") or ""
    then = (existing.get("status") or {}).get("certificate") or ""
    if now == then:
        return []
    if not issues:
        return [field.forbidden(_CERTIFICATE, "updates may not set certificate content")]
    if then:
        detail = "updates may not modify existing certificate content"
        return [field.forbidden(_CERTIFICATE, detail)]
    return []


def _request(request: Object, existing: Object | None) -> list[field.Error]:
    found = meta.validate_object_meta(request, namespaced=False, name_rule=lambda name: [])
    spec = request.get("spec") or {}
    text = spec.get("request", "")
    fault = _request_fault(text)
    if fault:
        found.append(field.invalid(_SPEC.child("request"), text, fault))
    found += _usages(spec.get("usages") or (), existing)
    signer = spec.get("signerName", "")
    path = _SPEC.child("signerName")
    stored_signer = ((existing or {}).get("spec") or {}).get("signerName")
    if signer == _LEGACY_SIGNER != stored_signer:
        detail = "the legacy signerName is not allowed via this API version"
        found.append(field.invalid(path, signer, detail))
    else:
        found += signernames.signer_name(signer, path)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _LIFETIME_SECONDS_MIN:
        detail = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(field.invalid(_SPEC.child("expirationSeconds"), seconds, detail))
    found += _conditions(request, existing)
    return found + _certificate(request, existing)


def _usages(usages: list[str] | tuple[()], existing: Object | None) -> list[field.Error]:
    path = _SPEC.child("usages")
    if not usages:
        return [field.required(path)]
    stored = ((existing or {}).get("spec") or {}).get("usages") or ()
    found = []
    if _USAGES.issuperset(stored):
        for index, usage in enumerate(usages):
            found += checks.one_of(usage, path.index(index), _USAGES)
    if len(set(stored)) == len(stored):
        found += checks.unique(usages, path)
    return found


def _request_fault(encoded: str) -> str:
    """Why this is no certificate request in PEM, base64 over it; empty when it is one."""
    try:
        text = base64.b64decode(encoded).decode("utf-8", "replace")
    except binascii.Error as error:
        return str(error)
    found = pem.blocks(text)
    if not found or found[0].kind != "CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    return signature_fault(found[0].der)


def signature_fault(der: bytes) -> str:
    """Why this is no PKCS#10 request signed with its own key; empty when it is."""
    try:
        request = x509.load_der_x509_csr(der)
        valid = request.is_signature_valid
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        return f"x509: {error}"
    if valid:
        return ""
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "crypto/rsa: verification error"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "x509: ECDSA verification failure"
    return "x509: Ed25519 verification failure"


def _conditions(request: Object, existing: Object | None) -> list[field.Error]:
    conditions = (request.get("status") or {}).get("conditions") or ()
    stored = list(_counts(existing or {}).items())
    stored_kinds = {kind for kind, _ in stored}
    found = []
    decisions: set[str] = set()
    for index, condition in enumerate(conditions):
        path = _CONDITIONS.index(index)
        kind = condition.get("type", "")
        if not kind and "" not in stored_kinds:
            found.append(field.required(path.child("type")))
        decided = kind in (*_DECISIONS, "Failed")
        allowed = frozenset({"True"}) if decided else _STATUSES
        found += checks.required_one_of(condition.get("status"), path.child("status"), allowed)
        if kind in _DECISIONS and not stored_kinds.issuperset(_DECISIONS):
            decisions.add(kind)
            if len(decisions) == 2:
                detail = "Approved and Denied conditions are mutually exclusive"
                found.append(field.invalid(_CONDITIONS, kind, detail))
    if all(len(same) == 1 for _, same in stored):
        found += checks.unique([c.get("type", "") for c in conditions], _CONDITIONS, "type")
    return found


def _certificate(request: Object, existing: Object | None) -> list[field.Error]:
    encoded = (request.get("status") or {}).get("certificate") or ""
    before = ((existing or {}).get("status") or {}).get("certificate") or ""
    if not encoded or encoded == before or (before and _certificate_fault(before)):
        return []
    fault = _certificate_fault(encoded)
    return [field.invalid(_CERTIFICATE, "<certificate data>", fault)] if fault else []


def _certificate_fault(encoded: str) -> str:
    try:
        text = base64.b64decode(encoded).decode("utf-8", "replace")
    except binascii.Error as error:
        return str(error)
    found = pem.blocks(text)
    for block in found:
        if block.kind != "CERTIFICATE":
            shown = quoted_string(block.kind)
            return f"only CERTIFICATE PEM blocks are allowed, found {shown}"
        if block.has_headers:
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(block.der)
        except ValueError as error:
            return f"x509: {error}"
    return "" if found else "must contain at least one CERTIFICATE PEM block"


# ClusterTrustBundles


def validate_trust_bundle(bundle: Object, existing: Object | None = None) -> list[field.Error]:
    """A bundle that an update leaves as it is, is not read again."""
    spec = bundle.get("spec") or {}
    signer = spec.get("signerName", "")

    def name_rule(name: str) -> list[str]:
        return _trust_bundle_name(name, signer)

    found = meta.validate_object_meta(bundle, namespaced=False, name_rule=name_rule)
    if signer:
        found += signernames.signer_name(signer, _SPEC.child("signerName"))
    anchors = spec.get("trustBundle", "")
    if existing is None or (existing.get("spec") or {}).get("trustBundle", "") != anchors:
        found += _trust_anchors(anchors, _SPEC.child("trustBundle"))
    return found


def validate_trust_bundle_update(updated: Object, existing: Object) -> list[field.Error]:
    found = validate_trust_bundle(updated, existing)
    found += meta.validate_object_meta_update(updated, existing)
    signers = [(obj.get("spec") or {}).get("signerName", "") for obj in (updated, existing)]
    return found + checks.immutable(signers[0], signers[1], _SPEC.child("signerName"))


def _trust_bundle_name(name: str, signer: str) -> list[str]:
    if not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return names.is_dns1123_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return names.is_dns1123_subdomain(name.removeprefix(prefix))


def _trust_anchors(text: str, path: field.Path) -> list[field.Error]:
    if names.bytes_length(text) > _TRUST_BUNDLE_BYTES_MAX:
        return [field.too_long(path, _TRUST_BUNDLE_BYTES_MAX)]
    blocks = pem.blocks(text)
    faults = [fault for i, block in enumerate(blocks) if (fault := _anchor_fault(i, block))]
    if not faults and not blocks:
        faults = ["at least one trust anchor must be provided"]
    if not faults:
        places: dict[bytes, list[int]] = {}
        for index, block in enumerate(blocks):
            places.setdefault(block.der, []).append(index)
        for found in places.values():
            if len(found) > 1:
                shown = " ".join(map(str, found))
                faults.append(f"duplicate trust anchor (indices [{shown}])")
    return checks.all_invalid(path, "<value omitted>", faults)


def _anchor_fault(index: int, block: pem.Block) -> str:
    if block.kind != "CERTIFICATE":
        return f"entry {index} has bad block type: {block.kind}"
    if block.has_headers:
        return f"entry {index} has PEM block headers"
    try:
        certificate = x509.load_der_x509_certificate(block.der)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except ValueError:
        return f"entry {index} does not parse as X.509"
    except x509.ExtensionNotFound:
        return f"entry {index} does not have the CA bit set"
    if not constraints.value.ca:
        return f"entry {index} does not have the CA bit set"
    return ""

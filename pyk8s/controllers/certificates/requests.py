# SPDX-License-Identifier: Apache-2.0
"""What a CertificateSigningRequest asks for, and whether a signer may give it.

Mirrors `pkg/apis/certificates/helpers.go` and the checks of `controller/certificates/signer`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from pyk8s.apimachinery.gvk import Object

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"

APPROVED = "Approved"
DENIED = "Denied"
FAILED = "Failed"

_NODES = "system:nodes"
_NODE_PREFIX = "system:node:"
_BEGIN = b"-----BEGIN CERTIFICATE REQUEST-----"


class BadRequest(ValueError):
    """It holds no certificate request in PEM."""


def conditions(request: Object) -> Sequence[Object]:
    return (request.get("status") or {}).get("conditions") or ()


def has_condition(request: Object, kind: str) -> bool:
    """Of that type; one that says False does not count."""
    return any(c.get("type") == kind and c.get("status") != "False" for c in conditions(request))


def is_approved(request: Object) -> bool:
    return has_condition(request, APPROVED) and not has_condition(request, DENIED)


def certificate(request: Object) -> str:
    """The one that was issued, in base64; empty before that."""
    return (request.get("status") or {}).get("certificate") or ""


def parse(request: Object) -> x509.CertificateSigningRequest:
    """Raises BadRequest."""
    try:
        text = base64.b64decode(request["spec"].get("request") or "")
    except binascii.Error as error:
        raise BadRequest(str(error)) from error
    if _BEGIN not in text:
        raise BadRequest("PEM block type must be CERTIFICATE REQUEST")
    try:
        return x509.load_pem_x509_csr(text)
    except ValueError as error:
        raise BadRequest(f"x509: {error}") from error


def common_name(parsed: x509.CertificateSigningRequest) -> str:
    """The last one, as Go has it; empty without one."""
    found = _texts(parsed, NameOID.COMMON_NAME)
    return found[-1] if found else ""


def organizations(parsed: x509.CertificateSigningRequest) -> list[str]:
    return _texts(parsed, NameOID.ORGANIZATION_NAME)


def _texts(parsed: x509.CertificateSigningRequest, oid: x509.ObjectIdentifier) -> list[str]:
    values = [each.value for each in parsed.subject.get_attributes_for_oid(oid)]
    return [value if isinstance(value, str) else value.decode() for value in values]


def alternative_names(parsed: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """Those of the kinds that Go knows: DNS names, addresses, mail addresses and URIs."""
    try:
        found = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    kinds = (x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier)
    return [name for kind in kinds for name in found if isinstance(name, kind)]


# --- what the signers take

_Fault = Callable[[x509.CertificateSigningRequest, Sequence[str]], str]


def fault_of_client(parsed: x509.CertificateSigningRequest, usages: Sequence[str]) -> str:
    for usage in usages:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    if "client auth" not in usages:
        return "missing required usage for client certificate: client auth"
    return ""


def fault_of_kubelet_client(parsed: x509.CertificateSigningRequest, usages: Sequence[str]) -> str:
    if organizations(parsed) != [_NODES]:
        return "subject organization is not system:nodes"
    names = alternative_names(parsed)
    for kind, shown in (
        (x509.DNSName, "DNS"),
        (x509.RFC822Name, "Email"),
        (x509.IPAddress, "IP"),
        (x509.UniformResourceIdentifier, "URI"),
    ):
        if any(isinstance(name, kind) for name in names):
            return f"{shown} subjectAltNames are not allowed"
    if not common_name(parsed).startswith(_NODE_PREFIX):
        return f"subject common name does not begin with {_NODE_PREFIX}"
    return _usages_fault(usages, "client auth")


def fault_of_kubelet_serving(parsed: x509.CertificateSigningRequest, usages: Sequence[str]) -> str:
    if organizations(parsed) != [_NODES]:
        return "subject organization is not system:nodes"
    names = alternative_names(parsed)
    if not any(isinstance(name, x509.DNSName | x509.IPAddress) for name in names):
        return "DNS or IP subjectAltName is required"
    if any(isinstance(name, x509.RFC822Name) for name in names):
        return "Email subjectAltNames are not allowed"
    if any(isinstance(name, x509.UniformResourceIdentifier) for name in names):
        return "URI subjectAltNames are not allowed"
    if fault := _usages_fault(usages, "server auth"):
        return fault
    if not common_name(parsed).startswith(_NODE_PREFIX):
        return f"subject common name does not begin with {_NODE_PREFIX}"
    return ""


def _usages_fault(usages: Sequence[str], auth: str) -> str:
    """Key encipherment is for RSA keys, and may be left out."""
    least = {"digital signature", auth}
    most = {*least, "key encipherment"}
    if set(usages) in (least, most):
        return ""
    return f"usages did not match [{' '.join(sorted(most))}]"


# By the signer's name; empty where it may sign. The last has no rules, as ever.
FAULTS: Mapping[str, _Fault] = {
    KUBELET_SERVING: fault_of_kubelet_serving,
    KUBELET_CLIENT: fault_of_kubelet_client,
    CLIENT: fault_of_client,
    LEGACY_UNKNOWN: lambda parsed, usages: "",
}

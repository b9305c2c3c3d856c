# SPDX-License-Identifier: Apache-2.0
"""Signs certificate requests: what the subject asks for, with the usages and the time it is given.

Nothing else of a request's extensions is taken over. Mirrors upstream's
`controller/certificates/authority`.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pyk8s.controllers.certificates import requests

# Clients with slow clocks find a certificate valid; a short-lived one ends no earlier for it.
BACKDATE = datetime.timedelta(minutes=5)
SHORT = datetime.timedelta(hours=8)

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

# As cryptography names them.
_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_IPSEC = "1.3.6.1.5.5.7.3"
# In Go's order, in which they stand in the certificate.
_EXTENDED_KEY_USAGES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": ObjectIdentifier(f"{_IPSEC}.5"),
    "ipsec tunnel": ObjectIdentifier(f"{_IPSEC}.6"),
    "ipsec user": ObjectIdentifier(f"{_IPSEC}.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}
_HASHES = {"secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}


class CannotSign(Exception):
    """The authority, or what is asked of it, does not serve; one line."""


@dataclass(frozen=True, slots=True)
class Authority:
    certificate: x509.Certificate
    key: SigningKey

    def sign(
        self,
        request: x509.CertificateSigningRequest,
        usages: Sequence[str],
        lifetime: datetime.timedelta,
        now: datetime.datetime,
    ) -> bytes:
        """The certificate in PEM. It ends with the authority's own, at the latest. Raises
        CannotSign."""
        if not request.is_signature_valid:
            raise CannotSign("unable to verify certificate request signature")
        ends = self.certificate.not_valid_after_utc
        if now >= ends:
            raise CannotSign(f"the signer has expired: NotAfter={ends}")
        until = now + lifetime - (BACKDATE if lifetime >= SHORT else datetime.timedelta())
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(min(until, ends))
        )
        try:
            for extension, is_critical in self._extensions(request, usages):
                builder = builder.add_extension(extension, critical=is_critical)
            signed = builder.sign(self.key, _hash(self.key))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise CannotSign(f"failed to sign certificate: {error}") from error
        return signed.public_bytes(serialization.Encoding.PEM)

    def _extensions(
        self, request: x509.CertificateSigningRequest, usages: Sequence[str]
    ) -> list[tuple[x509.ExtensionType, bool]]:
        """Each with whether it is critical."""
        unknown = [u for u in usages if u not in _KEY_USAGES and u not in _EXTENDED_KEY_USAGES]
        if unknown:
            raise CannotSign(f"unrecognized usage values: {unknown}")
        found: list[tuple[x509.ExtensionType, bool]] = []
        given = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
        if given:
            flags: dict[str, Any] = {name: name in given for name in _KEY_USAGES.values()}
            found.append((x509.KeyUsage(**flags), True))
        extended = [oid for usage, oid in _EXTENDED_KEY_USAGES.items() if usage in usages]
        if extended:
            found.append((x509.ExtendedKeyUsage(dict.fromkeys(extended)), False))
        found.append((x509.BasicConstraints(ca=False, path_length=None), True))
        found.append((self._key_identifier(), False))
        if names := requests.alternative_names(request):
            # With no subject the names are all there is to go by.
            found.append((x509.SubjectAlternativeName(names), not list(request.subject)))
        return found

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        try:
            own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            key: Any = self.key.public_key()
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _hash(key: SigningKey) -> Any:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _HASHES.get(key.curve.name, hashes.SHA256())
    return hashes.SHA256()


def load(cert_file: str, key_file: str) -> Authority:
    """Raises CannotSign."""
    try:
        certificate = x509.load_pem_x509_certificate(Path(cert_file).read_bytes())
        key = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)
    except OSError as error:
        raise CannotSign(f"cannot read {error.filename}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"cannot sign with {cert_file} and {key_file}: {error}"
        raise CannotSign(message) from error
    if not isinstance(key, SigningKey):
        raise CannotSign(f"the key in {key_file} is neither RSA nor ECDSA nor Ed25519")
    if key.public_key() != certificate.public_key():
        raise CannotSign(f"the key in {key_file} is not that of the certificate in {cert_file}")
    return Authority(certificate, key)

# SPDX-License-Identifier: Apache-2.0
"""TLS of what a component serves: certificates from files, or one it signs itself."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_LIFETIME = datetime.timedelta(days=365)
_BACKDATE = datetime.timedelta(hours=1)


def server_context(
    names: Iterable[str], *, client_ca_file: str = "", cert_file: str = "", key_file: str = ""
) -> ssl.SSLContext:
    """Without a certificate in files, one for these names and addresses is made. Clients may show
    one signed by the CA. Raises OSError, ssl.SSLError among them, for files that do not serve."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file:
        context.load_cert_chain(cert_file, key_file or None)
    else:
        # A context reads certificates from files alone.
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "serving.pem")
            path.touch(0o600)
            path.write_bytes(_self_signed(names))
            context.load_cert_chain(path)
    if client_ca_file:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _self_signed(names: Iterable[str]) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    known = [*names]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, known[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, known)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

# SPDX-License-Identifier: Apache-2.0
"""Certificates of clients, each signed by itself, for those who only read them."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = datetime.timedelta(days=1)


def certificate(*attributes: tuple[x509.ObjectIdentifier, str], lasts: datetime.timedelta = DAY):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - 10 * DAY)
        .not_valid_after(now + lasts)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )

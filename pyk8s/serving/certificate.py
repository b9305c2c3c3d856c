# SPDX-License-Identifier: Apache-2.0
"""TLS of a server: certificates from files, or one it signs itself as a kubelet does."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path


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
        # A context reads certificates from files alone. The library that makes them is large.
        from pyk8s.serving import selfsigned

        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "own.pem")
            path.touch(0o600)
            path.write_bytes(selfsigned.certificate(names))
            context.load_cert_chain(path)
    if client_ca_file:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def trust(context: ssl.SSLContext, authorities: str) -> None:
    """Let in clients of more authorities, in PEM, from the next connection on; there is no way
    to let them out again. Raises ssl.SSLError."""
    context.load_verify_locations(cadata=authorities)
    context.verify_mode = ssl.CERT_OPTIONAL

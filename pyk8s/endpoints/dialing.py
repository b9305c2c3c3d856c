# SPDX-License-Identifier: Apache-2.0
"""When another server cannot be reached: the errors, and Go's words for them."""

from __future__ import annotations

import os
import re
import socket
import ssl

from pyk8s.registry.locations import Location

# Go's dialer in client-go.
DIAL_SECONDS_MAX = 30.0


class DialError(Exception):
    """Nobody answers there; the text is Go's."""


class HungUp(DialError):
    """The same, of a connection that was used before: worth another try on a new one."""


def dial_fault(error: Exception, location: Location) -> str:
    """What Go says of a connection that does not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"tls: {(error.reason or 'handshake failure').lower().replace('_', ' ')}"
    # A name that cannot even be asked for has parts that are too long.
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"dial tcp: lookup {location.host}: no such host"
    if isinstance(error, TimeoutError):
        return f"dial tcp {location.authority}: i/o timeout"
    return f"dial tcp {location.authority}: connect: {fault_text(error)}"


def fault_text(error: Exception) -> str:
    """Of what the system says about a connection."""
    number = getattr(error, "errno", None)
    if number is None and (found := _ERRNO.search(str(error))):
        # The loop tried several addresses of a name, and joined what became of each.
        number = int(found[1])
    return os.strerror(number).lower() if number else str(error)


_ERRNO = re.compile(r"\[Errno (\d+)\]")

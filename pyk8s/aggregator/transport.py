# SPDX-License-Identifier: Apache-2.0
"""How the servers behind are spoken to: TLS as their APIService demands it, this server's own
proxy certificate, and headers that say for whom it asks.

Mirrors kube-aggregator's `BuildTransportConfig` and client-go's `transport.SetAuthProxyHeaders`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from pyk8s.aggregator.apiservice import APIService
from pyk8s.auth import requestheader
from pyk8s.auth.user import UserInfo
from pyk8s.endpoints.forwarding import Header
from pyk8s.endpoints.lines import IdleLines
from pyk8s.endpoints.relay import Peer, Relay

_REMOTE_USER = b"x-remote-user"
_REMOTE_UID = b"x-remote-uid"
_REMOTE_GROUP = b"x-remote-group"
_REMOTE_EXTRA = b"x-remote-extra-"
_REMOTE = (_REMOTE_USER, _REMOTE_UID, _REMOTE_GROUP)

# The characters of an HTTP token, but for the percent sign, which marks the others.
_LEGAL_IN_NAMES = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&'*+-.^_`|~"
)


class TransportError(Exception):
    """No connection can be made as the APIService wants it; one line for who reads the answer."""


class Transports:
    """Makes the Relay to the server of an APIService. Without files, this server shows no
    certificate."""

    def __init__(self, cert_file: str = "", key_file: str = "") -> None:
        """Raises OSError and ssl.SSLError for files that cannot be used."""
        self._cert_file = cert_file
        self._key_file = key_file
        self._trusting = self._context()
        _trust_anyone(self._trusting)

    def verifying(self, service: APIService) -> Relay:
        """Raises TransportError for a caBundle without certificates, OSError and ssl.SSLError
        for files that cannot be used any more."""
        assert service.service is not None
        context = self._context()
        if service.insecure:
            _trust_anyone(context)
        elif service.ca_bundle:
            try:
                context.load_verify_locations(cadata=service.ca_bundle.decode("latin-1"))
            except ssl.SSLError as error:
                message = "unable to load root certificates: unable to parse bytes as PEM block"
                raise TransportError(message) from error
            # An intermediate in the bundle is a root to Go; so it is here.
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        else:
            context.load_default_certs()
        peer = Peer(tls=context, server_name=service.service.server_name)
        return Relay(peer=peer, idle=IdleLines())

    def trusting(self, service: APIService) -> Relay:
        """For what gives nothing away: believes whoever answers."""
        assert service.service is not None
        return Relay(peer=Peer(tls=self._trusting, server_name=service.service.server_name))

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._cert_file:
            context.load_cert_chain(self._cert_file, self._key_file)
        return context


def _trust_anyone(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def identity_headers(user: UserInfo) -> list[Header]:
    """Who asks, for a server that trusts the proxy certificate."""
    headers = [(_REMOTE_USER, user.name.encode())]
    if user.uid:
        headers.append((_REMOTE_UID, user.uid.encode()))
    headers += [(_REMOTE_GROUP, group.encode()) for group in user.groups]
    for key, values in user.extra.items():
        name = _REMOTE_EXTRA + _escaped(key)
        headers += [(name, value.encode()) for value in values]
    return headers


def says_who(names: requestheader.Names) -> Callable[[bytes], bool]:
    """Whether a header would be believed to say who asks, by a server that believes what this
    one sends or `names`: a client's own must not get through."""
    whole = (*names.username, *names.uid, *names.group)
    dropped = frozenset((*_REMOTE, *(name.lower().encode() for name in whole)))
    prefixes = (_REMOTE_EXTRA, *(prefix.lower().encode() for prefix in names.extra_prefix))

    def is_dropped(name: bytes) -> bool:
        return name in dropped or name.startswith(prefixes)

    return is_dropped


def _escaped(key: str) -> bytes:
    return b"".join(
        bytes((byte,)) if byte in _LEGAL_IN_NAMES else b"%%%02X" % byte for byte in key.encode()
    )

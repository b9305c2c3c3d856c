# SPDX-License-Identifier: Apache-2.0
"""The HTTPS server: accepts connections, serves an ASGI app on them, stops in order.

    stop:  no new connection -> `stopping` is set, `on_stopping` ends the watches ->
           idle connections close, busy ones finish -> what is left after the grace is cut

A connection speaks HTTP/1.1 or HTTP/2, as ALPN found out; see connection, http1 and http2.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyk8s.server.connection import Connection
from pyk8s.server.listener import BACKLOG
from pyk8s.server.listener import listen as listen
from pyk8s.server.stream import ASGIApp

logger = logging.getLogger(__name__)

# In scope["state"]: an asyncio.Event that is set when the server begins to stop.
STOPPING = "stopping"


class ServingError(Exception):
    """A file for TLS cannot be used; one line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """`idle_seconds_max` and `handshake_seconds_max` are upstream's values. A connection that
    takes no byte for `stall_seconds_max` while there is something to send is cut.
    `grace_seconds` is how long requests may finish once the server stops."""

    idle_seconds_max: float = 90.0
    handshake_seconds_max: float = 10.0
    stall_seconds_max: float = 60.0
    grace_seconds: float = 2.0
    requests_per_connection_max: int = 1_000_000_000


class Server:
    """Serves `app` on listening sockets. `on_stopping` is called once, when `stop` begins, and
    should make long answers end. An app finds the event `stopping` in its scope's state."""

    def __init__(
        self,
        app: ASGIApp,
        tls: ssl.SSLContext,
        options: ServerOptions | None = None,
        on_stopping: Callable[[], None] | None = None,
    ) -> None:
        self.app = app
        self.options = options or ServerOptions()
        self.stopping = asyncio.Event()
        self.state: dict[str, Any] = {STOPPING: self.stopping}
        self._tls = tls
        self._on_stopping = on_stopping
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._connections)

    async def start(self, listener: socket.socket) -> None:
        """Accept on a listening socket; may be called for several."""
        loop = asyncio.get_running_loop()
        self._servers.append(
            await loop.create_server(
                lambda: Connection(self),
                sock=listener,
                ssl=self._tls,
                backlog=BACKLOG,
                ssl_handshake_timeout=self.options.handshake_seconds_max,
                # How long a peer may take to confirm the end; it has nothing to gain by it.
                ssl_shutdown_timeout=1.0,
            )
        )

    async def stop(self) -> None:
        """Returns when all connections are gone; at most a second later than the grace."""
        for server in self._servers:
            server.close()
        self.stopping.set()
        if self._on_stopping is not None:
            self._on_stopping()
        for connection in list(self._connections):
            connection.begin_stop()
        if await self._emptied(self.options.grace_seconds):
            return
        for connection in list(self._connections):
            connection.cancel()
        await self._emptied(1.0)

    async def _emptied(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    # --- what connections tell

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._empty.clear()
        if self.stopping.is_set():
            connection.close()

    def ended(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def log_fault(self, client: tuple[str, int] | None) -> None:
        """For use where the exception is caught."""
        logger.exception("a connection failed: client=%s", client)


def tls_context(cert_file: str, key_file: str, *client_ca_files: str) -> ssl.SSLContext:
    """TLS 1.2 and later, HTTP/2 preferred. With client CAs a certificate is asked for and, if
    offered, must be signed by one and good for client authentication. Raises ServingError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["h2", "http/1.1"])
    # Neither client-go nor the Python clients resume sessions; a ticket would be made in vain.
    context.num_tickets = 0
    _load(context.load_cert_chain, cert_file, key_file)
    for client_ca_file in filter(None, client_ca_files):
        _load(context.load_verify_locations, client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        # An intermediate in the file is a root to Go; so it is here.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


def client_context(ca_file: str, cert_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """For connections to kubelets. Without a CA nobody is verified, as upstream. Raises
    ServingError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file:
        _load(context.load_verify_locations, ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert_file:
        _load(context.load_cert_chain, cert_file, key_file)
    return context


def _load(load: Callable[..., None], *files: str) -> None:
    names = " and ".join(files)
    try:
        load(*files)
    except ssl.SSLError as error:
        reason = error.reason or error.strerror
        raise ServingError(f"cannot use {names} for TLS: {reason}") from error
    except OSError as error:
        raise ServingError(f"cannot read {names}: {error.strerror}") from error

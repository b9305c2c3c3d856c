# SPDX-License-Identifier: Apache-2.0
"""The HTTPS server: accepts connections, serves an ASGI app on them, stops in order.

    stop:  no new connection -> `stopping` is set, `on_stopping` ends the watches ->
           idle connections close, busy ones finish -> what is left after the grace is cut

hypercorn does the protocols' work; what it does not do well enough for long watches stands in
connection, http1, http2 and stream.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

from pyk8s.server.connection import Connection
from pyk8s.server.listener import BACKLOG
from pyk8s.server.listener import listen as listen
from pyk8s.server.stream import ASGIApp

logger = logging.getLogger(__name__)

# In scope["state"]: an asyncio.Event that is set when the server begins to stop.
STOPPING = "stopping"

# Go's DefaultMaxHeaderBytes, which kube-apiserver keeps; more is 431.
HEADER_BYTES_MAX = 1024 * 1024


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
        self.config = _config()
        self.context = WorkerContext(None)
        self._tls = tls
        self._on_stopping = on_stopping
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[Any], Connection] = {}

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._connections)

    async def start(self, listener: socket.socket) -> None:
        """Accept on a listening socket; may be called for several."""
        self._servers.append(
            await asyncio.start_server(
                self._accept,
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
        await self.context.terminated.set()
        if self._on_stopping is not None:
            self._on_stopping()
        for connection in list(self._connections.values()):
            connection.begin_stop()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=self.options.grace_seconds)
        rest = dict(self._connections)
        for task, connection in rest.items():
            connection.abort()
            task.cancel()
        if rest:
            await asyncio.wait(list(rest), timeout=1.0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = Connection(self, reader, writer)
        self._connections[task] = connection
        try:
            if self.stopping.is_set():
                connection.close()
                return
            await connection.run()
        except asyncio.CancelledError:
            # Only `stop` cancels, and it is through with this connection.
            pass
        except Exception:
            # The boundary where a fault in protocol code ends: this connection is lost.
            logger.exception("a connection failed: client=%s", connection.client)
        finally:
            del self._connections[task]


def tls_context(cert_file: str, key_file: str, client_ca_file: str = "") -> ssl.SSLContext:
    """TLS 1.2 and later, HTTP/2 preferred. With a client CA a certificate is asked for and, if
    offered, must be signed by it and good for client authentication. Raises ServingError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["h2", "http/1.1"])
    # Neither client-go nor the Python clients resume sessions; a ticket would be made in vain.
    context.num_tickets = 0
    _load(context.load_cert_chain, cert_file, key_file)
    if client_ca_file:
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


def _config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = logger
    config.include_server_header = False
    config.h11_max_incomplete_size = HEADER_BYTES_MAX
    return config

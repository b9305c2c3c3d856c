# SPDX-License-Identifier: Apache-2.0
"""One endpoint of etcd: a connection that is opened when it is needed, and again when it is lost.

All callers share it, also the attempt to open it.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from pyk8s.storage.etcd.http2 import UNAVAILABLE, Connection, RpcError, Stream
from pyk8s.storage.interface import EtcdOptions

CONNECT_TIMEOUT_SECONDS = 5.0
_PORT = 2379


class Channel:
    """`url` is http, https, or unix and a path."""

    def __init__(self, url: str, options: EtcdOptions) -> None:
        self._parts = urlsplit(url if "://" in url else f"http://{url}")
        self._tls = _tls(options) if self._parts.scheme == "https" else None
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    async def call(self, path: str, request: bytes, timeout_seconds: float) -> bytes:
        """Raises RpcError."""
        connection = self._connection
        if connection is None or not connection.is_usable:
            connection = await self._connect()
        return await connection.call(path, request, timeout_seconds)

    async def stream(
        self, path: str, request: bytes, metadata: tuple[tuple[str, str], ...]
    ) -> Stream:
        """Raises RpcError."""
        connection = self._connection
        if connection is None or not connection.is_usable:
            connection = await self._connect()
        return await connection.stream(path, request, metadata)

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._connection is not None:
            self._connection.close()

    async def _connect(self) -> Connection:
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._open(), name="connect to etcd")
            self._connecting.add_done_callback(self._connected)
        # Who gives up waiting does not end the attempt for the others.
        return await asyncio.shield(self._connecting)

    def _connected(self, task: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._connection = task.result()

    async def _open(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                return await self._dial()
        except (OSError, TimeoutError) as error:
            why = f"failed to connect to {self._parts.geturl()}: {error or 'timed out'}"
            raise RpcError(UNAVAILABLE, why, acted=False) from error

    async def _dial(self) -> Connection:
        loop = asyncio.get_running_loop()
        parts = self._parts
        if parts.scheme == "unix":
            _, connection = await loop.create_unix_connection(
                lambda: Connection("http", "localhost"), parts.path
            )
            return connection
        host, port = parts.hostname or "localhost", parts.port or _PORT
        _, connection = await loop.create_connection(
            lambda: Connection(parts.scheme, parts.netloc), host, port, ssl=self._tls
        )
        return connection


def _tls(options: EtcdOptions) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.ca_file or None)
    if options.cert_file:
        context.load_cert_chain(options.cert_file, options.key_file or None)
    context.set_alpn_protocols(["h2"])
    return context

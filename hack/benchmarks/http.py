# SPDX-License-Identifier: Apache-2.0
"""A load generator's HTTP/1.1 connection: one request at a time, parsed in C, nothing kept.

It does less than a client library, on purpose: what it costs is not what is measured.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httptools
import yaml


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int
    tls: ssl.SSLContext


def target_of(kubeconfig: str) -> Target:
    """The current context's server and client certificate."""
    config = yaml.safe_load(Path(kubeconfig).read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    url = urlsplit(cluster["server"])
    tls = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority").decode())
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(_pem(user, "client-certificate") + b"\n" + _pem(user, "client-key"))
        pair.flush()
        tls.load_cert_chain(pair.name)
    tls.set_alpn_protocols(["http/1.1"])
    return Target(url.hostname or "127.0.0.1", url.port or 443, tls)


def _named(entries: list[dict], name: str) -> dict:
    return next(entry for entry in entries if entry["name"] == name)


def _pem(entry: dict, key: str) -> bytes:
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(data)
    return Path(entry[key]).read_bytes()


class Connection(asyncio.Protocol):
    """`request` answers (status code, body); `stream` hands every chunk to a callback."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body: list[bytes] = []
        self._on_chunk = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, target: Target) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            cls, target.host, target.port, ssl=target.tls, server_hostname=target.host
        )
        return connection

    async def request(self, method: str, path: str, body: object = None, **headers: str):
        data = b"" if body is None else json.dumps(body).encode()
        return await self.request_bytes(method, path, data, **headers)

    async def request_bytes(self, method: str, path: str, data: bytes = b"", **headers: str):
        self._answer = asyncio.get_running_loop().create_future()
        self._send(method, path, data, headers)
        return await self._answer

    def stream(self, path: str, on_chunk) -> None:
        self._on_chunk = on_chunk
        self._send("GET", path, b"", {})

    def close(self) -> None:
        self._transport.close()

    def _send(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: bench"]
        if data:
            headers.setdefault("content_type", "application/json")
            lines.append(f"content-length: {len(data)}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    # --- asyncio.Protocol and httptools callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server hung up"))

    def on_body(self, body: bytes) -> None:
        if self._on_chunk is not None:
            self._on_chunk(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        self._body.clear()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), body))
        if not self._parser.should_keep_alive():
            self._transport.close()

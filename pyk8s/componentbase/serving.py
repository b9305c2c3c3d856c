# SPDX-License-Identifier: Apache-2.0
"""The small HTTP server behind a component's health and metrics.

    GET path?query -> Pages: exact path, or /healthz/NAME -> Answer, and the connection is closed

A handful of lines instead of a server: nobody asks more often than a probe or a scraper does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

from pyk8s.componentbase import health
from pyk8s.componentbase.metrics import Collector

_REQUEST_BYTES_MAX = 8192
_REQUEST_SECONDS_MAX = 5.0


class Metrics(Protocol):
    """What exposition.Registry is."""

    def page(self, accept: str = "") -> tuple[bytes, str]: ...


class OnDemand:
    """The metrics of these collectors, as exposition.Registry has them; it is loaded when
    somebody asks, for most processes are never asked."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors
        self._registry: Metrics | None = None

    def page(self, accept: str = "") -> tuple[bytes, str]:
        if self._registry is None:
            from pyk8s.componentbase.exposition import Registry

            self._registry = Registry(*self._collectors)
        return self._registry.page(accept)


@dataclass(frozen=True, slots=True)
class Question:
    """`headers` by lower-case names; `certificate` is the client's, verified, as
    `SSLSocket.getpeercert` gives it."""

    method: str
    path: str
    query: health.Query
    headers: Mapping[str, str]
    certificate: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    status_code: int
    body: bytes = b""
    content_type: str = health.TEXT


Page = Callable[[Question], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What a component serves: checks by name (`ping` where there are none), and its metrics.

    /healthz and /livez answer by `live`, /readyz by `ready`, each with /NAME for one check. The
    mappings are read at each request, so a check may come or go.
    """

    metrics: Metrics
    live: Mapping[str, health.Check] = field(default_factory=lambda: {"ping": health.ping})
    ready: Mapping[str, health.Check] = field(default_factory=lambda: {"ping": health.ping})

    async def answer(self, question: Question) -> Answer:
        root, _, check = question.path.lstrip("/").partition("/")
        if root == "metrics" and not check:
            body, content_type = self.metrics.page(question.headers.get("accept", ""))
            return Answer(200, body, content_type)
        behind = {"healthz": self.live, "livez": self.live, "readyz": self.ready}.get(root)
        if behind is None:
            return Answer(404, b"404 page not found\n")
        checks = health.Checks(root, behind)
        report = await (checks.one(check) if check else checks.all(question.query))
        if report is None:
            return Answer(404, b"404 page not found\n")
        return Answer(report.status_code, report.text.encode())


async def serve(
    address: str, port: int, page: Page, tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Listen until the server is closed. Raises OSError for a taken port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.LimitOverrunError, EOFError):
            async with asyncio.timeout(_REQUEST_SECONDS_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(head, page, writer.get_extra_info("peercert")))
                await writer.drain()
        writer.close()

    return await asyncio.start_server(connected, address, port, limit=_REQUEST_BYTES_MAX, ssl=tls)


async def _answer(head: bytes, page: Page, certificate: Mapping[str, Any] | None) -> bytes:
    line, *fields = head.decode("latin-1").split("\r\n")
    method, _, rest = line.partition(" ")
    if method not in ("GET", "HEAD"):
        return _encoded(Answer(405), with_body=True)
    path, _, query = rest.split(" ", 1)[0].partition("?")
    question = Question(
        method=method,
        path=unquote(path),
        query=parse_qs(query, keep_blank_values=True),
        headers=_headers(fields),
        certificate=certificate,
    )
    return _encoded(await page(question), with_body=method == "GET")


def _headers(fields: Iterable[str]) -> dict[str, str]:
    pairs = (field.partition(":") for field in fields if field)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _encoded(answer: Answer, *, with_body: bool) -> bytes:
    status = HTTPStatus(answer.status_code)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {answer.content_type}\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(answer.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (answer.body if with_body else b"")

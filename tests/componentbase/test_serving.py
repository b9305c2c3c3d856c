# SPDX-License-Identifier: Apache-2.0
"""Health and metrics as a probe, a scraper and a person with curl meet them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pyk8s.componentbase import health, serving
from pyk8s.componentbase.exposition import Registry


class Fickle:
    """A check that fails when told to."""

    def __init__(self) -> None:
        self.fails = False

    async def __call__(self) -> None:
        if self.fails:
            raise health.NotHealthy("the reason")


fickle = Fickle()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    fickle.fails = False
    pages = serving.Pages(
        metrics=Registry(), ready={"ping": health.ping, "poststarthook/fickle": fickle}
    )
    server = await serving.serve("127.0.0.1", 0, pages.answer)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def ask(port: int, target: str, method: str = "GET") -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("target", "fails", "answer"),
    [
        pytest.param("/healthz", False, (200, "ok"), id="healthy"),
        pytest.param("/livez", True, (200, "ok"), id="alive, though not ready"),
        pytest.param("/readyz", False, (200, "ok"), id="ready"),
        pytest.param("/readyz?verbose", False,
                     (200, "[+]ping ok\n[+]poststarthook/fickle ok\nreadyz check passed\n"),
                     id="verbose"),
        pytest.param("/readyz", True,
                     (500, "[+]ping ok\n[-]poststarthook/fickle failed: reason withheld\n"
                           "readyz check failed\n"),
                     id="a failure is always verbose, and keeps its reason"),
        pytest.param("/readyz?exclude=poststarthook/fickle", True, (200, "ok"), id="excluded"),
        pytest.param("/readyz?verbose=1&exclude=poststarthook%2Ffickle&exclude=b&exclude=a", True,
                     (200, "[+]ping ok\n[+]poststarthook/fickle excluded: ok\n"
                           "warn: some health checks cannot be excluded: no matches for"
                           ' "a","b"\nreadyz check passed\n'),
                     id="excluded and unknown"),
        pytest.param("/readyz/poststarthook/fickle", False, (200, "ok"), id="one check"),
        pytest.param("/readyz/poststarthook/fickle", True,
                     (500, "internal server error: reason withheld\n"), id="one that fails"),
        pytest.param("/healthz/ping", True, (200, "ok"), id="one of another path"),
        pytest.param("/healthz/other", False, (404, "404 page not found\n"), id="no such check"),
        pytest.param("/other", False, (404, "404 page not found\n"), id="no such page"),
        pytest.param("/metrics/other", False, (404, "404 page not found\n"), id="below a page"),
    ],
)  # fmt: skip
async def test_pages(port: int, target: str, fails: bool, answer: tuple[int, str]) -> None:
    """The texts of upstream's healthz."""
    fickle.fails = fails
    assert await ask(port, target) == answer


async def test_metrics(port: int) -> None:
    """Told in one page; HEAD gets no body, and nothing can be posted."""
    status, body = await ask(port, "/metrics")
    assert status == 200
    assert "kubernetes_build_info{" in body
    assert await ask(port, "/metrics", "HEAD") == (200, "")
    assert (await ask(port, "/metrics", "POST"))[0] == 405

# SPDX-License-Identifier: Apache-2.0
"""Seats: how many requests are served at a time, and which need none."""

from __future__ import annotations

import asyncio

import pytest

from pyk8s.endpoints.filters import InFlightLimit
from pyk8s.endpoints.request import Message, Request


def request(path: str) -> Request:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        pass

    scope = {"method": "GET", "path": path, "query_string": b"", "headers": []}
    return Request(scope, receive, send)


@pytest.mark.parametrize(
    ("first", "second_waits"),
    [
        pytest.param("/api/v1/pods", True, id="resource"),
        pytest.param("/api/v1/watch/pods", False, id="watch"),
        pytest.param("/apis/wardle.example.com/v1/flunders", False, id="delegated"),
        pytest.param("/version", False, id="no resource"),
    ],
)
async def test_who_takes_a_seat(first: str, second_waits: bool) -> None:
    """With one seat a second read waits for the first, unless that needs none: what another
    server answers must not keep that server from asking this one."""
    limit = InFlightLimit(1, 1, lambda info: info.group == "wardle.example.com")
    served: list[str] = []
    done = asyncio.Event()

    async def handle(request: Request) -> None:
        served.append(request.info.path)
        await done.wait()

    limited = limit.filter(handle)
    tasks = [asyncio.create_task(limited(request(path))) for path in (first, "/api/v1/nodes")]
    # Both have run as far as they can.
    for _ in range(3):
        await asyncio.sleep(0)
    assert served == ([first] if second_waits else [first, "/api/v1/nodes"])
    done.set()
    await asyncio.gather(*tasks)
    assert served == [first, "/api/v1/nodes"]

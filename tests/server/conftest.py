# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for all tests of this package, and loops to run servers on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from pyk8s.server import certificates


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> certificates.Files:
    directory = tmp_path_factory.mktemp("pki")
    return certificates.ensure(directory, ["localhost", "127.0.0.1"])


@pytest.fixture(
    params=[
        pytest.param(asyncio.new_event_loop, id="asyncio"),
        pytest.param(uvloop.new_event_loop, id="uvloop"),
    ]
)
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs a scenario on a fresh loop, on either kind: the server is used on uvloop, and the
    two differ in how they buffer and close."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield lambda scenario: runner.run(_bounded(scenario))


async def _bounded(scenario: Coroutine[Any, Any, Any]) -> Any:
    async with asyncio.timeout(20):
        return await scenario

# SPDX-License-Identifier: Apache-2.0
"""API servers over one etcd prefix, as many as a test asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from service_servers import MakeServer, Server

from pyk8s.admission import interface as admission
from pyk8s.storage.interface import EtcdOptions


@pytest_asyncio.fixture
async def make_server(etcd_options: EtcdOptions) -> AsyncIterator[MakeServer]:
    """Starts another server on the test's prefix."""
    servers: list[Server] = []

    async def make(
        cidrs: str = "10.0.0.0/24",
        ports: tuple[int, int] = (30000, 30099),
        plugins: tuple[admission.Plugin, ...] = (),
    ) -> Server:
        made = Server(etcd_options, cidrs, ports, admission.Chain(plugins))
        servers.append(made)
        await made.start()
        return made

    yield make
    for made in servers:
        await made.stop()


@pytest_asyncio.fixture
async def server(make_server: MakeServer) -> Server:
    return await make_server()


@pytest_asyncio.fixture
async def dual(make_server: MakeServer) -> Server:
    return await make_server("10.0.0.0/24,fd00::/112")

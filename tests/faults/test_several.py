# SPDX-License-Identifier: Apache-2.0
"""Several API servers on one etcd: none is special, not even in the first second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hack.survival import machines, wire

SERVERS = 4


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[machines.World]:
    world = machines.World(tmp_path)
    async with world.running():
        yield world


async def listed(server: machines.ApiServer, path: str) -> list[dict]:
    connection = await wire.Connection.open(server.server)
    answer = await connection.request("GET", path)
    connection.close()
    return answer.json()["items"]


async def test_they_start_at_once_on_an_empty_etcd(world: machines.World) -> None:
    """All want to make the same first objects; each is made once, and nobody fails over it."""
    await world.start_etcd()
    starting = (world.start_api_server(f"apiserver-{n}") for n in range(SERVERS))
    servers = await asyncio.gather(*starting)
    services = await listed(servers[0], "/api/v1/services")
    assert [x["metadata"]["name"] for x in services] == ["kubernetes"]
    addresses = await listed(servers[1], "/apis/networking.k8s.io/v1/ipaddresses")
    assert [x["metadata"]["name"] for x in addresses] == [services[0]["spec"]["clusterIP"]]
    namespaces = await listed(servers[2], "/api/v1/namespaces")
    assert len(namespaces) == 4
    leases = await listed(servers[3], "/apis/coordination.k8s.io/v1/leases")
    assert len(leases) == SERVERS

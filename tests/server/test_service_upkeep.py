# SPDX-License-Identifier: Apache-2.0
"""What an API server does for Service kubernetes when others do the same, or died over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pyk8s.admission import interface as admission
from pyk8s.apis import scheme
from pyk8s.auth.authenticator import ANONYMOUS_USER
from pyk8s.registry import builder
from pyk8s.registry.context import RequestContext
from pyk8s.registry.deletion import DeleteOptions
from pyk8s.registry.services.addresses import Owner
from pyk8s.registry.services.ranges import ServiceRanges
from pyk8s.server import bootstrap
from pyk8s.server.service_upkeep import ServiceUpkeep
from pyk8s.storage import cacher
from pyk8s.storage.interface import EtcdOptions, ListOptions

RANGES = ServiceRanges.parse("10.96.0.0/12", (30000, 32767))
MASTER = bootstrap.MasterService(cluster_ip="10.96.0.1", addresses=("192.0.2.1",), secure_port=6443)
OURS = Owner("default", "kubernetes")


@pytest_asyncio.fixture
async def stores(etcd_options: EtcdOptions) -> AsyncIterator[builder.Stores]:
    """The registry over a prefix of its own."""
    backend = cacher.open(etcd_options)
    options = builder.Options(
        key_prefix=etcd_options.prefix, event_ttl_seconds=3600, service_ranges=RANGES
    )
    made = builder.build(scheme.builtin().resources, backend, admission.Chain([]), options)
    await backend.start()
    await bootstrap.ensure_namespaces(made)
    await bootstrap.ensure_service_cidr(made, RANGES.cidrs)
    yield made
    await backend.stop()


@pytest.fixture
def upkeep(stores: builder.Stores) -> ServiceUpkeep:
    return ServiceUpkeep(stores, RANGES, MASTER)


async def take_address(stores: builder.Stores) -> None:
    """As a server does that is about to make the Service."""
    assert await stores["services/specs"].pools.addresses.create(MASTER.cluster_ip, OURS)


async def release_address(stores: builder.Stores) -> None:
    context = RequestContext(user=ANONYMOUS_USER)
    await stores["ipaddresses"].delete(context, MASTER.cluster_ip, DeleteOptions())


async def has_service(stores: builder.Stores) -> bool:
    listed = await stores["services/specs"].list(ListOptions())
    return [item.object()["metadata"]["name"] for item in listed.items] == [OURS.name]


async def test_other_servers_are_at_it(stores: builder.Stores) -> None:
    """Several servers make it at once: one does, and the others wait until it is made."""
    several = [ServiceUpkeep(stores, RANGES, MASTER) for _ in range(3)]
    await asyncio.gather(*(upkeep.prepare() for upkeep in several))
    assert await has_service(stores)
    assert (await stores["ipaddresses"].get("", MASTER.cluster_ip)).revision


async def test_another_server_died_over_it(
    stores: builder.Stores, upkeep: ServiceUpkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is taken and stays so: the server starts all the same."""
    monkeypatch.setattr("pyk8s.server.bootstrap._OTHER_SERVER_SECONDS", 0)
    await take_address(stores)
    await upkeep.prepare()
    assert not await has_service(stores)
    await release_address(stores)
    await upkeep.prepare()
    assert await has_service(stores)

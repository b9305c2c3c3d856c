# SPDX-License-Identifier: Apache-2.0
"""API servers that share an etcd: where they are, and what clients are led to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from pyk8s.admission import interface as admission
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import scheme
from pyk8s.auth.user import UserInfo
from pyk8s.registry import builder
from pyk8s.registry.context import RequestContext
from pyk8s.registry.services.ranges import ServiceRanges
from pyk8s.registry.store import Store
from pyk8s.server import bootstrap
from pyk8s.server.presence import Addresses, Presence
from pyk8s.storage.cacher.store import Cacher
from pyk8s.storage.interface import EtcdOptions

RESOURCES = ("services", "endpoints", "endpointslices", "ipaddresses", "servicecidrs")


class Server:
    """One API server without its HTTP side."""

    def __init__(self, options: EtcdOptions, address: str) -> None:
        self.backend = Cacher(options)
        self.stores = builder.build(
            [r for r in scheme.builtin().resources if r.resource in RESOURCES],
            self.backend,
            admission.Chain([]),
            builder.Options(
                key_prefix=options.prefix,
                event_ttl_seconds=60,
                service_ranges=ServiceRanges.parse("10.0.0.0/24", (30000, 30099)),
            ),
        )
        master = bootstrap.MasterService(
            cluster_ip="10.0.0.1", addresses=(address,), secure_port=6443
        )
        self.addresses = Addresses(self.backend, options.prefix, address)
        self.presence = Presence(self.stores, master, self.addresses)

    async def endpoints(self) -> list[str]:
        found = (await self.stores["services/endpoints"].get("default", "kubernetes")).object()
        (subset,) = found["subsets"]
        assert subset["ports"] == [{"name": "https", "port": 6443, "protocol": "TCP"}]
        ips = [address["ip"] for address in subset["addresses"]]
        sliced = (await self.stores["endpointslices"].get("default", "kubernetes")).object()
        assert [e["addresses"] for e in sliced["endpoints"]] == [[ip] for ip in ips]
        return ips


Make = Callable[[str], Awaitable[Server]]


@pytest_asyncio.fixture
async def make(etcd_options: EtcdOptions) -> AsyncIterator[Make]:
    servers: list[Server] = []

    async def made(address: str) -> Server:
        server = Server(etcd_options, address)
        servers.append(server)
        await server.backend.start()
        return server

    yield made
    for server in servers:
        await server.backend.stop()


async def test_all_servers_are_endpoints(make: Make) -> None:
    """Each joins, and leaves when it stops; the last one stays."""
    one, two = await make("192.0.2.1"), await make("192.0.2.2")
    await one.presence.announce()
    assert await one.endpoints() == ["192.0.2.1"]
    await two.presence.announce()
    assert await one.endpoints() == ["192.0.2.1", "192.0.2.2"]
    await one.presence.stop()
    assert await two.endpoints() == ["192.0.2.2"]
    await two.presence.stop()
    assert await two.endpoints() == ["192.0.2.2"]


async def test_a_server_that_died_leaves(make: Make) -> None:
    """Its address expires, and the next round of another notices."""
    one, two = await make("192.0.2.1"), await make("192.0.2.2")
    await one.presence.announce()
    await two.presence.announce()
    # What the end of its lease does in etcd.
    await one.addresses.release()
    await two.presence.announce()
    assert await two.endpoints() == ["192.0.2.2"]


async def test_addresses_expire(make: Make) -> None:
    """An address is written with a lease, anew for each round."""
    one = await make("192.0.2.1")
    await one.addresses.renew()
    first = await one.addresses._storage.get(one.addresses._key)
    await one.addresses.renew()
    second = await one.addresses._storage.get(one.addresses._key)
    assert second.revision > first.revision
    assert one.addresses._storage.config.ttl_seconds == 15


async def test_strangers_among_the_endpoints_go(make: Make) -> None:
    """What somebody else wrote is put right, other metadata stays."""
    one = await make("192.0.2.1")
    await one.presence.announce()
    store: Store = one.stores["services/endpoints"]

    def spoil(obj: Object) -> None:
        obj["subsets"] = [{"addresses": [{"ip": "192.0.2.9"}], "ports": [{"port": 1}]}]
        obj["metadata"]["labels"]["own"] = "1"

    context = RequestContext(user=UserInfo("test"), namespace="default")
    await store.rewrite(context, "kubernetes", spoil)
    await one.presence.announce()
    assert await one.endpoints() == ["192.0.2.1"]
    labels = (await store.get("default", "kubernetes")).labels
    assert labels == {"endpointslice.kubernetes.io/skip-mirror": "true", "own": "1"}


async def test_announcing_again_writes_no_endpoints(make: Make) -> None:
    """While nothing changes, watchers see nothing."""
    one = await make("192.0.2.1")
    await one.presence.announce()
    before = (await one.stores["services/endpoints"].get("default", "kubernetes")).revision
    await one.presence.announce()
    after = (await one.stores["services/endpoints"].get("default", "kubernetes")).revision
    assert after == before

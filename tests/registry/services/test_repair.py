# SPDX-License-Identifier: Apache-2.0
"""What a crash leaves behind is found and put right, and nothing else is touched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from service_servers import MakeServer, Server, context

from pyk8s.apimachinery.gvk import Object
from pyk8s.registry import deletion
from pyk8s.registry.services import addresses, ports
from pyk8s.registry.services.addresses import Owner
from pyk8s.server import bootstrap
from pyk8s.server.service_upkeep import ServiceUpkeep
from pyk8s.storage.interface import WatchOptions

_OLD = "2020-01-01T00:00:00Z"


async def leave_address(server: Server, address: str, created: str, **parent: Any) -> None:
    """An IPAddress as a create that died left it."""
    obj = addresses.ip_address(address, Owner("default", "gone"))
    obj["metadata"]["creationTimestamp"] = created
    obj["spec"]["parentRef"].update(parent)
    await server.addresses.storage.create(server.addresses.key("", address), obj)


async def test_the_address_of_a_crashed_create_goes_after_a_minute(server: Server) -> None:
    """An IPAddress whose Service does not exist is removed, but not a young one: its Service may
    be on its way."""
    await server.pools.addresses.create("10.0.0.8", Owner("default", "coming"))
    await leave_address(server, "10.0.0.9", _OLD)
    await server.repair.run_once()
    assert await server.taken() == ["10.0.0.8"]


@pytest.mark.parametrize(
    "parent",
    [
        pytest.param({"name": "web"}, id="a Service that has another address"),
        pytest.param({"resource": "gateways", "group": "example.com"}, id="no Service"),
    ],
)
async def test_an_address_of_the_pool_that_nobody_has_goes(server: Server, parent: Object) -> None:
    """Whatever it points at, if that has not this address."""
    address = (await server.create())["spec"]["clusterIP"]
    await leave_address(server, "10.0.0.9", _OLD, **parent)
    await server.repair.run_once()
    assert await server.taken() == [address]


async def test_addresses_of_others_are_left_alone(server: Server) -> None:
    """Only what carries the allocator's label is the pool's."""
    obj = addresses.ip_address("10.0.0.9", Owner("default", "gone"))
    obj["metadata"] |= {"creationTimestamp": _OLD, "labels": {}}
    await server.addresses.storage.create(server.addresses.key("", "10.0.0.9"), obj)
    await server.repair.run_once()
    assert await server.taken() == ["10.0.0.9"]


async def test_a_missing_address_is_made(server: Server) -> None:
    """A Service from before there were IPAddresses gets its own."""
    address = (await server.create())["spec"]["clusterIP"]
    key = server.addresses.key("", address)
    await server.addresses.storage.delete(key)
    await server.repair.run_once()
    obj = (await server.addresses.get("", address)).object()
    assert addresses.parent_of(obj) == Owner("default", "web")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda obj: obj["metadata"].update(labels={}), id="labels"),
        pytest.param(lambda obj: obj["spec"]["parentRef"].update(name="gone"), id="parent"),
        pytest.param(lambda obj: obj["spec"]["parentRef"].update(resource="pods"), id="kind"),
    ],
)
async def test_a_wrong_address_is_made_anew(server: Server, spoil: Any) -> None:
    """Labels and parent are as the allocator makes them, afterwards."""
    address = (await server.create())["spec"]["clusterIP"]

    async def change(item: Any) -> Object:
        obj: Object = item.object()
        spoil(obj)
        return obj

    await server.addresses.storage.guaranteed_update(server.addresses.key("", address), change)
    await server.repair.run_once()
    obj = (await server.addresses.get("", address)).object()
    assert obj["metadata"]["labels"] == addresses.labels_of(address)
    assert addresses.parent_of(obj) == Owner("default", "web")


async def test_of_two_services_with_one_address_neither_is_disturbed(server: Server) -> None:
    """Who the IPAddress points at keeps it; the other is only complained about."""
    address = (await server.create("first"))["spec"]["clusterIP"]
    other = (await server.create("second"))["spec"]["clusterIP"]

    async def same(item: Any) -> Object:
        obj: Object = item.object()
        obj["spec"].update(clusterIP=address, clusterIPs=[address])
        return obj

    key = server.services.key("default", "second")
    await server.services.storage.guaranteed_update(key, same)
    before = (await server.addresses.get("", address)).object()
    await server.repair.run_once()
    assert (await server.addresses.get("", address)).object() == before
    assert other in await server.taken()


async def test_a_leaked_port_goes_the_third_time_it_is_seen(server: Server) -> None:
    """Until then a Service that is just being written may turn up."""
    await server.pools.ports.take([30009])
    for _ in range(2):
        await server.repair.run_once()
        assert await server.ports() == [30009]
    await server.repair.run_once()
    assert await server.ports() == []


async def test_a_port_whose_service_turns_up_is_no_leak(server: Server) -> None:
    """Rounds count only while nobody has it."""
    await server.pools.ports.take([30009])
    await server.repair.run_once()
    await server.repair.run_once()
    await server.pools.ports.release([30009])
    await server.create(type="NodePort", ports=[{"port": 80, "nodePort": 30009}])
    await server.repair.run_once()
    assert await server.ports() == [30009]


async def test_ports_of_services_are_taken_again(server: Server) -> None:
    """A bitmap that lost a port, or everything, is rebuilt from the Services."""
    spec = (await server.create(type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    has = sorted([spec["ports"][0]["nodePort"], spec["healthCheckNodePort"]])
    await server.pools.ports.release(has)
    await server.repair.run_once()
    assert await server.ports() == has
    assert server.pools.ports is not None
    await server.pools.ports._storage.delete(server.pools.ports.key)
    await server.repair.run_once()
    assert await server.ports() == has


async def test_another_range_of_ports_is_taken_over_at_start(make_server: MakeServer) -> None:
    """Ports keep their meaning when the flag changes; the range in etcd becomes the new one."""
    first = await make_server(ports=(30000, 30099))
    await first.create("a", type="NodePort", ports=[{"port": 80, "nodePort": 30050}])
    await first.create("b", type="NodePort", ports=[{"port": 80, "nodePort": 30001}])
    second = await make_server(ports=(30040, 30200))
    assert await second.ports() == [30050]
    _, item = await second.pools.ports.read()
    assert item is not None
    assert item.object()["range"] == "30040-30200"


async def test_the_bitmap_has_upstreams_form(server: Server) -> None:
    """Bit N of a big-endian number is the port N above the lowest, in base64."""
    await server.pools.ports.take([30000, 30009])
    _, item = await server.pools.ports.read()
    assert item is not None
    obj = item.object()
    obj["metadata"].pop("resourceVersion")
    assert item.key.endswith("/ranges/servicenodeports")
    assert obj == {
        "kind": "RangeAllocation",
        "apiVersion": "v1",
        "metadata": {},
        "range": "30000-30099",
        "data": "AgE=",
    }
    assert ports.decode(obj) == 0b10_0000_0001


async def test_repair_loses_no_port_that_is_taken_meanwhile(server: Server) -> None:
    """Services come and go while repair runs again and again; at the end the bitmap has just
    the ports of those that are there."""

    async def churn(n: int) -> None:
        for _ in range(3):
            await server.create(f"s{n}", type="NodePort")
            await server.delete(f"s{n}")
        await server.create(f"s{n}", type="NodePort")

    async def repair() -> None:
        for _ in range(5):
            await server.repair.run_once()

    await asyncio.gather(repair(), *(churn(n) for n in range(5)))
    listed = [(await server.services.get("default", f"s{n}")).object()["spec"] for n in range(5)]
    assert await server.ports() == sorted(spec["ports"][0]["nodePort"] for spec in listed)
    assert sorted(await server.taken()) == sorted(spec["clusterIP"] for spec in listed)


async def test_service_kubernetes_has_the_first_address(server: Server) -> None:
    """It is given at start, before anyone else can ask for it, and stays at a second start."""
    master = bootstrap.MasterService(
        cluster_ip="10.0.0.1", addresses=("192.0.2.1",), secure_port=6443
    )
    for _ in range(2):
        await ServiceUpkeep(server.stores, server.ranges, master).prepare()
        spec = (await server.services.get("default", "kubernetes")).object()["spec"]
        assert spec["clusterIPs"] == ["10.0.0.1"]
        assert await server.taken() == ["10.0.0.1"]


async def test_a_deleted_address_comes_back_while_its_service_has_it(server: Server) -> None:
    """Deleting an IPAddress frees nothing; it goes for good with the Service."""
    master = bootstrap.MasterService(
        cluster_ip="10.0.0.1", addresses=("192.0.2.1",), secure_port=6443
    )
    upkeep = ServiceUpkeep(server.stores, server.ranges, master)
    await upkeep.start()
    try:
        address = (await server.create())["spec"]["clusterIP"]
        watcher = await server.addresses.watch(WatchOptions(send_initial_events=False))
        await server.addresses.delete(context(), address, deletion.DeleteOptions())
        seen: list[str] = []
        async with asyncio.timeout(5):
            while seen[-2:] != ["DELETED", "ADDED"]:
                seen += [event.type for event in await watcher.next_batch()]
        watcher.close()
        await server.delete("web")
        assert await server.taken() == []
    finally:
        await upkeep.stop()

# SPDX-License-Identifier: Apache-2.0
"""Addresses of Services of type LoadBalancer."""

from __future__ import annotations

import ipaddress
from typing import Any

import objects
import pytest
from cluster import eventually
from running import running
from world import World

from pyk8s.client import resources
from pyk8s.controllers.options import Options
from pyk8s.controllers.servicelb.controller import (
    FINALIZER,
    NoAddress,
    ServiceLBController,
    addresses,
    choose,
)

Object = dict[str, Any]

# Two addresses.
_RANGE = Options(service_load_balancer_range="192.0.2.0/30")


def balanced(name: str, **spec: Any) -> Object:
    made = objects.service(name)
    made["spec"].update({"type": "LoadBalancer", **spec})
    return made


async def until_addresses(world: World, name: str, *wanted: str) -> Object:
    async def found() -> Object | None:
        service = await world.find(resources.SERVICES, name)
        return service if service is not None and addresses(service) == wanted else None

    service: Object = await eventually(found, f"{name} has {wanted}")
    return service


async def test_addresses_come_and_go(quiet: World) -> None:
    """Each has its own; who finds none waits for one to become free; a class is not ours."""
    async with running(quiet.client, ServiceLBController, _RANGE):
        await quiet.create(resources.SERVICES, balanced("other", loadBalancerClass="x.io/y"))
        await quiet.create(resources.SERVICES, balanced("a"))
        first = await until_addresses(quiet, "a", "192.0.2.1")
        assert first["metadata"]["finalizers"] == [FINALIZER]
        assert first["status"]["loadBalancer"]["ingress"][0]["ipMode"] == "VIP"
        await quiet.create(resources.SERVICES, balanced("b"))
        await until_addresses(quiet, "b", "192.0.2.2")
        await quiet.create(resources.SERVICES, balanced("c"))

        async def failed() -> bool:
            events = await quiet.list(resources.EVENTS)
            return any(event["reason"] == "SyncLoadBalancerFailed" for event in events)

        await eventually(failed, "it is told that no address is left")
        await quiet.delete(resources.SERVICES, "a")
        await quiet.until_gone(resources.SERVICES, "a")
        await until_addresses(quiet, "c", "192.0.2.1")
        await quiet.patch(resources.SERVICES, "b", {"spec": {"type": "ClusterIP"}})

        async def released() -> bool:
            service = await quiet.find(resources.SERVICES, "b")
            assert service is not None
            return not service["metadata"].get("finalizers")

        await eventually(released, "the finalizer is off")
        await until_addresses(quiet, "b")
        await until_addresses(quiet, "other")
        # Once for each of the three, however late their changes were seen.
        assert await _times_told(quiet, "EnsuredLoadBalancer") == 3
        await _leave_nothing(quiet)


async def _times_told(world: World, reason: str) -> int:
    events = await world.list(resources.EVENTS)
    return sum(event["count"] for event in events if event["reason"] == reason)


async def _leave_nothing(world: World) -> None:
    """While there is somebody to take the finalizers off."""
    await world.client.delete_collection(resources.SERVICES, world.namespace)
    await world.until_names(resources.SERVICES)


async def test_addresses_outlive_the_controller(quiet: World) -> None:
    """Another controller leaves them as they are, and gives them to nobody else."""
    async with running(quiet.client, ServiceLBController, _RANGE):
        await quiet.create(resources.SERVICES, balanced("a", loadBalancerIP="192.0.2.2"))
        before = await until_addresses(quiet, "a", "192.0.2.2")
    async with running(quiet.client, ServiceLBController, _RANGE):
        await quiet.create(resources.SERVICES, balanced("b"))
        await until_addresses(quiet, "b", "192.0.2.1")
        after = await until_addresses(quiet, "a", "192.0.2.2")
        await _leave_nothing(quiet)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("spec", "shown", "wanted"),
    [
        pytest.param({}, (), ("10.0.0.2",), id="the first that is free"),
        pytest.param({}, ("10.0.0.5",), ("10.0.0.5",), id="the one it has"),
        pytest.param({}, ("10.0.0.1",), ("10.0.0.2",), id="not one that another has"),
        pytest.param({}, ("10.9.0.1",), ("10.0.0.2",), id="not one from elsewhere"),
        pytest.param({"loadBalancerIP": "10.0.0.6"}, (), ("10.0.0.6",), id="the one it asks for"),
        pytest.param({"loadBalancerIP": "10.9.0.1"}, (), None, id="asks for one from elsewhere"),
        pytest.param({"loadBalancerIP": "10.0.0.1"}, (), None, id="asks for one that is taken"),
        pytest.param(
            {"ipFamilies": ["IPv6", "IPv4"]}, (), ("fd00::1", "10.0.0.2"), id="two families"
        ),
    ],
)
def test_choose(spec: Object, shown: tuple[str, ...], wanted: tuple[str, ...] | None) -> None:
    """Of 10.0.0.0/29, where another has 10.0.0.1."""
    service = balanced("a", **spec)
    service["status"] = {"loadBalancer": {"ingress": [{"ip": ip} for ip in shown]}}
    ranges = [ipaddress.ip_network("10.0.0.0/29"), ipaddress.ip_network("fd00::/64")]
    if wanted is None:
        with pytest.raises(NoAddress):
            choose(service, ranges, {"10.0.0.1"})
    else:
        assert choose(service, ranges, {"10.0.0.1"}) == wanted


async def test_a_whole_cluster_has_addresses(world: World) -> None:
    """`pyk8s up` gives out addresses that belong to nobody."""
    await world.create(resources.SERVICES, balanced("web"))

    async def found() -> tuple[str, ...]:
        service = await world.find(resources.SERVICES, "web")
        return addresses(service) if service is not None else ()

    (given,) = await eventually(found, "there is an address")
    assert ipaddress.ip_address(given) in ipaddress.ip_network("198.18.0.0/15")
    await world.delete(resources.SERVICES, "web")
    await world.until_gone(resources.SERVICES, "web")

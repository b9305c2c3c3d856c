# SPDX-License-Identifier: Apache-2.0
"""Ranges of addresses for the pods of each node."""

from __future__ import annotations

import ipaddress

import pytest
from cluster import eventually
from nodes_of import add_node
from running import running
from world import World

from pyk8s.client import resources
from pyk8s.controllers.nodeipam.controller import NodeIPAMController
from pyk8s.controllers.nodeipam.pools import Full, Pool, pools
from pyk8s.controllers.options import Options


async def until_cidrs(world: World, name: str, *wanted: str) -> None:
    async def has() -> bool:
        spec = (await world.client.get(resources.NODES, name))["spec"]
        return (spec.get("podCIDRs") or [])[:] == [*wanted]

    await eventually(has, f"{name} has {wanted}")


async def test_each_node_has_its_own(quiet: World) -> None:
    """One of each family; those of a node that went are given away; without any left, it is
    told, and the node waits."""
    options = Options(
        allocate_node_cidrs=True,
        cluster_cidr="10.244.0.0/23,fd00::/48",
    )
    async with running(quiet.client, NodeIPAMController, options):
        await add_node(quiet, "a")
        await until_cidrs(quiet, "a", "10.244.0.0/24", "fd00::/64")
    # Another controller finds what the first has given.
    async with running(quiet.client, NodeIPAMController, options):
        await add_node(quiet, "b")
        await until_cidrs(quiet, "b", "10.244.1.0/24", "fd00:0:0:1::/64")
        await add_node(quiet, "c")

        async def told() -> bool:
            listed = await quiet.client.list(resources.EVENTS, "default")
            return any(event["reason"] == "CIDRNotAvailable" for event in listed["items"])

        await eventually(told, "no block is left")
        await quiet.client.delete(resources.NODES, "a")
        await until_cidrs(quiet, "c", "10.244.0.0/24", "fd00:0:0:2::/64")


def test_pool() -> None:
    """Blocks in turn, none that overlaps with what is occupied; all of them, once each."""
    pool = Pool(ipaddress.ip_network("10.0.0.0/22"), 24)
    pool.occupy(ipaddress.ip_network("10.0.1.128/25"))
    pool.occupy(ipaddress.ip_network("192.168.0.0/16"))
    given = [pool.allocate() for _ in range(3)]
    assert [*map(str, given)] == ["10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/24"]
    with pytest.raises(Full):
        pool.allocate()
    pool.release(given[1])
    assert pool.allocate() == given[1]


def test_occupied_by_a_larger_range() -> None:
    """A range around the pool leaves nothing of it."""
    pool = Pool(ipaddress.ip_network("10.0.0.0/22"), 24)
    pool.occupy(ipaddress.ip_network("10.0.0.0/8"))
    with pytest.raises(Full):
        pool.allocate()


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        pytest.param({}, "needs --cluster-cidr", id="no range"),
        pytest.param(
            {"cluster_cidr": "10.0.0.0/16", "node_cidr_mask_size": 12}, "do not fit", id="too large"
        ),
        pytest.param({"cluster_cidr": "fd00::/40"}, "more blocks", id="too many"),
        pytest.param(
            {"cluster_cidr": "10.0.0.0/16,fd00::/48", "node_cidr_mask_size": 24},
            "one address family",
            id="one size for two families",
        ),
    ],
)
def test_flags_that_do_not_fit(flags: dict, why: str) -> None:
    """They are told from each other."""
    with pytest.raises(ValueError, match=why):
        pools(Options(allocate_node_cidrs=True, **flags))


def test_services_keep_their_range() -> None:
    """No node gets a part of it."""
    options = Options(cluster_cidr="10.0.0.0/14", service_cluster_ip_range="10.0.0.0/16")
    (pool,) = pools(options)
    assert str(pool.allocate()) == "10.1.0.0/24"

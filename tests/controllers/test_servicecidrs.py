# SPDX-License-Identifier: Apache-2.0
"""ServiceCIDRs: ready, protected, and gone only when no address needs them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cluster import eventually
from running import Clock, running
from world import World

from pyk8s.apimachinery import errors, meta
from pyk8s.client import resources
from pyk8s.controllers.servicecidrs.controller import (
    ALLOCATOR,
    FINALIZER,
    MANAGED_BY,
    ServiceCIDRController,
    is_needed,
)

Object = dict[str, Any]


def cidr(name: str, *cidrs: str, deleted: bool = False) -> Object:
    metadata = {"name": name, "uid": name}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "spec": {"cidrs": [*cidrs]}}


def address(name: str, manager: str = ALLOCATOR) -> Object:
    return {"metadata": {"name": name, "labels": {MANAGED_BY: manager}}}


@pytest.mark.parametrize(
    ("others", "addresses", "needed"),
    [
        pytest.param([], [], False, id="no address"),
        pytest.param([], [address("10.0.0.7")], True, id="an address"),
        pytest.param([], [address("10.0.0.7", "me")], False, id="somebody else's"),
        pytest.param([], [address("10.1.0.7")], False, id="outside"),
        pytest.param([], [address("fd00::7")], True, id="of the second family"),
        pytest.param([cidr("b", "10.0.0.0/16")], [address("10.0.0.7")], False, id="a wider range"),
        pytest.param([cidr("b", "10.0.0.0/29")], [address("10.0.0.7"), address("10.0.0.9")], True,
                     id="a narrower range"),
        pytest.param([cidr("b", "10.0.0.0/24", deleted=True)], [address("10.0.0.7")], True,
                     id="a range that goes as well"),
    ],
)  # fmt: skip
def test_is_needed(others: list[Object], addresses: list[Object], needed: bool) -> None:
    """As long as an address of the API server's is in no other range that stays."""
    own = cidr("a", "10.0.0.0/24", "fd00::/64")
    assert is_needed(own, [own, *others], addresses) is needed


def ready(obj: Object) -> Object:
    conditions = (obj.get("status") or {}).get("conditions") or [{}]
    return {key: conditions[0].get(key) for key in ("type", "status", "reason", "message")}


async def test_life_of_a_range(quiet: World) -> None:
    """It is made ready; with an address in it, it stays; without one it goes after a while."""
    clock = Clock()
    clock.seconds = time.time()
    client, resource = quiet.client, resources.SERVICE_CIDRS
    spec = {"cidrs": ["10.200.0.0/24"]}
    async with running(client, lambda context: ServiceCIDRController(context, clock)) as controller:
        await client.create(resource, {"metadata": {"name": "more"}, "spec": spec})

        async def is_ready() -> bool:
            return ready(await client.get(resource, "more"))["status"] == "True"

        await eventually(is_ready, "it is ready")
        found = await client.get(resource, "more")
        assert ready(found)["message"] == "Kubernetes Service CIDR is ready"
        assert meta.has_finalizer(found, FINALIZER)

        service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}}
        service["spec"]["clusterIP"] = "10.200.0.5"
        await quiet.create(resources.SERVICES, service)
        await client.delete(resource, "more")

        async def is_blocked() -> bool:
            return ready(await client.get(resource, "more"))["status"] == "False"

        await eventually(is_blocked, "it says that it cannot go")
        found = await client.get(resource, "more")
        assert ready(found) == {
            "type": "Ready",
            "status": "False",
            "reason": "Terminating",
            "message": "There are still IPAddresses referencing the ServiceCIDR, please remove "
            "them or create a new ServiceCIDR",
        }
        await quiet.delete(resources.SERVICES, "s")
        clock.seconds += 60
        controller.queue.add(("", "more"))

        async def is_gone() -> bool:
            try:
                await client.get(resource, "more")
            except errors.StatusError as error:
                return error.reason == errors.NOT_FOUND
            return False

        await eventually(is_gone, "it is gone")
        default = await client.get(resource, "kubernetes")
        assert ready(default)["status"] == "True"
        assert meta.has_finalizer(default, FINALIZER)

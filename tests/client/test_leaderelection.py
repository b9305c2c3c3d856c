# SPDX-License-Identifier: Apache-2.0
"""Leaders on virtual time: what they know of themselves while the server is away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupVersionResource
from pyk8s.client import leaderelection, resources, rest
from pyk8s.componentbase.health import NotHealthy

pytestmark = pytest.mark.looptime

Object = dict[str, Any]


class Leases:
    """One Lease in memory, with a server's word on resourceVersions; it can go away."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.reachable = True
        self._revision = 0

    def _store(self, lease: Object) -> Object:
        self._revision += 1
        metadata = {**lease["metadata"], "resourceVersion": str(self._revision)}
        self.lease = {**lease, "metadata": metadata}
        return self.lease

    async def _answer(self) -> None:
        await asyncio.sleep(0.001)
        if not self.reachable:
            raise rest.ServerUnreachable("refused")

    async def get(self, resource: GroupVersionResource, name: str, namespace: str) -> Object:
        await self._answer()
        if self.lease is None:
            raise errors.not_found(resources.LEASES.group_resource, name)
        return self.lease

    async def create(self, resource: GroupVersionResource, lease: Object) -> Object:
        await self._answer()
        return self._store(lease)

    async def update(self, resource: GroupVersionResource, lease: Object) -> Object:
        await self._answer()
        assert self.lease is not None
        if lease["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise errors.conflict(resources.LEASES.group_resource, "lease", "it has changed")
        return self._store(lease)


def elector(leases: Leases, identity: str) -> leaderelection.LeaderElector:
    options = leaderelection.Options(namespace="ns", name="lease", identity=identity)
    return leaderelection.LeaderElector(leases, options)


async def test_health_of_a_leader() -> None:
    """Well while it waits, while it leads, and for as long as it may be about to resign; not when
    it acts on, long after its Lease has run out."""
    leases = Leases()
    one = elector(leases, "one")
    await one.check()
    stuck = asyncio.Event()

    async def lead() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            # What ought to stop at once does not.
            await stuck.wait()

    running = asyncio.ensure_future(one.run(lead))
    await asyncio.sleep(3600)
    assert one.is_leader
    await one.check()
    leases.reachable = False
    await asyncio.sleep(30)
    await one.check()
    await asyncio.sleep(10)
    with pytest.raises(NotHealthy, match="failed election to renew leadership on lease lease"):
        await one.check()
    leases.reachable = True
    stuck.set()
    with pytest.raises(leaderelection.LeadershipLost):
        await running
    assert not one.is_leader
    await one.check()


async def test_candidate_waits_for_the_lease_to_run_out() -> None:
    """By its own clock, from when it saw the Lease change; then it leads, and the count of
    changes of hands tells of it."""
    leases = Leases()
    one, two = elector(leases, "one"), elector(leases, "two")
    led = asyncio.Event()

    async def lead() -> None:
        led.set()
        await asyncio.Event().wait()

    assert await one._try_once()
    waiting = asyncio.ensure_future(two.run(lead))
    await asyncio.sleep(14)
    assert (two.is_leader, two.leader) == (False, "one")
    await two.check()
    async with asyncio.timeout(10):
        await led.wait()
    assert leases.lease is not None
    assert leases.lease["spec"]["holderIdentity"] == "two"
    assert leases.lease["spec"]["leaseTransitions"] == 1
    waiting.cancel()
    await asyncio.wait({waiting})
    assert leases.lease["spec"]["holderIdentity"] == ""

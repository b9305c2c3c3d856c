# SPDX-License-Identifier: Apache-2.0
"""ServiceAllocation: what one write of a Service takes and gives back.

    create                      cluster IPs, node ports, health check port
    update  ExternalName -> *   cluster IPs are taken
            * -> ExternalName   cluster IPs are released
            one family more     the second is taken; one less: released
            node ports          what is new is taken, what is gone released

Released is only what the stored object has ceased to show, after it is stored. A dry run takes
nothing and shows what upstream shows. Mirrors `allocateCreate`, `allocateUpdate` and
`releaseAllocatedResources` of upstream's `pkg/registry/core/service/storage/alloc.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import errors, names
from pyk8s.apimachinery import field as fields
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import services
from pyk8s.registry.allocation import Allocation
from pyk8s.registry.context import RequestContext
from pyk8s.registry.services import families, node_ports
from pyk8s.registry.services.addresses import AddressPool, AddressRefused, Owner
from pyk8s.registry.services.ports import PortPool, PortRefused

_log = logging.getLogger(__name__)

_ADDRESSES = fields.Path("spec", "clusterIPs")

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """What all Services share. `families` are the cluster's IP families, its default first."""

    families: tuple[str, ...]
    addresses: AddressPool
    ports: PortPool

    async def release(self, owner: Owner, addresses: Iterable[str], ports: list[int]) -> None:
        """Give back; what fails is logged, and found again by repair."""
        releases = [self.addresses.release(address, owner) for address in addresses]
        if ports:
            releases.append(self.ports.release(ports))
        for outcome in await asyncio.gather(*releases, return_exceptions=True):
            if isinstance(outcome, errors.StatusError | PortRefused):
                _log.warning("service %s/%s releases later: %s", *owner, outcome)
            elif outcome is not None:
                raise outcome


def held_addresses(spec: Spec) -> list[str]:
    """The cluster IPs a stored Service has of the pool."""
    if not services.needs_cluster_ip(spec):
        return []
    return [address for address in _addresses(spec) if address != services.NONE]


@dataclass(slots=True)
class _Holding:
    addresses: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)


class ServiceAllocation(Allocation):
    """Of one request."""

    def __init__(self, pools: Pools, context: RequestContext) -> None:
        self._pools = pools
        self._dry_run = context.dry_run
        self._owner = Owner("", "")
        self._taken = _Holding()
        self._released = _Holding()

    async def take(self, obj: Object, existing: Object | None = None) -> None:
        await self.give_back()
        self._released = _Holding()
        if existing is None and names.is_dns1123_label(obj["metadata"].get("name", "")):
            # Validation refuses it; nothing could be in the name of it.
            return
        self._owner = Owner.of(obj)
        families.settle(obj, existing, self._pools.families)
        spec = obj["spec"]
        if existing is None:
            await self._take_all_addresses(obj)
            plan = node_ports.for_create(spec)
        else:
            await self._change_addresses(obj, existing["spec"])
            plan = node_ports.for_update(spec, existing["spec"])
        self._released.ports = plan.released
        await self._take_ports(obj, plan)

    async def keep(self) -> None:
        released, self._released = self._released, _Holding()
        await self._release(released)

    async def give_back(self) -> None:
        taken, self._taken = self._taken, _Holding()
        await self._release(taken)

    async def _release(self, holding: _Holding) -> None:
        if not self._dry_run:
            await self._pools.release(self._owner, holding.addresses, holding.ports)

    # --- addresses

    async def _take_all_addresses(self, obj: Object) -> None:
        spec = obj["spec"]
        if not services.needs_cluster_ip(spec) or services.is_headless(spec):
            return
        wanted = _addresses(spec)
        spec["clusterIPs"] = wanted + [""] * (len(spec["ipFamilies"]) - len(wanted))
        for index in range(len(spec["ipFamilies"])):
            await self._take_address(obj, index)
        spec["clusterIP"] = spec["clusterIPs"][0]

    async def _change_addresses(self, obj: Object, old: Spec) -> None:
        spec = obj["spec"]
        if families.stays_preferring(spec, old):
            return
        if old.get("type") == services.EXTERNAL_NAME:
            await self._take_all_addresses(obj)
            return
        if services.is_headless(old):
            return
        if spec.get("type") == services.EXTERNAL_NAME:
            self._released.addresses = held_addresses(old)
            return
        before, after = len(old.get("ipFamilies") or ()), len(spec.get("ipFamilies") or ())
        if (before, after) == (1, 2):
            spec["clusterIPs"] = [*_addresses(spec), ""][:2]
            await self._take_address(obj, 1)
        elif (before, after) == (2, 1):
            self._released.addresses = _addresses(old)[1:]

    async def _take_address(self, obj: Object, index: int) -> None:
        """Take spec.clusterIPs[index], or any where it is empty."""
        spec = obj["spec"]
        address = spec["clusterIPs"][index]
        pool = self._pools.addresses
        try:
            if not address:
                family = spec["ipFamilies"][index]
                spec["clusterIPs"][index] = await self._take_any(family)
            elif self._dry_run:
                await pool.check(address)
            else:
                await pool.take(address, self._owner)
                self._taken.addresses.append(address)
        except AddressRefused as refused:
            if not address:
                message = f"failed to allocate a serviceIP: {refused}"
                raise errors.internal_error(message) from None
            detail = f"failed to allocate IP {address}: {refused}"
            fault = fields.invalid(_ADDRESSES, spec["clusterIPs"], detail)
            raise errors.invalid(families.KIND, self._owner.name, [fault]) from None

    async def _take_any(self, family: str) -> str:
        if self._dry_run:
            return await self._pools.addresses.plausible(family)
        address = await self._pools.addresses.take_any(family, self._owner)
        self._taken.addresses.append(address)
        return address

    # --- ports

    async def _take_ports(self, obj: Object, plan: node_ports.Plan) -> None:
        if not plan.requests:
            return
        wanted = [request.number for request in plan.requests]
        pool = self._pools.ports
        try:
            if self._dry_run:
                numbers = await pool.plausible(wanted)
            else:
                numbers = self._taken.ports = await pool.take(wanted)
        except PortRefused as refused:
            refusal = plan.refusal(refused.position, self._owner.name, refused.why)
            raise refusal from None
        plan.fill_in(obj["spec"], numbers)


def _addresses(spec: Spec) -> list[str]:
    return list(spec.get("clusterIPs") or ())

# SPDX-License-Identifier: Apache-2.0
"""ServiceStore: Services take from shared pools on their way in, and give back when they go."""

from __future__ import annotations

import asyncio
import logging

from pyk8s.apimachinery import errors
from pyk8s.registry import allocation, deletion
from pyk8s.registry.context import RequestContext
from pyk8s.registry.services import node_ports
from pyk8s.registry.services.addresses import Owner
from pyk8s.registry.services.allocation import Pools, ServiceAllocation, held_addresses
from pyk8s.registry.store import Store
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)


class ServiceStore(Store):
    """Mirrors the hooks of upstream's `pkg/registry/core/service/storage/storage.go`."""

    # Set once, by whoever builds the Stores, before the first request.
    pools: Pools
    endpoints: Store

    def allocation(self, context: RequestContext) -> allocation.Allocation:
        return ServiceAllocation(self.pools, context)

    async def after_delete(self, context: RequestContext, item: storage.Item) -> None:
        """The Endpoints go at once, so that a new Service of that name does not begin with old
        ones; then addresses and ports."""
        service = item.object()
        owner, spec = Owner.of(service), service["spec"]
        addresses, ports = held_addresses(spec), node_ports.held(spec)
        await asyncio.gather(
            self._delete_endpoints(context, owner), self.pools.release(owner, addresses, ports)
        )

    async def _delete_endpoints(self, context: RequestContext, owner: Owner) -> None:
        try:
            await self.endpoints.delete(context, owner.name, deletion.DeleteOptions())
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                _log.warning("Endpoints of service %s/%s are left behind: %s", *owner, error)

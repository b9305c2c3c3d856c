# SPDX-License-Identifier: Apache-2.0
"""Puts a finalizer and the condition Ready on every ServiceCIDR, and takes the finalizer off one
that is being deleted when no address is in it alone.

Mirrors upstream's `controller/servicecidrs`.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable, Iterator

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import client, informer, resources
from pyk8s.client.store import Key
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.pods import condition

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"
READY = "Ready"

# Until then a server may not know yet that the range is going, and give out an address of it.
_GRACE_SECONDS = 10.0

_READY = {"status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
_BLOCKED = {
    "status": "False",
    "reason": "Terminating",
    "message": "There are still IPAddresses referencing the ServiceCIDR, please remove them or "
    "create a new ServiceCIDR",
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ServiceCIDRController(ObjectController):
    name = "service-cidr-controller"
    resource = resources.SERVICE_CIDRS

    def __init__(self, context: Context, now: Callable[[], float] = time.time) -> None:
        self._now = now
        super().__init__(context)
        self._addresses = self.informer(resources.IP_ADDRESSES)
        self._addresses.add_event_handler(
            informer.Handler(
                on_add=lambda address, _: self._address_changed(address),
                on_delete=lambda deleted: self._address_changed(informer.last_known(deleted)),
            )
        )

    def enqueue(self, obj: Object) -> None:
        """Those that overlap with it as well: one more range may free another."""
        super().enqueue(obj)
        own = [*networks(obj)]
        for other in self.objects.indexer.list():
            if any(_overlap(network, mine) for network in networks(other) for mine in own):
                super().enqueue(other)

    def _address_changed(self, obj: Object) -> None:
        address = ipaddress.ip_address(meta.name(obj))
        for service_cidr in self.objects.indexer.list():
            if contains(service_cidr, address):
                super().enqueue(service_cidr)

    async def reconcile(self, key: Key) -> None:
        service_cidr = self.objects.indexer.get(key)
        if service_cidr is None:
            return
        try:
            if meta.is_being_deleted(service_cidr):
                await self._let_go(key, service_cidr)
                return
            if not meta.has_finalizer(service_cidr, FINALIZER):
                kept = [*meta.finalizers(service_cidr), FINALIZER]
                await self._set_finalizers(service_cidr, kept)
            await self._set_ready(service_cidr, _READY)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise

    async def _let_go(self, key: Key, service_cidr: Object) -> None:
        if not meta.has_finalizer(service_cidr, FINALIZER):
            return
        addresses = self._addresses.indexer.list()
        if is_needed(service_cidr, self.objects.indexer.list(), addresses):
            await self._set_ready(service_cidr, _BLOCKED)
            return
        deleted = times.parse(service_cidr["metadata"]["deletionTimestamp"]).timestamp()
        left = deleted + _GRACE_SECONDS - self._now()
        if left > 0:
            self.queue.add_after(key, left)
            return
        kept = [each for each in meta.finalizers(service_cidr) if each != FINALIZER]
        await self._set_finalizers(service_cidr, kept)

    async def _set_finalizers(self, service_cidr: Object, finalizers: list[str]) -> None:
        """Guarded by the resourceVersion, for the list is replaced as a whole."""
        metadata = {
            "uid": meta.uid(service_cidr),
            "resourceVersion": meta.resource_version(service_cidr),
            "finalizers": finalizers or None,
        }
        await self._patch(service_cidr, client.Patch(content={"metadata": metadata}))

    async def _set_ready(self, service_cidr: Object, wanted: dict[str, str]) -> None:
        found = condition(service_cidr, READY)
        if found is not None and found.get("status") == wanted["status"]:
            return
        ready = {"type": READY, "lastTransitionTime": times.now(), **wanted}
        content = {
            "apiVersion": f"{self.resource.group}/{self.resource.version}",
            "kind": "ServiceCIDR",
            "metadata": {"name": meta.name(service_cidr), "uid": meta.uid(service_cidr)},
            "status": {"conditions": [ready]},
        }
        patch = client.Patch(
            content=content, type=client.APPLY_PATCH, field_manager=self.name, force=True
        )
        await self._patch(service_cidr, patch, "status")

    async def _patch(self, obj: Object, patch: client.Patch, subresource: str = "") -> None:
        where = meta.namespaced_name(obj)
        await self.client.patch(self.resource, where, patch, subresource)


def networks(service_cidr: Object) -> Iterator[Network]:
    for text in (service_cidr.get("spec") or {}).get("cidrs") or ():
        yield ipaddress.ip_network(text)


def contains(service_cidr: Object, address: Address) -> bool:
    return any(address in network for network in networks(service_cidr))


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def is_needed(
    service_cidr: Object, service_cidrs: Iterable[Object], addresses: Iterable[Object]
) -> bool:
    """Whether an address that the API server has given out would be in no range without it. A
    range that is going itself keeps no address."""
    others = [
        other
        for other in service_cidrs
        if meta.uid(other) != meta.uid(service_cidr) and not meta.is_being_deleted(other)
    ]
    for each in addresses:
        if meta.labels(each).get(MANAGED_BY) != ALLOCATOR:
            continue
        address = ipaddress.ip_address(meta.name(each))
        if contains(service_cidr, address) and not any(contains(o, address) for o in others):
            return True
    return False

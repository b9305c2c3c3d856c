# SPDX-License-Identifier: Apache-2.0
"""The service controller of a cloud that has nothing but addresses. Conditions, finalizer and
Events mirror upstream's `cloud-provider/controllers/service`.

    wants one -> finalizer -> an address per family -> status
    is going, or wants none any longer -> status emptied -> finalizer off
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources, worker
from pyk8s.client.client import Patch
from pyk8s.client.store import Key
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.options import Options

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_VERSIONS = {"IPv4": 4, "IPv6": 6}


class NoAddress(worker.Irreconcilable):
    """The Service cannot have what it wants."""


class ServiceLBController(ObjectController):
    name = "service-lb-controller"
    component = "service-controller"
    resource = resources.SERVICES

    def __init__(self, context: Context) -> None:
        # Who has which addresses: those that are stored, and those about to be.
        self._taken: dict[Key, tuple[str, ...]] = {}
        super().__init__(context)
        ranges = context.options.service_load_balancer_range.split(",")
        self._ranges = [ipaddress.ip_network(text, strict=False) for text in ranges]
        self.objects.add_event_handler(informer.Handler(on_delete=self._gone))

    @classmethod
    def is_wanted(cls, options: Options) -> bool:
        return bool(options.service_load_balancer_range)

    def enqueue(self, obj: Object) -> None:
        if shown := addresses(obj):
            self._taken[meta.namespaced_name(obj)] = shown
        super().enqueue(obj)

    def _gone(self, deleted: informer.Deleted) -> None:
        self._taken.pop(meta.namespaced_name(informer.last_known(deleted)), None)
        # There may be room now for one that waits.
        for service in self.objects.lister.list():
            if wants(service) and not addresses(service):
                self.enqueue(service)

    async def reconcile(self, key: Key) -> None:
        service = self.objects.indexer.get(key)
        if service is None:
            return
        try:
            if wants(service):
                await self._ensure(key, service)
            elif meta.has_finalizer(service, FINALIZER):
                await self._release(key, service)
        except errors.StatusError as error:
            # What has changed meanwhile is told of, and reconciled then.
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise

    async def _ensure(self, key: Key, service: Object) -> None:
        before = addresses(service)
        others = {ip for other, ips in self._taken.items() if other != key for ip in ips}
        try:
            after = choose(service, self._ranges, others)
        except NoAddress as error:
            self._tell(service, "SyncLoadBalancerFailed", f"Error syncing load balancer: {error}")
            raise
        self._taken[key] = after
        if not meta.has_finalizer(service, FINALIZER):
            self._tell(service, "EnsuringLoadBalancer", "Ensuring load balancer", events.NORMAL)
            service = await self._set_finalizers(service, [*meta.finalizers(service), FINALIZER])
        if before != after:
            await self._set_addresses(service, after)
            self._tell(service, "EnsuredLoadBalancer", "Ensured load balancer", events.NORMAL)

    async def _release(self, key: Key, service: Object) -> None:
        self._tell(service, "DeletingLoadBalancer", "Deleting load balancer", events.NORMAL)
        if addresses(service):
            service = await self._set_addresses(service, ())
        left = [each for each in meta.finalizers(service) if each != FINALIZER]
        await self._set_finalizers(service, left)
        self._taken.pop(key, None)
        self._tell(service, "DeletedLoadBalancer", "Deleted load balancer", events.NORMAL)

    async def _set_finalizers(self, service: Object, finalizers: list[str]) -> Object:
        named = {"resourceVersion": meta.resource_version(service), "finalizers": finalizers}
        patch = Patch(content={"metadata": named})
        return await self.client.patch(self.resource, meta.namespaced_name(service), patch)

    async def _set_addresses(self, service: Object, ips: tuple[str, ...]) -> Object:
        ingress = [{"ip": ip, "ipMode": "VIP"} for ip in ips] or None
        # Without its version, addresses would be given, and told of, once more for each state of
        # the object that was seen late.
        named = {"resourceVersion": meta.resource_version(service)}
        status = {"loadBalancer": {"ingress": ingress}}
        patch = Patch(content={"metadata": named, "status": status})
        name = meta.namespaced_name(service)
        return await self.client.patch(self.resource, name, patch, "status")

    def _tell(self, service: Object, reason: str, text: str, type: str = events.WARNING) -> None:
        self.context.recorder.event(service, type, reason, text)


def wants(service: Object) -> bool:
    """A class asks for somebody else's."""
    spec = service["spec"]
    is_balanced = spec.get("type") == "LoadBalancer" and spec.get("loadBalancerClass") is None
    return is_balanced and not meta.is_being_deleted(service)


def addresses(service: Object) -> tuple[str, ...]:
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    return tuple(each["ip"] for each in balancer.get("ingress") or () if each.get("ip"))


def choose(
    service: Object, ranges: Collection[Network], others: Collection[str]
) -> tuple[str, ...]:
    """One address per family of the Service for which there is a range: the one it asks for, the
    one it has, or the first that is free. Raises NoAddress."""
    spec = service["spec"]
    asked = spec.get("loadBalancerIP") or ""
    families = [_VERSIONS[each] for each in spec.get("ipFamilies") or ("IPv4",)]
    found = []
    for version in families:
        for network in ranges:
            if network.version == version:
                found.append(_choose_in(network, asked, addresses(service), others))
    if not found:
        raise NoAddress("there is no range of addresses for the families of the Service")
    return tuple(found)


def _choose_in(
    network: Network, asked: str, shown: Collection[str], others: Collection[str]
) -> str:
    if asked and ipaddress.ip_address(asked).version == network.version:
        if ipaddress.ip_address(asked) not in network:
            raise NoAddress(f"address {asked} is not in the range {network}")
        if asked in others:
            raise NoAddress(f"address {asked} is in use")
        return asked
    for ip in shown:
        if ip not in others and ipaddress.ip_address(ip) in network:
            return ip
    for address in network.hosts():
        if str(address) not in others:
            return str(address)
    raise NoAddress(f"all addresses of the range {network} are in use")

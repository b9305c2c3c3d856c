# SPDX-License-Identifier: Apache-2.0
"""From a Service to an address a server behind it is reached at.

    --enable-aggregator-routing=true    an endpoint's own address, a random one for each request
    --enable-aggregator-routing=false   the Service's cluster IP

Services of type ExternalName lead to that name either way. Mirrors apiserver's
`pkg/util/proxy/proxy.go`, but that upstream knows ExternalName only without routing.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from pyk8s.aggregator.apiservice import ServiceReference
from pyk8s.apimachinery import errors, labels
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.registry.builder import Stores
from pyk8s.registry.locations import Location
from pyk8s.storage import interface as storage

SERVICE_NAME_LABEL = "kubernetes.io/service-name"

_CLUSTER_IP_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


class ResolveError(Exception):
    """There is no way to the Service; the text is upstream's."""


class Resolver:
    """Reads Services and EndpointSlices from the caches."""

    def __init__(self, stores: Stores, *, to_endpoints: bool) -> None:
        self._services = stores["services/specs"]
        self._slices = stores["endpointslices"]
        self._to_endpoints = to_endpoints

    async def service(self, reference: ServiceReference) -> Object | None:
        """None where there is none. Raises StatusError."""
        try:
            item = await self._services.get(reference.namespace, reference.name, "0")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None
        return item.object()

    async def endpoint_slices(self, reference: ServiceReference) -> list[Object]:
        """Raises StatusError."""
        selector = labels.parse(f"{SERVICE_NAME_LABEL}={reference.name}")
        options = storage.ListOptions(
            namespace=reference.namespace,
            predicate=storage.Predicate(label_selector=selector),
            resource_version="0",
        )
        return [item.object() for item in (await self._slices.list(options)).items]

    async def resolve(self, reference: ServiceReference) -> Location:
        """Raises ResolveError."""
        try:
            service = await self.service(reference)
            if service is None:
                raise ResolveError(f"service {quoted_string(reference.name)} not found")
            slices = None
            if self._to_endpoints and _type_of(service) in _CLUSTER_IP_TYPES:
                slices = await self.endpoint_slices(reference)
        except errors.StatusError as error:
            raise ResolveError(str(error)) from error
        if slices is None:
            host, port = cluster_address(service, reference)
        else:
            host, port = random.choice(endpoints(service, slices, reference))
        return Location(scheme="https", host=host, port=port)


def _type_of(service: Object) -> str:
    kind: str = service["spec"].get("type") or "ClusterIP"
    return kind


def cluster_address(service: Object, reference: ServiceReference) -> tuple[str, int]:
    """The address that the Service itself has. Raises ResolveError."""
    spec, kind = service["spec"], _type_of(service)
    if kind == "ExternalName":
        return spec.get("externalName", ""), reference.port
    if kind not in _CLUSTER_IP_TYPES:
        raise ResolveError(f"unsupported service type {quoted_string(kind)}")
    if spec.get("clusterIP") == "None":
        raise ResolveError('cannot route to service with ClusterIP "None"')
    return spec.get("clusterIP", ""), service_port(service, reference)["port"]


def service_port(service: Object, reference: ServiceReference) -> Object:
    """Raises ResolveError."""
    for port in service["spec"].get("ports") or ():
        if port["port"] == reference.port:
            found: Object = port
            return found
    shown = quoted_string(reference.name)
    raise ResolveError(f"no service port {reference.port} found for service {shown}")


def endpoints(
    service: Object, slices: Iterable[Object], reference: ServiceReference
) -> Sequence[tuple[str, int]]:
    """Host and port of every ready endpoint, at least one. Raises ResolveError."""
    name = service_port(service, reference).get("name") or ""
    found = [
        (address, port)
        for endpoint_slice in slices
        for port in ports_named(endpoint_slice, name)
        for endpoint in endpoint_slice.get("endpoints") or ()
        if is_ready(endpoint)
        for address in endpoint.get("addresses") or ()
    ]
    if not found:
        shown = quoted_string(reference.name)
        raise ResolveError(f"no endpoints available for service {shown}")
    return found


def ports_named(endpoint_slice: Object, name: str) -> list[int]:
    return [
        port["port"]
        for port in endpoint_slice.get("ports") or ()
        if (port.get("name") or "") == name and port.get("port") is not None
    ]


def is_ready(endpoint: Object) -> bool:
    ready = (endpoint.get("conditions") or {}).get("ready")
    return ready is None or bool(ready)

# SPDX-License-Identifier: Apache-2.0
"""How the API servers of a cluster find this metrics server.

    APIService v1beta1.metrics.k8s.io -> Service kube-system/metrics-server -> EndpointSlice
                                                                           '-> localhost

A server that others reach stands in an EndpointSlice of a Service without a selector. A loopback
address may not, so the Service of one that only its own host reaches is an ExternalName.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from dataclasses import dataclass

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import informer, resources
from pyk8s.client.client import APPLY_PATCH, Client, Patch
from pyk8s.client.reflector import ResourceListWatcher
from pyk8s.metricsserver import api

NAMESPACE, NAME = "kube-system", "metrics-server"
API_SERVICES = GroupVersionResource("apiregistration.k8s.io", "v1", "apiservices")
API_SERVICE = f"{api.VERSION}.{api.GROUP}"
# Whom the certificate of a server behind the Service is for.
SERVER_NAME = f"{NAME}.{NAMESPACE}.svc"

_LABELS = {"k8s-app": NAME}
_SERVICE_PORT = 443
# Upstream's manifest.
_PRIORITY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertised:
    """Where API servers reach this one. Without `ca`, in PEM, they take any certificate."""

    address: str
    port: int
    ca: bytes = b""

    @property
    def is_local(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback


def objects(where: Advertised) -> list[tuple[GroupVersionResource, Object]]:
    """In the order in which they are to be there."""
    found = [(resources.SERVICES, _service(where))]
    if not where.is_local:
        found.append((resources.ENDPOINT_SLICES, _endpoint_slice(where)))
    return [*found, (API_SERVICES, _api_service(where))]


def _metadata(name: str, **labels: str) -> Object:
    return {"name": name, "namespace": NAMESPACE, "labels": {**_LABELS, **labels}}


def _service(where: Advertised) -> Object:
    spec: Object = {"type": "ExternalName", "externalName": "localhost"}
    if not where.is_local:
        port = {"name": "https", "port": _SERVICE_PORT, "targetPort": where.port}
        spec = {"type": "ClusterIP", "ports": [{**port, "protocol": "TCP"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(NAME), "spec": spec}


def _endpoint_slice(where: Advertised) -> Object:
    family = f"IPv{ipaddress.ip_address(where.address).version}"
    own = {"kubernetes.io/service-name": NAME}
    own["endpointslice.kubernetes.io/managed-by"] = NAME
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _metadata(NAME, **own),
        "addressType": family,
        "endpoints": [{"addresses": [where.address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": where.port, "protocol": "TCP"}],
    }


def _api_service(where: Advertised) -> Object:
    spec: Object = {
        "group": api.GROUP,
        "version": api.VERSION,
        "groupPriorityMinimum": _PRIORITY,
        "versionPriority": _PRIORITY,
        "service": {
            "namespace": NAMESPACE,
            "name": NAME,
            "port": where.port if where.is_local else _SERVICE_PORT,
        },
    }
    if where.ca:
        spec["caBundle"] = base64.b64encode(where.ca).decode()
    else:
        spec["insecureSkipTLSVerify"] = True
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": API_SERVICE, "labels": _LABELS},
        "spec": spec,
    }


async def apply(client: Client, where: Advertised) -> None:
    """Make the objects, or make them lead here. Raises StatusError and ServerUnreachable."""
    await _remove_stale(client, where)
    for resource, obj in objects(where):
        metadata = obj["metadata"]
        patch = Patch(content=obj, type=APPLY_PATCH, field_manager=NAME, force=True)
        key = (metadata.get("namespace", ""), metadata["name"])
        await client.patch(resource, key, patch)


async def _remove_stale(client: Client, where: Advertised) -> None:
    """A Service keeps what its other type had; it is made anew where the type has changed."""
    try:
        found = await client.get(resources.SERVICES, NAME, NAMESPACE)
    except errors.StatusError as error:
        if error.reason != errors.NOT_FOUND:
            raise
        return
    if found["spec"].get("type") != _service(where)["spec"]["type"]:
        await client.delete(resources.SERVICES, NAME, NAMESPACE)


async def wait_until_available(client: Client) -> None:
    """Until an API server has said that it reaches this one."""
    source = ResourceListWatcher(
        client=client, resource=API_SERVICES, field_selector=f"metadata.name={API_SERVICE}"
    )
    watched = informer.SharedInformer(source, name=API_SERVICE)
    seen = asyncio.Event()

    def look(api_service: Object) -> None:
        if _is_available(api_service):
            seen.set()

    watched.add_event_handler(informer.on_any_change(look))
    following = asyncio.ensure_future(watched.run())
    try:
        await seen.wait()
    finally:
        following.cancel()
        await asyncio.wait({following})


def _is_available(api_service: Object) -> bool:
    conditions = (api_service.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)

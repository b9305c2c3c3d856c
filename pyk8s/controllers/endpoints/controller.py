# SPDX-License-Identifier: Apache-2.0
"""The Endpoints controller. Mirrors upstream's `pkg/controller/endpoint`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyk8s.apimachinery import codec, errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources
from pyk8s.client.store import Key
from pyk8s.controllers import pods, services
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.serviceaccount.accounts import create_unless_there

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"

ADDRESSES_MAX = 1000


class EndpointsController(ObjectController):
    name = "endpoints-controller"
    workers = 5
    resource = resources.SERVICES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._pods = self.informer(resources.PODS)
        services.follow_pods(self._pods, self.objects, self.queue.add)
        self._endpoints = self.informer(resources.ENDPOINTS)
        self._endpoints.add_event_handler(informer.on_any_change(self.enqueue))

    async def reconcile(self, key: Key) -> None:
        namespace, name = key
        service = self.objects.indexer.get(key)
        existing = self._endpoints.indexer.get(key)
        if service is None:
            if existing is not None and meta.labels(existing).get(MANAGED_BY) == MANAGER:
                await self._delete(key)
            return
        if not services.has_selector(service):
            return
        subsets, over = subsets_of(
            service, self._pods.lister.list(namespace, services.selector(service))
        )
        labels = labels_of(service)
        annotations = {OVER_CAPACITY: "truncated"} if over else {}
        if existing is None:
            metadata = {"name": name, "labels": labels, "annotations": annotations}
            made: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
            made["subsets"] = subsets
            await create_unless_there(self.context, resources.ENDPOINTS, made, namespace)
            return
        kept = {k: v for k, v in meta.annotations(existing).items() if k != OVER_CAPACITY}
        annotations = {**kept, **annotations}
        same = (existing.get("subsets") or []) == subsets and meta.labels(existing) == labels
        if same and meta.annotations(existing) == annotations:
            return
        metadata = {**existing["metadata"], "labels": labels, "annotations": annotations}
        updated = {**existing, "metadata": metadata, "subsets": subsets}
        await self.client.update(resources.ENDPOINTS, updated)

    async def _delete(self, key: Key) -> None:
        namespace, name = key
        try:
            await self.client.delete(resources.ENDPOINTS, name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise


def labels_of(service: Object) -> dict[str, str]:
    made = {**meta.labels(service), MANAGED_BY: MANAGER}
    made.pop(services.HEADLESS_LABEL, None)
    if services.is_headless(service):
        made[services.HEADLESS_LABEL] = ""
    return made


def subsets_of(service: Object, behind: Iterable[Object]) -> tuple[list[Object], bool]:
    """Addresses grouped by their ports, ready and not, in the order of addresses; and whether
    some had to be left out."""
    groups: dict[bytes, Object] = {}
    family = (service["spec"].get("ipFamilies") or ("IPv4",))[0]
    found = sorted(
        ((at[0], pod) for pod in behind if (at := _address(pod, family))), key=lambda pair: pair[0]
    )
    for address, pod in found[:ADDRESSES_MAX]:
        listed = [_port(*port) for port in services.ports(pod, service)]
        if not listed and not services.is_headless(service):
            continue
        group = groups.setdefault(codec.encode_json(listed), {})
        published = service["spec"].get("publishNotReadyAddresses")
        key = "addresses" if published or pods.is_ready(pod) else "notReadyAddresses"
        group.setdefault(key, []).append(_endpoint(service, pod, address))
    subsets = []
    for text, group in sorted(groups.items()):
        ports = codec.decode_json(text)
        subsets.append({**group, **({"ports": ports} if ports else {})})
    return subsets, len(found) > ADDRESSES_MAX


def _address(pod: Object, family: str) -> list[str]:
    if meta.is_being_deleted(pod) or not services.is_behind(pod):
        return []
    return services.addresses(pod, family)


def _endpoint(service: Object, pod: Object, at: str) -> Object:
    made: Object = {"ip": at}
    if name := services.hostname(pod, service):
        made["hostname"] = name
    if node := pod["spec"].get("nodeName"):
        made["nodeName"] = node
    made["targetRef"] = {
        "kind": "Pod",
        "namespace": meta.namespace(pod),
        "name": meta.name(pod),
        "uid": meta.uid(pod),
    }
    return made


def _port(port: dict[str, Any], number: int) -> Object:
    made: Object = {"port": number, "protocol": port.get("protocol") or "TCP"}
    if port.get("name"):
        made = {"name": port["name"], **made}
    return {**made, "appProtocol": port["appProtocol"]} if port.get("appProtocol") else made

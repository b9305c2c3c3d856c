# SPDX-License-Identifier: Apache-2.0
"""The Endpoints controller. Mirrors upstream's `pkg/controller/endpoint`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pyk8s.apimachinery import codec, errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources
from pyk8s.client.store import Key
from pyk8s.controllers import pods, services, triggertimes
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.serviceaccount.accounts import create_unless_there

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"

ADDRESSES_MAX = 1000


class EndpointsController(ObjectController):
    name = "endpoints-controller"
    component = "endpoint-controller"
    workers = 5
    resource = resources.SERVICES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._batch_seconds = context.options.endpoint_updates_batch_period
        self._pods = self.informer(resources.PODS)
        services.follow_pods(self._pods, self.objects, self._pod_changed)
        self._endpoints = self.informer(resources.ENDPOINTS)
        self._endpoints.add_event_handler(informer.on_any_change(self.enqueue))
        self._trigger_times = triggertimes.TriggerTimes()

    def _pod_changed(self, key: Key) -> None:
        self.queue.add_after(key, self._batch_seconds)

    async def reconcile(self, key: Key) -> None:
        namespace = key[0]
        service = self.objects.indexer.get(key)
        existing = self._endpoints.indexer.get(key)
        if service is None:
            self._trigger_times.forget(key)
            if existing is not None and meta.labels(existing).get(MANAGED_BY) == MANAGER:
                await self._delete(key)
            return
        if not services.has_selector(service):
            return
        behind = self._pods.lister.list(namespace, services.selector(service))
        trigger_time = self._trigger_times.look(service, behind)
        wanted = endpoints_of(service, behind, existing)
        if wanted is None:
            return
        metadata = wanted["metadata"]
        annotations = triggertimes.annotate(metadata["annotations"], trigger_time)
        wanted["metadata"] = {**metadata, "annotations": annotations}
        if existing is None:
            await create_unless_there(self.context, resources.ENDPOINTS, wanted, namespace)
        else:
            await self.client.update(resources.ENDPOINTS, wanted)

    def failure(self, key: Key, error: Exception) -> tuple[str, str]:
        if self._endpoints.indexer.get(key) is None:
            text = f"Failed to create endpoint for service {'/'.join(key)}: {error}"
            return "FailedToCreateEndpoint", text
        return "FailedToUpdateEndpoint", f"Failed to update endpoint {'/'.join(key)}: {error}"

    async def _delete(self, key: Key) -> None:
        namespace, name = key
        try:
            await self.client.delete(resources.ENDPOINTS, name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise


def endpoints_of(
    service: Object, behind: Iterable[Object], existing: Object | None
) -> Object | None:
    """What to write; None where it stands already. `existing` is not changed."""
    subsets = subsets_of(service, behind)
    over = truncate(subsets)
    labels = _labels(service)
    before = dict(meta.annotations(existing)) if existing is not None else {}
    annotations = {key: text for key, text in before.items() if key != OVER_CAPACITY}
    if over:
        annotations[OVER_CAPACITY] = "truncated"
    if existing is None:
        metadata = {"name": meta.name(service), "labels": labels, "annotations": annotations}
        return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}
    same = (existing.get("subsets") or []) == subsets and meta.labels(existing) == labels
    if same and annotations == before:
        return None
    metadata = {**existing["metadata"], "labels": labels, "annotations": annotations}
    return {**existing, "metadata": metadata, "subsets": subsets}


def _labels(service: Object) -> dict[str, str]:
    made = {**meta.labels(service), MANAGED_BY: MANAGER}
    made.pop(services.HEADLESS_LABEL, None)
    if services.is_headless(service):
        made[services.HEADLESS_LABEL] = ""
    return made


def subsets_of(service: Object, behind: Iterable[Object]) -> list[Object]:
    """Addresses grouped by their ports, ready and not, in the order of addresses."""
    groups: dict[bytes, Object] = {}
    family = (service["spec"].get("ipFamilies") or ("IPv4",))[0]
    published = services.publishes_all(service)
    found = [
        (at[0], meta.uid(pod), pod) for pod in behind if (at := _address(service, pod, family))
    ]
    for address, _, pod in sorted(found, key=lambda each: each[:2]):
        listed = [_port(*port) for port in services.ports(pod, service)]
        if not listed and (service["spec"].get("ports") or not services.is_headless(service)):
            continue
        group = groups.setdefault(codec.encode_json(listed), {})
        key = "addresses" if published or pods.is_ready(pod) else "notReadyAddresses"
        group.setdefault(key, []).append(_endpoint(service, pod, address))
    subsets = []
    for text, group in sorted(groups.items()):
        ports = codec.decode_json(text)
        subsets.append({**group, **({"ports": ports} if ports else {})})
    return subsets


def truncate(subsets: list[Object]) -> bool:
    """Cut down to what an Endpoints object may hold: ready addresses before others, of each
    subset in proportion. Changes the subsets; whether there was anything to cut."""
    ready = sum(len(subset.get("addresses") or ()) for subset in subsets)
    others = sum(len(subset.get("notReadyAddresses") or ()) for subset in subsets)
    if ready + others <= ADDRESSES_MAX:
        return False
    if ready > ADDRESSES_MAX:
        for subset in subsets:
            subset.pop("notReadyAddresses", None)
        _cut(subsets, "addresses", ready, ADDRESSES_MAX)
    else:
        _cut(subsets, "notReadyAddresses", others, ADDRESSES_MAX - ready)
    # One that lost all its addresses would be no valid subset.
    subsets[:] = [s for s in subsets if s.get("addresses") or s.get("notReadyAddresses")]
    return True


def _cut(subsets: Iterable[Object], key: str, total: int, most: int) -> None:
    """Shares are rounded up, so that the last subset may get less than its own."""
    left = most
    for subset in subsets:
        if addresses := subset.pop(key, None):
            count = min(left, math.ceil(len(addresses) / total * most))
            left -= min(count, len(addresses))
            if count:
                subset[key] = addresses[:count]


def _address(service: Object, pod: Object, family: str) -> list[str]:
    if not services.is_behind(pod):
        return []
    if meta.is_being_deleted(pod) and not services.publishes_all(service):
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

# SPDX-License-Identifier: Apache-2.0
"""Which Pods stand behind a Service, at which addresses and ports.

Mirrors upstream's `staging/src/k8s.io/endpointslice/util`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer
from pyk8s.client.informer import SharedInformer
from pyk8s.client.store import Key
from pyk8s.controllers import pods

HEADLESS_LABEL = "service.kubernetes.io/headless"

_FAMILIES = {4: "IPv4", 6: "IPv6"}


def has_selector(service: Object) -> bool:
    """Without one, somebody else says where it leads."""
    return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"


def selector(service: Object) -> labels.Selector:
    return labels.from_set(service["spec"]["selector"])


def is_headless(service: Object) -> bool:
    return service["spec"].get("clusterIP") in (None, "", "None")


def publishes_all(service: Object) -> bool:
    """Addresses of pods that are not ready, and of such as are on their way out, as well."""
    return bool(service["spec"].get("publishNotReadyAddresses"))


def addresses(pod: Object, family: str) -> list[str]:
    """Of IPv4 or IPv6, as the pod's status has them."""
    status = pod.get("status") or {}
    listed = [entry.get("ip") for entry in status.get("podIPs") or ()] or [status.get("podIP")]
    parsed = [ipaddress.ip_address(text) for text in listed if text]
    return [str(address) for address in parsed if _FAMILIES[address.version] == family]


def is_behind(pod: Object) -> bool:
    """It has an address and has not finished; it may be on its way out."""
    status = pod.get("status") or {}
    return not pods.is_finished(pod) and bool(status.get("podIP") or status.get("podIPs"))


def hostname(pod: Object, service: Object) -> str:
    """Under which name in the Service's domain the pod wants to be found; mostly none."""
    spec = pod["spec"]
    named = spec.get("hostname") and spec.get("subdomain") == meta.name(service)
    return spec["hostname"] if named else ""


def ports(pod: Object, service: Object) -> Iterator[tuple[dict[str, Any], int]]:
    """The Service's ports and what number each has at this pod; one whose name the pod does not
    know is left out."""
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort")
        number = target if isinstance(target, int) else _named_port(pod, target, port)
        if number is not None:
            yield port, number


def _named_port(pod: Object, name: str | None, port: dict[str, Any]) -> int | None:
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for found in container.get("ports") or ():
            same_protocol = found.get("protocol", "TCP") == port.get("protocol", "TCP")
            if found.get("name") == name and same_protocol:
                return int(found["containerPort"])
    return None


def follow_pods(
    pod_informer: SharedInformer, service_informer: SharedInformer, add: Callable[[Key], None]
) -> None:
    """Add the key of every Service whose endpoints a changed pod may change."""

    def behind(pod: Object) -> set[Key]:
        return {
            meta.namespaced_name(service)
            for service in service_informer.lister.list(meta.namespace(pod))
            if has_selector(service) and selector(service).matches(meta.labels(pod))
        }

    def changed(pod: Object) -> None:
        for key in behind(pod):
            add(key)

    def updated(before: Object, pod: Object) -> None:
        moved = meta.labels(before) != meta.labels(pod)
        if _seen_in_endpoints(before) != _seen_in_endpoints(pod):
            for key in behind(pod) | (behind(before) if moved else set()):
                add(key)
        elif moved:
            for key in behind(pod) ^ behind(before):
                add(key)

    pod_informer.add_event_handler(
        informer.Handler(
            on_add=lambda pod, _: changed(pod),
            on_update=updated,
            on_delete=lambda deleted: changed(informer.last_known(deleted)),
        )
    )


def _seen_in_endpoints(pod: Object) -> tuple[object, ...]:
    """What endpoints show of a pod and is not fixed from the beginning."""
    status = pod.get("status") or {}
    return (
        pod["metadata"].get("deletionTimestamp"),
        pods.is_ready(pod),
        pods.is_finished(pod),
        status.get("podIP"),
        status.get("podIPs"),
        pod["spec"].get("nodeName"),
    )

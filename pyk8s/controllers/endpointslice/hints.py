# SPDX-License-Identifier: Apache-2.0
"""Whom an endpoint is meant for: near clients, by the Service's trafficDistribution.

Mirrors upstream's `staging/src/k8s.io/endpointslice/trafficdist`. Only endpoints that are ready
get hints; a slice that has the right ones is not written.
"""

from __future__ import annotations

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.endpointslice.changes import Changes

_NEAR = ("PreferClose", "PreferSameZone", "PreferSameNode")
# The older one comes first, as upstream has it.
_TOPOLOGY_ANNOTATIONS = (
    "service.kubernetes.io/topology-aware-hints",
    "service.kubernetes.io/topology-mode",
)


def wants_topology(service: Object) -> bool:
    """By annotation; that comes before trafficDistribution."""
    annotations = meta.annotations(service)
    for name in _TOPOLOGY_ANNOTATIONS:
        if name in annotations:
            return annotations[name] in ("Auto", "auto")
    return False


def distribute(service: Object, made: Changes) -> None:
    """Give the hints that trafficDistribution asks for, or take all away."""
    wanted = service["spec"].get("trafficDistribution")
    if wanted in _NEAR:
        _prefer_close(made, by_node=wanted == "PreferSameNode")
    else:
        clear(made)


def clear(made: Changes) -> None:
    for each in [*made.unchanged]:
        if any(endpoint.get("hints") for endpoint in each.get("endpoints") or ()):
            made.to_write(each)
    for each in made.written():
        for endpoint in each["endpoints"]:
            endpoint.pop("hints", None)


def is_ready(endpoint: Object) -> bool:
    return bool((endpoint.get("conditions") or {}).get("ready"))


def give(endpoint: Object, hints: Object | None) -> None:
    if hints is None:
        endpoint.pop("hints", None)
    else:
        endpoint["hints"] = hints


def _prefer_close(made: Changes, *, by_node: bool) -> None:
    for each in [*made.unchanged]:
        ready = filter(is_ready, each.get("endpoints") or ())
        if any((endpoint.get("hints") or None) != _near(endpoint, by_node) for endpoint in ready):
            made.to_write(each)
    for each in made.written():
        for endpoint in filter(is_ready, each["endpoints"]):
            give(endpoint, _near(endpoint, by_node))


def _near(endpoint: Object, by_node: bool) -> Object | None:
    hints: Object = {}
    if zone := endpoint.get("zone"):
        hints["forZones"] = [{"name": zone}]
    if by_node and (node := endpoint.get("nodeName")):
        hints["forNodes"] = [{"name": node}]
    return hints or None

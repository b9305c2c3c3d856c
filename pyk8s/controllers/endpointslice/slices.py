# SPDX-License-Identifier: Apache-2.0
"""Which slices a Service is to have, given those it has: as few writes as do, no I/O.

Mirrors upstream's `staging/src/k8s.io/endpointslice/{reconciler,utils}.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import codec, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods, services

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"

_RESERVED = (SERVICE_NAME, MANAGED_BY, services.HEADLESS_LABEL)

# A slice is for one family and one set of ports: the family, and the ports as JSON.
_Group = tuple[str, bytes]


@dataclass(slots=True)
class Changes:
    """What has to be written, in slices of at most `most` endpoints."""

    most: int
    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def changes(
    service: Object,
    behind: Iterable[Object],
    existing: Sequence[Object],
    zones: Mapping[str, str],
    most: int,
) -> Changes:
    """`behind` are the pods the selector finds, `zones` those of nodes by name, `most` the
    endpoints that a slice may have. What is in `existing` is not changed."""
    wanted = _wanted(service, behind, zones)
    grouped: dict[_Group, list[Object]] = {}
    for each in existing:
        group = (each.get("addressType") or "", codec.encode_json(each.get("ports") or []))
        grouped.setdefault(group, []).append(each)
    made = Changes(most)
    for group in {**wanted, **grouped}:
        _arrange(service, group, wanted.get(group, {}), grouped.get(group, []), made)
    _keep_one_per_family(service, wanted, existing, made)
    return made


def _wanted(
    service: Object, behind: Iterable[Object], zones: Mapping[str, str]
) -> dict[_Group, dict[str, Object]]:
    """Endpoints by uid of their pod."""
    found: dict[_Group, dict[str, Object]] = {}
    for pod in behind:
        if not services.is_behind(pod):
            continue
        listed = codec.encode_json([_port(*port) for port in services.ports(pod, service)])
        for family in service["spec"].get("ipFamilies") or ("IPv4",):
            if at := services.addresses(pod, family):
                group = found.setdefault((family, listed), {})
                group[meta.uid(pod)] = _endpoint(service, pod, at, zones)
    return found


def _port(port: Mapping[str, Any], number: int) -> Object:
    made = {
        "name": port.get("name") or "",
        "port": number,
        "protocol": port.get("protocol") or "TCP",
    }
    return {**made, "appProtocol": port["appProtocol"]} if port.get("appProtocol") else made


def _endpoint(service: Object, pod: Object, at: list[str], zones: Mapping[str, str]) -> Object:
    serving, terminating = pods.is_ready(pod), meta.is_being_deleted(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    made: Object = {
        "addresses": at,
        "conditions": {
            "ready": published or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": meta.namespace(pod),
            "name": meta.name(pod),
            "uid": meta.uid(pod),
        },
    }
    if name := services.hostname(pod, service):
        made["hostname"] = name
    if node := pod["spec"].get("nodeName"):
        made["nodeName"] = node
        if zone := zones.get(node):
            made["zone"] = zone
    return made


def _arrange(
    service: Object,
    group: _Group,
    wanted: Mapping[str, Object],
    existing: Sequence[Object],
    made: Changes,
) -> None:
    """Every slice keeps what is still wanted of its own; what is new goes where there is room,
    into slices that are written anyway before others."""
    missing = dict(wanted)
    kept: list[tuple[Object, list[Object]]] = []
    for each in existing:
        uids = [_uid(endpoint) for endpoint in each.get("endpoints") or ()]
        mine = [uid for uid in uids if uid in missing][: made.most]
        kept.append((each, [missing.pop(uid) for uid in mine]))
    rest = list(missing.values())
    kept.sort(key=lambda pair: pair[1] == (pair[0].get("endpoints") or []))
    for each, endpoints in kept:
        if not endpoints and not rest:
            made.delete.append(each)
            continue
        room = max(0, made.most - len(endpoints))
        filled, rest = [*endpoints, *rest[:room]], rest[room:]
        labels = _labels(service)
        if filled != (each.get("endpoints") or []) or labels != meta.labels(each):
            metadata = {**each["metadata"], "labels": labels}
            made.update.append({**each, "metadata": metadata, "endpoints": filled})
    for start in range(0, len(rest), made.most):
        made.create.append(_new(service, group, rest[start : start + made.most]))


def _keep_one_per_family(
    service: Object, wanted: Mapping[_Group, object], existing: Sequence[Object], made: Changes
) -> None:
    """A Service without pods has an empty slice, so that all can see it was looked at."""
    for family in service["spec"].get("ipFamilies") or ("IPv4",):
        if any(group[0] == family for group in wanted):
            continue
        empty = (family, codec.encode_json([]))
        spared = next((each for each in made.delete if each.get("addressType") == family), None)
        if spared is None:
            if not any(each.get("addressType") == family for each in existing):
                made.create.append(_new(service, empty, []))
            continue
        made.delete.remove(spared)
        labels = _labels(service)
        if spared.get("endpoints") or spared.get("ports") or labels != meta.labels(spared):
            metadata = {**spared["metadata"], "labels": labels}
            bare = {**spared, "metadata": metadata, "endpoints": [], "ports": []}
            made.update.append(bare)


def _uid(endpoint: Object) -> str:
    return (endpoint.get("targetRef") or {}).get("uid") or ""


def _labels(service: Object) -> dict[str, str]:
    made = {key: text for key, text in meta.labels(service).items() if key not in _RESERVED}
    if services.is_headless(service):
        made[services.HEADLESS_LABEL] = ""
    made[SERVICE_NAME] = meta.name(service)
    made[MANAGED_BY] = MANAGER
    return made


def _new(service: Object, group: _Group, endpoints: list[Object]) -> Object:
    family, listed = group
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{meta.name(service)}-",
            "namespace": meta.namespace(service),
            "labels": _labels(service),
            "ownerReferences": [meta.controller_reference(service)],
        },
        "addressType": family,
        "ports": codec.decode_json(listed),
        "endpoints": endpoints,
    }

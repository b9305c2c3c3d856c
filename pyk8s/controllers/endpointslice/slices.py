# SPDX-License-Identifier: Apache-2.0
"""Which slices a Service is to have, given those it has: as few writes as do, no I/O.

    pods -> endpoints by ports -> slices that are kept, filled, made, given up -> hints

Mirrors upstream's `staging/src/k8s.io/endpointslice/{reconciler,utils}.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import codec, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods, services
from pyk8s.controllers.endpointslice.changes import Changes
from pyk8s.controllers.endpointslice.packing import Packing

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"

_RESERVED = (SERVICE_NAME, MANAGED_BY, services.HEADLESS_LABEL)


@dataclass(slots=True)
class _Group:
    """Endpoints, by uid of their pod, that have these ports."""

    ports: list[Object]
    endpoints: dict[str, Object] = field(default_factory=dict)


def families(service: Object) -> Sequence[str]:
    found: Sequence[str] = service["spec"].get("ipFamilies") or ("IPv4",)
    return found


def node_is_missing(service: Object, pod: Object, zones: Mapping[str, str]) -> bool:
    """Such a pod leads nowhere, unless the Service wants every address."""
    node = pod["spec"].get("nodeName")
    return bool(node) and node not in zones and not services.publishes_all(service)


def changes(
    service: Object,
    behind: Sequence[Object],
    existing: Sequence[Object],
    zones: Mapping[str, str],
    most: int,
) -> dict[str, Changes]:
    """What to write for each address family, without hints. `behind` are the pods the selector
    finds, `zones` those of nodes by name, `most` the endpoints that a slice may have. What is in
    `existing` is not changed."""
    standing = [each for each in existing if not meta.is_being_deleted(each)]
    made: dict[str, Changes] = {}
    for family in families(service):
        mine = [each for each in standing if each.get("addressType") == family]
        groups = _wanted(service, behind, zones, family)
        made[family] = _changes_of_family(service, family, groups, mine, most)
    strange = [each for each in standing if each.get("addressType") not in made]
    if strange:
        next(iter(made.values())).delete += strange
    return made


def _changes_of_family(
    service: Object,
    family: str,
    wanted: Mapping[bytes, _Group],
    existing: Sequence[Object],
    most: int,
) -> Changes:
    made = Changes()
    owned: dict[bytes, list[Object]] = {}
    for each in existing:
        # One of an older Service with this name is the garbage collector's as well.
        if _is_owned(each, service):
            owned.setdefault(_key(each.get("ports") or []), []).append(each)
        else:
            made.delete.append(each)
    for key, group in wanted.items():
        template = new_slice(service, family, group.ports)
        Packing(template, most).arrange(group.endpoints, owned.pop(key, []), made)
    for unwanted in owned.values():
        made.delete += unwanted
    if len(made.delete) == len(existing) and not made.create:
        _leave_one(new_slice(service, family, []), made)
    _write_over(service, made)
    return made


def _leave_one(placeholder: Object, made: Changes) -> None:
    """A Service without pods has an empty slice, so that all can see it was looked at."""
    if len(made.delete) == 1 and _is_placeholder(made.delete[0], placeholder):
        made.unchanged.append(made.delete.pop())
    else:
        made.create.append(placeholder)


def _is_placeholder(each: Object, placeholder: Object) -> bool:
    return (
        not each.get("endpoints")
        and not each.get("ports")
        and meta.labels(each) == meta.labels(placeholder)
        and _has_owner(each, placeholder["metadata"]["ownerReferences"][0])
    )


def _write_over(service: Object, made: Changes) -> None:
    """Slices to be made take the places of such as would be deleted: one write for two."""
    for old in [*made.delete]:
        if not made.create:
            return
        if _is_owned(old, service):
            made.delete.remove(old)
            new = made.create.pop()
            metadata = {**old["metadata"], "labels": new["metadata"]["labels"]}
            made.update.append({**new, "metadata": metadata})


# --- what is wanted


def _wanted(
    service: Object, behind: Iterable[Object], zones: Mapping[str, str], family: str
) -> dict[bytes, _Group]:
    found: dict[bytes, _Group] = {}
    for pod in behind:
        if not services.is_behind(pod) or node_is_missing(service, pod, zones):
            continue
        ports = [_port(*port) for port in services.ports(pod, service)]
        group = found.setdefault(_key(ports), _Group(ports))
        if at := services.addresses(pod, family):
            group.endpoints[meta.uid(pod)] = _endpoint(service, pod, at, zones)
    return found


def _key(ports: Iterable[Object]) -> bytes:
    """The same for the same ports in any order."""
    return b",".join(sorted(codec.encode_json(dict(sorted(port.items()))) for port in ports))


def _port(port: Mapping[str, Any], number: int) -> Object:
    made = {
        "name": port.get("name") or "",
        "port": number,
        "protocol": port.get("protocol") or "TCP",
    }
    return {**made, "appProtocol": port["appProtocol"]} if port.get("appProtocol") else made


def _endpoint(service: Object, pod: Object, at: list[str], zones: Mapping[str, str]) -> Object:
    serving, terminating = pods.is_ready(pod), meta.is_being_deleted(pod)
    made: Object = {
        "addresses": at,
        "conditions": {
            "ready": services.publishes_all(service) or (serving and not terminating),
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


# --- slices


def _is_owned(each: Object, service: Object) -> bool:
    return _has_owner(each, meta.controller_reference(service))


def _has_owner(each: Object, owner: Mapping[str, Any]) -> bool:
    identity = ("apiVersion", "kind", "uid")
    return any(
        all(reference.get(key) == owner[key] for key in identity)
        for reference in each["metadata"].get("ownerReferences") or ()
    )


def _labels(service: Object) -> dict[str, str]:
    made = {key: text for key, text in meta.labels(service).items() if key not in _RESERVED}
    if services.is_headless(service):
        made[services.HEADLESS_LABEL] = ""
    made[SERVICE_NAME] = meta.name(service)
    made[MANAGED_BY] = MANAGER
    return made


def new_slice(service: Object, family: str, ports: list[Object]) -> Object:
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
        "ports": ports,
        "endpoints": [],
    }

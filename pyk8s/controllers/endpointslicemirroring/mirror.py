# SPDX-License-Identifier: Apache-2.0
"""Which slices mirror an Endpoints object, no I/O: one per subset's ports and address family.

Mirrors upstream's `pkg/controller/endpointslicemirroring/{reconciler,utils}.go`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import codec, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.endpointslice.slices import MANAGED_BY, SERVICE_NAME

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"

_NOT_COPIED = (
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
)
_FAMILIES = {4: "IPv4", 6: "IPv6"}

_Group = tuple[str, bytes]


@dataclass(slots=True)
class Mirror:
    """What has to be written, and how many addresses could not be mirrored."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    invalid: int = 0
    skipped: int = 0


def is_mirrored(endpoints: Object, service: Object | None) -> bool:
    """It leads somewhere by somebody's own word, and nobody asked to leave it alone."""
    if service is None or service["spec"].get("selector") is not None:
        return False
    labels, annotations = meta.labels(endpoints), meta.annotations(endpoints)
    return labels.get(SKIP_MIRROR) != "true" and LEADER not in annotations


def mirror(endpoints: Object, existing: Sequence[Object], most: int) -> Mirror:
    """At most `most` addresses of each subset. What is in `existing` is not changed."""
    made = Mirror()
    wanted = _wanted(endpoints, most, made)
    for each in existing:
        group = (each.get("addressType") or "", codec.encode_json(each.get("ports") or []))
        found = wanted.pop(group, None)
        if found is None:
            made.delete.append(each)
            continue
        slice_ = _slice(endpoints, group, [*found.values()])
        metadata = {**each["metadata"], **slice_["metadata"]}
        metadata.pop("generateName", None)
        if not slice_["metadata"].get("annotations"):
            metadata.pop("annotations", None)
        after = {**each, **slice_, "metadata": metadata}
        before = {k: v for k, v in each["metadata"].items() if k != "generateName"}
        if metadata != before or slice_["endpoints"] != (each.get("endpoints") or []):
            made.update.append(after)
    made.create = [_slice(endpoints, group, [*e.values()]) for group, e in wanted.items()]
    return made


def _wanted(endpoints: Object, most: int, made: Mirror) -> dict[_Group, dict[str, Object]]:
    """Endpoints by their address."""
    found: dict[_Group, dict[str, Object]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = codec.encode_json([_port(port) for port in subset.get("ports") or ()])
        listed = [(address, True) for address in subset.get("addresses") or ()]
        listed += [(address, False) for address in subset.get("notReadyAddresses") or ()]
        added = 0
        for address, ready in listed:
            if added >= most:
                made.skipped += 1
                continue
            try:
                parsed = ipaddress.ip_address(address["ip"])
            except ValueError:
                made.invalid += 1
                continue
            group = found.setdefault((_FAMILIES[parsed.version], ports), {})
            group[str(parsed)] = _endpoint(address, str(parsed), ready)
            added += 1
    return found


def _port(port: dict[str, Any]) -> Object:
    made = {
        "name": port.get("name") or "",
        "port": port["port"],
        "protocol": port.get("protocol") or "TCP",
    }
    return {**made, "appProtocol": port["appProtocol"]} if port.get("appProtocol") else made


def _endpoint(address: Object, ip: str, ready: bool) -> Object:
    made: Object = {"addresses": [ip], "conditions": {"ready": ready}}
    kept: Object = {
        key: address[key] for key in ("hostname", "nodeName", "targetRef") if key in address
    }
    return {**made, **kept}


def _slice(endpoints: Object, group: _Group, listed: list[Object]) -> Object:
    family, ports = group
    name = meta.name(endpoints)
    annotations = {k: v for k, v in meta.annotations(endpoints).items() if k not in _NOT_COPIED}
    metadata: Object = {
        "generateName": f"{name}-",
        "namespace": meta.namespace(endpoints),
        "labels": {**meta.labels(endpoints), SERVICE_NAME: name, MANAGED_BY: MANAGER},
        "ownerReferences": [meta.controller_reference(endpoints)],
    }
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": family,
        "ports": codec.decode_json(ports),
        "endpoints": listed,
    }

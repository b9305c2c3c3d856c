# SPDX-License-Identifier: Apache-2.0
"""A pod as the scheduler sees it: what is asked of it again and again, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pyk8s.apimachinery import codec, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import podrequests

# What a container that asks for nothing is taken to use, when nodes are scored (upstream's
# DefaultMilliCPURequest and DefaultMemoryRequest).
_MISSING = {
    "cpu": 100 * podrequests.PER_MILLI,
    "memory": 200 * 1024 * 1024 * podrequests.PER_UNIT,
}
_NON_ZERO = podrequests.Options(missing=_MISSING)
_SIGNED = (
    "affinity",
    "hostNetwork",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "resourceClaims",
    "resources",
    "schedulerName",
    "schedulingGates",
    "tolerations",
    "topologySpreadConstraints",
)
_SIGNED_OF_CONTAINER = ("image", "ports", "resources", "restartPolicy")
# Volumes that bind a pod to no node, and so make no difference between pods.
_PLAIN_VOLUMES = ("configMap", "downwardAPI", "emptyDir", "hostPath", "projected", "secret")


class HostPort(NamedTuple):
    protocol: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True, eq=False)
class PodInfo:
    """`requests` counts cpu in thousandths and all else in whole units; `non_zero` is cpu and
    memory with what is taken for granted. Pods of equal `signature` can be placed alike."""

    pod: Object
    uid: str
    priority: int
    requests: Mapping[str, int]
    non_zero: tuple[int, int]
    ports: tuple[HostPort, ...]
    signature: bytes

    @property
    def key(self) -> tuple[str, str]:
        return meta.namespaced_name(self.pod)


def of(pod: Object) -> PodInfo:
    """Raises QuantityError for requests that are no quantities."""
    spec = pod.get("spec") or {}
    missing = podrequests.scaled(podrequests.requests(pod, _NON_ZERO))
    return PodInfo(
        pod=pod,
        uid=meta.uid(pod),
        priority=spec.get("priority") or 0,
        requests=podrequests.scaled(podrequests.requests(pod)),
        non_zero=(missing.get("cpu", 0), missing.get("memory", 0)),
        ports=tuple(host_ports(spec)),
        signature=_signature(pod, spec),
    )


def updated(before: PodInfo | None, pod: Object) -> PodInfo:
    """The same as `of`, from what is known of the pod; but that of one which has got a node and
    not changed otherwise the signature stays what it was. Raises QuantityError."""
    if before is None or not _asks_alike(before.pod, pod):
        return of(pod)
    if _is_called_alike(before.pod["metadata"], pod["metadata"]):
        return replace(before, pod=pod)
    # Such as by the labels of its node, which a pod gets with it.
    return replace(before, pod=pod, signature=_signature(pod, pod["spec"]))


def _asks_alike(before: Object, pod: Object) -> bool:
    status = pod.get("status") or {}
    if "resize" in status or "containerStatuses" in status or "resources" in status:
        # What containers were given may count for more than what the spec says.
        return False
    known, spec = before["spec"], pod["spec"]
    return all(spec.get(key) == known.get(key) for key in {**spec, **known} if key != "nodeName")


def _is_called_alike(one: Object, other: Object) -> bool:
    return all(one.get(key) == other.get(key) for key in ("uid", "labels", "ownerReferences"))


def host_ports(spec: Mapping[str, Any]) -> list[HostPort]:
    """The ports of the node that a pod with this spec takes."""
    restartable = [c for c in spec.get("initContainers") or () if podrequests.is_restartable(c)]
    return [
        HostPort(port.get("protocol") or "TCP", port.get("hostIP") or "0.0.0.0", port["hostPort"])
        for container in (*restartable, *(spec.get("containers") or ()))
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def _signature(pod: Object, spec: Mapping[str, Any]) -> bytes:
    metadata = meta.of(pod)
    parts: dict[str, Any] = {key: spec[key] for key in _SIGNED if spec.get(key)}
    for kind in ("initContainers", "containers"):
        parts[kind] = [
            {key: each[key] for key in _SIGNED_OF_CONTAINER if each.get(key)}
            for each in spec.get(kind) or ()
        ]
    placed = [
        volume
        for volume in spec.get("volumes") or ()
        if not any(kind in volume for kind in _PLAIN_VOLUMES)
    ]
    if placed:
        # What such a volume allows may follow from the pod's own name and from other objects.
        parts["volumes"] = [placed, metadata.get("uid")]
    status = pod.get("status") or {}
    if "resize" in status or status.get("containerStatuses"):
        parts["status"] = metadata.get("uid")
    parts["own"] = [metadata.get("namespace"), sorted((metadata.get("labels") or {}).items())]
    if (owner := meta.controller_of(pod)) is not None:
        # Default constraints spread what one owner selects.
        parts["owner"] = [owner["kind"], owner["name"]]
    return codec.encode_json(parts)

# SPDX-License-Identifier: Apache-2.0
"""Whether a node takes a Pod that was bound to it: no I/O.

Mirrors `pkg/kubelet/lifecycle/predicate.go` and the scheduler's AdmissionCheck that it runs:
resources, node affinity, host ports, NoExecute taints, the operating system. Extended resources
that the node does not have are not held against the Pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import nodeaffinity, podrequests, taints

_OS_LABEL = "kubernetes.io/os"
_NATIVE = ("cpu", "memory", "ephemeral-storage")
_EVERY_IP = "0.0.0.0"


class Port(NamedTuple):
    protocol: str
    host_ip: str
    number: int


@dataclass(frozen=True, slots=True)
class Claims:
    """What one Pod takes of its node: cpu in thousandths, all else in whole units."""

    requests: Mapping[str, int] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()


class Rejection(NamedTuple):
    """`depends_on_node` is true where a newer state of the Node may say otherwise."""

    reason: str
    message: str
    depends_on_node: bool = False


def claims_of(pod: Object) -> Claims:
    spec = pod["spec"]
    requests = podrequests.scaled(podrequests.requests(pod))
    return Claims(requests, tuple(_ports(spec)))


def _ports(spec: Mapping[str, Any]) -> Iterator[Port]:
    sidecars = [c for c in spec.get("initContainers") or () if podrequests.is_restartable(c)]
    for container in (*sidecars, *spec["containers"]):
        for port in container.get("ports") or ():
            if number := port.get("hostPort"):
                protocol = port.get("protocol") or "TCP"
                yield Port(protocol, port.get("hostIP") or _EVERY_IP, number)


def reject(pod: Object, own: Claims, node: Object, others: Iterable[Claims]) -> Rejection | None:
    """The first thing that speaks against it; None for a Pod that may run. `others` are the
    claims of the Pods that run on the node."""
    spec = pod["spec"]
    if meta.labels(pod).get(_OS_LABEL, "linux") != "linux":
        return Rejection(
            "PodOSSelectorNodeLabelDoesNotMatch",
            "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
        )
    if (spec.get("os") or {}).get("name", "linux") != "linux":
        message = "Failed to admit pod as the OS field doesn't match node OS"
        return Rejection("PodOSNotSupported", message)
    others = list(others)
    return _lacks_resource(own, node, others) or _mismatch(spec, own, node, others)


def _lacks_resource(own: Claims, node: Object, others: list[Claims]) -> Rejection | None:
    listed = (node.get("status") or {}).get("allocatable")
    there = podrequests.scaled(podrequests.of_list(listed))
    if len(others) + 1 > there.get("pods", 0):
        return _out_of("pods", 1, len(others), there.get("pods", 0))
    for name, requested in own.requests.items():
        if not requested or (name not in there and name not in _NATIVE):
            continue
        used = sum(claims.requests.get(name, 0) for claims in others)
        if requested > there.get(name, 0) - used:
            return _out_of(name, requested, used, there.get(name, 0))
    return None


def _out_of(name: str, requested: int, used: int, capacity: int) -> Rejection:
    return Rejection(
        f"OutOf{name}",
        f"Node didn't have enough resource: {name}, "
        f"requested: {requested}, used: {used}, capacity: {capacity}",
    )


def _mismatch(
    spec: Mapping[str, Any], own: Claims, node: Object, others: list[Claims]
) -> Rejection | None:
    if not nodeaffinity.RequiredNodeAffinity(spec).matches(node):
        return _predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector", True)
    taken = [port for claims in others for port in claims.ports]
    if any(_clash(port, other) for port in own.ports for other in taken):
        text = "node(s) didn't have free ports for the requested pod ports"
        return _predicate("NodePorts", text, False)
    found = taints.find_untolerated(
        (node.get("spec") or {}).get("taints") or (), spec.get("tolerations") or (), ("NoExecute",)
    )
    if found is not None:
        text = "node(s) had taints that the pod didn't tolerate"
        return _predicate("TaintToleration", text, True)
    return None


def _clash(port: Port, other: Port) -> bool:
    same = (port.protocol, port.number) == (other.protocol, other.number)
    return same and (port.host_ip == other.host_ip or _EVERY_IP in (port.host_ip, other.host_ip))


def _predicate(name: str, text: str, depends_on_node: bool) -> Rejection:
    return Rejection(name, f"Predicate {name} failed: {text}", depends_on_node)

# SPDX-License-Identifier: Apache-2.0
"""Queueing hints: whether a change may let a pod pass that a plugin rejected.

As `isSchedulableAfter…` of upstream's plugins. A hint may say yes too often, which costs an
attempt; one that says no to what would help leaves the pod where it is for up to five minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import nodeaffinity, podrequests, taints, volumes
from pyk8s.scheduler.framework import clusterevents as ce
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.clusterevents import (
    ActionType,
    ClusterEvent,
    ClusterEventWithHint,
    Hint,
)
from pyk8s.scheduler.framework.podinfo import HostPort, PodInfo

Registered = Sequence[ClusterEventWithHint]

UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": taints.NO_SCHEDULE}


def on(resource: str, action: ActionType, hint: Hint | None = None) -> ClusterEventWithHint:
    return ClusterEventWithHint(ClusterEvent(resource, action), hint)


def _tolerations(pod: PodInfo) -> Sequence[Any]:
    return pod.pod["spec"].get("tolerations") or ()


# --- nodes by themselves


def node_is_schedulable(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
    return new is not None and not (new.get("spec") or {}).get("unschedulable")


def tolerates_unschedulable(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
    return taints.is_tolerated(UNSCHEDULABLE_TAINT, _tolerations(pod))


def taints_are_tolerated(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
    """Now, and not before."""

    def untolerated(node: Object | None) -> bool:
        spec = (node or {}).get("spec") or {}
        written = spec.get("taints") or ()
        return node is None or taints.find_untolerated(written, _tolerations(pod)) is not None

    return untolerated(old) and not untolerated(new)


def node_affinity(added: nodeaffinity.RequiredNodeAffinity) -> Registered:
    """A node that the pod's affinity and `added` name now, and not before."""

    def matches(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
        required = nodeaffinity.RequiredNodeAffinity(pod.pod["spec"])

        def is_meant(node: Object | None) -> bool:
            return node is not None and required.matches(node) and added.matches(node)

        return is_meant(new) and not is_meant(old)

    return (on(ce.NODE, ce.ADD | ActionType.UPDATE_NODE_LABEL, matches),)


def ports_conflict(one: HostPort, other: HostPort) -> bool:
    if (one.protocol, one.port) != (other.protocol, other.port):
        return False
    return one.ip == other.ip or "0.0.0.0" in (one.ip, other.ip)


def port_became_free(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
    if old is None:
        return False
    freed = podinfo.host_ports(old["spec"])
    return any(ports_conflict(one, wanted) for one in freed for wanted in pod.ports)


def node_resources_fit(ignores: Callable[[str], bool]) -> Registered:
    """`ignores` says of a resource that what is asked for of it does not matter."""

    def wanted(pod: PodInfo) -> dict[str, int]:
        return {name: n for name, n in pod.requests.items() if n and not ignores(name)}

    def node_has_room(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
        """If it were empty; and where it was known before, it has more of what is wanted."""
        if new is None:
            return False
        now, asked = _allocatable(new), {"pods": 1, **wanted(pod)}
        if any(now.get(name, 0) < amount for name, amount in asked.items()):
            return False
        before = {} if old is None else _allocatable(old)
        return any(now.get(name, 0) > before.get(name, 0) for name in asked)

    def became_free(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
        """By a pod that went, which gives its place back; or by one that asks for less than before
        of something that is wanted."""
        if old is None:
            return False
        if new is None:
            return True
        before, now = podinfo.of(old).requests, podinfo.of(new).requests
        return any(before.get(name, 0) > now.get(name, 0) for name in wanted(pod))

    return (
        on(ce.ASSIGNED_POD, ce.DELETE | ActionType.UPDATE_POD_SCALE_DOWN, became_free),
        on(ce.UNSCHEDULED_POD, ActionType.UPDATE_POD_SCALE_DOWN),
        on(ce.NODE, ce.ADD | ActionType.UPDATE_NODE_ALLOCATABLE, node_has_room),
    )


def _allocatable(node: Object) -> dict[str, int]:
    amounts = (node.get("status") or {}).get("allocatable") or {}
    return podrequests.scaled(podrequests.of_list(amounts))


# --- volumes


def is_own_claim(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
    claim = new or old or {}
    if meta.namespace(claim) != meta.namespace(pod.pod):
        return False
    return meta.name(claim) in volumes.claim_names(pod.pod)


def had_volumes(pod: PodInfo, old: Object | None, new: Object | None) -> bool:
    return old is not None and bool(old["spec"].get("volumes"))


NODE_NAME: Registered = (on(ce.NODE, ce.ADD),)
NODE_UNSCHEDULABLE: Registered = (
    on(ce.NODE, ce.ADD | ActionType.UPDATE_NODE_TAINT, node_is_schedulable),
    on(ce.UNSCHEDULED_POD, ActionType.UPDATE_POD_TOLERATION, tolerates_unschedulable),
)
TAINT_TOLERATION: Registered = (
    on(ce.NODE, ce.ADD | ActionType.UPDATE_NODE_TAINT, taints_are_tolerated),
    on(ce.UNSCHEDULED_POD, ActionType.UPDATE_POD_TOLERATION),
)
NODE_PORTS: Registered = (
    on(ce.ASSIGNED_POD, ce.DELETE, port_became_free),
    on(ce.NODE, ce.ADD),
)
SCHEDULING_GATES: Registered = (
    on(ce.UNSCHEDULED_POD, ActionType.UPDATE_POD_SCHEDULING_GATES_ELIMINATED),
)
VOLUME_BINDING: Registered = (
    on(ce.STORAGE_CLASS, ce.ADD | ce.UPDATE),
    on(ce.PERSISTENT_VOLUME_CLAIM, ce.ADD | ce.UPDATE, is_own_claim),
    on(ce.PERSISTENT_VOLUME, ce.ADD | ce.UPDATE),
    on(ce.NODE, ce.ADD | ActionType.UPDATE_NODE_LABEL),
    on(ce.CSI_NODE, ce.ADD | ce.UPDATE),
    on(ce.CSI_DRIVER, ce.UPDATE),
    on(ce.CSI_STORAGE_CAPACITY, ce.ADD | ce.UPDATE),
)
VOLUME_ZONE: Registered = (
    on(ce.STORAGE_CLASS, ce.ADD),
    on(ce.NODE, ce.ADD | ActionType.UPDATE_NODE_LABEL),
    on(ce.PERSISTENT_VOLUME_CLAIM, ce.ADD | ce.UPDATE, is_own_claim),
    on(ce.PERSISTENT_VOLUME, ce.ADD | ce.UPDATE),
)
VOLUME_RESTRICTIONS: Registered = (
    on(ce.ASSIGNED_POD, ce.DELETE, had_volumes),
    on(ce.NODE, ce.ADD),
    on(ce.PERSISTENT_VOLUME_CLAIM, ce.ADD | ce.UPDATE, is_own_claim),
)
NODE_VOLUME_LIMITS: Registered = (
    on(ce.CSI_NODE, ce.ADD | ce.UPDATE),
    on(ce.NODE, ce.ADD),
    on(ce.ASSIGNED_POD, ce.DELETE, had_volumes),
    on(ce.PERSISTENT_VOLUME_CLAIM, ce.ADD, is_own_claim),
)

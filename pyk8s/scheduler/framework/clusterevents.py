# SPDX-License-Identifier: Apache-2.0
"""What changed in the cluster, as far as it may let a pod pass that was rejected.

    a watch's old and new object -> ClusterEvents -> those that a plugin registered -> its hint

Mirrors ClusterEvent, ActionType and QueueingHintFn of `kube-scheduler/framework/types.go`, and
`pkg/scheduler/framework/events.go`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler.framework.podinfo import PodInfo


class ActionType(enum.IntFlag):
    """Names are upstream's, and stand in its metrics."""

    ADD = 1
    DELETE = enum.auto()
    UPDATE_NODE_ALLOCATABLE = enum.auto()
    UPDATE_NODE_LABEL = enum.auto()
    UPDATE_NODE_TAINT = enum.auto()
    UPDATE_NODE_CONDITION = enum.auto()
    UPDATE_NODE_ANNOTATION = enum.auto()
    UPDATE_POD_LABEL = enum.auto()
    UPDATE_POD_SCALE_DOWN = enum.auto()
    UPDATE_POD_TOLERATION = enum.auto()
    UPDATE_POD_SCHEDULING_GATES_ELIMINATED = enum.auto()
    UPDATE_POD_GENERATED_RESOURCE_CLAIM = enum.auto()
    UPDATE = (
        UPDATE_NODE_ALLOCATABLE
        | UPDATE_NODE_LABEL
        | UPDATE_NODE_TAINT
        | UPDATE_NODE_CONDITION
        | UPDATE_NODE_ANNOTATION
        | UPDATE_POD_LABEL
        | UPDATE_POD_SCALE_DOWN
        | UPDATE_POD_TOLERATION
        | UPDATE_POD_SCHEDULING_GATES_ELIMINATED
        | UPDATE_POD_GENERATED_RESOURCE_CLAIM
    )
    ALL = ADD | DELETE | UPDATE


ADD, DELETE, UPDATE, ALL = ActionType.ADD, ActionType.DELETE, ActionType.UPDATE, ActionType.ALL

# An event concerns pods that have a node, or one that waits for one. POD registers for both.
POD, ASSIGNED_POD, UNSCHEDULED_POD = "Pod", "AssignedPod", "UnscheduledPod"
NODE = "Node"
NAMESPACE = "Namespace"
PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM = "PersistentVolume", "PersistentVolumeClaim"
CSI_NODE, CSI_DRIVER = "storage.k8s.io/CSINode", "storage.k8s.io/CSIDriver"
CSI_STORAGE_CAPACITY = "storage.k8s.io/CSIStorageCapacity"
STORAGE_CLASS = "storage.k8s.io/StorageClass"
WILDCARD = "*"


def _name(action: ActionType) -> str:
    return "".join(word.capitalize() for word in (action.name or "").split("_"))


_NAMES = {action: _name(action) for action in (*ActionType, UPDATE, ALL)}


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """`label` is what metrics call it; made of resource and action where it is empty."""

    resource: str
    action: ActionType
    label: str = ""

    def __str__(self) -> str:
        return self.label or f"{self.resource}{_NAMES[self.action]}"

    def covers(self, happened: ClusterEvent) -> bool:
        """Whether one who registered for this is told of `happened`: of what is the same or more
        specific. Only a wildcard is told of a wildcard."""
        if self.resource == WILDCARD and self.action == ALL:
            return True
        same = self.resource in (WILDCARD, happened.resource) or (
            self.resource == POD and happened.resource in (ASSIGNED_POD, UNSCHEDULED_POD)
        )
        return same and happened.action & self.action == happened.action


# Old is None for what was added, new for what was deleted.
Hint = Callable[[PodInfo, Object | None, Object | None], bool]


@dataclass(frozen=True, slots=True)
class ClusterEventWithHint:
    """`hint(pod, old, new)` says whether the event may let the pod pass; None: it always may. It
    must answer alike for pods of one signature, for it is asked once for all of them; one that
    follows from who the pod is registers for UNSCHEDULED_POD, which is asked of that pod alone."""

    event: ClusterEvent
    hint: Hint | None = None


@runtime_checkable
class EnqueueExtensions(Protocol):
    def events_to_register(self) -> Sequence[ClusterEventWithHint | ClusterEvent]:
        """The events after which the plugin may let a pod pass that it rejected; one without a
        hint always may. A plugin without this method is taken to want all."""
        ...


# By profile, by plugin.
HintMap = Mapping[str, Mapping[str, Sequence[ClusterEventWithHint]]]

ASSIGNED_POD_ADD = ClusterEvent(ASSIGNED_POD, ADD)
ASSIGNED_POD_DELETE = ClusterEvent(ASSIGNED_POD, DELETE)
UNSCHEDULED_POD_ADD = ClusterEvent(UNSCHEDULED_POD, ADD)
UNSCHEDULED_POD_UPDATE = ClusterEvent(UNSCHEDULED_POD, UPDATE)
NODE_ADD, NODE_DELETE = ClusterEvent(NODE, ADD), ClusterEvent(NODE, DELETE)
NAMESPACE_UPDATE = ClusterEvent(NAMESPACE, UPDATE)
EVERYTHING = (ClusterEventWithHint(ClusterEvent(WILDCARD, ALL)),)
# What moves pods and is no change of the cluster.
SCHEDULE_ATTEMPT_FAILURE, BACKOFF_COMPLETE = "ScheduleAttemptFailure", "BackoffComplete"
POP_FROM_BACKOFF_QUEUE = "PopFromBackoffQ"
UNSCHEDULABLE_TIMEOUT = ClusterEvent(WILDCARD, ALL, "UnschedulableTimeout")
FORCE_ACTIVATE = ClusterEvent(WILDCARD, ALL, "ForceActivate")


def hints_of(plugins: Sequence[Any]) -> Mapping[str, Sequence[ClusterEventWithHint]]:
    """What the plugins of a profile register, by plugin."""
    return {
        plugin.name: tuple(map(_with_hint, plugin.events_to_register()))
        if isinstance(plugin, EnqueueExtensions)
        else EVERYTHING
        for plugin in plugins
    }


def _with_hint(registered: ClusterEventWithHint | ClusterEvent) -> ClusterEventWithHint:
    if isinstance(registered, ClusterEvent):
        return ClusterEventWithHint(registered)
    return registered


def node_changes(old: Object, new: Object) -> Iterator[ClusterEvent]:
    """What of a node changed that any plugin may look at: nothing for a heartbeat."""
    before, after = old.get("spec") or {}, new.get("spec") or {}
    was, now = old.get("status") or {}, new.get("status") or {}
    became_schedulable = bool(before.get("unschedulable")) and not after.get("unschedulable")
    if became_schedulable or (before.get("taints") or []) != (after.get("taints") or []):
        yield ClusterEvent(NODE, ActionType.UPDATE_NODE_TAINT)
    if was.get("allocatable") != now.get("allocatable"):
        yield ClusterEvent(NODE, ActionType.UPDATE_NODE_ALLOCATABLE)
    if meta.labels(old) != meta.labels(new):
        yield ClusterEvent(NODE, ActionType.UPDATE_NODE_LABEL)
    if _conditions(was) != _conditions(now):
        yield ClusterEvent(NODE, ActionType.UPDATE_NODE_CONDITION)
    if meta.annotations(old) != meta.annotations(new):
        yield ClusterEvent(NODE, ActionType.UPDATE_NODE_ANNOTATION)


def _conditions(status: Mapping[str, Any]) -> dict[str, str]:
    return {each["type"]: each["status"] for each in status.get("conditions") or ()}


def pod_changes(old: PodInfo, new: PodInfo) -> list[ClusterEvent]:
    """What of a pod changed; the general update where that is nothing in particular."""
    resource = ASSIGNED_POD if new.pod["spec"].get("nodeName") else UNSCHEDULED_POD
    before, after = old.pod["spec"], new.pod["spec"]
    found = []
    if meta.labels(old.pod) != meta.labels(new.pod):
        found.append(ActionType.UPDATE_POD_LABEL)
    if any(amount > new.requests.get(name, 0) for name, amount in old.requests.items()):
        found.append(ActionType.UPDATE_POD_SCALE_DOWN)
    if before.get("schedulingGates") and not after.get("schedulingGates"):
        found.append(ActionType.UPDATE_POD_SCHEDULING_GATES_ELIMINATED)
    if len(before.get("tolerations") or ()) != len(after.get("tolerations") or ()):
        found.append(ActionType.UPDATE_POD_TOLERATION)
    return [ClusterEvent(resource, action) for action in found or (UPDATE,)]

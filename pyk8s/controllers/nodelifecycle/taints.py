# SPDX-License-Identifier: Apache-2.0
"""How a node should look, given its conditions: taints, labels, and conditions of a silent one.

Pure functions; what is passed in is not changed. Reasons, messages and keys are upstream's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import nodes, pods

# Condition and status that put a taint of this key on the node.
_BY_CONDITION = {
    (nodes.READY, "False"): nodes.NOT_READY,
    (nodes.READY, "Unknown"): nodes.UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}
_NO_SCHEDULE_KEYS = frozenset((*_BY_CONDITION.values(), nodes.UNSCHEDULABLE))
_NO_EXECUTE_KEYS = frozenset((nodes.NOT_READY, nodes.UNREACHABLE))

# NetworkUnavailable is not the kubelet's to say, so its silence changes nothing there.
_KUBELET_CONDITIONS = (nodes.READY, "MemoryPressure", "DiskPressure", "PIDPressure")

# The second label of each pair is the old name of the first.
_LABELS = (
    ("kubernetes.io/os", "beta.kubernetes.io/os"),
    ("kubernetes.io/arch", "beta.kubernetes.io/arch"),
)


def relevant(node: Object) -> tuple[Any, ...]:
    """What of a node is looked at here: equal before and after, nothing is to be done."""
    status, spec, labels = node.get("status") or {}, node.get("spec") or {}, meta.labels(node)
    conditions = [(c.get("type"), c.get("status")) for c in status.get("conditions") or ()]
    names = [labels.get(name) for pair in _LABELS for name in pair]
    return conditions, spec.get("unschedulable"), spec.get("taints"), names


def no_schedule_keys(node: Object) -> set[str]:
    """Of the taints its conditions and its `unschedulable` call for."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    states = ((c.get("type"), c.get("status")) for c in conditions)
    keys = {_BY_CONDITION[state] for state in states if state in _BY_CONDITION}
    if (node.get("spec") or {}).get("unschedulable"):
        keys.add(nodes.UNSCHEDULABLE)
    return keys


def no_execute_key(ready: str) -> str:
    """Of the taint for this status of Ready; empty for none."""
    return _BY_CONDITION.get((nodes.READY, ready), "")


def with_taints(
    node: Object, no_schedule: set[str], no_execute: set[str], now: str
) -> list[Object] | None:
    """The node's taints with exactly these of ours among them; None when they are that already.
    Others stay as they are, `now` is written on new ones."""
    before = nodes.taints(node)
    wanted = {(key, nodes.NO_SCHEDULE) for key in no_schedule}
    wanted |= {(key, nodes.NO_EXECUTE) for key in no_execute}
    kept = [t for t in before if not _is_ours(t) or (t["key"], t["effect"]) in wanted]
    missing = wanted - {(t["key"], t.get("effect")) for t in kept}
    if len(kept) == len(before) and not missing:
        return None
    new = [{"key": key, "effect": effect, "timeAdded": now} for key, effect in sorted(missing)]
    return [*kept, *new]


def _is_ours(taint: Object) -> bool:
    if taint.get("effect") == nodes.NO_SCHEDULE:
        return taint["key"] in _NO_SCHEDULE_KEYS
    return taint.get("effect") == nodes.NO_EXECUTE and taint["key"] in _NO_EXECUTE_KEYS


def labels_to_set(node: Object) -> dict[str, str]:
    """The old names of labels that are missing, or say something else than the new ones."""
    labels = meta.labels(node)
    return {
        old: labels[new] for new, old in _LABELS if new in labels and labels.get(old) != labels[new]
    }


def unknown_conditions(node: Object, now: str) -> list[Object] | None:
    """The conditions of a node that is silent; None when they say that already."""
    before: list[Object] = (node.get("status") or {}).get("conditions") or []
    after = [_unknown(c, now) if c.get("type") in _KUBELET_CONDITIONS else c for c in before]
    there = {c.get("type") for c in before}
    after += _never_updated(node, [t for t in _KUBELET_CONDITIONS if t not in there], now)
    return None if after == before else after


def _unknown(condition: Object, now: str) -> Object:
    if condition.get("status") == "Unknown":
        return condition
    return {
        **condition,
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": now,
    }


def _never_updated(node: Object, missing: Iterable[str], now: str) -> list[Object]:
    return [
        {
            "type": type,
            "status": "Unknown",
            "lastHeartbeatTime": meta.of(node).get("creationTimestamp"),
            "lastTransitionTime": now,
            "reason": "NodeStatusNeverUpdated",
            "message": "Kubelet never posted node status.",
        }
        for type in missing
    ]


def ready_pods(found: Iterable[Object]) -> list[Object]:
    return [pod for pod in found if pods.is_ready(pod)]

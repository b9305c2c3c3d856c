# SPDX-License-Identifier: Apache-2.0
"""What controllers ask of a Node, and the taints the control plane itself puts on one.

Mirrors upstream's `pkg/controller/util/node` and `component-helpers/node/topology`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods

READY = "Ready"

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"

NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"

ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"

# An index of pods by the node they are bound to.
NODE_INDEX = "spec.nodeName"


def name_of(pod: Object) -> str:
    """Of the node the pod is bound to; empty before that."""
    return (pod.get("spec") or {}).get("nodeName") or ""


def by_node(pod: Object) -> Iterable[str]:
    """The function of NODE_INDEX."""
    name = name_of(pod)
    return (name,) if name else ()


def ready_status(node: Object) -> str:
    """True, False, Unknown; empty before anybody has said it."""
    found = pods.condition(node, READY)
    return (found or {}).get("status") or ""


def taints(node: Object) -> list[Object]:
    return (node.get("spec") or {}).get("taints") or []


def has_taint(node: Object, key: str, effect: str = "") -> bool:
    """With that effect, or with any for an empty one."""
    return any(t["key"] == key and effect in ("", t.get("effect")) for t in taints(node))


def zone_key(node: Object) -> str:
    """Region and zone as one word; empty for a node that is in neither."""
    labels = meta.labels(node)
    zone, region = labels.get(ZONE, ""), labels.get(REGION, "")
    return f"{region}:\x00:{zone}" if zone or region else ""

# SPDX-License-Identifier: Apache-2.0
"""On which nodes a DaemonSet wants a Pod, and the Pod for each of them.

Mirrors upstream's `NodeShouldRunDaemonPod` and `daemon/util/daemonset_util.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import nodeaffinity, taints
from pyk8s.controllers import history, pods
from pyk8s.controllers.replicaset.controller import pod_from_template

GENERATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"

_NAME_FIELD = "metadata.name"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
# What a daemon bears, whatever its template says: it belongs to the node, troubled or not.
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


def tolerations(pod_spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The template's, and those that every daemon has."""
    found = list(pod_spec.get("tolerations") or ())
    for key, effect in (*_TOLERATED, *((_NETWORK,) if pod_spec.get("hostNetwork") else ())):
        own = {"key": key, "operator": "Exists", "effect": effect}
        same = [
            at
            for at, each in enumerate(found)
            if {k: each.get(k) for k in own} == own and not each.get("value")
        ]
        if same:
            found[same[0]] = own
        else:
            found.append(own)
    return found


def should_run(daemon_set: Object, node: Object) -> tuple[bool, bool]:
    """Whether a pod should be started on the node, and whether one that is there may stay."""
    spec = daemon_set["spec"]["template"]["spec"]
    named = spec.get("nodeName")
    if named and named != meta.name(node):
        return False, False
    if not nodeaffinity.RequiredNodeAffinity(spec).matches(node):
        return False, False
    found, borne = (node.get("spec") or {}).get("taints") or (), tolerations(spec)
    if taints.find_untolerated(found, borne) is None:
        return True, True
    return False, taints.find_untolerated(found, borne, ("NoExecute",)) is None


def new_pod(daemon_set: Object, node: str, digest: str) -> Object:
    """The Pod for this node, not created yet."""
    pod = pod_from_template(daemon_set)
    marks = {history.REVISION_LABEL: digest}
    if generation := meta.annotations(daemon_set).get(GENERATION):
        marks[GENERATION_LABEL] = generation
    pod["metadata"]["labels"] = {**meta.labels(pod), **marks}
    spec = pod["spec"]
    affinity = {**(spec.get("affinity") or {})}
    # In place of the template's own terms: that they fit the node has been seen.
    terms = [{"matchFields": [{"key": _NAME_FIELD, "operator": "In", "values": [node]}]}]
    affinity["nodeAffinity"] = {
        **(affinity.get("nodeAffinity") or {}),
        _REQUIRED: {"nodeSelectorTerms": terms},
    }
    pod["spec"] = {**spec, "tolerations": tolerations(spec), "affinity": affinity}
    return pod


def target_of(pod: Object) -> str:
    """The node it is bound to or asks for; empty for none."""
    spec = pod["spec"]
    if bound := spec.get("nodeName"):
        return str(bound)
    required = nodeaffinity.node_affinity(spec).get(_REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == _NAME_FIELD and field.get("operator") == "In":
                return str(field["values"][0])
    return ""


def by_node(found: Iterable[Object]) -> dict[str, list[Object]]:
    """Pods by the node they are meant for, oldest first; those that have ended and are on their
    way out do not count."""
    sorted_pods: dict[str, list[Object]] = {}
    for pod in sorted(found, key=_age):
        if meta.is_being_deleted(pod) and pods.is_finished(pod):
            continue
        if target := target_of(pod):
            sorted_pods.setdefault(target, []).append(pod)
    return sorted_pods


def _age(pod: Object) -> tuple[bool, str, str]:
    """Bound ones first, then by age and name."""
    created = meta.of(pod).get("creationTimestamp") or ""
    return not pod["spec"].get("nodeName"), created, meta.name(pod)


def is_updated(daemon_set: Object, pod: Object, digest: str) -> bool:
    """It is made of the template of now."""
    labels = meta.labels(pod)
    if labels.get(history.REVISION_LABEL) == digest:
        return True
    generation = meta.annotations(daemon_set).get(GENERATION)
    return bool(generation) and labels.get(GENERATION_LABEL) == generation


def desired(daemon_set: Object, nodes: Sequence[Object]) -> set[str]:
    """The names of the nodes that should run a pod."""
    return {meta.name(node) for node in nodes if should_run(daemon_set, node)[0]}

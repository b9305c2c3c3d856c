# SPDX-License-Identifier: Apache-2.0
"""The scale subresource: a small object that shows and sets how many there shall be.

Pure functions between a scalable object and its autoscaling/v1 Scale, for every kind that keeps
its count in spec.replicas (Deployment, ReplicaSet, StatefulSet, ReplicationController). Mirrors
upstream's `scaleFromDeployment` and its siblings.
"""

from __future__ import annotations

from pyk8s.apimachinery import errors, field, labels
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionKind, Object

SCALE = GroupVersionKind("autoscaling", "v1", "Scale")

_SHOWN_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object) -> Object:
    metadata = obj["metadata"]
    spec = obj.get("spec") or {}
    status: Object = {"replicas": (obj.get("status") or {}).get("replicas", 0)}
    selector = _selector_text(spec.get("selector"))
    if selector:
        status["selector"] = selector
    replicas = spec.get("replicas", 0)
    return {
        "kind": SCALE.kind,
        "apiVersion": str(SCALE.group_version),
        "metadata": {key: metadata[key] for key in _SHOWN_METADATA if key in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _selector_text(selector: Object | None) -> str:
    """A label selector, or the plain map a ReplicationController has, in its query form."""
    if not selector:
        return ""
    if "matchLabels" in selector or "matchExpressions" in selector:
        return str(labels.from_label_selector(selector))
    return str(labels.from_set(selector))


def apply_scale(obj: Object, scale: Object) -> None:
    """Set the count in place; raises 422 for a negative one. The Scale's resourceVersion and
    uid, where given, become the update's demands."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    metadata = scale["metadata"]
    if replicas < 0:
        fault = field.invalid(
            field.Path("spec", "replicas"), replicas, "must be greater than or equal to 0"
        )
        raise errors.invalid(GroupKind(SCALE.group, SCALE.kind), metadata.get("name", ""), [fault])
    obj.setdefault("spec", {})["replicas"] = replicas
    obj["metadata"]["resourceVersion"] = metadata.get("resourceVersion", "")
    if metadata.get("uid"):
        obj["metadata"]["uid"] = metadata["uid"]

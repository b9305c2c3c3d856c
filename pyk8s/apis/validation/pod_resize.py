# SPDX-License-Identifier: Apache-2.0
"""Rules of the resize subresource: a running Pod's cpu and memory, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import pods
from pyk8s.apis.validation import checks, meta, pod_annotations
from pyk8s.apis.validation.pods import validate_pod_content
from pyk8s.componenthelpers import podrequests

Container = Mapping[str, Any]

_RESIZABLE = ("cpu", "memory")
_SPEC = field.Path("spec")


def validate_pod_resize(updated: Object, existing: Object) -> list[field.Error]:
    """An update through the resize subresource; other changes have been taken off before."""
    new, old = updated["spec"], existing["spec"]
    errors = meta.validate_object_meta_update(updated, existing)
    errors += validate_pod_content(updated)
    refusal = _refusal(updated, existing)
    if refusal:
        return [field.forbidden(checks.WHOLE_OBJECT, refusal)]
    before = (existing.get("status") or {}).get("qosClass") or podrequests.qos_class(old)
    if before != podrequests.qos_class(new):
        current = (updated.get("status") or {}).get("qosClass", "")
        detail = "Pod QOS Class may not change as a result of resizing"
        errors.append(field.invalid(_SPEC, current, detail))
    if not _is_supported(existing):
        detail = "Pod running on node without support for resize"
        errors.append(field.forbidden(_SPEC, detail))
    for kind in ("initContainers", "containers"):
        if len(new.get(kind, ())) != len(old.get(kind, ())):
            detail = f"{kind} may not be added or removed on resize"
            return [*errors, field.forbidden(_SPEC, detail)]
        pairs = zip(new.get(kind, ()), old.get(kind, ()), strict=True)
        for index, (mine, theirs) in enumerate(pairs):
            errors += _validate_container(mine, theirs, _SPEC.child(kind).index(index), kind)
    return errors


def _refusal(updated: Object, existing: Object) -> str:
    """Why this Pod cannot be resized at all; empty when it can."""
    if any((pod["spec"].get("resources") or {}) for pod in (updated, existing)):
        return "pods with pod-level resources cannot be resized"
    if pod_annotations.MIRROR in existing["metadata"].get("annotations", {}):
        return "static pods cannot be resized"
    if (existing["spec"].get("os") or {}).get("name") == "windows":
        return "windows pods cannot be resized"
    return ""


def _is_supported(pod: Object) -> bool:
    """A node that can resize reports the resources of what it runs."""
    for status in (pod.get("status") or {}).get("containerStatuses", ()):
        if "running" in (status.get("state") or {}):
            return "resources" in status
    return True


def _validate_container(
    new: Container, old: Container, path: field.Path, kind: str
) -> list[field.Error]:
    sidecar = kind == "initContainers" and pods.is_restartable(new)
    if kind == "initContainers" and not sidecar:
        if new == old:
            return []
        detail = "resources for non-sidecar init containers are immutable"
        return [field.forbidden(_SPEC, detail)]
    errors = []
    mine, theirs = new.get("resources") or {}, old.get("resources") or {}
    for amounts in ("requests", "limits"):
        if not set(theirs.get(amounts, ())) <= set(mine.get(amounts, ())):
            detail = f"resource {amounts} cannot be removed"
            errors.append(field.forbidden(path.child("resources", amounts), detail))
    if _without_resizable(new) != _without_resizable(old):
        detail = "only cpu and memory resources are mutable"
        if sidecar:
            detail = "only cpu and memory resources for sidecar containers are mutable"
        errors.append(field.forbidden(_SPEC, detail))
    return errors


def _without_resizable(container: Container) -> dict[str, Any]:
    resources = {
        kind: {name: amount for name, amount in amounts.items() if name not in _RESIZABLE}
        for kind, amounts in (container.get("resources") or {}).items()
        if kind != "claims"
    }
    kept = {kind: amounts for kind, amounts in resources.items() if amounts}
    rest = {key: value for key, value in container.items() if key != "resizePolicy"}
    return {**rest, "resources": kept}

# SPDX-License-Identifier: Apache-2.0
"""What is still on its way, once nobody changes anything: pure, on lists of objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Object = dict[str, Any]


def unsettled(kind: str, found: Iterable[Object]) -> Iterator[str]:
    """Those that are not yet what they are to be, each with its status."""
    for obj in found:
        spec, status = obj["spec"], obj.get("status") or {}
        if obj["metadata"].get("deletionTimestamp") or not _is_settled(kind, obj, spec, status):
            metadata = obj["metadata"]
            yield f"{kind} {metadata['namespace']}/{metadata['name']}: {spec} {status}"


def _is_settled(kind: str, obj: Object, spec: Object, status: Object) -> bool:
    if kind == "job":
        done = any(
            (c["type"], c["status"]) == ("Complete", "True") for c in status.get("conditions") or ()
        )
        idle = spec.get("suspend") or not spec.get("parallelism")
        return done or bool(idle and not status.get("active"))
    if (status.get("observedGeneration") or 0) < obj["metadata"]["generation"]:
        return False
    if kind == "daemonset":
        wanted = status.get("desiredNumberScheduled")
        fields = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
        return bool(wanted) and all(status.get(field) == wanted for field in fields)
    fields = ("replicas", "availableReplicas", "updatedReplicas")
    return all((status.get(field) or 0) == spec["replicas"] for field in fields)

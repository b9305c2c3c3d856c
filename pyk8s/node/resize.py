# SPDX-License-Identifier: Apache-2.0
"""What is told of a resize in place: no I/O. Mirrors `pkg/kubelet/events/resize.go`."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyk8s.apimachinery import codec, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client.events import NORMAL, WARNING


class Told(NamedTuple):
    """An event."""

    type: str
    reason: str
    message: str


def refused(pod: Object, why: tuple[str, str]) -> Told:
    """For the reason and message of the condition PodResizePending."""
    reason, message = why
    return Told(WARNING, f"Resize{reason}", f"Pod resize {reason}: {_summary(pod, message)}")


def done(pod: Object) -> list[Told]:
    """Where it is allowed it is in force at once."""
    summary = _summary(pod)
    return [
        Told(NORMAL, "ResizeStarted", f"Pod resize started: {summary}"),
        Told(NORMAL, "ResizeCompleted", f"Pod resize completed: {summary}"),
    ]


def _summary(pod: Object, error: str = "") -> str:
    found: dict[str, Any] = {}
    for kind in ("initContainers", "containers"):
        if containers := pod["spec"].get(kind):
            found[kind] = [
                {"name": each["name"], "resources": each.get("resources") or {}}
                for each in containers
            ]
    found["generation"] = meta.generation(pod)
    if error:
        found["error"] = error
    return codec.encode_json(found).decode().strip()

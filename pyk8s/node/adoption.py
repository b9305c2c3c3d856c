# SPDX-License-Identifier: Apache-2.0
"""What a Pod's status says of its containers, for a node process that starts anew: no I/O.

A kubelet finds its containers in the runtime; a simulated runtime ends with its process, and the
status is all that is left. Moments are known to the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import times
from pyk8s.apimachinery.gvk import Object
from pyk8s.node.runtime import Container


@dataclass(frozen=True, slots=True)
class Adopted:
    """As `Seen` of podstatus: the last two runs by container name."""

    start_time: float
    pod_ip: str
    current: dict[str, Container] = field(default_factory=dict)
    previous: dict[str, Container] = field(default_factory=dict)
    allocated: dict[str, Any] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)


def adopt(pod: Object) -> Adopted | None:
    """None for a Pod that no kubelet has begun with."""
    status = pod.get("status") or {}
    if not status.get("startTime") or not status.get("podIP"):
        return None
    found = Adopted(_seconds(status["startTime"]), status["podIP"])
    for each in _statuses(status):
        found.allocated[each["name"]] = each.get("resources") or {}
        if each.get("started"):
            found.started.add(each["name"])
        if each.get("ready"):
            found.ready.add(each["name"])
        run = _run(each, each.get("state") or {}, each.get("restartCount", 0))
        before = _run(each, each.get("lastState") or {}, each.get("restartCount", 0) - 1)
        if run is not None:
            found.current[each["name"]] = run
            if before is not None:
                found.previous[each["name"]] = before
        elif before is not None:
            # It waits for its back-off: the last run is the one that counts.
            before.attempt += 1
            found.current[each["name"]] = before
    return found


def _statuses(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        yield from status.get(kind) or ()


def _run(status: Mapping[str, Any], state: Mapping[str, Any], attempt: int) -> Container | None:
    ended: Mapping[str, Any] = state.get("terminated") or {}
    begun = ended or state.get("running") or {}
    if not begun.get("startedAt"):
        return None
    return Container(
        id=ended.get("containerID") or status.get("containerID") or "",
        name=status["name"],
        image=status.get("image") or "",
        image_id=status.get("imageID") or "",
        attempt=attempt,
        started_at=_seconds(begun["startedAt"]),
        finished_at=_seconds(ended["finishedAt"]) if ended.get("finishedAt") else None,
        exit_code=ended.get("exitCode", 0),
    )


def _seconds(text: str) -> float:
    return times.parse(text).timestamp()

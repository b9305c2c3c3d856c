# SPDX-License-Identifier: Apache-2.0
"""Pods: the STATUS column tells more than the phase does.

    phase, or status.reason, or SchedulingGated
      init containers not done   -> Init:1/2, Init:Error, Init:CrashLoopBackOff ...
      containers                 -> what waits or ended, the first container having the last word
      all but some completed     -> Running, the failure, or NotReady
      deletionTimestamp          -> Terminating, Unknown when the node is lost

Mirrors `printPod` in kubernetes' pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns
from pyk8s.apis.columns.texts import NONE, condition_status

_COMPLETED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}
_NODE_UNREACHABLE = "NodeLost"


class _Progress(NamedTuple):
    """What the statuses read so far say. A time is an RFC 3339 text in UTC, so that the later
    one is the greater one; "" is never."""

    reason: str
    ready: int
    restarts: int
    last_restart: str


def _last_finished(container: Object) -> str:
    terminated = (container.get("lastState") or {}).get("terminated")
    return (terminated.get("finishedAt") or "") if terminated else ""


def _terminated_reason(terminated: Object) -> str:
    reason: str = terminated.get("reason") or ""
    if reason:
        return reason
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _init_reason(state: Object, position: str) -> str:
    terminated, waiting = state.get("terminated"), state.get("waiting")
    if terminated is not None:
        return "Init:" + _terminated_reason(terminated)
    reason = waiting.get("reason") if waiting else None
    if not reason:
        return "Init:" + position
    # Older kubelets say PodInitializing of an init container that is being created.
    return "Init:" + ("ContainerCreating" if reason == "PodInitializing" else reason)


def _init_progress(
    spec: Object, statuses: Sequence[Object], sidecars: set[str]
) -> tuple[_Progress, _Progress]:
    """Of the init containers up to the one that blocks, and of the sidecars among them.

    The first one's reason is "" when none blocks; only sidecars count as ready.
    """
    restarts = sidecar_restarts = ready = 0
    last = sidecar_last = reason = ""
    for index, container in enumerate(statuses):
        count, finished = container.get("restartCount", 0), _last_finished(container)
        restarts += count
        last = max(last, finished)
        is_sidecar = container.get("name") in sidecars
        if is_sidecar:
            sidecar_restarts += count
            sidecar_last = max(sidecar_last, finished)
        state = container.get("state") or {}
        terminated = state.get("terminated")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if is_sidecar and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        reason = _init_reason(state, f"{index}/{len(spec.get('initContainers') or ())}")
        break
    return (
        _Progress(reason, ready, restarts, last),
        _Progress("", ready, sidecar_restarts, sidecar_last),
    )


def _main_progress(start: _Progress, status: Object, conditions: Sequence[Object]) -> _Progress:
    """The containers proper, last to first, so that the first one's reason stays."""
    reason, ready, restarts, last = start
    has_running, error_reason = False, ""
    for container in reversed(status.get("containerStatuses") or ()):
        restarts += container.get("restartCount", 0)
        last = max(last, _last_finished(container))
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated is not None:
            reason = _terminated_reason(terminated)
            error_reason = reason if terminated.get("exitCode") else error_reason
        elif container.get("ready") and state.get("running") is not None:
            has_running = True
            ready += 1
    if reason == "Completed":
        reason = _reason_of_completed(conditions, has_running, error_reason)
    return _Progress(reason, ready, restarts, last)


def _reason_of_completed(conditions: Sequence[Object], has_running: bool, error_reason: str) -> str:
    """Of a pod in which the container that speaks has completed, though others may not have."""
    if has_running and any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in conditions
    ):
        return "Running"
    return error_reason or ("NotReady" if has_running else "Completed")


def _progress(spec: Object, status: Object, sidecars: set[str]) -> _Progress:
    conditions = status.get("conditions") or ()
    reason = status.get("reason") or status.get("phase") or ""
    for condition in conditions:
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    init_statuses = status.get("initContainerStatuses")
    if not init_statuses:
        return _main_progress(_Progress(reason, 0, 0, ""), status, conditions)
    init, of_sidecars = _init_progress(spec, init_statuses, sidecars)
    if init.reason and condition_status(conditions, "Initialized") != "True":
        return init
    return _main_progress(of_sidecars._replace(reason=init.reason or reason), status, conditions)


def _readiness_gates(spec: Object, status: Object) -> str:
    gates = spec.get("readinessGates")
    if not gates:
        return NONE
    conditions = status.get("conditions")
    passed = sum(
        condition_status(conditions, gate.get("conditionType")) == "True" for gate in gates
    )
    return f"{passed}/{len(gates)}"


def _pod_ip(status: Object) -> str:
    addresses = status.get("podIPs")
    address = addresses[0].get("ip") if addresses else status.get("podIP")
    return address or NONE


def _cells(pod: Object, now: float) -> list[Any]:
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    sidecars = {
        container["name"]
        for container in spec.get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }
    reason, ready, restarts, last_restart = _progress(spec, status, sidecars)
    if metadata.get("deletionTimestamp"):
        if status.get("reason") == _NODE_UNREACHABLE:
            reason = "Unknown"
        elif status.get("phase") not in _COMPLETED:
            reason = "Terminating"
    restarts_text = str(restarts)
    if restarts and last_restart:
        restarts_text = f"{restarts} ({ages.since(last_restart, now)} ago)"
    return [
        metadata.get("name", ""),
        f"{ready}/{len(spec.get('containers') or ()) + len(sidecars)}",
        reason,
        restarts_text,
        ages.since(metadata.get("creationTimestamp"), now),
        _pod_ip(status),
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _readiness_gates(spec, status),
    ]


def _conditions(pod: Object) -> list[dict[str, str]]:
    phase = (pod.get("status") or {}).get("phase", "")
    message = _COMPLETED.get(phase)
    if message is None:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]


PODS = Columns(
    columns=(
        NAME,
        Column("Ready", description="How many of the pod's containers are ready, of how many."),
        Column("Status", description="What the states of the containers amount to."),
        Column(
            "Restarts",
            description="How often containers of this pod were restarted, and when last.",
        ),
        AGE,
        Column("IP", doc=API + "core.v1.PodStatus.podIP", priority=1),
        Column("Node", doc=API + "core.v1.PodSpec.nodeName", priority=1),
        Column("Nominated Node", doc=API + "core.v1.PodStatus.nominatedNodeName", priority=1),
        Column("Readiness Gates", doc=API + "core.v1.PodSpec.readinessGates", priority=1),
    ),
    cells=_cells,
    conditions=_conditions,
)

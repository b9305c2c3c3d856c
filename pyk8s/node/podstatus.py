# SPDX-License-Identifier: Apache-2.0
"""The status of a Pod from what its containers do: no I/O.

Mirrors `pkg/kubelet/status/generate.go` and the status half of `kubelet_pods.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.node import shell
from pyk8s.node.runtime import Container


@dataclass(slots=True, kw_only=True)
class Seen:
    """What a kubelet knows of one pod. `current` and `previous` are the last two runs by
    container name, `waiting` says why one that does not run has not been started again.
    `allocated` are the resources in force where they are not the spec's, and `resize` says why."""

    start_time: float
    host_ip: str
    pod_ip: str
    has_sandbox: bool = True
    current: Mapping[str, Container] = field(default_factory=dict)
    previous: Mapping[str, Container] = field(default_factory=dict)
    waiting: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    started: frozenset[str] = frozenset()
    ready: frozenset[str] = frozenset()
    failure: tuple[str, str] | None = None
    allocated: Mapping[str, Any] = field(default_factory=dict)
    resize: tuple[str, str] | None = None


def is_sidecar(container: Object) -> bool:
    return container.get("restartPolicy") == "Always"


_MESSAGE_PATH = "/dev/termination-log"
_MESSAGE_CHARACTERS_MAX = 4096
_LOG_CHARACTERS_MAX = 2048
_LOG_LINES_MAX = 80

_KINDS = ("containers", "initContainers", "ephemeralContainers")


def container_of(pod: Object, name: str) -> Object | None:
    for kind in _KINDS:
        for container in pod["spec"].get(kind) or ():
            if container["name"] == name:
                return dict(container)
    return None


def field_path(pod: Object, name: str) -> str:
    """Of a container, as Events name it."""
    for kind in _KINDS:
        if any(container["name"] == name for container in pod["spec"].get(kind) or ()):
            return f"spec.{kind}{{{name}}}"
    return ""


def rejected(pod: Object, reason: str, message: str, now: float) -> dict[str, Any]:
    """The status of a Pod that its node does not take."""
    return {
        "phase": "Failed",
        "observedGeneration": meta.generation(pod),
        "reason": reason,
        "message": f"Pod was rejected: {message}",
        "startTime": _time(now),
    }


def is_done(pod: Object, current: Mapping[str, Container]) -> bool:
    """Its main containers have ended, and none of them is to be started again."""
    policy = pod["spec"].get("restartPolicy") or "Always"
    if policy == "Always":
        return False
    runs = [current.get(container["name"]) for container in pod["spec"]["containers"]]
    return all(
        run is not None and not run.is_running and (policy == "Never" or not run.exit_code)
        for run in runs
    )


def phase_of(pod: Object, seen: Seen) -> str:
    """`getPhase` of kubelet_pods.go."""
    if seen.failure is not None:
        return "Failed"
    spec = pod["spec"]
    policy = spec.get("restartPolicy") or "Always"
    for container in spec.get("initContainers") or ():
        run = seen.current.get(container["name"])
        if is_sidecar(container):
            continue
        if run is None or run.is_running:
            return "Pending"
        if run.exit_code:
            return "Failed" if policy == "Never" else "Pending"
    runs = [seen.current.get(container["name"]) for container in spec["containers"]]
    if any(run is None for run in runs):
        return "Pending"
    ended = [run for run in runs if run is not None and not run.is_running]
    if len(ended) < len(runs) or policy == "Always" or _has_running_sidecar(spec, seen):
        return "Running"
    if not any(run.exit_code for run in ended):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _has_running_sidecar(spec: Mapping[str, Any], seen: Seen) -> bool:
    runs = [seen.current.get(c["name"]) for c in spec.get("initContainers") or () if is_sidecar(c)]
    return any(run is not None and run.is_running for run in runs)


def status_of(pod: Object, seen: Seen) -> dict[str, Any]:
    """What the kubelet says; conditions keep their lastTransitionTime where nothing changed."""
    spec = pod["spec"]
    phase = phase_of(pod, seen)
    generation = meta.generation(pod)
    status: dict[str, Any] = {
        "phase": phase,
        "observedGeneration": generation,
        "hostIP": seen.host_ip,
        "hostIPs": [{"ip": seen.host_ip}],
        "startTime": _time(seen.start_time),
    }
    if seen.failure is not None:
        status["reason"], status["message"] = seen.failure
    if seen.pod_ip:
        status["podIP"] = seen.pod_ip
        status["podIPs"] = [{"ip": seen.pod_ip}]
    for kind, key in (("containers", "containerStatuses"),
                      ("initContainers", "initContainerStatuses"),
                      ("ephemeralContainers", "ephemeralContainerStatuses")):  # fmt: skip
        if spec.get(kind):
            status[key] = [_container_status(pod, kind, each, seen) for each in spec[kind]]
    status["conditions"] = [
        _condition(pod, type, generation, found) for type, found in _conditions(pod, phase, seen)
    ]
    if seen.resize is not None:
        status["conditions"].append(_condition(pod, _PENDING, generation, (True, *seen.resize)))
    elif any(c["type"] == _PENDING for c in (pod.get("status") or {}).get("conditions") or ()):
        status["conditions"].append({"$patch": "delete", "type": _PENDING})
    return status


def _time(moment: float) -> str:
    return times.format(datetime.fromtimestamp(moment, UTC))


def _container_status(pod: Object, kind: str, spec: Object, seen: Seen) -> dict[str, Any]:
    name = spec["name"]
    run, before = seen.current.get(name), seen.previous.get(name)
    status: dict[str, Any] = {
        "name": name,
        "image": spec.get("image") or "",
        "imageID": run.image_id if run else "",
        # Nobody waits for an ephemeral container; upstream never calls one ready.
        "ready": name in seen.ready and kind != "ephemeralContainers",
        "started": name in seen.started,
        "restartCount": run.attempt if run else 0,
        "state": _state(pod, spec, run, seen),
        "lastState": {"terminated": _terminated(before, spec)} if before else {},
    }
    if run is not None:
        status["containerID"] = run.id
        if name in seen.waiting:
            status["lastState"] = {"terminated": _terminated(run, spec)}
    resources = seen.allocated.get(name, spec.get("resources")) or {}
    if resources or run is not None:
        # Even where there are none: it says that they may be changed while it runs.
        status["resources"] = resources
        if requests := resources.get("requests"):
            status["allocatedResources"] = requests
    return status


def _state(pod: Object, spec: Object, run: Container | None, seen: Seen) -> dict[str, Any]:
    name = spec["name"]
    if name in seen.waiting:
        reason, message = seen.waiting[name]
        return {"waiting": {"reason": reason, "message": message}}
    if run is None:
        initializes = bool(pod["spec"].get("initContainers"))
        return {"waiting": {"reason": "PodInitializing" if initializes else "ContainerCreating"}}
    if run.is_running:
        return {"running": {"startedAt": _time(run.started_at)}}
    return {"terminated": _terminated(run, spec)}


def _terminated(run: Container, spec: Object) -> dict[str, Any]:
    message = termination_message(run, spec)
    return {
        **({"message": message} if message else {}),
        "exitCode": run.exit_code,
        "reason": "Error" if run.exit_code else "Completed",
        "startedAt": _time(run.started_at),
        "finishedAt": _time(run.finished_at or run.started_at),
        "containerID": run.id,
    }


def termination_message(run: Container, spec: Object) -> str:
    """What the container has left in its terminationMessagePath; the end of its log where its
    policy says so. Mirrors getTerminationMessage of `kuberuntime_container.go`."""
    age = (run.finished_at or run.started_at) - run.started_at
    try:
        content = run.files.read(age, spec.get("terminationMessagePath") or _MESSAGE_PATH) or ""
    except shell.NotUnderstood:
        content = ""
    if content:
        return content[-_MESSAGE_CHARACTERS_MAX:]
    if not run.exit_code or spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return ""
    printed = "".join(each.text for each in run.printed if each.at <= age)
    return "".join(printed.splitlines(keepends=True)[-_LOG_LINES_MAX:])[-_LOG_CHARACTERS_MAX:]


# --- conditions

_PENDING = "PodResizePending"
_Found = tuple[bool, str, str]


def _conditions(pod: Object, phase: str, seen: Seen) -> list[tuple[str, _Found]]:
    containers_ready = _containers_ready(pod, phase, seen)
    return [
        ("PodReadyToStartContainers", (seen.has_sandbox, "", "")),
        ("Initialized", _initialized(pod, phase, seen)),
        ("Ready", _ready(pod, containers_ready)),
        ("ContainersReady", containers_ready),
        ("PodScheduled", (True, "", "")),
    ]


def _containers_ready(pod: Object, phase: str, seen: Seen) -> _Found:
    if phase in ("Succeeded", "Failed"):
        return False, "PodCompleted" if phase == "Succeeded" else "PodFailed", ""
    spec = pod["spec"]
    counted = [c for c in spec.get("initContainers") or () if is_sidecar(c)] + spec["containers"]
    unready = [c["name"] for c in counted if c["name"] not in seen.ready]
    if unready:
        return False, "ContainersNotReady", f"containers with unready status: {_go(unready)}"
    return True, "", ""


def _ready(pod: Object, containers_ready: _Found) -> _Found:
    if not containers_ready[0]:
        return containers_ready
    there = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or ()}
    faults = []
    for gate in pod["spec"].get("readinessGates") or ():
        type = gate["conditionType"]
        if type not in there:
            faults.append(f'corresponding condition of pod readiness gate "{type}" does not exist.')
        elif there[type] != "True":
            faults.append(
                f'the status of pod readiness gate "{type}" is not "True", but {there[type]}'
            )
    return (False, "ReadinessGatesNotReady", ", ".join(faults)) if faults else (True, "", "")


def _initialized(pod: Object, phase: str, seen: Seen) -> _Found:
    spec = pod["spec"]
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    if any(container["name"] in seen.current for container in spec["containers"]):
        return True, "", ""
    missing = [c["name"] for c in spec.get("initContainers") or () if not _is_done(c, seen)]
    if missing:
        message = f"containers with incomplete status: {_go(missing)}"
        return False, "ContainersNotInitialized", message
    return True, "", ""


def _is_done(container: Object, seen: Seen) -> bool:
    run = seen.current.get(container["name"])
    if run is None:
        return False
    if is_sidecar(container):
        return container["name"] in seen.started
    return not run.is_running and not run.exit_code


def _go(names: Sequence[str]) -> str:
    return f"[{' '.join(names)}]"


def _condition(pod: Object, type: str, generation: int, found: _Found) -> dict[str, Any]:
    holds, reason, message = found
    status = "True" if holds else "False"
    since = times.now()
    stale: dict[str, Any] = {}
    for before in (pod.get("status") or {}).get("conditions") or ():
        if before["type"] == type:
            # A strategic merge patch keeps what it does not name.
            stale = {name: None for name in ("reason", "message") if name in before}
            if before["status"] == status:
                since = before.get("lastTransitionTime") or since
    condition: dict[str, Any] = {
        **stale,
        "type": type,
        "status": status,
        "observedGeneration": generation,
        "lastProbeTime": None,
        "lastTransitionTime": since,
    }
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition

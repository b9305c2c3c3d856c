# SPDX-License-Identifier: Apache-2.0
"""What simulated containers use of a node: no I/O.

By annotation of the pod, `simulation.pyk8s.io/cpu-usage` and `.../memory-usage` (a quantity for
each of its containers, `CONTAINER.simulation...` for one); without them, what the container
requests, else a little; and a node uses a little by itself. Mirrors the formats of
`kubelet/pkg/apis/stats/v1alpha1` and of `pkg/kubelet/metrics/collectors/resource_metrics.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pyk8s.apimachinery import meta, quantity, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import podrequests
from pyk8s.node.meter import Meter
from pyk8s.node.runtime import Container

CPU_USAGE = "simulation.pyk8s.io/cpu-usage"
MEMORY_USAGE = "simulation.pyk8s.io/memory-usage"

# Of a container that requests nothing.
_IDLE = {"cpu": "1m", "memory": "1Mi"}
# Of a node, beside its pods: its kubelet and what else would run on it.
_SYSTEM_NANO_CORES = 20_000_000
_SYSTEM_MEMORY_BYTES = 128 << 20
_ANNOTATIONS = {"cpu": CPU_USAGE, "memory": MEMORY_USAGE}

RunOf = Callable[[Object, str], Container | None]


class Usage(NamedTuple):
    """`nano_cores` at the moment, `core_seconds` since the start."""

    nano_cores: int
    memory_bytes: int
    core_seconds: float
    started_at: float


@dataclass(frozen=True, slots=True)
class PodUsage:
    pod: Object
    containers: Mapping[str, Usage]


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """A node uses what its pods do, and `system` beside them."""

    name: str
    pods: Sequence[PodUsage]
    system: Usage
    now: float

    @property
    def whole(self) -> Usage:
        return total(
            [self.system, *(used for pod in self.pods for used in pod.containers.values())]
        )


class Gauge:
    """What all nodes of a process and their pods use, now and since they started; nodes did so
    at `since`."""

    def __init__(self, run_of: RunOf, since: float) -> None:
        self._run_of = run_of
        self._meter = Meter(since)

    def usage_of(self, node: str, pods: Sequence[Object], now: float) -> NodeUsage:
        """`pods` are all that the node has."""
        used = [PodUsage(pod, dict(self._running(node, pod, now))) for pod in pods]
        running = [(meta.uid(each.pod), name) for each in used for name in each.containers]
        ended, metered = self._meter.ended(node, running, now)
        seconds = ended + metered * _SYSTEM_NANO_CORES / 1e9
        system = Usage(_SYSTEM_NANO_CORES, _SYSTEM_MEMORY_BYTES, seconds, now - metered)
        return NodeUsage(node, used, system, now)

    def note_change(self, before: Object, after: Object, now: float) -> None:
        """Until now containers used what the pod said before."""
        if meta.annotations(before) == meta.annotations(after):
            return
        for pod in (before, after):
            for _ in self._running(after["spec"]["nodeName"], pod, now):
                pass

    def _running(self, node: str, pod: Object, now: float) -> Iterator[tuple[str, Usage]]:
        for kind in ("initContainers", "containers"):
            for container in pod["spec"].get(kind) or ():
                run = self._run_of(pod, container["name"])
                if run is not None and run.is_running:
                    cores = amount(pod, container, "cpu")
                    key = (meta.uid(pod), container["name"])
                    seconds = self._meter.read(node, key, run.started_at, cores, now)
                    memory = podrequests.units(amount(pod, container, "memory"))
                    yield container["name"], Usage(cores, memory, seconds, run.started_at)


def amount(pod: Object, container: Object, resource: str) -> int:
    """What a container uses, in billionths."""
    annotations, name = meta.annotations(pod), _ANNOTATIONS[resource]
    text = annotations.get(f"{container['name']}.{name}", annotations.get(name))
    requests = (container.get("resources") or {}).get("requests") or {}
    for wanted in (text, requests.get(resource)):
        if wanted:
            try:
                return podrequests.nanos(wanted)
            except quantity.QuantityError:
                # Not everything that stands in an annotation is a quantity.
                continue
    return podrequests.nanos(_IDLE[resource])


def total(usages: Sequence[Usage]) -> Usage:
    return Usage(
        sum(each.nano_cores for each in usages),
        sum(each.memory_bytes for each in usages),
        sum(each.core_seconds for each in usages),
        min((each.started_at for each in usages), default=0.0),
    )


# --- /stats/summary


def summary(node: NodeUsage) -> Object:
    return {
        "node": {
            "nodeName": node.name,
            "startTime": _time(node.system.started_at),
            **_measured(node.whole, node.now),
        },
        "pods": [_pod_stats(pod, node.now) for pod in node.pods if pod.containers],
    }


def _pod_stats(pod: PodUsage, now: float) -> Object:
    whole = total([*pod.containers.values()])
    return {
        "podRef": {
            "name": meta.name(pod.pod),
            "namespace": meta.namespace(pod.pod),
            "uid": meta.uid(pod.pod),
        },
        "startTime": _time(whole.started_at),
        "containers": [
            {"name": name, "startTime": _time(usage.started_at), **_measured(usage, now)}
            for name, usage in pod.containers.items()
        ],
        **_measured(whole, now),
    }


def _measured(usage: Usage, now: float) -> dict[str, Any]:
    moment = _time(now)
    return {
        "cpu": {
            "time": moment,
            "usageNanoCores": usage.nano_cores,
            "usageCoreNanoSeconds": round(usage.core_seconds * 1e9),
        },
        "memory": {
            "time": moment,
            "usageBytes": usage.memory_bytes,
            "workingSetBytes": usage.memory_bytes,
            "rssBytes": usage.memory_bytes,
        },
    }


def _time(moment: float) -> str:
    return times.format(datetime.fromtimestamp(moment, UTC))


# --- /metrics/resource


def resource_metrics(node: NodeUsage) -> str:
    """In Prometheus' text format."""
    whole = node.whole
    families: list[tuple[str, str, list[tuple[str, float]]]] = [
        ("node_cpu_usage_seconds_total", "counter", [("", whole.core_seconds)]),
        ("node_memory_working_set_bytes", "gauge", [("", whole.memory_bytes)]),
    ]
    for scope, rows in (("container", [*_container_rows(node)]), ("pod", [*_pod_rows(node)])):
        families += [
            (f"{scope}_cpu_usage_seconds_total", "counter",
             [(labels, usage.core_seconds) for labels, usage in rows]),
            (f"{scope}_memory_working_set_bytes", "gauge",
             [(labels, usage.memory_bytes) for labels, usage in rows]),
        ]  # fmt: skip
        if scope == "container":
            starts = [(labels, usage.started_at) for labels, usage in rows]
            families.append(("container_start_time_seconds", "gauge", starts))
    millis = round(node.now * 1000)
    lines = []
    for name, kind, samples in families:
        lines += [f"# HELP {name} Simulated.", f"# TYPE {name} {kind}"]
        lines += [f"{name}{labels} {value!r} {millis}" for labels, value in samples]
    return "\n".join([*lines, ""])


def _container_rows(node: NodeUsage) -> Iterator[tuple[str, Usage]]:
    for pod in node.pods:
        for name, usage in pod.containers.items():
            yield f'{{container="{name}",{_labels(pod)}}}', usage


def _pod_rows(node: NodeUsage) -> Iterator[tuple[str, Usage]]:
    for pod in node.pods:
        if pod.containers:
            yield f"{{{_labels(pod)}}}", total([*pod.containers.values()])


def _labels(pod: PodUsage) -> str:
    return f'namespace="{meta.namespace(pod.pod)}",pod="{meta.name(pod.pod)}"'

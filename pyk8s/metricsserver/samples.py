# SPDX-License-Identifier: Apache-2.0
"""The last two samples of each node and container, and the use that follows from them: no I/O.

Mirrors metrics-server's `pkg/storage` and `pkg/scraper/client/resource/decode.go`: a sample that
has no use of processor time or of memory is not complete, and leaves out its node or its Pod.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pyk8s.client.store import Key

NANO = 10**9

# Of a container younger than this too little is known to tell what it uses.
_FRESH_NANOS_MIN = 10 * NANO

_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{([^}]*)\})?[ \t]+(\S+)(?:[ \t]+(-?\d+))?[ \t]*")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Point(NamedTuple):
    """Moments are nanoseconds since the epoch; `cpu` is nanoseconds of processor time since
    `started_at`, `memory` bytes."""

    timestamp: int = 0
    started_at: int = 0
    cpu: int = 0
    memory: int = 0

    @property
    def is_complete(self) -> bool:
        return bool(self.timestamp and self.cpu and self.memory)


class Usage(NamedTuple):
    """On average over the `window` nanoseconds that ended at `timestamp`; `cpu` in billionths of
    a core."""

    timestamp: int
    window: int
    cpu: int
    memory: int


Containers = Mapping[str, Point]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look at some nodes found."""

    nodes: dict[str, Point] = field(default_factory=dict)
    pods: dict[Key, Containers] = field(default_factory=dict)

    def add(self, other: Batch) -> None:
        """Who is here already stays as it is."""
        self.nodes.update({k: v for k, v in other.nodes.items() if k not in self.nodes})
        self.pods.update({k: v for k, v in other.pods.items() if k not in self.pods})


# --- what a kubelet says


# By name: the field of a Point, and whether it is a container's.
_FAMILIES = {
    "node_cpu_usage_seconds_total": ("cpu", False),
    "node_memory_working_set_bytes": ("memory", False),
    "container_cpu_usage_seconds_total": ("cpu", True),
    "container_memory_working_set_bytes": ("memory", True),
    "container_start_time_seconds": ("started_at", True),
}


def decode(text: str, node: str, default_timestamp: int) -> Batch:
    """Read Prometheus' text format. Raises ValueError for what is none."""
    found: dict[tuple[Key, str] | None, dict[str, int]] = {}
    for name, labels, value, millis in _lines(text):
        if name not in _FAMILIES:
            continue
        wanted, of_container = _FAMILIES[name]
        point = found.setdefault(_container(labels) if of_container else None, {})
        point[wanted] = round(float(value) * (1 if wanted == "memory" else NANO))
        if wanted != "started_at":
            point["timestamp"] = int(millis) * 1_000_000 if millis else default_timestamp
    batch = Batch()
    whole = Point(**found.pop(None, {}))
    if whole.is_complete:
        batch.nodes[node] = whole
    pods: dict[Key, dict[str, Point]] = {}
    for owner, fields in found.items():
        assert owner is not None, "the node's is out of it"
        pods.setdefault(owner[0], {})[owner[1]] = Point(**fields)
    for pod, containers in pods.items():
        if all(point.is_complete for point in containers.values()):
            batch.pods[pod] = containers
    return batch


def _lines(text: str) -> Iterator[tuple[str, str, str, str]]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            found = _LINE.fullmatch(line)
            if found is None:
                raise ValueError(f"failed parsing metrics: {line!r}")
            name, labels, value, millis = found.groups("")
            yield name, labels, value, millis


def _container(labels: str) -> tuple[Key, str]:
    named = dict(_LABEL.findall(labels))
    return (named.get("namespace", ""), named.get("pod", "")), named.get("container", "")


# --- two samples


class Samples:
    """What is used follows from the last two samples of a node or container, between which it was
    not started anew; a container that began within `resolution` seconds used nothing before."""

    def __init__(self, resolution: float) -> None:
        self._fresh_nanos = int(resolution * NANO)
        self._last = Batch()
        self._before = Batch()

    @property
    def is_ready(self) -> bool:
        """Whether there is a node whose use is known."""
        return bool(self._before.nodes)

    def clear(self) -> None:
        self._last, self._before = Batch(), Batch()

    def store(self, batch: Batch) -> None:
        """What is not in it is forgotten."""
        before = Batch()
        for name, point in batch.nodes.items():
            earlier = _earlier(point, self._last.nodes.get(name), self._before.nodes.get(name))
            if earlier is not None:
                before.nodes[name] = earlier
        for pod, containers in batch.pods.items():
            known = dict(self._containers_before(pod, containers))
            if known:
                before.pods[pod] = known
        self._last, self._before = batch, before

    def _containers_before(self, pod: Key, containers: Containers) -> Iterator[tuple[str, Point]]:
        last, before = self._last.pods.get(pod, {}), self._before.pods.get(pod, {})
        for name, point in containers.items():
            age = point.timestamp - point.started_at
            if _FRESH_NANOS_MIN <= age < self._fresh_nanos:
                yield name, point._replace(timestamp=point.started_at, cpu=0)
                continue
            known = last.get(name)
            if known is None or point.started_at >= known.timestamp:
                continue
            earlier = _earlier(point, known, before.get(name))
            if earlier is not None:
                yield name, earlier

    def of_node(self, name: str) -> Usage | None:
        return _usage(self._last.nodes.get(name), self._before.nodes.get(name))

    def of_pod(self, pod: Key) -> dict[str, Usage] | None:
        """By container; None where not of all of them anything is known."""
        before = self._before.pods.get(pod)
        if before is None:
            return None
        used = {}
        for name, point in self._last.pods[pod].items():
            if name not in before:
                return None
            if (usage := _usage(point, before[name])) is not None:
                used[name] = usage
        return used


def _earlier(point: Point, last: Point | None, before: Point | None) -> Point | None:
    """The sample to compare this one with: the last, or if that is the same, the one before."""
    if last is None:
        return None
    if point.timestamp > last.timestamp:
        return last
    return before if before is not None and before.timestamp < point.timestamp else None


def _usage(last: Point | None, before: Point | None) -> Usage | None:
    if last is None or before is None:
        return None
    if last.started_at < before.started_at or last.cpu < before.cpu:
        return None
    window = last.timestamp - before.timestamp
    return Usage(last.timestamp, window, (last.cpu - before.cpu) * NANO // window, last.memory)


def earliest(usages: Iterable[Usage]) -> Usage:
    """The one that ended first. Raises ValueError for none."""
    return min(usages, key=lambda usage: usage.timestamp)

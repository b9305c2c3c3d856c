# SPDX-License-Identifier: Apache-2.0
"""When each node was last heard of, and which are overdue, without ever looking at all of them.

Each node has one entry in a heap of deadlines. A sign of life moves its real deadline only; the
entry is put right when it comes up, so a heartbeat costs a dict lookup and a node that lives one
heap operation per grace period. Mirrors nodeHealthMap of upstream's
`node_lifecycle_controller.go`: moments are those at which news arrived here, for clocks differ.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import nodes, pods

EXCLUDE_DISRUPTION = "node.kubernetes.io/exclude-disruption"


@dataclass(slots=True, eq=False)
class Health:
    """What is known of one node. `ready` is the status of its condition, empty where it has
    none; a silent one has not been heard of for its grace period."""

    name: str
    uid: str
    probed_at: float
    zone: str = ""
    ready: str = ""
    heartbeat: str = ""
    renewed: str = ""
    grace_seconds: float = 0.0
    counts: bool = True
    is_silent: bool = False
    # The zone's turn has come to this node: it may have a NoExecute taint.
    may_be_tainted: bool = False

    @property
    def is_ready(self) -> bool:
        return self.ready == "True" and not self.is_silent


class Healths:
    """Times are seconds of one monotonic clock, passed in as `now`."""

    def __init__(self, grace_seconds: float, startup_seconds: float) -> None:
        self._grace = grace_seconds
        self._startup = startup_seconds
        self._healths: dict[str, Health] = {}
        self._deadlines: list[tuple[float, int, Health]] = []
        self._order = itertools.count()

    def __iter__(self) -> Iterator[Health]:
        return iter(self._healths.values())

    def __len__(self) -> int:
        return len(self._healths)

    def get(self, name: str) -> Health | None:
        return self._healths.get(name)

    def observe(self, node: Object, now: float) -> Health:
        """An informer has shown this state of the node."""
        name = meta.name(node)
        health = self._healths.get(name)
        if health is None or health.uid != meta.uid(node):
            health = self._healths[name] = Health(name, meta.uid(node), now)
            found = pods.condition(node, nodes.READY)
            if found is None:
                health.probed_at -= _age_seconds(node)
            self._read(health, node)
            self._file(health)
            return health
        heartbeat, ready = health.heartbeat, health.ready
        self._read(health, node)
        # Heartbeats are whole seconds; and Unknown is what is said of a kubelet, not by it.
        spoke = ready != health.ready and health.ready in ("True", "False")
        if bool(ready) != bool(health.ready) or heartbeat != health.heartbeat or spoke:
            self._alive(health, now)
        return health

    def _read(self, health: Health, node: Object) -> None:
        found = pods.condition(node, nodes.READY) or {}
        health.ready = found.get("status") or ""
        health.heartbeat = found.get("lastHeartbeatTime") or ""
        health.zone = nodes.zone_key(node)
        health.counts = EXCLUDE_DISRUPTION not in meta.labels(node)
        health.grace_seconds = self._grace if health.ready else self._startup

    def renewed(self, name: str, renew_time: str, now: float) -> Health | None:
        """The Lease of the node has this renewTime; the node's health if that is news."""
        health = self._healths.get(name)
        # The canonical form of a MicroTime sorts as the times do.
        if health is None or renew_time <= health.renewed:
            return None
        health.renewed = renew_time
        self._alive(health, now)
        return health

    def forget(self, name: str) -> Health | None:
        return self._healths.pop(name, None)

    def due(self, now: float) -> list[Health]:
        """Those that have fallen silent since the last time; each is told once."""
        found = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, health = heapq.heappop(self._deadlines)
            if self._healths.get(health.name) is not health:
                continue
            if health.probed_at + health.grace_seconds > now:
                self._file(health)
            else:
                health.is_silent = True
                found.append(health)
        return found

    def all_alive(self, now: float) -> None:
        """Everybody's time begins anew: while nobody was heard of, the fault was ours."""
        for health in self._healths.values():
            self._alive(health, now)

    def _alive(self, health: Health, now: float) -> None:
        health.probed_at = now
        if health.is_silent:
            health.is_silent = False
            self._file(health)

    def _file(self, health: Health) -> None:
        deadline = health.probed_at + health.grace_seconds
        heapq.heappush(self._deadlines, (deadline, next(self._order), health))


def _age_seconds(node: Object) -> float:
    """By the wall clock, as upstream counts the grace of a node that never said a word."""
    created = meta.of(node).get("creationTimestamp")
    if not created:
        return 0.0
    return max(0.0, (datetime.now(UTC) - times.parse(created)).total_seconds())

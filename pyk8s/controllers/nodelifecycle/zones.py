# SPDX-License-Identifier: Apache-2.0
"""How well each zone is, and how fast its silent nodes may lose their Pods.

    Normal               node-eviction-rate
    PartialDisruption    secondary-node-eviction-rate; none in a small zone
    FullDisruption       node-eviction-rate; none while every zone is

Where most of a zone seems dead at once, it is rather the network that is, and throwing all of
its Pods away would make things worse. Counts are kept by difference: a look costs the number of
zones, not of nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pyk8s.client import backoff
from pyk8s.controllers.nodelifecycle.health import Health
from pyk8s.controllers.options import Options

INITIAL = "Initial"
NORMAL = "Normal"
PARTIAL_DISRUPTION = "PartialDisruption"
FULL_DISRUPTION = "FullDisruption"

_NODES_MIN = 2


def state_of(ready: int, not_ready: int, threshold: float) -> str:
    """A zone's state, from how many of its nodes are ready and are not."""
    if not ready and not_ready:
        return FULL_DISRUPTION
    if not_ready > _NODES_MIN and not_ready / (ready + not_ready) >= threshold:
        return PARTIAL_DISRUPTION
    return NORMAL


def rate_of(state: str, size: int, options: Options) -> float:
    """Nodes a second that may be tainted in a zone of this state and size; 0 for none."""
    if state == PARTIAL_DISRUPTION:
        large = size > options.large_cluster_size_threshold
        return options.secondary_node_eviction_rate if large else 0.0
    return options.node_eviction_rate


class EvictionQueue:
    """Nodes whose turn comes one by one, at a rate that may change, or be 0 for never.

    Nothing runs while it is empty. `grant` is called with a name when its turn has come.
    """

    def __init__(self, rate: float, grant: Callable[[str], None]) -> None:
        self._rate = rate
        self._bucket = backoff.TokenBucket(rate, 1)
        self._grant = grant
        self._waiting: dict[str, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, name: str) -> None:
        self._waiting[name] = None
        self._arm()

    def remove(self, name: str) -> None:
        self._waiting.pop(name, None)

    def set_rate(self, rate: float) -> None:
        if rate == self._rate:
            return
        self._rate = rate
        waited = self._timer is not None
        self.close()
        self._bucket = backoff.TokenBucket(rate, 1)
        if waited and rate > 0:
            # Who had to wait does not get a turn because the rate is another now.
            self._bucket.reserve()
        self._arm()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._waiting and self._rate > 0:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._bucket.reserve(), self._turn)

    def _turn(self) -> None:
        self._timer = None
        if self._waiting:
            name = next(iter(self._waiting))
            del self._waiting[name]
            self._grant(name)
        self._arm()


@dataclass(slots=True)
class Zone:
    queue: EvictionQueue
    state: str = INITIAL
    ready: int = 0
    not_ready: int = 0

    @property
    def size(self) -> int:
        return self.ready + self.not_ready


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a look at all zones has changed for all nodes."""

    entered_full_disruption: bool = False
    left_full_disruption: bool = False


class Zones:
    """`grant` is called with the name of a node that may be tainted now."""

    def __init__(self, options: Options, grant: Callable[[str], None]) -> None:
        self._options = options
        self._grant = grant
        self._zones: dict[str, Zone] = {}
        # How each node is counted: its zone, and whether it is ready.
        self._counted: dict[str, tuple[str, bool]] = {}
        self.all_disrupted = False

    def get(self, key: str) -> Zone:
        zone = self._zones.get(key)
        if zone is None:
            queue = EvictionQueue(self._options.node_eviction_rate, self._grant)
            zone = self._zones[key] = Zone(queue)
        return zone

    def observe(self, health: Health) -> None:
        """Count the node as it is now."""
        now = (health.zone, health.is_ready) if health.counts else None
        before = self._counted.get(health.name)
        if now == before:
            return
        self.forget(health.name)
        if now is not None:
            self._counted[health.name] = now
            self._count(now, 1)
        self.get(health.zone)

    def forget(self, name: str) -> None:
        if (before := self._counted.pop(name, None)) is not None:
            self._count(before, -1)
            if before[0] in self._zones:
                self._zones[before[0]].queue.remove(name)

    def _count(self, counted: tuple[str, bool], by: int) -> None:
        zone = self.get(counted[0])
        if counted[1]:
            zone.ready += by
        else:
            zone.not_ready += by

    def judge(self) -> Judgement:
        """Look at the counts, and set each zone's state and rate after them."""
        for key in [k for k, zone in self._zones.items() if not zone.size and not zone.queue]:
            self._zones.pop(key).queue.close()
        threshold = self._options.unhealthy_zone_threshold
        counted = [zone for zone in self._zones.values() if zone.size]
        states = [state_of(zone.ready, zone.not_ready, threshold) for zone in counted]
        are = bool(states) and all(state == FULL_DISRUPTION for state in states)
        were = self.all_disrupted
        self.all_disrupted = are
        for zone, state in zip(counted, states, strict=True):
            if zone.state != state or are != were:
                zone.state = state
                zone.queue.set_rate(0.0 if are else rate_of(state, zone.size, self._options))
        return Judgement(are and not were, were and not are)

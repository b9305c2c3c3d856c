# SPDX-License-Identifier: Apache-2.0
"""How much processor time simulated containers have used: no I/O.

What a container uses may change while it runs, but what it has used never becomes less: its
seconds are added up at the rate that held meanwhile. So a counter of a node goes on when one of
its containers ends, as that of a machine does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

# The uid of the pod, and the name of the container.
Key = tuple[str, str]


@dataclass(slots=True)
class _Used:
    """One run of a container: `seconds` until `at`, and `nano_cores` from then on."""

    started_at: float
    seconds: float
    at: float
    nano_cores: int


@dataclass(slots=True)
class _Node:
    ended: float = 0.0
    containers: dict[Key, _Used] = field(default_factory=dict)


class Meter:
    """Of all nodes of a process, which began with it, `since` then. Moments are seconds since the
    epoch and never go back."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._nodes: dict[str, _Node] = {}

    def read(self, node: str, key: Key, started_at: float, nano_cores: int, now: float) -> float:
        """The seconds a run has used until now; `nano_cores` is its rate from now on, and the one
        it always had where it is new here."""
        containers = self._node(node).containers
        used = containers.get(key)
        if used is None or used.started_at != started_at:
            self._end(node, key)
            seconds = nano_cores / 1e9 * _between(started_at, now)
            containers[key] = _Used(started_at, seconds, now, nano_cores)
            return seconds
        used.seconds += used.nano_cores / 1e9 * _between(used.at, now)
        used.at, used.nano_cores = now, nano_cores
        return used.seconds

    def ended(self, node: str, running: Iterable[Key], now: float) -> tuple[float, float]:
        """The seconds that the ended containers of a node used, `running` being all the others,
        and for how many seconds the node has been there."""
        known = self._node(node)
        for key in known.containers.keys() - {*running}:
            self._end(node, key)
        return known.ended, _between(self._since, now)

    def _node(self, name: str) -> _Node:
        return self._nodes.setdefault(name, _Node())

    def _end(self, node: str, key: Key) -> None:
        known = self._nodes[node]
        used = known.containers.pop(key, None)
        if used is not None:
            known.ended += used.seconds


def _between(before: float, after: float) -> float:
    """Without the noise that seconds since the epoch have in their last places."""
    return max(0.0, round(after - before, 6))

# SPDX-License-Identifier: Apache-2.0
"""What a kubelet remembers of one pod, and how it tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pyk8s.apimachinery.gvk import Object
from pyk8s.client.events import WARNING
from pyk8s.client.store import Key
from pyk8s.node.admission import Claims
from pyk8s.node.probes import Probes
from pyk8s.node.runtime import Container, Outcome, Sandbox

# Upstream: initial and maximum container back-off; one that ran twice the maximum starts anew.
BACKOFF_FIRST_SECONDS = 10.0
BACKOFF_SECONDS_MAX = 300.0


class Waiting(NamedTuple):
    """Why a container does not run, and when to look again."""

    reason: str
    message: str
    until: float


@dataclass(slots=True)
class KnownPod:
    """What is known of one pod here; the API object is the informer's. `delay` is the last
    back-off by container, `pulls` that of its image and until when it holds, `looks` the same
    for what it lacks."""

    key: Key
    node: str
    start_time: float
    claims: Claims = field(default_factory=Claims)
    ip: str = ""
    host_ip: str = ""
    sandbox: Sandbox | None = None
    current: dict[str, Container] = field(default_factory=dict)
    previous: dict[str, Container] = field(default_factory=dict)
    delay: dict[str, float] = field(default_factory=dict)
    pulls: dict[str, tuple[float, float]] = field(default_factory=dict)
    looks: dict[str, tuple[float, float]] = field(default_factory=dict)
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    failure: tuple[str, str] | None = None
    # The last thing told of a container, so that it is told once.
    told: dict[str, tuple[str, int]] = field(default_factory=dict)
    # Of those that are probed; the postStart hooks that run, and until when; when each container
    # that is to be started again ends, and when each does once the whole pod is to end.
    probes: dict[str, Probes] = field(default_factory=dict)
    hooks: dict[str, tuple[float, Outcome]] = field(default_factory=dict)
    ending: dict[str, float] = field(default_factory=dict)
    stops: dict[str, float] | None = None
    # Whether its volumes are usable; if not, since when that is waited for.
    is_mounted: bool = False
    mounts_since: float | None = None
    # The resources of each container as they are in force, what speaks against those of the
    # spec, the generation that was looked at, and who is to restart for new ones.
    allocated: dict[str, Any] = field(default_factory=dict)
    resize: tuple[str, str] | None = None
    generation: int = 0
    restart: set[str] = field(default_factory=set)


class Tell(Protocol):
    def __call__(
        self, pod: Object, type: str, reason: str, message: str, container: str = ""
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Teller:
    """Records events on pods by `tell`."""

    tell: Tell

    def once(
        self,
        pod: Object,
        known: KnownPod,
        name: str,
        what: tuple[str, str],
        type: str = WARNING,
    ) -> bool:
        """An event of reason and message, unless it was the last one of this container's run;
        whether it was told."""
        run = known.current.get(name)
        mark = what[1], run.attempt if run is not None else -1
        if known.told.get(name) == mark:
            return False
        known.told[name] = mark
        self.tell(pod, type, *what, container=name)
        return True

# SPDX-License-Identifier: Apache-2.0
"""What plugins are made with: the shared state of the scheduler, as upstream's Handle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyk8s.apimachinery.gvk import Object
from pyk8s.client.client import Client
from pyk8s.client.eventsv1 import EventRecorder
from pyk8s.scheduler import placement
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.waiting import WaitingPods
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.plugins import counted
from pyk8s.scheduler.podindex import PodIndex
from pyk8s.scheduler.storage import Storage


@dataclass(frozen=True, slots=True)
class Handle:
    """`nodes` has every node and the pods on it, those assumed to be there among them. All of it
    is shared and changes between two attempts; none of it is a plugin's to change, but for the
    verdicts on `waiting` pods."""

    nodes: NodeTable
    index: PodIndex
    nominator: Nominator
    selectors: counted.DefaultSelector = field(default_factory=counted.NoSelector)
    budgets: Callable[[], Sequence[Object]] = tuple
    # None where nothing is ever bound.
    client: Client | None = None
    storage: Storage = field(default_factory=Storage)
    waiting: WaitingPods = field(default_factory=WaitingPods)
    recorder: EventRecorder | None = None


def handle_of(nodes: NodeTable) -> Handle:
    """For a table that is still empty: no services, owners or budgets, and nobody to bind."""
    return Handle(nodes, placement.follow(nodes), Nominator(nodes))

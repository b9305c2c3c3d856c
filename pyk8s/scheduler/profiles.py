# SPDX-License-Identifier: Apache-2.0
"""Which plugins a profile has, in what order, with what weights: `default_plugins.go`.

What is not built yet of its list: ImageLocality, DynamicResources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyk8s.apimachinery.gvk import Object
from pyk8s.client.client import Client
from pyk8s.scheduler import placement
from pyk8s.scheduler.evaluation import Profile
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.plugins import (
    counted,
    defaultpreemption,
    noderesources,
    queueing,
    volumebinding,
    volumelimits,
)
from pyk8s.scheduler.plugins import nodes as node_plugins
from pyk8s.scheduler.podindex import PodIndex
from pyk8s.scheduler.storage import Storage

DEFAULT_SCHEDULER = "default-scheduler"


@dataclass(frozen=True, slots=True)
class Handle:
    """What plugins are made with: the shared state of the scheduler, as upstream's Handle."""

    nodes: NodeTable
    index: PodIndex
    nominator: Nominator
    selectors: counted.DefaultSelector = field(default_factory=counted.NoSelector)
    budgets: Callable[[], Sequence[Object]] = tuple
    # None where nothing is ever bound.
    client: Client | None = None
    storage: Storage = field(default_factory=Storage)


def handle_of(nodes: NodeTable) -> Handle:
    """For a table that is still empty: no services, owners or budgets, and nobody to bind."""
    return Handle(nodes, placement.follow(nodes), Nominator(nodes))


def default_profile(handle: Handle) -> Profile:
    """In upstream's order, with upstream's weights, what there is of its default plugins."""
    binders = () if handle.client is None else (queueing.DefaultBinder(handle.client),)
    return Profile(
        name=DEFAULT_SCHEDULER,
        plugins=(
            queueing.SchedulingGates(),
            queueing.PrioritySort(),
            node_plugins.NodeUnschedulable(),
            node_plugins.NodeName(),
            node_plugins.TaintToleration(),
            node_plugins.NodeAffinity(),
            node_plugins.NodePorts(),
            noderesources.Fit(),
            volumelimits.VolumeRestrictions(handle.storage),
            volumelimits.NodeVolumeLimits(handle.storage),
            volumebinding.VolumeBinding(handle.storage, handle.nodes),
            volumelimits.VolumeZone(handle.storage),
            counted.PodTopologySpread(handle.index, handle.selectors),
            counted.InterPodAffinity(handle.index),
            defaultpreemption.DefaultPreemption(handle.nodes, handle.nominator, handle.budgets),
            noderesources.BalancedAllocation(),
            *binders,
        ),
        weights={
            "TaintToleration": 3,
            "NodeAffinity": 2,
            "PodTopologySpread": 2,
            "InterPodAffinity": 2,
        },
    )

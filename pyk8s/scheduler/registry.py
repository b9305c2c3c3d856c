# SPDX-License-Identifier: Apache-2.0
"""Which plugins there are: those of the tree, and those that installed packages bring.

A package brings plugins by the entry point group `pyk8s.scheduler.plugins`: the name of the entry
point is the plugin's name, its value a factory that gets the arguments of the configuration (a
dict) and the Handle. Mirrors `framework/plugins/registry.go` and `app.WithPlugin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import Any

from pyk8s.scheduler.config import pluginargs
from pyk8s.scheduler.config.decoding import ConfigError
from pyk8s.scheduler.framework.fitting import Fitted
from pyk8s.scheduler.handle import Handle
from pyk8s.scheduler.plugins import (
    counted,
    defaultpreemption,
    imagelocality,
    noderesources,
    queueing,
    shapes,
    volumebinding,
    volumelimits,
)
from pyk8s.scheduler.plugins import nodes as node_plugins

GROUP = "pyk8s.scheduler.plugins"

Args = Mapping[str, Any]
Factory = Callable[[Args, Handle], Any]


def _spread_args(args: Args) -> counted.SpreadArgs:
    if args["defaultingType"] == pluginargs.SYSTEM:
        return counted.SpreadArgs()
    return counted.SpreadArgs(args.get("defaultConstraints") or ())


IN_TREE: Mapping[str, Factory] = {
    "SchedulingGates": lambda args, handle: queueing.SchedulingGates(),
    "PrioritySort": lambda args, handle: queueing.PrioritySort(),
    "NodeUnschedulable": lambda args, handle: node_plugins.NodeUnschedulable(),
    "NodeName": lambda args, handle: node_plugins.NodeName(),
    "TaintToleration": lambda args, handle: node_plugins.TaintToleration(),
    "NodeAffinity": lambda args, handle: node_plugins.NodeAffinity(args.get("addedAffinity")),
    "NodePorts": lambda args, handle: node_plugins.NodePorts(),
    "NodeResourcesFit": lambda args, handle: noderesources.Fit(noderesources.FitArgs.of(args)),
    "VolumeRestrictions": lambda args, handle: volumelimits.VolumeRestrictions(handle.storage),
    "NodeVolumeLimits": lambda args, handle: volumelimits.NodeVolumeLimits(handle.storage),
    "VolumeBinding": lambda args, handle: volumebinding.VolumeBinding(
        handle.storage, handle.nodes, args["bindTimeoutSeconds"], shapes.of(args.get("shape") or ())
    ),
    "VolumeZone": lambda args, handle: volumelimits.VolumeZone(handle.storage),
    "PodTopologySpread": lambda args, handle: counted.PodTopologySpread(
        handle.index, handle.selectors, _spread_args(args)
    ),
    "InterPodAffinity": lambda args, handle: counted.InterPodAffinity(
        handle.index,
        counted.AffinityArgs(
            args["hardPodAffinityWeight"], args["ignorePreferredTermsOfExistingPods"]
        ),
    ),
    "DefaultPreemption": lambda args, handle: defaultpreemption.DefaultPreemption(
        handle.nodes,
        handle.nominator,
        handle.budgets,
        defaultpreemption.PreemptionArgs(
            args["minCandidateNodesPercentage"], args["minCandidateNodesAbsolute"]
        ),
    ),
    "NodeResourcesBalancedAllocation": lambda args, handle: noderesources.BalancedAllocation(
        [each["name"] for each in args["resources"]]
    ),
    "ImageLocality": lambda args, handle: imagelocality.ImageLocality(),
    "DefaultBinder": lambda args, handle: queueing.DefaultBinder(handle.client),
}


def find(names: Iterable[str]) -> dict[str, Factory | metadata.EntryPoint]:
    """Those of the plugins that there are. Raises ConfigError for two plugins of one name."""
    found: dict[str, Factory | metadata.EntryPoint] = {}
    unknown = []
    for name in names:
        if name in IN_TREE:
            found[name] = IN_TREE[name]
        else:
            unknown.append(name)
    # Only for plugins of others: to read what is installed takes longer than all else.
    for point in metadata.entry_points(group=GROUP) if unknown else ():
        if point.name in IN_TREE or point.name in found:
            raise ConfigError(f"a plugin named {point.name} already exists")
        if point.name in unknown:
            found[point.name] = point
    return found


def make(name: str, factory: Factory | metadata.EntryPoint, args: Args, handle: Handle) -> Any:
    """Raises ConfigError."""
    try:
        if isinstance(factory, metadata.EntryPoint):
            return Fitted(name, factory.load()(args, handle))
        return factory(args, handle)
    # What a package raises while it is loaded is as good as any other reason not to start.
    except Exception as error:
        raise ConfigError(f'initializing plugin "{name}": {error}') from error

# SPDX-License-Identifier: Apache-2.0
"""What holds where a configuration says nothing: `apis/config/v1/defaults.go`.

Two values differ from upstream's: no limit of requests (`qps: -1`), because the server's own
limits spare it better; and DynamicResources, which is not built, is not among the plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyk8s.scheduler.config import types

Config = dict[str, Any]
Plugin = dict[str, Any]
PluginSet = dict[str, list[Plugin]]

DEFAULT_SCHEDULER = "default-scheduler"
ALL = "*"

# `default_plugins.go`: in this order, the weight of those that have one.
DEFAULT_PLUGINS: Mapping[str, int] = {
    "SchedulingGates": 0,
    "PrioritySort": 0,
    "NodeUnschedulable": 0,
    "NodeName": 0,
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "NodePorts": 0,
    "NodeResourcesFit": 1,
    "VolumeRestrictions": 0,
    "NodeVolumeLimits": 0,
    "VolumeBinding": 0,
    "VolumeZone": 0,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "DefaultPreemption": 0,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
    "DefaultBinder": 0,
}
_ZERO_DURATION = "0s"


def defaulted(written: Mapping[str, Any]) -> Config:
    """A configuration of which every field that has a default is set. `written` stays as it is."""
    config: Config = {"apiVersion": types.API_VERSION, "kind": types.KIND, **written}
    _set(config, parallelism=16, percentageOfNodesToScore=0)
    _set(config, podInitialBackoffSeconds=1, podMaxBackoffSeconds=10, enableProfiling=True)
    _set(config, enableContentionProfiling=config["enableProfiling"])
    config["leaderElection"] = _leader_election(config.get("leaderElection") or {})
    config["clientConnection"] = _client_connection(config.get("clientConnection") or {})
    written_profiles: Sequence[Config] = config.get("profiles") or ({},)
    profiles = [dict(profile) for profile in written_profiles]
    if len(profiles) == 1:
        # Several have to say their names themselves.
        _set(profiles[0], schedulerName=DEFAULT_SCHEDULER)
    if extenders := config.get("extenders"):
        config["extenders"] = [_extender(each) for each in extenders]
    config["profiles"] = [_profile(profile) for profile in profiles]
    return config


def _set(config: Config, **values: Any) -> None:
    for name, value in values.items():
        config.setdefault(name, value)


def _filled(config: Mapping[str, Any], **values: Any) -> Config:
    """Where Go's zero value means that nothing is said."""
    return {**config, **{key: config.get(key) or value for key, value in values.items()}}


def _leader_election(written: Mapping[str, Any]) -> Config:
    durations = {"leaseDuration": "15s", "renewDeadline": "10s", "retryPeriod": "2s"}
    given = {
        key: value
        for key, value in written.items()
        if key not in durations or value != _ZERO_DURATION
    }
    names = {"resourceName": "kube-scheduler", "resourceNamespace": "kube-system"}
    return _filled({"leaderElect": True, **given}, resourceLock="leases", **names, **durations)


def _extender(written: Mapping[str, Any]) -> Config:
    given = {key: value for key, value in written.items() if value != _ZERO_DURATION}
    return {"urlPrefix": "", "httpTimeout": "5s", **given}


def _client_connection(written: Mapping[str, Any]) -> Config:
    config = _filled(written, contentType="application/vnd.kubernetes.protobuf", qps=-1, burst=100)
    _set(config, kubeconfig="", acceptContentTypes="")
    return config


# --- profiles


def _profile(profile: Config) -> Config:
    plugins = merged(default_plugins(), profile.get("plugins") or {})
    config = [_plugin_config(each) for each in profile.get("pluginConfig") or ()]
    configured = {each["name"] for each in config}
    named = {plugin["name"] for each in plugins.values() for plugin in each.get("enabled") or ()}
    for name in sorted(named - configured):
        if name in types.PLUGIN_ARGS:
            config.append(_plugin_config({"name": name}))
    return {**profile, "plugins": plugins, "pluginConfig": config}


def _plugin_config(written: Mapping[str, Any]) -> Config:
    name = written.get("name", "")
    if name not in types.PLUGIN_ARGS:
        return {**written, "name": name}
    args = dict(written.get("args") or {})
    _set(args, apiVersion=types.API_VERSION, kind=f"{name}Args")
    set_defaults = _ARGS_DEFAULTS.get(name)
    if set_defaults is not None:
        set_defaults(args)
    return {"name": name, "args": args}


def default_plugins() -> dict[str, PluginSet]:
    enabled = [_plugin(name, weight) for name, weight in DEFAULT_PLUGINS.items()]
    return {types.MULTI_POINT: {"enabled": enabled}}


def _plugin(name: str, weight: int) -> Plugin:
    return {"name": name, "weight": weight} if weight else {"name": name}


def merged(
    default: Mapping[str, PluginSet], custom: Mapping[str, PluginSet]
) -> dict[str, PluginSet]:
    """The plugins of every extension point: what is written over what is default."""
    points = (types.MULTI_POINT, *types.EXTENSION_POINTS)
    return {
        point: _merged_set(default.get(point) or {}, custom.get(point) or {}) for point in points
    }


def _merged_set(
    default: Mapping[str, list[Plugin]], custom: Mapping[str, list[Plugin]]
) -> PluginSet:
    """A default plugin that is named again keeps its place; others come after the defaults. Of a
    plugin that is named twice the last one replaces the default, and whoever makes the plugins
    refuses the other."""
    written = [*(custom.get("disabled") or ()), *(default.get("disabled") or ())]
    disabled = [{"name": plugin.get("name", "")} for plugin in written]
    names = {plugin["name"] for plugin in disabled}
    enabled = list(custom.get("enabled") or ())
    last = {plugin.get("name", ""): index for index, plugin in enumerate(enabled)}
    result: list[Plugin] = []
    replaced = set()
    for plugin in () if ALL in names else default.get("enabled") or ():
        if plugin["name"] in names:
            continue
        if plugin["name"] in last:
            replaced.add(last[plugin["name"]])
            plugin = enabled[last[plugin["name"]]]
        result.append(plugin)
    result += [plugin for index, plugin in enumerate(enabled) if index not in replaced]
    found = {"enabled": result, "disabled": disabled}
    return {key: value for key, value in found.items() if value}


# --- arguments


def _default_preemption(args: Config) -> None:
    _set(args, minCandidateNodesPercentage=10, minCandidateNodesAbsolute=100)


def _inter_pod_affinity(args: Config) -> None:
    _set(args, hardPodAffinityWeight=1, ignorePreferredTermsOfExistingPods=False)


def _volume_binding(args: Config) -> None:
    _set(args, bindTimeoutSeconds=600)


def _pod_topology_spread(args: Config) -> None:
    args["defaultingType"] = args.get("defaultingType") or "System"
    if not args.get("defaultConstraints"):
        args.pop("defaultConstraints", None)


def _balanced_allocation(args: Config) -> None:
    args["resources"] = _weighted(args.get("resources") or ())


def _fit(args: Config) -> None:
    strategy = dict(args.get("scoringStrategy") or {"type": "LeastAllocated"})
    strategy["resources"] = _weighted(strategy.get("resources") or ())
    args["scoringStrategy"] = strategy


def _weighted(resources: Any) -> list[Config]:
    """A weight of zero says as little as none."""
    listed = resources or ({"name": "cpu"}, {"name": "memory"})
    return [{"name": "", **each, "weight": each.get("weight") or 1} for each in listed]


_ARGS_DEFAULTS: Mapping[str, Callable[[Config], None]] = {
    "DefaultPreemption": _default_preemption,
    "InterPodAffinity": _inter_pod_affinity,
    "NodeResourcesBalancedAllocation": _balanced_allocation,
    "NodeResourcesFit": _fit,
    "PodTopologySpread": _pod_topology_spread,
    "VolumeBinding": _volume_binding,
}

# SPDX-License-Identifier: Apache-2.0
"""The fields of KubeSchedulerConfiguration and of the plugins' arguments, as tables.

Facts of `k8s.io/kube-scheduler/config/v1` and `k8s.io/component-base/config/v1alpha1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GROUP = "kubescheduler.config.k8s.io"
API_VERSION = f"{GROUP}/v1"
KIND = "KubeSchedulerConfiguration"


@dataclass(frozen=True, slots=True)
class Struct:
    """A Go struct by the names of its JSON fields."""

    name: str
    fields: Mapping[str, Type]


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Type
    go_name: str


@dataclass(frozen=True, slots=True)
class MapOf:
    """By string."""

    item: Type
    go_name: str


# A string names a scalar Go type, "v1.Duration", or "raw" for any JSON value.
Type = str | Struct | ListOf | MapOf

# In upstream's order of the struct, in which a configuration is walked.
EXTENSION_POINTS = (
    "preEnqueue",
    "queueSort",
    "preFilter",
    "filter",
    "postFilter",
    "preScore",
    "score",
    "reserve",
    "permit",
    "preBind",
    "bind",
    "postBind",
)
MULTI_POINT = "multiPoint"

_TYPE_META: Mapping[str, Type] = {"apiVersion": "string", "kind": "string"}
_PLUGIN = Struct("Plugin", {"name": "string", "weight": "int32"})
_PLUGINS_OF = ListOf(_PLUGIN, "[]v1.Plugin")
_PLUGIN_SET = Struct("PluginSet", {"enabled": _PLUGINS_OF, "disabled": _PLUGINS_OF})
_PLUGINS = Struct("Plugins", dict.fromkeys((*EXTENSION_POINTS, MULTI_POINT), _PLUGIN_SET))
_PLUGIN_CONFIG = Struct("PluginConfig", {"name": "string", "args": "raw"})
_PROFILE = Struct(
    "KubeSchedulerProfile",
    {
        "schedulerName": "string",
        "percentageOfNodesToScore": "int32",
        "plugins": _PLUGINS,
        "pluginConfig": ListOf(_PLUGIN_CONFIG, "[]v1.PluginConfig"),
    },
)
_TLS = Struct(
    "ExtenderTLSConfig",
    {
        "insecure": "bool",
        "serverName": "string",
        "certFile": "string",
        "keyFile": "string",
        "caFile": "string",
        "certData": "[]uint8",
        "keyData": "[]uint8",
        "caData": "[]uint8",
    },
)
_MANAGED = Struct("ExtenderManagedResource", {"name": "string", "ignoredByScheduler": "bool"})
_EXTENDER = Struct(
    "Extender",
    {
        "urlPrefix": "string",
        "filterVerb": "string",
        "preemptVerb": "string",
        "prioritizeVerb": "string",
        "weight": "int64",
        "bindVerb": "string",
        "enableHTTPS": "bool",
        "tlsConfig": _TLS,
        "httpTimeout": "v1.Duration",
        "nodeCacheCapable": "bool",
        "managedResources": ListOf(_MANAGED, "[]v1.ExtenderManagedResource"),
        "ignorable": "bool",
    },
)
_LEADER_ELECTION = Struct(
    "LeaderElectionConfiguration",
    {
        "leaderElect": "bool",
        "leaseDuration": "v1.Duration",
        "renewDeadline": "v1.Duration",
        "retryPeriod": "v1.Duration",
        "resourceLock": "string",
        "resourceName": "string",
        "resourceNamespace": "string",
    },
)
_CLIENT_CONNECTION = Struct(
    "ClientConnectionConfiguration",
    {
        "kubeconfig": "string",
        "acceptContentTypes": "string",
        "contentType": "string",
        "qps": "float32",
        "burst": "int32",
    },
)
CONFIGURATION = Struct(
    KIND,
    {
        **_TYPE_META,
        "parallelism": "int32",
        "leaderElection": _LEADER_ELECTION,
        "clientConnection": _CLIENT_CONNECTION,
        "enableProfiling": "bool",
        "enableContentionProfiling": "bool",
        "percentageOfNodesToScore": "int32",
        "podInitialBackoffSeconds": "int64",
        "podMaxBackoffSeconds": "int64",
        "profiles": ListOf(_PROFILE, "[]v1.KubeSchedulerProfile"),
        "extenders": ListOf(_EXTENDER, "[]v1.Extender"),
        "delayCacheUntilActive": "bool",
    },
)

_STRINGS = ListOf("string", "[]string")
_RESOURCE_SPEC = Struct("ResourceSpec", {"name": "string", "weight": "int64"})
_RESOURCES = ListOf(_RESOURCE_SPEC, "[]v1.ResourceSpec")
_POINT = Struct("UtilizationShapePoint", {"utilization": "int32", "score": "int32"})
_SHAPE = ListOf(_POINT, "[]v1.UtilizationShapePoint")
_STRATEGY = Struct(
    "ScoringStrategy",
    {
        "type": "string",
        "resources": _RESOURCES,
        "requestedToCapacityRatio": Struct("RequestedToCapacityRatioParam", {"shape": _SHAPE}),
    },
)
_SELECTOR_REQUIREMENT: Mapping[str, Type] = {
    "key": "string",
    "operator": "string",
    "values": _STRINGS,
}
_LABEL_SELECTOR = Struct(
    "LabelSelector",
    {
        "matchLabels": MapOf("string", "map[string]string"),
        "matchExpressions": ListOf(
            Struct("LabelSelectorRequirement", _SELECTOR_REQUIREMENT),
            "[]v1.LabelSelectorRequirement",
        ),
    },
)
_CONSTRAINT = Struct(
    "TopologySpreadConstraint",
    {
        "maxSkew": "int32",
        "topologyKey": "string",
        "whenUnsatisfiable": "string",
        "labelSelector": _LABEL_SELECTOR,
        "minDomains": "int32",
        "nodeAffinityPolicy": "string",
        "nodeTaintsPolicy": "string",
        "matchLabelKeys": _STRINGS,
    },
)
_NODE_REQUIREMENTS = ListOf(
    Struct("NodeSelectorRequirement", _SELECTOR_REQUIREMENT), "[]v1.NodeSelectorRequirement"
)
_NODE_TERM = Struct(
    "NodeSelectorTerm",
    {"matchExpressions": _NODE_REQUIREMENTS, "matchFields": _NODE_REQUIREMENTS},
)
_NODE_AFFINITY = Struct(
    "NodeAffinity",
    {
        "requiredDuringSchedulingIgnoredDuringExecution": Struct(
            "NodeSelector", {"nodeSelectorTerms": ListOf(_NODE_TERM, "[]v1.NodeSelectorTerm")}
        ),
        "preferredDuringSchedulingIgnoredDuringExecution": ListOf(
            Struct("PreferredSchedulingTerm", {"weight": "int32", "preference": _NODE_TERM}),
            "[]v1.PreferredSchedulingTerm",
        ),
    },
)

_ARGS_FIELDS: Mapping[str, Mapping[str, Type]] = {
    "DefaultPreemption": {
        "minCandidateNodesPercentage": "int32",
        "minCandidateNodesAbsolute": "int32",
    },
    "DynamicResources": {"filterTimeout": "v1.Duration", "bindingTimeout": "v1.Duration"},
    "InterPodAffinity": {
        "hardPodAffinityWeight": "int32",
        "ignorePreferredTermsOfExistingPods": "bool",
    },
    "NodeAffinity": {"addedAffinity": _NODE_AFFINITY},
    "NodeResourcesBalancedAllocation": {"resources": _RESOURCES},
    "NodeResourcesFit": {
        "ignoredResources": _STRINGS,
        "ignoredResourceGroups": _STRINGS,
        "scoringStrategy": _STRATEGY,
    },
    "PodTopologySpread": {
        "defaultConstraints": ListOf(_CONSTRAINT, "[]v1.TopologySpreadConstraint"),
        "defaultingType": "string",
    },
    "VolumeBinding": {"bindTimeoutSeconds": "int64", "shape": _SHAPE},
}
# By the name of the plugin.
PLUGIN_ARGS: Mapping[str, Struct] = {
    name: Struct(f"{name}Args", {**_TYPE_META, **fields}) for name, fields in _ARGS_FIELDS.items()
}

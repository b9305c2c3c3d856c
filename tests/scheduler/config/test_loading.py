# SPDX-License-Identifier: Apache-2.0
"""KubeSchedulerConfiguration files: what is refused, in whose words, and what holds by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pyk8s.scheduler.config import decoding, defaults, loading
from pyk8s.scheduler.config.decoding import ConfigError

Config = dict[str, Any]
HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
GOLDEN = Path(__file__).parent / "default.output.yaml"


def complete(text: str) -> Config:
    return loading.complete(decoding.decode((HEAD + text).encode()))


def plugin_config(name: str, args: Config) -> str:
    profile = {"pluginConfig": [{"name": name, "args": args}]}
    return yaml.safe_dump({"profiles": [profile]})


def test_defaults_are_printed() -> None:
    """What holds when nothing is configured, as kube-scheduler prints it; but for the limit of
    requests, and for DynamicResources."""
    assert loading.printed(loading.load("")).decode() == GOLDEN.read_text()


def test_what_is_printed_is_read_back() -> None:
    """The printed form of a configuration is a configuration that means the same."""
    printed = loading.printed(complete(plugin_config("NodeAffinity", {"addedAffinity": {}})))
    again = loading.printed(loading.complete(decoding.decode(printed)))
    assert again == printed


OF_FIT = "strict decoding error: decoding args for plugin NodeResourcesFit: strict decoding error: "


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(
            "kind: KubeSchedulerConfiguration\n",
            "Object 'apiVersion' is missing in the configuration",
            id="no version",
        ),
        pytest.param(
            "apiVersion: v1\nkind: Pod\n",
            'no kind "Pod" is registered for version "v1"',
            id="another kind",
        ),
        pytest.param(
            "apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration\n",
            'no kind "KubeSchedulerConfiguration" is registered for version '
            '"kubescheduler.config.k8s.io/v1beta3"',
            id="an old version",
        ),
        pytest.param(
            HEAD + "foo: 1\nprofiles:\n- plugins: {filter: {only: []}}\n",
            'strict decoding error: unknown field "foo", '
            'unknown field "profiles[0].plugins.filter.only"',
            id="unknown fields",
        ),
        pytest.param(
            HEAD + "parallelism: 1\nparallelism: 2\n",
            "strict decoding error: error converting YAML to JSON: yaml: unmarshal errors:\n"
            '  line 4: key "parallelism" already set in map',
            id="a field twice",
        ),
        pytest.param(
            HEAD + "parallelism: many\n",
            "json: cannot unmarshal string into Go struct field "
            "KubeSchedulerConfiguration.parallelism of type int32",
            id="wrong type",
        ),
        pytest.param(
            HEAD + "profiles: [{plugins: {score: {enabled: [{weight: '1'}]}}}]\n",
            "json: cannot unmarshal string into Go struct field "
            "Plugin.profiles.plugins.score.enabled.weight of type int32",
            id="wrong type deep inside",
        ),
        pytest.param(
            HEAD + "leaderElection: {leaseDuration: 15}\n",
            "json: cannot unmarshal number into Go struct field "
            "LeaderElectionConfiguration.leaderElection.leaseDuration of type string",
            id="a number is no duration",
        ),
        pytest.param(
            HEAD + "leaderElection: {leaseDuration: soon}\n",
            'time: invalid duration "soon"',
            id="a word is no duration",
        ),
        pytest.param(
            HEAD + plugin_config("InterPodAffinity", {"hardPodAffinityWeight": "x"}),
            "decoding .profiles[0].pluginConfig[0]: decoding args for plugin InterPodAffinity: "
            "json: cannot unmarshal string into Go struct field "
            "InterPodAffinityArgs.hardPodAffinityWeight of type int32",
            id="wrong type in arguments",
        ),
        pytest.param(
            HEAD
            + plugin_config(
                "NodeResourcesFit", {"scoringStrategy": {"resources": [{"Name": "c"}]}}
            ),
            "strict decoding error: decoding .profiles[0].pluginConfig[0]: "
            + OF_FIT
            + 'unknown field "scoringStrategy.resources[0].Name"',
            id="unknown field in arguments",
        ),
        pytest.param(
            HEAD + plugin_config("DefaultPreemption", {"kind": "InterPodAffinityArgs"}),
            "decoding .profiles[0].pluginConfig[0]: args for plugin DefaultPreemption were not of "
            "type DefaultPreemptionArgs.kubescheduler.config.k8s.io, got "
            "InterPodAffinityArgs.kubescheduler.config.k8s.io",
            id="arguments of another plugin",
        ),
    ],
)
def test_refused_when_read(document: str, message: str) -> None:
    """A file that is no KubeSchedulerConfiguration is refused in upstream's words."""
    with pytest.raises(ConfigError) as refused:
        decoding.decode(document.encode())
    assert str(refused.value) == message


def strategy(**of: Any) -> str:
    return plugin_config("NodeResourcesFit", {"scoringStrategy": of})


FIT = "profiles[0].pluginConfig[0].args.scoringStrategy"
ARGS = "profiles[0].pluginConfig[0].args"
RATIO = "RequestedToCapacityRatio"


def constraints(*of: Config, kind: str = "List") -> str:
    args = {"defaultingType": kind, "defaultConstraints": list(of)}
    return plugin_config("PodTopologySpread", args)


def ratio(*points: tuple[int, int]) -> Config:
    shape = [{"utilization": use, "score": score} for use, score in points]
    return {"type": RATIO, "requestedToCapacityRatio": {"shape": shape}}


ZONE = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "parallelism: 0\npercentageOfNodesToScore: 101\n",
            "[parallelism: Invalid value: 0: should be an integer value greater than zero, "
            "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]]",
            id="all at once",
        ),
        pytest.param(
            "clientConnection: {burst: -1}\n",
            "clientConnection.burst: Invalid value: -1: must be non-negative",
            id="burst",
        ),
        pytest.param(
            "leaderElection: {leaseDuration: 5s, resourceLock: endpoints}\n",
            '[leaderElection.leaseDuration: Invalid value: "10s": must be greater than '
            '`RenewDeadline`, leaderElection.resourceLock: Invalid value: "endpoints": '
            'resourceLock value must be "leases"]',
            id="leader election",
        ),
        pytest.param(
            "podInitialBackoffSeconds: 20\n",
            "podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to "
            "PodInitialBackoffSeconds",
            id="back-off",
        ),
        pytest.param(
            "profiles: [{}, {schedulerName: a}, {schedulerName: a}]\n",
            "[profiles[0].schedulerName: Required value, profiles[2].schedulerName: Duplicate "
            'value: "profiles[1].schedulerName"]',
            id="names of profiles",
        ),
        pytest.param(
            "profiles:\n- schedulerName: a\n- schedulerName: b\n  plugins:\n    queueSort:\n"
            "      enabled: [{name: Mine}]\n",
            "profiles[1].plugins.queueSort: Invalid value: "
            '{"enabled":[{"name":"Mine"}]}: must be the same for all profiles',
            id="one queue",
        ),
        pytest.param(
            "profiles: [{plugins: {filter: {enabled: [{name: EBSLimits}]}}}]\n",
            'profiles[0].plugins.filter.enabled[0]: Invalid value: "EBSLimits": was invalid in '
            'version "kubescheduler.config.k8s.io/v1" (KubeSchedulerConfiguration is version '
            '"kubescheduler.config.k8s.io/v1")',
            id="a plugin of old",
        ),
        pytest.param(
            plugin_config("DynamicResources", {"filterTimeout": "1s"}),
            "profiles[0].pluginConfig[0]: Forbidden: the plugin DynamicResources is not built",
            id="a plugin that is not built",
        ),
        pytest.param(
            "profiles: [{pluginConfig: [{name: VolumeBinding}, {name: VolumeBinding}]}]\n",
            'profiles[0].pluginConfig[1]: Duplicate value: "VolumeBinding"',
            id="arguments twice",
        ),
        pytest.param(
            plugin_config(
                "DefaultPreemption",
                {"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0},
            ),
            f"[{ARGS}.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same "
            f"time as minCandidateNodesAbsolute, {ARGS}.minCandidateNodesAbsolute: Invalid value: "
            "0: cannot be zero at the same time as minCandidateNodesPercentage]",
            id="no candidates",
        ),
        pytest.param(
            plugin_config("InterPodAffinity", {"hardPodAffinityWeight": 101}),
            f"{ARGS}.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]",
            id="weight of affinity",
        ),
        pytest.param(
            plugin_config(
                "NodeAffinity",
                {
                    "addedAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "a", "operator": "Like"}]}
                            ]
                        }
                    }
                },
            ),
            f"{ARGS}.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution."
            'nodeSelectorTerms[0].matchExpressions[0].operator: Unsupported value: "Like"',
            id="added affinity",
        ),
        pytest.param(
            strategy(type="Best"),
            f'{FIT}.type: Unsupported value: "Best": supported values: "LeastAllocated", '
            '"MostAllocated", "RequestedToCapacityRatio"',
            id="no such strategy",
        ),
        pytest.param(
            strategy(type="MostAllocated", resources=[{"name": "cpu", "weight": 101}]),
            f"{FIT}.resources[0].weight: Invalid value: 101: resource weight of cpu not in valid "
            "range (0, 100]",
            id="weight of a resource",
        ),
        pytest.param(
            strategy(type=RATIO),
            f"{FIT}.requestedToCapacityRatio: Required value: must be specified when type is "
            "RequestedToCapacityRatio",
            id="no shape",
        ),
        pytest.param(
            strategy(**ratio((50, 11), (50, 1))),
            f"[{FIT}.requestedToCapacityRatio.shape[1].utilization: Invalid value: 50: values must "
            f"be sorted in increasing order, {FIT}.requestedToCapacityRatio.shape[0].score: "
            "Invalid value: 11: not in valid range [0, 10]]",
            id="shape",
        ),
        pytest.param(
            strategy(**{**ratio((0, 0)), "type": "LeastAllocated"}),
            f"{FIT}.requestedToCapacityRatio: Forbidden: must be nil when type is not "
            "RequestedToCapacityRatio",
            id="a shape of another strategy",
        ),
        pytest.param(
            plugin_config("NodeResourcesFit", {"ignoredResourceGroups": ["a/b"]}),
            f'{ARGS}.ignoredResourceGroups[0]: Invalid value: "a/b": resource group name can\'t '
            "contain '/'",
            id="a group",
        ),
        pytest.param(
            plugin_config(
                "NodeResourcesBalancedAllocation",
                {"resources": [{"name": "cpu", "weight": 2}, {"name": "cpu"}]},
            ),
            f"[{ARGS}.resources[0].weight: Invalid value: 2: must be 1, "
            f'{ARGS}.resources[1].name: Duplicate value: "cpu"]',
            id="balanced resources",
        ),
        pytest.param(
            constraints(ZONE, kind="System"),
            f'{ARGS}.defaultingType: Invalid value: "System": when .defaultConstraints are not '
            "empty",
            id="constraints beside the system's",
        ),
        pytest.param(
            constraints({**ZONE, "maxSkew": 0, "labelSelector": {}}, ZONE),
            f"[{ARGS}.defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf),"
            f" {ARGS}.defaultConstraints[0].labelSelector: Forbidden: constraint must not define a "
            f"selector, as they deduced for each pod, {ARGS}.defaultConstraints[1]: Duplicate "
            'value: "{zone, DoNotSchedule}"]',
            id="constraints",
        ),
        pytest.param(
            constraints({"maxSkew": 1}),
            f"[{ARGS}.defaultConstraints[0].topologyKey: Required value: can not be empty, "
            f"{ARGS}.defaultConstraints[0].whenUnsatisfiable: Required value: can not be empty]",
            id="an empty constraint",
        ),
        pytest.param(
            plugin_config("VolumeBinding", {"shape": [{"utilization": 101, "score": 1}]}),
            f"{ARGS}.shape[0].utilization: Invalid value: 101: not in valid range [0, 100]",
            id="shape of volumes",
        ),
        pytest.param(
            plugin_config("VolumeBinding", {"bindTimeoutSeconds": -1}),
            f"{ARGS}.bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should not "
            "be a negative value",
            id="time to bind",
        ),
        pytest.param(
            "extenders:\n- {urlPrefix: a, prioritizeVerb: p, bindVerb: b}\n"
            "- {urlPrefix: b, bindVerb: b, managedResources: [{name: cpu}]}\n",
            "[extenders[0].weight: Invalid value: 0: must have a positive weight applied to it, "
            'extenders[1].managedResources[0].name: Invalid value: "cpu": is an invalid extended '
            'resource name, extenders: Invalid value: "found 2 extenders implementing bind": only '
            "one extender can implement bind]",
            id="extenders",
        ),
    ],
)
def test_refused_when_validated(text: str, message: str) -> None:
    """Values that make no sense are refused in upstream's words, all of them at once."""
    with pytest.raises(ConfigError) as refused:
        complete(text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("default", "custom", "merged"),
    [
        pytest.param({"enabled": ["A", "B"]}, {"enabled": ["C"]}, "A B C", id="after the defaults"),
        pytest.param(
            {"enabled": ["A", "B"]},
            {"enabled": ["C", "B"], "disabled": ["B"]},
            "A C B -B",
            id="a default moved",
        ),
        pytest.param(
            {"enabled": ["A", "B"]}, {"enabled": ["B", "A"], "disabled": ["*"]}, "B A -*", id="anew"
        ),
        pytest.param({"enabled": ["A", "B"]}, {"enabled": ["B=2"]}, "A B=2", id="weighed"),
        pytest.param(
            {"enabled": ["A", "B"]},
            {"enabled": ["B=2", "C", "B=4"]},
            "A B=4 B=2 C",
            id="named twice",
        ),
        pytest.param(
            {"enabled": ["A"], "disabled": ["B"]}, {"enabled": ["C"]}, "A C -B", id="off by default"
        ),
        pytest.param({"enabled": ["A"]}, {"disabled": ["A"]}, "-A", id="none left"),
    ],
)
def test_merged_plugins(default: Config, custom: Config, merged: str) -> None:
    """What is written over the default plugins keeps, moves, weighs or removes them."""

    def plugin(text: str) -> Config:
        name, _, weight = text.partition("=")
        return {"name": name, "weight": int(weight)} if weight else {"name": name}

    def of(texts: Config) -> Config:
        return {kind: [plugin(each) for each in listed] for kind, listed in texts.items()}

    found = defaults.merged({"score": of(default)}, {"score": of(custom)})["score"]
    enabled = [
        f"{each['name']}={each['weight']}" if "weight" in each else each["name"]
        for each in found.get("enabled", ())
    ]
    assert " ".join([*enabled, *(f"-{e['name']}" for e in found.get("disabled", ()))]) == merged


def test_plugins_of_others_keep_their_arguments() -> None:
    """What is configured for a plugin that is not known here is handed on as it was written."""
    (profile,) = complete(plugin_config("Mine", {"any": {"thing": [1]}}))["profiles"]
    assert profile["pluginConfig"][0] == {"name": "Mine", "args": {"any": {"thing": [1]}}}

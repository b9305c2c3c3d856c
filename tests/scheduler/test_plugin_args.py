# SPDX-License-Identifier: Apache-2.0
"""Every argument of a plugin does what it says: over all nodes at once as by the plain rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import interpodaffinity, noderesources, nodes, podtopologyspread, strategies
from plain.cluster import Cluster, Object, Scores, name

from pyk8s.apimachinery import labels
from pyk8s.scheduler.config import loading
from pyk8s.scheduler.evaluation import Evaluation
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import ALL, NodeTable
from pyk8s.scheduler.framework.profile import Profile
from pyk8s.scheduler.framework.status import Code
from pyk8s.scheduler.handle import Handle
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.placement import follow
from pyk8s.scheduler.plugins.defaultpreemption import Candidate
from pyk8s.scheduler.profiles import make_profile

FEW = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
CASES = st.tuples(strategies.clusters(), strategies.pods("incoming"))


class Web:
    """Everything is selected by app=web."""

    version = 0

    def of(self, pod: Object) -> labels.Selector:
        return labels.from_set({"app": "web"})


class World:
    """A cluster in a table, and a profile in which one plugin has arguments."""

    def __init__(self, cluster: Cluster, plugin: str, args: Object) -> None:
        self.cluster = cluster
        self.table = NodeTable(rows=1)
        index = follow(self.table)
        handle = Handle(self.table, index, Nominator(self.table), Web())
        written = {"profiles": [{"pluginConfig": [{"name": plugin, "args": args}]}]}
        (config,) = loading.complete(written)["profiles"]
        self.profile: Profile = make_profile(config, handle)
        (self.plugin,) = (each for each in self.profile.plugins if each.name == plugin)
        for namespace, of_namespace in cluster.namespaces.items():
            index.set_namespace(namespace, of_namespace)
        for each in cluster.nodes:
            self.table.set_node(each)
        for each in cluster.pods:
            self.table.add_pod(podinfo.of(each), each["spec"]["nodeName"])

    @property
    def rows(self) -> dict[str, int]:
        return {name(node): self.table.rows[name(node)] for node in self.cluster.nodes}

    def reasons(self, pod: Object) -> dict[str, list[str]]:
        """What the plugin has against each node."""
        info, state = podinfo.of(pod), {}
        if self.plugin.pre_filter(state, info, self.table).code is Code.SKIP:
            return {node: [] for node in self.rows}
        codes = self.plugin.filter(state, info, self.table, ALL)
        found = {}
        for node, row in self.rows.items():
            code = int(codes[row])
            found[node] = [*self.plugin.rejection(state, code).reasons] if code else []
        return found

    def scores(self, pod: Object) -> Scores | None:
        """None where all are alike to the plugin."""
        info, state = podinfo.of(pod), {}
        prepare = getattr(self.plugin, "pre_score", None)
        if prepare is not None and prepare(state, info, self.table).code is Code.SKIP:
            return None
        if hasattr(self.plugin, "score_feasible"):
            scores = self.plugin.score_feasible(state, info, self.table, self.table.is_node.copy())
            if scores is None:
                return None
        else:
            scores = self.plugin.score(state, info, self.table, ALL)
        rows = np.array([*self.rows.values()])
        chosen = scores[rows]
        if hasattr(self.plugin, "normalize"):
            chosen = self.plugin.normalize(chosen)
        return {node: int(score) for node, score in zip(self.rows, chosen, strict=True)}


_shapes = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 10)),
    min_size=1,
    max_size=4,
    unique_by=lambda point: point[0],
).map(sorted)
_resources = st.lists(
    st.tuples(
        st.sampled_from(("cpu", "memory", "example.com/gpu", "ephemeral-storage")),
        st.integers(1, 100),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda each: each[0],
)


@FEW
@given(CASES, st.sampled_from(("LeastAllocated", "MostAllocated", "ratio")), _resources, _shapes)
def test_scoring_strategies(
    case: tuple[Cluster, Object], kind: str, resources: Any, shape: Any
) -> None:
    """Each strategy of NodeResourcesFit, over any resources and weights and by any shape."""
    cluster, pod = case
    strategy: Object = {
        "type": kind,
        "resources": [{"name": resource, "weight": weight} for resource, weight in resources],
    }
    scorer = {"LeastAllocated": noderesources.least, "MostAllocated": noderesources.most}.get(kind)
    if scorer is None:
        points = [{"utilization": use, "score": score} for use, score in shape]
        ratio = {"shape": points}
        strategy |= {"type": "RequestedToCapacityRatio", "requestedToCapacityRatio": ratio}
        scorer = noderesources.ratio(shape)
    found = World(cluster, "NodeResourcesFit", {"scoringStrategy": strategy}).scores(pod)
    assert found == noderesources.score_fit(cluster, pod, cluster.nodes, scorer, resources)


@FEW
@given(CASES, st.sampled_from(("ignoredResources", "ignoredResourceGroups")))
def test_ignored_resources(case: tuple[Cluster, Object], field: str) -> None:
    """Of an ignored resource there is always enough; of cpu and memory there never is."""
    cluster, pod = case
    ignored = {"ignoredResources": "example.com/gpu", "ignoredResourceGroups": "example.com"}
    world = World(cluster, "NodeResourcesFit", {field: [ignored[field], "cpu"]})
    found = world.reasons(pod)
    for node in cluster.nodes:
        expected = noderesources.filter_fit(cluster, pod, node, [ignored[field]])
        assert sorted(found[name(node)]) == sorted(expected)


@FEW
@given(
    CASES,
    st.lists(
        st.sampled_from(("cpu", "memory", "example.com/gpu", "ephemeral-storage")),
        min_size=1,
        unique=True,
    ),
)
def test_balanced_resources(case: tuple[Cluster, Object], resources: list[str]) -> None:
    """NodeResourcesBalancedAllocation looks at the resources that it was told."""
    cluster, pod = case
    args = {"resources": [{"name": resource} for resource in resources]}
    found = World(cluster, "NodeResourcesBalancedAllocation", args).scores(pod)
    expected = noderesources.score_balanced(cluster, pod, cluster.nodes, resources)
    assert found == expected


@FEW
@given(CASES, strategies.node_affinity)
def test_added_affinity(case: tuple[Cluster, Object], added: Object) -> None:
    """addedAffinity is required of and preferred for every pod beside what it says itself."""
    cluster, pod = case
    world = World(cluster, "NodeAffinity", {"addedAffinity": added})
    found = world.reasons(pod)
    written = added if "requiredDuringSchedulingIgnoredDuringExecution" in added else None
    for node in cluster.nodes:
        expected = nodes.filter_affinity(cluster, pod, node, written)
        assert found[name(node)] == ([expected] if expected else [])
    expected_scores = nodes.score_affinity(cluster, pod, cluster.nodes, added)
    assert (world.scores(pod) or dict.fromkeys(world.rows, 0)) == expected_scores


@FEW
@given(CASES)
def test_images(case: tuple[Cluster, Object]) -> None:
    """ImageLocality: the images a node holds, by size and by how many nodes hold them."""
    cluster, pod = case
    found = World(cluster, "ImageLocality", {}).scores(pod)
    expected = nodes.score_images(cluster, pod, cluster.nodes)
    assert (found or dict.fromkeys(expected, 0)) == expected


@FEW
@given(strategies.clusters(), strategies.pods("incoming"), st.data())
def test_images_follow_the_nodes(cluster: Cluster, pod: Object, data: st.DataObject) -> None:
    """Images that come and go with nodes and with their reports count as of now."""
    world = World(cluster, "ImageLocality", {})
    for _ in range(3):
        changed = data.draw(st.sampled_from(cluster.nodes))
        if len(cluster.nodes) > 1 and data.draw(st.booleans()):
            cluster.nodes.remove(changed)
            world.table.remove_node(name(changed))
        else:
            listed = data.draw(st.lists(st.sampled_from(("nginx:latest", "x:1")), unique=True))
            images = [{"names": [each], "sizeBytes": 200 * 2**20} for each in listed]
            newer = {**changed, "status": {**changed["status"], "images": images}}
            cluster.nodes[cluster.nodes.index(changed)] = newer
            world.table.refresh_node(newer)
        expected = nodes.score_images(cluster, pod, cluster.nodes)
        assert (world.scores(pod) or dict.fromkeys(expected, 0)) == expected


def test_image_volumes() -> None:
    """An image that is a volume counts as a container's does."""
    held = [{"names": ["data:1"], "sizeBytes": 800 * 2**20}]
    status = {"allocatable": {"cpu": "1"}, "images": held}
    with_it = {"metadata": {"name": "a"}, "spec": {}, "status": status}
    spec = {"containers": [], "volumes": [{"name": "v", "image": {"reference": "data:1"}}]}
    pod = {"metadata": {"name": "p", "uid": "p"}, "spec": spec}
    # (800 - 23) of (1000 - 23)
    assert World(Cluster(nodes=[with_it]), "ImageLocality", {}).scores(pod) == {"a": 79}


@FEW
@given(strategies.affinity_cases(), st.sampled_from((0, 1, 50)))
def test_hard_pod_affinity_weight(case: tuple[Cluster, Object], weight: int) -> None:
    """What a required term of a pod on a node counts for pods it would like to have near."""
    cluster, pod = case
    found = World(cluster, "InterPodAffinity", {"hardPodAffinityWeight": weight}).scores(pod)
    expected = interpodaffinity.score(cluster, pod, cluster.nodes, weight)
    assert (found or dict.fromkeys(expected, 0)) == expected


def test_ignored_preferences_of_others() -> None:
    """A pod without preferences does not heed what pods on nodes would like, if so configured."""
    preferred = {"weight": 5, "podAffinityTerm": {"topologyKey": "h", "labelSelector": {}}}
    wish = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}
    here = [
        {
            "metadata": {"name": each, "labels": {"h": each}},
            "spec": {},
            "status": {"allocatable": {"cpu": "1", "pods": "9"}},
        }
        for each in "ab"
    ]
    on_node = {"containers": [], "affinity": wish, "nodeName": "a"}
    placed = [{"metadata": {"name": "p", "uid": "p", "namespace": "n"}, "spec": on_node}]
    pod = {"metadata": {"name": "q", "uid": "q", "namespace": "n"}, "spec": {"containers": []}}
    field = "ignorePreferredTermsOfExistingPods"
    found = {
        value: World(Cluster(nodes=here, pods=placed), "InterPodAffinity", {field: value})
        for value in (True, False)
    }
    assert found[True].scores(pod) is None
    assert found[False].scores(pod) == {"a": 100, "b": 0}


@FEW
@given(strategies.spread_cases(), strategies.spread_constraints)
def test_default_constraints(case: tuple[Cluster, Object], default: Object) -> None:
    """Pods without constraints have those of the list, for the pods that services select."""
    cluster, pod = case
    bare = {**pod, "spec": {**pod["spec"], "topologySpreadConstraints": []}}
    wanted = {key: default[key] for key in ("topologyKey", "maxSkew", "whenUnsatisfiable")}
    args = {"defaultingType": "List", "defaultConstraints": [wanted]}
    world = World(cluster, "PodTopologySpread", args)
    constraint = {**wanted, "labelSelector": {"matchLabels": {"app": "web"}}}
    written = {**bare, "spec": {**bare["spec"], "topologySpreadConstraints": [constraint]}}
    codes = world.plugin.count({}, podinfo.of(bare), world.table)
    for node in cluster.nodes:
        expected = podtopologyspread.filter(cluster, written, node)
        code = 0 if codes is None else int(codes[world.rows[name(node)]])
        found = world.plugin.rejection({}, code).message if code else ""
        assert found == expected
    assert world.scores(bare) == podtopologyspread.score(cluster, written, cluster.nodes)


@pytest.mark.parametrize(
    ("args", "fits"),
    [
        pytest.param({}, True, id="system"),
        pytest.param({"defaultingType": "List"}, True, id="an empty list"),
        pytest.param(
            {
                "defaultingType": "List",
                "defaultConstraints": [
                    {"topologyKey": "none", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
                ],
            },
            False,
            id="a list",
        ),
    ],
)
def test_defaulting_type(args: Object, fits: bool) -> None:
    """The system's constraints only prefer, an empty list asks for nothing, a list for itself."""
    status = {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "9"}}
    here = [{"metadata": {"name": "a", "labels": {}}, "spec": {}, "status": status}]
    metadata = {"name": "p", "uid": "p", "namespace": "n", "labels": {"app": "web"}}
    pod = podinfo.of({"metadata": metadata, "spec": {"containers": []}})
    world = World(Cluster(nodes=here), "PodTopologySpread", args)
    evaluation = Evaluation(world.profile, pod, world.table)
    evaluation.refresh()
    assert (evaluation.best() >= 0) is fits


@pytest.mark.parametrize(
    ("args", "most"),
    [
        pytest.param({}, 100, id="default"),
        pytest.param({"minCandidateNodesAbsolute": 5}, 30, id="percentage"),
        pytest.param({"minCandidateNodesPercentage": 0}, 100, id="absolute"),
        pytest.param(
            {"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 7}, 7, id="few"
        ),
        pytest.param({"minCandidateNodesPercentage": 100}, 300, id="all"),
    ],
)
def test_preemption_candidates(args: Object, most: int) -> None:
    """So many nodes are looked at before the best of them is chosen."""
    status = {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "9"}}
    requests = {"requests": {"cpu": "1"}}
    here = [
        {"metadata": {"name": f"n{each}", "labels": {}}, "spec": {}, "status": status}
        for each in range(300)
    ]

    def pod(of: str, priority: int, **spec: Any) -> Object:
        containers = [{"name": "c", "resources": requests}]
        metadata = {"name": of, "uid": of, "namespace": "n"}
        return {
            "metadata": metadata,
            "spec": {"containers": containers, "priority": priority, **spec},
        }

    # The fewer the candidates, the less likely it is that the one of least priority is among them.
    placed = [pod(f"p{each}", each, nodeName=f"n{each}") for each in range(300)]
    world = World(Cluster(nodes=here, pods=placed), "DefaultPreemption", args)
    info = podinfo.of(pod("new", 1000))
    evaluation = Evaluation(world.profile, info, world.table)
    evaluation.refresh()
    assert evaluation.best() < 0
    rejected = np.concatenate([rows for _, rows in evaluation.rejections()])
    found = world.plugin._dry_runs_of(info, evaluation, rejected)
    assert len(found) == most
    assert all(isinstance(each, Candidate) for each in found)


def test_bind_timeout() -> None:
    """bindTimeoutSeconds is how long VolumeBinding waits; zero is no time at all."""
    found = World(Cluster(), "VolumeBinding", {"bindTimeoutSeconds": 0}).plugin
    assert found._seconds_max == 0

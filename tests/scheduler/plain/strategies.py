# SPDX-License-Identifier: Apache-2.0
"""Random small clusters in which rules meet often: few zones, labels, taints and ports."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from plain.cluster import Cluster, Object

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
RACK = "rack"
KEYS = (HOSTNAME, ZONE, RACK)
NAMESPACES = {
    "default": {"team": "a"},
    "other": {"team": "b"},
    "third": {"team": "a", "tier": "x"},
}

_apps = st.sampled_from(("web", "db", "cache"))
_pod_labels = st.fixed_dictionaries({}, optional={"app": _apps, "rev": st.sampled_from(("1", "2"))})
_namespaces = st.sampled_from(sorted(NAMESPACES))
_effects = st.sampled_from(("NoSchedule", "PreferNoSchedule", "NoExecute"))
_taint_keys = st.sampled_from(("gpu", "spot"))

_taints = st.lists(
    st.fixed_dictionaries(
        {"key": _taint_keys, "effect": _effects}, optional={"value": st.sampled_from(("x", "y"))}
    ),
    max_size=2,
    unique_by=lambda taint: (taint["key"], taint["effect"]),
)
_tolerations = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"operator": st.just("Exists")}, optional={"key": _taint_keys, "effect": _effects}
        ),
        st.fixed_dictionaries(
            {"key": _taint_keys, "operator": st.just("Equal"), "value": st.sampled_from(("", "x"))},
            optional={"effect": _effects},
        ),
    ),
    max_size=2,
)


def _expressions(key: str, values: tuple[str, ...]) -> st.SearchStrategy[Object]:
    chosen = st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)
    return st.one_of(
        st.builds(
            lambda operator, picked: {"key": key, "operator": operator, "values": picked},
            st.sampled_from(("In", "NotIn")),
            chosen,
        ),
        st.builds(
            lambda operator: {"key": key, "operator": operator},
            st.sampled_from(("Exists", "DoesNotExist")),
        ),
    )


label_selectors = st.one_of(
    st.none(),
    st.just({}),
    st.builds(lambda app: {"matchLabels": {"app": app}}, _apps),
    st.builds(lambda e: {"matchExpressions": [e]}, _expressions("app", ("web", "db"))),
    st.builds(lambda e: {"matchExpressions": [e]}, _expressions("rev", ("1", "2"))),
)
_namespace_selectors = st.one_of(
    st.just({}),
    st.just({"matchLabels": {"team": "a"}}),
    st.just({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
)


def _without_none(**fields: Any) -> Object:
    return {key: value for key, value in fields.items() if value is not None}


_affinity_terms = st.builds(
    _without_none,
    topologyKey=st.sampled_from(KEYS),
    labelSelector=label_selectors,
    namespaces=st.one_of(st.none(), st.lists(_namespaces, max_size=2, unique=True)),
    namespaceSelector=st.one_of(st.none(), st.none(), _namespace_selectors),
)
_weighted_terms = st.builds(
    lambda term, weight: {"weight": weight, "podAffinityTerm": term},
    _affinity_terms,
    st.integers(1, 100),
)
_groups = st.fixed_dictionaries(
    {},
    optional={
        "requiredDuringSchedulingIgnoredDuringExecution": st.lists(_affinity_terms, max_size=2),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(_weighted_terms, max_size=2),
    },
)
_node_terms = st.one_of(
    st.builds(lambda e: {"matchExpressions": [e]}, _expressions(ZONE, ("a", "b", "c"))),
    st.builds(lambda e: {"matchExpressions": [e]}, _expressions("disk", ("ssd", "hdd"))),
    st.builds(
        lambda op, name: {
            "matchFields": [{"key": "metadata.name", "operator": op, "values": [name]}]
        },
        st.sampled_from(("In", "NotIn")),
        st.sampled_from(("node-0", "node-1")),
    ),
)
node_affinity = st.fixed_dictionaries(
    {},
    optional={
        "requiredDuringSchedulingIgnoredDuringExecution": st.builds(
            lambda terms: {"nodeSelectorTerms": terms},
            st.lists(_node_terms, min_size=1, max_size=2),
        ),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
            st.builds(
                lambda term, weight: {"weight": weight, "preference": term},
                _node_terms,
                st.integers(1, 100),
            ),
            max_size=2,
        ),
    },
)
spread_constraints = st.builds(
    _without_none,
    topologyKey=st.sampled_from(KEYS),
    maxSkew=st.integers(1, 3),
    whenUnsatisfiable=st.sampled_from(("DoNotSchedule", "ScheduleAnyway")),
    labelSelector=label_selectors,
    minDomains=st.one_of(st.none(), st.integers(1, 4)),
    nodeAffinityPolicy=st.sampled_from((None, "Honor", "Ignore")),
    nodeTaintsPolicy=st.sampled_from((None, "Honor", "Ignore")),
    matchLabelKeys=st.one_of(st.none(), st.just(["rev"])),
)

_cpu = st.sampled_from(("100m", "250m", "1", "1500m"))
_memory = st.sampled_from(("64Mi", "1Gi", "300M"))
_requests = st.fixed_dictionaries(
    {}, optional={"cpu": _cpu, "memory": _memory, "example.com/gpu": st.sampled_from(("1", "2"))}
)
_ports = st.lists(
    st.fixed_dictionaries(
        {"containerPort": st.just(80), "hostPort": st.sampled_from((8080, 9090))},
        optional={
            "protocol": st.sampled_from(("TCP", "UDP")),
            "hostIP": st.sampled_from(("0.0.0.0", "10.0.0.1", "10.0.0.2")),
        },
    ),
    max_size=2,
)
_images = st.sampled_from(("nginx", "nginx:1.27", "registry.test:5000/app"))
_containers = st.builds(
    lambda image, requests, ports: {
        "image": image,
        "resources": {"requests": requests},
        "ports": ports,
    },
    _images,
    _requests,
    _ports,
)
_init_containers = st.builds(
    lambda container, always: container | ({"restartPolicy": "Always"} if always else {}),
    _containers,
    st.booleans(),
)


@st.composite
def nodes(draw: st.DrawFn, number: int) -> Object:
    name = f"node-{number}"
    labels = draw(
        st.fixed_dictionaries(
            {},
            optional={
                ZONE: st.sampled_from(("a", "b", "c")),
                RACK: st.sampled_from(("1", "2")),
                "disk": st.sampled_from(("ssd", "hdd")),
            },
        )
    )
    if draw(st.integers(0, 5)):
        labels[HOSTNAME] = name
    allocatable = {
        "cpu": draw(st.sampled_from(("1", "2", "3500m"))),
        "memory": draw(st.sampled_from(("1Gi", "4Gi"))),
        "pods": draw(st.sampled_from(("3", "10"))),
    } | draw(st.fixed_dictionaries({}, optional={"example.com/gpu": st.just("2")}))
    images = draw(st.lists(st.sampled_from(("nginx:latest", "nginx:1.27")), unique=True))
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels},
        "spec": _without_none(
            taints=draw(_taints), unschedulable=True if draw(st.integers(0, 7)) == 0 else None
        ),
        "status": {
            "allocatable": allocatable,
            "images": [{"names": [each], "sizeBytes": 200 * 2**20} for each in images],
        },
    }


@st.composite
def pods(draw: st.DrawFn, name: str, node: str | None = None) -> Object:
    affinity = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "podAffinity": _groups,
                "podAntiAffinity": _groups,
                "nodeAffinity": node_affinity,
            },
        )
    )
    metadata: Object = {
        "name": name,
        "uid": f"uid-{name}",
        "namespace": draw(_namespaces),
        "labels": draw(_pod_labels),
    }
    if node is not None and draw(st.integers(0, 7)) == 0:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    containers = draw(st.lists(_containers, min_size=1, max_size=2))
    spec = {
        "containers": [{"name": f"c{i}", **each} for i, each in enumerate(containers)],
        "affinity": affinity,
        "topologySpreadConstraints": draw(st.lists(spread_constraints, max_size=2)),
        "tolerations": draw(_tolerations),
    }
    starting = draw(st.lists(_init_containers, max_size=1))
    if starting:
        spec["initContainers"] = [{"name": f"i{i}", **each} for i, each in enumerate(starting)]
    if draw(st.integers(0, 3)) == 0:
        spec["nodeSelector"] = {"disk": "ssd"}
    if node is not None:
        spec["nodeName"] = node
    return {"metadata": metadata, "spec": spec}


@st.composite
def clusters(draw: st.DrawFn, max_nodes: int = 5, max_pods: int = 6) -> Cluster:
    """Nodes with pods on them; what they ask for may be more than the nodes have."""
    count = draw(st.integers(1, max_nodes))
    here = [draw(nodes(number)) for number in range(count)]
    names = [node["metadata"]["name"] for node in here]
    placed = [
        draw(pods(f"pod-{number}", draw(st.sampled_from(names))))
        for number in range(draw(st.integers(0, max_pods)))
    ]
    return Cluster(nodes=here, pods=placed, namespaces=dict(NAMESPACES))


def _bare(name: str, labels: Object, node: str | None, **spec: Any) -> Object:
    placed = {} if node is None else {"nodeName": node}
    metadata = {"name": name, "uid": f"uid-{name}", "namespace": "default", "labels": labels}
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "c"}], "tolerations": [], **placed, **spec},
    }


def _likely(value: Any, other: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from((value, value, value, other))


@st.composite
def spread_cases(draw: st.DrawFn) -> tuple[Cluster, Object]:
    """Many equal pods on nodes of few zones, and one more that wants to be spread among them."""
    here = [draw(nodes(number)) for number in range(draw(st.integers(2, 6)))]
    placed = []
    for number in range(draw(st.integers(0, 14))):
        labels = {"app": draw(_likely("web", "db")), "rev": draw(_likely("1", "2"))}
        pod = _bare(f"pod-{number}", labels, draw(st.sampled_from(here))["metadata"]["name"])
        pod["metadata"]["namespace"] = draw(_likely("default", "other"))
        if draw(st.integers(0, 5)) == 0:
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        placed.append(pod)
    constraints = draw(st.lists(spread_constraints, min_size=1, max_size=2))
    for constraint in constraints:
        if draw(st.integers(0, 3)):
            constraint["labelSelector"] = {"matchLabels": {"app": "web"}}
            constraint.pop("matchLabelKeys", None)
            constraint["topologyKey"] = draw(_likely(ZONE, HOSTNAME))
            constraint["maxSkew"] = draw(_likely(1, 2))
    spec = {"topologySpreadConstraints": constraints, "tolerations": draw(_tolerations)}
    if draw(st.booleans()):
        spec["affinity"] = {"nodeAffinity": draw(node_affinity)}
    labels = {"app": draw(_likely("web", "db")), "rev": "1"}
    return Cluster(nodes=here, pods=placed, namespaces=dict(NAMESPACES)), _bare(
        "incoming", labels, None, **spec
    )


@st.composite
def affinity_cases(draw: st.DrawFn) -> tuple[Cluster, Object]:
    """Pods on nodes and one more; most of them say whom they want near and whom not."""
    here = [draw(nodes(number)) for number in range(draw(st.integers(1, 5)))]
    sides = st.fixed_dictionaries({}, optional={"podAffinity": _groups, "podAntiAffinity": _groups})

    def pod(name: str, node: str | None) -> Object:
        made = _bare(name, draw(_pod_labels), node, affinity=draw(sides))
        made["metadata"]["namespace"] = draw(_namespaces)
        return made

    names = [node["metadata"]["name"] for node in here]
    placed = [
        pod(f"pod-{number}", draw(st.sampled_from(names)))
        for number in range(draw(st.integers(0, 5)))
    ]
    return Cluster(nodes=here, pods=placed, namespaces=dict(NAMESPACES)), pod("incoming", None)

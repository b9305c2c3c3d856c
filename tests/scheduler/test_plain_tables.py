# SPDX-License-Identifier: Apache-2.0
"""The plain rules about a node by itself, case by case, with upstream's texts and numbers."""

from __future__ import annotations

from typing import Any

import pytest
from plain import noderesources, nodes
from plain.cluster import Cluster, Object

MIB = 2**20


def node(name: str = "n", images: dict[str, int] | None = None, **spec: Any) -> Object:
    held = [{"names": [image], "sizeBytes": size} for image, size in (images or {}).items()]
    room = {"cpu": "2", "memory": "2000Mi", "pods": "2"}
    status = {"allocatable": room, "images": held}
    return {"metadata": {"name": name, "labels": {"zone": name}}, "spec": spec, "status": status}


def pod(cpu: str = "", memory: str = "", on: str = "", **spec: Any) -> Object:
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    container = {"image": "app", "resources": {"requests": requests}} | spec.pop("container", {})
    placed = {"nodeName": on} if on else {}
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], **placed, **spec}}


def port(number: int, ip: str = "", protocol: str = "TCP") -> Object:
    return {"container": {"ports": [{"hostPort": number, "hostIP": ip, "protocol": protocol}]}}


EXISTS = [{"operator": "Exists"}]
TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
SOFT = {"key": "s", "effect": "PreferNoSchedule"}


@pytest.mark.parametrize(
    ("rule", "on_node", "incoming", "of_node", "expected"),
    [
        pytest.param(nodes.filter_name, [], pod(on="other"), node(), nodes.NODE_NAME, id="name"),
        pytest.param(nodes.filter_name, [], pod(), node(), "", id="no name"),
        pytest.param(
            nodes.filter_unschedulable,
            [],
            pod(),
            node(unschedulable=True),
            nodes.UNSCHEDULABLE,
            id="cordoned",
        ),
        pytest.param(
            nodes.filter_unschedulable,
            [],
            pod(tolerations=EXISTS),
            node(unschedulable=True),
            "",
            id="cordon tolerated",
        ),
        pytest.param(
            nodes.filter_affinity,
            [],
            pod(nodeSelector={"zone": "x"}),
            node(),
            nodes.NODE_AFFINITY,
            id="selector",
        ),
        pytest.param(
            nodes.filter_taints,
            [],
            pod(),
            node(taints=[SOFT, TAINT]),
            "node(s) had untolerated taint(s)",
            id="taint",
        ),
        pytest.param(
            nodes.filter_ports,
            [pod(on="n", **port(80))],
            pod(**port(80)),
            node(),
            nodes.PORTS,
            id="port taken",
        ),
        pytest.param(
            nodes.filter_ports,
            [pod(on="n", **port(80, "10.0.0.1"))],
            pod(**port(80, "10.0.0.2")),
            node(),
            "",
            id="port of another address",
        ),
        pytest.param(
            nodes.filter_ports,
            [pod(on="n", **port(80, "10.0.0.1"))],
            pod(**port(80)),
            node(),
            nodes.PORTS,
            id="port of every address",
        ),
        pytest.param(
            nodes.filter_ports,
            [pod(on="n", **port(80))],
            pod(**port(80, protocol="UDP")),
            node(),
            "",
            id="port of another protocol",
        ),
        pytest.param(noderesources.filter_fit, [], pod("2"), node(), [], id="fits exactly"),
        pytest.param(
            noderesources.filter_fit,
            [pod("1", on="n")],
            pod("1001m", "3000Mi"),
            node(),
            ["Insufficient cpu", "Insufficient memory"],
            id="insufficient",
        ),
        pytest.param(
            noderesources.filter_fit,
            [pod(on="n"), pod(on="n")],
            pod(),
            node(),
            ["Too many pods"],
            id="too many pods",
        ),
    ],
)
def test_filters(
    rule: Any, on_node: list[Object], incoming: Object, of_node: Object, expected: object
) -> None:
    """A node is refused for upstream's reasons."""
    assert rule(Cluster(nodes=[of_node], pods=on_node), incoming, of_node) == expected


HALF = pod("1", "1000Mi")
TAINTED = [node("a", taints=[SOFT]), node("b")]
WITH_IMAGE = [node("a", images={"app:latest": 1023 * MIB}), node("b")]
SHAPE = ((0, 0), (100, 10))


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        pytest.param(lambda c, n: noderesources.score_fit(c, HALF, n), 50, id="least allocated"),
        pytest.param(
            lambda c, n: noderesources.score_fit(c, pod("500m", "500Mi"), n, noderesources.most),
            25,
            id="most allocated",
        ),
        pytest.param(
            lambda c, n: noderesources.score_fit(
                c, pod("500m", "500Mi"), n, noderesources.ratio(SHAPE)
            ),
            25,
            id="requested to capacity",
        ),
        pytest.param(
            lambda c, n: noderesources.score_fit(c, pod(), n), 92, id="assumed for nothing asked"
        ),
        pytest.param(lambda c, n: noderesources.score_balanced(c, HALF, n), 100, id="balanced"),
        pytest.param(
            lambda c, n: noderesources.score_balanced(c, pod("2"), n), 50, id="out of balance"
        ),
    ],
)
def test_resource_scores(score: Any, expected: int) -> None:
    """An empty node of 2 cpu and 2000Mi scores as upstream's formulas say."""
    here = [node()]
    assert score(Cluster(nodes=here), here) == {"n": expected}


def test_other_scores() -> None:
    """Soft taints are avoided, and nodes that hold a pod's images preferred."""
    assert nodes.score_taints(Cluster(nodes=TAINTED), pod(), TAINTED) == {"a": 0, "b": 100}
    tolerant = pod(tolerations=EXISTS)
    assert nodes.score_taints(Cluster(nodes=TAINTED), tolerant, TAINTED) == {"a": 100, "b": 100}
    # Half of the nodes have it, so half of its size counts: (511.5 - 23) of (1000 - 23).
    assert nodes.score_images(Cluster(nodes=WITH_IMAGE), pod(), WITH_IMAGE) == {"a": 50, "b": 0}
    assert noderesources.score_balanced(Cluster(nodes=TAINTED), pod(), TAINTED) is None

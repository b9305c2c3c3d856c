# SPDX-License-Identifier: Apache-2.0
"""Spread and affinity between pods, case by case: the plain rules and the counted ones."""

from __future__ import annotations

from typing import Any

import pytest
from plain import interpodaffinity, podtopologyspread
from plain.cluster import Cluster, Object, name
from plain.vectors import Table

from pyk8s.scheduler.plugins import neighbours, spreading

ZONE = spreading.ZONE
WEB = {"matchLabels": {"app": "web"}}


def node(number: int, zone: str | None, *taints: Object) -> Object:
    labels = {spreading.HOSTNAME: f"n{number}"} | ({} if zone is None else {ZONE: zone})
    return {"metadata": {"name": f"n{number}", "labels": labels}, "spec": {"taints": list(taints)}}


def pod(uid: str, on: str = "", app: str = "web", **spec: Any) -> Object:
    placed = {"nodeName": on} if on else {}
    metadata = {"name": uid, "uid": uid, "namespace": "default", "labels": {"app": app}}
    return {"metadata": metadata, "spec": {"tolerations": [], **placed, **spec}}


def terminating(each: Object) -> Object:
    each["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return each


def spread(**more: Any) -> Object:
    constraint = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    return pod("new", topologySpreadConstraints=[constraint | {"labelSelector": WEB} | more])


GPU = {"key": "gpu", "effect": "NoSchedule"}
AB = [node(0, "a"), node(1, "b")]
NO, LABEL = spreading.NOT_MATCHED, spreading.MISSING_LABEL


@pytest.mark.parametrize(
    ("nodes", "pods", "incoming", "expected"),
    [
        pytest.param(AB, [], spread(), ["", ""], id="nothing yet"),
        pytest.param(AB, [pod("p", "n0")], spread(), [NO, ""], id="the emptier zone"),
        pytest.param(AB, [pod("p", "n0")], spread(maxSkew=2), ["", ""], id="within the skew"),
        pytest.param([node(0, "a"), node(1, None)], [], spread(), ["", LABEL], id="no label"),
        pytest.param(
            AB, [pod("p", "n0"), pod("q", "n1")], spread(minDomains=3), [NO, NO], id="few domains"
        ),
        pytest.param(
            AB,
            [pod("p", "n0"), pod("q", "n1")],
            spread(minDomains=2),
            ["", ""],
            id="enough domains",
        ),
        pytest.param(AB, [terminating(pod("p", "n0"))], spread(), ["", ""], id="terminating"),
        pytest.param(AB, [pod("p", "n0", app="db")], spread(), ["", ""], id="not selected"),
        pytest.param(
            [node(0, "a"), node(1, "b", GPU)], [pod("p", "n0")], spread(), [NO, ""], id="taints"
        ),
        pytest.param(
            [node(0, "a"), node(1, "b", GPU)],
            [pod("p", "n0")],
            spread(nodeTaintsPolicy="Honor"),
            ["", ""],
            id="tainted nodes are no domain",
        ),
    ],
)
def test_spread(
    nodes: list[Object], pods: list[Object], incoming: Object, expected: list[str]
) -> None:
    """A node may take the pod when its domain stays within the skew of the emptiest."""
    cluster = Cluster(nodes=nodes, pods=pods, namespaces={"default": {}})
    assert [podtopologyspread.filter(cluster, incoming, each) for each in nodes] == expected
    table = Table(cluster)
    constraints = spreading.constraints_of(incoming, spreading.DO_NOT_SCHEDULE)
    state = spreading.hard_spread(incoming, constraints, table.index, table.usable(incoming))
    codes = [state.codes()[table.row[name(each)]] for each in nodes]
    assert [("", LABEL, NO)[code] for code in codes] == expected


def affine(kind: str, uid: str = "new", on: str = "", app: str = "web", **more: Any) -> Object:
    term = {"topologyKey": ZONE, "labelSelector": WEB} | more
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return pod(uid, on, app, affinity={kind: required})


NEAR, FAR, OTHERS = (
    neighbours.AFFINITY,
    neighbours.ANTI_AFFINITY,
    neighbours.EXISTING_ANTI_AFFINITY,
)


@pytest.mark.parametrize(
    ("pods", "incoming", "expected"),
    [
        pytest.param([pod("p", "n0")], affine("podAffinity"), ["", NEAR], id="near"),
        pytest.param([], affine("podAffinity"), ["", ""], id="the first of its group"),
        pytest.param([], affine("podAffinity", app="db"), [NEAR, NEAR], id="nobody to be near"),
        pytest.param([pod("p", "n0")], affine("podAntiAffinity"), [FAR, ""], id="far"),
        pytest.param(
            [terminating(pod("p", "n0"))], affine("podAntiAffinity"), [FAR, ""], id="leaving foe"
        ),
        pytest.param(
            [affine("podAntiAffinity", "p", "n0", "db")], pod("new"), [OTHERS, ""], id="symmetric"
        ),
        pytest.param(
            [pod("p", "n0")],
            affine("podAntiAffinity", namespaces=["other"]),
            ["", ""],
            id="other namespace",
        ),
        pytest.param(
            [pod("p", "n0")],
            affine("podAntiAffinity", namespaces=["other"], namespaceSelector={}),
            [FAR, ""],
            id="selected namespace",
        ),
    ],
)
def test_neighbours(pods: list[Object], incoming: Object, expected: list[str]) -> None:
    """Required terms of both sides decide where a pod may go."""
    cluster = Cluster(nodes=AB, pods=pods, namespaces={"default": {}})
    assert [interpodaffinity.filter(cluster, incoming, each) for each in AB] == expected
    table = Table(cluster)
    codes = neighbours.Neighbours(incoming, table.index).codes()
    assert [("", NEAR, FAR, OTHERS)[codes[table.row[name(each)]]] for each in AB] == expected

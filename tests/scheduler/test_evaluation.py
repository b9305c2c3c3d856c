# SPDX-License-Identifier: Apache-2.0
"""Nodes judged as rows, and pods that wait, without a server."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pyk8s.scheduler.evaluation import Evaluation, Evaluations
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.profiles import default_profile, handle_of

Object = dict[str, Any]


def node(name: str, cpu: str = "4", **spec: Any) -> Object:
    allocatable = {"cpu": cpu, "memory": "8Gi", "pods": "5"}
    labels = {"kubernetes.io/hostname": name}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {"allocatable": allocatable},
    }


def pod(name: str, cpu: str = "1", priority: int = 0, **spec: Any) -> podinfo.PodInfo:
    container: Object = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    ports = spec.pop("ports", None)
    if ports:
        container["ports"] = ports
    spec = {"containers": [container], "priority": priority, **spec}
    metadata = {"name": name, "namespace": "ns", "uid": name}
    return podinfo.of({"metadata": metadata, "spec": spec})


_TAINT = [{"key": "k", "value": "v", "effect": "NoSchedule"}]
_PORT = [{"hostPort": 80, "containerPort": 80}]
_SELECTED = {"nodeSelector": {"kubernetes.io/hostname": "other"}}


@pytest.mark.parametrize(
    ("nodes", "wanting", "message"),
    [
        pytest.param([node("a", taints=_TAINT)], {}, "1 node(s) had untolerated taint(s)"),
        pytest.param([node("a", unschedulable=True)], {}, "1 node(s) were unschedulable"),
        pytest.param([node("a", cpu="500m")], {}, "1 Insufficient cpu"),
        pytest.param([node("a")], _SELECTED, "1 node(s) didn't match Pod's node affinity/selector"),
        pytest.param(
            [node("a")], {"nodeName": "b"}, "1 node(s) didn't match the requested node name"
        ),
        pytest.param(
            [node("a", cpu="1m"), node("b", cpu="1m"), node("c", taints=_TAINT)],
            {},
            "2 Insufficient cpu, 1 node(s) had untolerated taint(s)",
        ),
    ],
    ids=["taint", "cordon", "cpu", "selector", "name", "several"],
)
def test_reasons(nodes: list[Object], wanting: Object, message: str) -> None:
    """A pod that fits nowhere is told why, counted by reason, in upstream's words."""
    table = NodeTable(rows=1)
    profile = default_profile(handle_of(table))
    for each in nodes:
        table.set_node(each)
    evaluation = Evaluations(table).of(profile, pod("p", **wanting))
    assert evaluation.best() == -1
    parts = ", ".join(sorted(message.split(", ")))
    assert evaluation.diagnosis().message == f"0/{len(nodes)} nodes are available: {parts}."


def test_host_ports() -> None:
    """A port on all addresses is in the way of the same port on one, and free once it is left."""
    table = NodeTable()
    profile = default_profile(handle_of(table))
    table.set_node(node("a"))
    table.add_pod(pod("first", ports=_PORT), "a")
    evaluations, second = (
        Evaluations(table),
        pod("second", ports=[{**_PORT[0], "hostIP": "1.1.1.1"}]),
    )
    evaluation = evaluations.of(profile, second)
    assert evaluation.best() == -1
    assert "free ports" in evaluation.diagnosis().message
    table.remove_pod("first")
    assert evaluations.of(profile, second).best() == table.rows["a"]


@pytest.mark.parametrize("seed", range(5))
def test_kept_answers_are_fresh(seed: int) -> None:
    """What was brought up to date row by row is what is worked out anew, whatever changed."""
    chance = random.Random(seed)
    table = NodeTable(rows=2)
    profile = default_profile(handle_of(table))
    kept = Evaluations(table)
    for number in range(300):
        name = f"n{chance.randrange(12)}"
        match chance.randrange(4):
            case 0:
                spec = {"taints": _TAINT} if chance.random() < 0.3 else {}
                table.set_node(node(name, cpu=str(chance.randrange(1, 9)), **spec))
            case 1:
                table.remove_node(name)
            case 2:
                table.add_pod(pod(f"p{chance.randrange(40)}", cpu=f"{number}m"), name)
            case _:
                table.remove_pod(f"p{chance.randrange(40)}")
        wanting = pod("x", cpu=chance.choice(("100m", "2")))
        old = kept.of(profile, wanting)
        new = Evaluation(profile, wanting, table)
        new.refresh()
        assert (old._total == new._total).all()
        assert old.diagnosis() == new.diagnosis()

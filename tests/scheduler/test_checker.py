# SPDX-License-Identifier: Apache-2.0
"""The checker of churn finds what it is there to find, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from hack.scheduling import load
from hack.scheduling.checker import LAG_SECONDS, Checker
from hack.scheduling.history import Change

Object = dict[str, Any]
_TAINT = [{"key": "k", "effect": "NoSchedule"}]


def node(name: str, zone: str = "z", cpu: int = 4, **spec: Any) -> Object:
    return load.node(name, zone, cpu) | {"spec": spec}


def pod(name: str, on: str = "", cpu: str = "1", app: str = "", **spec: Any) -> Object:
    container = {"resources": {"requests": {"cpu": cpu}}, "ports": spec.pop("ports", [])}
    metadata = {"name": name, "namespace": "ns", "uid": name, "labels": {"app": app}}
    return {"metadata": metadata, "spec": {"containers": [container], "nodeName": on, **spec}}


def history(*steps: Object | float) -> list[Change]:
    """Objects as they come, each right after the other; numbers are seconds that pass. One with a
    deletionTimestamp is gone."""
    changes: list[Change] = []
    known: set[str] = set()
    now = 100.0
    for revision, step in enumerate(steps):
        if isinstance(step, float):
            now += step
            continue
        name, kind = step["metadata"]["name"], "nodes" if "status" in step else "pods"
        event = "MODIFIED" if name in known else "ADDED"
        if "deletionTimestamp" in step["metadata"]:
            event = "DELETED"
        known.add(name)
        changes.append(Change(revision, now, kind, event, step))
    return changes


def gone(obj: Object) -> Object:
    return obj | {"metadata": {**obj["metadata"], "deletionTimestamp": "now"}}


_PORT = {"ports": [{"hostPort": 80}]}
_LONG = LAG_SECONDS * 3
_APART: Object = load._apart("a", load.ZONE)
_SPREAD: Object = load._spread("a")
_TWO_ZONES = (node("n", "z1"), node("m", "z2"), _LONG)


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        pytest.param([node("n"), pod("p", "n", "5")], "cpu", id="too large"),
        pytest.param([node("n"), pod("p", "n", "3"), pod("q", "n", "3")], "cpu", id="together"),
        pytest.param(
            [node("n"), *(pod(f"p{number}", "n", "1m") for number in range(13))], "pods", id="pods"
        ),
        pytest.param(
            [node("n", cpu=8), _LONG, node("n", cpu=4), _LONG, pod("p", "n", "5")], "cpu",
            id="shrunk long ago",
        ),
        pytest.param(
            [node("n"), pod("p", "n", **_PORT), pod("q", "n", **_PORT)], "ports", id="ports"
        ),
        pytest.param([node("n", taints=_TAINT), pod("p", "n")], "taint", id="taint"),
        pytest.param(
            [node("n"), node("m"), pod("p", "n", app="a", **_APART), pod("q", "m", app="a")],
            "anti-affinity", id="foe of another",
        ),
        pytest.param(
            [node("n"), node("m"), pod("p", "n", app="a"), pod("q", "m", app="a", **_APART)],
            "anti-affinity", id="own foe",
        ),
        pytest.param(
            [*_TWO_ZONES, pod("p", "n", app="a", **_SPREAD), pod("q", "n", app="a", **_SPREAD)],
            "2 in z1, 0 elsewhere", id="skew",
        ),
        pytest.param([node("n"), node("m"), pod("p", "n"), pod("p", "m")], "moved", id="twice"),
        pytest.param([node("n"), pod("p", "n", "4")], "", id="just fits"),
        pytest.param(
            [node("n"), pod("p", "n", "3"), gone(pod("p", "n", "3")), pod("q", "n", "3")], "",
            id="one after the other",
        ),
        pytest.param([node("n", cpu=8), node("n"), pod("p", "n", "5")], "", id="just shrunk"),
        pytest.param([node("n"), node("n", taints=_TAINT), pod("p", "n")], "", id="just tainted"),
        pytest.param(
            [*_TWO_ZONES, pod("p", "n", app="a", **_SPREAD), pod("q", "n", app="a", **_SPREAD),
             pod("r", "m", app="a", **_SPREAD)], "", id="bound in another order than decided",
        ),
        pytest.param(
            [node("n", "z1"), node("m", "z2"), pod("p", "n", app="a", **_APART),
             pod("q", "m", app="a", **_APART)], "", id="apart",
        ),
    ],
)  # fmt: skip
def test_verdicts(steps: list[Object | float], fault: str) -> None:
    """A history is judged by what the cluster allowed when each pod got its node."""
    found = Checker(history(*steps)).run()
    if fault:
        assert len(found) == 1
        assert fault in found[0]
    else:
        assert found == []

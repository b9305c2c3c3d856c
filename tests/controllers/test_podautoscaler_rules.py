# SPDX-License-Identifier: Apache-2.0
"""How many replicas a metric asks for, and how a proposal is held back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyk8s.apimachinery import times
from pyk8s.controllers.podautoscaler import behavior, metrics, replicas
from pyk8s.controllers.podautoscaler.behavior import Bounds, History
from pyk8s.controllers.podautoscaler.replicas import NoProposal, PodMetric, Rules, Target

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RULES = Rules(now=NOW)
HALF = Target(resource="cpu", utilization=50)


def ago(seconds: float) -> str:
    return times.format(NOW - timedelta(seconds=seconds))


def pod(name: str, phase: str = "Running", request: str | None = "1", **more: Any) -> Any:
    """Started an hour ago and soon ready, unless said otherwise."""
    ready = {"type": "Ready", "status": more.get("ready", "True")}
    ready["lastTransitionTime"] = ago(more.get("since", 3590))
    status = {"phase": phase, "startTime": ago(more.get("started", 3600)), "conditions": [ready]}
    container = {"name": "main", "resources": {"requests": {"cpu": request} if request else {}}}
    metadata = {"name": name, **({"deletionTimestamp": ago(1)} if more.get("deleted") else {})}
    return {"metadata": metadata, "spec": {"containers": [container]}, "status": status}


def used(**by_pod: int) -> dict[str, PodMetric]:
    return {n: PodMetric(value, NOW, timedelta(seconds=30)) for n, value in by_pod.items()}


@pytest.mark.parametrize(
    ("pods", "values", "wanted"),
    [
        pytest.param([pod("a"), pod("b")], used(a=500, b=500), 2, id="as it should be"),
        pytest.param([pod("a"), pod("b")], used(a=540, b=540), 2, id="a bit more is tolerated"),
        pytest.param([pod("a"), pod("b")], used(a=1000, b=1000), 4, id="twice as much"),
        pytest.param([pod("a"), pod("b")], used(a=100, b=100), 1, id="a fifth"),
        pytest.param([pod("a"), pod("b")], used(a=0, b=0), 0, id="nothing"),
        pytest.param([pod("a"), pod("b")], used(a=900), 2, id="missing: nothing, if it grows"),
        pytest.param([pod("a"), pod("b")], used(a=200), 2, id="missing: everything, if it shrinks"),
        pytest.param(
            [pod("a"), pod("b", "Pending")], used(a=1500), 3, id="pending: nothing, if it grows"
        ),
        pytest.param(
            [pod("a"), pod("b", "Failed")], used(a=1000, b=9000), 2, id="failed ones count not"
        ),
        pytest.param(
            [pod("a"), pod("b", deleted=True)], used(a=1000, b=9000), 2, id="nor deleted ones"
        ),
        pytest.param(
            [pod("a"), pod("b"), pod("c")], used(a=400, b=400), 2, id="missing would turn it round"
        ),
        pytest.param(
            [pod("a"), pod("b", ready="False", started=3600, since=3590)],
            used(a=1000, b=4000),
            2,
            id="never ready: nothing",
        ),
        pytest.param(
            [pod("a"), pod("b", ready="False", started=3600, since=60)],
            used(a=1000, b=1000),
            4,
            id="not ready any more: counts",
        ),
        pytest.param(
            [pod("a"), pod("b", started=60, since=10)],
            used(a=1000, b=4000),
            2,
            id="warming up: nothing",
        ),
    ],
)
def test_replicas(pods: list[Any], values: dict[str, PodMetric], wanted: int) -> None:
    """Two replicas, half of the requested processor time aimed at."""
    assert replicas.propose(2, HALF, pods, values, RULES).replicas == wanted


@pytest.mark.parametrize(
    ("current", "ratio", "pods", "wanted"),
    [
        pytest.param(2, 1.05, [pod("a"), pod("b")], 2, id="tolerated"),
        pytest.param(2, 2.0, [pod("a"), pod("b")], 4, id="twice as much"),
        pytest.param(2, 2.0, [pod("a"), pod("b", ready="False")], 2, id="only ready ones count"),
        pytest.param(2, 2.0, [pod("a"), pod("b", "Pending")], 2, id="only running ones count"),
        pytest.param(2, 0.0, [pod("a"), pod("b")], 0, id="nothing to do"),
        pytest.param(0, 2.5, [], 3, id="from zero the metric alone counts"),
        pytest.param(0, 1.01, [], 2, id="and nothing is tolerated"),
        pytest.param(2, 1e12, [pod("a")], 2**31 - 1, id="as many as an int32 holds"),
    ],
)
def test_for_total(current: int, ratio: float, pods: list[Any], wanted: int) -> None:
    """A metric of the workload as a whole, as a share of its target."""
    assert replicas.for_total(current, ratio, pods, RULES) == wanted


def test_for_total_of_nobody() -> None:
    """Replicas that have no Pods cannot be judged."""
    with pytest.raises(NoProposal, match="unable to calculate ready pods: no pods returned"):
        replicas.for_total(2, 2.0, [], RULES)


@pytest.mark.parametrize(
    ("status_replicas", "total", "wanted", "average"),
    [
        pytest.param(2, 20_000, 2, 10_000, id="as it should be"),
        pytest.param(2, 21_000, 2, 10_500, id="a bit more is tolerated"),
        pytest.param(2, 35_001, 4, 17_501, id="rounded up"),
        pytest.param(4, 5_000, 1, 1_250, id="less"),
        pytest.param(0, 25_000, 3, 0, id="nobody there"),
    ],
)
def test_per_pod(status_replicas: int, total: int, wanted: int, average: int) -> None:
    """A metric of the workload as a whole, of which each Pod is to have so much."""
    found = replicas.per_pod(status_replicas, total, 10_000, RULES)
    assert found == (wanted, average, None)


def test_tolerances() -> None:
    """Growing and shrinking may be tolerated differently."""
    pods = [pod("a"), pod("b")]
    rules = Rules(now=NOW, up=0.5, down=0.0)
    assert replicas.propose(2, HALF, pods, used(a=700, b=700), rules).replicas == 2
    assert replicas.propose(2, HALF, pods, used(a=200, b=200), rules).replicas == 1


def test_requests_of_the_pod() -> None:
    """What a Pod requests as a whole counts instead of what its containers do, unless one of them
    is named."""
    whole = pod("a", request="1")
    whole["spec"]["resources"] = {"requests": {"cpu": "4"}}
    found = replicas.propose(1, HALF, [whole], used(a=1000), RULES)
    assert found.utilization == 25
    one = Target(resource="cpu", container="main", utilization=50)
    assert replicas.propose(1, one, [whole], used(a=1000), RULES).utilization == 100
    other = Target(resource="cpu", container="other", utilization=50)
    with pytest.raises(NoProposal, match="container other not found in Pod a"):
        replicas.propose(1, other, [whole], used(a=1000), RULES)


def test_average_value() -> None:
    """An amount per Pod instead of a share of what they ask for."""
    target = Target(resource="memory", average_value=100_000)
    found = replicas.propose(2, target, [pod("a"), pod("b")], used(a=150_000, b=250_000), RULES)
    assert found == (4, 200_000, None)


@pytest.mark.parametrize(
    ("pods", "values", "message"),
    [
        ([], used(a=1), "no pods returned by selector while calculating replica count"),
        (
            [pod("a")],
            {},
            "did not receive metrics for targeted pods (pods might be unready)",
        ),
        ([pod("a")], used(other=1), "no metrics returned matched known pods"),
        (
            [pod("a", request=None)],
            used(a=1),
            "missing request for cpu in container main of Pod a",
        ),
    ],
)
def test_no_proposal(pods: list[Any], values: dict[str, PodMetric], message: str) -> None:
    """Why there is none is told."""
    with pytest.raises(NoProposal) as error:
        replicas.propose(1, HALF, pods, values, RULES)
    assert str(error.value) == message


def test_parsed_metrics() -> None:
    """A Pod is summed up over its containers, and left out when one is not told of."""

    def item(name: str, *usages: dict[str, str]) -> Any:
        containers = [{"name": f"c{i}", "usage": usage} for i, usage in enumerate(usages)]
        times = {"timestamp": "2026-01-01T12:00:00Z", "window": "30s"}
        return {"metadata": {"name": name, "namespace": "n"}, "containers": containers, **times}

    items = [item("a", {"cpu": "100m"}, {"cpu": "1500u"}), item("b", {"cpu": "1"}, {"memory": "1"})]
    assert metrics.parse(items, "cpu") == used(a=102)
    assert metrics.parse(items, "cpu", "c0") == used(a=100, b=1000)
    with pytest.raises(
        NoProposal,
        match="failed to get container metrics: container x not present in metrics for pod n/a",
    ):
        metrics.parse(items, "cpu", "x")


# --- holding back


def bounds(least: int = 1, most: int = 100, own: Any = None) -> Bounds:
    return Bounds(least=least, most=most, behavior=own)


@pytest.mark.parametrize(
    ("current", "proposed", "limits", "wanted", "reason"),
    [
        (5, 7, bounds(), 7, "DesiredWithinRange"),
        (5, 20, bounds(), 10, "ScaleUpLimit"),
        (1, 20, bounds(), 4, "ScaleUpLimit"),
        (5, 9, bounds(most=8), 8, "TooManyReplicas"),
        (5, 1, bounds(least=3), 3, "TooFewReplicas"),
    ],
)
def test_limits(current: int, proposed: int, limits: Bounds, wanted: int, reason: str) -> None:
    """Without a behavior: at most twice as many, or four, and never out of the bounds."""
    found = behavior.normalize(History(), current, proposed, limits, 1000.0)
    assert (found.replicas, found.limited_why.reason) == (wanted, reason)
    assert found.is_limited == (reason != "DesiredWithinRange")


def test_shrinks_slowly() -> None:
    """The highest proposal of five minutes holds."""
    history = History()
    behavior.normalize(history, 5, 5, bounds(), 0.0)
    held = behavior.normalize(history, 5, 2, bounds(), 300.0)
    assert (held.replicas, held.able.reason) == (5, "ScaleDownStabilized")
    free = behavior.normalize(history, 5, 2, bounds(), 301.0)
    assert (free.replicas, free.able.reason) == (2, "ReadyForNewScale")


UP = {
    "stabilizationWindowSeconds": 60,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 2, "periodSeconds": 60},
        {"type": "Percent", "value": 10, "periodSeconds": 60},
    ],
}
DOWN = {
    "stabilizationWindowSeconds": 120,
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}],
}


@pytest.mark.parametrize(
    ("select", "current", "most"),
    [("Max", 10, 12), ("Min", 10, 11), ("Disabled", 10, 10), ("Max", 100, 111), ("Min", 100, 102)],
)
def test_policies(select: str, current: int, most: int) -> None:
    """The one that allows most, or least, or none at all."""
    rules = {**UP, "selectPolicy": select}
    assert behavior.up_limit(History(), current, rules, 0.0) == most


def test_rates() -> None:
    """What came and went within a policy's period counts; what is older does not."""
    history = History()
    history.note_scaling(10, 12, 0.0)
    assert behavior.up_limit(history, 12, UP, 59.0) == 12
    assert behavior.up_limit(history, 12, UP, 60.0) == 14
    history.note_scaling(12, 6, 60.0)
    assert behavior.down_limit(history, 6, DOWN, 61.0) == 6
    assert behavior.down_limit(history, 6, DOWN, 120.0) == 3


def test_windows() -> None:
    """A behavior has windows both ways: the lowest holds growth, the highest shrinking."""
    history = History()
    limits = bounds(own={"scaleUp": UP, "scaleDown": DOWN})
    behavior.normalize(history, 5, 5, limits, 0.0)
    held = behavior.normalize(history, 5, 7, limits, 59.0)
    assert (held.replicas, held.able.reason) == (5, "ScaleUpStabilized")
    grown = behavior.normalize(history, 5, 7, limits, 61.0)
    assert (grown.replicas, grown.able.reason) == (7, "ReadyForNewScale")
    held = behavior.normalize(history, 7, 3, limits, 62.0)
    assert (held.replicas, held.able.reason) == (7, "ScaleDownStabilized")
    shrunk = behavior.normalize(history, 7, 3, limits, 182.0)
    assert (shrunk.replicas, shrunk.limited_why.reason) == (3, "DesiredWithinRange")

# SPDX-License-Identifier: Apache-2.0
"""What simulated containers have used since they started, and what their node has."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.node import stats
from pyk8s.node.runtime import Container

Object = dict[str, Any]


def pod(cpu: str, uid: str = "u") -> Object:
    annotations = {stats.CPU_USAGE: cpu, stats.MEMORY_USAGE: "1Mi"}
    metadata = {"name": "p", "namespace": "n", "uid": uid, "annotations": annotations}
    return {"metadata": metadata, "spec": {"nodeName": "a", "containers": [{"name": "c"}]}}


class Runs:
    """One run of each container, which tests end and start anew."""

    def __init__(self) -> None:
        self.started_at: float | None = 0.0

    def of(self, _: Object, name: str) -> Container | None:
        if self.started_at is None:
            return None
        return Container(
            id="i", name=name, image="", image_id="", attempt=0, started_at=self.started_at
        )


def used(gauge: stats.Gauge, pods: list[Object], now: float) -> tuple[float, float]:
    """Of the container, and of the node beyond what it uses by itself."""
    found = gauge.usage_of("a", pods, now)
    of_container = sum(u.core_seconds for each in found.pods for u in each.containers.values())
    system = (now - found.system.started_at) * stats._SYSTEM_NANO_CORES / 1e9
    return of_container, pytest.approx(found.whole.core_seconds - system)


def test_goes_on_at_another_rate() -> None:
    """What was used before a change of the annotation stays as it was."""
    gauge, low, high = stats.Gauge(Runs().of, 0.0), pod("100m"), pod("2")
    assert used(gauge, [low], 10.0) == (1.0, 1.0)
    gauge.note_change(low, high, 20.0)
    assert used(gauge, [high], 30.0) == (22.0, 22.0)
    gauge.note_change(high, low, 30.0)
    assert used(gauge, [low], 40.0) == (23.0, 23.0)


def test_change_before_anybody_asked() -> None:
    """The rate of before counts until the change."""
    gauge, low, high = stats.Gauge(Runs().of, 0.0), pod("1"), pod("3")
    gauge.note_change(low, high, 10.0)
    assert used(gauge, [high], 11.0) == (13.0, 13.0)


def test_node_never_uses_less() -> None:
    """What a container used stays with its node when it is started again, or its pod is gone."""
    runs = Runs()
    gauge = stats.Gauge(runs.of, 0.0)
    assert used(gauge, [pod("1")], 10.0) == (10.0, 10.0)
    runs.started_at = 12.0
    assert used(gauge, [pod("1")], 15.0) == (3.0, 13.0)
    assert used(gauge, [], 20.0) == (0.0, 13.0)
    assert used(gauge, [pod("1", uid="other")], 20.0) == (8.0, 21.0)


def test_node_uses_something_by_itself() -> None:
    """An empty node uses processor time and memory, from its start on."""
    gauge = stats.Gauge(Runs().of, 0.0)
    found = gauge.usage_of("a", [], 100.0).whole
    assert (found.core_seconds, found.memory_bytes) == (2.0, 128 << 20)

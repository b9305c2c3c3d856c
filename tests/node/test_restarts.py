# SPDX-License-Identifier: Apache-2.0
"""When containers are started again, on a clock of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pyk8s.client import kubeconfig, rest
from pyk8s.client.client import Client
from pyk8s.node.containers import ContainerKeeper
from pyk8s.node.dependencies import Dependencies
from pyk8s.node.known import KnownPod
from pyk8s.node.simulated import SimulatedRuntime

Object = dict[str, Any]


@pytest.fixture
async def needs() -> AsyncIterator[Dependencies]:
    """Of nothing: the pods here have nothing that has to be asked for."""
    connection = rest.RESTClient(kubeconfig.ClientConfig(server="http://192.0.2.1"))
    yield Dependencies(Client(connection))
    await connection.close()


class Node:
    """One pod, brought from wake to wake. `starts` are the moments at which its container was
    started, in seconds since the first; `told` are reasons and messages of events."""

    def __init__(self, pod: Object, needs: Dependencies) -> None:
        self.now = 0.0
        self.starts: list[float] = []
        self.told: list[tuple[str, str]] = []
        self._pod = pod
        self.known = KnownPod(("default", "p"), "n", 0.0)
        self._keeper = ContainerKeeper(
            SimulatedRuntime(lambda: self.now), needs, self._tell, lambda: self.now
        )

    def _tell(self, pod: Object, type: str, reason: str, message: str, container: str = "") -> None:
        if reason == "Started":
            self.starts.append(self.now)
        self.told.append((reason, message))

    async def run_until(self, end: float) -> None:
        while True:
            wake_at = await self._keeper.advance(self._pod, self.known)
            if wake_at is None or wake_at > end:
                return
            self.now = max(self.now, wake_at)


def _pod(*command: str, policy: str = "Always", annotations: Object | None = None,
         **fields: Any) -> Object:  # fmt: skip
    container = {"name": "c", "image": "app", "command": [*command], **fields}
    metadata = {"name": "p", "namespace": "default", "uid": "u", "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"restartPolicy": policy, "containers": [container]}}


async def test_back_off(needs: Dependencies) -> None:
    """The first restart is at once, the next ones 10 s after the end and twice as long each time,
    up to five minutes."""
    node = Node(_pod("false"), needs)
    await node.run_until(1300)
    assert node.starts == [0, 0, 10, 30, 70, 150, 310, 610, 910, 1210]
    assert node.known.waiting["c"] == (
        "CrashLoopBackOff",
        "back-off 5m0s restarting failed container=c pod=p_default(u)",
    )
    told = [message for reason, message in node.told if reason == "BackOff"]
    assert set(told) == {"Back-off restarting failed container c in pod p_default(u)"}


async def test_back_off_begins_anew(needs: Dependencies) -> None:
    """A container that has run for ten minutes is started again at once."""
    node = Node(_pod("sh", "-c", "sleep 600; exit 1"), needs)
    await node.run_until(2500)
    assert node.starts == [0, 600, 1200, 1800, 2400]


async def test_back_off_of_a_container_that_is_killed(needs: Dependencies) -> None:
    """For one that its liveness probe ends it counts from the end of the run before."""
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 15, "failureThreshold": 1}
    node = Node(_pod("sleep", "1000", livenessProbe=probe), needs)
    await node.run_until(200)
    # Killed at 15, 30 and 45; at 60 it has to wait for 20 s, at 95 for 40.
    assert node.starts == [0, 15, 30, 45, 80, 135]
    assert ("Killing", "Container c failed liveness probe, will be restarted") in node.told


@pytest.mark.parametrize(
    ("policy", "command", "starts"),
    [
        pytest.param("Never", ["false"], 1, id="never"),
        pytest.param("OnFailure", ["true"], 1, id="on failure, well"),
        pytest.param("OnFailure", ["false"], 3, id="on failure"),
        pytest.param("Always", ["true"], 3, id="always"),
    ],
)
async def test_policies(needs: Dependencies, policy: str, command: list[str], starts: int) -> None:
    """Who is started again at all."""
    node = Node(_pod(*command, policy=policy), needs)
    await node.run_until(15)
    assert len(node.starts) == starts


async def test_probe_that_succeeds_costs_nothing(needs: Dependencies) -> None:
    """Once all is well, nothing is left to wake up for."""
    probes = {kind: {"httpGet": {"port": 80}, "periodSeconds": 1}
              for kind in ("startupProbe", "readinessProbe", "livenessProbe")}  # fmt: skip
    node = Node(_pod("/server", **probes), needs)
    await node.run_until(10_000)
    assert node.now == 1


async def test_pre_stop_of_a_container_that_is_killed(needs: Dependencies) -> None:
    """It has its preStop hook, for as long as the probe's own grace."""
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 10, "failureThreshold": 1,
             "terminationGracePeriodSeconds": 5}  # fmt: skip
    hook = {"preStop": {"sleep": {"seconds": 60}}}
    node = Node(_pod("/server", livenessProbe=probe, lifecycle=hook), needs)
    await node.run_until(20)
    assert node.starts == [0, 15]

# SPDX-License-Identifier: Apache-2.0
"""One pod on every node that it fits, and how it is replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import objects
import pytest
from cluster import eventually
from nodes import Kubelet, running
from world import World

from pyk8s.apimachinery import meta, times
from pyk8s.client import resources
from pyk8s.client.client import Patch
from pyk8s.controllers import history
from pyk8s.controllers.daemonset import nodes, rollout
from pyk8s.controllers.daemonset.controller import FailedPods

Object = dict[str, Any]


@pytest.fixture
async def kubelet(world: World) -> AsyncIterator[Kubelet]:
    async with running(world.client, world.namespace) as kubelet:
        kubelet.binds = True
        yield kubelet


@pytest.fixture
async def three_nodes(world: World) -> AsyncIterator[list[str]]:
    names = [f"{world.namespace}-{number}" for number in range(3)]
    for name in names:
        metadata = {"name": name, "labels": {"world": world.namespace}}
        await world.client.create(resources.NODES, {"metadata": metadata})
    yield names
    for name in names:
        await world.client.delete(resources.NODES, name)


def daemon_set(name: str, world_name: str, **spec: Any) -> Object:
    made = objects.deployment(name)
    made["kind"] = "DaemonSet"
    del made["spec"]["replicas"]
    made["spec"]["template"]["spec"]["nodeSelector"] = {"world": world_name}
    made["spec"].update(spec)
    return made


def image(name: str) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": name}]}}}}


async def until_status(world: World, name: str, **wanted: int) -> Object:
    async def is_so() -> Object | None:
        found = await world.find(resources.DAEMON_SETS, name)
        status = found["status"]
        seen = status.get("observedGeneration") == meta.generation(found)
        return found if seen and all(status.get(k, 0) == v for k, v in wanted.items()) else None

    return await eventually(is_so, f"daemonset {name} has {wanted}")


async def placed(world: World) -> list[str]:
    return sorted(p["spec"].get("nodeName", "") for p in await world.list(resources.PODS))


async def test_one_per_node(world: World, kubelet: Kubelet, three_nodes: list[str]) -> None:
    """On each node that matches, no other; a lost or failed pod is replaced, and a node that
    matches no longer loses its pod."""
    await world.create(resources.DAEMON_SETS, daemon_set("ds", world.namespace))
    await until_status(
        world, "ds", desiredNumberScheduled=3, numberAvailable=3, updatedNumberScheduled=3
    )
    assert await placed(world) == three_nodes
    first, second, _ = await world.names(resources.PODS)
    await world.delete(resources.PODS, first)
    await world.patch(resources.PODS, second, {"status": {"phase": "Failed"}}, "status")

    async def replaced() -> bool:
        names = await world.names(resources.PODS)
        return len(names) == 3 and not {first, second} & set(names)

    await eventually(replaced, "two pods are replaced")
    await world.client.patch(
        resources.NODES,
        ("", three_nodes[0]),
        Patch(content={"metadata": {"labels": {"world": "no"}}}),
    )
    await until_status(world, "ds", desiredNumberScheduled=2, numberAvailable=2)
    await eventually(lambda: _is_placed(world, three_nodes[1:]), "the pod has gone")


async def _is_placed(world: World, names: list[str]) -> bool:
    return await placed(world) == names


async def test_rolls_and_comes_back(world: World, kubelet: Kubelet, three_nodes: list[str]) -> None:
    """One node after the other; the template of before comes back as the newest revision."""
    await world.create(resources.DAEMON_SETS, daemon_set("ds", world.namespace))
    await until_status(world, "ds", numberAvailable=3)
    (old,) = await world.list(resources.CONTROLLER_REVISIONS)
    await world.patch(resources.DAEMON_SETS, "ds", image("nginx:2"))
    await until_status(world, "ds", numberAvailable=3, updatedNumberScheduled=3)
    await world.patch(resources.DAEMON_SETS, "ds", image("nginx:1.27"))
    await until_status(world, "ds", numberAvailable=3, updatedNumberScheduled=3)
    digests = {meta.labels(p)[history.REVISION_LABEL] for p in await world.list(resources.PODS)}
    assert digests == {meta.labels(old)[history.REVISION_LABEL]}
    found = await world.list(resources.CONTROLLER_REVISIONS)
    assert {meta.name(r): history.number_of(r) for r in found}[meta.name(old)] == 3
    assert len(found) == 2


async def test_surges(world: World, kubelet: Kubelet, three_nodes: list[str]) -> None:
    """The new pod is ready beside the old one before that goes."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    made = daemon_set("ds", world.namespace, updateStrategy=strategy)
    await world.create(resources.DAEMON_SETS, made)
    await until_status(world, "ds", numberAvailable=3)
    kubelet.watch_from_here()
    await world.patch(resources.DAEMON_SETS, "ds", image("nginx:2"))
    await until_status(world, "ds", numberAvailable=3, updatedNumberScheduled=3)
    assert kubelet.most == 4
    assert kubelet.least_ready >= 3


async def test_on_delete(world: World, kubelet: Kubelet, three_nodes: list[str]) -> None:
    """Only a pod that somebody deletes gets the new template."""
    made = daemon_set("ds", world.namespace, updateStrategy={"type": "OnDelete"})
    await world.create(resources.DAEMON_SETS, made)
    await until_status(world, "ds", numberAvailable=3)
    await world.patch(resources.DAEMON_SETS, "ds", image("nginx:2"))
    await until_status(world, "ds", numberAvailable=3, updatedNumberScheduled=0)
    await world.delete(resources.PODS, (await world.names(resources.PODS))[0])
    await until_status(world, "ds", numberAvailable=3, updatedNumberScheduled=1)


# --- its parts


def _node(name: str = "n", *taints: Object, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": list(taints)}}


def _taint(key: str, effect: str) -> Object:
    return {"key": key, "effect": effect}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param(_node(world="w"), (True, True), id="fits"),
        pytest.param(_node(world="x"), (False, False), id="selector"),
        pytest.param(_node("n", _taint("a", "NoSchedule"), world="w"), (False, True), id="stays"),
        pytest.param(_node("n", _taint("a", "NoExecute"), world="w"), (False, False), id="evicted"),
        pytest.param(
            _node("n", _taint("node.kubernetes.io/unschedulable", "NoSchedule"), world="w"),
            (True, True),
            id="cordoned",
        ),
        pytest.param(
            _node("n", _taint("node.kubernetes.io/not-ready", "NoExecute"), world="w"),
            (True, True),
            id="not ready",
        ),
        pytest.param(
            _node("n", _taint("node.kubernetes.io/network-unavailable", "NoSchedule"), world="w"),
            (False, True),
            id="without network",
        ),
    ],
)
def test_should_run(node: Object, expected: tuple[bool, bool]) -> None:
    """By selector and taints, of which a daemon bears the node's own troubles."""
    assert nodes.should_run(daemon_set("ds", "w"), node) == expected


def _pod(node: int, digest: str, ready: bool) -> Object:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": times.now()}
    name = f"{digest}-{node}"
    metadata = {"name": name, "uid": name, "labels": {history.REVISION_LABEL: digest}}
    status = {"phase": "Running", "conditions": [condition]}
    return {"metadata": metadata, "spec": {"nodeName": f"n{node}"}, "status": status}


_KINDS = {"o": ("old", True), "x": ("old", False), "n": ("new", True), "N": ("new", False)}


@pytest.mark.parametrize(
    ("surge", "unavailable", "layout", "create", "delete"),
    [
        pytest.param(0, 1, ["o", "o"], [], ["old-0"], id="one"),
        pytest.param(0, 2, ["o", "o"], [], ["old-0", "old-1"], id="two"),
        pytest.param(0, "50%", ["o", "o", "o"], [], ["old-0", "old-1"], id="rounds up"),
        pytest.param(0, 1, ["N", "o"], [], [], id="waits for the new one"),
        pytest.param(0, 1, ["", "o"], [], [], id="waits for a missing one"),
        pytest.param(0, 1, ["x", "o"], [], ["old-0"], id="a broken one first"),
        pytest.param(1, 0, ["o", "o"], ["n0"], [], id="surge: one"),
        pytest.param(1, 0, ["oN", "o"], [], [], id="surge: waits"),
        pytest.param(1, 0, ["on", "o"], ["n1"], ["old-0"], id="surge: swaps, and the next"),
        pytest.param(1, 0, ["x", "o"], ["n0", "n1"], [], id="surge: a broken one is no surge"),
    ],
)
def test_rolling_update(
    surge: int, unavailable: int | str, layout: list[str], create: list[str], delete: list[str]
) -> None:
    """What each node has: o old, x old and not ready, n new, N new and not ready."""
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    found = [_pod(at, *_KINDS[kind]) for at, kinds in enumerate(layout) for kind in kinds]
    plan = rollout.rolling_update(
        rollout.World(
            daemon_set=daemon_set("ds", "w", updateStrategy=strategy),
            nodes=[_node(f"n{at}", world="w") for at in range(len(layout))],
            by_node=nodes.by_node(found),
            digest="new",
            now=datetime.now(UTC),
        )
    )
    assert sorted(plan.create) == create
    assert sorted(map(meta.name, plan.delete)) == delete


def test_failed_pods_back_off() -> None:
    """A second, two, four; each node for itself, and from the start after a long peace."""
    now = 0.0
    failed = FailedPods(lambda: now)
    assert failed.seconds_left("ds", "n1") == 0
    assert failed.seconds_left("ds", "n1") == 1
    assert failed.seconds_left("ds", "n2") == 0
    now = 1.0
    assert failed.seconds_left("ds", "n1") == 0
    assert failed.seconds_left("ds", "n1") == 2
    now = 5000.0
    assert failed.seconds_left("ds", "n1") == 0
    assert failed.seconds_left("ds", "n1") == 1

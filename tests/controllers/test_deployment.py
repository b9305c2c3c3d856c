# SPDX-License-Identifier: Apache-2.0
"""Rollouts, as kubectl and the status of the Deployment see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import objects
import pytest
from cluster import SECONDS_MAX, ControlPlane, Kubectl, eventually
from nodes import NOWHERE, Kubelet, running
from running import running as running_controller
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.controllers.deployment import replicasets, scaling, status
from pyk8s.controllers.deployment.controller import DeploymentController
from pyk8s.controllers.replicaset.controller import ReplicaSetController

Object = dict[str, Any]


@pytest.fixture
async def kubelet(world: World) -> AsyncIterator[Kubelet]:
    async with running(world.client, world.namespace) as kubelet:
        yield kubelet


def deployment(name: str, replicas: int, **spec: Any) -> Object:
    """One whose pods no real node takes, so that the test says which of them run."""
    made = objects.deployment(name, replicas)
    made["spec"]["template"]["spec"]["nodeSelector"] = NOWHERE
    made["spec"].update(spec)
    return made


def rolling(surge: int | str, unavailable: int | str) -> Object:
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
    }


def image(name: str) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": name}]}}}}


async def until(
    world: World,
    name: str,
    condition: Callable[[Object], Any],
    seconds_max: float = SECONDS_MAX,
) -> Object:
    async def is_so() -> Object | None:
        found = await world.find(resources.DEPLOYMENTS, name)
        return found if condition(found) else None

    return await eventually(is_so, f"deployment {name} is as wanted", seconds_max)


async def until_complete(world: World, name: str, seconds_max: float = SECONDS_MAX) -> Object:
    def complete(found: Object) -> bool:
        progress = status.condition(found["status"], "Progressing")
        return (
            status.is_complete(found, found["status"])
            and progress is not None
            and progress["reason"] == "NewReplicaSetAvailable"
        )

    return await until(world, name, complete, seconds_max)


async def until_seen(world: World, name: str, seconds_max: float = SECONDS_MAX) -> Object:
    """The status is of this generation."""

    def seen(found: Object) -> bool:
        return found["status"].get("observedGeneration") == meta.generation(found)

    return await until(world, name, seen, seconds_max)


async def sizes(world: World) -> list[int]:
    """Of the ReplicaSets, by revision."""
    found = await world.list(resources.REPLICA_SETS)
    return [rs["spec"]["replicas"] for rs in sorted(found, key=replicasets.revision)]


async def test_rolls_within_its_bounds(world: World, kubelet: Kubelet) -> None:
    """Never more than maxSurge above, never more than maxUnavailable missing."""
    made = deployment("web", 8, strategy=rolling(2, 1))
    await world.create(resources.DEPLOYMENTS, made)
    await until_complete(world, "web")
    kubelet.watch_from_here()
    await world.patch(resources.DEPLOYMENTS, "web", image("nginx:2"))
    found = await until_complete(world, "web")
    assert await sizes(world) == [0, 8]
    assert 8 < kubelet.most <= 10
    assert kubelet.least_ready >= 7
    assert meta.annotations(found)["deployment.kubernetes.io/revision"] == "2"
    assert {p["spec"]["containers"][0]["image"] for p in await world.list(resources.PODS)} == {
        "nginx:2"
    }


async def test_undo_makes_the_old_one_new(world: World, kubelet: Kubelet) -> None:
    """The same ReplicaSet under a new revision, which remembers the one it had."""
    await world.create(resources.DEPLOYMENTS, deployment("web", 1))
    await until_complete(world, "web")
    first = await world.names(resources.REPLICA_SETS)
    for name in ("nginx:2", "nginx:1.27"):
        await world.patch(resources.DEPLOYMENTS, "web", image(name))
        await until(
            world, "web", lambda d: d["status"]["observedGeneration"] == d["metadata"]["generation"]
        )
        await until_complete(world, "web")
    names = await world.names(resources.REPLICA_SETS)
    assert len(names) == 2
    again = await world.find(resources.REPLICA_SETS, first[0])
    assert meta.annotations(again)["deployment.kubernetes.io/revision"] == "3"
    assert meta.annotations(again)["deployment.kubernetes.io/revision-history"] == "1"
    assert again["spec"]["replicas"] == 1


async def test_recreate(quiet: World) -> None:
    """No new pod while an old one may run; one that has ended holds nothing up, even if it is
    still there."""
    async with (
        running_controller(quiet.client, DeploymentController),
        running_controller(quiet.client, ReplicaSetController),
        running(quiet.client, quiet.namespace),
    ):
        made = deployment("web", 3, strategy={"type": "Recreate"})
        await quiet.create(resources.DEPLOYMENTS, made)
        await until_complete(quiet, "web")
        old = await quiet.names(resources.PODS)
        hold = {"metadata": {"finalizers": ["example.com/hold"]}}
        await quiet.patch(resources.PODS, old[0], hold)
        await quiet.patch(resources.DEPLOYMENTS, "web", image("nginx:2"))

        async def one_left() -> bool:
            return await quiet.names(resources.PODS) == [old[0]]

        await eventually(one_left, "two of the old pods have gone")
        await until(quiet, "web", lambda d: not d["status"].get("replicas"))
        assert await sizes(quiet) == [0]
        await quiet.patch(resources.PODS, old[0], {"status": {"phase": "Succeeded"}}, "status")
        # The end of a pod wakes no Deployment, in upstream neither; its removal does.
        await quiet.patch(resources.DEPLOYMENTS, "web", {"metadata": {"labels": {"look": "here"}}})
        await until_complete(quiet, "web")
        assert await sizes(quiet) == [0, 3]
        await quiet.patch(resources.PODS, old[0], {"metadata": {"finalizers": None}})


async def test_pause_and_resume(world: World, kubelet: Kubelet) -> None:
    """Paused, a new template waits and a new size does not."""
    await world.create(resources.DEPLOYMENTS, deployment("web", 2))
    await until_complete(world, "web")
    await world.patch(resources.DEPLOYMENTS, "web", {"spec": {"paused": True}})
    await world.patch(resources.DEPLOYMENTS, "web", image("nginx:2"))
    await world.patch(resources.DEPLOYMENTS, "web", {"spec": {"replicas": 4}})
    found = await until(world, "web", lambda d: d["status"].get("availableReplicas") == 4)
    assert await sizes(world) == [4]
    progress = status.condition(found["status"], "Progressing")
    assert (progress["status"], progress["reason"]) == ("Unknown", "DeploymentPaused")
    await world.patch(resources.DEPLOYMENTS, "web", {"spec": {"paused": None}})
    await until_complete(world, "web")
    assert await sizes(world) == [0, 4]


async def test_resized_in_the_middle_of_a_rollout(world: World, kubelet: Kubelet) -> None:
    """Old and new share what is added, by their sizes."""
    await world.create(resources.DEPLOYMENTS, deployment("web", 10, strategy=rolling(3, 2)))
    await until_complete(world, "web")
    kubelet.let_run(lambda pod: pod["spec"]["containers"][0]["image"] != "nginx:2")
    await world.patch(resources.DEPLOYMENTS, "web", image("nginx:2"))

    async def are(*wanted: int) -> bool:
        return await sizes(world) == [*wanted]

    await eventually(lambda: are(8, 5), "the rollout is stuck")
    await world.patch(resources.DEPLOYMENTS, "web", {"spec": {"replicas": 30}})
    await eventually(lambda: are(20, 13), "both have grown")
    kubelet.let_run(lambda pod: True)
    await until_complete(world, "web")
    assert await sizes(world) == [0, 30]


async def test_stuck_rollout_is_told(world: World, kubelet: Kubelet) -> None:
    """After progressDeadlineSeconds without a move, and taken back when it moves."""
    kubelet.runs = lambda pod: False
    await world.create(resources.DEPLOYMENTS, deployment("web", 1, progressDeadlineSeconds=1))

    def timed_out(found: Object) -> bool:
        progress = status.condition(found["status"], "Progressing")
        return progress is not None and progress["reason"] == "ProgressDeadlineExceeded"

    found = await until(world, "web", timed_out)
    assert status.condition(found["status"], "Progressing")["status"] == "False"
    kubelet.let_run(lambda pod: True)
    await until_complete(world, "web")


async def test_history_is_limited(world: World, kubelet: Kubelet) -> None:
    """As many old ReplicaSets as revisionHistoryLimit says, the youngest."""
    await world.create(resources.DEPLOYMENTS, deployment("web", 1, revisionHistoryLimit=1))
    await until_complete(world, "web")
    for number in (2, 3, 4):
        await world.patch(resources.DEPLOYMENTS, "web", image(f"nginx:{number}"))
        await until_seen(world, "web")
        await until_complete(world, "web")

    async def revisions() -> bool:
        found = await world.list(resources.REPLICA_SETS)
        return sorted(map(replicasets.revision, found)) == [3, 4]

    await eventually(revisions, "the last two are left")


async def test_everything_goes_with_it(world: World, kubelet: Kubelet) -> None:
    """Deleted in foreground: pods, then ReplicaSets, then the Deployment."""
    await world.create(resources.DEPLOYMENTS, deployment("web", 3))
    await until_complete(world, "web")
    await world.delete(resources.DEPLOYMENTS, "web", "Foreground")
    await world.until_gone(resources.DEPLOYMENTS, "web")
    assert await world.names(resources.REPLICA_SETS) == []
    assert await world.names(resources.PODS) == []


async def test_kubectl_rollout(
    world: World, kubelet: Kubelet, plane: ControlPlane, tmp_path
) -> None:
    """status, history, restart, undo and scale end by themselves."""
    import asyncio

    kubectl = Kubectl(plane.kubeconfig, tmp_path, world.namespace)

    async def run(*arguments: str) -> str:
        done = await asyncio.to_thread(kubectl, *arguments)
        return done.stdout

    await run("create", "deployment", "web", "--image=nginx:1", "--replicas=2")
    said = await run("rollout", "status", "deployment/web", "--timeout=20s")
    assert said.endswith('deployment "web" successfully rolled out\n')
    await run("set", "image", "deployment/web", "nginx=nginx:2")
    await run("rollout", "status", "deployment/web", "--timeout=20s")
    await run("rollout", "restart", "deployment/web")
    await run("rollout", "status", "deployment/web", "--timeout=20s")
    assert "3" in await run("rollout", "history", "deployment/web")
    await run("rollout", "undo", "deployment/web", "--to-revision=1")
    await run("rollout", "status", "deployment/web", "--timeout=20s")
    assert "nginx:1" in await run("get", "deployment", "web", "-o", "wide")
    await run("scale", "deployment/web", "--replicas=3")
    await run("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web")


# --- arithmetic


def sized(name: str, replicas: int, available: int, **annotations: str) -> Object:
    notes = {f"deployment.kubernetes.io/{k.replace('_', '-')}": v for k, v in annotations.items()}
    metadata = {"name": name, "annotations": notes, "creationTimestamp": name}
    return {
        "metadata": metadata,
        "spec": {"replicas": replicas},
        "status": {"availableReplicas": available},
    }


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        pytest.param("25%", "25%", 10, (3, 2), id="up and down"),
        pytest.param("0%", "0%", 10, (0, 1), id="never both 0"),
        pytest.param(0, "1%", 10, (0, 1), id="rounded down to both 0"),
        pytest.param(1, 0, 1, (1, 0), id="as they are"),
    ],
)
def test_fenceposts(surge: Any, unavailable: Any, replicas: int, expected: tuple) -> None:
    """maxSurge rounds up, maxUnavailable down."""
    made = deployment("web", replicas, strategy=rolling(surge, unavailable))
    assert scaling.fenceposts(made) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param([(10, 10)], (3, 0), {"1": 8}, id="as far as is available"),
        pytest.param([(8, 8)], (5, 0), {}, id="the new ones are not available"),
        pytest.param([(8, 8)], (5, 2), {"1": 6}, id="some are"),
        pytest.param([(8, 3), (5, 5)], (0, 0), {"1": 3}, id="what is broken goes first"),
        pytest.param([(4, 4), (4, 4)], (5, 5), {"1": 0, "2": 3}, id="the oldest first"),
        pytest.param([(4, 8)], (6, 6), {"1": 2}, id="those about to go do not count"),
    ],
)
def test_shrinking(old: list, new: tuple, expected: dict) -> None:
    """10 replicas, 3 above, 2 missing at most."""
    made = deployment("web", 10, strategy=rolling(3, 2))
    sets = [sized(str(i), *counts) for i, counts in enumerate(old, 1)]
    assert scaling.shrunk(made, sized("new", *new), sets) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param([(10, 10)], 0, 3, id="as far as it may surge"),
        pytest.param([(8, 8)], 3, 5, id="what the old one has lost"),
        pytest.param([(8, 10)], 3, 3, id="not what it is still to lose"),
        pytest.param([(8, 9)], 3, 4, id="as far as it has lost it"),
        pytest.param([(10, 4)], 3, 3, id="what it is yet to have counts"),
        pytest.param([(0, 0)], 9, 10, id="never more than is wanted"),
    ],
)
def test_growing(old: list, new: int, expected: int) -> None:
    """10 replicas, 3 above at most, of Pods that are there or are to be."""
    made = deployment("web", 10, strategy=rolling(3, 2))
    sets = [sized(str(i), wanted, 0) for i, (wanted, _) in enumerate(old, 1)]
    for replica_set, (_, there) in zip(sets, old, strict=True):
        replica_set["status"]["replicas"] = there
    growing = sized("new", new, 0)
    assert scaling.new_size(made, [*sets, growing], growing) == expected


def test_templates_are_compared_not_their_hashes() -> None:
    """A label of ours, a null, and the order of keys make no difference; anything else does."""
    made = deployment("web", 1)
    template = made["spec"]["template"]
    labels = {"pod-template-hash": "x", **template["metadata"]["labels"]}
    metadata = {"creationTimestamp": None, "labels": labels}
    same = {"metadata": metadata, "spec": {**template["spec"], "nodeName": None}}
    replica_set = {**sized("a", 1, 1), "spec": {"template": same}}
    assert replicasets.find_new(made, [replica_set]) is replica_set
    other = {"spec": {"template": {**same, "spec": {**template["spec"], "hostNetwork": True}}}}
    assert replicasets.find_new(made, [{**replica_set, **other}]) is None
    hashes = {replicasets.template_hash(template, n) for n in range(100)}
    assert len(hashes) == 100

# SPDX-License-Identifier: Apache-2.0
"""What a PodDisruptionBudget allows: by number, by percentage, and while nobody can tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import objects
import pytest
from cluster import eventually
from nodes_of import run_pod
from running import running
from world import World

from pyk8s.apimachinery import errors, times
from pyk8s.client import resources
from pyk8s.controllers.disruption import budgets
from pyk8s.controllers.disruption.budgets import Counts
from pyk8s.controllers.disruption.controller import DisruptionController

Object = dict[str, Any]


def budget(**spec: Any) -> Object:
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "web"}, "spec": {"selector": selector, **spec}}


async def run_web(world: World, name: str, *owners: Object) -> None:
    """A ready pod of app web, in charge of the owner if there is one."""
    metadata: Object = {"labels": {"app": "web"}}
    if owners:
        (owner,) = owners
        reference = {key: owner[key] for key in ("apiVersion", "kind")}
        reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
        metadata["ownerReferences"] = [{**reference, "controller": True}]
    await run_pod(world, name, "n")
    await world.patch(resources.PODS, name, {"metadata": metadata})


async def until_status(world: World, **wanted: Any) -> Object:
    async def found() -> Object | None:
        obj = await world.find(resources.POD_DISRUPTION_BUDGETS, "web")
        assert obj is not None
        status: Object = obj.get("status") or {}
        return status if {key: status.get(key) for key in wanted} == wanted else None

    said: Object = await eventually(found, f"the status is {wanted}")
    return said


async def until_event(world: World, reason: str) -> str:
    async def found() -> list[Object]:
        events = await world.list(resources.EVENTS)
        return [event for event in events if event["reason"] == reason]

    return str((await eventually(found, f"an Event {reason}"))[0]["message"])


def said(status: Object) -> tuple[str, str, int]:
    (condition,) = status["conditions"]
    return condition["status"], condition["reason"], condition["observedGeneration"]


async def evict(world: World, name: str) -> None:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": world.namespace},
    }
    owner = (world.namespace, name)
    await world.client.create_subresource(resources.PODS, owner, "eviction", eviction)


async def test_follows_pods_and_evictions(quiet: World) -> None:
    """Pods that come, go, are evicted or lose their label change what is allowed."""
    async with running(quiet.client, DisruptionController):
        await quiet.create(resources.POD_DISRUPTION_BUDGETS, budget(minAvailable=1))
        status = await until_status(quiet, observedGeneration=1, expectedPods=0)
        assert said(status) == ("False", "InsufficientPods", 1)
        assert await until_event(quiet, "NoPods") == "No matching pods found"
        for name in ("a", "b", "c"):
            await run_web(quiet, name)
        status = await until_status(
            quiet, currentHealthy=3, expectedPods=3, desiredHealthy=1, disruptionsAllowed=2
        )
        assert said(status) == ("True", "SufficientPods", 1)
        await evict(quiet, "a")
        # The pod is gone at once, and so is the note of its eviction.
        await until_status(quiet, currentHealthy=2, disruptionsAllowed=1, disruptedPods=None)
        await quiet.patch(resources.PODS, "b", {"metadata": {"labels": {"app": "other"}}})
        await until_status(quiet, currentHealthy=1, disruptionsAllowed=0)
        with pytest.raises(errors.StatusError) as refused:
            await evict(quiet, "c")
        assert refused.value.code == 429
        await quiet.patch(resources.POD_DISRUPTION_BUDGETS, "web", {"spec": {"minAvailable": 0}})
        status = await until_status(quiet, observedGeneration=2, disruptionsAllowed=1)
        assert said(status) == ("True", "SufficientPods", 2)


async def test_percentage_of_scale(quiet: World) -> None:
    """It is taken of what the controllers of the pods mean to have, not of what is there."""
    deployment = await quiet.create(resources.DEPLOYMENTS, objects.deployment("web", replicas=10))
    replica_set = {
        "metadata": {"name": "web-1"},
        "spec": {
            "replicas": 7,
            "selector": deployment["spec"]["selector"],
            "template": deployment["spec"]["template"],
        },
    }
    replica_set = await quiet.create(
        resources.REPLICA_SETS, replica_set, deployment, controller=True
    )
    async with running(quiet.client, DisruptionController):
        for name in ("a", "b", "c"):
            await run_web(quiet, name, replica_set)
        await quiet.create(resources.POD_DISRUPTION_BUDGETS, budget(minAvailable="15%"))
        await until_status(
            quiet, expectedPods=10, desiredHealthy=2, currentHealthy=3, disruptionsAllowed=1
        )
        change = {"spec": {"minAvailable": None, "maxUnavailable": "75%"}}
        await quiet.patch(resources.POD_DISRUPTION_BUDGETS, "web", change)
        await until_status(quiet, expectedPods=10, desiredHealthy=2, disruptionsAllowed=1)


async def test_nothing_is_allowed_while_nobody_can_count(quiet: World) -> None:
    """Pods of a controller that is gone, or that has no scale, leave no number to go by."""
    config = {"metadata": {"name": "odd"}}
    odd = await quiet.create(resources.CONFIGMAPS, config)
    odd.update(apiVersion="v1", kind="ConfigMap")
    async with running(quiet.client, DisruptionController):
        await run_web(quiet, "a", odd)
        await quiet.create(resources.POD_DISRUPTION_BUDGETS, budget(maxUnavailable=1))
        why = "configmaps does not implement the scale subresource"
        failed = await until_event(quiet, "CalculateExpectedPodCountFailed")
        assert failed == f"Failed to calculate the number of expected pods: {why}"

        async def has_failed() -> bool:
            obj = await quiet.find(resources.POD_DISRUPTION_BUDGETS, "web")
            (condition,) = (obj or {})["status"].get("conditions") or [{}]
            return (condition.get("reason"), condition.get("message")) == ("SyncFailed", why)

        await eventually(has_failed, "the condition says SyncFailed")
        await until_status(quiet, disruptionsAllowed=0)
        await quiet.patch(resources.PODS, "a", {"metadata": {"ownerReferences": None}})
        assert "were found to be unmanaged" in await until_event(quiet, "UnmanagedPods")


async def test_stale_disruption_target(quiet: World) -> None:
    """A pod that was to go two minutes ago and is still here is no target any longer."""
    old = times.format(datetime.now(UTC) - timedelta(minutes=3))
    target = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": old}
    for name, reason in (("kept", "TerminationByKubelet"), ("stale", "PreemptionByScheduler")):
        await run_web(quiet, name)
        conditions = [{**target, "reason": reason, "message": "soon"}]
        await quiet.patch(resources.PODS, name, {"status": {"conditions": conditions}}, "status")
    async with running(quiet.client, DisruptionController):

        async def reset() -> Object | None:
            pod = await quiet.find(resources.PODS, "stale")
            (condition,) = (pod or {})["status"]["conditions"]
            return condition if condition["status"] == "False" else None

        condition = await eventually(reset, "the condition is False")
        assert "reason" not in condition
        assert "message" not in condition
        assert condition["lastTransitionTime"] > old
    kept = await quiet.find(resources.PODS, "kept")
    assert kept is not None
    assert kept["status"]["conditions"][0]["status"] == "True"


# --- arithmetic


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"minAvailable": 2}, (4, 2), id="at least a number"),
        pytest.param({"minAvailable": "30%"}, (10, 3), id="at least a share of the scale"),
        pytest.param({"minAvailable": "31%"}, (10, 4), id="rounded up"),
        pytest.param({"maxUnavailable": 3}, (10, 7), id="a number unavailable"),
        pytest.param({"maxUnavailable": "31%"}, (10, 6), id="a share unavailable, rounded up"),
        pytest.param({"maxUnavailable": 30}, (10, 0), id="more than there are"),
        pytest.param({}, (0, 0), id="nothing asked"),
    ],
)
def test_expected_and_desired(spec: Object, expected: tuple[int, int]) -> None:
    """Of 4 pods whose controllers mean to have 10."""
    assert budgets.expected_and_desired(spec, pods=4, scale=10) == expected


@pytest.mark.parametrize(
    ("counts", "allowed"),
    [
        pytest.param((3, 2, 3), 1, id="one to spare"),
        pytest.param((3, 2, 2), 0, id="none to spare"),
        pytest.param((3, 2, 1), 0, id="too few already"),
        pytest.param((0, 0, 2), 0, id="no pods expected"),
    ],
)
def test_allowed(counts: tuple[int, int, int], allowed: int) -> None:
    """Never negative, and nothing where no pods are expected."""
    expected, desired, healthy = counts
    assert Counts(expected=expected, desired=desired, healthy=healthy).allowed == allowed


def test_disrupted_pods() -> None:
    """Those evicted are awaited for two minutes and do not count as healthy until then."""
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def pod(name: str, **metadata: str) -> Object:
        ready = {"type": "Ready", "status": "True"}
        return {"metadata": {"name": name, **metadata}, "status": {"conditions": [ready]}}

    pods = [
        pod("new"),
        pod("old"),
        pod("going", deletionTimestamp="2026-01-01T12:00:00Z"),
        pod("x"),
    ]
    noted = {
        "new": "2026-01-01T11:59:00Z",
        "old": "2026-01-01T11:57:00Z",
        "going": "2026-01-01T11:59:30Z",
        "gone": "2026-01-01T11:59:30Z",
    }
    found = budgets.disrupted({"disruptedPods": noted}, pods, now)
    assert found.awaited == {"new": "2026-01-01T11:59:00Z"}
    assert found.recheck_at == now + timedelta(minutes=1)
    assert [each["metadata"]["name"] for each in found.overdue] == ["old"]
    assert budgets.healthy(pods, found.awaited) == 2


def test_condition_keeps_its_time() -> None:
    """Its transition is the moment its status changed, not its reason."""
    before = [{"type": "DisruptionAllowed", "status": "False", "lastTransitionTime": "then"}]
    change = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed"}
    assert budgets.with_condition(before, change, "now")[0]["lastTransitionTime"] == "then"
    change["status"] = "True"
    assert budgets.with_condition(before, change, "now")[0]["lastTransitionTime"] == "now"

# SPDX-License-Identifier: Apache-2.0
"""Jobs run to their end, each Pod counted once; the Pods' ends are written by the tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import objects
import pytest
from cluster import ControlPlane, Kubectl, eventually
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.controllers.job import backoff, conditions, failures, indexes

Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("nodeless")


def job(name: str, **spec: Any) -> Object:
    pod = {**objects.pod(name)["spec"], "restartPolicy": "Never"}
    made = {"template": {"spec": pod}, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": made}


async def until(world: World, name: str, says: Callable[[Object], Any]) -> Object:
    async def is_so() -> Object | None:
        found = await world.find(resources.JOBS, name)
        return found if says(found["status"]) else None

    return await eventually(is_so, f"job {name} is as wanted")


async def finished(world: World, name: str) -> Object:
    return await until(world, name, lambda s: conditions.is_finished({"status": s}))


async def until_pods(world: World, count: int) -> list[Object]:
    async def are() -> tuple[list[Object]] | None:
        found = [p for p in await world.list(resources.PODS) if p["status"]["phase"] == "Pending"]
        return (found,) if len(found) == count else None

    return (await eventually(are, f"{count} pods wait"))[0]


async def end(world: World, pod: Object, phase: str, exit_code: int = 0) -> None:
    ended = {"exitCode": exit_code, "finishedAt": "2026-01-01T00:00:00Z"}
    status = {"name": "main", "state": {"terminated": ended}, "image": "i", "imageID": "i"}
    status.update(ready=False, restartCount=0)
    content = {"status": {"phase": phase, "containerStatuses": [status]}}
    await world.patch(resources.PODS, meta.name(pod), content, "status")


def reasons(found: Object) -> dict[str, str]:
    return {c["type"]: c.get("reason", "") for c in found["status"]["conditions"]}


async def test_completes(world: World, plane: ControlPlane, tmp_path: Path) -> None:
    """As many at once as asked for; complete when so many succeeded, and kubectl waits for it."""
    await world.create(resources.JOBS, job("a", completions=3, parallelism=2))
    for pod in await until_pods(world, 2):
        assert meta.finalizers(pod) == ["batch.kubernetes.io/job-tracking"]
        await end(world, pod, "Succeeded")
    for pod in await until_pods(world, 1):
        await end(world, pod, "Succeeded")
    found = await finished(world, "a")
    assert found["status"]["succeeded"] == 3
    assert found["status"]["uncountedTerminatedPods"] == {}
    assert reasons(found) == dict.fromkeys(["SuccessCriteriaMet", "Complete"], "CompletionsReached")
    own = Kubectl(plane.kubeconfig, tmp_path, world.namespace)
    own("wait", "--for=condition=complete", "job/a", "--timeout=20s")
    assert own("get", "job", "a").words[1][:3] == ["a", "Complete", "3/3"]
    assert not any(map(meta.finalizers, await world.list(resources.PODS)))


async def test_fails_at_its_limit(world: World) -> None:
    """One failure more than backoffLimit ends the Job, and what still runs with it."""
    await world.create(resources.JOBS, job("a", completions=2, parallelism=2, backoffLimit=0))
    first, _ = await until_pods(world, 2)
    await end(world, first, "Failed", 1)
    found = await finished(world, "a")
    assert reasons(found) == dict.fromkeys(["FailureTarget", "Failed"], "BackoffLimitExceeded")
    assert found["status"]["failed"] == 2
    assert "active" not in found["status"]


async def test_indexed(world: World) -> None:
    """Each index once, known by annotation, label, host name and environment."""
    wanted = {"completions": 2, "parallelism": 2, "completionMode": "Indexed"}
    await world.create(resources.JOBS, job("a", **wanted))
    made = await until_pods(world, 2)
    assert {p["spec"]["hostname"] for p in made} == {"a-0", "a-1"}
    for pod in made:
        index = meta.annotations(pod)[indexes.COMPLETION_INDEX]
        assert meta.labels(pod)[indexes.COMPLETION_INDEX] == index
        assert meta.name(pod).startswith(f"a-{index}-")
        (variable,) = pod["spec"]["containers"][0]["env"]
        assert variable["name"] == "JOB_COMPLETION_INDEX"
        await end(world, pod, "Succeeded")
    assert (await finished(world, "a"))["status"]["completedIndexes"] == "0,1"


async def test_success_policy(world: World) -> None:
    """One index is enough where the policy says so; the others' Pods go."""
    policy = {"rules": [{"succeededIndexes": "1"}]}
    wanted = {"completions": 2, "parallelism": 2, "completionMode": "Indexed"}
    await world.create(resources.JOBS, job("a", successPolicy=policy, **wanted))
    made = await until_pods(world, 2)
    leader = [p for p in made if meta.annotations(p)[indexes.COMPLETION_INDEX] == "1"]
    await end(world, leader[0], "Succeeded")
    found = await finished(world, "a")
    assert reasons(found) == dict.fromkeys(["SuccessCriteriaMet", "Complete"], "SuccessPolicy")
    assert found["status"]["completedIndexes"] == "1"


async def test_fails_by_policy(world: World) -> None:
    """An exit code that the policy names fails the Job at once, and it says which."""
    codes = {"operator": "In", "values": [42]}
    policy = {"rules": [{"action": "FailJob", "onExitCodes": codes}]}
    await world.create(resources.JOBS, job("a", podFailurePolicy=policy))
    (pod,) = await until_pods(world, 1)
    await end(world, pod, "Failed", 42)
    found = await finished(world, "a")
    assert reasons(found)["Failed"] == "PodFailurePolicy"
    assert found["status"]["conditions"][-1]["message"] == (
        f"Container main for pod {world.namespace}/{meta.name(pod)} failed with exit code 42 "
        "matching FailJob rule at index 0"
    )


async def test_suspends_and_resumes(world: World) -> None:
    """No Pods while suspended; the clock starts anew."""
    await world.create(resources.JOBS, job("a"))
    await until_pods(world, 1)
    await world.patch(resources.JOBS, "a", {"spec": {"suspend": True}})
    await until_pods(world, 0)
    found = await until(world, "a", lambda s: s.get("conditions"))
    assert reasons(found) == {"Suspended": "JobSuspended"}
    assert "failed" not in found["status"]
    await world.patch(resources.JOBS, "a", {"spec": {"suspend": False}})
    await until_pods(world, 1)
    found = await until(world, "a", lambda s: s["conditions"][0]["status"] == "False")
    assert reasons(found) == {"Suspended": "JobResumed"}


async def test_deadline(world: World) -> None:
    """Active for too long is failed."""
    await world.create(resources.JOBS, job("a", activeDeadlineSeconds=1))
    assert reasons(await finished(world, "a"))["Failed"] == "DeadlineExceeded"


async def test_goes_after_its_time(world: World) -> None:
    """A finished Job with a time to live goes when it has passed, its Pods first."""
    await world.create(resources.JOBS, job("a", ttlSecondsAfterFinished=1))
    (pod,) = await until_pods(world, 1)
    await end(world, pod, "Succeeded")
    found = await finished(world, "a")
    ended = datetime.strptime(found["status"]["completionTime"], "%Y-%m-%dT%H:%M:%S%z")
    await world.until_gone(resources.JOBS, "a")
    assert datetime.now(UTC) >= ended + timedelta(seconds=1)
    assert await world.list(resources.PODS) == []


async def test_managed_by_another(world: World) -> None:
    """A Job that another controller manages is left alone."""
    await world.create(resources.JOBS, job("other", managedBy="example.com/controller"))
    await world.create(resources.JOBS, job("own"))
    (pod,) = await until_pods(world, 1)
    assert meta.labels(pod)["job-name"] == "own"
    assert "startTime" not in (await world.find(resources.JOBS, "other"))["status"]


async def test_adopts_and_releases(world: World) -> None:
    """An orphan that matches is taken back with its finalizer; another one is let go without."""
    made = await world.create(resources.JOBS, job("a"))
    (pod,) = await until_pods(world, 1)
    name = meta.name(pod)
    await world.patch(resources.PODS, name, {"metadata": {"ownerReferences": None}})

    async def adopted() -> bool:
        found = await world.find(resources.PODS, name)
        return meta.is_controlled_by(found, made) and bool(meta.finalizers(found))

    await eventually(adopted, "the pod is adopted")
    await world.patch(resources.PODS, name, {"metadata": {"labels": None}})

    async def released() -> bool:
        found = await world.find(resources.PODS, name)
        return not meta.controller_of(found) and not meta.finalizers(found)

    await eventually(released, "the pod is let go")


# --- its parts


@pytest.mark.parametrize(
    ("text", "more", "joined"),
    [
        pytest.param("", [], "", id="none"),
        pytest.param("0", [1], "0,1", id="two in a row"),
        pytest.param("0,1", [2, 4], "0-2,4", id="three in a row"),
        pytest.param("1,3-5,x,9-20", [2], "1-5,9", id="clipped, and what is no interval left out"),
    ],
)
def test_index_sets(text: str, more: list[int], joined: str) -> None:
    """As few intervals as there can be, below the number of completions."""
    made = indexes.parse(text, 10).with_indexes(more)
    assert str(made) == joined
    assert len(made) == sum(i in made for i in range(10))
    assert made.first_missing(3, 10) == [i for i in range(10) if i not in made][:3]


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 0), (1, 10), (2, 20), (6, 320), (7, 600), (1000, 600)]
)
def test_backoff(count: int, seconds: float) -> None:
    """Ten seconds, doubled up to ten minutes, and over when they have passed."""
    now = datetime.now(UTC)
    assert backoff.seconds_left(count, now, now) == seconds
    assert backoff.seconds_left(count, now - timedelta(hours=1), now) == 0


@pytest.mark.parametrize(
    ("action", "counts"), [("Ignore", False), ("Count", True), ("FailIndex", True)]
)
def test_failure_policy(action: str, counts: bool) -> None:
    """The first rule that matches says whether the failure counts."""
    pattern = [{"type": "DisruptionTarget", "status": "True"}]
    rules = [{"action": action, "onPodConditions": pattern}]
    rules.append({"action": "FailJob", "onPodConditions": pattern})
    owner = {"spec": {"podFailurePolicy": {"rules": rules}}}
    found = failures.match(owner, {"metadata": {}, "status": {"conditions": pattern}})
    assert found == failures.Match(action, counts)

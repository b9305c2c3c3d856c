# SPDX-License-Identifier: Apache-2.0
"""What Jobs make of failures per index, of Pods on their way out, and of another size; the Pods'
ends are written by the tests."""

from __future__ import annotations

from typing import Any

import pytest
from test_job import end, finished, job, reasons, until, until_pods
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.controllers.job import failures, indexes

Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("nodeless")


def indexed(name: str, count: int, **spec: Any) -> Object:
    wanted = {"completions": count, "parallelism": count, "completionMode": "Indexed"}
    return job(name, **{**wanted, **spec})


def by_index(pods: list[Object]) -> dict[str, Object]:
    return {meta.annotations(pod)[indexes.COMPLETION_INDEX]: pod for pod in pods}


async def test_index_is_tried_again(world: World) -> None:
    """A failed index has its own limit, and its next Pod knows how many failed before it."""
    await world.create(resources.JOBS, indexed("a", 2, backoffLimitPerIndex=1))
    first = by_index(await until_pods(world, 2))
    assert meta.annotations(first["0"])[failures.INDEX_FAILURE_COUNT] == "0"
    await end(world, first["0"], "Failed", 1)
    second = by_index(await until_pods(world, 2))
    assert meta.annotations(second["0"])[failures.INDEX_FAILURE_COUNT] == "1"
    assert meta.uid(second["1"]) == meta.uid(first["1"])
    await end(world, second["0"], "Failed", 1)
    found = await until(world, "a", lambda s: s.get("failedIndexes"))
    assert found["status"]["failedIndexes"] == "0"
    # The others go on: the Job fails when they have ended.
    await end(world, second["1"], "Succeeded")
    found = await finished(world, "a")
    assert reasons(found) == dict.fromkeys(["FailureTarget", "Failed"], "FailedIndexes")
    status = found["status"]
    assert (status["failedIndexes"], status["completedIndexes"]) == ("0", "1")
    assert (status["succeeded"], status["failed"]) == (1, 2)


async def test_fail_index(world: World) -> None:
    """An index fails at once where the policy says so, whatever its limit."""
    codes = {"operator": "In", "values": [42]}
    policy = {"rules": [{"action": "FailIndex", "onExitCodes": codes}]}
    spec = {"backoffLimitPerIndex": 5, "podFailurePolicy": policy}
    await world.create(resources.JOBS, indexed("a", 2, **spec))
    pods = by_index(await until_pods(world, 2))
    await end(world, pods["1"], "Failed", 42)
    found = await until(world, "a", lambda s: s.get("failedIndexes"))
    assert found["status"]["failedIndexes"] == "1"
    await end(world, pods["0"], "Succeeded")
    assert reasons(await finished(world, "a"))["Failed"] == "FailedIndexes"


async def test_too_many_failed_indexes(world: World) -> None:
    """One failed index more than allowed ends the Job and what still runs."""
    spec = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 1}
    await world.create(resources.JOBS, indexed("a", 4, **spec))
    pods = by_index(await until_pods(world, 4))
    await end(world, pods["0"], "Failed", 1)
    await until(world, "a", lambda s: s.get("failedIndexes") == "0")
    await end(world, pods["3"], "Failed", 1)
    found = await finished(world, "a")
    wanted = dict.fromkeys(["FailureTarget", "Failed"], "MaxFailedIndexesExceeded")
    assert reasons(found) == wanted
    assert found["status"]["failedIndexes"] == "0,3"
    assert "active" not in found["status"]


@pytest.mark.parametrize("policy", ["TerminatingOrFailed", "Failed"])
async def test_replacement(world: World, policy: str) -> None:
    """A Pod on its way out is replaced at once, or when it has come to its end."""
    made = job("a", podReplacementPolicy=policy)
    # A node of which nobody knows: only the test can bring its Pods to their end.
    made["spec"]["template"]["spec"]["nodeName"] = "nowhere"
    await world.create(resources.JOBS, made)
    (pod,) = await until_pods(world, 1)
    # The back-off counts from here.
    unready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    content = {"status": {"conditions": [unready]}}
    await world.patch(resources.PODS, meta.name(pod), content, "status")
    await world.delete(resources.PODS, meta.name(pod))
    if policy == "TerminatingOrFailed":
        await until(world, "a", lambda s: s.get("active") == 1 and s.get("terminating") == 1)
        assert len(await world.names(resources.PODS)) == 2
        return
    await until(world, "a", lambda s: s.get("terminating") == 1 and "active" not in s)
    assert await world.names(resources.PODS) == [meta.name(pod)]
    await end(world, pod, "Failed", 1)
    found = await until(world, "a", lambda s: s.get("active") == 1 and s.get("failed") == 1)
    assert not found["status"]["terminating"]


async def test_elastic(world: World) -> None:
    """An Indexed Job grows and shrinks where both of its numbers change as one; the Pods of the
    indexes that are no more go, and what is complete by then ends the Job."""
    await world.create(resources.JOBS, indexed("a", 2))
    assert set(by_index(await until_pods(world, 2))) == {"0", "1"}
    await world.patch(resources.JOBS, "a", {"spec": {"completions": 4, "parallelism": 4}})
    grown = by_index(await until_pods(world, 4))
    assert set(grown) == {"0", "1", "2", "3"}
    await end(world, grown["0"], "Succeeded")
    await until(world, "a", lambda s: s.get("completedIndexes") == "0")
    await world.patch(resources.JOBS, "a", {"spec": {"completions": 2, "parallelism": 2}})
    (left,) = await until_pods(world, 1)
    assert meta.uid(left) == meta.uid(grown["1"])
    await end(world, left, "Succeeded")
    found = await finished(world, "a")
    assert found["status"]["completedIndexes"] == "0,1"
    assert found["status"]["succeeded"] == 2
    assert "failed" not in found["status"]

# SPDX-License-Identifier: Apache-2.0
"""Evictions over HTTP: deletions that a PodDisruptionBudget may refuse."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest
from cluster import ControlPlane, Http, Object
from objects import pod

LABELS = {"app": "web"}


class Workload:
    """One namespace with Pods and a budget for them."""

    def __init__(self, http: Http, namespace: str) -> None:
        self.http = http
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"

    def run(self, name: str = "web", phase: str = "Running", ready: bool = True) -> None:
        self.http.create(self.pods, pod(name, LABELS))
        binding = {"metadata": {"name": name}, "target": {"name": "n1"}}
        self.http("POST", f"{self.pods}/{name}/binding", binding)
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        status = {"phase": phase, "conditions": [condition]}
        assert self.http.patch(f"{self.pods}/{name}/status", {"status": status}).status == 200

    def budget(self, name: str = "web", **status: int) -> None:
        selector = {"matchLabels": LABELS}
        budget = {"metadata": {"name": name}, "spec": {"selector": selector, "minAvailable": 1}}
        self.http.create(self.budgets, budget)
        status = {"observedGeneration": 1, "expectedPods": 2, **status}
        for key in ("currentHealthy", "desiredHealthy", "disruptionsAllowed"):
            status.setdefault(key, 0)
        answer = self.http.patch(f"{self.budgets}/{name}/status", {"status": status})
        assert answer.status == 200, answer.body

    def evict(self, name: str = "web", query: str = "", **more: Any) -> Any:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, **more}
        return self.http("POST", f"{self.pods}/{name}/eviction{query}", body)

    def budget_status(self, name: str = "web") -> Object:
        status: Object = self.http.get(f"{self.budgets}/{name}").json()["status"]
        return status

    def leaving(self, name: str = "web") -> bool:
        answer = self.http.get(f"{self.pods}/{name}")
        return answer.status == 404 or "deletionTimestamp" in answer.json()["metadata"]


@pytest.fixture
def work(http: Http, namespace: str) -> Workload:
    return Workload(http, namespace)


def test_without_a_budget(work: Workload) -> None:
    """The Pod begins to leave, and the answer is a success."""
    work.run()
    answer = work.evict()
    assert (answer.status, answer.json()["status"], answer.json()["code"]) == (201, "Success", 201)
    assert work.leaving()


def test_uses_up_the_budget(work: Workload) -> None:
    """One disruption less is allowed, the Pod is noted, and at zero the condition says so."""
    work.run()
    work.budget(currentHealthy=2, desiredHealthy=1, disruptionsAllowed=1)
    assert work.evict().status == 201
    status = work.budget_status()
    assert status["disruptionsAllowed"] == 0
    assert list(status["disruptedPods"]) == ["web"]
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "DisruptionAllowed",
        "False",
        "InsufficientPods",
    )
    assert work.leaving()


def test_refused_by_the_budget(work: Workload) -> None:
    """429 with the cause that clients look for, and nothing happens."""
    work.run()
    work.budget(currentHealthy=1, desiredHealthy=1)
    answer = work.evict()
    assert answer.status == 429
    status = answer.json()
    assert status["reason"] == "TooManyRequests"
    assert status["message"] == (
        "Cannot evict pod as it would violate the pod's disruption budget."
    )
    assert status["details"] == {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget web needs 1 healthy pods and has 1 currently",
            }
        ]
    }
    assert not work.leaving()


def test_budget_that_nobody_has_looked_at(work: Workload) -> None:
    """Until its controller has seen the budget, a client is told to come back."""
    work.run()
    work.budget(disruptionsAllowed=1, observedGeneration=0)
    answer = work.evict()
    assert (answer.status, answer.headers["retry-after"]) == (429, "10")
    (cause,) = answer.json()["details"]["causes"]
    assert cause["message"] == "The disruption budget web is still being processed by the server."


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_pods_that_do_no_work_pass(work: Workload, phase: str) -> None:
    """No budget keeps a Pod whose loss disrupts nothing."""
    work.run(phase=phase)
    work.budget(currentHealthy=1, desiredHealthy=1)
    assert work.evict().status == 201
    assert work.leaving()


def test_unready_pod_of_a_healthy_budget_passes(work: Workload) -> None:
    """A Pod that is not ready does not count, while enough others are."""
    work.run(ready=False)
    work.budget(currentHealthy=1, desiredHealthy=1)
    assert work.evict().status == 201
    assert work.budget_status().get("disruptedPods") is None


def test_unready_pod_of_an_unhealthy_budget_stays(work: Workload) -> None:
    """Unless the budget lets unhealthy Pods go in any case."""
    work.run(ready=False)
    work.budget(currentHealthy=0, desiredHealthy=1)
    assert work.evict().status == 429
    always = {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}
    assert work.http.patch(f"{work.budgets}/web", always).status == 200
    assert work.evict().status == 201


def test_two_budgets(work: Workload) -> None:
    """Upstream's answer: a failed Status under a successful code."""
    work.run()
    work.budget("a", disruptionsAllowed=1)
    work.budget("b", disruptionsAllowed=1)
    answer = work.evict()
    assert (answer.status, answer.json()["status"], answer.json()["code"]) == (201, "Failure", 500)
    assert answer.json()["message"] == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
        "support."
    )
    assert not work.leaving()


@pytest.mark.parametrize(
    ("query", "more"),
    [
        pytest.param("?dryRun=All", {}, id="query"),
        pytest.param("", {"deleteOptions": {"dryRun": ["All"]}}, id="delete options"),
    ],
)
def test_dry_run(work: Workload, query: str, more: Object) -> None:
    """The budget is asked, and neither it nor the Pod changes."""
    work.run()
    work.budget(currentHealthy=2, desiredHealthy=1, disruptionsAllowed=1)
    assert work.evict(query=query, **more).status == 201
    assert work.budget_status()["disruptionsAllowed"] == 1
    assert not work.leaving()


def test_grace_period_of_the_delete_options(work: Workload) -> None:
    """The delete options inside are those of the deletion."""
    work.run()
    work.evict(deleteOptions={"gracePeriodSeconds": 7})
    found = work.http.get(f"{work.pods}/web").json()
    assert found["metadata"]["deletionGracePeriodSeconds"] == 7


def test_preconditions_of_the_delete_options(work: Workload) -> None:
    """They hold for a Pod without a budget too."""
    work.run()
    answer = work.evict(deleteOptions={"preconditions": {"uid": "other"}})
    assert answer.status == 409
    assert not work.leaving()


def test_older_version(work: Workload) -> None:
    """policy/v1beta1 is still taken, as old clients of drain send it."""
    work.run()
    body = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": "web"}}
    assert work.http("POST", f"{work.pods}/web/eviction", body).status == 201


def test_missing_pod(work: Workload) -> None:
    """404, which drain takes for success."""
    answer = work.evict("none")
    assert (answer.status, answer.json()["message"]) == (404, 'pods "none" not found')


def test_many_evictions_at_once_take_no_more_than_allowed(
    work: Workload, control_plane: ControlPlane
) -> None:
    """Evictions that race for the last disruptions: as many succeed as were allowed."""
    names = [f"web-{i}" for i in range(8)]
    for name in names:
        work.run(name)
    work.budget(currentHealthy=8, desiredHealthy=5, disruptionsAllowed=3)

    def evict(name: str) -> int:
        http = Http(control_plane.access)
        try:
            mine = Workload(http, work.pods.split("/")[4])
            status: int = mine.evict(name).status
            return status
        finally:
            http.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(evict, names))
    assert sorted(codes) == [201] * 3 + [429] * 5
    assert sum(work.leaving(name) for name in names) == 3
    assert work.budget_status()["disruptionsAllowed"] == 0

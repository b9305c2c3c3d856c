# SPDX-License-Identifier: Apache-2.0
"""PodDisruptionBudgets: what they are, what their status says, and whom it stops."""

from __future__ import annotations

from typing import Any

from cluster import wait_until

from conformance import running, steps
from conformance.client import Client, Object, Resource, refused

_LABELS = {"foo": "bar"}
_NAME = "foo"


def _budgets(client: Client, namespace: str) -> Resource:
    return client.resource("policy/v1", "poddisruptionbudgets", namespace)


def _budget(minimum: int | str, name: str = _NAME, **labels: str) -> Object:
    selector = {"matchLabels": _LABELS}
    metadata = {"name": name, "labels": labels}
    return {"metadata": metadata, "spec": {"selector": selector, "minAvailable": minimum}}


def _until_processed(budgets: Resource, **wanted: Any) -> Object:
    """The controller has seen the newest spec, and says so much."""

    def is_processed(obj: Object) -> bool:
        status = obj.get("status") or {}
        seen = status.get("observedGeneration", 0) >= obj["metadata"]["generation"]
        return seen and {key: status.get(key) for key in wanted} == wanted

    return running.until(budgets, _NAME, is_processed, f"is processed, {wanted}")


def _run_pods(client: Client, namespace: str, count: int) -> list[Object]:
    names = [f"pod-{number}" for number in range(count)]
    return running.start(client, namespace, *(running.pod(name, _LABELS) for name in names))


def _set_minimum(budgets: Resource, minimum: int | str) -> None:
    steps.change(budgets, _NAME, lambda obj: obj["spec"].update(minAvailable=minimum))


def test_list_and_delete_collection(client: Client, namespace: str) -> None:
    """[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list
    and delete a collection of PodDisruptionBudgets [Conformance]"""
    spaces = client.resource("v1", "namespaces")
    other = spaces.create({"metadata": {"generateName": "conformance-"}})["metadata"]["name"]
    try:
        here, there = _budgets(client, namespace), _budgets(client, other)
        label = {"conformance": namespace}
        here.create(_budget(1, "foo", **label))
        here.create(_budget("1%", "foo2", **label))
        there.create(_budget(2, "foo3", **label))
        selector = f"conformance={namespace}"
        assert sorted(here.everywhere().names(selector)) == ["foo", "foo2", "foo3"]
        assert here.names(selector) == ["foo", "foo2"]
        here.delete_collection(selector)
        wait_until(lambda: not here.names(selector), "the collection is gone")
        assert there.names(selector) == ["foo3"]
    finally:
        spaces.delete(other)


def test_create(client: Client, namespace: str) -> None:
    """[sig-apps] DisruptionController should create a PodDisruptionBudget [Conformance]"""
    budgets = _budgets(client, namespace)
    created = budgets.create(_budget("1%"))
    _until_processed(budgets)
    assert budgets.get(_NAME)["spec"] == created["spec"]
    updated = steps.change(budgets, _NAME, lambda obj: obj["spec"].update(minAvailable="2%"))
    assert updated["spec"]["minAvailable"] == "2%"
    _until_processed(budgets)
    patched = budgets.patch(_NAME, {"spec": {"minAvailable": "3%"}})
    assert patched["spec"]["minAvailable"] == "3%"
    _until_processed(budgets, observedGeneration=3)
    budgets.delete(_NAME)
    running.until_gone(budgets, _NAME)


def test_status_is_observed(client: Client, namespace: str) -> None:
    """[sig-apps] DisruptionController should observe PodDisruptionBudget status updated
    [Conformance]"""
    budgets = _budgets(client, namespace)
    budgets.create(_budget(1))
    _until_processed(budgets, disruptionsAllowed=0)
    _run_pods(client, namespace, 3)
    status = _until_processed(budgets, disruptionsAllowed=2)["status"]
    counted = [status[key] for key in ("expectedPods", "currentHealthy", "desiredHealthy")]
    assert counted == [3, 3, 1]
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"]) == ("DisruptionAllowed", "True")


def test_status_is_written(client: Client, namespace: str) -> None:
    """[sig-apps] DisruptionController should update/patch PodDisruptionBudget status
    [Conformance]"""
    budgets = _budgets(client, namespace)
    budgets.create(_budget(1))
    (pod,) = _run_pods(client, namespace, 1)
    _until_processed(budgets, currentHealthy=1)
    name, when = pod["metadata"]["name"], "2037-01-01T00:00:00Z"

    def note(obj: Object) -> None:
        obj["status"]["disruptedPods"] = {name: when}

    # The controller takes a pod that is noted for one that is about to go, and keeps the note.
    updated = steps.change(budgets.status, _NAME, note)
    assert updated["status"]["disruptedPods"] == {name: when}
    _until_processed(budgets, currentHealthy=0, disruptedPods={name: when})
    patched = budgets.status.patch(_NAME, {"status": {"disruptedPods": {name: None}}})
    assert not patched["status"].get("disruptedPods")
    _until_processed(budgets, currentHealthy=1, disruptedPods=None)


def _evict(client: Client, pod: Object) -> None:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    client.resource("v1", "pods", namespace).subresource("eviction").create(eviction, name=name)


def _is_refused(client: Client, pod: Object) -> None:
    with refused(429, "TooManyRequests") as refusal:
        _evict(client, pod)
    assert refusal.message == "Cannot evict pod as it would violate the pod's disruption budget."
    (cause,) = refusal.body["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"


def test_eviction_is_blocked(client: Client, namespace: str) -> None:
    """[sig-apps] DisruptionController should block an eviction until the PDB is updated to allow
    it [Conformance]"""
    budgets, pods = _budgets(client, namespace), client.resource("v1", "pods", namespace)
    budgets.create(_budget(3))
    first, second, _ = _run_pods(client, namespace, 3)
    _until_processed(budgets, currentHealthy=3)
    _is_refused(client, first)

    _set_minimum(budgets, 2)
    _until_processed(budgets, disruptionsAllowed=1)
    _evict(client, first)
    running.until_gone(pods, first["metadata"]["name"])

    budgets.patch(_NAME, {"spec": {"minAvailable": 3}})
    running.start(client, namespace, running.pod("another", _LABELS))
    _until_processed(budgets, currentHealthy=3, disruptionsAllowed=0)
    _is_refused(client, second)

    budgets.delete(_NAME)
    running.until_gone(budgets, _NAME)
    _evict(client, second)
    running.until_gone(pods, second["metadata"]["name"])

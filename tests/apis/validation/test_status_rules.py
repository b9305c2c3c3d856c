# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 -- one row, one line: a table reads better unbroken
from __future__ import annotations

from typing import Any

import pytest
import roads

T0, T1 = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"


def _condition(kind: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": kind, "status": status, **more}


def _full(kind: str) -> dict[str, str]:
    return _condition(kind, reason="R", message="", lastTransitionTime=T0)


DONE = [_condition("SuccessCriteriaMet"), _condition("Complete")]

# fmt: off
REFUSED = [
    pytest.param("Deployment", {"unavailableReplicas": -1}, ["status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0"], id="deployment-negative"),
    pytest.param("Deployment", {"replicas": 1, "readyReplicas": 2}, ["status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"], id="deployment-ready"),
    pytest.param("Deployment", {"replicas": 2, "availableReplicas": 2}, ["status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"], id="deployment-available"),
    pytest.param("StatefulSet", {"replicas": 1, "currentReplicas": 2}, ["status.currentReplicas: Invalid value: 2: cannot be greater than status.replicas"], id="stateful-set-current"),
    pytest.param("DaemonSet", {"numberReady": -1}, ["status.numberReady: Invalid value: -1: must be greater than or equal to 0"], id="daemon-set-ready"),
    pytest.param("ReplicaSet", {"replicas": 1, "fullyLabeledReplicas": 2}, ["status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas"], id="replica-set-labeled"),
    pytest.param("Job", {"active": -1}, ["status.active: Invalid value: -1: must be greater than or equal to 0"], id="job-negative"),
    pytest.param("Job", {"startTime": T0, "conditions": DONE}, ["status.completionTime: Required value: completionTime is required for Complete jobs"], id="job-complete-without-time"),
    pytest.param("Job", {"completionTime": T1}, ["status.completionTime: Invalid value: \"2026-01-01T01:00:00Z\": cannot set completionTime when there is no Complete=True condition"], id="job-time-without-complete"),
    pytest.param("Job", {"startTime": T1, "completionTime": T0, "conditions": DONE}, ["status.completionTime: Invalid value: \"2026-01-01T00:00:00Z\": completionTime cannot be set before startTime"], id="job-back-in-time"),
    pytest.param("Job", {"conditions": DONE, "completionTime": T1}, ["status.startTime: Required value: startTime is required for finished job"], id="job-never-started"),
    pytest.param("Job", {"active": 1, "startTime": T0, "completionTime": T1, "conditions": DONE}, ["status.active: Invalid value: 1: active>0 is invalid for finished job"], id="job-finished-and-active"),
    pytest.param("Job", {"startTime": T0, "conditions": [_condition("Failed")]}, ["status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"], id="job-failed-without-target"),
    pytest.param("Job", {"completedIndexes": "0"}, ["status.completedIndexes: Invalid value: \"0\": cannot set non-empty completedIndexes when non-indexed completion mode"], id="job-indexes"),
    pytest.param("Job", {"uncountedTerminatedPods": {"succeeded": [""]}}, ["status.uncountedTerminatedPods.succeeded[0]: Invalid value: \"\": must not be empty"], id="job-uncounted-nobody"),
    pytest.param("Job", {"uncountedTerminatedPods": {"succeeded": ["a"], "failed": ["a"]}}, ["status.uncountedTerminatedPods.failed[0]: Duplicate value: \"a\""], id="job-uncounted-twice"),
    pytest.param("Job", {"active": 1, "ready": 2}, ["status.ready: Invalid value: 2: cannot set more ready pods than active"], id="job-ready"),
    pytest.param("HorizontalPodAutoscaler", {"currentReplicas": -1}, ["status.currentReplicas: Invalid value: -1: must be greater than or equal to 0"], id="autoscaler"),
    pytest.param("PodDisruptionBudget", {"disruptionsAllowed": -1}, ["status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0"], id="budget"),
    pytest.param("PodDisruptionBudget", {"conditions": [_full("A"), _full("A")]}, ["status.conditions[1].type: Duplicate value: \"A\""], id="budget-condition-twice"),
    pytest.param("PodDisruptionBudget", {"conditions": [{**_full("A"), "reason": "not one"}]}, ["status.conditions[0].reason: Invalid value: \"not one\": a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"], id="budget-condition-reason"),
    pytest.param("Ingress", {"loadBalancer": {"ingress": [{"ip": "10.0.0"}]}}, ["status.loadBalancer.ingress[0].ip: Invalid value: \"10.0.0\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"], id="ingress-address"),
    pytest.param("APIService", {"conditions": [_condition("Available", "Maybe")]}, ["status.conditions[0].status: Unsupported value: \"Maybe\": supported values: \"True\", \"False\", \"Unknown\""], id="service-condition"),
    pytest.param("ResourceClaim", {"reservedFor": [{"resource": "pods", "name": "a", "uid": "1"}]}, ["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"], id="claim-reserved"),
    pytest.param("StorageVersionMigration", {"conditions": [_full("Succeeded"), _full("Running")]}, ["Running condition cannot be true when success condition is true"], id="migration"),
    pytest.param("FlowSchema", {"conditions": [_condition("Dangling"), _condition("Dangling")]}, ["status.conditions[1].type: Duplicate value: \"Dangling\""], id="flow-schema"),
]
# fmt: on


@pytest.mark.parametrize(("kind", "status", "messages"), REFUSED)
def test_wrong_status_is_refused(kind: str, status: dict[str, Any], messages: list[str]) -> None:
    """A status that contradicts itself or the spec is not stored."""
    _, faults = roads.subresource_updated(roads.stored(kind), {"status": status})
    found = roads.messages(faults)
    assert len(found) == len(messages)
    for message, expected in zip(found, messages, strict=True):
        assert message.endswith(expected)


def test_terminal_condition_of_a_job_stays() -> None:
    """A Job that is complete stays so."""
    existing = roads.stored("Job")
    existing["status"] = {"startTime": T0, "completionTime": T1, "conditions": DONE}
    _, faults = roads.subresource_updated(existing, {"status conditions": []})
    assert (
        "status.conditions: Invalid value: cannot disable the terminal Complete=True condition"
        in (roads.messages(faults))
    )


def test_counters_of_a_job_do_not_fall() -> None:
    """Failures that were counted stay counted."""
    existing = roads.stored("Job")
    existing["status"] = {"failed": 3}
    _, faults = roads.subresource_updated(existing, {"status failed": 2})
    assert roads.messages(faults) == [
        "status.failed: Invalid value: 2: cannot decrease the failed counter"
    ]


def test_collision_count_does_not_fall() -> None:
    """The count of name collisions only grows."""
    existing = roads.stored("Deployment")
    existing["status"] = {"collisionCount": 2}
    _, faults = roads.subresource_updated(existing, {"status": {}})
    assert roads.messages(faults) == [
        "status.collisionCount: Invalid value: 0: cannot be decremented"
    ]

# SPDX-License-Identifier: Apache-2.0
"""Jobs."""

from __future__ import annotations

import time
from typing import Any

from cluster import wait_until

from conformance import steps
from conformance.client import STRATEGIC, Client, Object, Resource

_FOREVER = ["sleep", "1000000"]
_AT_ONCE = ["/bin/sh", "-c", "exit 0"]
_INDEX = "batch.kubernetes.io/job-completion-index"


def job(name: str, command: list[str], **spec: Any) -> Object:
    """As the official tests make them: two Pods at once, four in all."""
    container = {"name": "c", "image": "busybox:1.37", "command": command, "securityContext": {}}
    template = {
        "metadata": {"labels": {"job": name}},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    wanted = {"parallelism": 2, "completions": 4, "backoffLimit": 6, "manualSelector": False}
    return {"metadata": {"name": name}, "spec": {**wanted, "template": template, **spec}}


def _pods_of(client: Client, namespace: str, name: str) -> list[Object]:
    pods = client.resource("v1", "pods", namespace)
    found: list[Object] = pods.list(f"job-name={name}")["items"]
    return found


def _until_running(client: Client, namespace: str, name: str, count: int = 2) -> list[Object]:
    def running() -> list[Object]:
        found = _pods_of(client, namespace, name)
        phases = [pod["status"]["phase"] for pod in found]
        return found if phases.count("Running") == count else []

    found: list[Object] = wait_until(running, f"{count} pods of {name} run")
    return found


def _true_conditions(obj: Object) -> dict[str, str]:
    """Reasons by type."""
    conditions = obj["status"].get("conditions", ())
    return {c["type"]: c.get("reason", "") for c in conditions if c["status"] == "True"}


def _until_complete(jobs: Resource, name: str) -> Object:
    def complete() -> Object | None:
        found = jobs.get(name)
        return found if "Complete" in _true_conditions(found) else None

    done: Object = wait_until(complete, f"{name} is complete")
    return done


def test_adopts_and_releases(client: Client, namespace: str) -> None:
    """[sig-apps] Job should adopt matching orphans and release non-matching pods [Conformance]"""
    jobs = client.resource("batch/v1", "jobs", namespace)
    pods = client.resource("v1", "pods", namespace)
    made = jobs.create(job("adopt-release", _FOREVER))
    running = _until_running(client, namespace, "adopt-release")
    name = running[0]["metadata"]["name"]

    def owner() -> Object | None:
        references = pods.get(name)["metadata"].get("ownerReferences", ())
        found: list[Object] = [each for each in references if each.get("controller")]
        return found[0] if found else None

    steps.change(pods, name, lambda pod: pod["metadata"].pop("ownerReferences"))
    adopter = wait_until(owner, "the pod is adopted")
    assert (adopter["kind"], adopter["name"]) == ("Job", "adopt-release")
    assert adopter["uid"] == made["metadata"]["uid"]
    steps.change(pods, name, lambda pod: pod["metadata"].pop("labels"))
    wait_until(lambda: owner() is None, "the pod is let go")


def test_status(client: Client, namespace: str) -> None:
    """[sig-apps] Job should apply changes to a job status [Conformance]"""
    jobs = client.resource("batch/v1", "jobs", namespace)
    made = jobs.create(job("suspend-false-to-true", _FOREVER))
    _until_running(client, namespace, "suspend-false-to-true")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    custom = {"type": "CustomConditionType", "status": "True", "lastTransitionTime": moment}
    change = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"conditions": [{**custom, "lastProbeTime": None}]},
    }
    name = "suspend-false-to-true"
    patched = jobs.status.patch(name, change)
    assert [patched["status"]["conditions"][0][key] for key in custom] == [*custom.values()]
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"

    def falsify(obj: Object) -> None:
        (condition,) = (
            each for each in obj["status"]["conditions"] if each["type"] == custom["type"]
        )
        condition["status"] = "False"

    updated = steps.change(jobs.status, name, falsify)
    assert updated["status"]["conditions"][0]["status"] == "False"
    found = jobs.status.get(name)
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert found["status"]["conditions"][0]["status"] == "False"


def test_indexed(client: Client, namespace: str) -> None:
    """[sig-apps] Job should create pods for an Indexed job with completion indexes and specified
    hostname [Conformance]"""
    jobs = client.resource("batch/v1", "jobs", namespace)
    jobs.create(job("indexed-job", _AT_ONCE, completionMode="Indexed"))
    done = _until_complete(jobs, "indexed-job")
    assert done["status"]["succeeded"] == 4
    assert done["status"]["completedIndexes"] == "0-3"
    assert _true_conditions(done)["Complete"] == "CompletionsReached"
    succeeded = [
        pod
        for pod in _pods_of(client, namespace, "indexed-job")
        if pod["status"]["phase"] == "Succeeded"
    ]
    indexes = []
    for pod in succeeded:
        index = pod["metadata"]["annotations"][_INDEX]
        assert pod["metadata"]["labels"][_INDEX] == index
        assert pod["spec"]["hostname"] == f"indexed-job-{index}"
        indexes.append(int(index))
    assert sorted(indexes) == [0, 1, 2, 3]


def test_deletes(client: Client, namespace: str) -> None:
    """[sig-apps] Job should delete a job [Conformance]"""
    jobs = client.resource("batch/v1", "jobs", namespace)
    jobs.create(job("foo", _FOREVER))
    _until_running(client, namespace, "foo")
    jobs.delete("foo", body={"propagationPolicy": "Background"})
    wait_until(lambda: "foo" not in jobs.names(), "the job is gone")
    wait_until(lambda: not _pods_of(client, namespace, "foo"), "its pods are gone")


def test_lifecycle(client: Client, namespace: str) -> None:
    """[sig-apps] Job should manage the lifecycle of a job [Conformance]"""
    jobs = client.resource("batch/v1", "jobs", namespace)
    name, labels = f"e2e-{namespace}", f"e2e-job-label={namespace}"
    wanted = job(name, _AT_ONCE, suspend=True)
    wanted["metadata"]["labels"] = {"e2e-job-label": namespace}
    since = jobs.list(labels)["metadata"]["resourceVersion"]
    with jobs.watch(since, labels) as events:
        jobs.create(wanted)
        patched = jobs.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
        assert patched["metadata"]["labels"][name] == "patched"

        def resume(obj: Object) -> None:
            assert not _pods_of(client, namespace, name)
            obj["spec"]["suspend"] = False
            steps.annotate(obj, "updated")

        updated = steps.change(jobs, name, resume)
        assert updated["metadata"]["annotations"]["updated"] == "true"
        assert jobs.everywhere().names(labels) == [name]
        assert _until_complete(jobs, name)["status"]["succeeded"] == 4
        jobs.delete_collection(labels, body={"propagationPolicy": "Background"})
        seen = []
        for kind, obj in events:
            metadata = obj["metadata"]
            seen.append((kind, "updated" in metadata.get("annotations", ())))
            if kind == "DELETED":
                assert metadata["labels"][name] == "patched"
                break
    assert seen[0] == ("ADDED", False)
    assert ("MODIFIED", False) in seen
    assert ("MODIFIED", True) in seen
    assert seen[-1] == ("DELETED", True)
    assert jobs.everywhere().names(labels) == []


def test_success_policy(client: Client, namespace: str) -> None:
    """[sig-apps] Job with successPolicy should succeeded when all indexes succeeded
    [Conformance]"""
    jobs = client.resource("batch/v1", "jobs", namespace)
    name = "with-success-policy-all-index-succeeded"
    policy = {"rules": [{"succeededCount": 2}]}
    indexed = {"completionMode": "Indexed", "completions": 2, "successPolicy": policy}
    jobs.create(job(name, _AT_ONCE, **indexed))
    done = _until_complete(jobs, name)
    reasons = _true_conditions(done)
    assert (reasons["SuccessCriteriaMet"], reasons["Complete"]) == ("SuccessPolicy",) * 2
    assert done["status"]["succeeded"] == 2
    assert done["status"]["completedIndexes"] == "0,1"
    assert not any(done["status"].get(key) for key in ("active", "ready", "terminating"))

# SPDX-License-Identifier: Apache-2.0
"""Deployments: what a rollout makes of ReplicaSets and Pods, step by step."""

from __future__ import annotations

from typing import Any

import pytest
from cluster import wait_until

from conformance import steps, workloads
from conformance.client import STRATEGIC, Client, Object, Resource, refused
from conformance.workloads import APPS, OTHER_WEBSERVER, WEBSERVER, container_of, count


class _Deployments:
    """The Deployments of one namespace, and what is theirs."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.all: Resource = client.resource(APPS, "deployments", namespace)
        self.sets: Resource = client.resource(APPS, "replicasets", namespace)
        self.pods: Resource = client.resource("v1", "pods", namespace)

    def create(self, name: str, replicas: int, labels: dict[str, str], **spec: Any) -> Object:
        return self.all.create(workloads.workload(name, replicas, labels, **spec))

    def replica_set(self, name: str, labels: dict[str, str], **annotations: str) -> Object:
        """One of one replica, that runs, and that no Deployment has made."""
        own = {**labels, "pod": "webserver"}
        made = workloads.workload(name, 1, own)
        if annotations:
            made["metadata"]["annotations"] = {workloads.REVISION: annotations["revision"]}
        created = self.sets.create(made)
        workloads.until_ready(self.client, self.namespace, workloads.selector(own), 1)
        workloads.until(self.sets, name, lambda rs: count(rs, "readyReplicas") == 1, "is ready")
        return created

    def new_set(self, deployment: Object) -> Object:
        """The ReplicaSet of its template; {} if there is none yet."""
        wanted = deployment["spec"]["template"]
        for replica_set in self.owned(deployment):
            found = replica_set["spec"]["template"]
            if found["spec"] == wanted["spec"]:
                return replica_set
        return {}

    def owned(self, deployment: Object) -> list[Object]:
        uid = deployment["metadata"]["uid"]
        return [rs for rs in self.sets.list()["items"] if workloads.owner_of(rs) == uid]

    def old_sets(self, deployment: Object) -> list[str]:
        new = self.new_set(deployment).get("metadata", {}).get("name")
        names = [rs["metadata"]["name"] for rs in self.owned(deployment)]
        return [name for name in names if name != new]

    def until_revision(self, name: str, revision: str, image: str) -> Object:
        """Deployment and new ReplicaSet are of this revision, the latter of this image; it has
        the hash of its template in its labels and in its selector."""

        def there(deployment: Object) -> bool:
            new = self.new_set(deployment)
            return bool(new) and _revision(deployment) == _revision(new) == revision

        deployment = workloads.until(self.all, name, there, f"is at revision {revision}")
        new = self.new_set(deployment)
        assert container_of(deployment)["image"] == container_of(new)["image"] == image
        digest = new["metadata"]["labels"][workloads.HASH]
        assert new["spec"]["selector"]["matchLabels"][workloads.HASH] == digest
        assert new["spec"]["template"]["metadata"]["labels"][workloads.HASH] == digest
        return new

    def until_complete(self, name: str, *, bounded: bool = False) -> Object:
        """Everything is new and available, and nothing old is left. With `bounded`, no version on
        the way has more replicas than maxSurge or fewer than maxUnavailable allows."""

        def complete(found: Object) -> bool:
            if bounded:
                self._within_bounds(found)
            wanted, status = found["spec"]["replicas"], found["status"]
            fields = ("updatedReplicas", "replicas", "availableReplicas")
            return (
                all(count(found, field) == wanted for field in fields)
                and status.get("observedGeneration", 0) >= found["metadata"]["generation"]
            )

        return workloads.until(self.all, name, complete, "is complete")

    def _within_bounds(self, found: Object) -> None:
        """With maxSurge 1 and maxUnavailable 0. What is asked for is bounded, as the official
        test has it: the status adds up what ReplicaSets reported at different moments."""
        wanted = found["spec"]["replicas"]
        assert sum(rs["spec"]["replicas"] for rs in self.owned(found)) <= wanted + 1
        assert count(found, "availableReplicas") >= wanted


def _revision(obj: Object) -> str:
    return str(obj["metadata"].get("annotations", {}).get(workloads.REVISION, ""))


@pytest.fixture
def deployments(client: Client, namespace: str) -> _Deployments:
    return _Deployments(client, namespace)


def _rolling(surge: int, unavailable: int) -> Object:
    bounds = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": bounds}


def test_rolling_update(deployments: _Deployments) -> None:
    """[sig-apps] Deployment RollingUpdateDeployment should delete old pods and create new ones
    [Conformance]"""
    labels = {"name": "sample-pod"}
    adopted = deployments.replica_set(
        "test-rolling-update-controller", labels, revision="3546343826724305832"
    )
    template = workloads.template(labels, OTHER_WEBSERVER)
    name = "test-rolling-update-deployment"
    deployments.create(name, 1, labels, template=template)
    deployments.until_revision(name, "3546343826724305833", OTHER_WEBSERVER)
    deployment = deployments.until_complete(name)
    assert deployments.old_sets(deployment) == [adopted["metadata"]["name"]]
    (pod,) = workloads.until_ready(deployments.client, deployments.namespace, "name=sample-pod", 1)
    assert pod["spec"]["containers"][0]["image"] == OTHER_WEBSERVER


def test_recreate(deployments: _Deployments) -> None:
    """[sig-apps] Deployment RecreateDeployment should delete old pods and create new ones
    [Conformance]"""
    labels = {"name": "sample-pod-3"}
    name = "test-recreate-deployment"
    deployments.create(name, 1, labels, strategy={"type": "Recreate"})
    deployments.until_revision(name, "1", WEBSERVER)
    deployments.until_complete(name)
    version = deployments.pods.list()["metadata"]["resourceVersion"]
    with deployments.pods.watch(version, "name=sample-pod-3") as events:
        steps.change(deployments.all, name, workloads.with_image(OTHER_WEBSERVER))
        old_has_gone = False
        for kind, pod in events:
            is_new = pod["spec"]["containers"][0]["image"] == OTHER_WEBSERVER
            if is_new:
                assert old_has_gone, "a new pod came while an old one was there"
                if workloads.is_ready(pod):
                    break
            old_has_gone = old_has_gone or kind == "DELETED"
        else:
            raise AssertionError("no new pod became ready")
    deployments.until_complete(name)


def test_cleans_up(deployments: _Deployments) -> None:
    """[sig-apps] Deployment deployment should delete old replica sets [Conformance]"""
    labels = {"name": "cleanup-pod"}
    adopted = deployments.replica_set("test-cleanup-controller", labels)
    version = deployments.pods.list()["metadata"]["resourceVersion"]
    name = "test-cleanup-deployment"
    template = workloads.template(labels, OTHER_WEBSERVER)
    with deployments.pods.watch(version) as events:
        deployments.create(name, 1, labels, template=template, revisionHistoryLimit=0)
        deployment = deployments.until_complete(name)
        wait_until(lambda: not deployments.old_sets(deployment), "the old ReplicaSet is deleted")
        with refused(404, "NotFound"):
            deployments.sets.get(adopted["metadata"]["name"])
        # A pod of the test's own ends what is looked at.
        end = workloads.template({"is": "end"})
        deployments.pods.create({**end, "metadata": {"name": "end"}})
        added = []
        for kind, pod in events:
            if pod["metadata"]["name"] == "end":
                break
            if kind == "ADDED":
                added.append(pod["spec"]["containers"][0]["image"])
    # The hash in the selector of the adopted one did not make it create another.
    assert added == [OTHER_WEBSERVER]


def test_rollover(deployments: _Deployments) -> None:
    """[sig-apps] Deployment deployment should support rollover [Conformance]"""
    labels = {"name": "rollover-pod"}
    adopted = deployments.replica_set("test-rollover-controller", labels)["metadata"]["name"]
    name = "test-rollover-deployment"
    deployments.create(
        name,
        1,
        labels,
        template=workloads.stuck_template(labels),
        strategy=_rolling(1, 0),
        minReadySeconds=2,
    )
    deployment = workloads.until(
        deployments.all, name, lambda d: count(d, "updatedReplicas") >= 1, "has a new pod"
    )
    stuck = deployments.new_set(deployment)["metadata"]["name"]
    assert _revision(deployment) == "1"
    for each in (adopted, stuck):
        replica_set = deployments.sets.get(each)
        assert (replica_set["spec"]["replicas"], count(replica_set, "replicas")) == (1, 1)

    def roll_over(obj: Object) -> None:
        obj["spec"]["template"] = workloads.template(labels, OTHER_WEBSERVER)

    changed = steps.change(deployments.all, name, roll_over)
    generation = changed["metadata"]["generation"]
    workloads.until(
        deployments.all,
        name,
        lambda d: count(d, "observedGeneration") >= generation,
        "was observed",
    )
    deployments.until_revision(name, "2", OTHER_WEBSERVER)
    deployments.until_complete(name, bounded=True)
    for each in (adopted, stuck):
        replica_set = deployments.sets.get(each)
        assert (replica_set["spec"]["replicas"], count(replica_set, "replicas")) == (0, 0)


def test_scale(deployments: _Deployments) -> None:
    """[sig-apps] Deployment Deployment should have a working scale subresource [Conformance]"""
    name = "test-new-deployment"
    deployments.create(name, 1, {"name": "scaled"})
    deployments.until_revision(name, "1", WEBSERVER)
    deployments.until_complete(name)
    workloads.scale_both_ways(deployments.all, name)
    deployments.until_complete(name)
    workloads.until_ready(deployments.client, deployments.namespace, "name=scaled", 4)


def test_proportional_scaling(deployments: _Deployments) -> None:
    """[sig-apps] Deployment deployment should support proportional scaling [Conformance]"""
    labels = {"name": "proportional"}
    name = "webserver-deployment"
    created = deployments.create(name, 10, labels, strategy=_rolling(3, 2))
    deployments.until_complete(name)
    first = deployments.new_set(created)["metadata"]["name"]

    def break_it(obj: Object) -> None:
        obj["spec"]["template"] = workloads.stuck_template(labels)

    changed = steps.change(deployments.all, name, break_it)

    def sizes(old: int, new: int) -> bool:
        second = deployments.new_set(changed)
        replica_set = deployments.sets.get(first)
        return bool(second) and (
            (replica_set["spec"]["replicas"], second["spec"]["replicas"]) == (old, new)
            and count(replica_set, "availableReplicas") == old
        )

    wait_until(lambda: sizes(8, 5), "the rollout is stuck within its bounds")
    workloads.until(
        deployments.all, name, lambda d: count(d, "availableReplicas") == 8, "8 are available"
    )
    deployments.all.subresource("scale").patch(name, {"spec": {"replicas": 30}})
    # Twenty more and the surge, shared by their sizes: of 33, 20 and 13.
    wait_until(lambda: sizes(20, 13), "both have grown by their share")


def test_lifecycle(deployments: _Deployments) -> None:
    """[sig-apps] Deployment should run the lifecycle of a Deployment [Conformance]"""
    name, labels = "test-deployment", {"test-deployment-static": "true"}
    everywhere, selector = deployments.all.everywhere(), workloads.selector(labels)
    version = everywhere.list(selector)["metadata"]["resourceVersion"]
    with deployments.all.watch(version, selector) as events:
        deployments.create(name, 2, labels)
        workloads.until_seen(events, lambda d: d["metadata"]["name"] == name, ["ADDED"])
        workloads.until_seen(events, lambda d: count(d, "readyReplicas") == 2)
        containers = [{"name": "webserver", "image": OTHER_WEBSERVER}]
        spec = {"terminationGracePeriodSeconds": 2, "containers": containers}
        patch = {
            "metadata": {"labels": {"test-deployment": "patched"}},
            "spec": {"replicas": 1, "template": {"spec": spec}},
        }
        deployments.all.patch(name, patch, STRATEGIC)
        workloads.until_seen(events, lambda d: _rolled_out(d, 1, OTHER_WEBSERVER))
        assert deployments.all.get(name)["spec"]["template"]["spec"] == {
            **deployments.all.get(name)["spec"]["template"]["spec"],
            "terminationGracePeriodSeconds": 2,
        }
        assert (deployments.namespace, name) in _places(everywhere.list(selector)["items"])

        def update(obj: Object) -> None:
            obj["metadata"]["labels"]["test-deployment"] = "updated"
            obj["spec"]["replicas"] = 2
            container_of(obj)["image"] = WEBSERVER

        steps.change(deployments.all, name, update)
        found = deployments.all.status.get(name)
        assert container_of(found)["image"] == WEBSERVER
        assert found["metadata"]["labels"]["test-deployment"] == "updated"
        workloads.until_seen(events, lambda d: _rolled_out(d, 2, WEBSERVER))

        status = {"readyReplicas": 0, "availableReplicas": 0}
        labelled = {"metadata": {"labels": {"test-deployment": "patched-status"}}}
        patched = deployments.all.status.patch(name, {**labelled, "status": status}, STRATEGIC)
        assert count(patched, "readyReplicas") == 0
        # The subresource leaves labels alone.
        assert patched["metadata"]["labels"]["test-deployment"] == "updated"
        workloads.until_seen(events, lambda d: count(d, "readyReplicas") == 0)
        workloads.until_seen(events, lambda d: _rolled_out(d, 2, WEBSERVER))

        deployments.all.delete_collection(selector)
        workloads.until_seen(events, lambda d: d["metadata"]["name"] == name, ["DELETED"])
    wait_until(lambda: not deployments.pods.names(selector), "its pods go with it")


def _rolled_out(found: Object, replicas: int, image: str) -> bool:
    fields = ("readyReplicas", "updatedReplicas")
    return (
        all(count(found, field) == replicas for field in fields)
        and count(found, "unavailableReplicas") == 0
        and container_of(found)["image"] == image
    )


def _places(items: list[Object]) -> list[tuple[str, str]]:
    return [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in items]


def test_status(deployments: _Deployments) -> None:
    """[sig-apps] Deployment should validate Deployment Status endpoints [Conformance]"""
    labels = {"name": "webserver", "e2e": "testing"}
    deployments.create("test-deployment", 1, labels)
    deployments.until_revision("test-deployment", "1", WEBSERVER)
    deployments.until_complete("test-deployment")
    workloads.validate_status(deployments.all, "test-deployment", "e2e=testing")
    # What others wrote there does not stand in the controller's way.
    deployments.until_complete("test-deployment")

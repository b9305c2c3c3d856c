# SPDX-License-Identifier: Apache-2.0
"""StatefulSets: scale, partitioned updates, Pods that a node refuses."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from cluster import Kubectl, wait_until

from conformance import steps, workloads
from conformance.client import STRATEGIC, Client, Object, Resource
from conformance.workloads import (
    APPS,
    OTHER_WEBSERVER,
    WEBSERVER,
    container_of,
    count,
    until,
    with_image,
)

LABELS = {"foo": "bar", "baz": "blah"}
SELECTOR = workloads.selector(LABELS)
REVISION = "controller-revision-hash"


class _StatefulSets:
    """The StatefulSets of one namespace, their Service and their Pods."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.all: Resource = client.resource(APPS, "statefulsets", namespace)
        self.pods: Resource = client.resource("v1", "pods", namespace)
        services = client.resource("v1", "services", namespace)
        headless = {"clusterIP": "None", "selector": LABELS, "ports": [{"port": 80}]}
        services.create({"metadata": {"name": "test"}, "spec": headless})

    def create(self, name: str, replicas: int, **spec: object) -> Object:
        made = workloads.workload(name, replicas, LABELS, serviceName="test", **spec)
        return self.all.create(made)

    def until_ready(self, name: str, replicas: int) -> Object:
        """All its pods run and are ready, and the status says so."""
        workloads.until_ready(self.client, self.namespace, SELECTOR, replicas)
        return until(
            self.all,
            name,
            lambda ss: (
                count(ss, "readyReplicas") == count(ss, "replicas") == replicas
                and count(ss, "observedGeneration") == ss["metadata"]["generation"]
            ),
            f"has {replicas} ready",
        )

    def shown(self) -> list[tuple[str, str]]:
        """Image and revision of each pod that is there and ready, by ordinal."""
        found = sorted(self.pods.list(SELECTOR)["items"], key=lambda p: p["metadata"]["name"])
        return [
            (pod["spec"]["containers"][0]["image"], pod["metadata"]["labels"][REVISION])
            for pod in found
            if workloads.is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        ]

    def until_shown(self, *wanted: tuple[str, str]) -> None:
        wait_until(lambda: self.shown() == [*wanted], f"the pods are {wanted}")


@pytest.fixture
def sets(client: Client, namespace: str) -> _StatefulSets:
    return _StatefulSets(client, namespace)


def test_scale(sets: _StatefulSets) -> None:
    """[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a
    working scale subresource [Conformance]"""
    sets.create("ss", 1)
    sets.until_ready("ss", 1)
    workloads.scale_both_ways(sets.all, "ss")
    sets.until_ready("ss", 4)


def _partition(number: int) -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}


def test_canary_and_phased_updates(sets: _StatefulSets) -> None:
    """[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform
    canary updates and phased rolling updates of template modifications [Conformance]"""
    sets.create("ss2", 3, updateStrategy=_partition(3))
    status = sets.until_ready("ss2", 3)["status"]
    first = status["currentRevision"]
    assert first == status["updateRevision"]
    old = (WEBSERVER, first)
    sets.until_shown(old, old, old)

    changed = steps.change(sets.all, "ss2", with_image(OTHER_WEBSERVER))
    generation = changed["metadata"]["generation"]
    status = until(
        sets.all, "ss2", lambda ss: count(ss, "observedGeneration") >= generation, "is observed"
    )["status"]
    second = status["updateRevision"]
    assert status["currentRevision"] == first != second
    new = (OTHER_WEBSERVER, second)
    # The partition is above all ordinals: nothing is updated.
    sets.until_shown(old, old, old)

    _set_partition(sets, 2)
    sets.until_shown(old, old, new)

    # Whoever is deleted comes back at the revision of its side of the partition.
    before = {name: sets.pods.get(name)["metadata"]["uid"] for name in ("ss2-0", "ss2-2")}
    for name in before:
        sets.pods.delete(name)

    def replaced() -> bool:
        found = {pod["metadata"]["name"]: pod for pod in sets.pods.list(SELECTOR)["items"]}
        return all(
            name in found and found[name]["metadata"]["uid"] != uid for name, uid in before.items()
        )

    wait_until(replaced, "both are made again")
    sets.until_shown(old, old, new)

    for partition, wanted in ((1, (old, new, new)), (0, (new, new, new))):
        _set_partition(sets, partition)
        sets.until_shown(*wanted)
    until(
        sets.all,
        "ss2",
        lambda ss: (
            ss["status"]["currentRevision"] == ss["status"]["updateRevision"] == second
            and count(ss, "currentReplicas") == count(ss, "updatedReplicas") == 3
        ),
        "the update is complete",
    )


def _set_partition(sets: _StatefulSets, number: int) -> None:
    strategy = {"spec": {"updateStrategy": _partition(number)}}
    sets.all.patch("ss2", strategy)


def test_recreates_refused_pods(sets: _StatefulSets) -> None:
    """[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Should recreate
    evicted statefulset [Conformance]"""
    nodes = sets.client.resource("v1", "nodes").list()["items"]
    node = next(n["metadata"]["name"] for n in nodes if workloads.is_ready(n))
    ports = [{"hostPort": 21017, "containerPort": 21017, "name": "conflict"}]

    def on_the_port() -> Object:
        template = workloads.template(LABELS, nodeName=node)
        template["spec"]["containers"][0]["ports"] = ports
        return template

    holder = {**on_the_port(), "metadata": {"name": "test-pod"}}
    sets.pods.create(holder)
    until(sets.pods, "test-pod", workloads.is_ready, "holds the port")
    version = sets.pods.list()["metadata"]["resourceVersion"]
    with sets.pods.watch(version, SELECTOR) as events:
        # Bound past the scheduler to the node whose port is taken, so that the node refuses it.
        sets.create("ss", 1, template=on_the_port())
        first = workloads.until_seen(events, lambda p: p["metadata"]["name"] == "ss-0", ["ADDED"])
        failed = workloads.until_seen(events, lambda p: p["status"]["phase"] == "Failed")
        assert failed["metadata"]["uid"] == first["metadata"]["uid"]
        uid = first["metadata"]["uid"]
        workloads.until_seen(events, lambda p: p["metadata"]["uid"] == uid, ["DELETED"])
        workloads.until_seen(events, lambda p: p["metadata"]["uid"] != uid, ["ADDED"])
    sets.pods.delete("test-pod", body={"gracePeriodSeconds": 0})
    sets.until_ready("ss", 1)


def test_collection(sets: _StatefulSets) -> None:
    """[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should list, patch
    and delete a collection of StatefulSets [Conformance]"""
    created = sets.create("test-ss", 1)
    sets.until_ready("test-ss", 1)
    patch = {
        "metadata": {"labels": {"test-ss": "patched"}},
        "spec": {
            "replicas": 2,
            "template": {
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "webserver", "image": OTHER_WEBSERVER}],
                }
            },
        },
    }
    patched = sets.all.patch("test-ss", patch, STRATEGIC)
    assert patched["metadata"]["uid"] == created["metadata"]["uid"]
    assert patched["metadata"]["labels"] == {**LABELS, "test-ss": "patched"}
    assert patched["spec"]["replicas"] == 2
    assert container_of(patched)["image"] == OTHER_WEBSERVER
    sets.until_ready("test-ss", 2)
    until(
        sets.all, "test-ss", lambda ss: count(ss, "updatedReplicas") == 2, "both are of the patch"
    )
    wait_until(
        lambda: [image for image, _ in sets.shown()] == [OTHER_WEBSERVER] * 2, "both run the patch"
    )
    everywhere = sets.all.everywhere()
    assert everywhere.names("test-ss=patched") == ["test-ss"]
    places = [each["metadata"]["namespace"] for each in everywhere.list("test-ss=patched")["items"]]
    assert places == [sets.namespace]
    sets.all.delete_collection("test-ss=patched")
    wait_until(lambda: not everywhere.names("test-ss=patched"), "the StatefulSet is gone")
    wait_until(lambda: not sets.pods.names(SELECTOR), "its pods go with it")


def test_status(sets: _StatefulSets) -> None:
    """[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should validate
    Statefulset Status endpoints [Conformance]"""
    sets.create("ss", 1)
    sets.until_ready("ss", 1)
    workloads.validate_status(sets.all, "ss", SELECTOR)
    sets.until_ready("ss", 1)


# --- Pods that are made unready

_HTTPD = "registry.k8s.io/e2e-test-images/httpd:2.4.38-4"
_OTHER_HTTPD = "registry.k8s.io/e2e-test-images/httpd:2.4.39-4"
_DOCUMENTS = "/usr/local/apache2/htdocs"
_PROBE = {
    "httpGet": {"path": "/index.html", "port": 80},
    "periodSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 1,
}
# For so long a count must not change.
_STAYS_SECONDS = 10


class _Probed:
    """A StatefulSet of web servers whose page can be taken away, and with it their readiness."""

    def __init__(self, sets: _StatefulSets, kubectl: Kubectl, **spec: object) -> None:
        self.sets, self.kubectl = sets, kubectl
        container = {"name": "webserver", "image": _HTTPD, "readinessProbe": _PROBE}
        template = {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
        sets.create("ss", template=template, **{"replicas": 1, **spec})

    def names(self) -> list[str]:
        return sorted(self.sets.pods.names(SELECTOR))

    def break_probes(self, *names: str) -> None:
        self._run(f"mv -v {_DOCUMENTS}/index.html /tmp/ || true", names or self.names())
        for name in names or self.names():
            until(self.sets.pods, name, lambda pod: not workloads.is_ready(pod), "is not ready")

    def restore_probes(self, *names: str) -> None:
        self._run(f"mv -v /tmp/index.html {_DOCUMENTS}/ || true", names or self.names())

    def _run(self, script: str, names: Iterable[str]) -> None:
        for name in names:
            self.kubectl("exec", name, "--", "/bin/sh", "-x", "-c", script)

    def until_ready_replicas(self, number: int) -> None:
        what = f"has {number} ready"
        until(self.sets.all, "ss", lambda ss: count(ss, "readyReplicas") == number, what)

    def scale(self, replicas: int) -> None:
        self.sets.all.patch("ss", {"spec": {"replicas": replicas}})

    def stays(self, replicas: int) -> None:
        """There are so many pods, and so many there remain."""
        wait_until(lambda: len(self.names()) == replicas, f"there are {replicas} pods")
        deadline = time.monotonic() + _STAYS_SECONDS
        while time.monotonic() < deadline:
            assert len(self.names()) == replicas
            time.sleep(1)


def test_order_and_halt(sets: _StatefulSets, kubectl: Kubectl) -> None:
    """[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Scaling should
    happen in predictable order and halt if any stateful pod is unhealthy [Slow] [Conformance]"""
    version = sets.pods.list(SELECTOR)["metadata"]["resourceVersion"]
    found = _Probed(sets, kubectl)
    sets.until_ready("ss", 1)
    found.break_probes()
    found.until_ready_replicas(0)
    found.scale(3)
    found.stays(1)
    found.restore_probes()
    sets.until_ready("ss", 3)
    assert _order(sets, version, "ADDED", 3) == ["ss-0", "ss-1", "ss-2"]

    version = sets.pods.list(SELECTOR)["metadata"]["resourceVersion"]
    found.break_probes()
    found.until_ready_replicas(0)
    found.scale(0)
    found.stays(3)
    found.restore_probes()
    wait_until(lambda: not found.names(), "all pods are gone")
    assert _order(sets, version, "DELETED", 3) == ["ss-2", "ss-1", "ss-0"]


def _order(sets: _StatefulSets, since: str, kind: str, number: int) -> list[str]:
    """The pods of which there were such events, in the order of these."""
    names: list[str] = []
    with sets.pods.watch(since, SELECTOR) as events:
        for found, pod in events:
            if found == kind:
                names.append(pod["metadata"]["name"])
            if len(names) == number:
                break
    return names


def test_burst(sets: _StatefulSets, kubectl: Kubectl) -> None:
    """[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Burst scaling
    should run to completion even with unhealthy pods [Slow] [Conformance]"""
    found = _Probed(sets, kubectl, podManagementPolicy="Parallel")
    sets.until_ready("ss", 1)
    found.break_probes()
    found.until_ready_replicas(0)
    found.scale(3)
    wait_until(lambda: len(found.names()) == 3, "all are made")
    found.until_ready_replicas(2)
    found.restore_probes()
    sets.until_ready("ss", 3)
    found.break_probes()
    found.until_ready_replicas(0)
    found.scale(0)
    wait_until(lambda: not found.names(), "all are gone")


def test_updates_and_roll_backs(sets: _StatefulSets, kubectl: Kubectl) -> None:
    """[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform
    rolling updates and roll backs of template modifications [Conformance]"""
    found = _Probed(sets, kubectl, replicas=3)
    status = sets.until_ready("ss", 3)["status"]
    first = status["currentRevision"]
    assert first == status["updateRevision"]
    second = _roll(found, _HTTPD, first, _OTHER_HTTPD)
    assert _roll(found, _OTHER_HTTPD, second, _HTTPD) == first, "it is the revision of before"


def _roll(found: _Probed, image: str, revision: str, to: str) -> str:
    """Update the image while the pod in the middle is not ready: the update waits for it. The new
    revision."""
    sets = found.sets
    sets.until_shown(*[(image, revision)] * 3)
    found.break_probes("ss-1")
    changed = steps.change(sets.all, "ss", with_image(to))
    generation = changed["metadata"]["generation"]
    status = until(
        sets.all, "ss", lambda ss: count(ss, "observedGeneration") >= generation, "is observed"
    )["status"]
    updated: str = status["updateRevision"]
    assert status["currentRevision"] == revision != updated
    found.restore_probes("ss-1")
    sets.until_shown(*[(to, updated)] * 3)
    until(
        sets.all,
        "ss",
        lambda ss: ss["status"]["currentRevision"] == updated and count(ss, "readyReplicas") == 3,
        "the update is complete",
    )
    return updated

# SPDX-License-Identifier: Apache-2.0
"""DaemonSets: a Pod on every node that is meant, their updates, and the ControllerRevisions that
keep their history."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import wait_until

from conformance import steps, workloads
from conformance.client import MERGE, STRATEGIC, Client, Object, Resource
from conformance.workloads import APPS, OTHER_WEBSERVER, WEBSERVER, count, until

NAME = "daemon-set"
LABELS = {"daemonset-name": NAME}
SELECTOR = workloads.selector(LABELS)
COLOR = "daemonset-color"
HASH = "controller-revision-hash"


class _DaemonSets:
    """The DaemonSets of one namespace, their Pods, and the nodes they may run on."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.all: Resource = client.resource(APPS, "daemonsets", namespace)
        self.pods: Resource = client.resource("v1", "pods", namespace)
        self.revisions: Resource = client.resource(APPS, "controllerrevisions", namespace)
        self.nodes: Resource = client.resource("v1", "nodes")

    def create(self, **spec: object) -> Object:
        made = {
            "metadata": {"name": NAME, "labels": LABELS},
            "spec": {
                "selector": {"matchLabels": LABELS},
                "template": workloads.template(LABELS),
                **spec,
            },
        }
        return self.all.create(made)

    def everywhere(self) -> list[str]:
        """The nodes that are ready and have no taint that keeps a Pod away."""
        return sorted(
            node["metadata"]["name"]
            for node in self.nodes.list()["items"]
            if workloads.is_ready(node)
            and not [
                taint
                for taint in node["spec"].get("taints") or ()
                if taint["effect"] != "PreferNoSchedule"
            ]
        )

    def running(self) -> list[Object]:
        found = workloads.living(self.pods.list(SELECTOR)["items"])
        return [pod for pod in found if workloads.is_ready(pod)]

    def until_on(self, nodes: list[str]) -> list[Object]:
        """One pod of ours runs on each of these nodes, and no other, and the status says so."""

        def there() -> bool:
            found = workloads.living(self.pods.list(SELECTOR)["items"])
            ready = [pod["spec"]["nodeName"] for pod in found if workloads.is_ready(pod)]
            return len(found) == len(ready) and sorted(ready) == nodes

        wait_until(there, f"daemons run on {nodes}")
        fields = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
        until(
            self.all,
            NAME,
            lambda ds: (
                all(count(ds, field) == len(nodes) for field in fields)
                and count(ds, "numberMisscheduled") == 0
            ),
            "the status says so",
        )
        return self.running()

    def until_image(self, image: str, missing: int) -> list[Object]:
        """All run this image; on the way there were never more than `missing` not available."""
        nodes = self.everywhere()

        def there() -> bool:
            found = workloads.living(self.pods.list(SELECTOR)["items"])
            assert len(nodes) - len([p for p in found if workloads.is_ready(p)]) <= missing
            images = [_image(pod) for pod in found if workloads.is_ready(pod)]
            return images == [image] * len(nodes)

        wait_until(there, f"all daemons run {image}")
        return self.running()

    def current_revision(self, number: int) -> str:
        """The hash of the newest revision, which has this number, and is the pods'."""
        wait_until(
            lambda: len(self.revisions.list(SELECTOR)["items"]) == number, f"{number} revisions"
        )
        newest = max(self.revisions.list(SELECTOR)["items"], key=lambda each: each["revision"])
        assert newest["revision"] == number
        digest: str = newest["metadata"]["labels"][HASH]
        assert {pod["metadata"]["labels"][HASH] for pod in self.running()} == {digest}
        return digest


def _image(pod: Object) -> str:
    image: str = pod["spec"]["containers"][0]["image"]
    return image


@pytest.fixture
def daemons(client: Client, namespace: str) -> Iterator[_DaemonSets]:
    daemons = _DaemonSets(client, namespace)
    yield daemons
    # A DaemonSet is on nodes that other tests use: it goes before they begin.
    for name in daemons.all.names():
        daemons.all.delete(name)
    wait_until(lambda: not daemons.pods.names(SELECTOR), "no daemon is left")


def test_simple(daemons: _DaemonSets) -> None:
    """[sig-apps] Daemon set [Serial] should run and stop simple daemon [Conformance]"""
    daemons.create()
    found = daemons.until_on(daemons.everywhere())
    gone = found[0]["metadata"]
    daemons.pods.delete(gone["name"], body={"gracePeriodSeconds": 0})
    wait_until(lambda: gone["name"] not in daemons.pods.names(), "the pod is gone")
    daemons.until_on(daemons.everywhere())


def test_complex(daemons: _DaemonSets) -> None:
    """[sig-apps] Daemon set [Serial] should run and stop complex daemon [Conformance]"""
    selector = {COLOR: "blue"}
    daemons.create(template=workloads.template(LABELS, nodeSelector=selector))
    daemons.until_on([])
    node = daemons.everywhere()[0]

    def paint(color: str | None) -> None:
        daemons.nodes.patch(node, {"metadata": {"labels": {COLOR: color}}}, MERGE)

    try:
        paint("blue")
        daemons.until_on([node])
        paint("green")
        daemons.until_on([])

        def want_green(obj: Object) -> None:
            obj["spec"]["template"]["spec"]["nodeSelector"] = {COLOR: "green"}
            obj["spec"]["updateStrategy"] = {"type": "RollingUpdate"}

        steps.change(daemons.all, NAME, want_green)
        daemons.until_on([node])
    finally:
        paint(None)


def test_failed_pods(daemons: _DaemonSets) -> None:
    """[sig-apps] Daemon set [Serial] should retry creating failed daemon pods [Conformance]"""
    daemons.create()
    found = daemons.until_on(daemons.everywhere())
    name, uid = found[0]["metadata"]["name"], found[0]["metadata"]["uid"]
    failed = daemons.pods.status.patch(name, {"status": {"phase": "Failed"}})
    assert failed["status"]["phase"] == "Failed"

    def is_gone() -> bool:
        return uid not in [pod["metadata"]["uid"] for pod in daemons.pods.list()["items"]]

    wait_until(is_gone, "the failed pod is deleted")
    daemons.until_on(daemons.everywhere())


def test_rolling_update(daemons: _DaemonSets) -> None:
    """[sig-apps] Daemon set [Serial] should update pod when spec was updated and update strategy is
    RollingUpdate [Conformance]"""
    daemons.create(updateStrategy={"type": "RollingUpdate"})
    daemons.until_on(daemons.everywhere())
    first = daemons.current_revision(1)
    patch = {"spec": {"containers": [{"name": "webserver", "image": OTHER_WEBSERVER}]}}
    daemons.all.patch(NAME, {"spec": {"template": patch}}, STRATEGIC)
    daemons.until_image(OTHER_WEBSERVER, missing=1)
    daemons.until_on(daemons.everywhere())
    assert daemons.current_revision(2) != first


def test_rollback(daemons: _DaemonSets) -> None:
    """[sig-apps] Daemon set [Serial] should rollback without unnecessary restarts [Conformance]"""
    assert len(daemons.everywhere()) > 1, "one node has no rollout that is half done"
    created = daemons.create(updateStrategy={"type": "RollingUpdate"})
    before = {p["metadata"]["name"] for p in daemons.until_on(daemons.everywhere())}
    broken = workloads.stuck_template(LABELS)
    no_such_image = broken["spec"]["containers"][0]["image"]

    def break_it(obj: Object) -> None:
        obj["spec"]["template"] = broken

    steps.change(daemons.all, NAME, break_it)

    def half_done() -> bool:
        found = workloads.living(daemons.pods.list(SELECTOR)["items"])
        return no_such_image in map(_image, found)

    wait_until(half_done, "the rollout is half done")
    old = {
        pod["metadata"]["name"]
        for pod in workloads.living(daemons.pods.list(SELECTOR)["items"])
        if _image(pod) == WEBSERVER
    }
    assert old
    assert old < before

    def roll_back(obj: Object) -> None:
        obj["spec"]["template"] = created["spec"]["template"]

    steps.change(daemons.all, NAME, roll_back)
    after = {pod["metadata"]["name"] for pod in daemons.until_image(WEBSERVER, missing=1)}
    assert old <= after, "those that the rollout had not reached were not restarted"


def test_collection(daemons: _DaemonSets) -> None:
    """[sig-apps] Daemon set [Serial] should list and delete a collection of DaemonSets
    [Conformance]"""
    daemons.create()
    daemons.until_on(daemons.everywhere())
    everywhere = daemons.all.everywhere()
    assert everywhere.names(SELECTOR) == [NAME]
    daemons.all.delete_collection(SELECTOR)
    wait_until(lambda: not everywhere.names(SELECTOR), "the DaemonSet is gone")


def test_status(daemons: _DaemonSets) -> None:
    """[sig-apps] Daemon set [Serial] should verify changes to a daemon set status [Conformance]"""
    daemons.create()
    daemons.until_on(daemons.everywhere())
    workloads.validate_status(daemons.all, NAME, SELECTOR)
    daemons.until_on(daemons.everywhere())


def test_controller_revisions(daemons: _DaemonSets) -> None:
    """[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision
    [Conformance]"""
    revisions = daemons.revisions
    created = daemons.create()
    uid = created["metadata"]["uid"]
    daemons.until_on(daemons.everywhere())
    assert daemons.all.everywhere().names(SELECTOR) == [NAME]
    (listed,) = revisions.everywhere().list(SELECTOR)["items"]
    assert workloads.owner_of(listed) == uid
    first = revisions.get(listed["metadata"]["name"])
    name = first["metadata"]["name"]
    patched = revisions.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
    assert patched["metadata"]["labels"][name] == "patched"

    second = f"{NAME}-another"
    revisions.create(
        {
            "metadata": {
                "name": second,
                "labels": {**LABELS, HASH: "another"},
                "ownerReferences": first["metadata"]["ownerReferences"],
            },
            "data": first["data"],
            "revision": first["revision"] + 1,
        }
    )
    _until_revisions(revisions, name, second)
    revisions.delete(name)
    _until_revisions(revisions, second)

    def label(obj: Object) -> None:
        obj["metadata"]["labels"][second] = "updated"

    updated = steps.change(revisions, second, label)
    assert updated["metadata"]["labels"][second] == "updated"
    grace = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}
    daemons.all.patch(NAME, grace, STRATEGIC)
    wait_until(lambda: len(revisions.names(SELECTOR)) == 2, "a change makes another revision")
    revisions.delete_collection(f"{second}=updated")
    wait_until(lambda: len(revisions.names(SELECTOR)) == 1, "one of them is deleted")
    (last,) = revisions.list()["items"]
    assert last["revision"] == 3


def _until_revisions(revisions: Resource, *names: str) -> None:
    wait_until(lambda: revisions.names(SELECTOR) == sorted(names), f"the revisions are {names}")

# SPDX-License-Identifier: Apache-2.0
"""DELETE over HTTP: what it answers, demands and leaves."""

from __future__ import annotations

import pytest
from cluster import Http, Object
from objects import configmap, deployment, pod, service


@pytest.fixture
def maps(namespace: str) -> str:
    """The path of this test's config maps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def test_answers_a_status(http: Http, maps: str) -> None:
    """What is gone is told by name, resource and uid."""
    uid = http.create(maps, configmap("a"))["metadata"]["uid"]
    answer = http("DELETE", f"{maps}/a")
    assert answer.status == 200
    assert answer.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": uid},
    }
    assert http.get(f"{maps}/a").status == 404


def test_names_the_group(http: Http, namespace: str) -> None:
    """The details carry the group where there is one."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    http.create(path, deployment("web"))
    details = http("DELETE", f"{path}/web").json()["details"]
    assert (details["group"], details["kind"]) == ("apps", "deployments")


@pytest.mark.parametrize(
    ("resource", "obj"),
    [
        pytest.param("pods", pod("a"), id="pod"),
        pytest.param("services", service("a"), id="service"),
        pytest.param("serviceaccounts", {"metadata": {"name": "a"}}, id="serviceaccount"),
    ],
)
def test_some_kinds_answer_the_object(
    http: Http, namespace: str, resource: str, obj: Object
) -> None:
    """For some kinds the answer is what was deleted."""
    path = f"/api/v1/namespaces/{namespace}/{resource}"
    created = http.create(path, obj)
    answer = http("DELETE", f"{path}/a")
    assert answer.status == 200
    assert answer.json()["kind"] == created["kind"]
    assert answer.json()["metadata"]["uid"] == created["metadata"]["uid"]
    assert http.get(f"{path}/a").status == 404


def test_missing(http: Http, maps: str) -> None:
    """404 like any other."""
    assert http("DELETE", f"{maps}/none").json()["reason"] == "NotFound"


@pytest.mark.parametrize("demand", ["uid", "resourceVersion"])
def test_preconditions(http: Http, maps: str, demand: str) -> None:
    """What is not the object that was meant stays: 409."""
    created = http.create(maps, configmap("a"))
    refused = http("DELETE", f"{maps}/a", {"preconditions": {demand: "1"}}).json()
    assert (refused["code"], refused["reason"]) == (409, "Conflict")
    assert "in the precondition (1) does not match" in refused["message"]
    meant = {"preconditions": {demand: created["metadata"][demand]}}
    assert http("DELETE", f"{maps}/a", meant).status == 200


def test_finalizers_keep_the_object(http: Http, maps: str) -> None:
    """It is marked and shown; it goes with the last finalizer."""
    kept = configmap("a")
    kept["metadata"]["finalizers"] = ["example.com/one", "example.com/two"]
    http.create(maps, kept)
    marked = http("DELETE", f"{maps}/a")
    assert marked.status == 200
    metadata = marked.json()["metadata"]
    assert metadata["deletionTimestamp"]
    assert metadata["deletionGracePeriodSeconds"] == 0
    version = metadata["resourceVersion"]
    again = http("DELETE", f"{maps}/a").json()["metadata"]
    assert again["resourceVersion"] == version
    one_left = {"metadata": {"finalizers": ["example.com/two"]}}
    assert http.patch(f"{maps}/a", one_left).status == 200
    assert http.get(f"{maps}/a").status == 200
    assert http.patch(f"{maps}/a", {"metadata": {"finalizers": None}}).status == 200
    assert http.get(f"{maps}/a").status == 404


def test_no_new_finalizer_on_a_deleted_object(http: Http, maps: str) -> None:
    """What is going cannot be held by more."""
    kept = configmap("a")
    kept["metadata"]["finalizers"] = ["example.com/one"]
    http.create(maps, kept)
    http("DELETE", f"{maps}/a")
    more = {"metadata": {"finalizers": ["example.com/one", "example.com/two"]}}
    refused = http.patch(f"{maps}/a", more).json()
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert "no new finalizers can be added if the object is being deleted" in refused["message"]


@pytest.mark.parametrize(
    ("options", "finalizers", "status"),
    [
        pytest.param({"propagationPolicy": "Foreground"}, ["foregroundDeletion"], 200, id="fg"),
        pytest.param({"propagationPolicy": "Orphan"}, ["orphan"], 200, id="orphan"),
        pytest.param({"orphanDependents": True}, ["orphan"], 200, id="old orphan"),
    ],
)
def test_propagation(
    http: Http, maps: str, options: Object, finalizers: list[str], status: int
) -> None:
    """What shall happen to dependents is left to the garbage collector as a finalizer."""
    http.create(maps, configmap("a"))
    answer = http("DELETE", f"{maps}/a", options)
    assert answer.status == status
    assert answer.json()["metadata"]["finalizers"] == finalizers


def test_options_in_the_query(http: Http, maps: str) -> None:
    """Without a body, the query says how."""
    http.create(maps, configmap("a"))
    answer = http("DELETE", f"{maps}/a?propagationPolicy=Foreground")
    assert answer.json()["metadata"]["finalizers"] == ["foregroundDeletion"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        pytest.param({"propagationPolicy": "Sideways"}, "propagationPolicy", id="policy"),
        pytest.param(
            {"propagationPolicy": "Orphan", "orphanDependents": True},
            "propagationPolicy",
            id="both",
        ),
        pytest.param({"dryRun": ["Some"]}, "dryRun", id="dry run"),
    ],
)
def test_bad_options(http: Http, maps: str, options: Object, field: str) -> None:
    """422 on the options, and the object stays."""
    http.create(maps, configmap("a"))
    refused = http("DELETE", f"{maps}/a", options).json()
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert refused["details"]["causes"][0]["field"] == field
    assert http.get(f"{maps}/a").status == 200


def test_graceful_deletion_of_a_running_pod(http: Http, namespace: str) -> None:
    """A pod on a node is marked with its grace period, which later only shrinks."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    placed = pod("a")
    placed["spec"]["nodeName"] = "somewhere"
    http.create(path, placed)
    http.patch(f"{path}/a/status", {"status": {"phase": "Running"}})
    first = http("DELETE", f"{path}/a").json()["metadata"]
    assert first["deletionGracePeriodSeconds"] == 30
    longer = http("DELETE", f"{path}/a", {"gracePeriodSeconds": 60}).json()["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 30
    shorter = http("DELETE", f"{path}/a", {"gracePeriodSeconds": 5}).json()["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert shorter["deletionTimestamp"] < first["deletionTimestamp"]
    assert http("DELETE", f"{path}/a", {"gracePeriodSeconds": 0}).status == 200
    assert http.get(f"{path}/a").status == 404


def test_collection(http: Http, maps: str) -> None:
    """What is selected goes, and is listed in the answer; the rest stays."""
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        http.create(maps, configmap(name, {"color": color}))
    answer = http("DELETE", f"{maps}?labelSelector=color%3Dred").json()
    assert answer["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a", "c"]
    left = http.get(maps).json()["items"]
    assert [item["metadata"]["name"] for item in left] == ["b"]


def test_collection_across_namespaces(http: Http) -> None:
    """All namespaces at once cannot be emptied."""
    refused = http("DELETE", "/api/v1/configmaps").json()
    assert (refused["code"], refused["reason"]) == (405, "MethodNotAllowed")


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_namespaces_the_system_needs(http: Http, name: str) -> None:
    """They cannot be deleted: 403."""
    refused = http("DELETE", f"/api/v1/namespaces/{name}").json()
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == (
        f'namespaces "{name}" is forbidden: this namespace may not be deleted'
    )


def test_namespace_ends_with_its_finalizer(http: Http) -> None:
    """A namespace goes once /finalize takes the last finalizer off."""
    created = http.create("/api/v1/namespaces", {"metadata": {"name": "finalized"}})
    assert created["spec"]["finalizers"] == ["kubernetes"]
    assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "finalized"}
    marked = http("DELETE", "/api/v1/namespaces/finalized").json()
    assert marked["status"]["phase"] == "Terminating"
    marked["spec"]["finalizers"] = []
    assert http("PUT", "/api/v1/namespaces/finalized/finalize", marked).status == 200
    assert http.get("/api/v1/namespaces/finalized").status == 404

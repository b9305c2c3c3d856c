# SPDX-License-Identifier: Apache-2.0
"""What DELETE answers and what is left of the object, as a table over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from cluster import Http, Object
from objects import configmap, deployment, pod

X = "example.com/x"


def kept(made: Object, *finalizers: str) -> Object:
    made["metadata"]["finalizers"] = list(finalizers)
    return made


def placed(made: Object) -> Object:
    made["spec"]["nodeName"] = "n1"
    return made


def job() -> Object:
    template = {"spec": {**pod("x")["spec"], "restartPolicy": "Never"}}
    return {"metadata": {"name": "a"}, "spec": {"template": template}}


CORE, BATCH = "/api/v1/namespaces/{}", "/apis/batch/v1/namespaces/{}"
MAPS, PODS, JOBS = f"{CORE}/configmaps", f"{CORE}/pods", f"{BATCH}/jobs"


@pytest.mark.parametrize(
    ("path", "made", "query", "options", "status", "kind", "left"),
    [
        pytest.param(MAPS, configmap("a"), "", None, 200, "Status", None, id="plain"),
        pytest.param(
            MAPS, configmap("a"), "", {"orphanDependents": False}, 200, "Status", None,
            id="plain, dependents first, nothing to wait for",
        ),
        pytest.param(
            MAPS, kept(configmap("a"), X), "", {"orphanDependents": False}, 202, "ConfigMap", [X],
            id="held, dependents first",
        ),
        pytest.param(
            MAPS, kept(configmap("a"), X), "", None, 200, "ConfigMap", [X], id="held"
        ),
        pytest.param(
            MAPS, configmap("a"), "?propagationPolicy=Orphan", None, 200, "ConfigMap", ["orphan"],
            id="orphaning, by the query",
        ),
        pytest.param(
            MAPS, configmap("a"), "?propagationPolicy=Orphan", {"propagationPolicy": "Background"},
            200, "Status", None, id="the body counts before the query",
        ),
        pytest.param(
            MAPS, configmap("a"), "?dryRun=All", None, 200, "Status", [], id="dry run"
        ),
        pytest.param(
            MAPS, kept(configmap("a"), X), "?dryRun=All", None, 200, "ConfigMap", [X],
            id="dry run, held",
        ),
        pytest.param(PODS, pod("a"), "", None, 200, "Pod", None, id="pod of no node"),
        pytest.param(PODS, placed(pod("a")), "", None, 200, "Pod", [], id="pod of a node"),
        pytest.param(
            PODS, placed(pod("a")), "?gracePeriodSeconds=0", None, 200, "Pod", None,
            id="pod, at once",
        ),
        pytest.param(
            PODS, kept(placed(pod("a")), X), "", {"gracePeriodSeconds": 0}, 200, "Pod", [X],
            id="pod, at once, held",
        ),
        pytest.param(
            PODS, placed(pod("a")), "?dryRun=All&gracePeriodSeconds=0", None, 200, "Pod", [],
            id="pod, dry run",
        ),
        pytest.param(JOBS, job(), "", None, 200, "Job", ["orphan"], id="job keeps its pods"),
        pytest.param(
            JOBS, job(), "?propagationPolicy=Background", None, 200, "Status", None,
            id="unless told otherwise",
        ),
    ],
)  # fmt: skip
def test_delete(
    http: Http, namespace: str, path: str, made: Object, query: str,
    options: Object | None, status: int, kind: str, left: list[str] | None,
) -> None:  # fmt: skip
    """`left` are the finalizers of what is left, None where nothing is."""
    path = path.format(namespace)
    http.create(path, made)
    answer = http("DELETE", f"{path}/a{query}", options)
    assert (answer.status, answer.json()["kind"]) == (status, kind)
    found = http.get(f"{path}/a")
    if left is None:
        assert found.status == 404
        return
    metadata: dict[str, Any] = found.json()["metadata"]
    assert metadata.get("finalizers", []) == left
    assert ("deletionTimestamp" in metadata) == ("dryRun" not in query)


def test_job_warns(http: Http, namespace: str) -> None:
    """Who does not say what shall become of a Job's Pods is told that they stay."""
    path = JOBS.format(namespace)
    http.create(path, job())
    answer = http("DELETE", f"{path}/a")
    assert "child pods are preserved by default" in answer.headers["warning"]


@pytest.mark.parametrize("grace", [0, 30])
def test_what_watchers_see_of_a_pod(http: Http, namespace: str, grace: int) -> None:
    """The mark comes before the end, and the last state carries it."""
    path = PODS.format(namespace)
    version = http.create(path, placed(pod("a")))["metadata"]["resourceVersion"]
    with http.watch(f"{path}?watch=true&resourceVersion={version}") as events:
        answer = http("DELETE", f"{path}/a?gracePeriodSeconds={grace}").json()
        assert answer["metadata"]["deletionGracePeriodSeconds"] == grace
        assert answer["metadata"]["generation"] == 2
        marked = events.next()
        assert marked["type"] == "MODIFIED"
        assert marked["object"]["metadata"]["deletionTimestamp"]
        if grace:
            http("DELETE", f"{path}/a?gracePeriodSeconds=0")
            assert events.next()["type"] == "MODIFIED"
        deleted = events.next()
        assert deleted["type"] == "DELETED"
        assert deleted["object"]["metadata"]["deletionGracePeriodSeconds"] == 0


def test_preconditions_name_the_kind(http: Http, namespace: str) -> None:
    """Upstream's words of a failed precondition."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    http.create(path, deployment("web"))
    refused = http("DELETE", f"{path}/web", {"preconditions": {"uid": "x"}}).json()
    assert refused["message"].startswith(
        'Operation cannot be fulfilled on Deployment.apps "web": the UID in the precondition (x) '
        "does not match the UID in record ("
    )


@pytest.mark.parametrize("content_type", ["application/json", "application/yaml"])
def test_options_in_each_form(http: Http, namespace: str, content_type: str) -> None:
    """The options' own kind may be the group's, or missing; YAML is read too."""
    path = MAPS.format(namespace)
    for name, head in (("a", "apiVersion: v1\nkind: DeleteOptions\n"), ("b", "")):
        http.create(path, configmap(name))
        text = f"{head}propagationPolicy: Foreground\n"
        if content_type == "application/json":
            text = (
                '{"apiVersion":"core/v1","kind":"DeleteOptions","propagationPolicy":"Foreground"}'
            )
        answer = http("DELETE", f"{path}/{name}", text.encode(), {"Content-Type": content_type})
        assert answer.json()["metadata"]["finalizers"] == ["foregroundDeletion"]


# --- collections


def test_collection_shows_what_was(http: Http, namespace: str) -> None:
    """The list is what was selected, as it was; dry run leaves all of it."""
    path = MAPS.format(namespace)
    http.create(path, kept(configmap("a", {"color": "red"}), X))
    http.create(path, configmap("b", {"color": "red"}))
    http.create(path, configmap("c"))
    selected = f"{path}?labelSelector=color%3Dred"
    rehearsed = http("DELETE", f"{selected}&dryRun=All").json()
    assert [item["metadata"]["name"] for item in rehearsed["items"]] == ["a", "b"]
    assert len(http.get(path).json()["items"]) == 3
    items = http("DELETE", selected).json()["items"]
    assert [item["metadata"]["name"] for item in items] == ["a", "b"]
    assert "deletionTimestamp" not in items[0]["metadata"]
    left = http.get(path).json()["items"]
    assert [item["metadata"]["name"] for item in left] == ["a", "c"]
    assert left[0]["metadata"]["deletionTimestamp"]


def test_collection_by_field_and_limit(http: Http, namespace: str) -> None:
    """A field selector selects, and a limit leaves the rest for another time."""
    path = MAPS.format(namespace)
    for name in "abc":
        http.create(path, configmap(name))
    http("DELETE", f"{path}?fieldSelector=metadata.name%3Db")
    assert [i["metadata"]["name"] for i in http.get(path).json()["items"]] == ["a", "c"]
    answer = http("DELETE", f"{path}?limit=1").json()
    assert [i["metadata"]["name"] for i in answer["items"]] == ["a"]
    assert answer["metadata"]["continue"]
    assert [i["metadata"]["name"] for i in http.get(path).json()["items"]] == ["c"]


def test_collection_of_pods_with_grace(http: Http, namespace: str) -> None:
    """The options are those of each deletion."""
    path = PODS.format(namespace)
    for name in "ab":
        http.create(path, placed(pod(name)))
    http("DELETE", path, {"gracePeriodSeconds": 7})
    items = http.get(path).json()["items"]
    assert [i["metadata"]["deletionGracePeriodSeconds"] for i in items] == [7, 7]
    http("DELETE", path, {"gracePeriodSeconds": 0})
    assert http.get(path).json()["items"] == []


# --- namespaces


def test_namespace(http: Http, namespace: str) -> None:
    """Terminating: nothing new comes in, changes still do, and a second DELETE changes nothing."""
    path = f"/api/v1/namespaces/{namespace}"
    marked = http("DELETE", path)
    assert (marked.status, marked.json()["status"]["phase"]) == (200, "Terminating")
    assert "deletionGracePeriodSeconds" not in marked.json()["metadata"]
    version = marked.json()["metadata"]["resourceVersion"]
    again = http("DELETE", path)
    assert (again.status, again.json()["metadata"]["resourceVersion"]) == (200, version)
    refused = http("POST", f"{path}/configmaps", configmap("a")).json()
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == (
        f'configmaps "a" is forbidden: unable to create new content in namespace {namespace} '
        "because it is being terminated"
    )
    (cause,) = refused["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("NamespaceTerminating", "metadata.namespace")
    # A change of its labels is no reason to let it go.
    assert http.patch(path, {"metadata": {"labels": {"a": "b"}}}).status == 200
    assert http.get(path).json()["metadata"]["labels"]["a"] == "b"
    found = http.get(path).json()
    found["spec"]["finalizers"] = []
    assert http("PUT", f"{path}/finalize", found).status == 200
    assert http.get(path).status == 404


def test_namespace_without_finalizers(http: Http, namespace: str) -> None:
    """The first DELETE marks all the same; the second one ends it."""
    path = f"/api/v1/namespaces/{namespace}"
    found = http.get(path).json()
    found["spec"]["finalizers"] = []
    assert http("PUT", f"{path}/finalize", found).status == 200
    assert http("DELETE", path).json()["status"]["phase"] == "Terminating"
    assert http.get(path).status == 200
    ended = http("DELETE", path)
    assert (ended.status, ended.json()["kind"]) == (200, "Status")
    assert http.get(path).status == 404


def test_namespace_preconditions(http: Http, namespace: str) -> None:
    """In words of their own."""
    path = f"/api/v1/namespaces/{namespace}"
    refused = http("DELETE", path, {"preconditions": {"uid": "x"}}).json()
    assert refused["code"] == 409
    assert "Precondition failed: UID in precondition: x, UID in object meta: " in refused["message"]


def test_namespace_dry_run(http: Http, namespace: str) -> None:
    """It is shown Terminating and is not."""
    path = f"/api/v1/namespaces/{namespace}?dryRun=All"
    assert http("DELETE", path).json()["status"]["phase"] == "Terminating"
    assert http.get(f"/api/v1/namespaces/{namespace}").json()["status"]["phase"] == "Active"

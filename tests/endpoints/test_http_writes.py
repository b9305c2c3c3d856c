# SPDX-License-Identifier: Apache-2.0
"""Create, update and patch over HTTP: what a write demands and what it does to metadata."""

from __future__ import annotations

import copy
import re

import pytest
from cluster import Http, Object
from objects import configmap, deployment, pod


@pytest.fixture
def maps(namespace: str) -> str:
    """The path of this test's config maps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def failure(answer_body: Object) -> tuple[int, str]:
    return answer_body["code"], answer_body["reason"]


def test_create_fills_system_metadata(http: Http, maps: str, namespace: str) -> None:
    """201 with uid, creationTimestamp, resourceVersion and the namespace of the URL."""
    answer = http("POST", maps, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    assert answer.status == 201
    obj = answer.json()
    assert (obj["kind"], obj["apiVersion"]) == ("ConfigMap", "v1")
    metadata = obj["metadata"]
    assert metadata["namespace"] == namespace
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert int(metadata["resourceVersion"]) > 0
    assert http.get(f"{maps}/a").json() == obj


def test_create_ignores_the_clients_system_metadata(http: Http, maps: str) -> None:
    """What the system owns is not the client's to set."""
    sent = configmap("a")
    sent["metadata"] |= {
        "uid": "mine",
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "generation": 7,
    }
    metadata = http.create(maps, sent)["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["creationTimestamp"] > "2020"
    assert "deletionTimestamp" not in metadata
    assert "generation" not in metadata


def test_create_with_a_resource_version(http: Http, maps: str) -> None:
    """A resourceVersion makes no sense on something new."""
    sent = configmap("a")
    sent["metadata"]["resourceVersion"] = "1"
    answer = http("POST", maps, sent)
    assert answer.status == 500
    assert answer.json()["message"] == "resourceVersion should not be set on objects to be created"


def test_generate_name(http: Http, maps: str) -> None:
    """Five characters that cannot be mistaken are added to the prefix."""
    sent = {"metadata": {"generateName": "made-"}}
    names = {http.create(maps, sent)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"made-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


def test_already_exists(http: Http, maps: str) -> None:
    """409 with the object's name and resource in the details."""
    http.create(maps, configmap("a"))
    refused = http("POST", maps, configmap("a")).json()
    assert failure(refused) == (409, "AlreadyExists")
    assert refused["message"] == 'configmaps "a" already exists'
    assert refused["details"] == {"name": "a", "kind": "configmaps"}


def test_not_found(http: Http, namespace: str) -> None:
    """404 with the group in the details where there is one."""
    refused = http.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/none").json()
    assert failure(refused) == (404, "NotFound")
    assert refused["message"] == 'deployments.apps "none" not found'
    assert refused["details"] == {"name": "none", "group": "apps", "kind": "deployments"}
    assert (refused["kind"], refused["apiVersion"], refused["status"]) == (
        "Status",
        "v1",
        "Failure",
    )


def test_update_needs_the_latest_state(http: Http, maps: str) -> None:
    """A PUT made from an older state is a 409; without resourceVersion it overwrites."""
    old = http.create(maps, configmap("a", x="1"))
    new = copy.deepcopy(old)
    new["data"] = {"x": "2"}
    assert http("PUT", f"{maps}/a", new).status == 200
    refused = http("PUT", f"{maps}/a", old).json()
    assert failure(refused) == (409, "Conflict")
    assert refused["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please '
        "apply your changes to the latest version and try again"
    )
    del old["metadata"]["resourceVersion"]
    assert http("PUT", f"{maps}/a", old).json()["data"] == {"x": "1"}


def test_update_names_a_uid(http: Http, maps: str) -> None:
    """A PUT that means an object of another uid is a 409."""
    obj = http.create(maps, configmap("a"))
    uid = obj["metadata"]["uid"]
    obj["metadata"]["uid"] = "other"
    refused = http("PUT", f"{maps}/a", obj).json()
    assert failure(refused) == (409, "Conflict")
    assert f"UID in precondition: other, UID in object meta: {uid}" in refused["message"]


def test_patch_carries_a_resource_version(http: Http, maps: str) -> None:
    """A resourceVersion inside a patch is a demand like that of a PUT."""
    version = http.create(maps, configmap("a"))["metadata"]["resourceVersion"]
    demand = {"metadata": {"resourceVersion": version}, "data": {"x": "1"}}
    assert http.patch(f"{maps}/a", demand).status == 200
    assert failure(http.patch(f"{maps}/a", demand | {"data": {"x": "2"}}).json()) == (
        409,
        "Conflict",
    )


@pytest.mark.parametrize("way", ["put", "merge-patch", "strategic-merge-patch", "json-patch"])
def test_no_op_write_changes_nothing(http: Http, maps: str, way: str) -> None:
    """A write that changes nothing keeps the resourceVersion and sends no event."""
    obj = http.create(maps, configmap("a", x="1"))
    version = obj["metadata"]["resourceVersion"]
    path = f"{maps}/a"
    with http.watch(f"{maps}?watch=1&resourceVersion={version}") as events:
        if way == "put":
            answer = http("PUT", path, obj)
        elif way == "json-patch":
            answer = http.patch(path, [{"op": "add", "path": "/data/x", "value": "1"}], way)
        else:
            answer = http.patch(path, {"data": {"x": "1"}}, way)
        assert answer.status == 200
        assert answer.json()["metadata"]["resourceVersion"] == version
        http.create(maps, configmap("next"))
        assert events.names(1) == [("ADDED", "next")]


def test_update_keeps_system_metadata(http: Http, maps: str) -> None:
    """uid and creationTimestamp are the system's, whatever a PUT says."""
    obj = http.create(maps, configmap("a"))
    changed = copy.deepcopy(obj)
    changed["metadata"]["creationTimestamp"] = "2001-01-01T00:00:00Z"
    changed["data"] = {"x": "1"}
    metadata = http("PUT", f"{maps}/a", changed).json()["metadata"]
    assert metadata["creationTimestamp"] == obj["metadata"]["creationTimestamp"]


def test_update_what_is_missing(http: Http, maps: str) -> None:
    """PUT makes no config map."""
    assert failure(http("PUT", f"{maps}/none", configmap("none")).json()) == (404, "NotFound")


def test_update_creates_a_lease(http: Http, namespace: str) -> None:
    """Some kinds are made by a PUT: 201; of these some are only changed by who read them."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/leader"
    lease = {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "me"}}
    made = http("PUT", path, lease)
    assert made.status == 201
    refused = http("PUT", path, lease).json()
    assert failure(refused) == (422, "Invalid")
    assert (
        "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
        in (refused["message"])
    )
    lease["metadata"] = made.json()["metadata"]
    assert http("PUT", path, lease).status == 200


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        pytest.param(
            configmap("b"),
            "the name of the object (b) does not match the name on the URL (a)",
            id="name",
        ),
        pytest.param(
            {**configmap("a"), "metadata": {"name": "a", "namespace": "elsewhere"}},
            "the namespace of the object (elsewhere) does not match the namespace on the request "
            "(NAMESPACE)",
            id="namespace",
        ),
        pytest.param(
            {**configmap("a"), "kind": "Secret"},
            'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to '
            "(core.ConfigMap): unknown conversion",
            id="kind",
        ),
    ],
)
def test_update_of_something_else(
    http: Http, maps: str, namespace: str, sent: Object, message: str
) -> None:
    """A body that is not the object of the URL is a 400 that says how it differs."""
    http.create(maps, configmap("a"))
    refused = http("PUT", f"{maps}/a", sent).json()
    assert failure(refused) == (400, "BadRequest")
    assert refused["message"] == message.replace("NAMESPACE", namespace)


def test_create_elsewhere(http: Http, maps: str) -> None:
    """The URL's namespace and the object's must be one."""
    sent = configmap("a")
    sent["metadata"]["namespace"] = "elsewhere"
    refused = http("POST", maps, sent).json()
    assert failure(refused) == (400, "BadRequest")
    assert refused["message"] == (
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def test_create_in_a_missing_namespace(http: Http) -> None:
    """404, and what is missing is the namespace."""
    refused = http("POST", "/api/v1/namespaces/nowhere/configmaps", configmap("a")).json()
    assert failure(refused) == (404, "NotFound")
    assert refused["details"] == {"name": "nowhere", "kind": "namespaces"}


def test_create_in_a_terminating_namespace(http: Http) -> None:
    """403 with the cause a client looks for."""
    namespace = {
        "metadata": {"name": "ending"},
        "spec": {"finalizers": ["kubernetes"]},
    }
    http.create("/api/v1/namespaces", namespace)
    ending = http("DELETE", "/api/v1/namespaces/ending").json()
    assert ending["status"]["phase"] == "Terminating"
    refused = http("POST", "/api/v1/namespaces/ending/configmaps", configmap("a")).json()
    assert failure(refused) == (403, "Forbidden")
    assert refused["message"] == (
        'configmaps "a" is forbidden: unable to create new content in namespace ending because '
        "it is being terminated"
    )
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"


def test_generation(http: Http, namespace: str) -> None:
    """It moves with the spec, and with nothing else."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert http.create(path, deployment("web"))["metadata"]["generation"] == 1

    def generation_after(patch: Object, of: str = "web") -> int:
        return http.patch(f"{path}/{of}", patch).json()["metadata"]["generation"]

    assert generation_after({"metadata": {"labels": {"a": "b"}}}) == 1
    assert generation_after({"spec": {"replicas": 2}}) == 2
    assert generation_after({"status": {"replicas": 2}}, "web/status") == 2


def test_status_and_spec_are_apart(http: Http, namespace: str) -> None:
    """A write to the object keeps the status, a write to the status keeps the rest."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    sent = pod("a")
    sent["status"] = {"phase": "Running"}
    assert http.create(path, sent)["status"]["phase"] == "Pending"
    http.patch(f"{path}/a", {"status": {"phase": "Running"}})
    assert http.get(f"{path}/a").json()["status"]["phase"] == "Pending"
    patch = {"status": {"phase": "Running"}, "spec": {"activeDeadlineSeconds": 5}}
    answer = http.patch(f"{path}/a/status", patch).json()
    assert answer["status"]["phase"] == "Running"
    assert "activeDeadlineSeconds" not in answer["spec"]


def test_scale(http: Http, namespace: str) -> None:
    """GET, PUT and PATCH of the scale, whose resourceVersion is the object's."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    http.create(path, deployment("web"))
    scale = http.get(f"{path}/web/scale").json()
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}
    scale["spec"]["replicas"] = 3
    assert http("PUT", f"{path}/web/scale", scale).json()["spec"] == {"replicas": 3}
    assert failure(http("PUT", f"{path}/web/scale", scale).json()) == (409, "Conflict")
    assert http.patch(f"{path}/web/scale", {"spec": {"replicas": 0}}).json()["spec"] == {}
    refused = http.patch(f"{path}/web/scale", {"spec": {"replicas": -1}}).json()
    assert failure(refused) == (422, "Invalid")


def test_dry_run(http: Http, maps: str) -> None:
    """dryRun=All answers what would be, and stores nothing."""
    made = http("POST", f"{maps}?dryRun=All", configmap("a"))
    assert made.status == 201
    assert made.json()["metadata"]["uid"]
    assert http.get(f"{maps}/a").status == 404
    obj = http.create(maps, configmap("a", x="1"))
    patched = http("PATCH", f"{maps}/a?dryRun=All", {"data": {"x": "2"}}, MERGE)
    assert patched.json()["data"] == {"x": "2"}
    assert http("DELETE", f"{maps}/a?dryRun=All").status == 200
    assert http.get(f"{maps}/a").json() == obj


def test_dry_run_of_another_kind(http: Http, maps: str) -> None:
    """All is the one value there is."""
    refused = http("POST", f"{maps}?dryRun=Some", configmap("a")).json()
    assert failure(refused) == (422, "Invalid")
    assert refused["details"]["causes"][0]["field"] == "dryRun"


MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.mark.parametrize(
    ("media_type", "patch", "expected"),
    [
        pytest.param(
            "application/json-patch+json",
            [{"op": "remove", "path": "/data/x"}, {"op": "add", "path": "/data/z", "value": "3"}],
            {"y": "2", "z": "3"},
            id="json",
        ),
        pytest.param(
            "application/merge-patch+json",
            {"data": {"x": None, "z": "3"}},
            {"y": "2", "z": "3"},
            id="merge",
        ),
        pytest.param(
            "application/strategic-merge-patch+json",
            {"data": {"$patch": "replace", "z": "3"}},
            {"z": "3"},
            id="strategic",
        ),
    ],
)
def test_patch_types(
    http: Http, maps: str, media_type: str, patch: object, expected: Object
) -> None:
    """Three ways to say what changes."""
    http.create(maps, configmap("a", x="1", y="2"))
    answer = http("PATCH", f"{maps}/a", patch, {"Content-Type": media_type})
    assert answer.json()["data"] == expected


@pytest.mark.parametrize(
    ("kind", "patch", "code"),
    [
        pytest.param(
            "json-patch", [{"op": "remove", "path": "/data/none"}], 422, id="no such path"
        ),
        pytest.param("json-patch", {"data": {}}, 400, id="no list of operations"),
        pytest.param("merge-patch", [], 400, id="no object"),
        pytest.param("merge-patch", {"metadata": {"name": "b"}}, 400, id="another name"),
        pytest.param("merge-patch", {"data": {"x": 1}}, 422, id="wrong type"),
        pytest.param("strategic-merge-patch", {"data": {"$patch": "x"}}, 500, id="directive"),
    ],
)
def test_bad_patches(http: Http, maps: str, kind: str, patch: object, code: int) -> None:
    """A patch that cannot be applied, or makes what cannot be, changes nothing."""
    obj = http.create(maps, configmap("a", x="1"))
    assert http.patch(f"{maps}/a", patch, kind).status == code
    assert http.get(f"{maps}/a").json() == obj


def test_immutable_config_map(http: Http, maps: str) -> None:
    """What says it is immutable is."""
    sent = configmap("a", x="1")
    sent["immutable"] = True
    http.create(maps, sent)
    refused = http.patch(f"{maps}/a", {"data": {"x": "2"}}).json()
    assert failure(refused) == (422, "Invalid")
    assert refused["details"]["causes"] == [
        {
            "reason": "FieldValueForbidden",
            "message": "Forbidden: field is immutable when `immutable` is set",
            "field": "data",
        }
    ]


def test_secret_string_data(http: Http, namespace: str) -> None:
    """stringData goes in and comes out as data."""
    path = f"/api/v1/namespaces/{namespace}/secrets"
    made = http.create(path, {"metadata": {"name": "a"}, "stringData": {"word": "swordfish"}})
    assert made["data"] == {"word": "c3dvcmRmaXNo"}
    assert "stringData" not in made
    assert made["type"] == "Opaque"

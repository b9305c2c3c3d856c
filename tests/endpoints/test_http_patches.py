# SPDX-License-Identifier: Apache-2.0
"""Patches at the edge, field validation of patches, and dry run of every verb, over HTTP."""

from __future__ import annotations

import concurrent.futures
import json
from typing import Any

import pytest
from cluster import ControlPlane, Http, Object
from objects import configmap, deployment, pod, service

JSON, MERGE, STRATEGIC = "json-patch", "merge-patch", "strategic-merge-patch"
APPLY = {"Content-Type": "application/apply-patch+yaml"}


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def replace(path: str, value: Any) -> list[Object]:
    return [{"op": "replace", "path": path, "value": value}]


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC, JSON])
@pytest.mark.parametrize(
    ("key", "value", "code", "message"),
    [
        pytest.param(
            "name", "b", 400,
            "the name of the object (b) does not match the name on the URL (a)", id="name",
        ),
        pytest.param(
            "namespace", "other", 400,
            "the namespace of the object (other) does not match the namespace on the request",
            id="namespace",
        ),
        pytest.param(
            "uid", "x", 409, "Precondition failed: UID in precondition: x, UID in object meta: ",
            id="uid",
        ),
        pytest.param(
            "resourceVersion", "1", 409, "the object has been modified; please apply your changes",
            id="resourceVersion",
        ),
    ],
)  # fmt: skip
def test_identity_stays(
    http: Http, maps: str, kind: str, key: str, value: str, code: int, message: str
) -> None:
    """A patch cannot make another object of it, nor one that is no longer."""
    made = http.create(maps, configmap("a"))
    patch: object = {"metadata": {key: value}}
    if kind == JSON:
        patch = replace(f"/metadata/{key}", value)
    refused = http.patch(f"{maps}/a", patch, kind)
    assert refused.status == code
    assert message in refused.json()["message"]
    assert http.get(f"{maps}/a").json() == made


def test_name_cannot_be_taken_away(http: Http, maps: str) -> None:
    """An object without a name is none."""
    http.create(maps, configmap("a"))
    refused = http.patch(f"{maps}/a", {"metadata": {"name": None}})
    assert (refused.status, refused.json()["message"]) == (
        400,
        "the name of the object (a based on URL) was undeterminable: name must be provided",
    )


def test_what_the_server_keeps(http: Http, maps: str) -> None:
    """creationTimestamp and the marks of a deletion are put back without a word."""
    made = http.create(maps, configmap("a"))
    moment = "2020-01-01T00:00:00Z"
    patch = {"metadata": {"creationTimestamp": moment, "deletionTimestamp": moment}}
    patched = http.patch(f"{maps}/a", patch).json()
    assert patched["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert "deletionTimestamp" not in patched["metadata"]


@pytest.mark.parametrize(("count", "code"), [(10_000, 200), (10_001, 413)])
def test_json_patch_operations(http: Http, maps: str, count: int, code: int) -> None:
    """Ten thousand operations, and not one more."""
    http.create(maps, configmap("a", x="1"))
    patch = [{"op": "test", "path": "/data/x", "value": "1"}] * count
    answer = http.patch(f"{maps}/a", patch, JSON)
    assert answer.status == code
    if code == 413:
        assert answer.json()["reason"] == "RequestEntityTooLarge"
        assert "The allowed maximum operations in a JSON patch is 10000" in answer.json()["message"]


def test_nested_directives(http: Http, deployments: str) -> None:
    """Directives of strategic merge at every depth."""
    made = deployment("web")
    containers = made["spec"]["template"]["spec"]["containers"]
    containers[0]["env"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    containers.append({"name": "side", "image": "x"})
    http.create(deployments, made)
    env = [{"$patch": "delete", "name": "A"}, {"name": "C", "value": "3"}]
    patch = {"containers": [{"name": "main", "env": env}, {"$patch": "delete", "name": "side"}]}
    path = f"{deployments}/web"
    answer = http.patch(path, {"spec": {"template": {"spec": patch}}}, STRATEGIC)
    (container,) = answer.json()["spec"]["template"]["spec"]["containers"]
    assert [e["name"] for e in container["env"]] == ["C", "B"]
    replaced = {"containers": [{"$patch": "replace"}, {"name": "new", "image": "y"}]}
    answer = http.patch(path, {"spec": {"template": {"spec": replaced}}}, STRATEGIC)
    assert [c["name"] for c in answer.json()["spec"]["template"]["spec"]["containers"]] == ["new"]


def test_patches_that_race_all_count(maps: str, http: Http, control_plane: ControlPlane) -> None:
    """A patch that lost a race is made again from what is stored then."""
    http.create(maps, configmap("a"))

    def patch(number: int) -> int:
        mine = Http(control_plane.access)
        try:
            return mine.patch(f"{maps}/a", {"data": {f"k{number}": "x"}}).status
        finally:
            mine.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(patch, range(40))) == {200}
    assert len(http.get(f"{maps}/a").json()["data"]) == 40


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC, JSON])
def test_patch_creates_nothing(http: Http, maps: str, kind: str) -> None:
    """404 for what is not there; only apply makes it."""
    patch: object = [] if kind == JSON else {"data": {"x": "1"}}
    answer = http.patch(f"{maps}/none", patch, kind)
    assert (answer.status, answer.json()["message"]) == (404, 'configmaps "none" not found')
    body = json.dumps({**configmap("new"), "apiVersion": "v1"}).encode()
    assert http("PATCH", f"{maps}/new?fieldManager=m", body, APPLY).status == 201


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        pytest.param("/apis/coordination.k8s.io/v1/namespaces/{}/leases/a", {}, 201, id="lease"),
        pytest.param("/api/v1/namespaces/{}/endpoints/a", {}, 201, id="endpoints"),
        pytest.param(
            "/api/v1/namespaces/{}/limitranges/a", {"spec": {"limits": []}}, 201, id="limits"
        ),
        pytest.param(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/a", {"rules": []}, 201,
            id="role",
        ),
        pytest.param(
            "/api/v1/namespaces/{}/services/a", {"spec": {"ports": [{"port": 80}]}}, 201,
            id="service",
        ),
        pytest.param("/api/v1/namespaces/{}/configmaps/a", {}, 404, id="config map"),
        pytest.param("/api/v1/namespaces/{}/secrets/a", {}, 404, id="secret"),
        pytest.param("/api/v1/namespaces/{}/serviceaccounts/a", {}, 404, id="service account"),
    ],
)  # fmt: skip
def test_put_that_creates(http: Http, namespace: str, path: str, body: Object, code: int) -> None:
    """Some kinds are made by a PUT, and only with neither uid nor resourceVersion."""
    path = path.format(namespace)
    answer = http("PUT", path, {"metadata": {"name": "a"}, **body})
    assert answer.status == code, answer.body
    if code == 201:
        stale = {"metadata": {"name": "b", "resourceVersion": "5"}, **body}
        assert http("PUT", f"{path[:-1]}b", stale).status == 409


# --- field validation


@pytest.mark.parametrize(
    ("kind", "patch", "shown"),
    [
        pytest.param(MERGE, {"spec": {"nope": 1}}, '"{', id="merge"),
        pytest.param(STRATEGIC, {"spec": {"nope": 1}}, '"map[spec:map[nope:1]]"', id="strategic"),
        pytest.param(JSON, [{"op": "add", "path": "/spec/nope", "value": 1}], '"{', id="json"),
    ],
)
def test_unknown_fields(http: Http, deployments: str, kind: str, patch: object, shown: str) -> None:
    """Refused, warned of, or passed over, as the client wants; the patch is shown."""
    http.create(deployments, deployment("web"))
    path = f"{deployments}/web"
    refused = http.patch(f"{path}?fieldValidation=Strict", patch, kind)
    assert refused.status == 422
    message = refused.json()["message"]
    assert message.startswith(f' "" is invalid: patch: Invalid value: {shown}')
    assert message.endswith('strict decoding error: unknown field "spec.nope"')
    assert refused.json()["details"]["causes"][0]["field"] == "patch"
    warned = http.patch(f"{path}?fieldValidation=Warn", patch, kind)
    assert (warned.status, warned.headers["warning"]) == (
        200,
        '299 - "unknown field \\"spec.nope\\""',
    )
    ignored = http.patch(f"{path}?fieldValidation=Ignore", patch, kind)
    assert (ignored.status, ignored.headers["warning"]) == (200, None)


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC])
def test_duplicate_fields(http: Http, maps: str, kind: str) -> None:
    """What is in the patch twice is seen too."""
    http.create(maps, configmap("a"))
    body = b'{"data":{"x":"1","x":"2"}}'
    header = {"Content-Type": f"application/{kind}+json"}
    refused = http("PATCH", f"{maps}/a?fieldValidation=Strict", body, header)
    assert refused.status == 422
    assert 'duplicate field "data.x"' in refused.json()["message"]
    warned = http("PATCH", f"{maps}/a", body, header)
    assert (warned.status, warned.json()["data"]) == (200, {"x": "2"})
    assert "duplicate field" in warned.headers["warning"]


def test_wrong_type(http: Http, deployments: str) -> None:
    """A field of another type is refused whatever the validation."""
    http.create(deployments, deployment("web"))
    path = f"{deployments}/web?fieldValidation=Ignore"
    refused = http.patch(path, {"spec": {"replicas": "many"}}, STRATEGIC)
    assert refused.status == 422
    assert refused.json()["message"].startswith(
        ' "" is invalid: patch: Invalid value: "map[spec:map[replicas:many]]": '
    )


# --- dry run of every verb


def test_dry_run_of_every_verb(http: Http, namespace: str) -> None:
    """Answers are those of the real thing, and nothing is stored or given out."""
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    http.create(f"{core}/configmaps", configmap("a", x="1"))
    http.create(f"{apps}/deployments", deployment("web"))
    http.create(f"{core}/pods", pod("web"))
    http.create(f"{core}/serviceaccounts", {"metadata": {"name": "robot"}})
    kinds = (f"{core}/configmaps", f"{apps}/deployments", f"{core}/pods", f"{core}/services")

    def state() -> list[Object]:
        return [http.get(kind).json()["items"] for kind in kinds]

    before = state()
    scale = {"metadata": {"name": "web"}, "spec": {"replicas": 5}}
    status = {"status": {"phase": "Failed"}}
    binding = {"metadata": {"name": "web"}, "target": {"name": "n1"}}
    applied = json.dumps({**configmap("c"), "data": {"y": "2"}}).encode()
    requests = (
        ("POST", f"{core}/configmaps", configmap("b"), None, 201),
        ("POST", f"{core}/configmaps", {"metadata": {"generateName": "g-"}}, None, 201),
        ("POST", f"{core}/services", service("web"), None, 201),
        ("PUT", f"{core}/configmaps/a", configmap("a", x="2"), None, 200),
        ("PUT", f"{core}/endpoints/new", {"metadata": {"name": "new"}}, None, 201),
        ("PATCH", f"{core}/configmaps/a", {"data": {"x": "3"}}, MERGE, 200),
        ("PATCH", f"{core}/configmaps/c", applied, APPLY["Content-Type"], 201),
        ("PUT", f"{apps}/deployments/web/scale", scale, None, 200),
        ("PATCH", f"{core}/pods/web/status", status, MERGE, 200),
        ("POST", f"{core}/pods/web/binding", binding, None, 201),
        ("POST", f"{core}/pods/web/eviction", {"metadata": {"name": "web"}}, None, 201),
        ("DELETE", f"{core}/configmaps/a", None, None, 200),
        ("DELETE", f"{core}/configmaps", None, None, 200),
    )
    for method, path, body, kind, code in requests:
        media_type = kind if kind and "/" in kind else f"application/{kind}+json"
        headers = {"Content-Type": media_type} if kind else None
        answer = http(method, f"{path}?dryRun=All&fieldManager=m", body, headers)
        assert answer.status == code, (method, path, answer.body)
        if method == "POST" and path.endswith(("configmaps", "services")):
            assert answer.json()["metadata"]["uid"]
            assert answer.json()["metadata"]["name"]
    assert state() == before
    assert http.get(f"{core}/endpoints/new").status == 404


def test_dry_run_shows_what_would_be(http: Http, namespace: str) -> None:
    """Defaults and changes are in the answer."""
    core = f"/api/v1/namespaces/{namespace}"
    shown = http("POST", f"{core}/services?dryRun=All", service("web")).json()
    assert shown["spec"]["type"] == "ClusterIP"
    http.create(f"{core}/configmaps", configmap("a", x="1"))
    patched = http.patch(f"{core}/configmaps/a?dryRun=All", {"data": {"x": "2"}}).json()
    assert patched["data"] == {"x": "2"}

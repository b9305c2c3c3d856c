# SPDX-License-Identifier: Apache-2.0
"""Protobuf over HTTP: what a Go client sends and reads, against a running server."""

from __future__ import annotations

from typing import Any

import pytest
from cluster import Events, Http, Response
from objects import configmap

from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import protobuf
from pyk8s.apis import protobuf_values as values
from pyk8s.endpoints.negotiation import PROTOBUF

CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
DELETE_OPTIONS = GroupVersionKind("apps", "v1", "DeleteOptions")
# The core group's APIResourceList says no apiVersion, in JSON neither.
UNNAMED = GroupVersionKind("", "v1", "")
GO = {"Accept": f"{PROTOBUF},application/json", "Content-Type": PROTOBUF}


@pytest.fixture
def configmaps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def read(answer: Response, status: int = 200) -> Any:
    """The object in an answer that must be protobuf."""
    assert answer.content_type == PROTOBUF, answer.body
    obj = protobuf.decode(answer.body, UNNAMED)
    assert answer.status == status, obj
    return obj


def post(http: Http, path: str, obj: Any, kind: GroupVersionKind) -> Response:
    return http("POST", path, protobuf.encode(obj, kind), GO)


def test_create_get_and_update(http: Http, configmaps: str) -> None:
    """A typed client's round: what it reads is what a JSON client reads."""
    created = read(post(http, configmaps, configmap("a", x="1"), CONFIG_MAP), 201)
    assert (created["kind"], created["data"]) == ("ConfigMap", {"x": "1"})
    got = read(http("GET", f"{configmaps}/a", headers=GO))
    assert got == created == http.get(f"{configmaps}/a").json()
    got["data"]["y"] = "2"
    updated = read(http("PUT", f"{configmaps}/a", protobuf.encode(got, CONFIG_MAP), GO))
    assert updated["data"] == {"x": "1", "y": "2"}
    assert http.get(f"{configmaps}/a").json() == updated


def test_defaults_reach_a_protobuf_client(http: Http, namespace: str) -> None:
    """`kubectl create deployment`: zeros on the wire are not taken for values."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    obj = {"metadata": {"name": "web"}, "spec": spec}
    created = read(post(http, path, obj, DEPLOYMENT), 201)
    assert created == http.get(f"{path}/web").json()
    assert created["spec"]["replicas"] == 1
    assert created["spec"]["strategy"]["rollingUpdate"] == {
        "maxUnavailable": "25%",
        "maxSurge": "25%",
    }
    scale = read(http("GET", f"{path}/web/scale", headers=GO))
    assert scale == http.get(f"{path}/web/scale").json()
    scale["spec"]["replicas"] = 0
    autoscaling = GroupVersionKind("autoscaling", "v1", "Scale")
    read(http("PUT", f"{path}/web/scale", protobuf.encode(scale, autoscaling), GO))
    assert http.get(f"{path}/web").json()["spec"]["replicas"] == 0


def test_list(http: Http, configmaps: str) -> None:
    """A list, a page of it, an empty one, and metadata alone are what JSON has too."""
    empty = read(http("GET", f"{configmaps}?labelSelector=none", headers=GO))
    assert empty["items"] == []
    for name in ("a", "b", "c"):
        http.create(configmaps, configmap(name))
    for path in (configmaps, f"{configmaps}?limit=2", f"{configmaps}?resourceVersion=0"):
        for _ in range(2):
            listed, expected = read(http("GET", path, headers=GO)), http.get(path).json()
            for one in (listed, expected):
                one["metadata"].pop("continue", None)
            assert listed == expected
    transform = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = read(http("GET", configmaps, headers={"Accept": f"{PROTOBUF};{transform}"}))
    assert listed["kind"] == "PartialObjectMetadataList"
    assert {item["metadata"]["name"] for item in listed["items"]} >= {"a", "b", "c"}
    assert not any("data" in item for item in listed["items"])


def event(events: Events) -> tuple[str, Any]:
    """The next event of a protobuf watch."""
    frame = events.frame()
    parts = dict(values.scan(frame, 0, len(frame), "WatchEvent"))
    inner = dict(values.scan(parts[2], 0, len(parts[2]), "RawExtension"))
    return parts[1].decode(), protobuf.decode(inner[1])


def test_watch(http: Http, configmaps: str) -> None:
    """Frames instead of lines; the events are those of a JSON watch, to the bookmark."""
    http.create(configmaps, configmap("a"))
    path = (
        f"{configmaps}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true"
        "&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name%3Da"
    )
    with http.watch(path, f"{PROTOBUF};stream=watch") as events, http.watch(path) as lines:
        assert events.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
        for type in ("ADDED", "BOOKMARK"):
            told, expected = event(events), lines.next()
            # A message cannot tell an absent creationTimestamp from an empty one.
            if expected["object"]["metadata"].get("creationTimestamp", "") is None:
                del expected["object"]["metadata"]["creationTimestamp"]
            assert told[0] == expected["type"] == type
            if type == "ADDED":
                assert told[1] == expected["object"]
            assert told[1]["metadata"] == expected["object"]["metadata"]
        http("DELETE", f"{configmaps}/a")
        told = event(events)
        assert (told[0], told[1]["metadata"]["name"]) == ("DELETED", "a")


def test_watch_of_metadata(http: Http, configmaps: str) -> None:
    """The metadata informer's watch."""
    http.create(configmaps, configmap("a", x="1"))
    accept = f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1;stream=watch"
    with http.watch(f"{configmaps}?watch=1&fieldSelector=metadata.name%3Da", accept) as events:
        type, obj = event(events)
    assert type == "ADDED"
    assert (obj["kind"], obj["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert obj["metadata"]["name"] == "a"
    assert "data" not in obj


def test_errors_are_protobuf_too(http: Http, configmaps: str) -> None:
    """A client that asked for protobuf gets its Status so, with reason, code and details."""
    status = read(http("GET", f"{configmaps}/none", headers=GO), 404)
    assert (status["kind"], status["reason"], status["code"]) == ("Status", "NotFound", 404)
    assert status["details"] == {"name": "none", "kind": "configmaps"}
    status = read(post(http, configmaps, configmap("Not a name"), CONFIG_MAP), 422)
    assert status["details"]["causes"][0]["field"] == "metadata.name"


def test_delete_options(http: Http, configmaps: str) -> None:
    """DeleteOptions of any group are read, and the answer is protobuf."""
    http.create(configmaps, configmap("a"))
    refused = protobuf.encode({"preconditions": {"uid": "other"}}, DELETE_OPTIONS)
    assert read(http("DELETE", f"{configmaps}/a", refused, GO), 409)["reason"] == "Conflict"
    dry = protobuf.encode({"dryRun": ["All"], "propagationPolicy": "Background"}, DELETE_OPTIONS)
    assert read(http("DELETE", f"{configmaps}/a", dry, GO))["status"] == "Success"
    assert http.get(f"{configmaps}/a").status == 200
    assert read(http("DELETE", f"{configmaps}/a", headers=GO))["details"]["name"] == "a"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "must be of type ConfigMap): empty data", id="empty"),
        pytest.param(b"{}", "expected prefix [107 56 115 0]", id="json"),
        pytest.param(
            protobuf.wrap(b"\x0a\x05", CONFIG_MAP),
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF',
            id="torn",
        ),
        pytest.param(
            protobuf.wrap(b"", CONFIG_MAP._replace(kind="Secret")),
            'Secret in version "v1" cannot be handled as a ConfigMap',
            id="other-kind",
        ),
        pytest.param(
            protobuf.wrap(b"", CONFIG_MAP._replace(version="v2")),
            "the API version in the data (v2) does not match",
            id="other-version",
        ),
    ],
)
def test_a_body_that_cannot_be_read_is_400(
    http: Http, configmaps: str, body: bytes, message: str
) -> None:
    """In upstream's words, as a protobuf Status."""
    status = read(http("POST", configmaps, body, GO), 400)
    assert status["reason"] == "BadRequest"
    assert message in status["message"]


def test_patches_and_tables_are_not_protobuf(http: Http, configmaps: str) -> None:
    """A patch in protobuf is 415, its answer may be protobuf; a Table in protobuf alone is 406."""
    http.create(configmaps, configmap("a"))
    assert http("PATCH", f"{configmaps}/a", b"k8s\x00", GO).status == 415
    patch = {"data": {"x": "1"}}
    headers = {"Content-Type": "application/merge-patch+json", "Accept": PROTOBUF}
    assert read(http("PATCH", f"{configmaps}/a", patch, headers))["data"] == {"x": "1"}
    table = {"Accept": f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1"}
    assert http("GET", configmaps, headers=table).status == 406


def test_reviews(http: Http) -> None:
    """`kubectl auth whoami`: a typed client creates a review."""
    kind = GroupVersionKind("authentication.k8s.io", "v1", "SelfSubjectReview")
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    review = read(post(http, path, {"metadata": {}}, kind), 201)
    assert "system:masters" in review["status"]["userInfo"]["groups"]


@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1"])
def test_discovery(http: Http, path: str) -> None:
    """Legacy discovery documents have a protobuf form; it says what the JSON one says."""
    assert read(http("GET", path, headers=GO)) == {"apiVersion": "v1"} | http.get(path).json()

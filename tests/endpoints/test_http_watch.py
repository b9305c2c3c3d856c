# SPDX-License-Identifier: Apache-2.0
"""Watches over HTTP, in every form clients ask for."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from cluster import Http, Object
from objects import configmap, pod

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"


@pytest.fixture
def maps(namespace: str) -> str:
    """The path of this test's config maps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def version_of(http: Http, path: str) -> str:
    version: str = http.get(path).json()["metadata"]["resourceVersion"]
    return version


def test_watch_from_a_resource_version(http: Http, maps: str) -> None:
    """Every change after it, with the object at its revision; the last state when it goes."""
    created = http.create(maps, configmap("a"))
    version = created["metadata"]["resourceVersion"]
    http.patch(f"{maps}/a", {"data": {"x": "1"}})
    http("DELETE", f"{maps}/a")
    with http.watch(f"{maps}?watch=true&resourceVersion={version}") as events:
        assert events.status == 200
        assert events.headers["content-type"] == "application/json"
        modified, deleted = events.next(), events.next()
    assert (modified["type"], deleted["type"]) == ("MODIFIED", "DELETED")
    assert modified["object"]["data"] == deleted["object"]["data"] == {"x": "1"}
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in (modified, deleted)]
    assert int(version) < versions[0] < versions[1]


def test_headers_come_at_once(http: Http, maps: str) -> None:
    """The answer begins before there is an event."""
    version = version_of(http, maps)
    with http.watch(f"{maps}?watch=1&resourceVersion={version}") as events:
        assert events.status == 200
        assert events.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("query", ["", "&resourceVersion=0", "&resourceVersion="])
def test_watch_without_a_resource_version(http: Http, maps: str, query: str) -> None:
    """What is there comes as ADDED, then the changes."""
    http.create(maps, configmap("a"))
    http.get(maps)
    with http.watch(f"{maps}?watch=1{query}") as events:
        assert events.names(1) == [("ADDED", "a")]
        http.create(maps, configmap("b"))
        assert events.names(1) == [("ADDED", "b")]


def test_watch_of_one_name(http: Http, maps: str) -> None:
    """A field selector by name watches one object."""
    version = version_of(http, maps)
    query = f"watch=1&resourceVersion={version}&fieldSelector=metadata.name%3Db"
    with http.watch(f"{maps}?{query}") as events:
        for name in "abc":
            http.create(maps, configmap(name))
        http("DELETE", f"{maps}/b")
        assert events.names(2) == [("ADDED", "b"), ("DELETED", "b")]


def test_old_watch_paths(http: Http, namespace: str) -> None:
    """/watch/ in the path is a watch of the list, or of one object."""
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    version = version_of(http, maps)
    base = f"/api/v1/watch/namespaces/{namespace}/configmaps"
    with (
        http.watch(f"{base}?resourceVersion={version}") as everything,
        http.watch(f"{base}/b?resourceVersion={version}") as one,
    ):
        for name in "ab":
            http.create(maps, configmap(name))
        assert everything.names(2) == [("ADDED", "a"), ("ADDED", "b")]
        assert one.names(1) == [("ADDED", "b")]


def test_selector_transitions(http: Http, maps: str) -> None:
    """Coming into the selection is ADDED; leaving it is DELETED, with the state before."""
    version = version_of(http, maps)
    query = f"watch=1&resourceVersion={version}&labelSelector=color%3Dred"
    with http.watch(f"{maps}?{query}") as events:
        http.create(maps, configmap("a", {"color": "blue"}))
        http.patch(f"{maps}/a", {"metadata": {"labels": {"color": "red"}}})
        http.patch(f"{maps}/a", {"data": {"x": "1"}})
        left = http.patch(f"{maps}/a", {"metadata": {"labels": {"color": "blue"}}}).json()
        http.patch(f"{maps}/a", {"data": {"x": "2"}})
        http("DELETE", f"{maps}/a")
        http.create(maps, configmap("b", {"color": "red"}))
        seen = [events.next() for _ in range(4)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    gone = seen[2]["object"]
    assert gone["metadata"]["labels"] == {"color": "red"}
    assert gone["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
    assert seen[3]["object"]["metadata"]["name"] == "b"


def test_timeout_seconds(http: Http, maps: str) -> None:
    """timeoutSeconds ends the watch cleanly, with what came until then."""
    http.create(maps, configmap("a"))
    with http.watch(f"{maps}?watch=1&timeoutSeconds=1") as events:
        assert [event["type"] for event in events.rest()] == ["ADDED"]


def test_last_bookmark(http: Http, maps: str) -> None:
    """Where bookmarks are allowed, a watch whose time is up ends with one that is recent."""
    version = http.create(maps, configmap("a"))["metadata"]["resourceVersion"]
    query = f"watch=1&resourceVersion={version}&timeoutSeconds=3"
    with (
        http.watch(f"{maps}?{query}&allowWatchBookmarks=true") as events,
        http.watch(f"{maps}?{query}") as others,
    ):
        newest = http.create("/api/v1/namespaces/default/configmaps", {"metadata": LATE})
        seen = events.rest()
        assert others.rest() == []
    assert [event["type"] for event in seen] == ["BOOKMARK"]
    metadata = seen[0]["object"]["metadata"]
    assert int(metadata["resourceVersion"]) >= int(newest["metadata"]["resourceVersion"])
    assert "annotations" not in metadata


LATE = {"generateName": "late-"}


def test_other_timeout_is_ignored(http: Http, maps: str) -> None:
    """?timeout= is the client's own; only timeoutSeconds counts."""
    with http.watch(f"{maps}?watch=1&timeout=1ms") as events:
        http.create(maps, configmap("a"))
        assert events.names(1) == [("ADDED", "a")]


def initial_events(version: str = "") -> str:
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    return f"{query}&allowWatchBookmarks=true&resourceVersion={version}"


@pytest.mark.parametrize("form", ["", "0", "exact"])
def test_watch_list(http: Http, maps: str, form: str) -> None:
    """The state as ADDED events, a bookmark that ends it, then the changes."""
    for name in "ab":
        http.create(maps, configmap(name))
    version = version_of(http, maps) if form == "exact" else form
    with http.watch(f"{maps}?{initial_events(version)}") as events:
        assert events.names(2) == [("ADDED", "a"), ("ADDED", "b")]
        bookmark = events.next()
        assert bookmark["type"] == "BOOKMARK"
        obj = bookmark["object"]
        assert (obj["kind"], obj["apiVersion"]) == ("ConfigMap", "v1")
        assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(obj["metadata"]["resourceVersion"]) > 0
        http.create(maps, configmap("c"))
        assert events.names(1) == [("ADDED", "c")]


def test_watch_list_of_nothing(http: Http, maps: str) -> None:
    """An empty state ends at once with its bookmark."""
    with http.watch(f"{maps}?{initial_events()}") as events:
        assert events.next()["type"] == "BOOKMARK"


def test_watch_list_is_fresh(http: Http, maps: str) -> None:
    """The bookmark is not older than what was acknowledged before the watch."""
    for number in range(20):
        name = f"m{number}"
        version = int(http.create(maps, configmap(name))["metadata"]["resourceVersion"])
        query = f"{initial_events()}&fieldSelector=metadata.name%3D{name}"
        with http.watch(f"{maps}?{query}") as events:
            assert events.names(1) == [("ADDED", name)]
            bookmark = events.next()["object"]["metadata"]["resourceVersion"]
            assert int(bookmark) >= version


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("sendInitialEvents=true", id="no match"),
        pytest.param("resourceVersionMatch=NotOlderThan&resourceVersion=1", id="match alone"),
        pytest.param("sendInitialEvents=true&resourceVersionMatch=Exact", id="exact"),
    ],
)
def test_watch_options_that_make_no_sense(http: Http, maps: str, query: str) -> None:
    """422 before anything is streamed."""
    refused = http.get(f"{maps}?watch=1&{query}").json()
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert refused["details"]["causes"][0]["field"] == "resourceVersionMatch"


def test_table_rows(http: Http, maps: str) -> None:
    """As Tables: one row an event, the columns told once."""
    http.create(maps, configmap("a"))
    with http.watch(f"{maps}?watch=1", accept=TABLE) as events:
        first = events.next()["object"]
        http.create(maps, configmap("b", x="1"))
        second = events.next()["object"]
    assert (first["kind"], first["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [c["name"] for c in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert not second["columnDefinitions"]
    assert second["rows"][0]["cells"][:2] == ["b", 1]
    shown = second["rows"][0]["object"]
    assert (shown["kind"], shown["metadata"]["name"]) == ("PartialObjectMetadata", "b")
    assert "data" not in shown


def test_metadata_alone(http: Http, maps: str) -> None:
    """As PartialObjectMetadata, bookmarks included."""
    http.create(maps, configmap("a", x="1"))
    with http.watch(f"{maps}?{initial_events()}", accept=METADATA) as events:
        added, bookmark = events.next(), events.next()
    assert added["object"]["kind"] == bookmark["object"]["kind"] == "PartialObjectMetadata"
    assert added["object"]["metadata"]["name"] == "a"
    assert "data" not in added["object"]
    assert bookmark["type"] == "BOOKMARK"


def test_watch_across_namespaces(http: Http, maps: str, namespace: str) -> None:
    """Without a namespace in the path, events of all come."""
    version = version_of(http, maps)
    with http.watch(f"/api/v1/configmaps?watch=1&resourceVersion={version}") as events:
        http.create(maps, configmap("a"))
        assert events.next()["object"]["metadata"]["namespace"] == namespace


def test_watch_of_pods_on_a_node(http: Http, namespace: str) -> None:
    """A pod that is placed comes into the view of its node's watcher."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    node = f"node-{namespace}"
    version = version_of(http, path)
    selector = quote(f"spec.nodeName={node}")
    query = f"watch=1&resourceVersion={version}&fieldSelector={selector}"
    placed: Object = pod("placed")
    placed["spec"]["nodeName"] = node
    with http.watch(f"/api/v1/pods?{query}") as events:
        http.create(path, pod("loose"))
        http.create(path, placed)
        assert events.names(1) == [("ADDED", "placed")]


def test_each_event_is_a_line(http: Http, maps: str) -> None:
    """One JSON document a line, whatever the object holds."""
    http.create(maps, configmap("a", x="line\nbreak \u2028 end"))
    with http.watch(f"{maps}?watch=1&timeoutSeconds=1") as events:
        body = events.body()
    assert body.count(b"\n") == 1
    assert body.endswith(b"}\n")

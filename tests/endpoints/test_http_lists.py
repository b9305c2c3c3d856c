# SPDX-License-Identifier: Apache-2.0
"""Lists over HTTP: pages, selectors, resourceVersions."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from cluster import Http, Object
from objects import configmap, pod


@pytest.fixture
def maps(namespace: str) -> str:
    """The path of this test's config maps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def seven(http: Http, maps: str) -> str:
    """The path of seven config maps a to g, of which b, d and f are even."""
    for number, name in enumerate("abcdefg"):
        labels = {"parity": "even" if number % 2 else "odd"}
        http.create(maps, configmap(name, labels))
    return maps


def names(listed: Object) -> str:
    return "".join(item["metadata"]["name"] for item in listed["items"])


def test_list(http: Http, seven: str) -> None:
    """Its kind and version, the revision of the state, items by name and without their kind."""
    listed = http.get(seven).json()
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(listed) == "abcdefg"
    newest = max(int(item["metadata"]["resourceVersion"]) for item in listed["items"])
    assert int(listed["metadata"]["resourceVersion"]) >= newest
    assert all("kind" not in item for item in listed["items"])


def test_empty_list(http: Http, maps: str) -> None:
    """No items are an empty list, not null."""
    assert http.get(maps).json()["items"] == []


def test_pages(http: Http, seven: str) -> None:
    """Pages of one state: the revision stays, what remains is counted, nothing is missing."""
    first = http.get(f"{seven}?limit=3").json()
    # What comes between pages is not seen.
    http("DELETE", f"{seven}/e")
    http.create(seven, configmap("aa"))
    token = quote(first["metadata"]["continue"])
    second = http.get(f"{seven}?limit=3&continue={token}").json()
    token = quote(second["metadata"]["continue"])
    third = http.get(f"{seven}?limit=3&continue={token}").json()
    pages = [first, second, third]
    assert [names(page) for page in pages] == ["abc", "def", "g"]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1
    assert [page["metadata"].get("remainingItemCount") for page in pages] == [4, 1, None]
    assert "continue" not in third["metadata"]


def test_pages_with_a_selector(http: Http, seven: str) -> None:
    """Pages are full, and nothing is said of how many remain."""
    first = http.get(f"{seven}?limit=2&labelSelector=parity%3Deven").json()
    assert names(first) == "bd"
    assert "remainingItemCount" not in first["metadata"]
    token = quote(first["metadata"]["continue"])
    rest = http.get(f"{seven}?limit=2&labelSelector=parity%3Deven&continue={token}").json()
    assert names(rest) == "f"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("labelSelector=parity=even", "bdf", id="equal"),
        pytest.param("labelSelector=parity==even", "bdf", id="equal equal"),
        pytest.param("labelSelector=parity!=even", "aceg", id="unequal"),
        pytest.param("labelSelector=parity in (even,odd)", "abcdefg", id="in"),
        pytest.param("labelSelector=parity notin (even)", "aceg", id="notin"),
        pytest.param("labelSelector=!parity", "", id="absent"),
        pytest.param("labelSelector=parity,parity!=odd", "bdf", id="both"),
        pytest.param("fieldSelector=metadata.name=c", "c", id="name"),
        pytest.param("fieldSelector=metadata.name!=c,metadata.name!=d", "abefg", id="not names"),
        pytest.param("fieldSelector=metadata.namespace=other", "", id="namespace"),
        pytest.param("labelSelector=&fieldSelector=", "abcdefg", id="empty"),
    ],
)
def test_selectors(http: Http, seven: str, query: str, found: str) -> None:
    """Label and field selectors."""
    assert names(http.get(f"{seven}?{quote(query, safe='=&')}").json()) == found


@pytest.mark.parametrize(
    ("query", "word"),
    [
        pytest.param("fieldSelector=data.x=1", "is not a known field selector", id="field"),
        pytest.param("fieldSelector=metadata.name", "invalid selector", id="no operator"),
        pytest.param("labelSelector=a in b", "unable to parse requirement", id="label set"),
        pytest.param("labelSelector=-x=y", "unable to parse requirement", id="label key"),
        pytest.param("limit=many", "invalid syntax", id="limit"),
        pytest.param("continue=nonsense", "continue key is not valid", id="token"),
        pytest.param("timeoutSeconds=x", "invalid syntax", id="timeout"),
    ],
)
def test_bad_queries(http: Http, maps: str, query: str, word: str) -> None:
    """What cannot be read is a 400 that says what."""
    refused = http.get(f"{maps}?{quote(query, safe='=&')}").json()
    assert (refused["code"], refused["reason"]) == (400, "BadRequest")
    assert word in refused["message"]


def test_unknown_field_of_a_pod(http: Http, namespace: str) -> None:
    """Kinds with fields of their own have words of their own."""
    path = f"/api/v1/namespaces/{namespace}/pods?fieldSelector=spec.nonsense%3D1"
    refused = http.get(path).json()
    assert refused["code"] == 400
    assert "field label not supported: spec.nonsense" in refused["message"]


def test_fields_of_a_pod(http: Http, namespace: str) -> None:
    """Pods are found by node and phase."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    placed = pod("placed")
    placed["spec"]["nodeName"] = "here"
    http.create(path, placed)
    http.create(path, pod("loose"))
    for query, found in (
        ("spec.nodeName=here", "placed"),
        ("spec.nodeName=", "loose"),
        ("status.phase=Pending,spec.nodeName!=here", "loose"),
        ("status.phase=Running", ""),
        ("spec.restartPolicy=Always,spec.nodeName=here", "placed"),
    ):
        assert names(http.get(f"{path}?fieldSelector={quote(query)}").json()) == found


def test_exact_resource_version(http: Http, seven: str) -> None:
    """resourceVersionMatch=Exact lists the state as it was."""
    version = http.get(seven).json()["metadata"]["resourceVersion"]
    http("DELETE", f"{seven}/a")
    exact = f"{seven}?resourceVersion={version}&resourceVersionMatch=Exact"
    listed = http.get(exact).json()
    assert names(listed) == "abcdefg"
    assert listed["metadata"]["resourceVersion"] == version


def test_resource_version_not_older_than(http: Http, seven: str) -> None:
    """Otherwise a resourceVersion only says how old the state may be; 0 takes any."""
    version = http.get(seven).json()["metadata"]["resourceVersion"]
    http("DELETE", f"{seven}/a")
    for query in (f"resourceVersion={version}&resourceVersionMatch=NotOlderThan", ""):
        assert names(http.get(f"{seven}?{query}").json()) in ("abcdefg", "bcdefg")
    assert http.get(f"{seven}?resourceVersion=0").status == 200


def test_resource_version_of_the_future(http: Http, maps: str) -> None:
    """A state that does not come: 504 after three seconds, with the cause clients know."""
    refused = http.get(f"{maps}?resourceVersion=999999999").json()
    assert (refused["code"], refused["reason"]) == (504, "Timeout")
    assert refused["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert refused["details"]["retryAfterSeconds"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param("resourceVersionMatch=Exact", "resourceVersionMatch", id="without version"),
        pytest.param(
            "resourceVersion=0&resourceVersionMatch=Exact", "resourceVersionMatch", id="exact 0"
        ),
        pytest.param(
            "resourceVersion=1&resourceVersionMatch=Newest", "resourceVersionMatch", id="unknown"
        ),
        pytest.param("sendInitialEvents=true", "sendInitialEvents", id="initial events"),
    ],
)
def test_options_that_make_no_sense(http: Http, maps: str, query: str, field: str) -> None:
    """422 on the options, with the field."""
    refused = http.get(f"{maps}?{query}").json()
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert refused["details"]["kind"] == "ListOptions"
    assert field in [cause["field"] for cause in refused["details"]["causes"]]


def test_list_across_namespaces(http: Http, seven: str, namespace: str) -> None:
    """Without a namespace in the path, all are listed."""
    listed = http.get("/api/v1/configmaps?labelSelector=parity%3Deven").json()
    own = [i for i in listed["items"] if i["metadata"]["namespace"] == namespace]
    assert len(own) == 3

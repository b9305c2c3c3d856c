# SPDX-License-Identifier: Apache-2.0
"""Media types over HTTP: JSON, YAML, Table, metadata alone, gzip, warnings."""

from __future__ import annotations

import gzip
import json

import pytest
import yaml
from cluster import Http
from objects import configmap, pod

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@pytest.fixture
def maps(namespace: str) -> str:
    """The path of this test's config maps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def one(http: Http, maps: str) -> str:
    """The path of a config map."""
    http.create(maps, configmap("one", x="1"))
    return f"{maps}/one"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param("application/json", "application/json", id="json"),
        pytest.param("*/*", "application/json", id="anything"),
        pytest.param("application/*", "application/json", id="any application"),
        pytest.param("application/yaml", "application/yaml", id="yaml"),
        pytest.param("text/html, application/yaml;q=0.5", "application/yaml", id="second choice"),
        pytest.param("application/yaml;q=0.1,application/json", "application/json", id="quality"),
        pytest.param("application/json;as=Nothing;v=v1;g=x, */*", "application/json", id="unknown"),
    ],
)
def test_accept(http: Http, one: str, accept: str, content_type: str) -> None:
    """The best of what the client takes and the server makes."""
    answer = http.get(one, accept=accept)
    assert answer.content_type == content_type
    assert yaml.safe_load(answer.body)["data"] == {"x": "1"}


def test_no_accept_is_json(http: Http, one: str) -> None:
    """Who does not say gets JSON."""
    assert http.get(one).content_type == "application/json"


@pytest.mark.parametrize("accept", ["text/html", "application/json;as=Table;v=v9;g=meta.k8s.io"])
def test_not_acceptable(http: Http, one: str, accept: str) -> None:
    """Nothing of what the client takes can be made: 406, told in JSON."""
    answer = http.get(one, accept=accept)
    assert answer.status == 406
    assert answer.json()["reason"] == "NotAcceptable"
    assert answer.json()["message"].startswith(
        "only the following media types are accepted: application/json, application/yaml"
    )


def test_yaml_body(http: Http, maps: str) -> None:
    """A YAML body is read as such."""
    text = b"metadata:\n  name: a\ndata:\n  'on': 'yes'\n"
    answer = http("POST", maps, text, {"Content-Type": "application/yaml"})
    assert answer.status == 201
    assert answer.json()["data"] == {"on": "yes"}


def test_errors_in_yaml(http: Http, maps: str) -> None:
    """A Status too comes in the form the client asked for."""
    answer = http.get(f"{maps}/none", accept="application/yaml")
    assert answer.content_type == "application/yaml"
    assert yaml.safe_load(answer.body)["reason"] == "NotFound"


def test_table_of_a_list(http: Http, one: str, maps: str) -> None:
    """Columns, cells, and the metadata of each row's object."""
    table = http.get(maps, accept=TABLE).json()
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert int(table["metadata"]["resourceVersion"]) > 0
    columns = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert columns == [("Name", "string", 0), ("Data", "string", 0), ("Age", "string", 0)]
    row = table["rows"][0]
    assert row["cells"][:2] == ["one", 1]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "one"


@pytest.mark.parametrize(
    ("include", "kind"),
    [("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "ConfigMap")],
)
def test_what_a_table_includes(http: Http, one: str, include: str, kind: str | None) -> None:
    """includeObject says how much of the object comes with its row."""
    row = http.get(f"{one}?includeObject={include}", accept=TABLE).json()["rows"][0]
    assert (row.get("object") or {}).get("kind") == kind


def test_table_pages(http: Http, maps: str) -> None:
    """A Table is paged like the list it is made of."""
    for name in "abc":
        http.create(maps, configmap(name))
    table = http.get(f"{maps}?limit=2", accept=TABLE).json()
    assert len(table["rows"]) == 2
    assert table["metadata"]["continue"]
    assert table["metadata"]["remainingItemCount"] == 1


def test_metadata_alone(http: Http, one: str, maps: str) -> None:
    """PartialObjectMetadata of one object and of a list."""
    alone = http.get(one, accept=METADATA).json()
    assert (alone["kind"], alone["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert alone["metadata"]["name"] == "one"
    assert "data" not in alone
    listed = http.get(maps, accept=METADATA_LIST).json()
    assert listed["kind"] == "PartialObjectMetadataList"
    assert [item["metadata"]["name"] for item in listed["items"]] == ["one"]
    assert "data" not in listed["items"][0]


def test_gzip_of_what_is_large(http: Http, maps: str) -> None:
    """Above 128 KiB, and only when asked."""
    http.create(maps, configmap("big", x="x" * 200_000))
    packed = http.get(f"{maps}/big", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in http.get(f"{maps}/big").headers
    assert json.loads(gzip.decompress(packed.body)) == http.get(f"{maps}/big").json()


def test_small_answers_are_not_packed(http: Http, one: str) -> None:
    """Below that, nothing is packed."""
    assert "content-encoding" not in http.get(one, accept_encoding="gzip").headers


FAULTY = {
    "unknown": (b'{"metadata":{"name":"a"},"dat":{}}', 'unknown field "dat"'),
    "duplicate": (
        b'{"metadata":{"name":"a"},"data":{"x":"1","x":"2"}}',
        'duplicate field "data.x"',
    ),
}


@pytest.mark.parametrize("validation", ["", "Warn"])
@pytest.mark.parametrize("kind", FAULTY)
def test_field_validation_warns(http: Http, maps: str, validation: str, kind: str) -> None:
    """Unknown and duplicate fields are told in Warning headers and dropped."""
    body, sentence = FAULTY[kind]
    answer = http("POST", f"{maps}?fieldValidation={validation}", body)
    assert answer.status == 201
    quoted = sentence.replace('"', '\\"')
    assert answer.headers.get_all("warning") == [f'299 - "{quoted}"']
    assert "dat" not in answer.json()
    assert answer.json().get("data") in (None, {"x": "2"})


@pytest.mark.parametrize("kind", FAULTY)
def test_field_validation_strict(http: Http, maps: str, kind: str) -> None:
    """Strict refuses both."""
    body, sentence = FAULTY[kind]
    refused = http("POST", f"{maps}?fieldValidation=Strict", body).json()
    assert (refused["code"], refused["reason"]) == (400, "BadRequest")
    assert refused["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
        f"{sentence}"
    )


def test_field_validation_ignore(http: Http, maps: str) -> None:
    """Ignore says nothing."""
    body = b'{"metadata":{"name":"a"},"dat":{},"data":{"x":"1","x":"2"}}'
    answer = http("POST", f"{maps}?fieldValidation=Ignore", body)
    assert answer.status == 201
    assert "warning" not in answer.headers


def test_field_validation_of_a_patch(http: Http, one: str) -> None:
    """A patch is held to the same."""
    headers = {"Content-Type": "application/merge-patch+json"}
    patch = {"dat": {}}
    refused = http("PATCH", f"{one}?fieldValidation=Strict", patch, headers).json()
    assert refused["code"] == 422
    assert 'unknown field "dat"' in refused["message"]


def test_warnings_about_what_is_set(http: Http, namespace: str) -> None:
    """Deprecated fields are told too."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    old = pod("a")
    old["spec"]["nodeSelector"] = {"beta.kubernetes.io/arch": "amd64"}
    answer = http("POST", path, old)
    assert answer.status == 201
    assert "beta.kubernetes.io/arch" in (answer.headers["warning"] or "")


def test_quantities_are_canonical(http: Http, namespace: str) -> None:
    """Amounts come back in the form every client compares."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    sent = pod("a")
    sent["spec"]["containers"][0]["resources"] = {
        "limits": {"cpu": 1.5, "memory": "1.5Gi"},
        "requests": {"cpu": "0.1", "memory": "1024Mi"},
    }
    resources = http.create(path, sent)["spec"]["containers"][0]["resources"]
    assert resources == {
        "limits": {"cpu": "1500m", "memory": "1536Mi"},
        "requests": {"cpu": "100m", "memory": "1Gi"},
    }


def test_headers_of_every_answer(http: Http, one: str) -> None:
    """Answers are not cached, and can be found in an audit log."""
    answer = http.get(one)
    assert answer.headers["cache-control"] == "no-cache, private"
    assert answer.headers["audit-id"]
    assert http.get(one, audit_id="mine").headers["audit-id"] == "mine"


def test_pretty(http: Http, one: str) -> None:
    """?pretty=true prints for people."""
    assert http.get(f"{one}?pretty=true").body.startswith(b'{\n  "kind": "ConfigMap"')

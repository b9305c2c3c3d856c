# SPDX-License-Identifier: Apache-2.0
"""Bindings over HTTP: a Pod goes to a node, once."""

from __future__ import annotations

import pytest
from cluster import Http, Object
from objects import pod


@pytest.fixture
def pods(http: Http, namespace: str) -> str:
    """The path of this test's Pods, of which there is one, `web`."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    http.create(path, pod("web"))
    return path


def binding(node: str, name: str = "web", **metadata: object) -> Object:
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    return {"metadata": {"name": name, **metadata}, "target": target}


def test_binds(http: Http, pods: str) -> None:
    """The node, the annotations and labels, and a condition end up on the Pod."""
    body = binding("n1", annotations={"a": "1"}, labels={"b": "2"})
    answer = http("POST", f"{pods}/web/binding", body)
    assert answer.status == 201
    assert answer.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    }
    bound = http.get(f"{pods}/web").json()
    assert bound["spec"]["nodeName"] == "n1"
    assert (bound["metadata"]["annotations"], bound["metadata"]["labels"]) == (
        {"a": "1"},
        {"b": "2"},
    )
    (condition,) = bound["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")


def test_binds_by_the_older_way(http: Http, pods: str) -> None:
    """POST to bindings names the Pod in the body alone."""
    path = pods.removesuffix("pods") + "bindings"
    assert http("POST", path, binding("n1")).status == 201
    assert http.get(f"{pods}/web").json()["spec"]["nodeName"] == "n1"


def test_topology_labels_come_from_the_node(http: Http, pods: str) -> None:
    """Zone and region of the node go onto the Pod."""
    zone = "topology.kubernetes.io/zone"
    node = f"zoned-{pods.split('/')[4]}"
    metadata = {"name": node, "labels": {zone: "z1", "other": "x"}}
    http.create("/api/v1/nodes", {"metadata": metadata})
    http("POST", f"{pods}/web/binding", binding(node))
    assert http.get(f"{pods}/web").json()["metadata"]["labels"] == {zone: "z1"}
    http("DELETE", f"/api/v1/nodes/{node}")


def test_dry_run_binds_nothing(http: Http, pods: str) -> None:
    """The answer is that of success, the Pod stays as it was."""
    before = http.get(f"{pods}/web").json()
    assert http("POST", f"{pods}/web/binding?dryRun=All", binding("n1")).status == 201
    assert http.get(f"{pods}/web").json() == before


def test_second_binding_conflicts(http: Http, pods: str) -> None:
    """Whoever comes second learns which node it is."""
    http("POST", f"{pods}/web/binding", binding("n1"))
    answer = http("POST", f"{pods}/web/binding", binding("n2"))
    assert (answer.status, answer.json()["reason"]) == (409, "Conflict")
    assert answer.json()["message"] == (
        'Operation cannot be fulfilled on pods/binding "web": '
        'pod web is already assigned to node "n1"'
    )


def test_gated_pod_conflicts(http: Http, pods: str) -> None:
    """A Pod with scheduling gates goes nowhere."""
    gated = pod("gated")
    gated["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
    http.create(pods, gated)
    answer = http("POST", f"{pods}/gated/binding", binding("n1", "gated"))
    assert answer.status == 409
    assert "pod gated has non-empty .spec.schedulingGates" in answer.json()["message"]


def test_leaving_pod_conflicts(http: Http, pods: str) -> None:
    """A Pod that is being deleted goes nowhere either."""
    kept = pod("kept")
    kept["metadata"]["finalizers"] = ["example.com/keep"]
    http.create(pods, kept)
    http("DELETE", f"{pods}/kept")
    answer = http("POST", f"{pods}/kept/binding", binding("n1", "kept"))
    assert answer.status == 409
    assert answer.json()["message"].endswith(
        "pod kept is being deleted, cannot be assigned to a host"
    )


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param(
            binding("n1", uid="other"), 409, "Precondition failed: UID in precondition: other",
            id="uid",
        ),
        pytest.param(
            binding("n1", resourceVersion="1"),
            409,
            "Precondition failed: ResourceVersion in precondition: 1",
            id="resourceVersion",
        ),
        pytest.param(
            binding("n1", "other"),
            400,
            "name in URL does not match name in Binding object",
            id="name",
        ),
        pytest.param(
            {"metadata": {"name": "web"}, "target": {"kind": "Pod", "name": "x"}},
            500,
            'target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"',
            id="target",
        ),
    ],
)  # fmt: skip
def test_refused(http: Http, pods: str, body: Object, code: int, message: str) -> None:
    """What a Binding says of the Pod must be so."""
    answer = http("POST", f"{pods}/web/binding", body)
    assert answer.status == code
    assert message in answer.json()["message"]


def test_missing_pod(http: Http, pods: str) -> None:
    """404 for the Pod."""
    answer = http("POST", f"{pods}/none/binding", binding("n1", "none"))
    assert (answer.status, answer.json()["message"]) == (404, 'pods "none" not found')

# SPDX-License-Identifier: Apache-2.0
"""Events over HTTP: two groups, one store, two measures of what must be in an event."""

from __future__ import annotations

from typing import Any

import pytest
from cluster import ControlPlane, Http, Kubectl, Object
from objects import pod

MOMENT = "2026-01-02T03:04:05.123456Z"


@pytest.fixture
def core(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/events"


@pytest.fixture
def newer(namespace: str) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"


def of_core(namespace: str, **more: Any) -> Object:
    about = {"kind": "Pod", "name": "web", "namespace": namespace}
    return {"metadata": {"name": "e"}, "involvedObject": about, "reason": "Started", **more}


def of_events(namespace: str, **more: Any) -> Object:
    return {
        "metadata": {"name": "e"},
        "eventTime": MOMENT,
        "reportingController": "example.com/x",
        "reportingInstance": "x-1",
        "action": "Starting",
        "reason": "Started",
        "type": "Normal",
        "note": "it runs",
        "regarding": {"kind": "Pod", "name": "web", "namespace": namespace},
        **more,
    }


def test_one_store(http: Http, core: str, newer: str, namespace: str) -> None:
    """What comes in through one group is there in the other, in its words."""
    http.create(newer, of_events(namespace, series={"count": 2, "lastObservedTime": MOMENT}))
    shown = http.get(f"{core}/e").json()
    assert shown["apiVersion"] == "v1"
    assert (shown["message"], shown["involvedObject"]["name"]) == ("it runs", "web")
    assert (shown["reportingComponent"], shown["eventTime"]) == ("example.com/x", MOMENT)
    assert shown["series"] == {"count": 2, "lastObservedTime": MOMENT}
    http("DELETE", f"{core}/e")
    assert http.get(f"{newer}/e").status == 404
    http.create(core, of_core(namespace, message="it ran", count=3, source={"component": "c"}))
    shown = http.get(f"{newer}/e").json()
    assert shown["apiVersion"] == "events.k8s.io/v1"
    assert (shown["note"], shown["regarding"]["name"]) == ("it ran", "web")
    assert (shown["deprecatedCount"], shown["deprecatedSource"]) == (3, {"component": "c"})


@pytest.mark.parametrize(
    ("more", "field"),
    [
        pytest.param({"eventTime": None}, "eventTime", id="no time"),
        pytest.param({"type": "Other"}, "type", id="type"),
        pytest.param({"reportingController": ""}, "reportingController", id="nobody reports"),
        pytest.param({"action": ""}, "action", id="no action"),
        pytest.param({"reason": ""}, "reason", id="no reason"),
        pytest.param({"note": "x" * 1025}, "message", id="long note"),
        pytest.param({"deprecatedCount": 1}, "count", id="old field"),
        pytest.param(
            {"series": {"count": 1, "lastObservedTime": MOMENT}}, "series.count", id="short series"
        ),
    ],
)
def test_newer_group_is_strict(
    http: Http, newer: str, namespace: str, more: Object, field: str
) -> None:
    """An event that is not complete is refused."""
    refused = http("POST", newer, of_events(namespace, **more)).json()
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert field in [cause["field"] for cause in refused["details"]["causes"]]


def test_core_group_is_lenient(http: Http, core: str, namespace: str) -> None:
    """There it is enough that the event belongs to its object."""
    assert http.create(core, of_core(namespace))["reason"] == "Started"


def test_events_do_not_change_through_the_newer_group(
    http: Http, core: str, newer: str, namespace: str
) -> None:
    """Only their series does; the core group lets everything change."""
    http.create(newer, of_events(namespace))
    series = {"series": {"count": 2, "lastObservedTime": MOMENT}}
    assert http.patch(f"{newer}/e", series).status == 200
    refused = http.patch(f"{newer}/e", {"note": "other"}).json()
    assert refused["code"] == 422
    assert refused["details"]["causes"][0]["message"].endswith("field is immutable")
    assert http.patch(f"{core}/e", {"message": "other"}).status == 200


def test_watch_through_both_groups(http: Http, core: str, newer: str, namespace: str) -> None:
    """An event is seen in the words of the group that is watched."""
    version = http.get(core).json()["metadata"]["resourceVersion"]
    query = f"?watch=true&resourceVersion={version}"
    with http.watch(core + query) as old, http.watch(newer + query) as new:
        http.create(newer, of_events(namespace))
        assert old.next()["object"]["message"] == "it runs"
        assert new.next()["object"]["note"] == "it runs"


def test_kubectl_events(http: Http, kubectl: Kubectl) -> None:
    """`kubectl events --for` and `describe` find the events of an object."""
    kubectl("create", "-f", "-", stdin=pod("web"))
    uid = kubectl("get", "pod", "web", "-o", "jsonpath={.metadata.uid}").stdout
    about = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid}
    about |= {"namespace": kubectl.namespace}
    event = of_core(kubectl.namespace, message="it runs", type="Normal", count=1)
    event |= {"lastTimestamp": "2026-01-02T03:04:05Z", "involvedObject": about}
    http.create(f"/api/v1/namespaces/{kubectl.namespace}/events", event)
    assert "it runs" in kubectl("events", "--for=pod/web").stdout
    assert "it runs" in kubectl("describe", "pod", "web").stdout


def test_server_is_present(http: Http, control_plane: ControlPlane) -> None:
    """The running server has its Lease, and is what Service kubernetes leads to."""
    selector = "apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver"
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases?labelSelector={selector}"
    (lease,) = http.get(path).json()["items"]
    assert lease["metadata"]["name"].startswith("apiserver-")
    found = http.get("/api/v1/namespaces/default/endpoints/kubernetes").json()
    (subset,) = found["subsets"]
    assert len(subset["addresses"]) == 1
    assert subset["ports"][0]["port"] == control_plane.access.port

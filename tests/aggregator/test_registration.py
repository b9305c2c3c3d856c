# SPDX-License-Identifier: Apache-2.0
"""The server registers the groups it serves itself."""

from __future__ import annotations

from cluster import Http, Kubectl
from registering import API_SERVICES, condition

from pyk8s.aggregator import registration
from pyk8s.apimachinery.gvk import GroupVersion
from pyk8s.apis import scheme


def test_local_groups(http: Http) -> None:
    """Each group version has an APIService but the registration's own, with its priorities."""
    found = {
        obj["metadata"]["name"]: obj
        for obj in http("GET", API_SERVICES).json()["items"]
        if "service" not in obj["spec"]
    }
    expected = {
        f"{gv.version}.{gv.group}"
        for gv in scheme.builtin().group_versions
        if gv.group != "apiregistration.k8s.io"
    }
    assert set(found) == expected
    apps = found["v1.apps"]
    assert apps["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    assert apps["spec"] == {
        "group": "apps",
        "version": "v1",
        "groupPriorityMinimum": 17800,
        "versionPriority": 15,
    }
    local = condition(http, "v1.apps")
    assert (local["status"], local["reason"]) == ("True", "Local")
    assert local["message"] == "Local APIServices are always available"


def test_table(kubectl: Kubectl) -> None:
    """kubectl shows what is local, and that it is available."""
    words = kubectl("get", "apiservices", "v1.apps").words
    assert words[0] == ["NAME", "SERVICE", "AVAILABLE", "AGE"]
    assert words[1][:3] == ["v1.apps", "Local", "True"]


def test_group_without_a_place() -> None:
    """A group version that is in no order is not registered."""
    assert registration.desired(GroupVersion("apiregistration.k8s.io", "v1")) is None
    assert registration.desired(GroupVersion("apps", "v9")) is None


def test_order_of_the_table() -> None:
    """Every built-in group has a place, and they stand in their order."""
    groups = [group for group in scheme.builtin().groups if group != "apiregistration.k8s.io"]
    assert list(scheme.PRIORITIES) == groups
    priorities = [priority for priority, _ in scheme.PRIORITIES.values()]
    assert priorities == sorted(priorities, reverse=True)

# SPDX-License-Identifier: Apache-2.0
"""The discovery documents are those of kube-apiserver, and follow the resources given."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import GroupVersion, GroupVersionKind
from pyk8s.apis import discovery, scheme

ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def resources() -> tuple[scheme.Resource, ...]:
    return scheme.builtin().resources


def entry(group_version: GroupVersion, name: str) -> dict[str, Any]:
    document = discovery.api_resource_list(group_version, resources())
    return next(r for r in document["resources"] if r["name"] == name)


# Published in upstream's api/discovery/api__v1.json, and by every server of the last years.
@pytest.mark.parametrize(
    ("api_version", "name", "expected"),
    [
        pytest.param("v1", "pods", "xPOwRZ+Yhw8=", id="pods"),
        pytest.param("v1", "services", "0/CO1lhkEBI=", id="services"),
        pytest.param("v1", "configmaps", "qFsyl6wFWjQ=", id="configmaps"),
        pytest.param("v1", "endpoints", "fWeeMqaN/OA=", id="endpoints"),
        pytest.param("v1", "nodes", "XwShjMxG9Fs=", id="nodes"),
        pytest.param("v1", "events", "r2yiGXH7wu8=", id="events"),
        pytest.param("events.k8s.io/v1", "events", "r2yiGXH7wu8=", id="events, one store"),
        pytest.param("apps/v1", "deployments", "8aSe+NMegvE=", id="deployments"),
    ],
)
def test_storage_version_hash(api_version: str, name: str, expected: str) -> None:
    """The hash of the stored version is the one that upstream publishes."""
    group, _, version = api_version.rpartition("/")
    assert entry(GroupVersion(group, version), name)["storageVersionHash"] == expected


def test_versions_of_the_legacy_group() -> None:
    """/api names v1 and the server's address."""
    assert discovery.api_versions("10.0.0.1:6443") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}
        ],
    }


def test_group_list() -> None:
    """/apis lists the 21 groups by priority, without the legacy one."""
    document = discovery.api_group_list(resources())
    assert [group["name"] for group in document["groups"]] == list(scheme.builtin().groups[1:])
    assert len(document["groups"]) == 21
    assert document["apiVersion"] == "v1"


def test_group_prefers_its_highest_version() -> None:
    """/apis/autoscaling lists v2 before v1 and prefers it."""
    assert discovery.api_group("autoscaling", resources()) == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "autoscaling",
        "versions": [
            {"groupVersion": "autoscaling/v2", "version": "v2"},
            {"groupVersion": "autoscaling/v1", "version": "v1"},
        ],
        "preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"},
    }
    with pytest.raises(KeyError):
        discovery.api_group("nothing.example", resources())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "pods",
            {
                "name": "pods",
                "singularName": "pod",
                "namespaced": True,
                "kind": "Pod",
                "verbs": ALL_VERBS,
                "shortNames": ["po"],
                "categories": ["all"],
                "storageVersionHash": "xPOwRZ+Yhw8=",
            },
            id="resource",
        ),
        pytest.param(
            "pods/eviction",
            {
                "name": "pods/eviction",
                "singularName": "",
                "namespaced": True,
                "group": "policy",
                "version": "v1",
                "kind": "Eviction",
                "verbs": ["create"],
            },
            id="subresource of a foreign kind",
        ),
        pytest.param(
            "pods/exec",
            {
                "name": "pods/exec",
                "singularName": "",
                "namespaced": True,
                "kind": "PodExecOptions",
                "verbs": ["create", "get"],
            },
            id="connect",
        ),
        pytest.param(
            "bindings",
            {
                "name": "bindings",
                "singularName": "binding",
                "namespaced": True,
                "kind": "Binding",
                "verbs": ["create"],
            },
            id="not stored",
        ),
    ],
)
def test_entries_of_the_legacy_list(name: str, expected: dict[str, Any]) -> None:
    """Entries of /api/v1 equal upstream's, keys in its order."""
    found = entry(GroupVersion("", "v1"), name)
    assert found == expected
    assert list(found) == list(expected)


def test_resources_are_sorted_by_path() -> None:
    """/api/v1 lists its 39 resources and subresources sorted, and has no apiVersion."""
    document = discovery.api_resource_list(GroupVersion("", "v1"), resources())
    names = [r["name"] for r in document["resources"]]
    assert names == sorted(names)
    assert len(names) == 39
    assert "apiVersion" not in document
    grouped = discovery.api_resource_list(GroupVersion("apps", "v1"), resources())
    assert (grouped["apiVersion"], grouped["groupVersion"]) == ("v1", "apps/v1")


def test_aggregated_groups() -> None:
    """The aggregated /apis holds all groups, versions and 55 resources; /api the legacy group."""
    groups = discovery.aggregated(resources(), legacy=False)
    assert groups["apiVersion"] == "apidiscovery.k8s.io/v2"
    assert [item["metadata"]["name"] for item in groups["items"]] == list(
        scheme.builtin().groups[1:]
    )
    versions = [version for item in groups["items"] for version in item["versions"]]
    assert len(versions) == 22
    assert {version["freshness"] for version in versions} == {"Current"}
    core = discovery.aggregated(resources(), legacy=True, version="v2beta1")
    assert core["apiVersion"] == "apidiscovery.k8s.io/v2beta1"
    (item,) = core["items"]
    assert item["metadata"] == {}
    count = sum(len(version["resources"]) for version in versions)
    assert (count, len(item["versions"][0]["resources"])) == (55, 17)


def test_aggregated_entry() -> None:
    """An aggregated entry equals upstream's: only foreign kinds name their group and version."""
    groups = discovery.aggregated(resources(), legacy=False)
    apps = next(item for item in groups["items"] if item["metadata"]["name"] == "apps")
    deployments = apps["versions"][0]["resources"][2]
    assert deployments == {
        "resource": "deployments",
        "responseKind": {"group": "", "version": "", "kind": "Deployment"},
        "scope": "Namespaced",
        "singularResource": "deployment",
        "verbs": ALL_VERBS,
        "shortNames": ["deploy"],
        "categories": ["all"],
        "subresources": [
            {
                "subresource": "scale",
                "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
                "verbs": ["get", "patch", "update"],
            },
            {
                "subresource": "status",
                "responseKind": {"group": "", "version": "", "kind": "Deployment"},
                "verbs": ["get", "patch", "update"],
            },
        ],
    }


def test_custom_resources_appear() -> None:
    """A resource of another group joins every document, after the built-in groups."""
    widget = scheme.Resource(
        group="example.com",
        version="v1",
        resource="widgets",
        kind="Widget",
        singular="widget",
        namespaced=False,
        verbs=("get",),
        short_names=("wd",),
        subresources=MappingProxyType({}),
        storage_version=GroupVersionKind("example.com", "v1", "Widget"),
        storage_prefix="example.com/widgets",
    )
    served = [widget, *resources()]
    assert discovery.api_group_list(served)["groups"][-1]["name"] == "example.com"
    assert discovery.aggregated(served, legacy=False)["items"][-1]["versions"] == [
        {
            "version": "v1",
            "resources": [
                {
                    "resource": "widgets",
                    "responseKind": {"group": "", "version": "", "kind": "Widget"},
                    "scope": "Cluster",
                    "singularResource": "widget",
                    "verbs": ["get"],
                    "shortNames": ["wd"],
                }
            ],
            "freshness": "Current",
        }
    ]


def test_etag_follows_the_content() -> None:
    """Equal documents have equal tags, quoted; another document has another."""
    document = codec.encode_json(discovery.aggregated(resources(), legacy=False))
    again = codec.encode_json(discovery.aggregated(resources(), legacy=False))
    assert discovery.etag(document) == discovery.etag(again)
    assert discovery.etag(document) != discovery.etag(b"{}")
    assert len(discovery.etag(document)) == 130

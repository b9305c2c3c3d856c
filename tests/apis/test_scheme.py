# SPDX-License-Identifier: Apache-2.0
"""The scheme equals the release: derived again from two clients, and upstream's hand facts."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pyk8s.apimachinery.gvk import (
    GroupVersion,
    GroupVersionKind,
    GroupVersionResource,
)
from pyk8s.apis import scheme

LIGHTKUBE_VERBS = {"post": "create", "put": "update", "global_list": "list"}
CONNECT = {"attach", "exec", "log", "portforward", "proxy"}


def test_table_is_what_the_client_says(routes: Any, client_operations: tuple[Any, ...]) -> None:
    """The committed routes are those derived from the official client's source."""
    assert routes.TABLE.read_text() == routes.table(client_operations)


def test_counts_of_the_release(client_operations: tuple[Any, ...]) -> None:
    """The release serves 23 group versions, 72 resources, 49 subresources."""
    builtin = scheme.builtin()
    assert len(builtin.group_versions) == 23
    assert len(builtin.resources) == 72
    assert sum(len(resource.subresources) for resource in builtin.resources) == 49
    assert len(client_operations) == 656


def lightkube_rows() -> set[tuple[str, ...]]:
    """Every generally available resource and subresource of lightkube-models, read from source:
    its modules need lightkube itself to be imported."""
    spec = importlib.util.find_spec("lightkube.resources")
    assert spec
    assert spec.submodule_search_locations
    directory = Path(spec.submodule_search_locations[0])
    return {
        lightkube_row({word.arg: word.value for word in node.keywords})
        for path in directory.glob("*_v?.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "res.ApiInfo"
    }


def lightkube_row(info: dict[str | None, Any]) -> tuple[str, ...]:
    resource = [ast.literal_eval(word) for word in info["resource"].args]
    parent = [ast.literal_eval(word) for word in info.get("parent", info["resource"]).args]
    plural = ast.literal_eval(info["plural"])
    path = f"{plural}/{ast.literal_eval(info['action'])}" if "action" in info else plural
    verbs = {LIGHTKUBE_VERBS.get(verb, verb) for verb in ast.literal_eval(info["verbs"])}
    verbs -= {"global_watch"}
    # The swagger declares watch for componentstatuses, which no server offers.
    if plural == "componentstatuses":
        verbs -= {"watch"}
    return parent[0], parent[1], path, resource[2], *sorted(verbs)


def test_lightkube_agrees() -> None:
    """A second client, generated apart, has the same resources, kinds and verbs."""
    ours = set()
    for r in scheme.builtin().resources:
        ours.add((r.group, r.version, r.resource, r.kind, *r.verbs))
        for sub in r.subresources.values():
            if sub.name not in CONNECT:
                path = f"{r.resource}/{sub.name}"
                ours.add((r.group, r.version, path, sub.kind.kind, *sub.verbs))
    theirs = {row for row in lightkube_rows() if row[2].partition("/")[2] not in CONNECT}
    assert ours == theirs


@pytest.mark.parametrize(
    ("group", "version", "resource", "prefix"),
    [
        pytest.param("", "v1", "pods", "pods", id="pods"),
        pytest.param("", "v1", "nodes", "minions", id="nodes"),
        pytest.param("", "v1", "services", "services/specs", id="services"),
        pytest.param("", "v1", "endpoints", "services/endpoints", id="endpoints"),
        pytest.param("", "v1", "replicationcontrollers", "controllers", id="rc"),
        pytest.param("networking.k8s.io", "v1", "ingresses", "ingress", id="ingresses"),
        pytest.param("events.k8s.io", "v1", "events", "events", id="events of the new group"),
        pytest.param(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "apiextensions.k8s.io/customresourcedefinitions",
            id="definitions of custom resources",
        ),
    ],
)
def test_storage_prefix(group: str, version: str, resource: str, prefix: str) -> None:
    """Objects are stored under upstream's keys."""
    gvr = GroupVersionResource(group, version, resource)
    assert scheme.builtin().by_resource[gvr].storage_prefix == prefix


def test_only_virtual_resources_are_not_stored() -> None:
    """Reviews, bindings and component statuses have no storage; everything else has one."""
    assert {r.resource for r in scheme.builtin().resources if not r.stored} == {
        "bindings",
        "componentstatuses",
        "localsubjectaccessreviews",
        "selfsubjectaccessreviews",
        "selfsubjectreviews",
        "selfsubjectrulesreviews",
        "subjectaccessreviews",
        "tokenreviews",
    }


def test_stores_are_shared_only_by_one_type() -> None:
    """Two resources with one prefix are stored in one version; no other prefixes overlap."""
    stored: dict[str, GroupVersionKind] = {}
    for resource in scheme.builtin().resources:
        if resource.stored:
            version = stored.setdefault(resource.storage_prefix, resource.storage_version)
            assert version == resource.storage_version
    shared = {r.storage_prefix for r in scheme.builtin().resources if r.gvk != r.storage_version}
    assert shared == {"events", "horizontalpodautoscalers"}


def test_deletes_that_return_the_object() -> None:
    """Sixteen kinds answer a final DELETE with the object."""
    assert sum(r.returns_deleted_object for r in scheme.builtin().resources) == 16


def test_kinds_of_subresources() -> None:
    """Subresources say which kind travels, also when it is of another group."""
    by_resource = scheme.builtin().by_resource
    pods = by_resource[GroupVersionResource("", "v1", "pods")].subresources
    assert pods["eviction"].kind == GroupVersionKind("policy", "v1", "Eviction")
    assert pods["log"].kind == GroupVersionKind("", "v1", "Pod")
    assert pods["exec"].kind == GroupVersionKind("", "v1", "PodExecOptions")
    assert pods["exec"].verbs == ("create", "get")
    assert pods["proxy"].verbs == ("create", "delete", "get", "patch", "update")
    accounts = by_resource[GroupVersionResource("", "v1", "serviceaccounts")].subresources
    assert accounts["token"].kind.group == "authentication.k8s.io"
    deployments = by_resource[GroupVersionResource("apps", "v1", "deployments")].subresources
    assert deployments["scale"].kind == GroupVersionKind("autoscaling", "v1", "Scale")


def test_groups_are_in_upstreams_order() -> None:
    """The legacy group is first, autoscaling prefers v2, unknown groups come last by name."""
    builtin = scheme.builtin()
    assert builtin.groups[:4] == ("", "apiregistration.k8s.io", "apps", "events.k8s.io")
    assert builtin.groups[-1] == "storagemigration.k8s.io"
    assert builtin.versions("autoscaling") == ("v2", "v1")
    assert builtin.preferred_version("autoscaling") == "v2"


def custom(group: str, version: str) -> scheme.Resource:
    return scheme.Resource(
        group=group,
        version=version,
        resource="widgets",
        kind="Widget",
        singular="widget",
        namespaced=True,
        verbs=("get", "list"),
        subresources=MappingProxyType({}),
        storage_version=GroupVersionKind(group, version, "Widget"),
        storage_prefix=f"{group}/widgets",
    )


def test_custom_resources_join_the_scheme() -> None:
    """More resources make a new scheme, with groups after the built-in ones and found by kind."""
    more = [custom("b.example", "v1alpha1"), custom("b.example", "v1"), custom("a.example", "v1")]
    joined = scheme.Scheme([*scheme.builtin().resources, *more])
    assert joined.groups[-2:] == ("a.example", "b.example")
    assert joined.versions("b.example") == ("v1", "v1alpha1")
    assert joined.by_kind[more[0].gvk] is more[0]
    assert joined.resources_of(GroupVersion("b.example", "v1")) == (more[1],)


def test_versions_sort_as_kubernetes_does() -> None:
    """GA before beta before alpha, the higher number first, other words last."""
    versions = ["v1alpha1", "foo", "v2", "v1beta2", "v10", "v1", "v1beta1", "bar", "v11alpha2"]
    assert sorted(versions, key=scheme.version_order) == [
        "v10",
        "v2",
        "v1",
        "v1beta2",
        "v1beta1",
        "v11alpha2",
        "v1alpha1",
        "bar",
        "foo",
    ]

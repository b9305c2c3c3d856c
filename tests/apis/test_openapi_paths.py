# SPDX-License-Identifier: Apache-2.0
"""The published operations are the release's: compared one by one with the official client."""

from __future__ import annotations

import re
from collections import Counter
from types import MappingProxyType
from typing import Any

import pytest

from pyk8s.apimachinery.gvk import GroupVersion, GroupVersionKind, GroupVersionResource
from pyk8s.apis import openapi_operations, openapi_paths, schemas, scheme
from pyk8s.apis.openapi_operations import Operation

WATCHES = ("watch", "watchlist")


@pytest.fixture(scope="module")
def operations() -> dict[tuple[str, str], Operation]:
    """All operations on built-in resources, by method and path."""
    found = [
        operation
        for resource in scheme.builtin().resources
        for operation in openapi_paths.of_resource(resource, schemas.definition_of)
    ]
    by_key = {(operation.method, operation.path): operation for operation in found}
    assert len(by_key) == len(found), "two operations have one method and path"
    return by_key


def client_model(definition: str) -> str:
    """The client's word for a definition, without its version prefix."""
    kind = definition.rpartition(".")[2]
    return {"string": "str", "Status": "V1Status"}.get(kind, kind)


def test_client_finds_exactly_these_operations(
    operations: dict[tuple[str, str], Operation], client_operations: tuple[Any, ...]
) -> None:
    """The 656 operations of the client are there and, watches apart, no other."""
    mine = {key for key, operation in operations.items() if operation.action not in WATCHES}
    theirs = {(operation.method.lower(), operation.path) for operation in client_operations}
    assert mine == theirs
    assert len(theirs) == 656


def test_ids_queries_and_answers_are_the_clients(
    operations: dict[tuple[str, str], Operation], client_operations: tuple[Any, ...]
) -> None:
    """Each operation has the client's id, query parameters and model."""
    for theirs in client_operations:
        mine = operations[theirs.method.lower(), theirs.path]
        group, version = re.match(r"/apis/([^/]+)/([^/]+)", theirs.path), "v1"
        group_version = GroupVersion(*group.groups()) if group else GroupVersion("", version)
        prefix = openapi_operations.camel(group_version)
        assert mine.id.replace(prefix, "", 1).lower() == theirs.name.replace("_", "")
        queries = {p.name for p in mine.parameters if p.location == "query"}
        assert queries == set(theirs.queries), mine.id
        # The client calls a Status that may be an object an object.
        model = "V1Status" if theirs.model == "object" else theirs.model
        assert model.endswith(client_model(mine.responses[200])), mine.id


def test_ids_are_unique(operations: dict[tuple[str, str], Operation]) -> None:
    """No operation id is given twice."""
    counts = Counter(operation.id for operation in operations.values())
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(
    ("method", "path", "id", "action", "kind"),
    [
        pytest.param(
            "get",
            "/api/v1/pods",
            "listCoreV1PodForAllNamespaces",
            "list",
            ("", "v1", "Pod"),
            id="list in all namespaces",
        ),
        pytest.param(
            "delete",
            "/api/v1/namespaces/{namespace}/pods",
            "deleteCoreV1CollectionNamespacedPod",
            "deletecollection",
            ("", "v1", "Pod"),
            id="delete a collection",
        ),
        pytest.param(
            "post",
            "/api/v1/namespaces/{namespace}/pods/{name}/eviction",
            "createCoreV1NamespacedPodEviction",
            "post",
            ("policy", "v1", "Eviction"),
            id="a subresource of a foreign kind",
        ),
        pytest.param(
            "put",
            "/api/v1/namespaces/{namespace}/pods/{name}/proxy/{path}",
            "connectCoreV1PutNamespacedPodProxyWithPath",
            "connect",
            ("", "v1", "PodProxyOptions"),
            id="connect",
        ),
        pytest.param(
            "patch",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}",
            "patchRbacAuthorizationV1ClusterRole",
            "patch",
            ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
            id="a dotted group",
        ),
        pytest.param(
            "get",
            "/apis/apps/v1/watch/namespaces/{namespace}/deployments/{name}",
            "watchAppsV1NamespacedDeployment",
            "watch",
            ("apps", "v1", "Deployment"),
            id="the old way to watch one",
        ),
        pytest.param(
            "get",
            "/apis/apps/v1/watch/deployments",
            "watchAppsV1DeploymentListForAllNamespaces",
            "watchlist",
            ("apps", "v1", "Deployment"),
            id="the old way to watch all",
        ),
    ],
)
def test_operation(
    operations: dict[tuple[str, str], Operation],
    method: str,
    path: str,
    id: str,
    action: str,
    kind: tuple[str, str, str],
) -> None:
    """Id, action and kind of an operation are upstream's."""
    operation = operations[method, path]
    assert (operation.id, operation.action, operation.kind) == (id, action, kind)


def test_patch_media(operations: dict[tuple[str, str], Operation]) -> None:
    """JSON patch comes first, for clients that take the first; strategic merge is among them."""
    patch = operations["patch", "/api/v1/namespaces/{namespace}/pods/{name}"]
    assert patch.consumes == (
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/apply-patch+cbor",
    )


def test_component_statuses_are_not_watched(
    operations: dict[tuple[str, str], Operation],
) -> None:
    """What cannot be watched has no path under /watch."""
    assert not [path for _, path in operations if "watch/componentstatuses" in path]


def custom_resource() -> scheme.Resource:
    gvk = GroupVersionKind("stable.example.com", "v1", "CronTab")
    return scheme.Resource(
        group=gvk.group,
        version=gvk.version,
        resource="crontabs",
        kind=gvk.kind,
        singular="crontab",
        namespaced=True,
        verbs=scheme.builtin().by_resource[GroupVersionResource("", "v1", "pods")].verbs,
        subresources=MappingProxyType(
            {
                "status": scheme.Subresource(
                    name="status", kind=gvk, verbs=("get", "patch", "update")
                )
            }
        ),
        storage_version=gvk,
        storage_prefix="stable.example.com/crontabs",
    )


def test_custom_resources_have_no_compiled_formats() -> None:
    """A custom resource speaks JSON and YAML, and knows no strategic merge patch."""

    def name_of(gvk: GroupVersionKind) -> str:
        return f"com.example.stable.v1.{gvk.kind}"

    found = {
        (operation.method, operation.path): operation
        for operation in openapi_paths.of_resource(custom_resource(), name_of)
    }
    prefix = "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs"
    patch = found["patch", prefix + "/{name}"]
    assert patch.id == "patchStableExampleComV1NamespacedCronTab"
    assert "application/strategic-merge-patch+json" not in patch.consumes
    assert patch.produces == ("application/json", "application/yaml")
    assert found["get", prefix].responses == {200: "com.example.stable.v1.CronTabList"}
    assert ("put", prefix + "/{name}/status") in found

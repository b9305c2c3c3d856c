# SPDX-License-Identifier: Apache-2.0
"""RequestInfo, as a table of requests."""

from __future__ import annotations

import pytest

from pyk8s.endpoints import requestinfo


def resolved(method: str, target: str) -> requestinfo.RequestInfo:
    path, _, query = target.partition("?")
    return requestinfo.resolve(method, path, requestinfo.parse_query(query.encode()))


RESOURCE_REQUESTS = [
    # method, target, verb, group, version, namespace, resource, subresource, name
    ("GET", "/api/v1/namespaces", "list", "", "v1", "", "namespaces", "", ""),
    ("GET", "/api/v1/namespaces/a", "get", "", "v1", "a", "namespaces", "", "a"),
    ("PUT", "/api/v1/namespaces/a/status", "update", "", "v1", "a", "namespaces", "status", "a"),
    (
        "PUT",
        "/api/v1/namespaces/a/finalize",
        "update",
        "",
        "v1",
        "a",
        "namespaces",
        "finalize",
        "a",
    ),
    ("GET", "/api/v1/namespaces/a/pods", "list", "", "v1", "a", "pods", "", ""),
    ("GET", "/api/v1/namespaces/a/pods/", "list", "", "v1", "a", "pods", "", ""),
    ("GET", "/api/v1/namespaces/a/pods?watch=1", "watch", "", "v1", "a", "pods", "", ""),
    ("GET", "/api/v1/namespaces/a/pods?watch=false", "list", "", "v1", "a", "pods", "", ""),
    ("GET", "/api/v1/namespaces/a/pods?watch", "watch", "", "v1", "a", "pods", "", ""),
    ("GET", "/api/v1/namespaces/a/pods/p?watch=1", "get", "", "v1", "a", "pods", "", "p"),
    ("GET", "/api/v1/watch/namespaces/a/pods", "watch", "", "v1", "a", "pods", "", ""),
    ("GET", "/api/v1/watch/namespaces/a/pods/p", "watch", "", "v1", "a", "pods", "", "p"),
    ("HEAD", "/api/v1/namespaces/a/pods/p", "get", "", "v1", "a", "pods", "", "p"),
    ("POST", "/api/v1/namespaces/a/pods", "create", "", "v1", "a", "pods", "", ""),
    (
        "POST",
        "/api/v1/namespaces/a/pods/p/binding",
        "create",
        "",
        "v1",
        "a",
        "pods",
        "binding",
        "p",
    ),
    ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", "", "v1", "a", "pods", "", ""),
    ("DELETE", "/api/v1/namespaces/a/pods/p", "delete", "", "v1", "a", "pods", "", "p"),
    (
        "PATCH",
        "/apis/apps/v1/namespaces/a/deployments/d/scale",
        "patch",
        "apps",
        "v1",
        "a",
        "deployments",
        "scale",
        "d",
    ),
    (
        "GET",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
        "get",
        "rbac.authorization.k8s.io",
        "v1",
        "",
        "clusterroles",
        "",
        "system:node",
    ),
    (
        "GET",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/a%2Fb",
        "get",
        "rbac.authorization.k8s.io",
        "v1",
        "",
        "clusterroles",
        "",
        "a/b",
    ),
    (
        "GET",
        "/api/v1/pods?fieldSelector=metadata.name%3Dp",
        "list",
        "",
        "v1",
        "",
        "pods",
        "",
        "p",
    ),
]


@pytest.mark.parametrize("row", RESOURCE_REQUESTS, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_resource_request_is_read_from_method_and_path(row: tuple[str, ...]) -> None:
    """Verb, group, version, namespace, resource, subresource and name are upstream's."""
    method, target, *expected = row
    info = resolved(method, target)
    assert info.is_resource_request
    assert [
        info.verb,
        info.group,
        info.version,
        info.namespace,
        info.resource,
        info.subresource,
        info.name,
    ] == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz"]
)
def test_other_paths_are_no_resource_requests(path: str) -> None:
    """Discovery, health and unknown paths carry the HTTP method as verb."""
    info = resolved("GET", path)
    assert not info.is_resource_request
    assert info.verb == "get"


def test_the_path_of_a_proxy_request_is_kept_in_parts() -> None:
    """What follows the subresource belongs to the one who is proxied to."""
    info = resolved("GET", "/api/v1/namespaces/a/services/s:80/proxy/x/y")
    assert info.parts == ("services", "s:80", "proxy", "x", "y")

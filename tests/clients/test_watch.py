# SPDX-License-Identifier: Apache-2.0
"""The official Python client's Watch, also across a restart of the server and across a 410."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import kubernetes.client as k8s
import pytest
from cluster import ControlPlane
from kubernetes.client import ApiClient, ApiException
from kubernetes.watch import Watch
from objects import configmap, deployment
from official import close, new_client


def test_stream(api: ApiClient, namespace: str) -> None:
    """Events as models, in order, from where a list ended."""
    client = k8s.CoreV1Api(api)
    client.create_namespaced_config_map(namespace, configmap("before"))
    version = client.list_namespaced_config_map(namespace).metadata.resource_version
    client.create_namespaced_config_map(namespace, configmap("a"))
    client.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
    client.delete_namespaced_config_map("a", namespace)
    watch = Watch()
    seen = []
    for event in watch.stream(
        client.list_namespaced_config_map, namespace, resource_version=version
    ):
        assert isinstance(event["object"], k8s.V1ConfigMap)
        seen.append(event["type"])
        if event["type"] == "DELETED":
            assert event["object"].data == {"x": "1"}
            watch.stop()
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


def test_stream_without_a_version(api: ApiClient, namespace: str) -> None:
    """What is there comes first; timeout_seconds ends the stream."""
    client = k8s.AppsV1Api(api)
    client.create_namespaced_deployment(namespace, deployment("a"))
    stream = Watch().stream(client.list_namespaced_deployment, namespace, timeout_seconds=1)
    assert [(e["type"], e["object"].metadata.name) for e in stream] == [("ADDED", "a")]


def test_stream_with_bookmarks(api: ApiClient, namespace: str) -> None:
    """Initial events and the bookmark that ends them do not trouble the client."""
    client = k8s.CoreV1Api(api)
    client.create_namespaced_config_map(namespace, configmap("a"))
    stream = Watch().stream(
        client.list_namespaced_config_map,
        namespace,
        send_initial_events=True,
        resource_version_match="NotOlderThan",
        allow_watch_bookmarks=True,
        timeout_seconds=1,
    )
    assert [event["type"] for event in stream] == ["ADDED", "BOOKMARK"]


@pytest.fixture(scope="module")
def own_plane() -> Iterator[ControlPlane]:
    """A control plane whose server is restarted by these tests."""
    plane = ControlPlane("--ephemeral", "--secure-port=0", "--components=apiserver")
    yield plane
    plane.stop()


@pytest.fixture
def own_api(own_plane: ControlPlane) -> Iterator[ApiClient]:
    """A client of that control plane."""
    client = new_client(own_plane)
    yield client
    close(client)


def test_across_a_restart(own_plane: ControlPlane, own_api: ApiClient) -> None:
    """The client comes back with its last version and misses nothing."""
    client = k8s.CoreV1Api(own_api)
    writer = new_client(own_plane)
    version = client.list_namespaced_config_map("default").metadata.resource_version
    watch = Watch()
    stream = watch.stream(client.list_namespaced_config_map, "default", resource_version=version)
    k8s.CoreV1Api(writer).create_namespaced_config_map("default", configmap("before"))
    assert next(stream)["object"].metadata.name == "before"
    own_plane.restart_server(signal.SIGTERM)
    close(writer)
    writer = new_client(own_plane)
    k8s.CoreV1Api(writer).create_namespaced_config_map("default", configmap("after"))
    event = next(stream)
    assert (event["type"], event["object"].metadata.name) == ("ADDED", "after")
    stream.close()
    close(writer)


def test_across_a_410(own_plane: ControlPlane, own_api: ApiClient) -> None:
    """A version that is too old is tried again once and then told; a list helps."""
    client = k8s.CoreV1Api(own_api)
    old = client.create_namespaced_config_map("default", configmap("old"))
    client.create_namespaced_config_map("default", configmap("newer"))
    own_plane.compact()
    own_plane.restart_server(signal.SIGTERM)
    own_api.rest_client.pool_manager.clear()
    expired = Watch().stream(
        client.list_namespaced_config_map,
        "default",
        resource_version=old.metadata.resource_version,
    )
    with pytest.raises(ApiException) as refused:
        next(expired)
    assert refused.value.status == 410
    assert refused.value.reason.startswith("Expired: too old resource version")

    version = client.list_namespaced_config_map("default").metadata.resource_version
    client.create_namespaced_config_map("default", configmap("newest"))
    stream = Watch().stream(client.list_namespaced_config_map, "default", resource_version=version)
    assert next(stream)["object"].metadata.name == "newest"
    stream.close()

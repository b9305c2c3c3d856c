# SPDX-License-Identifier: Apache-2.0
"""The official Python client without types: DynamicClient, create_from_yaml, leader election."""

from __future__ import annotations

from pathlib import Path

import kubernetes.client as k8s
import pytest
import yaml
from cluster import ControlPlane
from kubernetes import dynamic, utils
from kubernetes.client import ApiClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, UnprocessibleEntityError
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from objects import configmap, deployment, service

MERGE = "application/merge-patch+json"


@pytest.fixture
def client(api: ApiClient, tmp_path: Path) -> dynamic.DynamicClient:
    """A client that has just discovered what there is."""
    return dynamic.DynamicClient(api, cache_file=str(tmp_path / "cache"))


def test_discovery(client: dynamic.DynamicClient) -> None:
    """Resources are found by kind, by group and by short name."""
    assert client.resources.get(kind="Deployment").group_version == "apps/v1"
    assert client.resources.get(api_version="v1", kind="ConfigMap").name == "configmaps"
    assert client.resources.get(short_names=["deploy"]).kind == "Deployment"
    assert client.version["kubernetes"]["gitVersion"] == "v1.37.0+pyk8s"


def test_life_of_an_object(client: dynamic.DynamicClient, namespace: str) -> None:
    """Create, get, patch, replace, list, delete."""
    maps = client.resources.get(api_version="v1", kind="ConfigMap")
    created = maps.create(body=configmap("a", {"l": "1"}, x="1"), namespace=namespace)
    assert created.metadata.uid
    patch = {"metadata": {"name": "a"}, "data": {"y": "2"}}
    patched = maps.patch(body=patch, namespace=namespace, content_type=MERGE)
    assert patched.data.to_dict() == {"x": "1", "y": "2"}
    body = patched.to_dict()
    body["data"] = {"z": "3"}
    assert maps.replace(body=body, namespace=namespace).data.to_dict() == {"z": "3"}
    listed = maps.get(namespace=namespace, label_selector="l=1")
    assert [item.metadata.name for item in listed.items] == ["a"]
    maps.delete(name="a", namespace=namespace)
    with pytest.raises(NotFoundError):
        maps.get(name="a", namespace=namespace)


def test_errors(client: dynamic.DynamicClient, namespace: str) -> None:
    """Each status code has its exception."""
    maps = client.resources.get(api_version="v1", kind="ConfigMap")
    maps.create(body=configmap("a"), namespace=namespace)
    with pytest.raises(ConflictError):
        maps.create(body=configmap("a"), namespace=namespace)
    with pytest.raises(UnprocessibleEntityError):
        maps.create(body=configmap("A B"), namespace=namespace)


def test_server_side_apply(client: dynamic.DynamicClient, namespace: str) -> None:
    """Two managers own a field each."""
    maps = client.resources.get(api_version="v1", kind="ConfigMap")
    for manager, data in (("one", {"x": "1"}), ("two", {"y": "2"})):
        body = {**configmap("a"), "data": data}
        applied = maps.server_side_apply(body=body, namespace=namespace, field_manager=manager)
    assert applied.data.to_dict() == {"x": "1", "y": "2"}
    assert [entry.manager for entry in applied.metadata.managedFields] == ["one", "two"]


def test_status_and_scale(client: dynamic.DynamicClient, namespace: str) -> None:
    """Subresources hang on their resource."""
    deployments = client.resources.get(kind="Deployment")
    deployments.create(body=deployment("a"), namespace=namespace)
    scale = deployments.scale.get(name="a", namespace=namespace)
    assert scale.spec.replicas == 1
    body = {"metadata": {"name": "a"}, "spec": {"replicas": 3}}
    deployments.scale.patch(body=body, name="a", namespace=namespace, content_type=MERGE)
    assert deployments.get(name="a", namespace=namespace).spec.replicas == 3


def test_watch(client: dynamic.DynamicClient, namespace: str) -> None:
    """Events until the timeout."""
    maps = client.resources.get(api_version="v1", kind="ConfigMap")
    maps.create(body=configmap("a"), namespace=namespace)
    events = list(maps.watch(namespace=namespace, timeout=1))
    assert [(event["type"], event["object"].metadata.name) for event in events] == [("ADDED", "a")]


def test_create_from_yaml(api: ApiClient, namespace: str, tmp_path: Path) -> None:
    """A file of several kinds."""
    path = tmp_path / "objects.yaml"
    path.write_text(yaml.safe_dump_all([configmap("a"), deployment("b"), service("c")]))
    created = utils.create_from_yaml(api, str(path), namespace=namespace)
    assert [group[0].metadata.name for group in created] == ["a", "b", "c"]


def test_create_forty_kinds_from_yaml(api: ApiClient, namespace: str) -> None:
    """The file of forty kinds goes through this client too."""
    forty = Path(__file__).parent.parent / "manifests" / "forty.yaml"
    documents = list(yaml.safe_load_all(forty.read_text()))
    cluster_scoped = {"Node", "PersistentVolume", "IngressClass", "IPAddress", "ServiceCIDR"}
    kept = [d for d in documents if d["kind"] not in cluster_scoped | OTHER_CLUSTER_SCOPED]
    utils.create_from_yaml(api, yaml_objects=kept, namespace=namespace)
    listed = k8s.CoreV1Api(api).list_namespaced_pod(namespace).items
    assert [pod.metadata.name for pod in listed] == ["forty"]


OTHER_CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "PriorityClass",
    "StorageClass",
    "CSIDriver",
    "CSINode",
    "RuntimeClass",
    "FlowSchema",
    "PriorityLevelConfiguration",
}


class _Led(Exception):
    """Ends an election once there is a leader."""


@pytest.mark.parametrize("lock_type", [LeaseLock, ConfigMapLock])
def test_leader_election(
    control_plane: ControlPlane, api: ApiClient, namespace: str, lock_type: type
) -> None:
    """One candidate takes the lock; another sees who holds it, and cannot take it."""
    k8s.Configuration.set_default(api.configuration)
    try:
        lock = lock_type("lock", namespace, "one")
        led = []
        config = electionconfig.Config(
            lock,
            lease_duration=15,
            renew_deadline=10,
            retry_period=5,
            onstarted_leading=lambda: led.append("one"),
            onstopped_leading=None,
        )
        election = leaderelection.LeaderElection(config)
        assert election.try_acquire_or_renew()
        # A renewal finds its own record.
        assert election.try_acquire_or_renew()

        other = lock_type("lock", namespace, "two")
        config = electionconfig.Config(
            other,
            lease_duration=15,
            renew_deadline=10,
            retry_period=5,
            onstarted_leading=lambda: led.append("two"),
            onstopped_leading=None,
        )
        rival = leaderelection.LeaderElection(config)
        assert not rival.try_acquire_or_renew()
        found, record = other.get("lock", namespace)
        assert found
        assert record.holder_identity == "one"
    finally:
        k8s.Configuration.set_default(None)

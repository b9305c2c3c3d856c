# SPDX-License-Identifier: Apache-2.0
"""What becomes of dependents when their owner is deleted."""

from __future__ import annotations

from typing import Any

from cluster import wait_until
from objects import deployment

from conformance import running
from conformance.client import Client, Object, Resource

_APP = {"app": "gc-test"}
_MANY = 10


def _resources(client: Client, namespace: str) -> tuple[Resource, Resource]:
    """ReplicationControllers and Pods."""
    return (
        client.resource("v1", "replicationcontrollers", namespace),
        client.resource("v1", "pods", namespace),
    )


def _delete(resource: Resource, obj: Object, policy: str) -> None:
    """That very object, and its dependents as the policy says."""
    options = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": policy,
        "preconditions": {"uid": obj["metadata"]["uid"]},
    }
    resource.delete(obj["metadata"]["name"], body=options)


def _start_controller(
    client: Client, namespace: str, name: str, replicas: int, **spec: Any
) -> Object:
    """A ReplicationController whose pods are all there and run."""
    controllers, _ = _resources(client, namespace)
    labels = {**_APP, "name": name}
    made = controllers.create(running.controller(name, replicas, labels, **spec))
    running.until_running(client, namespace, replicas, f"name={name}")
    running.until(
        controllers, name, lambda obj: obj["status"].get("replicas", 0) == replicas, "has counted"
    )
    return made


def _start_deployment(client: Client, namespace: str) -> tuple[Object, Resource, Resource]:
    deployments = client.resource("apps/v1", "deployments", namespace)
    sets = client.resource("apps/v1", "replicasets", namespace)
    made = deployments.create(deployment("simpletest", replicas=2))
    wait_until(sets.names, "there is a ReplicaSet")
    running.until_running(client, namespace, 2, "app=simpletest")
    return made, deployments, sets


def test_replica_set_goes(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Garbage collector should delete RS created by deployment when not
    orphaning [Conformance]"""
    made, deployments, sets = _start_deployment(client, namespace)
    _delete(deployments, made, "Background")
    wait_until(lambda: not sets.names(), "the ReplicaSet is gone")
    wait_until(
        lambda: not client.resource("v1", "pods", namespace).names(), "the pods are gone as well"
    )
    assert deployments.names() == []


def test_replica_set_stays(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Garbage collector should orphan RS created by deployment when
    deleteOptions.PropagationPolicy is Orphan [Conformance]"""
    made, deployments, sets = _start_deployment(client, namespace)
    _delete(deployments, made, "Orphan")
    running.until_gone(deployments, "simpletest")
    (replica_set,) = sets.list()["items"]
    assert "deletionTimestamp" not in replica_set["metadata"]
    assert not replica_set["metadata"].get("ownerReferences")
    assert len(running.until_running(client, namespace, 2, "app=simpletest")) == 2


def test_pods_go(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning
    [Conformance]"""
    controllers, pods = _resources(client, namespace)
    made = _start_controller(client, namespace, "simpletest.rc", 2)
    _delete(controllers, made, "Background")
    running.until_gone(controllers, "simpletest.rc")
    wait_until(lambda: not pods.names(), "the pods are gone")


def test_pods_stay(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options
    say so [Serial] [Conformance]"""
    controllers, pods = _resources(client, namespace)
    made = _start_controller(client, namespace, "simpletest.rc", _MANY)
    before = {pod["metadata"]["uid"] for pod in pods.list()["items"]}
    _delete(controllers, made, "Orphan")
    running.until_gone(controllers, "simpletest.rc")
    # An object that is collected afterwards shows that whoever collects has been round.
    witness = _start_controller(client, namespace, "witness", 1)
    _delete(controllers, witness, "Background")
    wait_until(lambda: not pods.names("name=witness"), "the pod of the other is gone")
    after = pods.list()["items"]
    assert {pod["metadata"]["uid"] for pod in after} == before
    assert not any(pod["metadata"].get("ownerReferences") for pod in after)


def test_owner_waits(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Garbage collector should keep the rc around until all its pods are
    deleted if the deleteOptions says so [Serial] [Conformance]"""
    controllers, pods = _resources(client, namespace)
    made = _start_controller(client, namespace, "simpletest.rc", _MANY)
    # One of them goes when the test lets it.
    name = pods.names()[0]
    pods.patch(name, {"metadata": {"finalizers": ["e2e.example.com/hold"]}})
    _delete(controllers, made, "Foreground")
    wait_until(lambda: pods.names() == [name], "one pod is left")
    waiting = controllers.get("simpletest.rc")["metadata"]
    assert waiting["finalizers"] == ["foregroundDeletion"]
    assert "deletionTimestamp" in waiting
    pods.patch(name, {"metadata": {"finalizers": None}})
    running.until_gone(controllers, "simpletest.rc")
    assert pods.names() == []


def test_two_owners(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Garbage collector should not delete dependents that have both valid
    owner and owner that's waiting for dependents to be deleted [Serial] [Conformance]"""
    controllers, pods = _resources(client, namespace)
    goes = _start_controller(client, namespace, "to-be-deleted", _MANY)
    stays = _start_controller(client, namespace, "to-stay", 0)
    names = sorted(pods.names("name=to-be-deleted"))
    reference = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "name": "to-stay",
        "uid": stays["metadata"]["uid"],
    }
    kept = names[: _MANY // 2]
    for name in kept:
        owners = pods.get(name)["metadata"]["ownerReferences"]
        pods.patch(name, {"metadata": {"ownerReferences": [*owners, reference]}})
    _delete(controllers, goes, "Foreground")
    running.until_gone(controllers, "to-be-deleted")
    left = pods.list("name=to-be-deleted")["items"]
    assert sorted(pod["metadata"]["name"] for pod in left) == kept
    for pod in left:
        assert "deletionTimestamp" not in pod["metadata"]
        (owner,) = pod["metadata"]["ownerReferences"]
        assert owner["uid"] == stays["metadata"]["uid"]


def test_circle(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Garbage collector should not be blocked by dependency circle
    [Conformance]"""
    _, pods = _resources(client, namespace)
    made = [pods.create(running.pod(f"pod{number}")) for number in (1, 2, 3)]
    for pod, owner in zip(made, [made[2], made[0], made[1]], strict=True):
        reference = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        pods.patch(pod["metadata"]["name"], {"metadata": {"ownerReferences": [reference]}})
    _delete(pods, made[0], "Foreground")
    wait_until(lambda: not pods.names(), "the circle is gone")

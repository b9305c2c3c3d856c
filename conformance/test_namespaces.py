# SPDX-License-Identifier: Apache-2.0
"""What goes with a namespace, and in which order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance import running
from conformance.client import Client, Object, Resource, refused

_FINALIZER = "e2e.example.com/finalizer"


@pytest.fixture
def namespaces(client: Client) -> Resource:
    return client.resource("v1", "namespaces")


@pytest.fixture
def doomed(client: Client, namespaces: Resource) -> Iterator[str]:
    """A namespace for the test to delete, in which pods may be made."""
    name: str = namespaces.create({"metadata": {"generateName": "nsdeletetest-"}})["metadata"][
        "name"
    ]
    yield name
    if not running.is_gone(namespaces, name):
        namespaces.delete(name)


def _again(namespaces: Resource, name: str) -> None:
    """Delete the namespace with all that is in it, and make another one of its name."""
    namespaces.delete(name)
    running.until_gone(namespaces, name)
    namespaces.create({"metadata": {"name": name}})


def test_pods_go(client: Client, namespaces: Resource, doomed: str) -> None:
    """[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a
    namespace is deleted [Conformance]"""
    running.start(client, doomed, running.pod("test-pod"))
    _again(namespaces, doomed)
    with refused(404, "NotFound"):
        client.resource("v1", "pods", doomed).get("test-pod")


def test_services_go(client: Client, namespaces: Resource, doomed: str) -> None:
    """[sig-api-machinery] Namespaces [Serial] should ensure that all services are removed when a
    namespace is deleted [Conformance]"""
    services = client.resource("v1", "services", doomed)
    ports = [{"port": 80, "targetPort": 80}]
    spec = {"selector": {"foo": "bar", "baz": "blah"}, "ports": ports}
    services.create({"metadata": {"name": "test-service"}, "spec": spec})
    _again(namespaces, doomed)
    with refused(404, "NotFound"):
        services.get("test-service")


def _says(namespace: Object, kind: str, text: str) -> bool:
    conditions = namespace["status"].get("conditions") or ()
    return any(
        (c["type"], c["status"]) == (kind, "True") and text in c["message"] for c in conditions
    )


def test_pods_first(client: Client, namespaces: Resource, doomed: str) -> None:
    """[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first
    [Conformance]"""
    pods = client.resource("v1", "pods", doomed)
    configmaps = client.resource("v1", "configmaps", doomed)
    pod = running.pod("testpod")
    pod["metadata"]["finalizers"] = [_FINALIZER]
    running.start(client, doomed, pod)
    configmaps.create({"metadata": {"name": "testcm"}})

    namespaces.delete(doomed)
    running.until(pods, "testpod", lambda obj: "deletionTimestamp" in obj["metadata"], "is going")
    # Whoever deletes has been round, and tells what it waits for.
    running.until(
        namespaces,
        doomed,
        lambda obj: _says(obj, "NamespaceFinalizersRemaining", _FINALIZER),
        "says that a finalizer remains",
    )
    assert "deletionTimestamp" not in configmaps.get("testcm")["metadata"]

    pods.patch("testpod", {"metadata": {"finalizers": None}})
    running.until_gone(pods, "testpod")
    running.until_gone(namespaces, doomed)
    with refused(404, "NotFound"):
        configmaps.get("testcm")

# SPDX-License-Identifier: Apache-2.0
"""Namespaces and quotas."""

from __future__ import annotations

from conformance import steps
from conformance.client import STRATEGIC, Client, Object, Resource, refused

FINALIZER = "e2e.example.com/fakeFinalizer"


def _namespaces(client: Client) -> Resource:
    return client.resource("v1", "namespaces")


def test_namespace_finalizer(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace
    [Conformance]"""
    namespaces = _namespaces(client)
    finalize = namespaces.subresource("finalize")

    def add(obj: Object) -> None:
        obj["spec"]["finalizers"].append(FINALIZER)

    def remove(obj: Object) -> None:
        obj["spec"]["finalizers"].remove(FINALIZER)

    _finalize(namespaces, finalize, namespace, add)
    assert namespaces.get(namespace)["spec"]["finalizers"] == ["kubernetes", FINALIZER]
    _finalize(namespaces, finalize, namespace, remove)
    assert namespaces.get(namespace)["spec"]["finalizers"] == ["kubernetes"]


def _finalize(namespaces: Resource, finalize: Resource, name: str, edit: steps.Edit) -> None:
    obj = namespaces.get(name)
    edit(obj)
    finalize.update(obj)


def test_namespace_update(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace
    [Conformance]"""

    def edit(obj: Object) -> None:
        obj["metadata"]["labels"][namespace] = "updated"

    updated = steps.change(_namespaces(client), namespace, edit)
    assert updated["metadata"]["labels"][namespace] == "updated"
    # The label that the server keeps is still there.
    assert updated["metadata"]["labels"]["kubernetes.io/metadata.name"] == namespace


def test_namespace_status(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status
    [Conformance]"""
    status = _namespaces(client).status
    assert status.get(namespace)["status"]["phase"] == "Active"
    condition = {"status": "True", "reason": "E2E", "message": "Patched by a test"}
    patch = {
        "metadata": {"annotations": {"e2e-patched-ns-status": namespace}},
        "status": {"conditions": [{"type": "StatusPatch", **condition}]},
    }
    patched = status.patch(namespace, patch)
    assert patched["metadata"]["annotations"]["e2e-patched-ns-status"] == namespace
    assert [each["type"] for each in patched["status"]["conditions"]] == ["StatusPatch"]
    assert patched["status"]["phase"] == "Active"

    def edit(obj: Object) -> None:
        obj["status"]["conditions"].append({"type": "StatusUpdate", **condition})

    updated = steps.change(status, namespace, edit)
    types = [each["type"] for each in updated["status"]["conditions"]]
    assert types == ["StatusPatch", "StatusUpdate"]
    assert _namespaces(client).get(namespace)["status"] == updated["status"]


def test_namespace_patch(client: Client, namespace: str) -> None:
    """[sig-api-machinery] Namespaces [Serial] should patch a Namespace [Conformance]"""
    namespaces = _namespaces(client)
    patch = {"metadata": {"labels": {"testLabel": "testValue"}}}
    namespaces.patch(namespace, patch, STRATEGIC)
    assert namespaces.get(namespace)["metadata"]["labels"]["testLabel"] == "testValue"


def test_quota(client: Client, namespace: str) -> None:
    """[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota.
    [Conformance]"""
    quotas = client.resource("v1", "resourcequotas", namespace)
    hard = {"cpu": "1", "memory": "500Mi"}
    quotas.create({"metadata": {"name": "test-quota"}, "spec": {"hard": hard}})
    assert quotas.get("test-quota")["spec"]["hard"] == hard
    hard = {"cpu": "2", "memory": "1Gi"}
    steps.change(quotas, "test-quota", lambda obj: obj["spec"].update(hard=hard))
    assert quotas.get("test-quota")["spec"]["hard"] == hard
    quotas.delete("test-quota")
    with refused(404, "NotFound"):
        quotas.get("test-quota")


def test_quota_lifecycle(client: Client, namespace: str) -> None:
    """[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota
    [Conformance]"""
    quotas = client.resource("v1", "resourcequotas", namespace)
    labels = {namespace: "created"}
    spec = {"hard": {"cpu": "1", "memory": "500Mi"}}
    quotas.create({"metadata": {"name": "e2e-rq", "labels": labels}, "spec": spec})
    assert quotas.get("e2e-rq")["spec"] == spec
    assert quotas.everywhere().names(f"{namespace}=created") == ["e2e-rq"]
    patch = {
        "metadata": {"labels": {namespace: "patched"}},
        "spec": {"hard": {"memory": "750Mi"}},
    }
    patched = quotas.patch("e2e-rq", patch, STRATEGIC)
    assert patched["metadata"]["labels"] == {namespace: "patched"}
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    quotas.delete_collection(f"{namespace}=patched")
    assert quotas.everywhere().names(f"{namespace}=patched") == []

# SPDX-License-Identifier: Apache-2.0
"""ConfigMaps, Secrets, PodTemplates, Leases, Nodes, and what is checked of a Pod."""

from __future__ import annotations

import re

from conformance import steps
from conformance.client import STRATEGIC, Client, Object, refused


def test_config_map_with_empty_key(client: Client, namespace: str) -> None:
    """[sig-node] ConfigMap should fail to create ConfigMap with empty key [Conformance]"""
    maps = client.resource("v1", "configmaps", namespace)
    with refused(422, "Invalid"):
        maps.create({"metadata": {"name": "emptykey"}, "data": {"": "value-1"}})
    assert "emptykey" not in maps.names()


def test_secret_with_empty_key(client: Client, namespace: str) -> None:
    """[sig-node] Secrets should fail to create secret due to empty secret key [Conformance]"""
    secrets = client.resource("v1", "secrets", namespace)
    with refused(422, "Invalid"):
        secrets.create({"metadata": {"name": "emptykey"}, "data": {"": "dmFsdWUtMQo="}})
    assert "emptykey" not in secrets.names()


def test_config_map_lifecycle(client: Client, namespace: str) -> None:
    """[sig-node] ConfigMap should run through a ConfigMap lifecycle [Conformance]"""
    maps = client.resource("v1", "configmaps", namespace)
    labels = f"test-configmap-static={namespace}"
    version = maps.list()["metadata"]["resourceVersion"]
    with maps.everywhere().watch(version, labels) as events:
        metadata = {"name": "test-configmap", "labels": {"test-configmap-static": namespace}}
        created = maps.create({"metadata": metadata, "data": {"valueName": "value"}})
        events.expect("ADDED", created)
        patch = {"metadata": {"labels": {"test-configmap": "patched"}}, "data": {"valueName": "1"}}
        patched = maps.patch("test-configmap", patch, STRATEGIC)
        assert steps.newer(patched, created)
        events.expect("MODIFIED", patched)
        found = maps.get("test-configmap")
        assert found["data"] == {"valueName": "1"}
        assert found["metadata"]["labels"]["test-configmap"] == "patched"
        assert maps.everywhere().names(labels) == ["test-configmap"]
        maps.delete_collection(labels)
        events.expect("DELETED", created)
    assert maps.names(labels) == []


def test_config_map_update(client: Client, namespace: str) -> None:
    """[sig-node] ConfigMap should update ConfigMap successfully [NodeConformance]
    [Conformance]"""
    maps = client.resource("v1", "configmaps", namespace)
    created = maps.create({"metadata": {"name": "configmap-test"}, "data": {"data": "data"}})
    created["data"] = {"data": "value"}
    maps.update(created)
    assert maps.get("configmap-test")["data"] == {"data": "value"}


def test_secret_patch(client: Client, namespace: str) -> None:
    """[sig-node] Secrets should patch a secret [Conformance]"""
    secrets = client.resource("v1", "secrets", namespace)
    labels = f"testsecret-constant={namespace}"
    metadata = {"name": "test-secret", "labels": {"testsecret-constant": namespace}}
    secrets.create({"metadata": metadata, "data": {"key": "dmFsdWU="}, "type": "Opaque"})
    assert secrets.everywhere().names(labels) == ["test-secret"]
    patch = {"metadata": {"labels": {"testsecret": "true"}}, "data": {"key": "dmFsdWUx"}}
    secrets.patch("test-secret", patch, STRATEGIC)
    found = secrets.get("test-secret")
    assert found["data"] == {"key": "dmFsdWUx"}
    assert found["metadata"]["labels"] == {"testsecret-constant": namespace, "testsecret": "true"}
    secrets.delete_collection(labels)
    assert secrets.everywhere().names(labels) == []


def _template(image: str = "nginx") -> Object:
    return {"template": {"spec": {"containers": [{"name": "nginx", "image": image}]}}}


def test_pod_templates(client: Client, namespace: str) -> None:
    """[sig-node] PodTemplates should run the lifecycle of PodTemplates [Conformance]"""
    templates = client.resource("v1", "podtemplates", namespace)
    labels = f"podtemplate-static={namespace}"
    assert templates.everywhere().names(labels) == []
    metadata = {"name": "nginx-pod-template", "labels": {"podtemplate-static": namespace}}
    created = templates.create({"metadata": metadata, **_template()})
    assert templates.get("nginx-pod-template") == created
    patch = {"metadata": {"labels": {"podtemplate": "patched"}}}
    patched = templates.patch("nginx-pod-template", patch, STRATEGIC)
    assert steps.newer(patched, created)
    found = templates.get("nginx-pod-template")
    assert found["metadata"]["labels"]["podtemplate"] == "patched"
    templates.delete("nginx-pod-template")
    assert templates.everywhere().names(labels) == []


def test_pod_template_collection(client: Client, namespace: str) -> None:
    """[sig-node] PodTemplates should delete a collection of pod templates [Conformance]"""
    templates = client.resource("v1", "podtemplates", namespace)
    names = [f"test-podtemplate-{number}" for number in (1, 2, 3)]
    steps.delete_a_collection(templates, _template(), names)


def test_pod_template_replaced(client: Client, namespace: str) -> None:
    """[sig-node] PodTemplates should replace a pod template [Conformance]"""
    templates = client.resource("v1", "podtemplates", namespace)
    templates.create({"metadata": {"name": "podtemplate"}, **_template()})

    def edit(obj: Object) -> None:
        obj["metadata"]["annotations"] = {"updated": "true"}
        obj["template"]["spec"]["containers"][0]["image"] = "nginx:2"

    updated = steps.change(templates, "podtemplate", edit)
    assert updated["metadata"]["annotations"] == {"updated": "true"}
    assert updated["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert templates.get("podtemplate") == updated


def test_lease(client: Client, namespace: str) -> None:
    """[sig-node] Lease lease API should be available [Conformance]"""
    leases = client.resource("coordination.k8s.io/v1", "leases", namespace)
    spec = {
        "holderIdentity": "holder",
        "leaseDurationSeconds": 30,
        "acquireTime": "2026-01-02T03:04:05.000000Z",
        "renewTime": "2026-01-02T03:04:10.000000Z",
        "leaseTransitions": 0,
    }
    created = leases.create({"metadata": {"name": "lease"}, "spec": spec})
    assert leases.get("lease")["spec"] == created["spec"] == spec

    updated_spec = {
        "holderIdentity": "holder2",
        "leaseDurationSeconds": 45,
        "acquireTime": "2026-01-02T04:04:05.000000Z",
        "renewTime": "2026-01-02T04:04:10.000000Z",
        "leaseTransitions": 1,
    }
    updated = leases.update({**created, "spec": updated_spec})
    assert leases.get("lease")["spec"] == updated_spec

    patched_spec = {**updated_spec, "holderIdentity": "holder3", "leaseDurationSeconds": 60}
    changed = {"holderIdentity": "holder3", "leaseDurationSeconds": 60}
    patched = leases.patch("lease", {"spec": changed}, STRATEGIC)
    assert steps.newer(patched, updated)
    assert leases.get("lease")["spec"] == patched_spec

    labels = {"metadata": {"name": "lease2", "labels": {"deletecollection": "true"}}}
    leases.create({**labels, "spec": {"holderIdentity": "holder"}})
    assert leases.names() == ["lease", "lease2"]
    leases.delete_collection("deletecollection=true")
    assert leases.names() == ["lease"]
    leases.delete("lease")
    with refused(404, "NotFound"):
        leases.get("lease")


def test_node(client: Client, namespace: str) -> None:
    """[sig-node] Node Lifecycle should run through the lifecycle of a node [Conformance]"""
    nodes = client.resource("v1", "nodes")
    name = f"e2e-fake-node-{namespace}"
    condition = {"type": "Ready", "status": "True", "reason": "E2E", "message": "Set from a test"}
    created = nodes.create(
        {
            "metadata": {"name": name},
            "spec": {"unschedulable": True},
            "status": {"phase": "Running", "conditions": [condition]},
        }
    )
    assert nodes.get(name)["metadata"]["name"] == created["metadata"]["name"] == name
    patched = nodes.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
    assert patched["metadata"]["labels"][name] == "patched"
    assert steps.newer(patched, created)
    assert nodes.names(f"{name}=patched") == [name]
    updated = steps.change(
        nodes, name, lambda obj: obj["metadata"]["labels"].update({name: "updated"})
    )
    assert updated["metadata"]["labels"][name] == "updated"
    nodes.delete(name)
    with refused(404, "NotFound"):
        nodes.get(name)


def _pod(name: str, **container: object) -> Object:
    containers = [{"name": "agnhost", "image": "agnhost", **container}]
    return {"metadata": {"name": name}, "spec": {"containers": containers}}


def test_quality_of_service(client: Client, namespace: str) -> None:
    """[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource
    requests and limits for memory and cpu [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    amounts = {"cpu": "100m", "memory": "100Mi"}
    pods.create(_pod("pod-qos-class", resources={"limits": amounts, "requests": amounts}))
    assert pods.get("pod-qos-class")["status"]["qosClass"] == "Guaranteed"


def test_invalid_sysctls(client: Client, namespace: str) -> None:
    """[sig-node] Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls
    [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    pod = _pod("sysctl")
    names = ("foo-", "kernel.shmmax", "safe-and-unsafe", "bar..")
    sysctls = [{"name": name, "value": "100000000"} for name in names]
    pod["spec"]["securityContext"] = {"sysctls": sysctls}
    with refused(422, "Invalid") as refusal:
        pods.create(pod)
    # The valid one is not complained of.
    assert [name for name in names if f'Invalid value: "{name}"' in refusal.message] == [
        "foo-",
        "bar..",
    ]
    assert "kernel.shmmax" not in re.findall(r'"([^"]+)"', refusal.message)

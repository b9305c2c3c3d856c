# SPDX-License-Identifier: Apache-2.0
"""ServiceAccounts and their tokens."""

from __future__ import annotations

import re
from typing import Any

import kubernetes.client as k8s
from cluster import Kubectl, wait_until

from conformance import steps
from conformance.client import STRATEGIC, Client, Object

_BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"
_MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_token(client: Client, namespace: str) -> None:
    """[sig-auth] ServiceAccounts should create a serviceAccountToken and ensure a successful
    TokenReview [Conformance]"""
    core = k8s.CoreV1Api(client.api)
    account = k8s.V1ServiceAccount(metadata=k8s.V1ObjectMeta(name="e2e"))
    made = core.create_namespaced_service_account(namespace, account)
    spec = k8s.V1TokenRequestSpec(audiences=[])
    request = k8s.AuthenticationV1TokenRequest(spec=spec)
    issued = core.create_namespaced_service_account_token("e2e", namespace, request)
    token = issued.status.token
    assert token

    review = k8s.V1TokenReview(spec=k8s.V1TokenReviewSpec(token=token))
    status = k8s.AuthenticationV1Api(client.api).create_token_review(review).status
    assert status.authenticated is True
    assert not status.error
    assert status.user.username == f"system:serviceaccount:{namespace}:e2e"
    assert status.user.uid == made.metadata.uid
    groups = {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    assert {*groups, "system:authenticated"} == set(status.user.groups)


def test_account(client: Client, namespace: str) -> None:
    """[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount
    [Conformance]"""
    accounts = client.resource("v1", "serviceaccounts", namespace)
    labels = f"test-serviceaccount-static={namespace}"
    version = accounts.list()["metadata"]["resourceVersion"]
    with accounts.watch(version, labels) as events:
        metadata = {
            "name": "testserviceaccount",
            "labels": {"test-serviceaccount-static": namespace},
        }
        created = accounts.create({"metadata": metadata})
        events.expect("ADDED", created)
        patch = {"automountServiceAccountToken": False}
        patched = accounts.patch("testserviceaccount", patch, STRATEGIC)
        assert steps.newer(patched, created)
        events.expect("MODIFIED", patched)
        (found,) = accounts.everywhere().list(labels)["items"]
        assert found["automountServiceAccountToken"] is False
        accounts.delete_collection(labels)
        events.expect("DELETED", created)
    assert accounts.everywhere().names(labels) == []


def test_account_update(client: Client, namespace: str) -> None:
    """[sig-auth] ServiceAccounts should update a ServiceAccount [Conformance]"""
    accounts = client.resource("v1", "serviceaccounts", namespace)
    accounts.create({"metadata": {"name": "e2e"}, "automountServiceAccountToken": False})
    updated = steps.change(
        accounts, "e2e", lambda obj: obj.update(automountServiceAccountToken=True)
    )
    assert updated["automountServiceAccountToken"] is True
    assert accounts.get("e2e") == updated


def _bare(name: str, account: str, **spec: Any) -> Object:
    """A pod that sleeps."""
    container = {"name": "test", "image": _BUSYBOX, "command": ["sleep", "100000"]}
    given = {"serviceAccountName": account, "containers": [container], **spec}
    return {
        "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 0, "restartPolicy": "Never", **given},
    }


def _running(client: Client, namespace: str, pod: Object) -> str:
    pods = client.resource("v1", "pods", namespace)
    name: str = pods.create(pod)["metadata"]["name"]
    wait_until(lambda: pods.get(name)["status"]["phase"] == "Running", f"pod {name} is Running")
    return name


def test_mounted_token(client: Client, namespace: str, kubectl: Kubectl) -> None:
    """[sig-auth] ServiceAccounts should mount an API token into pods [Conformance]"""
    client.resource("v1", "serviceaccounts", namespace).create({"metadata": {"name": "mount-test"}})
    name = _running(client, namespace, _bare("pod-service-account", "mount-test"))
    token, ca, where = (
        kubectl("exec", name, "--container=test", "--", "cat", f"{_MOUNT_PATH}/{file}").stdout
        for file in ("token", "ca.crt", "namespace")
    )
    root_ca = client.resource("v1", "configmaps", namespace).get("kube-root-ca.crt")
    assert ca == root_ca["data"]["ca.crt"]
    assert where == namespace
    review = k8s.V1TokenReview(spec=k8s.V1TokenReviewSpec(token=token))
    status = k8s.AuthenticationV1Api(client.api).create_token_review(review).status
    assert status.authenticated is True
    assert not status.error
    assert status.user.username == f"system:serviceaccount:{namespace}:mount-test"
    groups = {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    assert {*groups, "system:authenticated"} <= set(status.user.groups)


def test_opting_out(client: Client, namespace: str) -> None:
    """[sig-auth] ServiceAccounts should allow opting out of API token automount [Conformance]"""
    accounts = client.resource("v1", "serviceaccounts", namespace)
    accounts.create({"metadata": {"name": "mount"}, "automountServiceAccountToken": True})
    accounts.create({"metadata": {"name": "nomount"}, "automountServiceAccountToken": False})
    pods = client.resource("v1", "pods", namespace)
    said_by_account = {"default": None, "mount": True, "nomount": False}
    for account, said in said_by_account.items():
        for own in (None, True, False):
            more = {} if own is None else {"automountServiceAccountToken": own}
            pod = pods.create(_bare(f"{account}-{own}".lower(), account, **more))
            mounts = pod["spec"]["containers"][0].get("volumeMounts") or ()
            is_mounted = any(mount["mountPath"] == _MOUNT_PATH for mount in mounts)
            # The pod's word counts, then the account's.
            wanted = own if own is not None else said
            assert is_mounted is (wanted is not False), (account, own)


def test_projected_token(client: Client, namespace: str, kubectl: Kubectl) -> None:
    """[sig-auth] ServiceAccounts should mount projected service account token [Conformance]"""
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    pod = _bare("projected", "default", volumes=[{"name": "v", "projected": {"sources": [token]}}])
    mount = {"name": "v", "mountPath": "/test-volume", "readOnly": True}
    pod["spec"]["containers"][0]["volumeMounts"] = [mount]
    name = _running(client, namespace, pod)
    told = kubectl("exec", name, "--", "cat", "/test-volume/token").stdout
    assert re.fullmatch(r"[\w=-]+\.[\w=-]+\.?[\w.+/=-]*", told, re.ASCII)


def test_subject_review(client: Client, namespace: str) -> None:
    """[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]"""
    accounts = client.resource("v1", "serviceaccounts", namespace)
    uid = accounts.create({"metadata": {"name": "e2e"}})["metadata"]["uid"]
    name = f"system:serviceaccount:{namespace}:e2e"
    groups = [
        "system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}",
    ]  # fmt: skip
    attributes = k8s.V1ResourceAttributes(
        verb="list", resource="configmaps", namespace=namespace, version="v1"
    )
    spec = k8s.V1SubjectAccessReviewSpec(
        user=name, groups=groups, uid=uid, resource_attributes=attributes
    )
    authorization = k8s.AuthorizationV1Api(client.api)
    review = k8s.V1SubjectAccessReview(spec=spec)
    allowed = authorization.create_subject_access_review(review).status.allowed

    # An account's groups follow from its name.
    acting = {"Impersonate-User": name, "Impersonate-Uid": uid}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    answer = client.request("GET", path, headers=acting)
    assert answer.status in (200, 403)
    assert (answer.status == 200) is allowed
    if not allowed:
        assert f'User "{name}" cannot list resource "configmaps"' in answer.json()["message"]

    metadata = k8s.V1ObjectMeta(namespace=namespace)
    local = k8s.V1LocalSubjectAccessReview(metadata=metadata, spec=spec)
    found = authorization.create_namespaced_local_subject_access_review(namespace, local)
    assert found.status.allowed is allowed

# SPDX-License-Identifier: Apache-2.0
"""ServiceAccounts and their tokens."""

from __future__ import annotations

import kubernetes.client as k8s

from conformance import steps
from conformance.client import STRATEGIC, Client


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

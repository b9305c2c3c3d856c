# SPDX-License-Identifier: Apache-2.0
"""Discovery, the version, tables and field validation."""

from __future__ import annotations

import re

import kubernetes.client as k8s
from cluster import Kubectl

from conformance import steps
from conformance.client import Client, Object

# One resource of each version of each group that every cluster serves.
SERVED = (
    ("", "v1", "namespaces"),
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "v1", "apiservices"),
    ("apps", "v1", "deployments"),
    ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("autoscaling", "v1", "horizontalpodautoscalers"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("batch", "v1", "jobs"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("events.k8s.io", "v1", "events"),
    ("networking.k8s.io", "v1", "ingresses"),
    ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("storage.k8s.io", "v1", "csinodes"),
)
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What client-go asks for: the aggregated form if there is one, else the one of old.
PREFERABLY_AGGREGATED = f"{AGGREGATED},application/json"


def _aggregated(document: Object) -> set[tuple[str, str, str]]:
    assert (document["kind"], document["apiVersion"]) == (
        "APIGroupDiscoveryList",
        "apidiscovery.k8s.io/v2",
    )
    return {
        (group["metadata"].get("name", ""), version["version"], resource["resource"])
        for group in document["items"]
        for version in group["versions"]
        for resource in version["resources"]
    }


def test_aggregated_discovery_by_request(client: Client) -> None:
    """[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint
    Accept headers [Conformance]"""
    assert set(SERVED[1:]) <= _aggregated(client.get("/apis", AGGREGATED))
    assert set(SERVED[:1]) <= _aggregated(client.get("/api", AGGREGATED))


def test_aggregated_discovery(client: Client) -> None:
    """[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface
    [Conformance]"""
    found: set[tuple[str, str, str]] = set()
    for path in ("/api", "/apis"):
        answer = client.request("GET", path, headers={"Accept": PREFERABLY_AGGREGATED})
        assert "as=APIGroupDiscoveryList" in answer.headers["Content-Type"]
        found |= _aggregated(answer.json())
    assert set(SERVED) <= found
    # The groups that a client makes of it are those that the list of groups has.
    listed = {
        (group["name"], version["version"])
        for group in client.get("/apis")["groups"]
        for version in group["versions"]
    }
    assert {(group, version) for group, version, _ in found if group} == listed


def test_groups_and_their_resources(client: Client) -> None:
    """[sig-api-machinery] Discovery should locate the groupVersion and a resource within each
    APIGroup [Conformance]"""
    for group, version, resource in SERVED:
        group_version = f"{group}/{version}" if group else version
        document = client.get(f"/apis/{group_version}" if group else f"/api/{version}")
        assert document["groupVersion"] == group_version
        assert resource in [each["name"] for each in document["resources"]]


def test_preferred_versions(client: Client) -> None:
    """[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup
    [Conformance]"""
    groups = client.get("/apis/")["groups"]
    assert groups
    for group in groups:
        found = client.get(f"/apis/{group['name']}/")
        assert found["versions"]
        assert found["preferredVersion"] in found["versions"]


def test_custom_resource_definitions_in_discovery(client: Client) -> None:
    """[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] should
    include custom resource definition resources in discovery documents [Conformance]"""
    steps.in_discovery(client, "apiextensions.k8s.io/v1", "customresourcedefinitions")


def test_version(client: Client) -> None:
    """[sig-api-machinery] server version should find the server version [Conformance]"""
    version = k8s.VersionApi(client.api).get_code()
    assert re.fullmatch(r"[1-9][0-9]*", version.major)
    # A cluster of a vendor may write "34+".
    assert re.fullmatch(r"[0-9]+\+?", version.minor)


def test_no_table_of_a_review(client: Client) -> None:
    """[sig-api-machinery] Servers with support for Table transformation should return a 406 for a
    backend which does not implement metadata [Conformance]"""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    answer = client.request("POST", path, review, table)
    assert answer.status == 406
    assert answer.json()["reason"] == "NotAcceptable"
    assert client.request("POST", path, review).status == 201


DEPLOYMENT = """{
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "my-dep", "labels": {"app": "nginx"}%(metadata)s},
    "spec": {
        %(spec)s
        "selector": {"matchLabels": {"app": "nginx"}},
        "template": {
            "metadata": {"labels": {"app": "nginx"}},
            "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}
        }
    }
}"""


def _strictly(kubectl: Kubectl, body: str) -> str:
    """How such a Deployment is refused. The same text is taken without strictness. kubectl sends
    it as it is; the Python client would parse it."""
    path = f"/apis/apps/v1/namespaces/{kubectl.namespace}/deployments?fieldValidation="
    kubectl("create", "--raw", path + "Ignore&dryRun=All", "-f", "-", stdin=body)
    refused = kubectl("create", "--raw", path + "Strict", "-f", "-", stdin=body, status=1)
    assert refused.stderr.startswith("Error from server (BadRequest): ")
    return refused.stderr


def test_unknown_and_duplicate_fields(kubectl: Kubectl) -> None:
    """[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed
    object [Conformance]"""
    spec = '"unknownField": "foo", "replicas": 2, "replicas": 3,'
    message = _strictly(kubectl, DEPLOYMENT % {"metadata": "", "spec": spec})
    expected = 'unknown field "spec.unknownField", duplicate field "spec.replicas"'
    assert f"strict decoding error: {expected}" in message


def test_unknown_metadata(kubectl: Kubectl) -> None:
    """[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object
    [Conformance]"""
    metadata = ', "unknownMeta": "foo"'
    message = _strictly(kubectl, DEPLOYMENT % {"metadata": metadata, "spec": ""})
    assert 'strict decoding error: unknown field "metadata.unknownMeta"' in message

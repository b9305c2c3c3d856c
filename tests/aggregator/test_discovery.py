# SPDX-License-Identifier: Apache-2.0
"""Discovery lists what other servers serve beside this server's own groups."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from cluster import Http, Kubectl, Response, wait_until
from registering import API_SERVICES, NAME, await_condition, registration
from sampleserver import API_VERSION, GROUP, ROOT, VERSION, Object, SampleServer

from pyk8s.aggregator import documents
from pyk8s.aggregator.documents import Garbage
from pyk8s.apimachinery.gvk import GroupVersion

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
GROUP_VERSION = GroupVersion(GROUP, VERSION)


def aggregated(http: Http, etag: str = "") -> Response:
    headers = {"Accept": f"{AGGREGATED},application/json"}
    return http("GET", "/apis", None, {**headers, **({"If-None-Match": etag} if etag else {})})


def versions(http: Http, group: str = GROUP) -> list[Object]:
    items = aggregated(http).json()["items"]
    return next((each["versions"] for each in items if each["metadata"]["name"] == group), [])


def current(http: Http) -> Object | None:
    found = versions(http)
    return found[0] if found and found[0]["freshness"] == "Current" else None


def stale(http: Http) -> Object | None:
    found = versions(http)
    return found[0] if found and found[0]["freshness"] == "Stale" else None


def test_list_of_groups(http: Http, registered: SampleServer) -> None:
    """/apis and /apis/GROUP list the group while it is registered, by its priority."""
    names = [group["name"] for group in http("GET", "/apis").json()["groups"]]
    assert names[0] == "apiregistration.k8s.io"
    assert names[-1] == GROUP
    found = http("GET", f"/apis/{GROUP}").json()
    version = {"groupVersion": API_VERSION, "version": VERSION}
    assert found["versions"] == [version]
    assert found["preferredVersion"] == version
    assert found["kind"] == "APIGroup"
    http.patch(f"{API_SERVICES}/{NAME}", {"spec": {"groupPriorityMinimum": 17790}})

    def moved() -> bool:
        names = [group["name"] for group in http("GET", "/apis").json()["groups"]]
        return names.index(GROUP) == names.index("apps") + 1

    wait_until(moved, "the group stands by its new priority")
    http("DELETE", f"{API_SERVICES}/{NAME}")
    wait_until(lambda: http("GET", f"/apis/{GROUP}").status == 404, "the group is gone")
    assert GROUP not in [group["name"] for group in http("GET", "/apis").json()["groups"]]


def test_several_versions(http: Http, namespace: str, registered: SampleServer) -> None:
    """The versions of a group stand by versionPriority, the first is preferred."""
    obj = registered.api_service(namespace, "sample", version="v1beta1", versionPriority=300)
    obj["metadata"]["name"] = f"v1beta1.{GROUP}"
    with registration(http, obj):

        def listed() -> bool:
            found = http("GET", f"/apis/{GROUP}").json()
            names = [version["version"] for version in found["versions"]]
            return names == ["v1beta1", VERSION] and found["preferredVersion"] == {
                "groupVersion": f"{GROUP}/v1beta1",
                "version": "v1beta1",
            }

        wait_until(listed, "both versions are listed")
        # The sample server does not serve that one.
        await_condition(http, "False", "FailedDiscoveryCheck", f"v1beta1.{GROUP}")
    wait_until(
        lambda: len(http("GET", f"/apis/{GROUP}").json()["versions"]) == 1,
        "one version is left",
    )


def test_aggregated(http: Http, registered: SampleServer) -> None:
    """The aggregated document holds the other server's resources, asked for in its old form."""
    version = wait_until(lambda: current(http), "the group version is known")
    kind = {"group": "", "version": "", "kind": "Flunder"}
    assert version == {
        "version": VERSION,
        "resources": [
            {
                "resource": "flunders",
                "responseKind": kind,
                "scope": "Namespaced",
                "singularResource": "flunder",
                "verbs": ["create", "delete", "deletecollection", "get", "list", "update", "watch"],
                "shortNames": ["fl"],
                "subresources": [
                    {"subresource": "status", "responseKind": kind, "verbs": ["get", "update"]}
                ],
            }
        ],
        "freshness": "Current",
    }


def test_etag_changes(http: Http, registered: SampleServer) -> None:
    """A client that has the document keeps it while nothing changes, and no longer."""
    wait_until(lambda: current(http), "the group version is known")
    etag = aggregated(http).headers["etag"]
    assert aggregated(http, etag).status == 304
    http("DELETE", f"{API_SERVICES}/{NAME}")
    wait_until(lambda: not versions(http), "the group is gone")
    after = aggregated(http, etag)
    assert after.status == 200
    assert after.headers["etag"] != etag


def test_aggregated_document_of_the_other_server(
    http: Http, namespace: str, sample: SampleServer
) -> None:
    """A server that has the aggregated form is asked for that alone."""
    resource = {
        "resource": "fischers",
        "responseKind": {"group": "", "version": "", "kind": "Fischer"},
        "scope": "Cluster",
        "singularResource": "fischer",
        "verbs": ["get"],
    }
    document = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "items": [
            {
                "metadata": {"name": GROUP},
                "versions": [{"version": VERSION, "resources": [resource]}],
            }
        ],
    }

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Accept"].startswith(AGGREGATED)
        response = web.json_response(document)
        response.headers["Content-Type"] = AGGREGATED
        return response

    sample.instead["/apis"] = answer
    with registration(http, sample.api_service(namespace, "sample")):
        version = wait_until(lambda: current(http), "the group version is known")
    assert version["resources"] == [resource]


def test_server_that_is_gone(http: Http, namespace: str, sample: SampleServer) -> None:
    """A group whose server does not answer is listed as stale, without resources."""
    with registration(http, sample.api_service(namespace, "nobody")):
        version = wait_until(lambda: stale(http), "the group version is stale")
        assert version == {"version": VERSION, "freshness": "Stale"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"kind": "Status", "resources": []}', id="another kind"),
        pytest.param(b'{"resources": {"a": 1}}', id="no list"),
        pytest.param(b'{"resources": [{"name": 7}]}', id="no name"),
        pytest.param(b'{"resources": [{"name": "a", "verbs": "get"}]}', id="no verbs"),
    ],
)
def test_garbage(http: Http, namespace: str, sample: SampleServer, body: bytes) -> None:
    """What is no discovery document does not reach clients through this server's: the group is
    stale, and all others are as they were."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    sample.instead[ROOT] = answer
    with registration(http, sample.api_service(namespace, "sample")):
        await_condition(http, "True", "Passed")
        assert wait_until(lambda: stale(http), "the group version is stale")
        assert versions(http, "apps")[0]["freshness"] == "Current"


def test_slow_server(http: Http, namespace: str, sample: SampleServer) -> None:
    """A server that does not come to an end holds up nobody who asks this one."""
    ended = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await ended.wait()
        return web.Response()

    sample.instead["/apis"] = slow
    with registration(http, sample.api_service(namespace, "sample")):
        await_condition(http, "True", "Passed")
        assert aggregated(http).status == 200
        assert http("GET", "/apis").status == 200
        sample.call(ended.set)


def test_kubectl(kubectl: Kubectl, http: Http, registered: SampleServer) -> None:
    """kubectl knows resources of the group, by their short names too."""
    wait_until(lambda: current(http), "the group version is known")
    cache = {"KUBECACHEDIR": str(registered.directory)}
    listed = kubectl("api-resources", f"--api-group={GROUP}", "--no-headers", env=cache)
    assert listed.words == [["flunders", "fl", API_VERSION, "true", "Flunder"]]
    assert API_VERSION in kubectl("api-versions", env=cache).lines
    obj = {
        "apiVersion": API_VERSION,
        "kind": "Flunder",
        "metadata": {"name": "one", "namespace": "default"},
    }
    kubectl("create", "-n", "default", "--validate=false", "-f", "-", stdin=obj, env=cache)
    found = kubectl("get", f"flunders.{GROUP}", "-n", "default", "-o", "name", env=cache)
    assert found.stdout == f"flunder.{GROUP}/one\n"
    assert kubectl("get", "fl", "-n", "default", "--no-headers", env=cache).words[0][0] == "one"
    kubectl("delete", "fl", "one", "-n", "default", env=cache)
    assert not registered.objects


# --- documents of other servers


def resource_list(*resources: Object) -> Object:
    return {"kind": "APIResourceList", "groupVersion": API_VERSION, "resources": list(resources)}


def test_subresource_without_a_resource() -> None:
    """A resource that is listed by a subresource alone is there, without verbs or kind."""
    entry = {"name": "pods/x", "namespaced": True, "kind": "X", "verbs": ["create"]}
    version = documents.of_legacy(resource_list(entry), GROUP_VERSION)
    (found,) = version["resources"]
    assert (found["resource"], found["verbs"], found["scope"]) == ("pods", [], "Namespaced")
    assert found["responseKind"] == {"group": "", "version": "", "kind": ""}
    assert found["subresources"][0]["responseKind"]["kind"] == "X"


def test_version_that_is_not_in_the_document() -> None:
    """A server that does not list the group version serves nothing in it."""
    empty = {"version": VERSION, "resources": [], "freshness": "Current"}
    assert documents.of_aggregated({"items": []}, GROUP_VERSION) == empty


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"items": "x"}, id="items"),
        pytest.param({"items": [1]}, id="group"),
        pytest.param({"items": [{"metadata": []}, {"metadata": 1}]}, id="metadata"),
    ],
)
def test_aggregated_garbage(document: Any) -> None:
    """An aggregated document of the wrong types is none."""
    with pytest.raises(Garbage):
        documents.of_aggregated(document, GROUP_VERSION)

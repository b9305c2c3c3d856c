# SPDX-License-Identifier: Apache-2.0
"""OpenAPI describes what other servers serve beside this server's own groups."""

from __future__ import annotations

from aiohttp import web
from cluster import Http, Kubectl, wait_until
from registering import API_SERVICES, NAME, await_condition, registration
from sampleserver import ROOT, Object, SampleServer

V3 = ROOT[1:]
PATH = f"{ROOT}/namespaces/{{namespace}}/flunders/{{name}}"
DEFINITION = "com.example.wardle.v1alpha1.Flunder"
PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


def index(http: Http) -> Object:
    found: Object = http("GET", "/openapi/v3").json()["paths"]
    return found


def v2(http: Http) -> Object:
    found: Object = http("GET", "/openapi/v2").json()
    return found


def test_v3(http: Http, registered: SampleServer) -> None:
    """The index leads to the other server's document, which it answers itself."""
    entry = wait_until(lambda: index(http).get(V3), "the index has the group version")
    assert entry == {"serverRelativeURL": f"/openapi/v3/{V3}?hash=1"}
    assert "apis/apps/v1" in index(http)
    document = http("GET", entry["serverRelativeURL"]).json()
    assert list(document["paths"]) == [PATH]
    assert registered.asked[-1].target == entry["serverRelativeURL"]
    http("DELETE", f"{API_SERVICES}/{NAME}")
    wait_until(lambda: V3 not in index(http), "the group version is gone")
    assert http("GET", f"/openapi/v3/{V3}").status == 404


def test_v2(http: Http, registered: SampleServer) -> None:
    """What the other server says of its group version is part of the one document, in both
    forms; what it says of others is not."""
    before = http("GET", "/openapi/v2")
    document = wait_until(
        lambda: found if PATH in (found := v2(http))["paths"] else None, "the path is described"
    )
    assert document["definitions"][DEFINITION]["type"] == "object"
    assert document["paths"]["/apis/apps/v1/"]["get"]["operationId"] == "getAppsV1APIResources"
    assert document["info"]["title"] == "Kubernetes"
    protobuf = http("GET", "/openapi/v2", None, {"Accept": PROTOBUF})
    assert DEFINITION.encode() in protobuf.body
    after = http("GET", "/openapi/v2", None, {"If-None-Match": before.headers["etag"]})
    assert after.status == 200 or PATH in before.json()["paths"]
    http("DELETE", f"{API_SERVICES}/{NAME}")
    wait_until(lambda: PATH not in v2(http)["paths"], "the path is gone")


def test_garbage(http: Http, namespace: str, sample: SampleServer) -> None:
    """A server whose documents are none leaves this server's as they are."""

    async def garbage(request: web.Request) -> web.Response:
        return web.json_response({"paths": {f"{ROOT}/": {"get": {"no such": "name"}}}})

    async def elsewhere(request: web.Request) -> web.Response:
        entry = {"serverRelativeURL": "https://example.com/"}
        return web.json_response({"paths": {V3: entry, "apis/apps/v1": entry}})

    sample.instead["/openapi/v2"] = garbage
    sample.instead["/openapi/v3"] = elsewhere
    with registration(http, sample.api_service(namespace, "sample")):
        await_condition(http, "True", "Passed")
        wait_until(
            lambda: {"/openapi/v2", "/openapi/v3"} <= {seen.target for seen in sample.seen},
            "both were asked for",
        )
        assert V3 not in index(http)
        assert index(http)["apis/apps/v1"]["serverRelativeURL"].startswith("/openapi/v3/")
        assert f"{ROOT}/" not in v2(http)["paths"]
        assert http("GET", "/openapi/v2", None, {"Accept": PROTOBUF}).status == 200


def test_explain(kubectl: Kubectl, http: Http, registered: SampleServer) -> None:
    """kubectl explains kinds of the other server."""
    wait_until(lambda: index(http).get(V3), "the index has the group version")
    cache = {"KUBECACHEDIR": str(registered.directory)}

    def explained() -> str:
        found: str = kubectl("explain", "flunders.spec", env=cache).stdout
        return found

    assert "What the flunder is for." in explained()
    assert "A flunder is there" in kubectl("explain", "flunders", env=cache).stdout

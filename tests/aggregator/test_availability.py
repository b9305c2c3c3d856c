# SPDX-License-Identifier: Apache-2.0
"""The condition Available of an APIService says whether its Service can be reached, and if not,
why, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from cluster import Http, wait_until
from registering import (
    API_SERVICES,
    NAME,
    await_condition,
    condition,
    registration,
    services,
    slices,
)
from sampleserver import ROOT, Object, SampleServer

from pyk8s.aggregator import apiservice, availability
from pyk8s.aggregator.apiservice import ServiceReference

WHERE = ServiceReference("apart", "sample", 443)


def service(*ports: Object) -> Object:
    return {"spec": {"ports": list(ports)}}


def endpoint_slice(port: str | None, *ready: bool | None) -> Object:
    endpoints = [
        {"addresses": ["192.0.2.7"], "conditions": {} if each is None else {"ready": each}}
        for each in ready
    ]
    return {"endpoints": endpoints, "ports": [{"name": port, "port": 8443}]}


@pytest.mark.parametrize(
    ("service", "slices", "reason", "message"),
    [
        pytest.param(
            service({"port": 80}),
            [endpoint_slice("", True)],
            "ServicePortError",
            'service/sample in "apart" is not listening on port 443',
            id="another port",
        ),
        pytest.param(
            service({"port": 443}),
            [],
            "EndpointsNotFound",
            'cannot find endpointslices for service/sample in "apart"',
            id="no slices",
        ),
        pytest.param(
            service({"port": 443, "name": "https"}),
            [endpoint_slice("https")],
            "MissingEndpoints",
            'endpointslices for service/sample in "apart" have no addresses with port name "https"',
            id="no endpoints",
        ),
        pytest.param(
            service({"port": 443}),
            [endpoint_slice("", False)],
            "MissingEndpoints",
            'endpointslices for service/sample in "apart" have no addresses with port name ""',
            id="none ready",
        ),
        pytest.param(
            service({"port": 443, "name": "https"}),
            [endpoint_slice("http", True)],
            "MissingEndpoints",
            'endpointslices for service/sample in "apart" have no addresses with port name "https"',
            id="none of that port",
        ),
    ],
)
def test_endpoints_that_are_missing(
    service: Object, slices: list[Object], reason: str, message: str
) -> None:
    """Reason and message for each way in which there is nobody behind the Service."""
    assert availability.judge_endpoints(WHERE, service, slices) == ("False", reason, message)


@pytest.mark.parametrize("ready", [True, None])
def test_endpoints_that_are_there(ready: bool | None) -> None:
    """One ready endpoint is enough; one that says nothing is ready."""
    found = [endpoint_slice("", False), endpoint_slice("", False, ready)]
    assert availability.judge_endpoints(WHERE, service({"port": 443}), found) is None


def _condition(status: str, reason: str, time: str) -> Object:
    return {"type": "Available", "status": status, "reason": reason, "lastTransitionTime": time}


def test_time_of_the_last_transition() -> None:
    """It stays while the status does; another condition stays whatever happens."""
    other: Object = {"type": "Other", "status": "True"}
    obj: dict[str, Any] = {"status": {"conditions": [other, _condition("False", "A", "1")]}}
    same = apiservice.with_condition(obj, _condition("False", "B", "2"))
    assert same["status"]["conditions"] == [other, _condition("False", "B", "1")]
    changed = apiservice.with_condition(obj, _condition("True", "C", "2"))
    assert changed["status"]["conditions"] == [other, _condition("True", "C", "2")]
    assert apiservice.with_condition(obj, _condition("False", "A", "2")) is obj


def test_from_nothing_to_available(http: Http, namespace: str, sample: SampleServer) -> None:
    """Each step of setting an API up is noticed at once, and so is each of taking it down."""
    with registration(http, sample.api_service(namespace, "new")):
        found = await_condition(http, "False", "ServiceNotFound")
        assert found["message"] == f'service/new in "{namespace}" is not present'
        spec = {"ports": [{"port": 80, "name": "https"}]}
        http.create(services(namespace), {"metadata": {"name": "new"}, "spec": spec})
        await_condition(http, "False", "ServicePortError")
        path = f"{services(namespace)}/new"
        http.patch(path, {"spec": {"ports": [{"port": 443, "name": "https"}]}})
        await_condition(http, "False", "EndpointsNotFound")
        wrong = sample.endpoint_slice("new")
        http.create(slices(namespace), wrong)
        await_condition(http, "False", "MissingEndpoints")
        wrong["ports"][0]["name"] = "https"
        http.patch(f"{slices(namespace)}/new", {"ports": wrong["ports"]})
        found = await_condition(http, "True", "Passed")
        assert found["message"] == "all checks passed"
        http("DELETE", f"{slices(namespace)}/new")
        await_condition(http, "False", "EndpointsNotFound")
        http("DELETE", path)
        await_condition(http, "False", "ServiceNotFound")


def test_server_that_does_not_serve_it(http: Http, namespace: str, sample: SampleServer) -> None:
    """A server that refuses discovery of the group version; tried again until it does not."""

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=403)

    sample.instead[ROOT] = refuse
    with registration(http, sample.api_service(namespace, "sample")):
        found = await_condition(http, "False", "FailedDiscoveryCheck")
        url = f"https://{sample.host}:{sample.port}{ROOT}"
        assert found["message"] == (
            f"failing or missing response from {url}: bad status from {url}: 403"
        )
        (seen,) = {
            (seen.proxy, *seen.values("x-remote-group"), *seen.values("x-remote-user"))
            for seen in sample.seen
        }
        assert seen == ("front-proxy-client", "system:masters", "system:kube-aggregator")
        del sample.instead[ROOT]
        await_condition(http, "True", "Passed")


def test_server_that_is_not_there(http: Http, namespace: str, sample: SampleServer) -> None:
    """Nobody listens where the endpoints lead; somebody comes."""
    sample.stop()
    with registration(http, sample.api_service(namespace, "sample")):
        found = await_condition(http, "False", "FailedDiscoveryCheck")
        assert found["message"].endswith(
            f"dial tcp {sample.host}:{sample.port}: connect: connection refused"
        )
        sample.start()
        await_condition(http, "True", "Passed")


def test_nothing_is_written_for_nothing(http: Http, registered: SampleServer) -> None:
    """A judgement that comes out as the last one leaves the object as it is."""
    before = http("GET", f"{API_SERVICES}/{NAME}").json()
    judged = len(registered.seen)
    http.patch(f"{API_SERVICES}/{NAME}", {"spec": {"versionPriority": 201}})
    wait_until(lambda: len(registered.seen) > judged, "the API is judged again")
    after = http("GET", f"{API_SERVICES}/{NAME}").json()
    assert condition(http) == before["status"]["conditions"][0]
    assert [entry["manager"] for entry in after["metadata"]["managedFields"]] == [
        entry["manager"] for entry in before["metadata"]["managedFields"]
    ]

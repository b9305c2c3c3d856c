# SPDX-License-Identifier: Apache-2.0
"""A sample API server behind the aggregator.

The official test runs the server's image in a Pod. Here it is a process of the test, and a
Service with an EndpointSlice written by hand leads to it; all else is done as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sampleserver
from cluster import wait_until
from sampleserver import API_VERSION, FLUNDERS, GROUP, VERSION, SampleServer

from conformance import steps
from conformance.client import MERGE, Client, Object, Resource, refused

NAME = f"{VERSION}.{GROUP}"
REGISTRATION = "apiregistration.k8s.io/v1"


@pytest.fixture
def sample(client: Client, namespace: str, tmp_path: Path) -> Iterator[SampleServer]:
    """It runs, and the Service `sample-api` leads to it."""
    maps = client.resource("v1", "configmaps", "kube-system")
    data = maps.get("extension-apiserver-authentication")["data"]
    names = [f"sample-api.{namespace}.svc"]
    with SampleServer(tmp_path, names, data["requestheader-client-ca-file"]) as server:
        services = client.resource("v1", "services", namespace)
        services.create(sampleserver.service("sample-api"))
        slices = client.resource("discovery.k8s.io/v1", "endpointslices", namespace)
        slices.create(server.endpoint_slice("sample-api"))
        yield server


@pytest.fixture
def api_services(client: Client) -> Iterator[Resource]:
    """The sample's APIService is gone when the test ends, however it does."""
    found = client.resource(REGISTRATION, "apiservices")
    yield found
    client.request("DELETE", f"/apis/{REGISTRATION}/apiservices/{NAME}")


def test_sample_server(
    client: Client, namespace: str, sample: SampleServer, api_services: Resource
) -> None:
    """[sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using
    the current Aggregator [LinuxOnly] [Conformance]"""
    api_services.create(sample.api_service(namespace, "sample-api"))
    wait_until(lambda: client.request("GET", FLUNDERS).status == 200, "the sample server answers")
    _use_by_path(client, sample)
    _use_by_discovery(client, sample)
    _read_status(client)
    _change_priority(client, api_services)
    _change_status(api_services)
    _delete_by_label(client, api_services)


def _use_by_path(client: Client, sample: SampleServer) -> None:
    flunder = {"apiVersion": API_VERSION, "kind": "Flunder", "metadata": {"name": "rest-flunder"}}
    assert client.request("POST", FLUNDERS, flunder).status == 201
    assert list(sample.objects) == ["rest-flunder"]
    assert len(client.get(FLUNDERS)["items"]) == 1
    assert client.request("DELETE", f"{FLUNDERS}/rest-flunder").status == 200
    assert client.get(FLUNDERS)["items"] == []


def _use_by_discovery(client: Client, sample: SampleServer) -> None:
    steps.in_discovery(client, API_VERSION, "flunders")
    flunders = client.resource(API_VERSION, "flunders", "default")
    flunders.create({"metadata": {"name": "dynamic-flunder"}})
    assert list(sample.objects) == ["dynamic-flunder"]
    assert flunders.names() == ["dynamic-flunder"]
    flunders.delete("dynamic-flunder")
    assert flunders.names() == []


def _read_status(client: Client) -> None:
    status = client.get(f"/apis/{REGISTRATION}/apiservices/{NAME}/status")["status"]
    (condition,) = status["conditions"]
    assert condition["type"] == "Available"
    assert condition["status"] == "True"
    assert condition["reason"] == "Passed"
    assert condition["message"] == "all checks passed"


def _change_priority(client: Client, api_services: Resource) -> None:
    patched = api_services.patch(NAME, {"spec": {"versionPriority": 400}}, MERGE)
    assert patched["spec"]["versionPriority"] == 400
    assert NAME in api_services.names()
    labelled = steps.change(api_services, NAME, _label)
    assert labelled["metadata"]["labels"] == {"apiservice": "patched"}


def _label(obj: Object) -> None:
    obj["metadata"]["labels"] = {"apiservice": "patched"}


def _change_status(api_services: Resource) -> None:
    """The conditions that others set stay beside the server's own."""
    for number, kind in enumerate(("StatusUpdated", "StatusPatched")):
        conditions = [*api_services.get(NAME)["status"]["conditions"]]
        conditions.append(
            {"type": kind, "status": "True", "reason": "E2E", "message": "Set by e2e test"}
        )
        if number:
            api_services.status.patch(NAME, {"status": {"conditions": conditions}}, MERGE)
        else:
            steps.change(api_services.status, NAME, _with(conditions))
        found = {each["type"] for each in api_services.get(NAME)["status"]["conditions"]}
        assert {"Available", kind} <= found


def _with(conditions: list[Object]) -> steps.Edit:
    def edit(obj: Object) -> None:
        obj["status"]["conditions"] = conditions

    return edit


def _delete_by_label(client: Client, api_services: Resource) -> None:
    api_services.delete_collection("apiservice=patched")
    with refused(404, "NotFound"):
        api_services.get(NAME)
    wait_until(lambda: client.request("GET", FLUNDERS).status == 404, "the API is gone")

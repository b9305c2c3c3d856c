# SPDX-License-Identifier: Apache-2.0
"""From a Service to an address: its own, or those of its endpoints."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.aggregator import resolver
from pyk8s.aggregator.apiservice import ServiceReference
from pyk8s.aggregator.resolver import ResolveError

REFERENCE = ServiceReference("apart", "sample", 443)
PORTS = [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}]


def service(**spec: Any) -> dict[str, Any]:
    return {"spec": {"clusterIP": "10.96.0.7", "ports": PORTS, **spec}}


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        pytest.param({}, ("10.96.0.7", 443), id="no type"),
        pytest.param({"type": "ClusterIP"}, ("10.96.0.7", 443), id="cluster IP"),
        pytest.param({"type": "NodePort"}, ("10.96.0.7", 443), id="node port"),
        pytest.param({"type": "LoadBalancer"}, ("10.96.0.7", 443), id="load balancer"),
        pytest.param(
            {"type": "ExternalName", "externalName": "example.com", "ports": []},
            ("example.com", 443),
            id="external name",
        ),
    ],
)
def test_address_of_the_service(spec: dict[str, Any], address: tuple[str, int]) -> None:
    """The cluster IP and the port, or the external name and the port that is asked for."""
    assert resolver.cluster_address(service(**spec), REFERENCE) == address


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"clusterIP": "None"}, 'cannot route to service with ClusterIP "None"', id="headless"
        ),
        pytest.param(
            {"ports": PORTS[:1]}, 'no service port 443 found for service "sample"', id="port"
        ),
        pytest.param({"type": "Strange"}, 'unsupported service type "Strange"', id="type"),
    ],
)
def test_service_without_an_address(spec: dict[str, Any], message: str) -> None:
    """What leads nowhere is said in upstream's words."""
    with pytest.raises(ResolveError) as error:
        resolver.cluster_address(service(**spec), REFERENCE)
    assert str(error.value) == message


def endpoint(address: str, ready: bool | None = None) -> dict[str, Any]:
    conditions = {} if ready is None else {"ready": ready}
    return {"addresses": [address], "conditions": conditions}


SLICES = [
    {
        "endpoints": [endpoint("192.0.2.1"), endpoint("192.0.2.2", False)],
        "ports": [{"name": "https", "port": 8443}, {"name": "http", "port": 8080}],
    },
    {"endpoints": [endpoint("2001:db8::1", True)], "ports": [{"name": "https", "port": 9443}]},
    {"endpoints": [endpoint("192.0.2.3")], "ports": [{"name": "https"}]},
]


def test_addresses_of_endpoints() -> None:
    """Every ready endpoint with the port that has the name of the Service's, of a headless
    Service too."""
    found = resolver.endpoints(service(clusterIP="None"), SLICES, REFERENCE)
    assert found == [("192.0.2.1", 8443), ("2001:db8::1", 9443)]


@pytest.mark.parametrize("slices", [[], SLICES[2:]])
def test_no_endpoints(slices: list[dict[str, Any]]) -> None:
    """Nobody behind it is an error that names the Service."""
    with pytest.raises(ResolveError) as error:
        resolver.endpoints(service(), slices, REFERENCE)
    assert str(error.value) == 'no endpoints available for service "sample"'

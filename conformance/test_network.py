# SPDX-License-Identifier: Apache-2.0
"""Services, their addresses and ranges, Endpoints, and the Service that leads to the server."""

from __future__ import annotations

from conformance import steps
from conformance.client import STRATEGIC, Client, Object, Resource


def _places(endpoints: list[Object], ports: list[Object]) -> set[tuple[str, str, int]]:
    """Each address with each port."""
    return {
        (address, port.get("name", ""), port["port"])
        for endpoint in endpoints
        for address in endpoint["addresses"]
        for port in ports
    }


def test_endpoints_of_the_server(client: Client) -> None:
    """[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server
    [Conformance]"""
    client.resource("v1", "services", "default").get("kubernetes")
    endpoints = client.resource("v1", "endpoints", "default").get("kubernetes")
    expected = set[tuple[str, str, int]]()
    for subset in endpoints["subsets"]:
        addresses = [{"addresses": [address["ip"]]} for address in subset["addresses"]]
        expected |= _places(addresses, subset["ports"])
    slices = client.resource("discovery.k8s.io/v1", "endpointslices", "default")
    found = slices.list("kubernetes.io/service-name=kubernetes")["items"]
    assert expected
    assert expected == set().union(*(_places(each["endpoints"], each["ports"]) for each in found))


def test_master_service(client: Client) -> None:
    """[sig-network] API Server should provide secure master service [Conformance]"""
    service = client.resource("v1", "services", "default").get("kubernetes")
    ports = [(port["name"], port["port"]) for port in service["spec"]["ports"]]
    assert ports == [("https", 443)]


def test_services_of_all_namespaces(client: Client) -> None:
    """[sig-network] Services should find a service from listing all namespaces [Conformance]"""
    services = client.resource("v1", "services").list()["items"]
    found = [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in services]
    assert ("default", "kubernetes") in found


def test_endpoints(client: Client, namespace: str) -> None:
    """[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]"""
    endpoints = client.resource("v1", "endpoints", namespace)
    labels = f"test-endpoint-static={namespace}"
    version = endpoints.everywhere().list(labels)["metadata"]["resourceVersion"]
    with endpoints.watch(version, labels) as events:
        port = {"name": "http", "port": 80, "protocol": "TCP"}
        metadata = {"name": "testservice", "labels": {"test-endpoint-static": namespace}}
        subsets = [{"addresses": [{"ip": "10.0.0.24"}], "ports": [port]}]
        created = endpoints.create({"metadata": metadata, "subsets": subsets})
        events.expect("ADDED", created)

        (found,) = endpoints.everywhere().list(labels)["items"]
        found["metadata"]["labels"]["test-service"] = "updated"
        listed = {"apiVersion": "v1", "kind": "Endpoints", **found}
        updated = endpoints.update(listed)
        events.expect("MODIFIED", updated)
        assert endpoints.get("testservice")["metadata"]["labels"]["test-service"] == "updated"

        subset = {
            "addresses": [{"ip": "10.0.0.25"}],
            "ports": [{"name": "http-test", "port": 8080}],
        }
        patch = {"metadata": {"labels": {"test-service": "patched"}}, "subsets": [subset]}
        patched = endpoints.patch("testservice", patch, STRATEGIC)
        assert steps.newer(patched, created)
        events.expect("MODIFIED", patched)
        found = endpoints.get("testservice")
        assert found["metadata"]["labels"]["test-service"] == "patched"
        defaulted = {"name": "http-test", "port": 8080, "protocol": "TCP"}
        assert found["subsets"] == [{**subset, "ports": [defaulted]}]

        endpoints.delete_collection(labels)
        events.expect("DELETED", created)
    steps.gone(endpoints, "testservice")


def test_service_status(client: Client, namespace: str) -> None:
    """[sig-network] Services should complete a service status lifecycle [Conformance]"""
    services = client.resource("v1", "services", namespace)
    labels = f"test-service-static={namespace}"
    version = services.everywhere().list(labels)["metadata"]["resourceVersion"]
    name = "test-service"
    metadata = {"name": name, "labels": {"test-service-static": namespace}}
    # Of a class that nobody implements, so that only the test sets its status.
    spec = {
        "type": "LoadBalancer",
        "loadBalancerClass": "example.com/internal-vip",
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}],
    }
    with services.watch(version, labels) as events:
        created = services.create({"metadata": metadata, "spec": spec})
        events.expect("ADDED", created)
        found = services.status.get(name)
        assert found["kind"] == "Service"
        assert found["status"] == {"loadBalancer": {}}

        ingress = [{"ip": "203.0.113.1"}]
        patch = {
            "metadata": {"annotations": {"patchedstatus": "true"}},
            "status": {"loadBalancer": {"ingress": ingress}},
        }
        patched = services.status.patch(name, patch)
        events.expect("MODIFIED", patched)
        assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
        assert [each["ip"] for each in patched["status"]["loadBalancer"]["ingress"]] == [
            "203.0.113.1"
        ]

        condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "a test"}
        condition["lastTransitionTime"] = "2026-01-02T03:04:05Z"
        updated = steps.change(
            services.status, name, lambda obj: obj["status"].update(conditions=[condition])
        )
        events.expect("MODIFIED", updated)
        assert updated["status"]["conditions"] == [condition]
        assert updated["status"]["loadBalancer"] == patched["status"]["loadBalancer"]

        relabelled = services.patch(
            name, {"metadata": {"labels": {"test-service": "patched"}}}, STRATEGIC
        )
        assert relabelled["status"] == updated["status"]
        events.expect("MODIFIED", relabelled)
        services.delete(name)
        # A finalizer of some load balancer's controller may come first.
        while events.next()[0] != "DELETED":
            pass
    assert services.everywhere().names(labels) == []


def test_service_collection(client: Client, namespace: str) -> None:
    """[sig-network] Services should delete a collection of services [Conformance]"""
    services = client.resource("v1", "services", namespace)
    port = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}
    names = [f"e2e-svc-{letter}" for letter in "ab"]
    steps.delete_a_collection(services, {"spec": {"ports": [port]}}, names)


def test_service_ranges(client: Client) -> None:
    """[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations
    [Conformance]"""
    version = "networking.k8s.io/v1"
    steps.in_discovery(client, version, "servicecidrs", "servicecidrs/status")
    ranges = client.resource(version, "servicecidrs")
    default = ranges.get("kubernetes")
    found = ranges.status.get("kubernetes")
    assert (found["apiVersion"], found["kind"]) == (version, "ServiceCIDR")
    assert found["metadata"]["uid"] == default["metadata"]["uid"]
    assert "kubernetes" in ranges.names()
    with ranges.watch() as events:
        kind, _ = events.next()
        assert kind == "ADDED"


def test_addresses(client: Client, namespace: str) -> None:
    """[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations
    [Conformance]"""
    version = "networking.k8s.io/v1"
    steps.in_discovery(client, version, "ipaddresses")
    addresses = client.resource(version, "ipaddresses")
    names = {"broadcast": "255.255.255.255", "link-local": "fe80::42:1dff:fe84:f9e2"}
    created = {kind: _address(addresses, name, kind) for kind, name in names.items()}
    name = names["broadcast"]
    patched = addresses.patch(name, {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert steps.newer(patched, created["broadcast"])
    updated = steps.change(addresses, name, lambda obj: steps.annotate(obj, "updated"))
    assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
    assert addresses.get(name) == updated
    assert addresses.names("type=broadcast") == [name]
    with addresses.watch(labels="type=broadcast") as events:
        events.expect("ADDED", updated)
        addresses.delete(name)
        events.expect("DELETED", updated)
    addresses.delete_collection("type=link-local")
    assert addresses.names("type in (broadcast, link-local)") == []


def _address(addresses: Resource, name: str, kind: str) -> Object:
    parent = {"group": "mygroup", "resource": "myresources", "namespace": "foo", "name": "bar"}
    metadata = {"name": name, "labels": {"type": kind}}
    return addresses.create({"metadata": metadata, "spec": {"parentRef": parent}})

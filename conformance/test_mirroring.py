# SPDX-License-Identifier: Apache-2.0
"""What controllers make of objects that need no Pods to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster import wait_until

from conformance.client import MERGE, Client, Object


def test_mirrors_custom_endpoints(client: Client, namespace: str) -> None:
    """[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through
    create update and delete [Conformance]"""
    services = client.resource("v1", "services", namespace)
    endpoints = client.resource("v1", "endpoints", namespace)
    slices = client.resource("discovery.k8s.io/v1", "endpointslices", namespace)
    port = {"name": "example", "port": 80, "protocol": "TCP"}
    services.create({"metadata": {"name": "custom"}, "spec": {"ports": [port]}})
    subset = {"addresses": [{"ip": "10.1.2.3"}], "ports": [port]}
    endpoints.create({"metadata": {"name": "custom"}, "subsets": [subset]})

    def mirrored(address: str) -> Callable[[], list[Object]]:
        def check() -> list[Object]:
            found = slices.list("kubernetes.io/service-name=custom")["items"]
            shown = [e["addresses"] for each in found for e in each["endpoints"]]
            return found if shown == [[address]] else []

        return check

    (made,) = wait_until(mirrored("10.1.2.3"), "the Endpoints are mirrored")
    assert made["ports"] == [port]
    assert made["addressType"] == "IPv4"
    change: Any = {"subsets": [{**subset, "addresses": [{"ip": "10.2.3.4"}]}]}
    endpoints.patch("custom", change, MERGE)
    (changed,) = wait_until(mirrored("10.2.3.4"), "the change is mirrored")
    assert changed["ports"] == [port]
    endpoints.delete("custom")
    wait_until(lambda: not slices.names("kubernetes.io/service-name=custom"), "the mirror is gone")


def test_root_ca_in_every_namespace(client: Client, namespace: str) -> None:
    """[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace
    [Conformance]"""
    maps = client.resource("v1", "configmaps", namespace)
    name = "kube-root-ca.crt"
    wait_until(lambda: name in maps.names(), "the ConfigMap is there")
    data = maps.get(name)["data"]
    assert data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    maps.delete(name)
    wait_until(lambda: name in maps.names(), "it comes back")
    maps.patch(name, {"data": {"ca.crt": "forged"}}, MERGE)
    wait_until(lambda: maps.get(name)["data"] == data, "it is put right")

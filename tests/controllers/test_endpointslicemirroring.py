# SPDX-License-Identifier: Apache-2.0
"""Endpoints that people make by hand have EndpointSlices."""

from __future__ import annotations

from typing import Any

from cluster import eventually
from running import running
from world import World

from pyk8s.client import resources
from pyk8s.controllers.endpointslicemirroring.controller import EndpointSliceMirroringController
from pyk8s.controllers.endpointslicemirroring.mirror import mirror
from pyk8s.controllers.options import Options

Object = dict[str, Any]


async def test_follows_custom_endpoints(quiet: World) -> None:
    """Made, changed and removed with them; no more than the limit, which an Event tells."""
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    await quiet.create(resources.SERVICES, service)
    subset = {
        "addresses": [{"ip": "10.1.2.3"}, {"ip": "fd00::1"}],
        "notReadyAddresses": [{"ip": "10.1.2.4"}, {"ip": "10.1.2.5"}],
        "ports": [{"name": "http", "port": 80}],
    }
    made = {"metadata": {"name": "web", "labels": {"a": "b"}}, "subsets": [subset]}
    options = Options(mirroring_max_endpoints_per_subset=3)

    async def shown() -> list[tuple[str, bool]]:
        found = await quiet.list(resources.ENDPOINT_SLICES)
        return sorted(
            (e["addresses"][0], e["conditions"]["ready"]) for s in found for e in s["endpoints"]
        )

    async def shows(*expected: tuple[str, bool]) -> None:
        async def does() -> bool:
            return await shown() == [*expected]

        await eventually(does, f"the slices lead to {expected}")

    async with running(quiet.client, EndpointSliceMirroringController, options):
        await quiet.create(resources.ENDPOINTS, made)
        await shows(("10.1.2.3", True), ("10.1.2.4", False), ("fd00::1", True))
        found = await quiet.list(resources.ENDPOINT_SLICES)
        assert sorted(s["addressType"] for s in found) == ["IPv4", "IPv6"]
        assert found[0]["metadata"]["labels"] == {
            "a": "b",
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
        }

        async def told() -> list[str]:
            events = await quiet.list(resources.EVENTS)
            return [e["message"] for e in events if e["reason"] == "TooManyAddressesToMirror"]

        (message,) = await eventually(told, "an Event tells of the limit")
        assert message.endswith("1 addresses were skipped")
        one = {"subsets": [{**subset, "addresses": [{"ip": "10.2.3.4"}], "notReadyAddresses": []}]}
        await quiet.patch(resources.ENDPOINTS, "web", one)
        await shows(("10.2.3.4", True))
        endpoints = await quiet.find(resources.ENDPOINTS, "web")
        existing = await quiet.list(resources.ENDPOINT_SLICES)
        again = mirror(endpoints, existing, 3)
        assert (again.create, again.update, again.delete) == ([], [], [])
        await quiet.delete(resources.ENDPOINTS, "web")
        await quiet.until_names(resources.ENDPOINT_SLICES)

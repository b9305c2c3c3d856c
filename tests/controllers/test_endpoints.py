# SPDX-License-Identifier: Apache-2.0
"""Where a Service leads: EndpointSlices and Endpoints follow its Pods."""

from __future__ import annotations

from typing import Any

import objects
import pytest
from cluster import eventually
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.client.client import DeleteOptions
from pyk8s.controllers import triggertimes

Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("nodeless")


async def run_pod(
    world: World,
    name: str,
    ip: str,
    ready: str = "True",
    node: str = "",
    since: str = "",
    finalizers: list[str] | None = None,
) -> None:
    """A pod of app web, with a named port, at this address."""
    pod = objects.pod(name, {"app": "web"})
    pod["metadata"]["finalizers"] = finalizers or []
    if node:
        pod["spec"]["nodeName"] = node
    pod["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 8080}]
    await world.create(resources.PODS, pod)
    conditions = [{"type": "Ready", "status": ready}]
    if since:
        conditions[0]["lastTransitionTime"] = since
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions}
    await world.patch(resources.PODS, name, {"status": status}, "status")


async def leads_to(world: World, ready: list[str], not_ready: list[str]) -> None:
    async def slices_do() -> bool:
        found = await world.list(resources.ENDPOINT_SLICES)
        endpoints = [e for each in found for e in each.get("endpoints") or ()]
        states = {e["addresses"][0]: e["conditions"]["ready"] for e in endpoints}
        return states == {**dict.fromkeys(ready, True), **dict.fromkeys(not_ready, False)}

    async def endpoints_do() -> bool:
        found = await world.find(resources.ENDPOINTS, "web")
        subsets = (found or {}).get("subsets") or [{}]
        shown = [
            [a["ip"] for a in subsets[0].get(key) or ()]
            for key in ("addresses", "notReadyAddresses")
        ]
        return shown == [ready, not_ready]

    await eventually(slices_do, f"slices lead to {ready}")
    await eventually(endpoints_do, f"Endpoints lead to {ready}")


async def test_follows_pods(world: World) -> None:
    """Ready ones and others, until they go or are somebody else's."""
    service = objects.service("web")
    service["spec"]["ports"] = [{"name": "web", "port": 80, "targetPort": "http"}]
    service["metadata"]["labels"] = {"team": "a"}
    made = await world.create(resources.SERVICES, service)
    (empty,) = await eventually(
        lambda: world.list(resources.ENDPOINT_SLICES), "a Service without pods has a slice"
    )
    assert meta.is_controlled_by(empty, made)
    assert meta.labels(empty) == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    await run_pod(world, "one", "192.0.2.1")
    await run_pod(world, "two", "192.0.2.2", ready="False")
    await leads_to(world, ["192.0.2.1"], ["192.0.2.2"])
    (filled,) = await world.list(resources.ENDPOINT_SLICES)
    assert filled["ports"] == [{"name": "web", "port": 8080, "protocol": "TCP"}]
    assert filled["endpoints"][0]["targetRef"]["kind"] == "Pod"
    await world.patch(resources.PODS, "one", {"metadata": {"labels": {"app": "other"}}})
    await leads_to(world, [], ["192.0.2.2"])
    await world.delete(resources.PODS, "two")
    await leads_to(world, [], [])
    await world.delete(resources.SERVICES, "web")
    await world.until_names(resources.ENDPOINTS)
    await world.until_names(resources.ENDPOINT_SLICES)


async def test_meddling_is_put_right(world: World) -> None:
    """A slice or Endpoints that somebody changes or deletes comes back."""
    await world.create(resources.SERVICES, objects.service("web"))
    await run_pod(world, "one", "192.0.2.1")
    await leads_to(world, ["192.0.2.1"], [])
    (name,) = await world.names(resources.ENDPOINT_SLICES)
    await world.patch(resources.ENDPOINT_SLICES, name, {"endpoints": []})
    await world.patch(resources.ENDPOINTS, "web", {"subsets": []})
    await leads_to(world, ["192.0.2.1"], [])
    await world.delete(resources.ENDPOINT_SLICES, name)
    await world.delete(resources.ENDPOINTS, "web")
    await leads_to(world, ["192.0.2.1"], [])


async def test_trigger_time(world: World) -> None:
    """What was written last says when the change happened that it follows."""
    service = await world.create(resources.SERVICES, objects.service("web"))
    # One change after the other: of two that are seen at once only the earlier time is told.
    made = service["metadata"]["creationTimestamp"]
    await eventually(lambda: trigger_times_are(world, made), "a Service's own time is told")
    await run_pod(world, "one", "192.0.2.1", since="2031-05-05T05:05:05Z")
    await leads_to(world, ["192.0.2.1"], [])
    assert await trigger_times_are(world, "2031-05-05T05:05:05Z")


async def trigger_times_are(world: World, at: str) -> bool:
    """Of the one slice and of the Endpoints."""
    found = await world.list(resources.ENDPOINT_SLICES)
    found += await world.list(resources.ENDPOINTS)
    return [meta.annotations(each).get(triggertimes.ANNOTATION) for each in found] == [at, at]


async def test_traffic_distribution(world: World) -> None:
    """Endpoints are meant for clients near them for as long as the Service wants that."""
    node = f"{world.namespace}-node"
    zone = {"topology.kubernetes.io/zone": "z1"}
    await world.client.create(resources.NODES, {"metadata": {"name": node, "labels": zone}})
    service = objects.service("web")
    service["spec"]["trafficDistribution"] = "PreferSameNode"
    await world.create(resources.SERVICES, service)
    await run_pod(world, "one", "192.0.2.1", node=node)
    await leads_to(world, ["192.0.2.1"], [])
    near = {"forZones": [{"name": "z1"}], "forNodes": [{"name": node}]}

    async def hints() -> list[Object | None]:
        found = await world.list(resources.ENDPOINT_SLICES)
        return [endpoint.get("hints") for each in found for endpoint in each["endpoints"]]

    async def is_near() -> bool:
        return await hints() == [near]

    await eventually(is_near, "the endpoint is for its zone and node")
    await world.patch(resources.SERVICES, "web", {"spec": {"trafficDistribution": None}})

    async def is_for_all() -> bool:
        return await hints() == [None]

    await eventually(is_for_all, "the endpoint is for everyone")
    await world.client.delete(resources.NODES, node)


async def test_slices_of_an_older_service_are_left_to_the_garbage_collector(world: World) -> None:
    """They are not taken over by a Service that was made again under their name."""
    stranger = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": "web-old",
            "labels": {
                "kubernetes.io/service-name": "web",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "finalizers": ["example.com/held"],
        },
        "endpoints": [{"addresses": ["192.0.2.9"]}],
    }  # fmt: skip
    await world.create(resources.ENDPOINT_SLICES, stranger)
    await world.create(resources.SERVICES, objects.service("web"))
    await run_pod(world, "one", "192.0.2.1")

    async def is_given_up() -> bool:
        old = await world.find(resources.ENDPOINT_SLICES, "web-old")
        return old is not None and meta.is_being_deleted(old)

    await eventually(is_given_up, "the old slice is deleted")

    async def has_its_own() -> bool:
        found = await world.list(resources.ENDPOINT_SLICES)
        own = [each for each in found if meta.name(each) != "web-old"]
        return [e["addresses"] for each in own for e in each.get("endpoints") or ()] == [
            ["192.0.2.1"]
        ]

    await eventually(has_its_own, "the Service has a slice of its own")
    await world.patch(resources.ENDPOINT_SLICES, "web-old", {"metadata": {"finalizers": None}})


async def test_addresses_of_pods_on_their_way_out_where_all_are_wanted(world: World) -> None:
    """publishNotReadyAddresses: in Endpoints as well, until the pod is gone."""
    # One without a node would be cleaned away at once.
    node = f"{world.namespace}-node"
    await world.client.create(resources.NODES, {"metadata": {"name": node}})
    service = objects.service("web")
    service["spec"]["publishNotReadyAddresses"] = True
    await world.create(resources.SERVICES, service)
    held = ["example.com/held"]
    await run_pod(world, "one", "192.0.2.1", ready="False", node=node, finalizers=held)
    await leads_to(world, ["192.0.2.1"], [])
    await world.delete(resources.PODS, "one")

    async def terminates() -> bool:
        found = await world.list(resources.ENDPOINT_SLICES)
        return [e["conditions"]["terminating"] for each in found for e in each["endpoints"]] == [
            True
        ]

    await eventually(terminates, "the slice says so")
    await leads_to(world, ["192.0.2.1"], [])
    await world.patch(resources.PODS, "one", {"metadata": {"finalizers": None}})
    options = DeleteOptions(grace_period_seconds=0)
    await world.client.delete(resources.PODS, "one", world.namespace, options)
    await leads_to(world, [], [])
    await world.client.delete(resources.NODES, node)

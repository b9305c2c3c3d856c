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
from pyk8s.controllers.endpoints.controller import subsets_of
from pyk8s.controllers.endpointslice import slices

Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("nodeless")


async def run_pod(world: World, name: str, ip: str, ready: str = "True") -> None:
    """A pod of app web, with a named port, at this address."""
    pod = objects.pod(name, {"app": "web"})
    pod["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 8080}]
    await world.create(resources.PODS, pod)
    conditions = [{"type": "Ready", "status": ready}]
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


# --- arithmetic


def service(**spec: Any) -> Object:
    made = objects.service("web")
    made["metadata"].update(uid="s", namespace="ns")
    made["spec"].update({"clusterIP": "10.0.0.1", "ipFamilies": ["IPv4"], **spec})
    made["spec"]["ports"][0]["targetPort"] = 8080
    return made


def pod(number: int, **status: Any) -> Object:
    made = objects.pod(f"p{number}", {"app": "web"})
    made["metadata"].update(uid=f"u{number}", namespace="ns")
    ip = f"10.1.{number // 250}.{number % 250}"
    conditions = [{"type": "Ready", "status": "True"}]
    made["status"] = {"podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions, **status}
    return made


def stored(made: slices.Changes) -> list[Object]:
    return [
        {**each, "metadata": {**each["metadata"], "name": f"s{number}"}}
        for number, each in enumerate(made.create)
    ]


def test_hundred_to_a_slice_and_few_writes() -> None:
    """250 pods are three slices; one more goes where there is room, one less touches its own."""
    first = slices.changes(service(), map(pod, range(250)), [], {})
    existing = stored(first)
    assert sorted(len(each["endpoints"]) for each in existing) == [50, 100, 100]
    again = slices.changes(service(), map(pod, range(250)), existing, {})
    assert (again.create, again.update, again.delete) == ([], [], [])
    more = slices.changes(service(), map(pod, range(251)), existing, {})
    assert (more.create, [len(each["endpoints"]) for each in more.update]) == ([], [51])
    fewer = slices.changes(service(), map(pod, range(1, 250)), existing, {})
    assert [len(each["endpoints"]) for each in fewer.update] == [99]
    emptied = slices.changes(service(), [], existing, {})
    assert (len(emptied.delete), [each["endpoints"] for each in emptied.update]) == (2, [[]])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({}, (True, True, False), id="ready"),
        pytest.param({"conditions": []}, (False, False, False), id="not ready"),
        pytest.param({"deleted": True}, (False, True, True), id="on its way out"),
    ],
)
def test_conditions(more: Object, expected: tuple) -> None:
    """ready, serving, terminating."""
    deleted = more.pop("deleted", False)
    made = pod(1, **more)
    if deleted:
        made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    (each,) = slices.changes(service(), [made], [], {}).create
    assert tuple(each["endpoints"][0]["conditions"].values()) == expected
    (published,) = slices.changes(service(publishNotReadyAddresses=True), [made], [], {}).create
    assert published["endpoints"][0]["conditions"]["ready"] is True


def test_finished_pods_and_strangers_to_the_port_are_left_out() -> None:
    """No address without a port that fits, none of a pod that has finished."""
    named = service()
    named["spec"]["ports"][0]["targetPort"] = "unknown"
    assert subsets_of(named, [pod(1)]) == ([], False)
    assert subsets_of(service(), [pod(1, phase="Succeeded")]) == ([], False)
    subsets, over = subsets_of(service(), [pod(2), pod(1)])
    assert [address["ip"] for address in subsets[0]["addresses"]] == ["10.1.0.1", "10.1.0.2"]
    assert not over


def test_zone_comes_from_the_node() -> None:
    """Where the node says it."""
    made = pod(1)
    made["spec"]["nodeName"] = "n"
    (each,) = slices.changes(service(), [made], [], {"n": "z1"}).create
    assert (each["endpoints"][0]["nodeName"], each["endpoints"][0]["zone"]) == ("n", "z1")

# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of endpoints: which slices, which addresses, whom they are meant for."""

from __future__ import annotations

from typing import Any

import objects
import pytest

from pyk8s.apimachinery import meta
from pyk8s.controllers.endpoints.controller import (
    ADDRESSES_MAX,
    OVER_CAPACITY,
    endpoints_of,
    subsets_of,
)
from pyk8s.controllers.endpointslice import hints, slices, topology
from pyk8s.controllers.endpointslice.changes import Changes
from pyk8s.controllers.services import _seen_in_endpoints
from pyk8s.controllers.triggertimes import TriggerTimes, annotate

Object = dict[str, Any]


def service(**spec: Any) -> Object:
    made = objects.service("web")
    made["apiVersion"], made["kind"] = "v1", "Service"
    made["metadata"].update(uid="s", namespace="ns", creationTimestamp="2026-01-01T00:00:00Z")
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


def pods(*numbers: int) -> list[Object]:
    return [pod(number) for number in numbers]


def changes(
    service: Object, behind: list[Object], existing: list[Object] | None = None, most: int = 100,
    zones: dict[str, str] | None = None, family: str = "IPv4",
) -> Changes:  # fmt: skip
    return slices.changes(service, behind, existing or [], zones or {}, most)[family]


def stored(made: Changes, name: str = "s") -> list[Object]:
    """What was to be created, as it is then."""
    return [
        {**each, "metadata": {**each["metadata"], "name": f"{name}{number}"}}
        for number, each in enumerate(made.create)
    ]


def sizes(listed: list[Object]) -> list[int]:
    return sorted(len(each["endpoints"]) for each in listed)


def slices_of(*counts: int) -> list[Object]:
    """Existing slices with so many endpoints each, of pods numbered through."""
    listed, first = [], 0
    for count in counts:
        made = changes(service(), pods(*range(first, first + count)))
        listed += stored(made, f"s{first}-")
        first += count
    return listed


# --- packing


@pytest.mark.parametrize(
    ("before", "wanted", "created", "updated", "deleted"),
    [
        pytest.param((), range(250), [50, 100, 100], [], 0, id="a hundred to a slice"),
        pytest.param((100, 100, 50), range(250), [], [], 0, id="nothing changes"),
        pytest.param((100, 100, 50), range(251), [], [51], 0, id="one more"),
        pytest.param((100, 100, 50), range(1, 250), [], [99], 0, id="one less"),
        pytest.param((60, 40), range(130), [], [90], 0,
                     id="all that is new goes into the one slice that it fills best"),
        pytest.param((60, 60), range(180), [60], [], 0,
                     id="what no single slice has room for gets one of its own"),
        pytest.param((50, 50), range(1, 151), [], [100], 0,
                     id="a slice that is written anyway is filled first"),
        pytest.param((90, 30), [*range(1, 90), *range(91, 120), *range(200, 215)], [],
                     [33, 100], 0, id="of two that are written the fuller is filled first"),
        pytest.param((20,), range(190), [100], [90], 0, id="a full one more, and then the rest"),
        pytest.param((10, 10), range(10), [], [], 1, id="an empty slice goes"),
        pytest.param((10, 10), (), [], [0], 1, id="but for one, so that all can see it"),
        pytest.param((10, 10), range(50, 55), [], [5], 1,
                     id="what would be made takes the place of what would be deleted"),
    ],
)  # fmt: skip
def test_packing(
    before: tuple[int, ...], wanted: Any, created: list[int], updated: list[int], deleted: int
) -> None:
    """As few writes as do, in upstream's order of filling."""
    made = changes(service(), pods(*wanted), slices_of(*before))
    assert (sizes(made.create), sizes(made.update), len(made.delete)) == (created, updated, deleted)
    found = [
        endpoint["targetRef"]["uid"]
        for each in (*made.create, *made.update, *made.unchanged)
        for endpoint in each["endpoints"]
    ]
    assert sorted(found) == sorted(f"u{number}" for number in wanted)


def test_smaller_slices() -> None:
    """Slices that hold more than they may any longer are cut down."""
    made = changes(service(), pods(*range(10)), slices_of(10), most=4)
    assert (sizes(made.update), sizes(made.create)) == ([4], [2, 4])


def test_order_of_ports_makes_no_other_slice() -> None:
    """A Service whose ports are written in another order leads where it led."""
    two = [{"name": "a", "port": 1, "targetPort": 1}, {"name": "b", "port": 2, "targetPort": 2}]
    existing = stored(changes(service(ports=[dict(port) for port in two]), pods(1)))
    turned = service()
    turned["spec"]["ports"] = two[::-1]
    for port, number in zip(turned["spec"]["ports"], (2, 1), strict=True):
        port["targetPort"] = number
    existing[0]["ports"] = [
        {"name": "a", "port": 1, "protocol": "TCP"}, {"name": "b", "port": 2, "protocol": "TCP"}
    ]  # fmt: skip
    made = changes(turned, pods(1), existing)
    assert (made.create, made.update, made.delete) == ([], [], [])


def test_labels_follow_the_service() -> None:
    """All of them but those that are the slice's own."""
    existing = stored(changes(service(), pods(1)))
    labelled = service()
    labelled["metadata"]["labels"] = {"team": "a", slices.MANAGED_BY: "somebody"}
    (updated,) = changes(labelled, pods(1), existing).update
    assert meta.labels(updated) == {
        "team": "a", slices.SERVICE_NAME: "web", slices.MANAGED_BY: slices.MANAGER
    }  # fmt: skip
    (headless,) = changes(service(clusterIP="None"), []).create
    assert meta.labels(headless)["service.kubernetes.io/headless"] == ""


def test_slices_that_are_not_to_be_touched() -> None:
    """One on its way out is nobody's; one of an older Service and one of a family that is no
    longer wanted go, and nothing is written over them."""
    going, older = stored(changes(service(), pods(1))), stored(changes(service(), pods(2)), "o")
    going[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    older[0]["metadata"]["ownerReferences"][0]["uid"] = "older"
    ipv6 = [{**each, "addressType": "IPv6"} for each in stored(changes(service(), pods(3)), "v6")]
    made = changes(service(), pods(4), [*going, *older, *ipv6])
    assert [meta.name(each) for each in made.delete] == ["o0", "v60"]
    assert (sizes(made.create), made.update) == ([1], [])


def test_dual_stack() -> None:
    """Slices for each family; where no pod has an address of one, an empty slice says so."""
    both = service(ipFamilies=["IPv6", "IPv4"])
    first = pod(1, podIPs=[{"ip": "10.1.0.1"}, {"ip": "fd00::0:1"}])
    made = slices.changes(both, [first, pod(2)], [], {}, 100)
    addresses = {
        family: [endpoint["addresses"] for each in c.create for endpoint in each["endpoints"]]
        for family, c in made.items()
    }
    assert addresses == {"IPv6": [["fd00::1"]], "IPv4": [["10.1.0.1"], ["10.1.0.2"]]}
    alone = slices.changes(both, [pod(2)], [], {}, 100)["IPv6"].create
    assert [(each["addressType"], each["ports"], each["endpoints"]) for each in alone] == [
        ("IPv6", [], [])
    ]
    again = slices.changes(both, [pod(2)], stored(Changes(create=alone)), {}, 100)["IPv6"]
    assert (again.create, again.update, again.delete) == ([], [], [])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({}, (True, True, False), id="ready"),
        pytest.param({"conditions": []}, (False, False, False), id="not ready"),
        pytest.param({"deleted": True}, (False, True, True), id="on its way out"),
    ],
)
def test_conditions(more: Object, expected: tuple[bool, ...]) -> None:
    """ready, serving, terminating."""
    deleted = more.pop("deleted", False)
    made = pod(1, **more)
    if deleted:
        made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    (each,) = changes(service(), [made]).create
    assert tuple(each["endpoints"][0]["conditions"].values()) == expected
    (published,) = changes(service(publishNotReadyAddresses=True), [made]).create
    assert published["endpoints"][0]["conditions"]["ready"] is True


def test_node_zone_and_hostname() -> None:
    """Where the pod and its node say them; a pod whose node is not there leads nowhere, unless
    every address is wanted."""
    made = pod(1)
    made["spec"].update(nodeName="n", hostname="one", subdomain="web")
    (each,) = changes(service(), [made], zones={"n": "z1"}).create
    (endpoint,) = each["endpoints"]
    assert (endpoint["nodeName"], endpoint["zone"], endpoint["hostname"]) == ("n", "z1", "one")
    assert changes(service(), [made]).create[0]["endpoints"] == []
    (published,) = changes(service(publishNotReadyAddresses=True), [made]).create
    assert "zone" not in published["endpoints"][0]
    other = service()
    other["metadata"]["name"] = "other"
    (each,) = changes(other, [made], zones={"n": ""}).create
    assert {"zone", "hostname"}.isdisjoint(each["endpoints"][0])


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        pytest.param(lambda pod: pod["metadata"].update(resourceVersion="2"), False, id="version"),
        pytest.param(lambda pod: pod["metadata"].update(annotations={"a": "b"}), False, id="note"),
        pytest.param(lambda pod: pod["status"]["conditions"].append(
            {"type": "Initialized", "status": "True"}), False, id="another condition"),
        pytest.param(lambda pod: pod["status"].update(conditions=[]), True, id="readiness"),
        pytest.param(lambda pod: pod["status"].update(podIPs=[{"ip": "10.9.9.9"}]), True, id="IP"),
        pytest.param(lambda pod: pod["status"].update(phase="Failed"), True, id="finished"),
        pytest.param(lambda pod: pod["metadata"].update(deletionTimestamp="now"), True, id="going"),
    ],
)  # fmt: skip
def test_changes_of_pods_that_matter(change: Any, matters: bool) -> None:
    """A Service is not looked at again for what its endpoints do not show."""
    changed = pod(1)
    change(changed)
    assert (_seen_in_endpoints(changed) != _seen_in_endpoints(pod(1))) is matters


# --- hints


def endpoint(zone: str = "", node: str = "", ready: bool = True, **more: Any) -> Object:
    made: Object = {"addresses": ["192.0.2.1"], "conditions": {"ready": ready}, **more}
    if zone:
        made["zone"] = zone
    if node:
        made["nodeName"] = node
    return made


def for_zone(zone: str) -> Object:
    return {"forZones": [{"name": zone}]}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(None, None, id="nothing"),
        pytest.param("PreferClose", for_zone("z"), id="close"),
        pytest.param("PreferSameZone", for_zone("z"), id="zone"),
        pytest.param("PreferSameNode", {**for_zone("z"), "forNodes": [{"name": "n"}]}, id="node"),
    ],
)
def test_traffic_distribution(wanted: str | None, expected: Object | None) -> None:
    """Each ready endpoint for its own zone or node; a slice that says so already is not written."""
    asking = service(trafficDistribution=wanted)
    made = Changes(create=[{"endpoints": [endpoint("z", "n"), endpoint("z", "n", ready=False)]}])
    hints.distribute(asking, made)
    assert [each.get("hints") for each in made.create[0]["endpoints"]] == [expected, None]
    right = {"endpoints": [endpoint("z", "n", **({"hints": expected} if expected else {}))]}
    wrong = {"endpoints": [endpoint("z", "n", hints=for_zone("elsewhere"))]}
    again = Changes(unchanged=[right, wrong])
    hints.distribute(asking, again)
    assert again.unchanged == [right]
    assert [each["endpoints"][0].get("hints") for each in again.update] == [expected]
    assert wrong["endpoints"][0]["hints"] == for_zone("elsewhere"), "the cache's own is left alone"


@pytest.mark.parametrize(
    ("annotations", "wants"),
    [
        pytest.param({}, False, id="none"),
        pytest.param({"service.kubernetes.io/topology-mode": "Auto"}, True, id="mode"),
        pytest.param({"service.kubernetes.io/topology-mode": "auto"}, True, id="in lower case"),
        pytest.param({"service.kubernetes.io/topology-mode": "Disabled"}, False, id="disabled"),
        pytest.param({"service.kubernetes.io/topology-aware-hints": "off",
                      "service.kubernetes.io/topology-mode": "Auto"}, False, id="older one first"),
    ],
)  # fmt: skip
def test_topology_annotation(annotations: dict[str, str], wants: bool) -> None:
    """Two names, of which the older counts."""
    asking = service()
    asking["metadata"]["annotations"] = annotations
    assert hints.wants_topology(asking) is wants


def node(zone: str, cpu: str, ready: str = "True", **labels: str) -> Object:
    return {
        "metadata": {"labels": {topology.ZONE: zone, **labels} if zone else labels},
        "status": {
            "allocatable": {"cpu": cpu},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


KEY = ("ns", "web")


def shared_out(nodes: list[Object], zones: str) -> tuple[list[str], list[str]]:
    """Of endpoints in these zones, "." for none: for which zone each is, and what is told."""
    found = topology.Topology()
    found.set_nodes(nodes)
    made = Changes(create=[{"endpoints": [endpoint(zone.strip(".")) for zone in zones]}])
    told = found.share_out(KEY, "IPv4", made)
    each = [
        e.get("hints", {}).get("forZones", [{"name": "-"}]) for e in made.create[0]["endpoints"]
    ]
    return [zone[0]["name"] for zone in each], [event.message for event in told]


THREE = [node("a", "2"), node("b", "2"), node("c", "2")]


@pytest.mark.parametrize(
    ("nodes", "zones", "expected"),
    [
        pytest.param(THREE, "abcabc", "abcabc", id="as many in each"),
        pytest.param(THREE, "aaaabc", "bcaabc", id="from the zone with most to those that lack"),
        pytest.param([node("a", "1"), node("b", "3")], "aabb", "babb", id="by CPU"),
        pytest.param([*THREE, node("", "9", **{"node-role.kubernetes.io/control-plane": ""})],
                     "abc", "abc", id="control planes do not count"),
        pytest.param([*THREE, node("d", "9", ready="False")], "abc", "abc", id="nor who is down"),
    ],
)  # fmt: skip
def test_topology_shares(nodes: list[Object], zones: str, expected: str) -> None:
    """Zones get endpoints in proportion to the CPU of their nodes."""
    found, told = shared_out(nodes, zones)
    assert sorted(found) == sorted(expected)
    assert told == ["Topology Aware Hints has been enabled, addressType: IPv4"]


@pytest.mark.parametrize(
    ("nodes", "zones", "why"),
    [
        pytest.param([node("a", "1")], "aa", "Insufficient Node information: allocatable CPU or"
                     " zone not specified on one or more nodes", id="one zone"),
        pytest.param([*THREE, node("", "1")], "abc", "Insufficient Node information: allocatable"
                     " CPU or zone not specified on one or more nodes", id="a node without zone"),
        pytest.param(THREE, "ab", "Insufficient number of endpoints (2 endpoints, 3 zones)",
                     id="too few"),
        pytest.param([node("a", "1"), node("b", "1")], "aab", "Unable to allocate minimum required"
                     " endpoints to each zone without exceeding overload threshold"
                     " (3 endpoints, 2 zones)", id="not fair"),
        pytest.param(THREE, "aabbc.", "One or more endpoints do not have a zone specified",
                     id="an endpoint without zone"),
    ],
)  # fmt: skip
def test_topology_is_given_up(nodes: list[Object], zones: str, why: str) -> None:
    """No hints at all where they would not be fair, and an Event that says why."""
    found, told = shared_out(nodes, zones)
    assert (set(found), told) == ({"-"}, [f"{why}, addressType: IPv4"])


def test_topology_keeps_slices_whose_hints_are_right() -> None:
    """They are not written again; one with a hint for a zone that is no more is."""
    found = topology.Topology()
    found.set_nodes(THREE)
    right = {"endpoints": [endpoint(zone, hints=for_zone(zone)) for zone in "aabbc"]}
    wrong = {"endpoints": [endpoint("c", hints=for_zone("d"))]}
    made = Changes(unchanged=[right, wrong])
    found.share_out(KEY, "IPv4", made)
    assert made.unchanged == [right]
    assert [each["endpoints"][0]["hints"] for each in made.update] == [for_zone("c")]


def test_topology_notices_overload_and_says_goodbye() -> None:
    """When nodes come or go a Service may no longer be served fairly; one that does not want
    hints any more is told of."""
    found = topology.Topology()
    found.set_nodes(THREE)
    assert not found.has_hinted
    made = Changes(create=[{"endpoints": [endpoint(zone) for zone in "abc"]}])
    found.share_out(KEY, "IPv4", made)
    assert (found.has_hinted, found.overloaded()) == (True, [])
    found.set_nodes([*THREE, node("d", "2")])
    assert found.overloaded() == [KEY]
    (told,) = found.give_up(KEY, "IPv4")
    assert told.message == "Topology Aware Hints has been disabled, addressType: IPv4"
    assert (found.has_hinted, found.give_up(KEY, "IPv4")) == (False, [])


# --- Endpoints


def test_subsets() -> None:
    """No address without a port that fits, none of a pod that has finished; by address."""
    named = service()
    named["spec"]["ports"][0]["targetPort"] = "unknown"
    assert subsets_of(named, [pod(1)]) == []
    assert subsets_of(service(), [pod(1, phase="Succeeded")]) == []
    (subset,) = subsets_of(service(), [pod(2), pod(1), pod(3, conditions=[])])
    assert [address["ip"] for address in subset["addresses"]] == ["10.1.0.1", "10.1.0.2"]
    assert [address["ip"] for address in subset["notReadyAddresses"]] == ["10.1.0.3"]
    headless = service(clusterIP="None", ports=[{"name": "a", "port": 1}])
    headless["spec"]["ports"] = []
    (bare,) = subsets_of(headless, [pod(1)])
    assert [*bare] == ["addresses"]


def test_pod_on_its_way_out() -> None:
    """In Endpoints only where every address is wanted."""
    going = pod(1)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert subsets_of(service(), [going]) == []
    (subset,) = subsets_of(service(publishNotReadyAddresses=True), [going])
    assert len(subset["addresses"]) == 1


@pytest.mark.parametrize(
    ("ready", "others", "expected"),
    [
        pytest.param(999, 1, (999, 1), id="just fits"),
        pytest.param(900, 200, (900, 100), id="who is not ready goes first"),
        pytest.param(1200, 50, (1000, 0), id="then whoever is too many"),
    ],
)
def test_truncation(ready: int, others: int, expected: tuple[int, int]) -> None:
    """A thousand addresses, ready ones before others, and an annotation that tells."""
    behind = [pod(number) for number in range(ready)]
    behind += [pod(number, conditions=[]) for number in range(ready, ready + others)]
    made = endpoints_of(service(), reversed(behind), None)
    assert made is not None
    (subset,) = made["subsets"]
    found = tuple(len(subset.get(key) or ()) for key in ("addresses", "notReadyAddresses"))
    assert found == expected
    over = ready + others > ADDRESSES_MAX
    assert (meta.annotations(made).get(OVER_CAPACITY) == "truncated") is over
    assert endpoints_of(service(), reversed(behind), made) is None


def test_truncation_in_proportion() -> None:
    """Each subset loses its share."""
    mixed = service()
    mixed["spec"]["ports"][0]["targetPort"] = "http"
    behind = []
    for number in range(1500):
        made = pod(number)
        port = 80 if number < 500 else 81
        made["spec"]["containers"][0]["ports"] = [
            {"name": "http", "containerPort": port, "protocol": "TCP"}
        ]
        behind.append(made)
    made = endpoints_of(mixed, behind, None)
    assert made is not None
    assert [len(subset["addresses"]) for subset in made["subsets"]] == [334, 666]


# --- trigger times


def ready_since(number: int, at: str) -> Object:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": at}
    return pod(number, conditions=[condition])


def test_trigger_times() -> None:
    """At first the Service's own; then the earliest change since the last look, or none."""
    times = TriggerTimes()
    day = "2026-01-{:02}T00:00:00Z".format
    behind = [ready_since(1, day(2)), ready_since(2, day(3))]
    assert times.look(service(), behind) == day(1)
    assert times.look(service(), behind) == ""
    changed = [ready_since(1, day(5)), ready_since(2, day(4)), ready_since(3, day(6))]
    assert times.look(service(), changed) == day(4)
    assert times.look(service(), changed[:2]) == ""
    times.forget(("ns", "web"))
    assert times.look(service(), changed) == day(1)


def test_trigger_time_is_taken_away_again() -> None:
    """What was written for no such change does not carry the time of an older one."""
    noted = annotate({"a": "b"}, "2026-01-01T00:00:00Z")
    assert noted["endpoints.kubernetes.io/last-change-trigger-time"] == "2026-01-01T00:00:00Z"
    assert annotate(noted, "") == {"a": "b"}

# SPDX-License-Identifier: Apache-2.0
"""What a Service is given, keeps, and gives back, over real etcd."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from service_servers import MakeServer, Server, context, refused

from pyk8s.admission import interface as admission
from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.registry import deletion
from pyk8s.registry.store import Existing
from pyk8s.storage import errors as storage_errors
from pyk8s.storage.interface import ListOptions


def invalid(detail: str) -> str:
    return f'Service "web" is invalid: {detail}'


async def free(server: Server) -> bool:
    """Whether nothing is given out."""
    return not await server.taken() and not await server.ports()


# --- create


async def test_a_service_gets_an_address_and_an_object_that_says_so(server: Server) -> None:
    """The cluster IP comes from the range; its IPAddress has upstream's labels and parent."""
    spec = (await server.create())["spec"]
    address = spec["clusterIP"]
    assert ip_address(address) in ip_network("10.0.0.0/24")
    assert spec["clusterIPs"] == [address]
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("SingleStack", ["IPv4"])
    obj = (await server.addresses.get("", address)).object()
    assert obj["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    parent = {"resource": "services", "namespace": "default", "name": "web"}
    assert obj["spec"] == {"parentRef": parent}


async def test_addresses_for_any_come_from_the_upper_band_first(server: Server) -> None:
    """The first 16 addresses of a /24 are left to who names one, until the rest is full."""
    small = [ip_address((await server.create(f"s{n}"))["spec"]["clusterIP"]) for n in range(40)]
    assert min(small) > ip_address("10.0.0.16")
    assert len(set(small)) == 40


async def test_ports_for_any_come_from_the_upper_band_first(make_server: MakeServer) -> None:
    """Of 40 ports the lower 16 come last."""
    server = await make_server(ports=(30000, 30039))
    given = [
        (await server.create(f"s{n}", type="NodePort"))["spec"]["ports"][0]["nodePort"]
        for n in range(30)
    ]
    assert sorted(given[:24]) == list(range(30016, 30040))
    assert all(30000 <= port < 30016 for port in given[24:])


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        pytest.param({"clusterIP": "None"}, 0, id="headless"),
        pytest.param({"type": "ExternalName", "externalName": "a.example"}, 0, id="external"),
        pytest.param({"type": "ClusterIP"}, 1, id="cluster IP"),
    ],
)
async def test_only_services_with_an_address_take_one(
    server: Server, spec: Object, taken: int
) -> None:
    """Headless and ExternalName Services take nothing."""
    await server.create(**spec)
    assert len(await server.taken()) == taken
    assert await server.ports() == []


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        pytest.param({"type": "NodePort"}, 1, id="node port"),
        pytest.param({"type": "LoadBalancer"}, 1, id="load balancer"),
        pytest.param(
            {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, 0, id="without"
        ),
        pytest.param(
            {
                "type": "LoadBalancer",
                "allocateLoadBalancerNodePorts": False,
                "ports": [{"port": 80, "nodePort": 30001}],
            },
            1,
            id="without, but one named",
        ),
        pytest.param(
            {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}, 2, id="health check"
        ),
        pytest.param(
            {
                "type": "NodePort",
                "ports": [
                    {"name": "t", "port": 53},
                    {"name": "u", "port": 53, "protocol": "UDP"},
                ],
            },
            1,
            id="two protocols of one port share",
        ),
        pytest.param(
            {
                "type": "NodePort",
                "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}],
            },
            2,
            id="two ports",
        ),
    ],
)
async def test_node_ports_are_given_as_the_type_asks(
    server: Server, spec: Object, count: int
) -> None:
    """As many ports of the pool are taken as the Service shows, and all go when it goes."""
    shown = (await server.create(**spec))["spec"]
    numbers = {port["nodePort"] for port in shown["ports"] if "nodePort" in port}
    numbers |= {shown["healthCheckNodePort"]} if "healthCheckNodePort" in shown else set()
    assert await server.ports() == sorted(numbers)
    assert len(numbers) == count
    await server.delete("web")
    assert await free(server)


async def test_a_protocol_without_a_node_port_takes_that_of_its_port(server: Server) -> None:
    """The number named for one protocol counts for the other, whichever comes first."""
    ports = [
        {"name": "t", "port": 53},
        {"name": "u", "port": 53, "protocol": "UDP", "nodePort": 30053},
    ]
    spec = (await server.create(type="NodePort", ports=ports))["spec"]
    assert [port["nodePort"] for port in spec["ports"]] == [30053, 30053]
    assert await server.ports() == [30053]


# --- what is refused


_TAKEN_IP = (
    'spec.clusterIPs: Invalid value: ["10.0.0.9"]: failed to allocate IP 10.0.0.9: '
    "provided IP is already allocated"
)
_NO_RANGE = "the provided network does not match the current range"
_TAKEN_PORT = "Invalid value: 30009: provided port is already allocated"


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        pytest.param({"clusterIP": "10.0.0.9"}, 422, invalid(_TAKEN_IP), id="address taken"),
        pytest.param(
            {"clusterIP": "10.9.0.1"},
            422,
            invalid(
                'spec.clusterIPs: Invalid value: ["10.9.0.1"]: failed to allocate IP 10.9.0.1: '
                + _NO_RANGE
            ),
            id="address of no range",
        ),
        pytest.param(
            {"clusterIP": "10.0.0.0"},
            422,
            invalid(
                'spec.clusterIPs: Invalid value: ["10.0.0.0"]: failed to allocate IP 10.0.0.0: '
                + _NO_RANGE
            ),
            id="the network's own address",
        ),
        pytest.param(
            {"clusterIP": "10.0.0.255"},
            422,
            invalid(
                'spec.clusterIPs: Invalid value: ["10.0.0.255"]: failed to allocate IP '
                "10.0.0.255: " + _NO_RANGE
            ),
            id="broadcast address",
        ),
        pytest.param(
            {"clusterIP": "fd00::1"},
            422,
            invalid(
                'spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this '
                "cluster"
            ),
            id="address of no family",
        ),
        pytest.param(
            {"ipFamilies": ["IPv6"]},
            422,
            invalid('spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
            id="family not configured",
        ),
        pytest.param(
            {"ipFamilyPolicy": "RequireDualStack"},
            422,
            invalid(
                'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not '
                "configured for dual-stack services"
            ),
            id="dual stack required",
        ),
        pytest.param(
            {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]},
            422,
            invalid(
                'spec.ipFamilyPolicy: Invalid value: "SingleStack": must be '
                "'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"
            ),
            id="single stack of two families",
        ),
        pytest.param(
            {"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7", "fd00::7"]},
            422,
            invalid(
                '[spec.ipFamilyPolicy: Invalid value: "SingleStack": must be '
                "'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are "
                'specified, spec.clusterIPs[1]: Invalid value: ["10.0.0.7","fd00::7"]: IPv6 is '
                "not configured on this cluster]"
            ),
            id="single stack of two addresses",
        ),
        pytest.param(
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30009}]},
            422,
            invalid(f"spec.ports[0].nodePort: {_TAKEN_PORT}"),
            id="port taken",
        ),
        pytest.param(
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
            422,
            invalid(
                "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid "
                "range. The range of valid ports is 30000-30099"
            ),
            id="port out of range",
        ),
        pytest.param(
            {
                "type": "NodePort",
                "ports": [
                    {"name": "a", "port": 80, "nodePort": 30001},
                    {"name": "b", "port": 81, "protocol": "UDP", "nodePort": 30001},
                ],
            },
            422,
            invalid(
                "spec.ports[1].nodePort: Invalid value: 30001: provided port is already allocated"
            ),
            id="two ports of one node port",
        ),
        pytest.param(
            {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "healthCheckNodePort": 30009,
            },
            500,
            "Internal error occurred: failed to allocate requested HealthCheck NodePort 30009: "
            "provided port is already allocated",
            id="health check port taken",
        ),
        pytest.param(
            {"clusterIP": "10.0.0.8", "type": "NodePort", "sessionAffinity": "None", "ports": []},
            422,
            invalid("spec.ports: Required value"),
            id="refused by validation",
        ),
    ],
)
async def test_what_cannot_be_given_is_refused_in_upstreams_words(
    server: Server, spec: Object, code: int, message: str
) -> None:
    """Code and message are upstream's, and what was taken on the way is free again."""
    taken = {
        "type": "NodePort",
        "clusterIP": "10.0.0.9",
        "ports": [{"port": 1, "nodePort": 30009}],
    }
    await server.create("other", **taken)
    with refused(code, message):
        await server.create(**spec)
    assert await server.taken() == ["10.0.0.9"]
    assert await server.ports() == [30009]


async def test_a_full_range_says_so(make_server: MakeServer) -> None:
    """When no address and no port is left, the answer is upstream's 500; a freed one is found."""
    server = await make_server("10.0.0.0/30", (30000, 30000))
    await server.create("a", type="NodePort")
    full = "Internal error occurred: failed to allocate a"
    with refused(500, f"{full} nodePort: range is full"):
        await server.create("b", type="NodePort")
    await server.create("b")
    with refused(500, f"{full} serviceIP: range is full"):
        await server.create("c")
    await server.delete("b")
    await server.create("c")
    assert len(await server.taken()) == 2


async def test_an_invalid_name_takes_nothing(server: Server) -> None:
    """Validation refuses it; the pool is not asked."""
    with pytest.raises(errors.StatusError) as caught:
        await server.create("Not.A.Label")
    assert caught.value.details is not None
    assert caught.value.details["causes"][0]["field"] == "metadata.name"
    assert await free(server)


# --- all or nothing


async def test_an_existing_name_gives_everything_back(server: Server) -> None:
    """The loser of a create keeps no address and no port."""
    await server.create(type="NodePort")
    before = await server.taken(), await server.ports()
    with refused(409, 'services "web" already exists'):
        await server.create(type="LoadBalancer", externalTrafficPolicy="Local")
    assert (await server.taken(), await server.ports()) == before


class RefuseServices(admission.Plugin):
    """Lets nothing through but the pool's own objects."""

    async def validate(self, attributes: admission.Attributes) -> None:
        if attributes.kind.kind == "Service":
            raise errors.forbidden(attributes.resource.group_resource, attributes.name, "no")


async def test_what_admission_refuses_is_given_back(make_server: MakeServer) -> None:
    """Validating admission comes after the pools, and undoes them."""
    server = await make_server(plugins=(RefuseServices(),))
    with refused(403, 'services "web" is forbidden: no'):
        await server.create(type="NodePort")
    assert await free(server)


class EndRequests(admission.Plugin):
    """Ends the create of a Service with an exception."""

    def __init__(self, ending: BaseException) -> None:
        self.ending = ending

    async def validate(self, attributes: admission.Attributes) -> None:
        if attributes.kind.kind == "Service":
            raise self.ending


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(storage_errors.OutcomeUnknown("deadline"), id="outcome unknown"),
        pytest.param(asyncio.CancelledError(), id="cancelled"),
    ],
)
async def test_a_create_that_may_have_happened_gives_nothing_back(
    make_server: MakeServer, ending: BaseException
) -> None:
    """Given back, its address could be another's while the Service is there after all; repair
    knows better later."""
    server = await make_server(plugins=(EndRequests(ending),))
    with pytest.raises((errors.StatusError, asyncio.CancelledError)):
        await server.create(type="NodePort")
    assert (len(await server.taken()), len(await server.ports())) == (1, 1)


async def test_a_second_family_that_fails_gives_the_first_back(dual: Server) -> None:
    """Both addresses, or none."""
    await dual.create("other", clusterIP="fd00::9", ipFamilies=["IPv6"])
    with refused(
        422,
        invalid(
            'spec.clusterIPs: Invalid value: ["10.0.0.9","fd00::9"]: failed to allocate IP '
            "fd00::9: provided IP is already allocated"
        ),
    ):
        await dual.create(
            clusterIP="10.0.0.9",
            clusterIPs=["10.0.0.9", "fd00::9"],
            ipFamilyPolicy="RequireDualStack",
        )
    assert await dual.taken() == ["fd00::9"]


async def test_a_dry_run_takes_nothing_and_shows_plausible_values(server: Server) -> None:
    """The shown values are upstream's: the network's address, and ports from 32769 up."""
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    spec = (await server.create(dry_run=True, type="NodePort", ports=ports))["spec"]
    assert spec["clusterIP"] == "10.0.0.0"
    assert [port["nodePort"] for port in spec["ports"]] == [32769, 32770]
    assert await free(server)


async def test_a_dry_run_refuses_what_is_out_of_range_or_taken(server: Server) -> None:
    """Ranges of addresses and ports that are taken are looked at, as upstream does."""
    await server.create("other", type="NodePort", ports=[{"port": 1, "nodePort": 30009}])
    text = "failed to allocate IP 10.9.0.1: provided IP 10.9.0.1 is not in the valid range"
    with refused(422, invalid(f'spec.clusterIPs: Invalid value: ["10.9.0.1"]: {text}')):
        await server.create(dry_run=True, clusterIP="10.9.0.1")
    with refused(422, invalid(f"spec.ports[0].nodePort: {_TAKEN_PORT}")):
        await server.create(dry_run=True, type="NodePort", ports=[{"port": 80, "nodePort": 30009}])


async def test_a_dry_run_of_an_update_or_delete_changes_nothing(server: Server) -> None:
    """The Service keeps its address and its node port."""
    await server.create(type="NodePort")
    before = await server.taken(), await server.ports()

    def become_external(spec: Object) -> None:
        spec.clear()
        spec.update(type="ExternalName", externalName="a.example")

    shown = await server.update("web", become_external, dry_run=True)
    assert "clusterIP" not in shown["spec"]
    await server.services.delete(context(dry_run=True), "web", deletion.DeleteOptions())
    assert (await server.taken(), await server.ports()) == before


# --- update


_EXTERNAL = {"type": "ExternalName", "externalName": "a.example"}
_CHECKED = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}


@pytest.mark.parametrize(
    ("old", "new", "addresses", "ports"),
    [
        pytest.param({}, {"type": "NodePort"}, 1, 1, id="ClusterIP to NodePort"),
        pytest.param({}, {"type": "LoadBalancer"}, 1, 1, id="ClusterIP to LoadBalancer"),
        pytest.param({}, _CHECKED, 1, 2, id="ClusterIP to checked LoadBalancer"),
        pytest.param({}, _EXTERNAL, 0, 0, id="ClusterIP to ExternalName"),
        pytest.param({"type": "NodePort"}, {}, 1, 0, id="NodePort to ClusterIP"),
        pytest.param({"type": "NodePort"}, {"type": "LoadBalancer"}, 1, 1, id="NodePort to LB"),
        pytest.param({"type": "NodePort"}, _EXTERNAL, 0, 0, id="NodePort to ExternalName"),
        pytest.param(_CHECKED, {}, 1, 0, id="checked LoadBalancer to ClusterIP"),
        pytest.param(_CHECKED, {"type": "NodePort"}, 1, 1, id="checked LoadBalancer to NodePort"),
        pytest.param(_CHECKED, {"type": "LoadBalancer"}, 1, 1, id="no health check any more"),
        pytest.param(_CHECKED, _EXTERNAL, 0, 0, id="checked LoadBalancer to ExternalName"),
        pytest.param(_EXTERNAL, {}, 1, 0, id="ExternalName to ClusterIP"),
        pytest.param(_EXTERNAL, {"type": "NodePort"}, 1, 1, id="ExternalName to NodePort"),
        pytest.param(_EXTERNAL, {"clusterIP": "None"}, 0, 0, id="ExternalName to headless"),
    ],
)
async def test_a_change_of_type_takes_and_releases(
    server: Server, old: Object, new: Object, addresses: int, ports: int
) -> None:
    """After a manifest of another type is applied over the old one, the pools hold what the
    Service shows, and an address it goes on using stays the same."""
    before = (await server.create(**old))["spec"]
    after = (await server.replace("web", **new))["spec"]
    if addresses and before.get("clusterIP"):
        assert after["clusterIP"] == before["clusterIP"]
    assert await server.taken() == [ip for ip in after.get("clusterIPs", []) if ip != "None"]
    assert len(await server.taken()) == addresses
    shown = {port["nodePort"] for port in after.get("ports", []) if "nodePort" in port}
    shown |= {after["healthCheckNodePort"]} if "healthCheckNodePort" in after else set()
    assert await server.ports() == sorted(shown)
    assert len(shown) == ports
    assert ("healthCheckNodePort" in after) == (new == _CHECKED)


async def test_the_type_edited_in_place_releases_what_it_no_longer_uses(server: Server) -> None:
    """A client that only changes the type leaves the old values in; they go with the type."""
    await server.create(type="NodePort")
    spec = (await server.update("web", lambda spec: spec.update(type="ClusterIP")))["spec"]
    assert "nodePort" not in spec["ports"][0]
    assert await server.ports() == []

    def become_external(spec: Object) -> None:
        spec.update(type="ExternalName", externalName="a.example")
        del spec["internalTrafficPolicy"]

    spec = (await server.update("web", become_external))["spec"]
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & spec.keys()
    assert await free(server)


async def test_a_manifest_written_again_keeps_what_was_given(server: Server) -> None:
    """Without clusterIP, nodePort and healthCheckNodePort in it, they stay."""
    manifest = {**_CHECKED, "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}
    before = await server.create(**manifest)
    after = await server.replace("web", **manifest)
    assert after == before


async def test_ports_come_and_go_with_the_list(server: Server) -> None:
    """A port that is added gets a node port, one that is removed gives its own back."""
    one, two = {"name": "a", "port": 80}, {"name": "b", "port": 81}
    before = (await server.create(type="NodePort", ports=[one, two]))["spec"]["ports"]
    three = {"name": "c", "port": 82}
    after = (await server.replace("web", type="NodePort", ports=[two, three]))["spec"]["ports"]
    assert after[0]["nodePort"] == before[1]["nodePort"]
    assert await server.ports() == sorted(port["nodePort"] for port in after)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        pytest.param(
            {"clusterIP": "10.0.0.8", "clusterIPs": ["10.0.0.8"]},
            422,
            'spec.clusterIPs[0]: Invalid value: ["10.0.0.8"]: may not change once set',
            id="another address",
        ),
        pytest.param(
            {"clusterIP": "None", "clusterIPs": ["None"]},
            422,
            '[spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set, '
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort "
            "services]",
            id="headless",
        ),
        pytest.param(
            {"ports": [{"port": 80, "nodePort": 30009}]},
            422,
            f"spec.ports[0].nodePort: {_TAKEN_PORT}",
            id="a port that is taken",
        ),
        pytest.param(
            {"ipFamilyPolicy": "RequireDualStack"},
            422,
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not '
            "configured for dual-stack services",
            id="dual stack",
        ),
    ],
)
async def test_what_may_not_change_stays(
    server: Server, change: Object, code: int, message: str
) -> None:
    """A refused update takes and releases nothing."""
    await server.create("other", type="NodePort", ports=[{"port": 1, "nodePort": 30009}])
    await server.create(type="NodePort", clusterIP="10.0.0.7")
    before = await server.taken(), await server.ports()
    with refused(code, invalid(message)):
        await server.update("web", lambda spec: spec.update(change))
    assert (await server.taken(), await server.ports()) == before


async def test_a_node_port_listed_twice_is_upstreams_500(server: Server) -> None:
    """On update, upstream finds it before validation does."""
    await server.create(type="NodePort")
    ports = [{"name": n, "port": p, "nodePort": 30001} for n, p in (("a", 1), ("b", 2))]
    with refused(500, "duplicate nodePort: {TCP 30001}"):
        await server.replace("web", type="NodePort", ports=ports)
    assert len(await server.ports()) == 1


async def test_a_lost_race_of_updates_leaks_nothing(server: Server) -> None:
    """What an attempt took that another writer overtook goes back before the next one."""
    await server.create()
    overtaken = False

    async def make_updated(found: Existing | None) -> Object:
        nonlocal overtaken
        assert found is not None
        existing = found.copy()
        if not overtaken:
            overtaken = True
            await server.update("web", lambda spec: spec.update(selector={"app": "x"}))
        existing["spec"]["type"] = "NodePort"
        server.services.strategy.default(existing)
        existing["metadata"].pop("resourceVersion")
        return existing

    written = await server.services.update(context(), "web", make_updated)
    port = written.item.object()["spec"]["ports"][0]["nodePort"]
    assert await server.ports() == [port]


async def test_a_service_created_by_put_takes_and_gives_back(server: Server) -> None:
    """PUT of a missing Service goes the same road as POST."""
    spec = (await server.replace("web", type="NodePort"))["spec"]
    assert await server.taken() == spec["clusterIPs"]
    assert await server.ports() == [spec["ports"][0]["nodePort"]]
    with refused(422, invalid("spec.ports: Required value").replace("web", "two")):
        await server.replace("two", type="NodePort", ports=[])
    assert await server.taken() == spec["clusterIPs"]


# --- dual stack


@pytest.mark.parametrize(
    ("spec", "policy", "families", "addresses"),
    [
        pytest.param({}, "SingleStack", ["IPv4"], 1, id="single by default"),
        pytest.param({"ipFamilies": ["IPv6"]}, "SingleStack", ["IPv6"], 1, id="the other family"),
        pytest.param(
            {"clusterIP": "fd00::5"}, "SingleStack", ["IPv6"], 1, id="family of the address"
        ),
        pytest.param(
            {"ipFamilyPolicy": "PreferDualStack"},
            "PreferDualStack",
            ["IPv4", "IPv6"],
            2,
            id="prefer",
        ),
        pytest.param(
            {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]},
            "RequireDualStack",
            ["IPv6", "IPv4"],
            2,
            id="require, IPv6 first",
        ),
        pytest.param(
            {"clusterIP": "None"}, "SingleStack", ["IPv4"], 0, id="headless with selector"
        ),
        pytest.param(
            {"clusterIP": "None", "selector": {}},
            "RequireDualStack",
            ["IPv4", "IPv6"],
            0,
            id="headless without selector",
        ),
    ],
)
async def test_families_are_settled(
    dual: Server, spec: Object, policy: str, families: list[str], addresses: int
) -> None:
    """ipFamilyPolicy and ipFamilies are filled in, and one address per family given."""
    shown = (await dual.create(**spec))["spec"]
    assert (shown["ipFamilyPolicy"], shown["ipFamilies"]) == (policy, families)
    assert len(await dual.taken()) == addresses
    if addresses:
        given = ["IPv6" if ":" in ip else "IPv4" for ip in shown["clusterIPs"]]
        assert given == families
        assert shown["clusterIP"] == shown["clusterIPs"][0]


async def test_preferring_dual_stack_is_content_with_one_family(server: Server) -> None:
    """PreferDualStack on a single-stack cluster gives one address."""
    spec = (await server.create(ipFamilyPolicy="PreferDualStack"))["spec"]
    assert spec["ipFamilies"] == ["IPv4"]


async def test_a_service_goes_to_dual_stack_and_back(dual: Server) -> None:
    """The second address is taken and released; the first stays."""
    first = (await dual.create())["spec"]["clusterIP"]
    both = await dual.update("web", lambda spec: spec.update(ipFamilyPolicy="RequireDualStack"))
    assert both["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert sorted(await dual.taken()) == sorted(both["spec"]["clusterIPs"])
    assert len(both["spec"]["clusterIPs"]) == 2
    one = await dual.update("web", lambda spec: spec.update(ipFamilyPolicy="SingleStack"))
    assert one["spec"]["clusterIPs"] == [first]
    assert one["spec"]["ipFamilies"] == ["IPv4"]
    assert await dual.taken() == [first]


async def test_releasing_an_address_needs_single_stack(dual: Server) -> None:
    """Taking the second address out by hand, without saying so, is refused."""
    await dual.create(ipFamilyPolicy="RequireDualStack")
    with refused(
        422,
        invalid(
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to "
            "release the secondary cluster IP"
        ),
    ):
        await dual.update("web", lambda spec: spec.update(clusterIPs=[spec["clusterIP"]]))
    assert len(await dual.taken()) == 2


# --- delete


async def test_deletion_gives_back_and_takes_the_endpoints_along(server: Server) -> None:
    """Address, ports and Endpoints go with the Service."""
    await server.create(**_CHECKED)
    endpoints = server.stores["services/endpoints"]
    metadata = {"name": "web", "namespace": "default"}
    await endpoints.create(
        context(), {"kind": "Endpoints", "apiVersion": "v1", "metadata": metadata}
    )
    await server.delete("web")
    assert await free(server)
    assert not (await endpoints.list(ListOptions())).items


async def test_a_service_with_a_finalizer_keeps_its_address_until_it_goes(
    server: Server,
) -> None:
    """Only the update that takes the last finalizer away gives back."""
    await server.create(type="NodePort")

    def finalizers(*names: str) -> Any:
        async def make_updated(found: Existing | None) -> Object:
            assert found is not None
            existing = found.copy()
            existing["metadata"]["finalizers"] = list(names)
            return existing

        return make_updated

    await server.services.update(context(), "web", finalizers("example.com/wait"))
    await server.delete("web")
    assert len(await server.taken()) == 1
    await server.services.update(context(), "web", finalizers())
    assert await free(server)


async def test_releasing_leaves_what_belongs_to_another(server: Server) -> None:
    """An IPAddress that points at another Service stays when this one goes."""
    address = (await server.create())["spec"]["clusterIP"]

    async def another(item: Any) -> Object:
        obj: Object = item.object()
        obj["spec"]["parentRef"]["name"] = "other"
        return obj

    await server.addresses.storage.guaranteed_update(server.addresses.key("", address), another)
    await server.delete("web")
    assert await server.taken() == [address]


# --- several servers


async def test_one_of_many_gets_the_address_they_all_ask_for(make_server: MakeServer) -> None:
    """Creates of the same cluster IP through three servers: one succeeds."""
    servers = [await make_server() for _ in range(3)]
    attempts = [
        server.create(f"s{n}", clusterIP="10.0.0.9") for n, server in enumerate(servers * 3)
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    won = [result for result in results if isinstance(result, dict)]
    lost = [result.code for result in results if isinstance(result, errors.StatusError)]
    assert (len(won), lost) == (1, [422] * 8)
    assert await servers[0].taken() == ["10.0.0.9"]


async def test_servers_share_small_pools_without_giving_twice(make_server: MakeServer) -> None:
    """Three servers fill 14 addresses and 14 ports at once: each is given once, then full."""
    servers = [await make_server("10.0.0.0/28", (30000, 30013)) for _ in range(3)]
    attempts = [
        server.create(f"s{n}", type="NodePort") for n, server in enumerate((servers * 6)[:18])
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    won = [result["spec"] for result in results if isinstance(result, dict)]
    lost = [result for result in results if isinstance(result, errors.StatusError)]
    assert len(won) + len(lost) == 18
    addresses = [spec["clusterIP"] for spec in won]
    ports = [spec["ports"][0]["nodePort"] for spec in won]
    assert len(set(addresses)) == len(addresses) == 14
    assert len(set(ports)) == len(ports) == 14
    assert sorted(await servers[1].taken()) == sorted(addresses)
    assert await servers[2].ports() == sorted(ports)


# --- ServiceCIDRs


async def test_another_range_counts_at_once(make_server: MakeServer) -> None:
    """Once the first range is full, addresses come from a range that another server was told."""
    first, second = await make_server("10.0.0.0/30"), await make_server("10.0.0.0/30")
    for name in ("a", "b"):
        await first.create(name)
    await second.add_cidr("more", "10.1.0.0/30")
    assert (await first.create("c"))["spec"]["clusterIP"].startswith("10.1.0.")
    assert (await first.create("d"))["spec"]["clusterIP"].startswith("10.1.0.")


async def test_a_range_that_is_being_deleted_gives_nothing(server: Server) -> None:
    """What was given from it can still be given back."""
    await server.add_cidr("more", "10.1.0.0/24")
    await server.create("old", clusterIP="10.1.0.9")

    async def protect(found: Existing | None) -> Object:
        assert found is not None
        existing = found.copy()
        finalizer = "networking.k8s.io/service-cidr-finalizer"
        existing["metadata"]["finalizers"] = [finalizer]
        return existing

    await server.cidrs.update(context(), "more", protect)
    await server.cidrs.delete(context(), "more", deletion.DeleteOptions())
    # Ranges are read from the cache, which this brings up to date: a deletion counts at once
    # only where it is known.
    await server.cidrs.list(ListOptions())
    with refused(
        422,
        invalid(
            'spec.clusterIPs: Invalid value: ["10.1.0.1"]: failed to allocate IP 10.1.0.1: '
            + _NO_RANGE
        ),
    ):
        await server.create(clusterIP="10.1.0.1")
    await server.delete("old")
    assert await server.taken() == []


async def test_the_default_range_is_made_and_ready(server: Server) -> None:
    """ServiceCIDR kubernetes has the server's range and upstream's condition."""
    obj = (await server.cidrs.get("", "kubernetes")).object()
    assert obj["spec"] == {"cidrs": ["10.0.0.0/24"]}
    (ready,) = obj["status"]["conditions"]
    ready.pop("lastTransitionTime")
    message = "Kubernetes default Service CIDR is ready"
    assert ready == {"type": "Ready", "status": "True", "reason": "", "message": message}


async def test_a_cluster_that_gains_a_family_extends_its_range(make_server: MakeServer) -> None:
    """A server started with a second range adds it to ServiceCIDR kubernetes; one started with
    another range leaves it alone."""
    await make_server("10.0.0.0/24")
    dual = await make_server("10.0.0.0/24,fd00::/112")
    await make_server("10.7.0.0/24")
    obj = (await dual.cidrs.get("", "kubernetes")).object()
    assert obj["spec"] == {"cidrs": ["10.0.0.0/24", "fd00::/112"]}
    assert len((await dual.create(ipFamilyPolicy="RequireDualStack"))["spec"]["clusterIPs"]) == 2

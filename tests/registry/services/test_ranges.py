# SPDX-License-Identifier: Apache-2.0
"""Ranges of addresses and ports, against upstream's figures."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import islice

import pytest

from pyk8s.registry.services.ranges import AddressRange, PortRange, ServiceRanges, lower_band


@pytest.mark.parametrize(
    ("cidr", "first", "last", "band"),
    [
        pytest.param("10.0.0.0/28", "10.0.0.1", "10.0.0.14", 0, id="/28"),
        pytest.param("10.0.0.0/27", "10.0.0.1", "10.0.0.30", 16, id="/27"),
        pytest.param("10.0.0.0/24", "10.0.0.1", "10.0.0.254", 16, id="/24"),
        pytest.param("10.0.0.0/23", "10.0.0.1", "10.0.1.254", 32, id="/23"),
        pytest.param("10.0.0.0/20", "10.0.0.1", "10.0.15.254", 256, id="/20"),
        pytest.param("10.96.0.0/12", "10.96.0.1", "10.111.255.254", 256, id="/12"),
        pytest.param("fd00::/120", "fd00::1", "fd00::ff", 16, id="IPv6"),
        pytest.param("fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff", 256, id="IPv6 /64"),
    ],
)
def test_bounds_and_band_of_an_address_range(cidr: str, first: str, last: str, band: int) -> None:
    """Without the network's own address, without IPv4's broadcast; the band as in KEP-3070."""
    found = AddressRange(cidr)
    low, high = ip_address(first), ip_address(last)
    assert low in found
    assert high in found
    assert low - 1 not in found
    assert high + 1 not in found
    offered = [ip_address(address) for address in islice(found.any_order(), 300)]
    upper = int(high) - int(low) + 1 - band
    assert all(int(a) - int(low) >= band for a in offered[: min(upper, 300)])
    assert all(int(a) - int(low) < band for a in offered[upper:])


def test_every_address_is_offered_once() -> None:
    """Until the range is exhausted."""
    offered = list(AddressRange("10.0.0.0/24").any_order())
    assert len(offered) == len(set(offered)) == 254


@pytest.mark.parametrize("cidr", ["10.0.0.0/32", "10.0.0.0/31"])
def test_tiny_ranges_have_no_address(cidr: str) -> None:
    """Network and broadcast address leave nothing over."""
    assert list(AddressRange(cidr).any_order()) == []


def test_ipv6_ranges_are_limited() -> None:
    """Upstream refuses prefixes shorter than 64."""
    with pytest.raises(ValueError, match="shortest allowed prefix length"):
        AddressRange("fd00::/63")


@pytest.mark.parametrize(
    ("size", "band"),
    [(16, 0), (17, 16), (512, 16), (1024, 32), (2768, 86), (4096, 128), (65535, 128)],
)
def test_the_lower_band_of_ports(size: int, band: int) -> None:
    """min(max(16, size/32), 128), none in a small range: KEP-3668."""
    assert lower_band(size, step=32, lowest=16, highest=128) == band


def test_every_port_is_found_once_the_upper_band_first() -> None:
    """Of 40 ports the lower 16 come last, then there is none."""
    ports, used, found = PortRange(30000, 30039), 0, []
    while (port := ports.any_free(used)) is not None:
        found.append(port)
        used |= 1 << (port - 30000)
    assert sorted(found[:24]) == list(range(30016, 30040))
    assert sorted(found[24:]) == list(range(30000, 30016))


def test_a_port_range_prints_as_upstream_does() -> None:
    """Its text is stored in etcd."""
    assert [str(PortRange(30000, 32767)), str(PortRange(30000, 30000))] == ["30000-32767", "30000"]


def test_flags_are_read() -> None:
    """CIDRs lose their host bits; families follow their order."""
    ranges = ServiceRanges.parse("fd00::5/112,10.0.0.1/24", (1, 2))
    assert ranges.cidrs == ("fd00::/112", "10.0.0.0/24")
    assert ranges.families == ("IPv6", "IPv4")

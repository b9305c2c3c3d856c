# SPDX-License-Identifier: Apache-2.0
"""Ranges of addresses and ports, and in which order they are given out.

    first ............... offset ......................... last
    for who names one     for who takes any, from a random place on, round

The lower band is only used for any once the upper is full, so that a number somebody chose by
hand is likely free (upstream's KEP-3070 and KEP-3668).
"""

from __future__ import annotations

import functools
import ipaddress
import random
from collections.abc import Iterator
from dataclasses import dataclass

IPV4 = "IPv4"
IPV6 = "IPv6"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Upstream allows no larger IPv6 range; the smallest offsets that fill an int64.
_IPV6_PREFIX_MIN = 64


def family_of(address: str) -> str:
    return IPV6 if ":" in address else IPV4


def lower_band(size: int, *, step: int, lowest: int, highest: int) -> int:
    """How many at the beginning of a range are left to who names one; 0 in a small range."""
    return 0 if size <= lowest else min(max(lowest, size // step), highest)


def bands(low: int, offset: int, high: int) -> list[tuple[int, int]]:
    """The halves of low..high-1 in the order they are used for any: from `offset` on, then below.
    Empty ones are left out."""
    return [(begin, end) for begin, end in ((offset, high), (low, offset)) if begin < end]


def any_order(low: int, offset: int, high: int) -> Iterator[int]:
    """low..high-1, band by band, each from a random place on."""
    for begin, end in bands(low, offset, high):
        start = random.randrange(begin, end)
        yield from range(start, end)
        yield from range(begin, start)


class AddressRange:
    """The cluster IPs of one CIDR: without the network's own address and, in IPv4, the
    broadcast address. Raises ValueError for what is no CIDR, or an IPv6 one too large."""

    def __init__(self, cidr: str) -> None:
        network: Network = ipaddress.ip_network(cidr, strict=False)
        if network.version == 6 and network.prefixlen < _IPV6_PREFIX_MIN:
            raise ValueError(f"shortest allowed prefix length for service CIDR is 64, got {cidr}")
        self.network = network
        self.family = IPV4 if network.version == 4 else IPV6
        self._first = int(network.network_address) + 1
        self._end = int(network.broadcast_address) + (1 if network.version == 6 else 0)
        self._offset = lower_band(network.num_addresses, step=16, lowest=16, highest=256)

    def __contains__(self, address: Address) -> bool:
        return address.version == self.network.version and self._first <= int(address) < self._end

    def any_order(self) -> Iterator[str]:
        """All addresses in the order they are tried."""
        make: type[Address] = type(self.network.network_address)
        for number in any_order(self._first, self._first + self._offset, self._end):
            yield str(make(number))


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports from `low` to `high`, both included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}-{self.high}" if self.low < self.high else str(self.low)

    def __contains__(self, port: int) -> bool:
        return self.low <= port <= self.high

    def any_free(self, used: int) -> int | None:
        """A port whose bit is not set in `used`, bit 0 standing for the lowest; None if all
        are."""
        size = self.high - self.low + 1
        offset = lower_band(size, step=32, lowest=16, highest=128)
        for begin, end in bands(0, offset, size):
            free = ~used & ((1 << end) - (1 << begin))
            if free:
                start = random.randrange(begin, end)
                free = (free >> start << start) or free
                return self.low + (free & -free).bit_length() - 1
        return None


@dataclass(frozen=True, slots=True)
class ServiceRanges:
    """What an API server was told to give out. `cidrs` are one or two, of different families;
    the first one's family is the default."""

    cidrs: tuple[str, ...]
    node_ports: PortRange

    @classmethod
    def parse(cls, cluster_ip_range: str, node_ports: tuple[int, int]) -> ServiceRanges:
        """From the flags: CIDRs joined by a comma, lowest and highest port."""
        networks = (
            ipaddress.ip_network(part, strict=False) for part in cluster_ip_range.split(",")
        )
        return cls(tuple(map(str, networks)), PortRange(*node_ports))

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(family_of(cidr) for cidr in self.cidrs)


@functools.lru_cache(maxsize=64)
def address_range(cidr: str) -> AddressRange:
    return AddressRange(cidr)

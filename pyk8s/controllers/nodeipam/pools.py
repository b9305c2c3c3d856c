# SPDX-License-Identifier: Apache-2.0
"""A range cut into blocks of one size. Mirrors upstream's `nodeipam/ipam/cidrset`."""

from __future__ import annotations

import ipaddress
from collections import Counter

from pyk8s.client import worker
from pyk8s.controllers.options import Options

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# As upstream's clusterSubnetMaxDiff: no more than 65,536 blocks.
_BITS_MAX = 16


class Full(worker.Irreconcilable):
    """No block is left."""


class Pool:
    """Blocks are handed out in turn, so that one given back is not another's at once."""

    def __init__(self, network: Network, block_bits: int) -> None:
        """Raises ValueError where blocks of this many bits do not fit."""
        spare = block_bits - network.prefixlen
        if spare < 0 or block_bits > network.max_prefixlen:
            raise ValueError(f"blocks of /{block_bits} do not fit into {network}")
        if spare > _BITS_MAX:
            raise ValueError(f"{network} has more blocks of /{block_bits} than {2**_BITS_MAX}")
        self.network = network
        self._bits = block_bits
        self._size = network.max_prefixlen - block_bits
        self._count = 2**spare
        self._next = 0
        self._used: Counter[int] = Counter()

    def occupy(self, network: Network) -> None:
        """Nobody gets a block that overlaps with this; outside of the range it does not matter."""
        self._used.update(self._blocks(network))

    def release(self, network: Network) -> None:
        """What was occupied once is free again, unless somebody else has a part of it as well."""
        for block in self._blocks(network):
            self._used[block] -= 1

    def allocate(self) -> Network:
        """A block, occupied. Raises Full."""
        for step in range(self._count):
            block = (self._next + step) % self._count
            if self._used[block] <= 0:
                self._next = (block + 1) % self._count
                self._used[block] = 1
                first = int(self.network.network_address) + (block << self._size)
                return type(self.network)((first, self._bits))
        raise Full(f"CIDR allocation failed; there are no remaining CIDRs left in {self.network}")

    def _blocks(self, network: Network) -> range:
        if network.version != self.network.version or not network.overlaps(self.network):
            return range(0)
        base = int(self.network.network_address)
        first = max(0, int(network.network_address) - base) >> self._size
        last = (int(network.broadcast_address) - base) >> self._size
        return range(first, min(last, self._count - 1) + 1)


def pools(options: Options) -> list[Pool]:
    """One per range of --cluster-cidr, without what --service-cluster-ip-range takes of it.
    Raises ValueError for flags that do not fit each other."""
    if not options.cluster_cidr:
        raise ValueError("--allocate-node-cidrs needs --cluster-cidr")
    networks = _networks(options.cluster_cidr)
    if len(networks) > 1 and options.node_cidr_mask_size:
        raise ValueError("--node-cidr-mask-size is for one address family; see its -ipv4 and -ipv6")
    bits = {4: options.node_cidr_mask_size_ipv4, 6: options.node_cidr_mask_size_ipv6}
    made = [Pool(each, options.node_cidr_mask_size or bits[each.version]) for each in networks]
    for reserved in _networks(options.service_cluster_ip_range):
        for pool in made:
            pool.occupy(reserved)
    return made


def _networks(text: str) -> list[Network]:
    return [ipaddress.ip_network(each, strict=False) for each in text.split(",") if each]

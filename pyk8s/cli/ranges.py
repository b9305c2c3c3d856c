# SPDX-License-Identifier: Apache-2.0
"""The ranges of addresses that `pyk8s up` gives out, and the flags of its components that say so.

--service-cluster-ip-range       Services
--service-load-balancer-range    Services of type LoadBalancer
--cluster-cidr                   what --allocate-node-cidrs gives each node a part of
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from pyk8s.cli import flags
from pyk8s.server.options import DEFAULT_SERVICE_CLUSTER_IP_RANGE

# Who makes a Service of type LoadBalancer waits for its address, so there is one from the start,
# as with k3s. Nothing answers there, as nothing does in simulated containers: the range is the one
# that RFC 2544 keeps for tests, in which no host of anybody else can be.
DEFAULT_SERVICE_LOAD_BALANCER_RANGE = "198.18.0.0/16"
DEFAULT_CLUSTER_CIDR = "10.244.0.0/16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Field names are the flags. `cluster_cidr` is empty where nodes get no ranges."""

    service_cluster_ip_range: str = DEFAULT_SERVICE_CLUSTER_IP_RANGE
    service_load_balancer_range: str = DEFAULT_SERVICE_LOAD_BALANCER_RANGE
    cluster_cidr: str = ""
    allocate_node_cidrs: bool = False

    def controller_manager(self) -> tuple[str, ...]:
        """The flags of the controller manager."""
        named = {
            "--service-cluster-ip-range": self.service_cluster_ip_range,
            "--service-load-balancer-range": self.service_load_balancer_range,
            "--cluster-cidr": self.cluster_cidr,
        }
        found = [f"{flag}={value}" for flag, value in named.items() if value]
        return (*found, f"--allocate-node-cidrs={str(self.allocate_node_cidrs).lower()}")


def add(parser: argparse.ArgumentParser) -> None:
    defaults = Ranges()
    parser.add_argument(
        "--service-cluster-ip-range",
        default=defaults.service_cluster_ip_range,
        type=flags.ip_range,
        metavar="CIDRS",
        help=f"addresses of Services (default: {defaults.service_cluster_ip_range})",
    )
    parser.add_argument(
        "--service-load-balancer-range",
        default=defaults.service_load_balancer_range,
        type=_range_or_none,
        metavar="CIDRS",
        help="addresses of Services of type LoadBalancer, which stay pending if this is empty "
        f"(default: {defaults.service_load_balancer_range})",
    )
    parser.add_argument(
        "--allocate-node-cidrs",
        default=False,
        type=flags.boolean,
        nargs="?",
        const=True,
        metavar="BOOL",
        help="give each node a range for its pods",
    )
    parser.add_argument(
        "--cluster-cidr",
        default="",
        type=_range_or_none,
        metavar="CIDRS",
        help=f"what these are taken from (default: {DEFAULT_CLUSTER_CIDR})",
    )


def take(values: dict[str, Any]) -> Ranges:
    """The ranges among the parsed values, which are taken away. Raises UsageError for some that do
    not go together."""
    allocate, cidr = values.pop("allocate_node_cidrs"), values.pop("cluster_cidr")
    if cidr and not allocate:
        raise flags.UsageError("--cluster-cidr is of use with --allocate-node-cidrs alone")
    return Ranges(
        service_cluster_ip_range=values.pop("service_cluster_ip_range"),
        service_load_balancer_range=values.pop("service_load_balancer_range"),
        cluster_cidr=(cidr or DEFAULT_CLUSTER_CIDR) if allocate else "",
        allocate_node_cidrs=allocate,
    )


def _range_or_none(text: str) -> str:
    return flags.ip_range(text) if text else ""

# SPDX-License-Identifier: Apache-2.0
"""What follows from a Service's spec: which addresses and ports it needs. Pure questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Spec = Mapping[str, Any]

EXTERNAL_NAME = "ExternalName"
LOAD_BALANCER = "LoadBalancer"
NODE_PORT = "NodePort"
CLUSTER_IP = "ClusterIP"
NONE = "None"


def is_headless(spec: Spec) -> bool:
    return spec.get("clusterIPs") == [NONE] or (
        spec.get("clusterIP") == NONE and not spec.get("clusterIPs")
    )


def needs_cluster_ip(spec: Spec) -> bool:
    """ "None" is a cluster IP too, in this sense."""
    return spec.get("type") in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER)


def needs_node_port(spec: Spec) -> bool:
    if spec.get("type") == NODE_PORT:
        return True
    return (
        spec.get("type") == LOAD_BALANCER
        and spec.get("allocateLoadBalancerNodePorts", True) is True
    )


def is_externally_accessible(spec: Spec) -> bool:
    if spec.get("type") in (LOAD_BALANCER, NODE_PORT):
        return True
    return spec.get("type") == CLUSTER_IP and bool(spec.get("externalIPs"))


def needs_health_check(spec: Spec) -> bool:
    """Whether a node port answers load balancers that ask if this node has endpoints."""
    return spec.get("type") == LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"

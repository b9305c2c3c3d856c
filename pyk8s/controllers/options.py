# SPDX-License-Identifier: Apache-2.0
"""What an operator may set of single controllers, by kube-controller-manager's flags."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Field names are upstream's flags, defaults upstream's as well. Times are seconds, rates
    per second, ranges CIDRs: one, or an IPv4 and an IPv6 one joined by a comma.

    `service_load_balancer_range` alone is ours: upstream leaves addresses of load balancers to a
    cloud; here they come from this range, and from nowhere without it.
    """

    node_monitor_period: float = 5.0
    node_monitor_grace_period: float = 50.0
    node_startup_grace_period: float = 60.0
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    large_cluster_size_threshold: int = 50
    unhealthy_zone_threshold: float = 0.55
    terminated_pod_gc_threshold: int = 12500
    allocate_node_cidrs: bool = False
    cluster_cidr: str = ""
    service_cluster_ip_range: str = ""
    node_cidr_mask_size: int = 0
    node_cidr_mask_size_ipv4: int = 24
    node_cidr_mask_size_ipv6: int = 64
    endpoint_updates_batch_period: float = 0.0
    endpointslice_updates_batch_period: float = 0.0
    max_endpoints_per_slice: int = 100
    mirroring_max_endpoints_per_subset: int = 1000
    service_load_balancer_range: str = ""
    service_account_private_key_file: str = ""
    root_ca_file: str = ""
    cluster_signing_cert_file: str = ""
    cluster_signing_key_file: str = ""
    cluster_signing_kubelet_serving_cert_file: str = ""
    cluster_signing_kubelet_serving_key_file: str = ""
    cluster_signing_kubelet_client_cert_file: str = ""
    cluster_signing_kubelet_client_key_file: str = ""
    cluster_signing_kube_apiserver_client_cert_file: str = ""
    cluster_signing_kube_apiserver_client_key_file: str = ""
    cluster_signing_legacy_unknown_cert_file: str = ""
    cluster_signing_legacy_unknown_key_file: str = ""
    cluster_signing_duration: float = 365 * 24 * 3600.0
    legacy_service_account_token_clean_up_period: float = 365 * 24 * 3600.0
    horizontal_pod_autoscaler_sync_period: float = 15.0
    horizontal_pod_autoscaler_downscale_stabilization: float = 300.0
    horizontal_pod_autoscaler_tolerance: float = 0.1
    horizontal_pod_autoscaler_cpu_initialization_period: float = 300.0
    horizontal_pod_autoscaler_initial_readiness_delay: float = 30.0

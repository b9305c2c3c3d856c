# SPDX-License-Identifier: Apache-2.0
"""What an API server is told when it starts: the flags, checked and converted.

Made by the command line, read by the composition; nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyk8s.auth import requestheader
from pyk8s.storage.interface import EtcdOptions

DEFAULT_SERVICE_CLUSTER_IP_RANGE = "10.96.0.0/12"


@dataclass(frozen=True, slots=True, kw_only=True)
class APIServerOptions:
    """Each field is the flag of that name, of kube-apiserver where it has one, with its default.

    `enable_aggregator_routing` alone differs: on by default, for nothing here routes the cluster
    IPs of Services.

    Files are PEM, empty where not given. `listen_fd` is an inherited socket that listens already
    (`--bind-address` and `--secure-port` then only say where that is), -1 for none.
    `advertise_address` is what the `kubernetes` Service leads to; empty means: find out.
    `worker` is this process's number among those that serve one port.
    `workers_share_port` lets other processes listen on the same port.
    """

    etcd_servers: tuple[str, ...]
    etcd_prefix: str = "/registry"
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_compaction_interval_seconds: float = 300.0
    event_ttl_seconds: float = 3600.0

    bind_address: str = "0.0.0.0"
    secure_port: int = 6443
    listen_fd: int = -1
    worker: int = 0
    workers_share_port: bool = False
    advertise_address: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    cert_dir: str = "/var/run/kubernetes"

    client_ca_file: str = ""
    token_auth_file: str = ""
    enable_bootstrap_token_auth: bool = False
    requestheader_client_ca_file: str = ""
    requestheader_allowed_names: tuple[str, ...] = ()
    requestheader_username_headers: tuple[str, ...] = ()
    requestheader_uid_headers: tuple[str, ...] = ()
    requestheader_group_headers: tuple[str, ...] = ()
    requestheader_extra_headers_prefix: tuple[str, ...] = ()

    proxy_client_cert_file: str = ""
    proxy_client_key_file: str = ""
    enable_aggregator_routing: bool = True
    aggregator_reject_forwarding_redirect: bool = True

    service_cluster_ip_range: str = DEFAULT_SERVICE_CLUSTER_IP_RANGE
    service_node_port_range: tuple[int, int] = (30000, 32767)
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    service_account_key_files: tuple[str, ...] = ()
    service_account_signing_key_file: str = ""

    kubelet_certificate_authority: str = ""
    kubelet_client_certificate: str = ""
    kubelet_client_key: str = ""
    kubelet_preferred_address_types: tuple[str, ...] = (
        "Hostname",
        "InternalDNS",
        "InternalIP",
        "ExternalDNS",
        "ExternalIP",
    )

    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    default_not_ready_toleration_seconds: int = 300
    default_unreachable_toleration_seconds: int = 300

    request_timeout_seconds: float = 60.0
    min_request_timeout_seconds: int = 1800
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    shutdown_grace_seconds: float = 2.0
    log_level: int = 0

    @property
    def request_headers(self) -> requestheader.Names:
        return requestheader.Names(
            username=self.requestheader_username_headers,
            uid=self.requestheader_uid_headers,
            group=self.requestheader_group_headers,
            extra_prefix=self.requestheader_extra_headers_prefix,
            allowed=self.requestheader_allowed_names,
        )

    @property
    def etcd(self) -> EtcdOptions:
        return EtcdOptions(
            servers=self.etcd_servers,
            prefix=self.etcd_prefix,
            ca_file=self.etcd_cafile,
            cert_file=self.etcd_certfile,
            key_file=self.etcd_keyfile,
            compaction_interval_seconds=int(self.etcd_compaction_interval_seconds),
        )

# SPDX-License-Identifier: Apache-2.0
"""Services and endpoints."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns
from pyk8s.apis.columns.texts import NONE

_ENDPOINTS_SHOWN = 3


def load_balancer_addresses(status: Object) -> list[str]:
    """Of a Service's or an Ingress's status: IPs, or else host names, each once and sorted."""
    ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
    addresses = {entry.get("ip") or entry.get("hostname") for entry in ingress}
    return sorted(addresses - {None, ""})


def _external_ip(spec: Object, status: Object) -> str:
    kind, external = spec.get("type"), spec.get("externalIPs") or []
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(external) or NONE
    if kind == "LoadBalancer":
        return ",".join(load_balancer_addresses(status) + external) or "<pending>"
    if kind == "ExternalName":
        name: str = spec.get("externalName", "")
        return name
    return texts.UNKNOWN


def _port(port: Object) -> str:
    node_port = port.get("nodePort")
    number = f"{port.get('port', 0)}:{node_port}" if node_port else str(port.get("port", 0))
    return f"{number}/{port.get('protocol', '')}"


def _service_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    cluster_ips = spec.get("clusterIPs")
    cluster_ip = cluster_ips[0] if cluster_ips else spec.get("clusterIP")
    return [
        obj["metadata"].get("name", ""),
        spec.get("type", ""),
        cluster_ip or NONE,
        _external_ip(spec, obj.get("status") or {}),
        ",".join(map(_port, spec.get("ports") or ())) or NONE,
        ages.age(obj, now),
        texts.labels_text(spec.get("selector")),
    ]


_SERVICE = API + "core.v1.ServiceSpec."

SERVICES = Columns(
    columns=(
        NAME,
        Column("Type", doc=_SERVICE + "type"),
        Column("Cluster-IP", doc=_SERVICE + "clusterIP"),
        Column("External-IP", doc=_SERVICE + "externalIPs"),
        Column("Port(s)", doc=_SERVICE + "ports"),
        AGE,
        Column("Selector", doc=_SERVICE + "selector", priority=1),
    ),
    cells=_service_cells,
)


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoints(subsets: list[Object]) -> str:
    """Every address with every port; bare addresses for a headless service without ports."""
    if not subsets:
        return NONE
    shown: list[str] = []
    count = 0
    for subset in subsets:
        addresses = [address.get("ip", "") for address in subset.get("addresses") or ()]
        ports = [port.get("port", 0) for port in subset.get("ports") or ()]
        count += len(addresses) * max(len(ports), 1)
        if len(shown) < _ENDPOINTS_SHOWN:
            shown += [_host_port(ip, port) for port in ports for ip in addresses]
            shown += [] if ports else addresses
    text = ",".join(shown[:_ENDPOINTS_SHOWN])
    rest = count - _ENDPOINTS_SHOWN
    return f"{text} + {rest} more..." if rest > 0 else text


def _endpoints_cells(obj: Object, now: float) -> list[Any]:
    subsets = obj.get("subsets") or []
    return [obj["metadata"].get("name", ""), _endpoints(subsets), ages.age(obj, now)]


ENDPOINTS = Columns(
    columns=(NAME, Column("Endpoints", doc=API + "core.v1.Endpoints.subsets"), AGE),
    cells=_endpoints_cells,
)

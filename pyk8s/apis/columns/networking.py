# SPDX-License-Identifier: Apache-2.0
"""The networking.k8s.io group."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.core_network import load_balancer_addresses
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns, ColumnsByResource

_GROUP = "networking.k8s.io"
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_HOSTS_SHOWN = 3


def _hosts(rules: list[Object]) -> str:
    """Three hosts; the count of the others counts rules, with or without a host."""
    hosts: list[str] = []
    more = False
    for rule in rules:
        more = more or len(hosts) == _HOSTS_SHOWN
        if not more and rule.get("host"):
            hosts.append(rule["host"])
    text = ",".join(hosts) or "*"
    return f"{text} + {len(rules) - _HOSTS_SHOWN} more..." if more else text


def _ingress_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    class_name = spec.get("ingressClassName")
    return [
        obj["metadata"].get("name", ""),
        texts.NONE if class_name is None else class_name,
        _hosts(spec.get("rules") or []),
        ",".join(load_balancer_addresses(obj.get("status") or {})),
        "80, 443" if spec.get("tls") else "80",
        ages.age(obj, now),
    ]


_INGRESSES = Columns(
    columns=(
        NAME,
        Column("Class", description="The IngressClass that says who implements this ingress."),
        Column("Hosts", description="The hosts of the rules; * where a rule takes any host."),
        Column("Address", description="Where the load balancer can be reached."),
        Column("Ports", description="80, and 443 when there is TLS."),
        AGE,
    ),
    cells=_ingress_cells,
)


def _ingress_class_cells(obj: Object, now: float) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    name = metadata.get("name", "")
    if (metadata.get("annotations") or {}).get(_DEFAULT_CLASS) == "true":
        name += " (default)"
    text, parameters = texts.NONE, spec.get("parameters")
    if parameters is not None:
        group = parameters.get("apiGroup")
        kind = parameters.get("kind", "") + ("" if group is None else f".{group}")
        text = f"{kind}/{parameters.get('name', '')}"
    return [name, spec.get("controller", ""), text, ages.age(obj, now)]


_INGRESS_CLASSES = Columns(
    columns=(
        NAME,
        Column("Controller", description="Who implements ingresses of this class."),
        Column("Parameters", description="The object that holds the class's settings."),
        AGE,
    ),
    cells=_ingress_class_cells,
)


def _network_policy_cells(obj: Object, now: float) -> list[Any]:
    selector = texts.label_selector((obj.get("spec") or {}).get("podSelector"))
    return [obj["metadata"].get("name", ""), selector, ages.age(obj, now)]


_NETWORK_POLICIES = Columns(
    columns=(
        NAME,
        Column("Pod-Selector", doc=API + "networking.v1.NetworkPolicySpec.podSelector"),
        AGE,
    ),
    cells=_network_policy_cells,
)


def _service_cidr_cells(obj: Object, now: float) -> list[Any]:
    cidrs = ",".join((obj.get("spec") or {}).get("cidrs") or ())
    return [obj["metadata"].get("name", ""), cidrs, ages.age(obj, now)]


_SERVICE_CIDRS = Columns(
    columns=(NAME, Column("CIDRs", doc=API + "networking.v1.ServiceCIDRSpec.cidrs"), AGE),
    cells=_service_cidr_cells,
)


def _ip_address_cells(obj: Object, now: float) -> list[Any]:
    """Three cells under two columns, as upstream sends them; clients drop the third."""
    parent = (obj.get("spec") or {}).get("parentRef")
    text = texts.NONE
    if parent is not None:
        resource = GroupResource(parent.get("group") or "", parent.get("resource") or "")
        namespace = f"/{parent['namespace']}" if parent.get("namespace") else ""
        text = f"{str(resource).lower()}{namespace}/{parent.get('name', '')}"
    return [obj["metadata"].get("name", ""), text, ages.age(obj, now)]


_IP_ADDRESSES = Columns(
    columns=(NAME, Column("ParentRef", doc=API + "networking.v1.IPAddressSpec.parentRef")),
    cells=_ip_address_cells,
)

COLUMNS: ColumnsByResource = {
    GroupResource(_GROUP, "ingressclasses"): _INGRESS_CLASSES,
    GroupResource(_GROUP, "ingresses"): _INGRESSES,
    GroupResource(_GROUP, "ipaddresses"): _IP_ADDRESSES,
    GroupResource(_GROUP, "networkpolicies"): _NETWORK_POLICIES,
    GroupResource(_GROUP, "servicecidrs"): _SERVICE_CIDRS,
}

# SPDX-License-Identifier: Apache-2.0
"""metrics.k8s.io/v1beta1 as documents: objects, lists, Tables, discovery. No I/O.

Mirrors metrics-server's `pkg/api`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from pyk8s.apimachinery import durations, meta, quantity, times
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.metricsserver.samples import NANO, Samples, Usage, earliest

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
VERBS = ("get", "list")


class Served(NamedTuple):
    """`unknown` is the resource that answers name where nothing is known of an object that there
    is."""

    resource: str
    kind: str
    namespaced: bool

    @property
    def source(self) -> GroupResource:
        return GroupResource("", self.resource)

    @property
    def unknown(self) -> GroupResource:
        return GroupResource(GROUP, self.kind.lower())


NODES = Served("nodes", "NodeMetrics", False)
PODS = Served("pods", "PodMetrics", True)
SERVED: Mapping[str, Served] = {each.resource: each for each in (NODES, PODS)}


# --- objects


def of_node(node: Object, samples: Samples, now: datetime) -> Object | None:
    """None where nothing is known."""
    usage = samples.of_node(meta.name(node))
    if usage is None:
        return None
    return {**_head(NODES, node, usage, now), "usage": _used(usage)}


def of_pod(pod: Object, samples: Samples, now: datetime) -> Object | None:
    """None where not of all its containers anything is known."""
    found = samples.of_pod(meta.namespaced_name(pod))
    if not found:
        return None
    containers = [{"name": name, "usage": _used(usage)} for name, usage in found.items()]
    return {**_head(PODS, pod, earliest(found.values()), now), "containers": containers}


def _head(served: Served, source: Object, usage: Usage, now: datetime) -> Object:
    metadata: dict[str, Any] = {"name": meta.name(source)}
    if served.namespaced:
        metadata["namespace"] = meta.namespace(source)
    metadata["creationTimestamp"] = times.format(now)
    if labels := meta.labels(source):
        metadata["labels"] = labels
    return {
        "kind": served.kind,
        "apiVersion": API_VERSION,
        "metadata": metadata,
        "timestamp": times.format(datetime.fromtimestamp(usage.timestamp / NANO, UTC)),
        "window": durations.format(usage.window),
    }


def _used(usage: Usage) -> dict[str, str]:
    cpu = quantity.Quantity(Decimal(usage.cpu).scaleb(-9), quantity.DECIMAL_SI)
    memory = quantity.Quantity(Decimal(usage.memory), quantity.BINARY_SI)
    return {"cpu": str(cpu), "memory": str(memory)}


def list_of(served: Served, items: Sequence[Object]) -> Object:
    """Items of a list do not repeat what the list says."""
    return {
        "kind": f"{served.kind}List",
        "apiVersion": API_VERSION,
        "metadata": {},
        "items": [{k: v for k, v in i.items() if k not in ("kind", "apiVersion")} for i in items],
    }


# --- Tables


def table(items: Sequence[Object], include_object: str, version: str) -> Object:
    """`version` is that of meta.k8s.io; columns are as there are resources in the first item."""
    rows = []
    resources: list[str] = []
    for item in items:
        used = _total(item)
        resources = resources or sorted(used)
        cells = [meta.name(item), *(used.get(each, "0") for each in resources), item["window"]]
        rows.append({"cells": cells, "object": _row_object(item, include_object, version)})
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": {},
        "columnDefinitions": _columns(resources) if items else [],
        "rows": rows,
    }


def _columns(resources: Iterable[str]) -> list[Object]:
    named = [("Name", "name", "Name of the resource")]
    named += [(each, "quantity", "") for each in resources]
    named.append(("Window", "duration", ""))
    return [
        {"name": name, "type": "string", "format": form, "description": text, "priority": 0}
        for name, form, text in named
    ]


def _total(item: Object) -> dict[str, str]:
    if "usage" in item:
        found: dict[str, str] = item["usage"]
        return found
    sums: dict[str, quantity.Quantity] = {}
    for container in item["containers"]:
        for resource, text in container["usage"].items():
            amount = quantity.parse(text)
            sums[resource] = sums[resource] + amount if resource in sums else amount
    return {resource: str(amount) for resource, amount in sums.items()}


def _row_object(item: Object, include_object: str, version: str) -> Object | None:
    if include_object == "None":
        return None
    if include_object == "Object":
        return item
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": item["metadata"],
    }


# --- discovery


def group() -> Object:
    version = {"groupVersion": API_VERSION, "version": VERSION}
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": GROUP,
        "versions": [version],
        "preferredVersion": version,
    }


def group_list() -> Object:
    own = {key: value for key, value in group().items() if key not in ("kind", "apiVersion")}
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [own]}


def resource_list() -> Object:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": API_VERSION,
        "resources": [
            {
                "name": each.resource,
                "singularName": "",
                "namespaced": each.namespaced,
                "kind": each.kind,
                "verbs": [*VERBS],
            }
            for each in SERVED.values()
        ],
    }


def aggregated(version: str) -> Object:
    """The APIGroupDiscoveryList, `version` being that of apidiscovery.k8s.io."""
    resources = [
        {
            "resource": each.resource,
            "responseKind": {"group": GROUP, "version": VERSION, "kind": each.kind},
            "scope": "Namespaced" if each.namespaced else "Cluster",
            "singularResource": "",
            "verbs": [*VERBS],
        }
        for each in SERVED.values()
    ]
    served = {"version": VERSION, "resources": resources, "freshness": "Current"}
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [{"metadata": {"name": GROUP, "creationTimestamp": None}, "versions": [served]}],
    }

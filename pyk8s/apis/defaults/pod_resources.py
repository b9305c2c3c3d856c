# SPDX-License-Identifier: Apache-2.0
"""Defaults of resource amounts: rounding, and a Pod's own resources from its containers'."""

from __future__ import annotations

from typing import Any

from pyk8s.apis import pod_amounts

_POD_LEVEL = ("cpu", "memory")


def round_up_to_milli(amounts: dict[str, Any]) -> None:
    """Round amounts finer than a thousandth up, in place."""
    for name, amount in amounts.items():
        text = str(amount)
        if text[-1:] in ("n", "u"):
            amounts[name] = _round_up(text)


def _round_up(text: str) -> str:
    milli = -(-pod_amounts.amount(text) * 1000 // 1)
    milli = -int(milli) if milli < 0 else int(milli)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def default_pod_resources(spec: dict[str, Any]) -> None:
    """Complete a Pod's own requests and limits from each other and from its containers', in
    place; only where the user has given some."""
    resources = spec["resources"]
    for kind in ("limits", "requests"):
        round_up_to_milli(resources.get(kind, {}))
    if not resources.get("limits") and not resources.get("requests"):
        return
    _default_huge_page_limits(spec, resources)
    if resources.get("limits"):
        _default_requests(spec, resources)
    elif any(name in _POD_LEVEL or _is_huge_page(name) for name in resources["requests"]):
        _default_limits(spec, resources)


def _is_huge_page(name: str) -> bool:
    return name.startswith("hugepages-")


def _default_huge_page_limits(spec: dict[str, Any], resources: dict[str, Any]) -> None:
    for name, limit in pod_amounts.aggregate_quantities(spec, "limits").items():
        if _is_huge_page(name) and name not in resources.get("requests", ()):
            resources.setdefault("limits", {}).setdefault(name, limit)


def _default_requests(spec: dict[str, Any], resources: dict[str, Any]) -> None:
    requests = dict(resources.get("requests", {}))
    for name, request in pod_amounts.aggregate_quantities(spec, "requests").items():
        if name in _POD_LEVEL:
            requests.setdefault(name, request)
    for name, limit in resources["limits"].items():
        if name in _POD_LEVEL or _is_huge_page(name):
            requests.setdefault(name, limit)
    if requests:
        resources["requests"] = requests


def _default_limits(spec: dict[str, Any], resources: dict[str, Any]) -> None:
    containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
    for name, limit in pod_amounts.aggregate_quantities(spec, "limits").items():
        limited = all(name in container["resources"].get("limits", ()) for container in containers)
        if name in _POD_LEVEL and limited:
            resources.setdefault("limits", {}).setdefault(name, limit)

# SPDX-License-Identifier: Apache-2.0
"""Defaults of the kinds of dynamic resource allocation.

Mirrors upstream's `pkg/apis/resource/v1/defaults.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery import times
from pyk8s.apimachinery.gvk import GroupVersionKind, Object

GROUP = "resource.k8s.io"


def default_resource_claim(claim: Object) -> None:
    _default_claim_spec(claim.setdefault("spec", {}))


def default_resource_claim_template(template: Object) -> None:
    outer = template.setdefault("spec", {})
    outer.setdefault("metadata", {})
    _default_claim_spec(outer.setdefault("spec", {}))


def default_resource_slice(resource_slice: Object) -> None:
    for device in resource_slice.setdefault("spec", {}).get("devices") or ():
        for taint in device.get("taints") or ():
            _default_taint(taint)


def default_device_taint_rule(rule: Object) -> None:
    _default_taint(rule.setdefault("spec", {}).setdefault("taint", {}))


def _default_claim_spec(spec: dict[str, Any]) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        if "exactly" in request:
            _default_request(request["exactly"])
        for alternative in request.get("firstAvailable") or ():
            _default_request(alternative)


def _default_request(request: dict[str, Any]) -> None:
    if not request.get("allocationMode"):
        request["allocationMode"] = "ExactCount"
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1
    for toleration in request.get("tolerations") or ():
        if not toleration.get("operator"):
            toleration["operator"] = "Equal"


def _default_taint(taint: dict[str, Any]) -> None:
    if "timeAdded" not in taint:
        taint["timeAdded"] = times.now()


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind(GROUP, "v1", "ResourceClaim"): default_resource_claim,
    GroupVersionKind(GROUP, "v1", "ResourceClaimTemplate"): default_resource_claim_template,
    GroupVersionKind(GROUP, "v1", "ResourceSlice"): default_resource_slice,
    GroupVersionKind(GROUP, "v1", "DeviceTaintRule"): default_device_taint_rule,
}

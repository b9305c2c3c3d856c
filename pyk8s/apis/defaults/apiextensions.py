# SPDX-License-Identifier: Apache-2.0
"""Defaults of CustomResourceDefinitions and APIServices.

Mirrors `pkg/apis/apiextensions/v1/defaults.go` of apiextensions-apiserver and its namesake in
kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyk8s.apimachinery.gvk import GroupVersionKind, Object

HTTPS_PORT = 443


def default_custom_resource_definition(definition: Object) -> None:
    spec = definition.setdefault("spec", {})
    spec.setdefault("versions", [])
    names = spec.setdefault("names", {})
    if not names.get("singular"):
        names["singular"] = names.get("kind", "").lower()
    if not names.get("listKind") and names.get("kind"):
        names["listKind"] = names["kind"] + "List"
    conversion = spec.setdefault("conversion", {})
    if not conversion.get("strategy"):
        conversion["strategy"] = "None"
    client = (conversion.get("webhook") or {}).get("clientConfig") or {}
    if "service" in client:
        client["service"].setdefault("port", HTTPS_PORT)


def default_api_service(api_service: Object) -> None:
    service = api_service.setdefault("spec", {}).get("service")
    if service is not None:
        service.setdefault("port", HTTPS_PORT)


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind(
        "apiextensions.k8s.io", "v1", "CustomResourceDefinition"
    ): default_custom_resource_definition,
    GroupVersionKind("apiregistration.k8s.io", "v1", "APIService"): default_api_service,
}

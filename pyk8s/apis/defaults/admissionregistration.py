# SPDX-License-Identifier: Apache-2.0
"""Defaults of webhook configurations and admission policies.

Mirrors upstream's `pkg/apis/admissionregistration/v1/defaults.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersionKind, Object

GROUP = "admissionregistration.k8s.io"
HTTPS_PORT = 443


def default_validating_webhooks(configuration: Object) -> None:
    for webhook in configuration.get("webhooks") or ():
        _default_webhook(webhook)


def default_mutating_webhooks(configuration: Object) -> None:
    for webhook in configuration.get("webhooks") or ():
        _default_webhook(webhook)
        webhook.setdefault("reinvocationPolicy", "Never")


def default_policy(policy: Object) -> None:
    """Fill in a ValidatingAdmissionPolicy or MutatingAdmissionPolicy."""
    spec = policy.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    _default_match_resources(spec.get("matchConstraints"))


def default_policy_binding(binding: Object) -> None:
    _default_match_resources(binding.setdefault("spec", {}).get("matchResources"))


def _default_webhook(webhook: dict[str, Any]) -> None:
    webhook.setdefault("failurePolicy", "Fail")
    webhook.setdefault("matchPolicy", "Equivalent")
    webhook.setdefault("namespaceSelector", {})
    webhook.setdefault("objectSelector", {})
    webhook.setdefault("timeoutSeconds", 10)
    service = webhook.setdefault("clientConfig", {}).get("service")
    if service is not None:
        service.setdefault("port", HTTPS_PORT)
    _default_rules(webhook.get("rules"))


def _default_match_resources(resources: dict[str, Any] | None) -> None:
    if resources is None:
        return
    resources.setdefault("matchPolicy", "Equivalent")
    resources.setdefault("namespaceSelector", {})
    resources.setdefault("objectSelector", {})
    _default_rules(resources.get("resourceRules"))
    _default_rules(resources.get("excludeResourceRules"))


def _default_rules(rules: list[dict[str, Any]] | None) -> None:
    for rule in rules or ():
        rule.setdefault("scope", "*")


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind(GROUP, "v1", "ValidatingWebhookConfiguration"): default_validating_webhooks,
    GroupVersionKind(GROUP, "v1", "MutatingWebhookConfiguration"): default_mutating_webhooks,
    GroupVersionKind(GROUP, "v1", "ValidatingAdmissionPolicy"): default_policy,
    GroupVersionKind(GROUP, "v1", "MutatingAdmissionPolicy"): default_policy,
    GroupVersionKind(GROUP, "v1", "ValidatingAdmissionPolicyBinding"): default_policy_binding,
    GroupVersionKind(GROUP, "v1", "MutatingAdmissionPolicyBinding"): default_policy_binding,
}

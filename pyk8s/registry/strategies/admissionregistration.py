# SPDX-License-Identifier: Apache-2.0
"""The Strategies of admissionregistration.k8s.io.

Switches and preparation are those of `pkg/registry/admissionregistration/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.defaults import admissionregistration as defaults
from pyk8s.apis.validation import admissionpolicies, webhooks
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.resetting import ResettingStrategy
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy


class WebhookConfigurationStrategy(RuledStrategy):
    allow_unconditional_update = False
    tracks_generation = True
    rules = Rules(
        default=defaults.default_validating_webhooks,
        validate=webhooks.validate_webhook_configuration,
        validate_update=webhooks.validate_webhook_configuration_update,
    )

    def spec_changed(self, updated: Object, existing: Object) -> bool:
        return (updated.get("webhooks") or []) != (existing.get("webhooks") or [])


class MutatingWebhookConfigurationStrategy(WebhookConfigurationStrategy):
    rules = Rules(
        default=defaults.default_mutating_webhooks,
        validate=webhooks.validate_webhook_configuration,
        validate_update=webhooks.validate_webhook_configuration_update,
    )


class ValidatingAdmissionPolicyStrategy(ResettingStrategy):
    allow_unconditional_update = False
    tracks_generation = True
    rules = Rules(
        default=defaults.default_policy,
        validate=admissionpolicies.validate_validating_policy,
        validate_update=admissionpolicies.validate_validating_policy,
    )

    def validate_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return admissionpolicies.validate_policy_status_update(updated)


class MutatingAdmissionPolicyStrategy(RuledStrategy):
    allow_unconditional_update = False
    tracks_generation = True
    rules = Rules(
        default=defaults.default_policy,
        validate=admissionpolicies.validate_mutating_policy,
        validate_update=admissionpolicies.validate_mutating_policy,
    )


class ValidatingAdmissionPolicyBindingStrategy(RuledStrategy):
    allow_unconditional_update = False
    tracks_generation = True
    # Of the two kinds of binding, this one says what is done about a fault.
    has_actions = True
    rules = Rules(default=defaults.default_policy_binding)

    def validate(self, context: RequestContext, obj: Object) -> list[field.Error]:
        return admissionpolicies.validate_binding(obj, actions=self.has_actions)

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return admissionpolicies.validate_binding(updated, actions=self.has_actions)


class MutatingAdmissionPolicyBindingStrategy(ValidatingAdmissionPolicyBindingStrategy):
    has_actions = False


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource(defaults.GROUP, resource): strategy
    for resource, strategy in (
        ("validatingwebhookconfigurations", WebhookConfigurationStrategy),
        ("mutatingwebhookconfigurations", MutatingWebhookConfigurationStrategy),
        ("validatingadmissionpolicies", ValidatingAdmissionPolicyStrategy),
        ("mutatingadmissionpolicies", MutatingAdmissionPolicyStrategy),
        ("validatingadmissionpolicybindings", ValidatingAdmissionPolicyBindingStrategy),
        ("mutatingadmissionpolicybindings", MutatingAdmissionPolicyBindingStrategy),
    )
}

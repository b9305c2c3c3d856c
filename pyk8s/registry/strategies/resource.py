# SPDX-License-Identifier: Apache-2.0
"""The Strategies of resource.k8s.io.

Switches and preparation are those of `pkg/registry/resource/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis.defaults import resource as defaults
from pyk8s.apis.validation import deviceclaims, deviceslices
from pyk8s.registry.strategies.resetting import ResettingStrategy
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy


class ResourceClaimStrategy(ResettingStrategy):
    rules = Rules(
        default=defaults.default_resource_claim,
        validate=deviceclaims.validate_claim,
        validate_update=deviceclaims.validate_claim_update,
        validate_status_update=deviceclaims.validate_claim_status_update,
    )


class ResourceClaimTemplateStrategy(RuledStrategy):
    rules = Rules(
        default=defaults.default_resource_claim_template,
        validate=deviceclaims.validate_claim_template,
        validate_update=deviceclaims.validate_claim_template_update,
    )


class DeviceClassStrategy(RuledStrategy):
    tracks_generation = True
    rules = Rules(
        validate=deviceclaims.validate_device_class,
        validate_update=deviceclaims.validate_device_class_update,
    )


class ResourceSliceStrategy(RuledStrategy):
    tracks_generation = True
    rules = Rules(
        default=defaults.default_resource_slice,
        validate=deviceslices.validate_slice,
        validate_update=deviceslices.validate_slice_update,
    )


class DeviceTaintRuleStrategy(ResettingStrategy):
    tracks_generation = True
    rules = Rules(
        default=defaults.default_device_taint_rule,
        validate=deviceslices.validate_taint_rule,
        validate_update=deviceslices.validate_taint_rule_update,
        validate_status_update=deviceslices.validate_taint_rule_status_update,
    )


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource(defaults.GROUP, "resourceclaims"): ResourceClaimStrategy,
    GroupResource(defaults.GROUP, "resourceclaimtemplates"): ResourceClaimTemplateStrategy,
    GroupResource(defaults.GROUP, "deviceclasses"): DeviceClassStrategy,
    GroupResource(defaults.GROUP, "resourceslices"): ResourceSliceStrategy,
    GroupResource(defaults.GROUP, "devicetaintrules"): DeviceTaintRuleStrategy,
}

# SPDX-License-Identifier: Apache-2.0
"""The Strategies of flowcontrol.apiserver.k8s.io and storagemigration.k8s.io.

Switches and preparation are those of `pkg/registry/{flowcontrol,storagemigration}/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.defaults import flowcontrol as defaults
from pyk8s.apis.validation import flowcontrol, storagemigration
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.resetting import ResettingStrategy
from pyk8s.registry.strategies.ruled import Rules
from pyk8s.registry.strategy import Strategy


class _FlowControlStrategy(ResettingStrategy):
    """An update is held to the rules of a create, and to no others."""

    allow_unconditional_update = False
    tracks_generation = True

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return self.rules.validate(updated)

    def validate_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return flowcontrol.validate_conditions(updated)


class FlowSchemaStrategy(_FlowControlStrategy):
    rules = Rules(default=defaults.default_flow_schema, validate=flowcontrol.validate_flow_schema)


class PriorityLevelStrategy(_FlowControlStrategy):
    rules = Rules(
        default=defaults.default_priority_level, validate=flowcontrol.validate_priority_level
    )


class StorageVersionMigrationStrategy(ResettingStrategy):
    allow_unconditional_update = False
    rules = Rules(
        validate=storagemigration.validate_migration,
        validate_update=storagemigration.validate_migration_update,
        validate_status_update=storagemigration.validate_migration_status_update,
    )


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource(defaults.GROUP, "flowschemas"): FlowSchemaStrategy,
    GroupResource(defaults.GROUP, "prioritylevelconfigurations"): PriorityLevelStrategy,
    GroupResource(
        "storagemigration.k8s.io", "storageversionmigrations"
    ): StorageVersionMigrationStrategy,
}

# SPDX-License-Identifier: Apache-2.0
"""The Strategies of scheduling.k8s.io, node.k8s.io and coordination.k8s.io.

Switches and preparation are those of `pkg/registry/{scheduling,node,coordination}/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.defaults import scheduling as defaults
from pyk8s.apis.validation import coordination, priorityclasses, runtimeclasses
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy


class PriorityClassStrategy(RuledStrategy):
    """Has a generation, which never moves: what matters of it cannot change."""

    tracks_generation = True
    rules = Rules(
        default=defaults.default_priority_class,
        validate=priorityclasses.validate_priority_class,
        validate_update=priorityclasses.validate_priority_class_update,
    )

    def spec_changed(self, updated: Object, existing: Object) -> bool:
        return False


class RuntimeClassStrategy(RuledStrategy):
    allow_unconditional_update = False
    rules = Rules(
        validate=runtimeclasses.validate_runtime_class,
        validate_update=runtimeclasses.validate_runtime_class_update,
    )


class LeaseStrategy(RuledStrategy):
    allow_create_on_update = True
    allow_unconditional_update = False
    rules = Rules(
        validate=coordination.validate_lease,
        validate_update=coordination.validate_lease_update,
    )


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource("scheduling.k8s.io", "priorityclasses"): PriorityClassStrategy,
    GroupResource("node.k8s.io", "runtimeclasses"): RuntimeClassStrategy,
    GroupResource("coordination.k8s.io", "leases"): LeaseStrategy,
}

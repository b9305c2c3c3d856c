# SPDX-License-Identifier: Apache-2.0
"""The Strategies of autoscaling and policy: HorizontalPodAutoscaler, PodDisruptionBudget.

Switches and preparation are those of `pkg/registry/{autoscaling,policy}/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis.defaults import autoscaling as defaults
from pyk8s.apis.validation import autoscaling, policy
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy


class AutoscalerStrategy(RuledStrategy):
    """Sees autoscaling/v2 objects alone: v1 is converted before it gets here."""

    tracks_generation = True
    rules = Rules(
        default=defaults.default_autoscaler,
        validate=autoscaling.validate_autoscaler,
        validate_update=autoscaling.validate_autoscaler_update,
        validate_status_update=autoscaling.validate_autoscaler_status_update,
    )


class PodDisruptionBudgetStrategy(RuledStrategy):
    allow_unconditional_update = False
    tracks_generation = True
    rules = Rules(
        validate=policy.validate_pod_disruption_budget,
        validate_update=policy.validate_pod_disruption_budget_update,
        validate_status_update=policy.validate_pod_disruption_budget_status_update,
    )


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource("autoscaling", "horizontalpodautoscalers"): AutoscalerStrategy,
    GroupResource("policy", "poddisruptionbudgets"): PodDisruptionBudgetStrategy,
}

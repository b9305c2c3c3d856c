# SPDX-License-Identifier: Apache-2.0
"""Rules of PodDisruptionBudgets.

Mirrors upstream's `pkg/apis/policy/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, conditions, intorpercent, meta

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_GO_SPEC = (
    ("MinAvailable", "minAvailable"),
    ("Selector", "selector"),
    ("MaxUnavailable", "maxUnavailable"),
    ("UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy"),
)
_EVICTION_POLICIES = frozenset({"IfHealthyBudget", "AlwaysAllow"})


def validate_pod_disruption_budget(budget: Object) -> list[field.Error]:
    found = meta.validate_object_meta(budget, namespaced=True, name_rule=names.is_dns1123_subdomain)
    return found + _spec(budget.get("spec") or {})


def validate_pod_disruption_budget_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + _spec(updated.get("spec") or {})


def _spec(spec: Mapping[str, Any]) -> list[field.Error]:
    found = []
    if "minAvailable" in spec and "maxUnavailable" in spec:
        shown = checks.go_struct(spec, _GO_SPEC)
        detail = "minAvailable and maxUnavailable cannot be both set"
        found.append(field.invalid(_SPEC, shown, detail))
    for key in ("minAvailable", "maxUnavailable"):
        if key in spec:
            found += intorpercent.not_negative(spec[key], _SPEC.child(key))
            found += intorpercent.at_most_100_percent(spec[key], _SPEC.child(key))
    found += meta.validate_label_selector(spec.get("selector"), _SPEC.child("selector"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None:
        where = _SPEC.child("unhealthyPodEvictionPolicy")
        found += checks.one_of(policy, where, _EVICTION_POLICIES)
    return found


def validate_pod_disruption_budget_status_update(
    updated: Object, existing: Object
) -> list[field.Error]:
    status = updated.get("status") or {}
    found = conditions.validate_conditions(
        status.get("conditions") or (), _STATUS.child("conditions")
    )
    keys = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    return found + checks.all_non_negative(status, keys, _STATUS)

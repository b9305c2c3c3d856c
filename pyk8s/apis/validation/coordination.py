# SPDX-License-Identifier: Apache-2.0
"""Rules of Leases.

Mirrors upstream's `pkg/apis/coordination/validation/validation.go`.
"""

from __future__ import annotations

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_SPEC = field.Path("spec")
_STRATEGIES = ("OldestEmulationVersion",)


def validate_lease(lease: Object) -> list[field.Error]:
    found = meta.validate_object_meta(lease, namespaced=True, name_rule=names.is_dns1123_subdomain)
    return found + _spec(lease)


def validate_lease_update(updated: Object, existing: Object) -> list[field.Error]:
    return meta.validate_object_meta_update(updated, existing) + _spec(updated)


def _spec(lease: Object) -> list[field.Error]:
    spec = lease.get("spec") or {}
    found = []
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        where = _SPEC.child("leaseDurationSeconds")
        found.append(field.invalid(where, duration, "must be greater than 0"))
    found += checks.non_negative(spec.get("leaseTransitions"), _SPEC.child("leaseTransitions"))
    strategy = spec.get("strategy")
    if strategy is not None:
        found += _strategy(strategy, _SPEC.child("strategy"))
    if spec.get("preferredHolder") and not strategy:
        detail = "may only be specified if `strategy` is defined"
        found.append(field.forbidden(_SPEC.child("preferredHolder"), detail))
    return found


def _strategy(strategy: str, path: field.Path) -> list[field.Error]:
    # Upstream names the field twice.
    where = path.child("strategy")
    if "/" in strategy:
        return checks.qualified_name(strategy, where)
    return checks.one_of(strategy, where, _STRATEGIES)

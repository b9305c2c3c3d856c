# SPDX-License-Identifier: Apache-2.0
"""Rules of LimitRanges and ResourceQuotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import pod_amounts
from pyk8s.apis.validation import checks, meta, resources

Limit = Mapping[str, Any]
Spec = Mapping[str, Any]

_LIMIT_TYPES = frozenset({"Pod", "Container", "PersistentVolumeClaim"})
_SPEC = field.Path("spec")
_POD_RESOURCES = frozenset(
    {"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
)
_CLAIM_RESOURCES = frozenset({"persistentvolumeclaims", "requests.storage"})
_SCOPES = {
    "Terminating": _POD_RESOURCES,
    "NotTerminating": _POD_RESOURCES,
    "BestEffort": frozenset({"pods"}),
    "NotBestEffort": _POD_RESOURCES,
    "PriorityClass": _POD_RESOURCES,
    "CrossNamespacePodAffinity": _POD_RESOURCES,
    "VolumeAttributesClass": _CLAIM_RESOURCES,
}
_EXISTS_ONLY = frozenset(_SCOPES) - {"PriorityClass", "VolumeAttributesClass"}
_CONFLICTING = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


# --- LimitRange


def validate_limit_range(limit_range: Object) -> list[field.Error]:
    errors = meta.validate_object_meta(
        limit_range, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    seen: set[str] = set()
    for index, limit in enumerate((limit_range.get("spec") or {}).get("limits", ())):
        at = _SPEC.child("limits").index(index)
        kind = limit.get("type", "")
        errors += _validate_limit_type(kind, at.child("type"))
        if kind in seen:
            errors.append(field.duplicate(at.child("type"), kind))
        seen.add(kind)
        errors += _validate_limit_names(limit, kind, at)
        errors += _validate_limit_values(limit, at)
    return errors


def validate_limit_range_update(updated: Object, existing: Object) -> list[field.Error]:
    return validate_limit_range(updated)


def _validate_limit_type(kind: str, path: field.Path) -> list[field.Error]:
    errors = checks.qualified_name(kind, path)
    if not errors and "/" not in kind and kind not in _LIMIT_TYPES:
        detail = "must be a standard limit type or fully qualified"
        errors.append(field.invalid(path, kind, detail))
    return errors


def _validate_limit_names(limit: Limit, kind: str, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    rule = resources.validate_resource_name
    if kind in ("Pod", "Container"):
        rule = resources.validate_container_resource_name
    for bound in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        if kind == "Pod" and bound.startswith("default"):
            if limit.get(bound):
                detail = "may not be specified when `type` is 'Pod'"
                errors.append(field.forbidden(path.child(bound), detail))
            continue
        for name in limit.get(bound, ()):
            errors += rule(name, path.child(bound).key(name))
    bounded = any("storage" in limit.get(bound, ()) for bound in ("min", "max"))
    if kind == "PersistentVolumeClaim" and not bounded:
        detail = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(field.required(path.child("limits"), detail))
    return errors


# Which of two bounds must not be above the other, where the fault stands, and as what they are
# called: (low, high, field of the fault, low's words, high's words).
_ORDERED = (
    ("min", "max", "min", "min value", "max value", "min"),
    ("min", "defaultRequest", "defaultRequest", "min value", "default request value", None),
    ("defaultRequest", "max", "defaultRequest", "default request value", "max value", None),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value",
        "default limit value",
        None,
    ),
    ("min", "default", "default", "min value", "default value", "min"),
    ("default", "max", "default", "default value", "max value", "max"),
)


def _validate_limit_values(limit: Limit, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    pod = limit.get("type") == "Pod"
    bounds = {
        bound: {} if pod and bound.startswith("default") else limit.get(bound, {})
        for bound in ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
    }
    for name in dict.fromkeys(name for bound in bounds.values() for name in bound):
        for low, high, where, low_words, high_words, shown in _ORDERED:
            if name not in bounds[low] or name not in bounds[high]:
                continue
            least, most = bounds[low][name], bounds[high][name]
            if pod_amounts.amount(least) > pod_amounts.amount(most):
                value = bounds[shown or where][name]
                detail = f"{low_words} {least} is greater than {high_words} {most}"
                errors.append(field.invalid(path.child(where).key(name), value, detail))
        errors += _validate_ratio(name, bounds, path)
        errors += _validate_fixed(name, bounds, path)
    return errors


def _validate_ratio(
    name: str, bounds: Mapping[str, Mapping[str, str]], path: field.Path
) -> list[field.Error]:
    ratio = bounds["maxLimitRequestRatio"].get(name)
    if ratio is None:
        return []
    at = path.child("maxLimitRequestRatio").key(name)
    errors = []
    wanted = pod_amounts.amount(ratio)
    if wanted < 1:
        errors.append(field.invalid(at, ratio, f"ratio {ratio} is less than 1"))
    if name in bounds["min"] and name in bounds["max"]:
        least = pod_amounts.amount(bounds["min"][name])
        possible = pod_amounts.amount(bounds["max"][name]) / least if least else Fraction(1 << 62)
        if wanted > possible:
            detail = f"ratio {ratio} is greater than max/min = {float(possible):f}"
            errors.append(field.invalid(at, ratio, detail))
    return errors


def _validate_fixed(
    name: str, bounds: Mapping[str, Mapping[str, str]], path: field.Path
) -> list[field.Error]:
    """What cannot be overcommitted is requested exactly as limited."""
    limit, request = bounds["default"].get(name), bounds["defaultRequest"].get(name)
    if limit is None or request is None or resources.may_overcommit(name):
        return []
    if pod_amounts.amount(limit) == pod_amounts.amount(request):
        return []
    detail = f"default value {limit} must equal to defaultRequest value {request} in {name}"
    return [field.invalid(path.child("defaultRequest").key(name), request, detail)]


# --- ResourceQuota


def validate_resource_quota(quota: Object) -> list[field.Error]:
    errors = meta.validate_object_meta(quota, namespaced=True, name_rule=names.is_dns1123_subdomain)
    return errors + _validate_quota_spec(quota.get("spec") or {}) + _validate_quota_status(quota)


def _validate_quota_spec(spec: Spec) -> list[field.Error]:
    errors = _validate_hard(spec.get("hard", {}), _SPEC.child("hard"))
    errors += _validate_scopes(spec)
    if "scopeSelector" in spec:
        errors += _validate_scope_selector(spec)
    return errors


def _validate_hard(hard: Mapping[str, str], path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    for name, quantity in hard.items():
        at = path.key(name)
        errors += resources.validate_quota_resource_name(name, at)
        errors += resources.validate_amount(name, quantity, at)
    return errors


def _validate_quota_status(quota: Object) -> list[field.Error]:
    status = quota.get("status") or {}
    path = field.Path("status")
    return _validate_hard(status.get("hard", {}), path.child("hard")) + _validate_hard(
        status.get("used", {}), path.child("used")
    )


def _unfit(scope: str, spec: Spec) -> list[str]:
    """The limited resources that a scope says nothing about."""
    fitting = _SCOPES.get(scope, frozenset())
    return [
        name
        for name in sorted(spec.get("hard", {}))
        if resources.is_standard_quota(name) and name not in fitting
    ]


def _conflicts(used: Sequence[str], scopes: Sequence[str], path: field.Path) -> list[field.Error]:
    return [
        field.invalid(path, scopes, "conflicting scopes")
        for pair in _CONFLICTING
        if all(scope in used for scope in pair)
    ]


def _validate_scopes(spec: Spec) -> list[field.Error]:
    scopes = spec.get("scopes", ())
    at = _SPEC.child("scopes")
    errors: list[field.Error] = []
    for scope in scopes:
        if scope not in _SCOPES:
            errors.append(field.invalid(at, scopes, "unsupported scope"))
        for _ in _unfit(scope, spec):
            errors.append(field.invalid(at, scopes, "unsupported scope applied to resource"))
    return errors + _conflicts(scopes, scopes, at)


def _validate_scope_selector(spec: Spec) -> list[field.Error]:
    selector = spec["scopeSelector"]
    requirements = selector.get("matchExpressions", ())
    at = _SPEC.child("scopeSelector", "matchExpressions")
    errors: list[field.Error] = []
    for requirement in requirements:
        scope = requirement.get("scopeName", "")
        if scope not in _SCOPES:
            errors.append(field.invalid(at.child("scopeName"), scope, "unsupported scope"))
        for _ in _unfit(scope, spec):
            errors.append(field.invalid(at, selector, "unsupported scope applied to resource"))
        errors += _validate_scope_operator(requirement, at)
    used = [requirement.get("scopeName", "") for requirement in requirements]
    return errors + _conflicts(used, spec.get("scopes", ()), at)


def _validate_scope_operator(requirement: Spec, path: field.Path) -> list[field.Error]:
    scope, operator = requirement.get("scopeName", ""), requirement.get("operator", "")
    operands = requirement.get("values", ())
    errors = []
    if scope in _EXISTS_ONLY and operator != "Exists":
        detail = (
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
            "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
            "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
        )
        errors.append(field.invalid(path.child("operator"), operator, detail))
    if operator in ("In", "NotIn"):
        if not operands:
            detail = (
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            )
            errors.append(field.required(path.child("values"), detail))
    elif operator in ("Exists", "DoesNotExist"):
        if operands:
            detail = (
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            )
            errors.append(field.invalid(path.child("values"), operands, detail))
    else:
        detail = "not a valid selector operator"
        errors.append(field.invalid(path.child("operator"), operator, detail))
    return errors


def validate_resource_quota_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    new, old = updated.get("spec") or {}, existing.get("spec") or {}
    errors += _validate_quota_spec(new)
    if set(new.get("scopes", ())) != set(old.get("scopes", ())):
        at = _SPEC.child("scopes")
        errors.append(field.invalid(at, new.get("scopes"), checks.IMMUTABLE))
    return errors


def validate_resource_quota_status_update(updated: Object, existing: Object) -> list[field.Error]:
    return meta.validate_object_meta_update(updated, existing) + _validate_quota_status(updated)

# SPDX-License-Identifier: Apache-2.0
"""Rules of resource names and amounts: containers, Pods, quotas, limit ranges, nodes.

Which names are standard, native, extended or countable is upstream's `pkg/apis/core/helper`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.pod_amounts import amount
from pyk8s.apis.validation import checks

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
_STANDARD_QUOTA = (
    frozenset(_COMPUTE)
    | {f"{verb}.{name}" for verb in ("requests", "limits") for name in _COMPUTE}
    | {"requests.storage"}
    | _COUNTED
)
_STANDARD = _STANDARD_QUOTA | {"storage"}
_POD_LEVEL = frozenset({"cpu", "memory"})
_QOS = ("cpu", "memory")

NameRule = Callable[[str, field.Path], list[field.Error]]


def is_huge_page(name: str) -> bool:
    return name.startswith("hugepages-")


def is_native(name: str) -> bool:
    """A name the project itself gives meaning to."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A countable resource that a device plugin or a cluster operator brings."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.is_qualified_name("requests." + name)


def may_overcommit(name: str) -> bool:
    return is_native(name) and not is_huge_page(name)


def is_standard_quota(name: str) -> bool:
    return name in _STANDARD_QUOTA or name.startswith(("hugepages-", "requests.hugepages-"))


def validate_resource_name(name: str, path: field.Path) -> list[field.Error]:
    errors = checks.qualified_name(name, path)
    if errors or "/" in name:
        return errors
    if name in _STANDARD or name.startswith(("hugepages-", "requests.hugepages-")):
        return []
    return [field.invalid(path, name, "must be a standard resource type or fully qualified")]


def validate_container_resource_name(name: str, path: field.Path) -> list[field.Error]:
    if name in _COMPUTE:
        return []
    errors = validate_resource_name(name, path)
    if "/" not in name:
        if not is_huge_page(name):
            detail = "must be a standard resource for containers"
            errors.append(field.invalid(path, name, detail))
    elif not is_native(name) and not is_extended(name):
        detail = "doesn't follow extended resource name standard"
        errors.append(field.invalid(path, name, detail))
    return errors


def validate_pod_resource_name(name: str, path: field.Path) -> list[field.Error]:
    errors = validate_resource_name(name, path)
    if not errors and name not in _POD_LEVEL and not is_huge_page(name):
        errors.append(field.not_supported(path, name, _POD_LEVEL))
    return errors


def validate_quota_resource_name(name: str, path: field.Path) -> list[field.Error]:
    errors = validate_resource_name(name, path)
    if "/" not in name and not is_standard_quota(name):
        errors.append(field.invalid(path, name, "must be a standard resource for quota"))
    return errors


def validate_amount(name: str, quantity: str, path: field.Path) -> list[field.Error]:
    """Not negative, and whole where the resource is counted."""
    if name in _COMPUTE:
        return [] if str(quantity)[0] != "-" else _validate_amount(name, quantity, path)
    return _validate_amount(name, quantity, path)


def _validate_amount(name: str, quantity: str, path: field.Path) -> list[field.Error]:
    errors = []
    value = amount(quantity)
    if value < 0:
        errors.append(field.invalid(path, quantity, checks.NOT_NEGATIVE))
    if (name in _COUNTED or is_extended(name)) and value.denominator != 1:
        errors.append(field.invalid(path, quantity, "must be an integer"))
    return errors


def validate_basic_amount(quantity: str, path: field.Path) -> list[field.Error]:
    value = amount(quantity)
    if value < 0:
        # Upstream's Value() rounds up, towards zero for what is negative.
        whole = -int(-value)
        if whole < 0:
            return [field.invalid(path, whole, "must be a valid resource quantity")]
    return []


def validate_positive(quantity: str, path: field.Path) -> list[field.Error]:
    if amount(quantity) <= 0:
        return [field.invalid(path, quantity, checks.NOT_POSITIVE)]
    return []


def validate_requirements(
    requirements: Mapping[str, Any],
    claim_names: Collection[str],
    path: field.Path,
    name_rule: NameRule = validate_container_resource_name,
) -> list[field.Error]:
    """Limits, requests and claims of one container (or, by `name_rule`, of a Pod)."""
    limits, requests = requirements.get("limits", {}), requirements.get("requests", {})
    errors: list[field.Error] = []
    for name, quantity in limits.items():
        if not _is_plain(name, quantity):
            errors += _validate_named(name, quantity, path.child("limits").key(name), name_rule)
    for name, quantity in requests.items():
        if not _is_plain(name, quantity):
            errors += _validate_named(name, quantity, path.child("requests").key(name), name_rule)
        errors += _validate_request(name, quantity, limits.get(name), path)
    every = (*limits, *requests)
    if any(map(is_huge_page, every)) and not any(name in every for name in _QOS):
        errors.append(field.forbidden(path, "HugePages require cpu or memory"))
    if "claims" in requirements:
        errors += _validate_claims(requirements["claims"], claim_names, path.child("claims"))
    return errors


def _is_plain(name: str, quantity: str) -> bool:
    """Sound under any name rule, so that the usual container costs no paths."""
    return name in _QOS and str(quantity)[0] != "-"


def _validate_named(
    name: str, quantity: str, path: field.Path, name_rule: NameRule
) -> list[field.Error]:
    errors = name_rule(name, path) + validate_amount(name, quantity, path)
    if is_huge_page(name) and not _is_multiple_of_page(name, quantity):
        detail = f"{quantity} is not positive integer multiple of {name}"
        errors.append(field.invalid(path, quantity, detail))
    return errors


def _validate_request(
    name: str, quantity: str, limit: str | None, path: field.Path
) -> list[field.Error]:
    if limit is None:
        if may_overcommit(name):
            return []
        detail = "Limit must be set for non overcommitable resources"
        return [field.required(path.child("limits"), detail)]
    if limit == quantity:
        return []
    wanted, allowed = amount(quantity), amount(limit)
    if wanted != allowed and not may_overcommit(name):
        detail = f"must be equal to {name} limit of {limit}"
        return [field.invalid(path.child("requests"), quantity, detail)]
    if wanted > allowed:
        detail = f"must be less than or equal to {name} limit of {limit}"
        return [field.invalid(path.child("requests"), quantity, detail)]
    return []


def _is_multiple_of_page(name: str, quantity: str) -> bool:
    try:
        page = amount(name.removeprefix("hugepages-"))
    except ValueError:
        return False
    if page <= 0 or page.denominator != 1:
        return False
    value = amount(quantity)
    return (value / page).denominator == 1


def _validate_claims(
    claims: Sequence[Mapping[str, Any]], claim_names: Collection[str], path: field.Path
) -> list[field.Error]:
    errors: list[field.Error] = []
    seen: set[tuple[str, str]] = set()
    for index, claim in enumerate(claims):
        name, request = claim.get("name", ""), claim.get("request", "")
        at = path.index(index)
        if not name:
            errors.append(field.required(at))
            continue
        if request:
            errors += checks.dns1123_label(request, at.child("request"))
        if (name, "") in seen or (not request and any(name == other for other, _ in seen)):
            errors.append(field.duplicate(at, name))
        elif (name, request) in seen:
            errors.append(field.duplicate(at, f"{name}/{request}"))
        seen.add((name, request))
        if name not in claim_names:
            errors.append(_unknown_claim(name, claim_names, at))
    return errors


def _unknown_claim(name: str, claim_names: Collection[str], path: field.Path) -> field.Error:
    known = ": " + ", ".join(sorted(claim_names)) if claim_names else " which is empty"
    error = field.not_found(path, name)
    detail = f"must be one of the names in pod.spec.resourceClaims{known}"
    return field.Error(error.reason, error.field, f"{error.body}: {detail}")

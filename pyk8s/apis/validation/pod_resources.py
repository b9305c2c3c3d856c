# SPDX-License-Identifier: Apache-2.0
"""Rules of the resources of a whole Pod: its own requests and limits, and its overhead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apis import pod_amounts
from pyk8s.apis.validation import resources

Spec = Mapping[str, Any]


def validate_overhead(overhead: Mapping[str, str], path: field.Path) -> list[field.Error]:
    return resources.validate_requirements({"limits": overhead}, (), path)


def validate_pod_resources(spec: Spec, path: field.Path) -> list[field.Error]:
    """The Pod's own requests and limits hold those of its containers."""
    own = spec["resources"]
    errors: list[field.Error] = []
    if "claims" in own:
        detail = "claims cannot be set for Resources at pod-level"
        errors.append(field.forbidden(path.child("claims"), detail))
    errors += resources.validate_requirements(own, (), path, resources.validate_pod_resource_name)
    return errors + _validate_requests(spec, path) + _validate_limits(spec, path)


def _validate_requests(spec: Spec, path: field.Path) -> list[field.Error]:
    errors = []
    own = spec["resources"].get("requests", {})
    for name, shown in pod_amounts.aggregate_quantities(spec, "requests").items():
        if pod_amounts.amount(shown) > pod_amounts.amount(own.get(name, "0")):
            detail = f"must be greater than or equal to aggregate container requests of {shown}"
            at = path.child("requests").key(name)
            errors.append(field.invalid(at, own.get(name, "0"), detail))
    return errors


def _validate_limits(spec: Spec, path: field.Path) -> list[field.Error]:
    errors = []
    own = spec["resources"].get("limits", {})
    for index, container in enumerate(spec.get("containers", ())):
        for name, limit in (container.get("resources") or {}).get("limits", {}).items():
            if name in own and pod_amounts.amount(limit) > pod_amounts.amount(own[name]):
                at = path.child("containers").index(index).key(name).child("limits")
                detail = f"must be less than or equal to pod limits of {own[name]}"
                errors.append(field.invalid(at, limit, detail))
    return errors

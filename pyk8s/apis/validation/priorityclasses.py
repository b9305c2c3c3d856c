# SPDX-License-Identifier: Apache-2.0
"""Rules of PriorityClasses.

Mirrors upstream's `pkg/apis/scheduling/validation/validation.go`.
"""

from __future__ import annotations

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_SYSTEM_PREFIX = "system-"
_USER_VALUE_MAX = 1_000_000_000
# The classes the server itself makes: their values, and what their description says.
SYSTEM_CLASSES = {
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another "
        "node if necessary.",
    ),
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
}


def validate_priority_class(priority_class: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        priority_class, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    name = priority_class["metadata"].get("name", "")
    if name.startswith(_SYSTEM_PREFIX):
        why = _unlike_system_class(priority_class)
        if why:
            detail = (
                f"priority class names with '{_SYSTEM_PREFIX}' prefix are reserved for system use "
                f"only. error: {why}"
            )
            found.append(field.forbidden(field.Path("metadata", "name"), detail))
    elif priority_class.get("value", 0) > _USER_VALUE_MAX:
        detail = f"maximum allowed value of a user defined priority is {_USER_VALUE_MAX}"
        found.append(field.forbidden(field.Path("value"), detail))
    policy = priority_class.get("preemptionPolicy")
    if policy is not None:
        supported = ("PreemptLowerPriority", "Never")
        found += checks.required_one_of(policy, field.Path("preemptionPolicy"), supported)
    return found


def _unlike_system_class(priority_class: Object) -> str:
    name = priority_class["metadata"].get("name", "")
    known = SYSTEM_CLASSES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    value, description = known
    if priority_class.get("value", 0) != value:
        return f"value of {name} PriorityClass must be {value}"
    if priority_class.get("globalDefault"):
        return f"globalDefault of {name} PriorityClass must be false"
    if priority_class.get("description", "") != description:
        return f"description of {name} PriorityClass must be {quoted_string(description)[1:-1]}"
    return ""


def validate_priority_class_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    if updated.get("value", 0) != existing.get("value", 0):
        found.append(field.forbidden(field.Path("value"), "may not be changed in an update."))
    policy = (updated.get("preemptionPolicy"), existing.get("preemptionPolicy"))
    return found + checks.immutable(*policy, field.Path("preemptionPolicy"))

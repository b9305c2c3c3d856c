# SPDX-License-Identifier: Apache-2.0
"""Rules of RuntimeClasses.

Mirrors upstream's `pkg/apis/node/validation/validation.go`.
"""

from __future__ import annotations

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta, resources, scheduling

_HANDLER = field.Path("handler")
_TOLERATION_KEY = ("key", "operator", "value", "effect")


def validate_runtime_class(runtime_class: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        runtime_class, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    found += checks.dns1123_label(runtime_class.get("handler", ""), _HANDLER)
    fixed = (runtime_class.get("overhead") or {}).get("podFixed") or {}
    path = field.Path("overhead", "limits")
    for name, amount in fixed.items():
        found += resources.validate_container_resource_name(name, path.key(name))
        found += resources.validate_amount(name, amount, path.key(name))
    placement = runtime_class.get("scheduling") or {}
    path = field.Path("scheduling")
    found += meta.validate_labels(placement.get("nodeSelector") or {}, path.child("nodeSelector"))
    tolerations = placement.get("tolerations") or ()
    path = path.child("tolerations")
    found += scheduling.validate_tolerations(tolerations, path)
    seen = set()
    for index, toleration in enumerate(tolerations):
        key = tuple(toleration.get(part, "") for part in _TOLERATION_KEY)
        if key in seen:
            found.append(field.duplicate(path.index(index), toleration))
        seen.add(key)
    return found


def validate_runtime_class_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + checks.immutable(updated.get("handler"), existing.get("handler"), _HANDLER)

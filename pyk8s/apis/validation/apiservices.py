# SPDX-License-Identifier: Apache-2.0
"""Rules of APIServices.

Mirrors kube-aggregator's `pkg/apis/apiregistration/validation/validation.go`.
"""

from __future__ import annotations

import base64
import binascii

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_SPEC = field.Path("spec")
_GROUP_PRIORITY_MAX = 20000
_VERSION_PRIORITY_MAX = 1000
_STATUSES = ("True", "False", "Unknown")


def validate_api_service(api_service: Object) -> list[field.Error]:
    spec = api_service.get("spec") or {}
    group, version = spec.get("group", ""), spec.get("version", "")
    required_name = f"{version}.{group}"

    def name_rule(name: str) -> list[str]:
        faults = names.is_path_segment_name(name)
        if faults or name == required_name:
            return faults
        shown = quoted_string(required_name)
        return [f'must be `spec.version+"."+spec.group`: {shown}']

    found = meta.validate_object_meta(api_service, namespaced=False, name_rule=name_rule)
    if not group and version != "v1":
        detail = "only v1 may have an empty group and it better be legacy kube"
        found.append(field.required(_SPEC.child("group"), detail))
    if group:
        found += checks.dns1123_subdomain(group, _SPEC.child("group"))
    found += checks.follows(names.is_dns1035_label, version, _SPEC.child("version"))
    for key, most in (
        ("groupPriorityMinimum", _GROUP_PRIORITY_MAX),
        ("versionPriority", _VERSION_PRIORITY_MAX),
    ):
        priority = spec.get(key, 0)
        if not 0 < priority <= most:
            detail = f"must be positive and less than {most}"
            found.append(field.invalid(_SPEC.child(key), priority, detail))
    return found + _where(spec)


def _where(spec: Object) -> list[field.Error]:
    """Rules of an API served here, or by the Service that is named."""
    found = []
    service, bundle = spec.get("service"), spec.get("caBundle")
    insecure = spec.get("insecureSkipTLSVerify", False)
    path = _SPEC.child("insecureSkipTLSVerify")
    if service is None:
        if bundle:
            shown = f"{_bytes_in(bundle)} bytes"
            detail = "local APIServices may not have a caBundle"
            found.append(field.invalid(_SPEC.child("caBundle"), shown, detail))
        if insecure:
            detail = "local APIServices may not have insecureSkipTLSVerify"
            found.append(field.invalid(path, insecure, detail))
        return found
    for key in ("namespace", "name"):
        if not service.get(key):
            found.append(field.required(_SPEC.child("service", key)))
    if insecure and bundle:
        detail = "may not be true if caBundle is present"
        found.append(field.invalid(path, insecure, detail))
    return found


def _bytes_in(encoded: str) -> int:
    try:
        return len(base64.b64decode(encoded))
    except binascii.Error:
        return len(encoded)


def validate_api_service_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + validate_api_service(updated)


def validate_api_service_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    path = field.Path("status", "conditions")
    conditions = (updated.get("status") or {}).get("conditions") or ()
    for index, condition in enumerate(conditions):
        where = path.index(index).child("status")
        found += checks.one_of(condition.get("status", ""), where, _STATUSES)
    return found

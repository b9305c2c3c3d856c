# SPDX-License-Identifier: Apache-2.0
"""Rules of StorageVersionMigrations.

Mirrors upstream's `pkg/apis/storagemigration/validation/validation.go`.
"""

from __future__ import annotations

import re

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, conditions, meta

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_is_resource_version = re.compile("0|[1-9][0-9]*").fullmatch


def validate_migration(migration: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        migration, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    resource = (migration.get("spec") or {}).get("resource") or {}
    path = _SPEC.child("resource")
    name = resource.get("resource", "")
    if not name:
        detail = "resource is required to be set"
        found.append(field.required(path.child("resource"), detail))
    else:
        found += checks.joined(names.is_dns1035_label, name, path.child("resource"))
    group = resource.get("group", "")
    if group:
        found += checks.joined(names.is_dns1123_subdomain, group, path.child("group"))
    return found


def validate_migration_update(updated: Object, existing: Object) -> list[field.Error]:
    found = validate_migration(updated)
    found += meta.validate_object_meta_update(updated, existing)
    return found + checks.immutable(updated.get("spec"), existing.get("spec"), _SPEC)


def validate_migration_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    status, before = updated.get("status") or {}, existing.get("status") or {}
    version = status.get("resourceVersion", "")
    path = _STATUS.child("resourceVersion")
    if version and not _is_resource_version(version):
        detail = f"resource version is not well formed: {version}"
        found.append(field.invalid(path, version, detail))
    given = status.get("conditions") or []
    path = _STATUS.child("conditions")
    found += conditions.validate_conditions(given, path)
    if before.get("resourceVersion") and before["resourceVersion"] != version:
        where = _STATUS.child("resourceVersion")
        found.append(field.invalid(where, version, checks.IMMUTABLE))
    true = _true(status)
    for detail in _contradictions(true, _true(before)):
        found.append(field.invalid(path, given, detail))
    return found


def _true(status: Object) -> set[str]:
    given = status.get("conditions") or ()
    return {c.get("type", "") for c in given if c.get("status") == "True"}


def _contradictions(true: set[str], before: set[str]) -> list[str]:
    found = []
    if {"Succeeded", "Failed"} <= true:
        found.append("Both success and failed conditions cannot be true at the same time")
    if {"Succeeded", "Running"} <= true:
        found.append("Running condition cannot be true when success condition is true")
    if {"Failed", "Running"} <= true:
        found.append("Running condition cannot be true when failed condition is true")
    for kind, word in (("Succeeded", "Success"), ("Failed", "Failed")):
        if kind in before and kind not in true:
            found.append(f"{word} condition cannot be set to false once it is true")
    return found

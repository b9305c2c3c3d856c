# SPDX-License-Identifier: Apache-2.0
"""Rules of StorageClasses and VolumeAttributesClasses.

Mirrors upstream's `pkg/apis/storage/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_RECLAIM_POLICIES = frozenset({"Delete", "Retain"})
_BINDING_MODES = frozenset({"Immediate", "WaitForFirstConsumer"})
_PARAMETERS_MAX = 512
_PARAMETERS_BYTES_MAX = 256 * 1024


def validate_storage_class(storage_class: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        storage_class, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    found += _provisioner(storage_class.get("provisioner", ""), field.Path("provisioner"))
    found += _parameters(storage_class.get("parameters") or {})
    policy = storage_class.get("reclaimPolicy")
    if policy:
        found += checks.one_of(policy, field.Path("reclaimPolicy"), _RECLAIM_POLICIES)
    mode = storage_class.get("volumeBindingMode")
    found += checks.required_one_of(mode, field.Path("volumeBindingMode"), _BINDING_MODES)
    return found + _topologies(storage_class.get("allowedTopologies") or ())


def validate_storage_class_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    for key in ("parameters", "provisioner", "reclaimPolicy"):
        found += _no_update(updated, existing, key)
    modes = (updated.get("volumeBindingMode"), existing.get("volumeBindingMode"))
    return found + checks.immutable(*modes, field.Path("volumeBindingMode"))


def validate_volume_attributes_class(attributes_class: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        attributes_class, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    found += _provisioner(attributes_class.get("driverName", ""), field.Path("driverName"))
    parameters = attributes_class.get("parameters") or {}
    found += _parameters(parameters)
    if not parameters:
        detail = "must contain at least one key/value pair"
        found.append(field.required(field.Path("parameters"), detail))
    return found


def validate_volume_attributes_class_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    for key in ("driverName", "parameters"):
        found += _no_update(updated, existing, key)
    return found + validate_volume_attributes_class(updated)


def _no_update(updated: Object, existing: Object, key: str) -> list[field.Error]:
    if checks.same(updated.get(key), existing.get(key)):
        return []
    return [field.forbidden(field.Path(key), f"updates to {key} are forbidden.")]


def _provisioner(name: str, path: field.Path) -> list[field.Error]:
    if not name:
        return [field.required(path)]
    return checks.qualified_name(name.lower(), path)


def _parameters(parameters: Mapping[str, str]) -> list[field.Error]:
    path = field.Path("parameters")
    if len(parameters) > _PARAMETERS_MAX:
        return [field.too_long(path, _PARAMETERS_MAX)]
    found = []
    if "" in parameters:
        found.append(field.invalid(path, "", "field can not be empty."))
    length = names.bytes_length
    if sum(length(key) + length(value) for key, value in parameters.items()) > (
        _PARAMETERS_BYTES_MAX
    ):
        found.append(field.too_long(path, _PARAMETERS_BYTES_MAX))
    return found


def _topologies(terms: Sequence[Mapping[str, Any]]) -> list[field.Error]:
    found = []
    path = field.Path("allowedTopologies")
    seen: list[dict[str, frozenset[str]]] = []
    for index, term in enumerate(terms):
        where = path.index(index).child("matchLabelExpressions")
        expressions = term.get("matchLabelExpressions") or ()
        wanted: dict[str, frozenset[str]] = {}
        for i, expression in enumerate(expressions):
            found += _topology_expression(expression, wanted, where.index(i))
        if not expressions:
            found.append(field.required(where))
        if wanted in seen:
            found.append(field.duplicate(where, ""))
        seen.append(wanted)
    return found


def _topology_expression(
    expression: Mapping[str, Any], wanted: dict[str, frozenset[str]], path: field.Path
) -> list[field.Error]:
    key = expression.get("key", "")
    values = expression.get("values") or ()
    found = []
    if not values:
        found.append(field.required(path.child("values")))
    found += checks.unique(values, path.child("values"))
    if key in wanted:
        found.append(field.duplicate(path.child("key"), key))
    wanted[key] = frozenset(values)
    return found + checks.qualified_name(key, path.child("key"))

# SPDX-License-Identifier: Apache-2.0
"""Rules of ResourceSlices and DeviceTaintRules: what drivers and operators say of devices.

Mirrors upstream's `pkg/apis/resource/validation/validation.go`.
"""

from __future__ import annotations

import re
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, conditions, devices, meta, scheduling

_SPEC = field.Path("spec")
_DEVICES_MAX = 128
_COSTLY_DEVICES_MAX = 64
_COUNTER_SETS_MAX = 8
_COUNTERS_MAX = 32
_CONSUMPTIONS_MAX = 2
_PROPERTIES_MAX = 32
_TAINTS_MAX = 16
_VALUE_BYTES_MAX = 64
_SLICE_FIELDS = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_DEVICE_FIELDS = ("nodeName", "nodeSelector", "allNodes")

_NUMBER = r"(0|[1-9]\d*)"
_PRE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD = "[0-9a-zA-Z-]+"
_is_semver = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+{_BUILD}(\.{_BUILD})*)?", re.ASCII
).fullmatch

Spec = dict[str, Any]


def validate_slice(resource_slice: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        resource_slice, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    return found + _slice_spec(resource_slice.get("spec") or {}, {})


def validate_slice_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    spec, before = updated.get("spec") or {}, existing.get("spec") or {}
    found += _slice_spec(spec, before)
    pools = [(s.get("pool") or {}).get("name") for s in (spec, before)]
    found += checks.immutable(pools[0], pools[1], _SPEC.child("pool", "name"))
    for key in ("driver", "nodeName"):
        found += checks.immutable(spec.get(key), before.get(key), _SPEC.child(key))
    return found


def _slice_spec(spec: Spec, before: Spec) -> list[field.Error]:
    found = devices.driver_name(spec.get("driver", ""), _SPEC.child("driver"))
    found += _pool(spec.get("pool") or {}, _SPEC.child("pool"))
    found += _slice_nodes(spec)
    if spec.get("sharedCounters") and spec.get("devices"):
        detail = "only one of `sharedCounters` or `devices` is allowed"
        found.append(field.invalid(_SPEC, "", detail))
    given = spec.get("devices") or []
    costly = any(device.get("taints") or device.get("consumesCounters") for device in given)
    stored = {device.get("name"): device for device in before.get("devices") or ()}
    per_device = bool(spec.get("perDeviceNodeSelection"))

    def device_rule(device: Spec, path: field.Path) -> list[field.Error]:
        return _device(device, stored.get(device.get("name")) or {}, path) + _device_nodes(
            device, per_device, path
        )

    path = _SPEC.child("devices")
    most = _COSTLY_DEVICES_MAX if costly else _DEVICES_MAX
    found += devices.each(given, most, device_rule, path)
    if len(given) <= most:
        found += checks.unique([device.get("name", "") for device in given], path)
    return found + _counter_sets(spec.get("sharedCounters") or [])


def _pool(pool: Spec, path: field.Path) -> list[field.Error]:
    found = devices.pool_name(pool.get("name", ""), path.child("name"))
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        where = path.child("resourceSliceCount")
        found.append(field.invalid(where, count, "must be greater than zero"))
    if generation < 0:
        detail = "must be greater than or equal to zero"
        found.append(field.invalid(path.child("generation"), generation, detail))
    return found


def _slice_nodes(spec: Spec) -> list[field.Error]:
    found, given = _node_fields(spec, _SLICE_FIELDS, _SPEC)
    detail = (
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is "
        "required"
    )
    terms = (spec.get("nodeSelector") or {}).get("nodeSelectorTerms") or []
    if "nodeSelector" in spec and len(terms) != 1:
        where = _SPEC.child("nodeSelector", "nodeSelectorTerms")
        found.append(field.invalid(where, terms, "must have exactly one node selector term"))
    if not given:
        found.append(field.required(_SPEC, detail))
    elif len(given) > 1:
        shown = "{" + ", ".join(given) + "}"
        found.append(field.invalid(_SPEC, shown, detail + ", but multiple fields are set"))
    return found


def _node_fields(
    holder: Spec, keys: tuple[str, ...], path: field.Path
) -> tuple[list[field.Error], list[str]]:
    """The faults of the fields that say where devices are, and the fields that say it."""
    found: list[field.Error] = []
    given = []
    for key in keys:
        if key not in holder:
            continue
        value = holder[key]
        where = path.child(key)
        if key == "nodeName" and value:
            found += checks.dns1123_subdomain(value, where)
        elif key == "nodeName":
            unset = "must be either unset or set to a non-empty string"
            detail = unset if len(keys) == len(_SLICE_FIELDS) else "must not be empty"
            found.append(field.invalid(where, value, detail))
            continue
        elif key == "nodeSelector":
            found += scheduling.validate_node_selector(value, where)
        elif not value:
            found.append(field.invalid(where, value, "must be either unset or set to true"))
            continue
        given.append(f"`{key}`")
    return found, given


def _device_nodes(device: Spec, per_device: bool, path: field.Path) -> list[field.Error]:
    if not per_device:
        if not any(key in device for key in _DEVICE_FIELDS):
            return []
        detail = (
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if "
            "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
        )
        return [field.invalid(path, None, detail)]
    found, given = _node_fields(device, _DEVICE_FIELDS, path)
    detail = (
        "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when "
        "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
    )
    if not given:
        found.append(field.required(path, detail))
    elif len(given) > 1:
        found.append(field.invalid(path, "{" + ", ".join(given) + "}", detail))
    return found


def _device(device: Spec, stored: Spec, path: field.Path) -> list[field.Error]:
    found = checks.dns1123_label(device.get("name", ""), path.child("name"))
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    total = len(attributes) + len(capacity)
    if total > _PROPERTIES_MAX:
        detail = f"the total number of attributes and capacities must not exceed {_PROPERTIES_MAX}"
        found.append(field.invalid(path, total, detail))
    for name, attribute in attributes.items():
        where = path.child("attributes").key(name)
        found += devices.qualified_name(name, where) + _attribute(attribute, where)
    for name, amount in capacity.items():
        where = path.child("capacity").key(name)
        found += devices.qualified_name(name, where)
        if "requestPolicy" in amount and not device.get("allowMultipleAllocations"):
            detail = "allowMultipleAllocations must be true"
            found.append(field.forbidden(where.child("requestPolicy"), detail))
    taints = device.get("taints") or []
    if taints != (stored.get("taints") or []):
        found += devices.each(taints, _TAINTS_MAX, devices.taint, path.child("taints"))
    consumed = device.get("consumesCounters") or []
    where = path.child("consumesCounters")
    found += devices.each(consumed, _CONSUMPTIONS_MAX, _consumption, where)
    if len(consumed) <= _CONSUMPTIONS_MAX:
        found += checks.unique([c.get("counterSet", "") for c in consumed], where)
    return found


def _attribute(attribute: Spec, path: field.Path) -> list[field.Error]:
    found = []
    text, version = attribute.get("string"), attribute.get("version")
    if text is not None and names.bytes_length(text) > _VALUE_BYTES_MAX:
        found.append(field.too_long(path.child("string"), _VALUE_BYTES_MAX))
    if version is not None:
        where = path.child("version")
        if not _is_semver(version):
            detail = "must be a string compatible with semver.org spec 2.0.0"
            found.append(field.invalid(where, version, detail))
        if names.bytes_length(version) > _VALUE_BYTES_MAX:
            found.append(field.too_long(where, _VALUE_BYTES_MAX))
    if len(attribute) != 1:
        shown = attribute or ""
        found.append(field.invalid(path, shown, "exactly one value must be specified"))
    return found


def _consumption(consumption: Spec, path: field.Path) -> list[field.Error]:
    name = consumption.get("counterSet", "")
    where = path.child("counterSet")
    found = checks.dns1123_label(name, where) if name else [field.required(where)]
    return found + _counters(consumption.get("counters") or {}, path.child("counters"))


def _counter_sets(sets: list[Spec]) -> list[field.Error]:
    path = _SPEC.child("sharedCounters")
    found = devices.each(sets, _COUNTER_SETS_MAX, _counter_set, path)
    if len(sets) <= _COUNTER_SETS_MAX:
        found += checks.unique([counters.get("name", "") for counters in sets], path)
    return found


def _counter_set(counter_set: Spec, path: field.Path) -> list[field.Error]:
    name = counter_set.get("name", "")
    where = path.child("name")
    found = checks.dns1123_label(name, where) if name else [field.required(where)]
    return found + _counters(counter_set.get("counters") or {}, path.child("counters"))


def _counters(counters: Spec, path: field.Path) -> list[field.Error]:
    if not counters:
        return [field.required(path)]
    if len(counters) > _COUNTERS_MAX:
        return [field.too_many(path, len(counters), _COUNTERS_MAX)]
    found = []
    for name in counters:
        found += checks.dns1123_label(name, path.key(name))
    return found


# DeviceTaintRules


def validate_taint_rule(rule: Object, existing: Object | None = None) -> list[field.Error]:
    """On create, or on update from `existing`."""
    found = meta.validate_object_meta(rule, namespaced=False, name_rule=names.is_dns1123_subdomain)
    spec = rule.get("spec") or {}
    selector = spec.get("deviceSelector") or {}
    path = _SPEC.child("deviceSelector")
    for key, name_rule in (
        ("driver", devices.driver_name),
        ("pool", devices.pool_name),
        ("device", checks.dns1123_label),
    ):
        if key in selector:
            found += name_rule(selector[key], path.child(key))
    stored = ((existing or {}).get("spec") or {}).get("taint")
    return found + devices.taint(spec.get("taint") or {}, _SPEC.child("taint"), stored)


def validate_taint_rule_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + validate_taint_rule(updated, existing)


def validate_taint_rule_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    given = (updated.get("status") or {}).get("conditions") or ()
    return found + conditions.validate_conditions(given, field.Path("status", "conditions"))

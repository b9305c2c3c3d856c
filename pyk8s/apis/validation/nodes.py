# SPDX-License-Identifier: Apache-2.0
"""Rules of Nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta, netaddr, resources, scheduling

_SPEC = field.Path("spec")
_STATUS = field.Path("status")


def validate_node(node: Object) -> list[field.Error]:
    errors = meta.validate_object_meta(node, namespaced=False, name_rule=names.is_dns1123_subdomain)
    spec = node.get("spec") or {}
    errors += _validate_taints(spec)
    errors += _validate_amounts(node)
    return errors + _validate_pod_cidrs(spec.get("podCIDRs", ()))


def _validate_taints(spec: Mapping[str, Any]) -> list[field.Error]:
    errors: list[field.Error] = []
    seen: set[tuple[str, str]] = set()
    # Upstream lets these faults stand under metadata.
    for index, taint in enumerate(spec.get("taints", ())):
        at = meta.PATH.child("taints").index(index)
        key, value, effect = (taint.get(name, "") for name in ("key", "value", "effect"))
        errors += checks.qualified_name(key, at.child("key"))
        faults = names.is_valid_label_value(value)
        if faults:
            errors.append(field.invalid(at.child("value"), value, ";".join(faults)))
        if not effect:
            errors.append(field.required(at.child("effect")))
        else:
            errors += scheduling.validate_effect(effect, at.child("effect"))
        if (key, effect) in seen:
            error = field.duplicate(at, taint)
            body = f"{error.body}: taints must be unique by key and effect pair"
            errors.append(field.Error(error.reason, error.field, body))
        seen.add((key, effect))
    return errors


def _validate_amounts(node: Object) -> list[field.Error]:
    errors: list[field.Error] = []
    status = node.get("status") or {}
    for kind in ("capacity", "allocatable"):
        for name, quantity in status.get(kind, {}).items():
            errors += resources.validate_amount(name, quantity, _STATUS.child(kind, name))
    return errors


def _validate_pod_cidrs(cidrs: Sequence[str]) -> list[field.Error]:
    at = _SPEC.child("podCIDRs")
    errors: list[field.Error] = []
    for index, cidr in enumerate(cidrs):
        errors += netaddr.cidr(cidr, at.index(index))
    return errors + netaddr.one_per_family(cidrs, cidrs, "CIDR", at)


def validate_node_update(updated: Object, existing: Object) -> list[field.Error]:
    """An update of a Node or of its status: what identifies it is set once."""
    errors = meta.validate_object_meta_update(updated, existing)
    errors += _validate_amounts(updated)
    addresses = (updated.get("status") or {}).get("addresses", ())
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            errors.append(field.duplicate(_STATUS.child("addresses").index(index), address))
    new, old = updated.get("spec") or {}, existing.get("spec") or {}
    if old.get("podCIDRs") and old["podCIDRs"] != new.get("podCIDRs"):
        detail = 'node updates may not change podCIDR except from "" to valid'
        errors.append(field.forbidden(_SPEC.child("podCIDRs"), detail))
    if old.get("providerID") and old["providerID"] != new.get("providerID"):
        detail = 'node updates may not change providerID except from "" to valid'
        errors.append(field.forbidden(_SPEC.child("providerID"), detail))
    errors += _validate_taints(new)
    if new.get("externalID", "") != old.get("externalID", ""):
        errors.append(field.forbidden(_SPEC.child("externalID"), "may not be updated"))
    return errors

# SPDX-License-Identifier: Apache-2.0
"""Rules of ResourceClaims, their templates, and DeviceClasses.

Mirrors upstream's `pkg/apis/resource/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, conditions, devices, meta, resources, scheduling

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_REQUESTS_MAX = 32
_ALTERNATIVES_MAX = 8
_CONSTRAINTS_MAX = 32
_CONFIG_MAX = 32
_RESULTS_MAX = 32
_RESERVED_FOR_MAX = 256
_CONDITIONS_MAX = 8
_DATA_BYTES_MAX = 10 * 1024
_IPS_MAX = 16
_INTERFACE_BYTES_MAX = 256
_HARDWARE_ADDRESS_BYTES_MAX = 128
_NOT_A_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest "
    "separated by '/'"
)

Spec = dict[str, Any]
# Each request with the names of its alternatives.
Requests = Mapping[str, frozenset[str]]


def validate_claim(claim: Object) -> list[field.Error]:
    found = meta.validate_object_meta(claim, namespaced=True, name_rule=names.is_dns1123_subdomain)
    return found + _claim_spec(claim.get("spec") or {}, _SPEC)


def validate_claim_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + checks.immutable(updated.get("spec"), existing.get("spec"), _SPEC)


def validate_claim_template(template: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        template, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    outer = template.get("spec") or {}
    metadata = outer.get("metadata") or {}
    path = _SPEC.child("metadata")
    found += meta.validate_annotations(metadata.get("annotations") or {}, path.child("annotations"))
    found += meta.validate_labels(metadata.get("labels") or {}, path.child("labels"))
    return found + _claim_spec(outer.get("spec") or {}, _SPEC.child("spec"))


validate_claim_template_update = validate_claim_update


def _claim_spec(spec: Spec, path: field.Path) -> list[field.Error]:
    claim = spec.get("devices") or {}
    path = path.child("devices")
    known = _request_names(claim)
    requests = claim.get("requests") or []
    where = path.child("requests")
    found = devices.each(requests, _REQUESTS_MAX, _request, where)
    found += _unique_names(requests, where, _REQUESTS_MAX)

    def constraint(item: Spec, place: field.Path) -> list[field.Error]:
        return _constraint(item, known, place)

    def config(item: Spec, place: field.Path) -> list[field.Error]:
        return _request_config(item, known, place)

    found += devices.each(
        claim.get("constraints") or [], _CONSTRAINTS_MAX, constraint, path.child("constraints")
    )
    return found + devices.each(
        claim.get("config") or [], _CONFIG_MAX, config, path.child("config")
    )


def _request_names(claim: Spec) -> Requests:
    return {
        request.get("name", ""): frozenset(
            alternative.get("name", "") for alternative in request.get("firstAvailable") or ()
        )
        for request in claim.get("requests") or ()
    }


def _unique_names(items: list[Spec], path: field.Path, items_max: int) -> list[field.Error]:
    if len(items) > items_max:
        return []
    return checks.unique([item.get("name", "") for item in items], path)


def _request(request: Spec, path: field.Path) -> list[field.Error]:
    found = checks.dns1123_label(request.get("name", ""), path.child("name"))
    exactly, alternatives = request.get("exactly"), request.get("firstAvailable") or []
    detail = "exactly one of `exactly` or `firstAvailable` is required"
    if exactly is None and not alternatives:
        found.append(field.required(path, detail))
    elif exactly is not None and alternatives:
        found.append(field.invalid(path, None, detail + ", but multiple fields are set"))
    elif exactly is not None:
        found += _exact_request(exactly, path.child("exactly"))
    else:
        where = path.child("firstAvailable")
        found += devices.each(alternatives, _ALTERNATIVES_MAX, _alternative, where)
        found += _unique_names(alternatives, where, _ALTERNATIVES_MAX)
    return found


def _alternative(request: Spec, path: field.Path) -> list[field.Error]:
    found = checks.dns1123_label(request.get("name", ""), path.child("name"))
    return found + _exact_request(request, path)


def _exact_request(request: Spec, path: field.Path) -> list[field.Error]:
    class_name = request.get("deviceClassName", "")
    where = path.child("deviceClassName")
    found = checks.dns1123_subdomain(class_name, where) if class_name else [field.required(where)]
    found += devices.selectors(request.get("selectors") or [], path.child("selectors"))
    mode, count = request.get("allocationMode", ""), request.get("count", 0)
    where = path.child("count")
    if mode == "All":
        if count:
            detail = "must not be specified when allocationMode is 'All'"
            found.append(field.invalid(where, count, detail))
    elif mode == "ExactCount":
        if count <= 0:
            found.append(field.invalid(where, count, "must be greater than zero"))
    else:
        modes = ("All", "ExactCount")
        found.append(field.not_supported(path.child("allocationMode"), mode, modes))
    for index, toleration in enumerate(request.get("tolerations") or ()):
        found += devices.toleration(toleration, path.child("tolerations").index(index))
    return found


def _constraint(constraint: Spec, known: Requests, path: field.Path) -> list[field.Error]:
    found = _request_references(constraint, known, path)
    for key in ("matchAttribute", "distinctAttribute"):
        if key in constraint:
            return found + devices.fully_qualified_name(constraint[key], path.child(key))
    detail = (
        'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields '
        "are set"
    )
    return [*found, field.required(path, detail)]


def _request_config(config: Spec, known: Requests, path: field.Path) -> list[field.Error]:
    return _request_references(config, known, path) + devices.configuration(config, path)


def _request_references(item: Spec, known: Requests, path: field.Path) -> list[field.Error]:
    given = item.get("requests") or []
    where = path.child("requests")

    def rule(name: str, place: field.Path) -> list[field.Error]:
        return _request_reference(name, known, place)

    found = devices.each(given, _REQUESTS_MAX, rule, where)
    return found + (checks.unique(given, where) if len(given) <= _REQUESTS_MAX else [])


def _request_reference(name: str, known: Requests, path: field.Path) -> list[field.Error]:
    parts = name.split("/")
    if len(parts) > 2:
        return [field.invalid(path, name, _NOT_A_REQUEST)]
    found = []
    for part in parts:
        found += checks.dns1123_label(part, path)
    alternatives = known.get(parts[0])
    if alternatives is None or (len(parts) == 2 and parts[1] not in alternatives):
        found.append(field.invalid(path, name, _NOT_A_REQUEST))
    return found


# The status, written by the scheduler and the drivers


def validate_claim_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    status, before = updated.get("status") or {}, existing.get("status") or {}
    found += _reserved_for(status, before, "deletionTimestamp" in updated["metadata"])
    allocation = status.get("allocation")
    found += _device_statuses(status.get("devices") or [], allocation or {})
    path = _STATUS.child("allocation")
    if allocation is not None and before.get("allocation") is not None:
        return found + checks.immutable(allocation, before["allocation"], path)
    if allocation is not None:
        known = _request_names((updated.get("spec") or {}).get("devices") or {})
        found += _allocation(allocation, known, path)
    return found


def _reserved_for(status: Spec, before: Spec, deleted: bool) -> list[field.Error]:
    consumers = status.get("reservedFor") or []
    path = _STATUS.child("reservedFor")
    if len(consumers) > _RESERVED_FOR_MAX:
        return [field.too_many(path, len(consumers), _RESERVED_FOR_MAX)]
    found = []
    for index, consumer in enumerate(consumers):
        for key in ("resource", "name", "uid"):
            if not consumer.get(key):
                found.append(field.required(path.index(index).child(key)))
    found += checks.unique([consumer.get("uid", "") for consumer in consumers], path)
    if consumers and "allocation" not in status:
        detail = "may not be specified when `allocated` is not set"
        found.append(field.forbidden(path, detail))
    elif deleted and any(c not in (before.get("reservedFor") or ()) for c in consumers):
        detail = (
            "new entries may not be added while `deallocationRequested` or `deletionTimestamp` "
            "are set"
        )
        found.append(field.forbidden(path, detail))
    return found


def _allocation(allocation: Spec, known: Requests, path: field.Path) -> list[field.Error]:
    given = allocation.get("devices") or {}
    where = path.child("devices")

    def result(item: Spec, place: field.Path) -> list[field.Error]:
        found = _request_reference(item.get("request", ""), known, place.child("request"))
        return found + _device_place(item, place)

    def config(item: Spec, place: field.Path) -> list[field.Error]:
        sources = ("FromClaim", "FromClass")
        found = checks.required_one_of(item.get("source"), place.child("source"), sources)
        return found + _request_config(item, known, place)

    found = devices.each(given.get("results") or [], _RESULTS_MAX, result, where.child("results"))
    found += devices.each(given.get("config") or [], 2 * _CONFIG_MAX, config, where.child("config"))
    selector = allocation.get("nodeSelector")
    if selector is not None:
        found += scheduling.validate_node_selector(selector, path.child("nodeSelector"))
    return found


def _device_place(item: Spec, path: field.Path) -> list[field.Error]:
    """Which device: driver, pool, name, and share of it."""
    found = devices.driver_name(item.get("driver", ""), path.child("driver"))
    found += devices.pool_name(item.get("pool", ""), path.child("pool"))
    found += checks.dns1123_label(item.get("device", ""), path.child("device"))
    if "shareID" in item:
        found += devices.uid(item["shareID"], path.child("shareID"))
    return found


def _device_key(item: Spec) -> tuple[str, ...]:
    return tuple(item.get(key, "") for key in ("driver", "pool", "device", "shareID"))


def _device_statuses(statuses: list[Spec], allocation: Spec) -> list[field.Error]:
    results = (allocation.get("devices") or {}).get("results") or ()
    allocated = {_device_key(result) for result in results}
    path = _STATUS.child("devices")
    found = []
    for index, status in enumerate(statuses):
        where = path.index(index)
        found += _device_place(status, where)
        if _device_key(status) not in allocated:
            shown = "/".join(part for part in _device_key(status) if part)
            detail = "must be an allocated device in the claim"
            found.append(field.invalid(where, shown, detail))
        found += _device_status(status, where)
    return found + checks.unique([_device_key(status) for status in statuses], path)


def _device_status(status: Spec, path: field.Path) -> list[field.Error]:
    found = []
    given = status.get("conditions") or ()
    where = path.child("conditions")
    if len(given) > _CONDITIONS_MAX:
        found.append(field.too_many(where, len(given), _CONDITIONS_MAX))
    found += conditions.validate_conditions(given, where)
    if status.get("data") is not None:
        found += devices.raw_object(status["data"], path.child("data"), _DATA_BYTES_MAX)
    network = status.get("networkData") or {}
    where = path.child("networkData")
    for key, most in (
        ("interfaceName", _INTERFACE_BYTES_MAX),
        ("hardwareAddress", _HARDWARE_ADDRESS_BYTES_MAX),
    ):
        if names.bytes_length(network.get(key, "")) > most:
            found.append(field.too_long(where.child(key), most))
    ips = network.get("ips") or []
    if len(ips) > _IPS_MAX:
        return [*found, field.too_many(where.child("ips"), len(ips), _IPS_MAX)]
    return found + checks.unique(ips, where.child("ips"))


# DeviceClasses


def validate_device_class(device_class: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        device_class, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    spec = device_class.get("spec") or {}
    found += devices.selectors(spec.get("selectors") or [], _SPEC.child("selectors"))
    found += devices.each(
        spec.get("config") or [], _CONFIG_MAX, devices.configuration, _SPEC.child("config")
    )
    extended = spec.get("extendedResourceName")
    if extended is not None and not resources.is_extended(extended):
        where = _SPEC.child("extendedResourceName")
        found.append(field.invalid(where, extended, "must be a valid extended resource name"))
    return found


def validate_device_class_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + validate_device_class(updated)

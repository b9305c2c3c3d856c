# SPDX-License-Identifier: Apache-2.0
"""Query parameters and option bodies, read and checked.

What cannot be read is a 400, what makes no sense together a 422 on the options kind, as
upstream's `meta/internalversion/validation` words it. Unknown parameters are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery import errors, field, fields, labels
from pyk8s.apimachinery.gvk import GroupKind
from pyk8s.endpoints import requestinfo
from pyk8s.registry import deletion
from pyk8s.storage import interface as storage

IGNORE = "Ignore"
WARN = "Warn"
STRICT = "Strict"

_FIELD_MANAGER_BYTES_MAX = 128

# Turns one field requirement into the stored form's; raises ValueError for unknown fields.
ConvertField = Callable[[str, str], tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """metav1.ListOptions as a list or watch request carries them, selectors compiled."""

    predicate: storage.Predicate = storage.EVERYTHING
    watch: bool = False
    allow_bookmarks: bool = False
    resource_version: str = ""
    resource_version_match: str = ""
    timeout_seconds: int | None = None
    limit: int = 0
    continue_token: str = ""
    send_initial_events: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """metav1.CreateOptions, UpdateOptions and PatchOptions."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = WARN
    force: bool | None = None


def _first(query: requestinfo.Query, name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def boolean(query: requestinfo.Query, name: str) -> bool | None:
    """Upstream's conversion: absent is None; empty, 0 and false are False, all else True."""
    values = query.get(name)
    if values is None:
        return None
    return values[0].lower() not in ("", "0", "false")


def integer(query: requestinfo.Query, name: str) -> int | None:
    text = _first(query, name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise errors.bad_request(message) from None


def _check(kind: str, faults: list[field.Error]) -> None:
    if faults:
        raise errors.invalid(GroupKind("meta.k8s.io", kind), "", faults)


# --- list and watch


def list_options(
    query: requestinfo.Query, name: str, convert: ConvertField, *, watch: bool
) -> ListOptions:
    """`name` is that of the old single-object watch path, else empty."""
    if not query and not name:
        return ListOptions(watch=watch)
    options = ListOptions(
        predicate=_predicate(query, name, convert),
        watch=watch,
        allow_bookmarks=bool(boolean(query, "allowWatchBookmarks")),
        resource_version=_first(query, "resourceVersion"),
        resource_version_match=_first(query, "resourceVersionMatch"),
        timeout_seconds=integer(query, "timeoutSeconds"),
        limit=integer(query, "limit") or 0,
        continue_token=_first(query, "continue"),
        send_initial_events=boolean(query, "sendInitialEvents"),
    )
    _check("ListOptions", _watch_faults(options) if watch else _list_faults(options))
    return options


def _predicate(query: requestinfo.Query, name: str, convert: ConvertField) -> storage.Predicate:
    label_text, field_text = _first(query, "labelSelector"), _first(query, "fieldSelector")
    if name:
        own = f"metadata.name={name}"
        field_text = f"{field_text},{own}" if field_text else own
    if not label_text and not field_text:
        return storage.EVERYTHING
    try:
        return storage.Predicate(
            label_selector=labels.parse(label_text) if label_text else labels.EVERYTHING,
            field_selector=(
                fields.transform(fields.parse(field_text), convert)
                if field_text
                else fields.EVERYTHING
            ),
        )
    except ValueError as error:
        raise errors.bad_request(str(error)) from None


_MATCH = field.Path("resourceVersionMatch")


def _list_faults(options: ListOptions) -> list[field.Error]:
    faults = []
    match = options.resource_version_match
    if match:
        if not options.resource_version:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            faults.append(field.forbidden(_MATCH, why))
        if options.continue_token:
            why = "resourceVersionMatch is forbidden when continue is provided"
            faults.append(field.forbidden(_MATCH, why))
        if match not in (storage.EXACT, storage.NOT_OLDER_THAN):
            supported = [storage.EXACT, storage.NOT_OLDER_THAN, ""]
            faults.append(field.not_supported(_MATCH, match, supported))
        if match == storage.EXACT and options.resource_version == "0":
            why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            faults.append(field.forbidden(_MATCH, why))
    if options.send_initial_events is not None:
        path = field.Path("sendInitialEvents")
        faults.append(field.forbidden(path, "sendInitialEvents is forbidden for list"))
    return faults


def _watch_faults(options: ListOptions) -> list[field.Error]:
    faults = []
    match = options.resource_version_match
    if options.send_initial_events is not None and match != storage.NOT_OLDER_THAN:
        why = f"sendInitialEvents requires setting resourceVersionMatch to {storage.NOT_OLDER_THAN}"
        faults.append(field.forbidden(_MATCH, why))
    if match:
        if options.send_initial_events is None:
            why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            faults.append(field.forbidden(_MATCH, why))
        if match != storage.NOT_OLDER_THAN:
            faults.append(field.not_supported(_MATCH, match, [storage.NOT_OLDER_THAN]))
        if options.continue_token:
            why = "resourceVersionMatch is forbidden when continue is provided"
            faults.append(field.forbidden(_MATCH, why))
    return faults


# --- create, update, patch


def write_options(query: requestinfo.Query, kind: str, *, applying: bool = False) -> WriteOptions:
    """`kind` is the options kind named in errors: CreateOptions, UpdateOptions, PatchOptions."""
    if not query and not applying:
        return _PLAIN_WRITE
    manager = _first(query, "fieldManager")
    validation = _first(query, "fieldValidation")
    force = boolean(query, "force")
    faults = [
        *_dry_run_faults(query.get("dryRun") or []),
        *_field_manager_faults(manager),
        *_field_validation_faults(validation),
    ]
    if kind == "PatchOptions":
        faults += _patch_faults(manager, force, applying)
    _check(kind, faults)
    return WriteOptions(
        dry_run=bool(query.get("dryRun")),
        field_manager=manager,
        field_validation=validation or WARN,
        force=force,
    )


_PLAIN_WRITE = WriteOptions()


def _dry_run_faults(values: list[str]) -> list[field.Error]:
    if all(value == "All" for value in values):
        return []
    return [field.not_supported(field.Path("dryRun"), values, ["All"])]


def _field_manager_faults(manager: str) -> list[field.Error]:
    path = field.Path("fieldManager")
    if len(manager.encode()) > _FIELD_MANAGER_BYTES_MAX:
        return [field.too_long(path, _FIELD_MANAGER_BYTES_MAX)]
    if not manager.isprintable():
        why = "should only contain printable characters"
        return [field.invalid(path, manager, why)]
    return []


def _field_validation_faults(value: str) -> list[field.Error]:
    if value in ("", IGNORE, WARN, STRICT):
        return []
    return [field.not_supported(field.Path("fieldValidation"), value, [IGNORE, WARN, STRICT])]


def _patch_faults(manager: str, force: bool | None, applying: bool) -> list[field.Error]:
    if applying:
        if manager:
            return []
        return [field.required(field.Path("fieldManager"), "is required for apply patch")]
    if force is None:
        return []
    return [field.forbidden(field.Path("force"), "may not be specified for non-apply patch")]


# --- delete

_POLICIES = (deletion.BACKGROUND, deletion.FOREGROUND, deletion.ORPHAN)


def delete_options(query: requestinfo.Query, body: dict[str, Any] | None) -> deletion.DeleteOptions:
    """From the body where there is one, else from the query, as upstream reads them."""
    if body is not None:
        preconditions = body.get("preconditions") or {}
        values: dict[str, Any] = {
            "grace": body.get("gracePeriodSeconds"),
            "policy": body.get("propagationPolicy") or "",
            "orphan": body.get("orphanDependents"),
            "dry_run": body.get("dryRun") or [],
        }
    else:
        preconditions = {}
        values = {
            "grace": integer(query, "gracePeriodSeconds"),
            "policy": _first(query, "propagationPolicy"),
            "orphan": boolean(query, "orphanDependents"),
            "dry_run": query.get("dryRun") or [],
        }
    _check_delete_types(values)
    _check("DeleteOptions", _delete_faults(values))
    grace = values["grace"]
    return deletion.DeleteOptions(
        # Upstream turns a negative grace period into the shortest graceful one.
        grace_period_seconds=1 if grace is not None and grace < 0 else grace,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        propagation_policy=values["policy"],
        orphan_dependents=values["orphan"],
        dry_run=bool(values["dry_run"]),
    )


def _check_delete_types(values: dict[str, Any]) -> None:
    wanted = {"grace": int, "policy": str, "orphan": bool, "dry_run": list}
    names = {
        "grace": "gracePeriodSeconds",
        "policy": "propagationPolicy",
        "orphan": "orphanDependents",
        "dry_run": "dryRun",
    }
    for key, value in values.items():
        if value is not None and type(value) is not wanted[key]:
            message = (
                "json: cannot unmarshal into Go struct field DeleteOptions."
                f"{names[key]} of type {wanted[key].__name__}"
            )
            raise errors.bad_request(message)


def _delete_faults(values: dict[str, Any]) -> list[field.Error]:
    faults = _dry_run_faults(values["dry_run"])
    path = field.Path("propagationPolicy")
    if values["orphan"] is not None and values["policy"]:
        why = "orphanDependents and deletionPropagation cannot be both set"
        faults.append(field.invalid(path, values["policy"], why))
    if values["policy"] and values["policy"] not in _POLICIES:
        faults.append(field.not_supported(path, values["policy"], [*_POLICIES, "nil"]))
    return faults

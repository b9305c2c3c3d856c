# SPDX-License-Identifier: Apache-2.0
"""Rules of Events: lenient through core/v1, strict through events.k8s.io/v1.

Objects come in the core form, in which they are stored. An event with an eventTime is of the new
kind and must say who reports it; one without belongs to the object it is about.
"""

from __future__ import annotations

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_TEXT_CHARACTERS_MAX = 128
_MESSAGE_CHARACTERS_MAX = 1024
_UNSET = (
    ("firstTimestamp", "firstTimestamp"),
    ("lastTimestamp", "lastTimestamp"),
    ("count", "count"),
    ("source", "source"),
)
_FIXED = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
)
_STRICT_NAMES = {"reportingComponent": "reportingController", "message": "note"}


def validate_event(event: Object, *, strict: bool) -> list[field.Error]:
    """An Event on create; `strict` for one that came through events.k8s.io/v1."""
    errors = _validate(event, strict)
    if not strict:
        # Upstream's core rules pass over metadata; BeforeCreate then looks at that of any kind.
        return errors or meta.validate_object_meta(
            event, namespaced=True, name_rule=names.is_path_segment_name
        )
    errors += meta.validate_object_meta(
        event, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    errors += _validate_series(event)
    if not event.get("eventTime"):
        errors.append(field.required(field.Path("eventTime")))
    kind = event.get("type", "")
    if kind not in ("Normal", "Warning"):
        errors.append(field.invalid(field.Path("type"), "", f"has invalid value: {kind}"))
    for name, shown in _UNSET:
        if event.get(name):
            errors.append(field.invalid(field.Path(shown), "", "needs to be unset"))
    return errors


def _validate(event: Object, strict: bool) -> list[field.Error]:
    namespace = event["metadata"].get("namespace", "")
    about = (event.get("involvedObject") or {}).get("namespace", "")
    mismatch = field.invalid(
        field.Path("involvedObject", "namespace"), about, "does not match event.namespace"
    )
    errors: list[field.Error] = []
    if not event.get("eventTime"):
        agrees = namespace == about if about else namespace in ("", "default")
        errors += [] if agrees else [mismatch]
    else:
        if not about and namespace not in ("default", "kube-system"):
            errors.append(mismatch)
        errors += _validate_reporting(event, strict)
    for fault in names.is_dns1123_subdomain(namespace):
        errors.append(field.invalid(field.Path("namespace"), namespace, fault))
    return errors


def _validate_reporting(event: Object, strict: bool) -> list[field.Error]:
    controller = event.get("reportingComponent", "")
    at = field.Path("reportingController" if strict else "reportingComponent")
    errors = [] if controller else [field.required(at)]
    errors += checks.qualified_name(controller, at)
    for name in ("reportingInstance", "action", "reason"):
        text = event.get(name, "")
        if not text:
            errors.append(field.required(field.Path(name)))
        elif len(text) > _TEXT_CHARACTERS_MAX:
            detail = f"can have at most {_TEXT_CHARACTERS_MAX} characters"
            errors.append(field.invalid(field.Path(name), "", detail))
    if len(event.get("message", "")) > _MESSAGE_CHARACTERS_MAX:
        detail = f"can have at most {_MESSAGE_CHARACTERS_MAX} characters"
        errors.append(field.invalid(field.Path("message"), "", detail))
    return errors


def _validate_series(event: Object) -> list[field.Error]:
    series = event.get("series")
    if series is None:
        return []
    errors = []
    if series.get("count", 0) < 2:
        errors.append(field.invalid(field.Path("series.count"), "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        errors.append(field.required(field.Path("series.lastObservedTime")))
    return errors


def validate_event_update(updated: Object, existing: Object, *, strict: bool) -> list[field.Error]:
    errors = _validate(updated, strict)
    if not strict:
        return errors
    errors += meta.validate_object_meta_update(updated, existing)
    if updated.get("series") != existing.get("series"):
        errors += _validate_series(updated)
    for name in _FIXED:
        shown = field.Path(_STRICT_NAMES.get(name, name))
        errors += checks.immutable(updated.get(name) or None, existing.get(name) or None, shown)
    return errors

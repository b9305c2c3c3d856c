# SPDX-License-Identifier: Apache-2.0
"""Rules of Events, which two APIs write: the lenient core/v1 and the strict events.k8s.io/v1.

An Event arrives in the form it is stored in, core/v1, whichever API brought it. Mirrors
upstream's `pkg/apis/core/validation/events.go`, paths and oddities included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_REPORTING_INSTANCE_MAX = 128
_ACTION_MAX = 128
_REASON_MAX = 128
_NOTE_MAX = 1024
_NAMESPACE = field.Path("involvedObject", "namespace")
_ELSEWHERE = "does not match event.namespace"
# The rest of an event is its series, which alone grows.
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
    "reportingController",
    "reportingInstance",
)


def validate_event(event: Object, *, strict: bool) -> list[field.Error]:
    """`strict` for what came through events.k8s.io/v1."""
    found = _lenient(event, strict)
    if not strict:
        return found
    found += meta.validate_object_meta(event, namespaced=True, name_rule=names.is_dns1123_subdomain)
    found += _series(event.get("series"))
    if not event.get("eventTime"):
        found.append(field.required(field.Path("eventTime")))
    kind = event.get("type", "")
    if kind not in ("Normal", "Warning"):
        detail = f"has invalid value: {kind}"
        found.append(field.invalid(field.Path("type"), "", detail))
    for key in ("firstTimestamp", "lastTimestamp", "count"):
        if event.get(key):
            found.append(field.invalid(field.Path(key), "", "needs to be unset"))
    source = event.get("source") or {}
    if source.get("component") or source.get("host"):
        found.append(field.invalid(field.Path("source"), "", "needs to be unset"))
    return found


def validate_event_update(updated: Object, existing: Object, *, strict: bool) -> list[field.Error]:
    found = _lenient(updated, strict)
    if not strict:
        return found
    found += meta.validate_object_meta_update(updated, existing)
    if updated.get("series") != existing.get("series"):
        found += _series(updated.get("series"))
    for key in _FIXED:
        found += _fixed(updated.get(key), existing.get(key), field.Path(key))
    return found


def _fixed(now: Any, before: Any, path: field.Path) -> list[field.Error]:
    # Zero values are written or left out by turns.
    if not now and not before:
        return []
    return checks.immutable(now, before, path)


def _series(series: Mapping[str, Any] | None) -> list[field.Error]:
    if series is None:
        return []
    found = []
    if series.get("count", 0) < 2:
        found.append(field.invalid(field.Path("series.count"), "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        found.append(field.required(field.Path("series.lastObservedTime")))
    return found


def _lenient(event: Object, strict: bool) -> list[field.Error]:
    """What every event keeps to; one with an eventTime is of the new kind, and holds more."""
    namespace = event["metadata"].get("namespace", "")
    about = (event.get("involvedObject") or {}).get("namespace", "")
    found = []
    if not event.get("eventTime"):
        wrong = namespace not in ("", "default") if not about else about != namespace
    else:
        wrong = not about and namespace not in ("default", "kube-system")
    if wrong:
        found.append(field.invalid(_NAMESPACE, about, _ELSEWHERE))
    if event.get("eventTime"):
        found += _new_kind(event, strict)
    return found + checks.dns1123_subdomain(namespace, field.Path("namespace"))


def _new_kind(event: Object, strict: bool) -> list[field.Error]:
    controller = event.get("reportingComponent") or event.get("reportingController") or ""
    path = field.Path("reportingController" if strict else "reportingComponent")
    found = [] if controller else [field.required(path)]
    found += checks.qualified_name(controller, path)
    for key, limit in (
        ("reportingInstance", _REPORTING_INSTANCE_MAX),
        ("action", _ACTION_MAX),
        ("reason", _REASON_MAX),
    ):
        text = event.get(key, "")
        if not text:
            found.append(field.required(field.Path(key)))
        found += _at_most(text, limit, field.Path(key))
    return found + _at_most(event.get("message", ""), _NOTE_MAX, field.Path("message"))


def _at_most(text: str, limit: int, path: field.Path) -> list[field.Error]:
    if names.bytes_length(text) <= limit:
        return []
    return [field.invalid(path, "", f"can have at most {limit} characters")]

# SPDX-License-Identifier: Apache-2.0
"""Rules of `metav1.Condition` lists, as newer kinds keep them in their status.

Mirrors `ValidateConditions` of apimachinery's `apis/meta/v1/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks

_STATUSES = frozenset({"True", "False", "Unknown"})
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON_BYTES_MAX = 1024
_MESSAGE_BYTES_MAX = 32 * 1024

_is_reason = re.compile(_REASON).fullmatch
_REASON_FAULT = names.pattern_message(
    "a condition reason must start with alphabetic character, optionally followed by a string of "
    "alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)


def validate_conditions(
    conditions: Sequence[Mapping[str, Any]], path: field.Path
) -> list[field.Error]:
    found = checks.unique([c.get("type", "") for c in conditions], path, "type")
    for index, condition in enumerate(conditions):
        found += _condition(condition, path.index(index))
    return found


def _condition(condition: Mapping[str, Any], path: field.Path) -> list[field.Error]:
    found = checks.qualified_name(condition.get("type", ""), path.child("type"))
    found += checks.one_of(condition.get("status", ""), path.child("status"), _STATUSES)
    found += checks.non_negative(
        condition.get("observedGeneration"), path.child("observedGeneration")
    )
    if not condition.get("lastTransitionTime"):
        found.append(field.required(path.child("lastTransitionTime")))
    found += _reason(condition.get("reason", ""), path.child("reason"))
    if names.bytes_length(condition.get("message", "")) > _MESSAGE_BYTES_MAX:
        found.append(field.too_long(path.child("message"), _MESSAGE_BYTES_MAX))
    return found


def _reason(reason: str, path: field.Path) -> list[field.Error]:
    if not reason:
        return [field.required(path)]
    found = [] if _is_reason(reason) else [field.invalid(path, reason, _REASON_FAULT)]
    if names.bytes_length(reason) > _REASON_BYTES_MAX:
        found.append(field.too_long(path, _REASON_BYTES_MAX))
    return found

# SPDX-License-Identifier: Apache-2.0
"""Rules of numbers that may be percentages: `maxSurge`, `minAvailable` and their like."""

from __future__ import annotations

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks

IntOrString = int | str


def not_negative(value: IntOrString, path: field.Path) -> list[field.Error]:
    """A number that is not negative, or a percentage (upstream's ValidatePositiveIntOrPercent)."""
    if isinstance(value, str):
        return checks.follows(names.is_valid_percent, value, path)
    return checks.non_negative(value, path)


def at_most_100_percent(value: IntOrString, path: field.Path) -> list[field.Error]:
    percent = _percent(value)
    if percent is None or percent <= 100:
        return []
    return [field.invalid(path, value, "must not be greater than 100%")]


def magnitude(value: IntOrString | None) -> int:
    """The number, or the percentage's; 0 for what is neither."""
    if isinstance(value, int):
        return value
    return (_percent(value) or 0) if value is not None else 0


def _percent(value: IntOrString) -> int | None:
    if not isinstance(value, str) or names.is_valid_percent(value):
        return None
    return int(value[:-1])

# SPDX-License-Identifier: Apache-2.0
"""Durations: as people read ages (`5d3h`) and as Go writes them (`1m30s`).

Go's durations are integers of nanoseconds here, too.
"""

from __future__ import annotations

import re

from pyk8s.apimachinery.gojson import quoted_string

NANOSECOND = 1
MICROSECOND = 1000
MILLISECOND = 1000 * MICROSECOND
SECOND = 1000 * MILLISECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_INT64_MAX = 2**63 - 1

_UNITS = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "μs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}

_term = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?([^0-9.]*)").match


def human(seconds: float) -> str:
    """Two or three significant figures, as in kubectl's AGE column: `119s`, `5m10s`, `2y45d`.

    A moment two seconds or more in the future is `<invalid>`.
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    return _days(hours)


def _days(hours: int) -> str:
    days = hours // 24
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def human_short(seconds: float) -> str:
    """One figure: `59s`, `3h`, `12d`, `2y`."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 60:
        return f"{max(whole, 0)}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h"
    days = whole // 86400
    return f"{days}d" if days < 365 else f"{days // 365}y"


def format(nanoseconds: int) -> str:
    """As Go's Duration.String: `1h0m0s`, `1.5s`, `100ms`, `0s`."""
    sign = "-" if nanoseconds < 0 else ""
    rest = abs(nanoseconds)
    if rest < SECOND:
        return sign + _format_small(rest)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    text = f"{_decimal(rest, SECOND)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


def _format_small(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ms", MILLISECOND), ("µs", MICROSECOND)):
        if nanoseconds >= size:
            return _decimal(nanoseconds, size) + unit
    return f"{nanoseconds}ns"


def _decimal(number: int, unit: int) -> str:
    whole, fraction = divmod(number, unit)
    if not fraction:
        return str(whole)
    digits = str(fraction).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}"


def parse(text: str) -> int:
    """As Go's ParseDuration, in nanoseconds: `1h30m`, `-1.5h`, `300ms`; raises ValueError."""
    invalid = ValueError(f"time: invalid duration {quoted_string(text)}")
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise invalid
    total = 0
    while rest:
        found = _term(rest)
        if found is None or not (found[1] or found[3]):
            raise invalid
        unit = found[4]
        if not unit:
            raise ValueError(f"time: missing unit in duration {quoted_string(text)}")
        if unit not in _UNITS:
            raise ValueError(
                f"time: unknown unit {quoted_string(unit)} in duration {quoted_string(text)}"
            )
        total += int(found[1] or "0") * _UNITS[unit] + _fraction(found[3] or "", _UNITS[unit])
        rest = rest[found.end() :]
    negative = text.startswith("-")
    if total > _INT64_MAX + negative:
        raise invalid
    return -total if negative else total


def _fraction(digits: str, unit: int) -> int:
    # An int64 of nanoseconds holds no more digits.
    digits = digits[:18]
    return int(digits) * unit // 10 ** len(digits) if digits else 0

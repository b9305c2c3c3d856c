# SPDX-License-Identifier: Apache-2.0
"""metav1.Time and metav1.MicroTime: reading a timestamp as Go does, and its canonical text.

Clients see two forms: whole seconds (`2026-01-02T03:04:05Z`) and exactly six fractional digits
(`2026-01-02T03:04:05.000000Z`), both in UTC. Input may carry an offset; a Time may carry any
fraction, which is cut off. The zero time, year 1 in UTC, is written as null. Faults are worded as
Go's time.Parse words them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pyk8s.apimachinery.gojson import quoted_string

_TIME_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"

_PATTERN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([.,]\d+)?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_CANONICAL_TIME = re.compile(
    r"(?!0000|0001-01-01T00:00:00)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ",
    re.ASCII,
)

# One step of a layout: what it must look like, how the layout spells it, its range's name.
_STEPS = (
    (re.compile(r"\d{4}", re.ASCII), "2006", "", 0, 9999),
    (re.compile("-"), "-", "", 0, 0),
    (re.compile(r"\d\d", re.ASCII), "01", "month", 1, 12),
    (re.compile("-"), "-", "", 0, 0),
    (re.compile(r"\d\d", re.ASCII), "02", "day", 1, 31),
    (re.compile("T"), "T", "", 0, 0),
    (re.compile(r"\d\d", re.ASCII), "15", "hour", 0, 23),
    (re.compile(":"), ":", "", 0, 0),
    (re.compile(r"\d\d", re.ASCII), "04", "minute", 0, 59),
    (re.compile(":"), ":", "", 0, 0),
    (re.compile(r"\d\d", re.ASCII), "05", "second", 0, 59),
)
_FRACTION = re.compile(r"[.,]\d+", re.ASCII)
_SIX_DIGITS = re.compile(r"[.,]\d{6}", re.ASCII)
_ZONE = re.compile(r"Z|[+-]\d\d:\d\d", re.ASCII)
_ZONE_HOURS_MAX = 24
_ZONE_MINUTES_MAX = 60

# Go tells the zero time by the instant, whatever the offset it was written with.
_ZERO = datetime(1, 1, 1, tzinfo=UTC)


def parse(text: str) -> datetime:
    """A Time as an aware datetime in UTC; raises ValueError."""
    return _parse(text, _TIME_LAYOUT)


def parse_micro(text: str) -> datetime:
    """A MicroTime as an aware datetime in UTC; raises ValueError, also without six digits."""
    return _parse(text, _MICRO_LAYOUT)


def format(moment: datetime) -> str:
    """An aware datetime as a Time, its fraction cut off."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def format_micro(moment: datetime) -> str:
    """An aware datetime as a MicroTime."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def now() -> str:
    """This second as a Time."""
    return format(datetime.now(UTC))


def now_micro() -> str:
    """This microsecond as a MicroTime."""
    return format_micro(datetime.now(UTC))


def canonical(text: str) -> str | None:
    """A Time as it is written out; None for the zero time. Raises ValueError."""
    if _CANONICAL_TIME.fullmatch(text):
        return text
    moment = _parse(text, _TIME_LAYOUT)
    return None if moment == _ZERO else format(moment)


def canonical_micro(text: str) -> str | None:
    """A MicroTime as it is written out; None for the zero time. Raises ValueError."""
    moment = _parse(text, _MICRO_LAYOUT)
    return None if moment == _ZERO else format_micro(moment)


def _parse(text: str, layout: str) -> datetime:
    found = _PATTERN.fullmatch(text)
    if found is None or (layout == _MICRO_LAYOUT and len(found[7] or "") != 7):
        raise ValueError(_fault(text, layout))
    try:
        return _moment(found)
    except (ValueError, OverflowError):
        raise ValueError(_fault(text, layout)) from None


def _moment(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
    micros = int((found[7] or ".0")[1:7].ljust(6, "0"))
    moment = datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    if found[8]:
        hours, minutes = int(found[9]), int(found[10])
        if hours > _ZONE_HOURS_MAX or minutes > _ZONE_MINUTES_MAX:
            raise ValueError("zone offset out of range")
        offset = timedelta(hours=hours, minutes=minutes)
        moment = moment - offset if found[8] == "+" else moment + offset
    return moment


def _fault(text: str, layout: str) -> str:
    """The sentence of Go's time.ParseError for a text the layout does not fit."""
    rest = text
    for pattern, element, name, low, high in _STEPS:
        found = pattern.match(rest)
        if found is None:
            return _cannot(text, layout, rest, element)
        if name and not low <= int(found[0]) <= high:
            return f"parsing time {quoted_string(text)}: {name} out of range"
        rest = rest[found.end() :]
    if layout == _MICRO_LAYOUT:
        found = _SIX_DIGITS.match(rest)
        if found is None:
            return _cannot(text, layout, rest, ".000000")
    else:
        found = _FRACTION.match(rest)
    rest = rest[found.end() :] if found else rest
    return _zone_fault(text, layout, rest)


def _zone_fault(text: str, layout: str, rest: str) -> str:
    found = _ZONE.match(rest)
    if found is None:
        return _cannot(text, layout, rest, "Z07:00")
    if found[0] != "Z":
        if int(found[0][1:3]) > _ZONE_HOURS_MAX:
            return f"parsing time {quoted_string(text)}: time zone offset hour out of range"
        if int(found[0][4:6]) > _ZONE_MINUTES_MAX:
            return f"parsing time {quoted_string(text)}: time zone offset minute out of range"
    rest = rest[found.end() :]
    if rest:
        return f"parsing time {quoted_string(text)}: extra text: {quoted_string(rest)}"
    return f"parsing time {quoted_string(text)}: day out of range"


def _cannot(text: str, layout: str, rest: str, element: str) -> str:
    return (
        f"parsing time {quoted_string(text)} as {quoted_string(layout)}: "
        f"cannot parse {quoted_string(rest)} as {quoted_string(element)}"
    )

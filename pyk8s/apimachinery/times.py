# SPDX-License-Identifier: Apache-2.0
"""metav1.Time and metav1.MicroTime: RFC 3339 in UTC, to the second or to the microsecond.

Both read any offset. A Time prints whole seconds and `Z`; a MicroTime prints, and demands, six
digits of a fraction. The zero time (year 1) is null.
"""

from __future__ import annotations

import datetime
import re

from pyk8s.apimachinery.gojson import quoted_string

_UTC = datetime.UTC
_LAYOUT = "2006-01-02T15:04:05Z07:00"
_LAYOUT_MICRO = "2006-01-02T15:04:05.000000Z07:00"

_ZONE = r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
_DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_is_canonical = re.compile(_DATE_TIME + "Z").fullmatch
_is_time = re.compile(_DATE_TIME + r"(?:\.[0-9]+)?" + _ZONE).fullmatch
_is_micro_time = re.compile(_DATE_TIME + r"\.[0-9]{6}" + _ZONE).fullmatch

_ELEMENTS = (
    ("[0-9]{4}", "2006"),
    ("-", "-"),
    ("[0-9]{2}", "01"),
    ("-", "-"),
    ("[0-9]{2}", "02"),
    ("T", "T"),
    ("[0-9]{2}", "15"),
    (":", ":"),
    ("[0-9]{2}", "04"),
    (":", ":"),
    ("[0-9]{2}", "05"),
)
_FRACTION = (r"\.[0-9]{6}(?![0-9])", ".000000")
_RANGES = (("month", 5, 12), ("day", 8, 31), ("hour", 11, 23), ("minute", 14, 59))


def parse(text: str) -> datetime.datetime:
    """An aware datetime in UTC; raises ValueError with Go's words."""
    return _parse(text, _is_time(text) is not None, _LAYOUT)


def parse_micro(text: str) -> datetime.datetime:
    """As parse, for a text with exactly six digits of a fraction."""
    return _parse(text, _is_micro_time(text) is not None, _LAYOUT_MICRO)


def format(moment: datetime.datetime) -> str:
    """An aware datetime as a Time, its fraction cut off."""
    moment = moment.astimezone(_UTC)
    return moment.strftime(f"{moment.year:04d}-%m-%dT%H:%M:%SZ")


def format_micro(moment: datetime.datetime) -> str:
    """An aware datetime as a MicroTime."""
    moment = moment.astimezone(_UTC)
    return moment.strftime(f"{moment.year:04d}-%m-%dT%H:%M:%S.%fZ")


def canonical(text: str) -> str | None:
    """The text a server answers for a Time; None for the zero time. Raises ValueError."""
    moment = parse(text)
    if _is_zero(moment):
        return None
    return text if _is_canonical(text) else format(moment)


def canonical_micro(text: str) -> str | None:
    """The text a server answers for a MicroTime; None for the zero time. Raises ValueError."""
    moment = parse_micro(text)
    return None if _is_zero(moment) else format_micro(moment)


def now() -> str:
    """This second as a Time."""
    return format(datetime.datetime.now(_UTC))


def now_micro() -> str:
    """This microsecond as a MicroTime."""
    return format_micro(datetime.datetime.now(_UTC))


def _is_zero(moment: datetime.datetime) -> bool:
    return moment.year == 1 and moment == datetime.datetime(1, 1, 1, tzinfo=_UTC)


def _parse(text: str, has_form: bool, layout: str) -> datetime.datetime:
    if not has_form:
        raise ValueError(_form_fault(text, layout))
    try:
        # The standard library reads six digits of a fraction and cuts the rest, as wanted.
        return datetime.datetime.fromisoformat(text).astimezone(_UTC)
    except (ValueError, OverflowError):
        raise ValueError(_range_fault(text)) from None


def _form_fault(text: str, layout: str) -> str:
    elements = [*_ELEMENTS, _FRACTION] if layout == _LAYOUT_MICRO else list(_ELEMENTS)
    place = 0
    for pattern, name in elements:
        found = re.compile(pattern).match(text, place)
        if found is None:
            return _cannot_parse(text, layout, text[place:], name)
        place = found.end()
    if layout == _LAYOUT:
        fraction = re.compile(r"\.[0-9]+").match(text, place)
        place = fraction.end() if fraction else place
    zone = re.compile(_ZONE).match(text, place)
    if zone is None:
        return _cannot_parse(text, layout, text[place:], "Z07:00")
    return f"parsing time {quoted_string(text)}: extra text: {quoted_string(text[zone.end() :])}"


def _cannot_parse(text: str, layout: str, rest: str, name: str) -> str:
    return (
        f"parsing time {quoted_string(text)} as {quoted_string(layout)}: "
        f"cannot parse {quoted_string(rest)} as {quoted_string(name)}"
    )


def _range_fault(text: str) -> str:
    for name, place, highest in _RANGES:
        number = int(text[place : place + 2])
        if number > highest or (number == 0 and name in ("month", "day")):
            return f"parsing time {quoted_string(text)}: {name} out of range"
    name = "second" if int(text[17:19]) > 59 else "day"
    return f"parsing time {quoted_string(text)}: {name} out of range"

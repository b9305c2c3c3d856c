# SPDX-License-Identifier: Apache-2.0
"""Cron schedules, read and judged as the library robfig/cron v3 reads them.

    minute hour day-of-month month day-of-week | @hourly … @yearly | @every 1h30m

Each field becomes the set of its values; messages are the library's, because a CronJob's
rejection quotes them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from pyk8s.apimachinery.gojson import quoted_string


class ParseError(ValueError):
    """The text is not a schedule; str() says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When to act: the values each field takes. `*_star` says that the field was `*` or `?`:
    with both day fields restricted, either one suffices. Of `@every`, only `every_seconds`
    counts."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    days_star: bool = False
    weekdays_star: bool = False
    every_seconds: int = 0
    # From a TZ= or CRON_TZ= prefix; empty when the schedule names no zone.
    time_zone: str = ""


class _Field(NamedTuple):
    low: int
    high: int
    names: dict[str, int]


_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS = (
    _Field(0, 59, {}),
    _Field(0, 23, {}),
    _Field(1, 31, {}),
    _Field(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field(0, 6, {name: number for number, name in enumerate(_WEEKDAYS)}),
)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "


def parse(text: str) -> Schedule:
    """Read a schedule; raises ParseError. A time zone prefix is kept, not looked up."""
    if not text:
        raise ParseError("empty spec string")
    zone = ""
    if text.startswith(("TZ=", "CRON_TZ=")):
        prefix, _, text = text.partition(" ")
        zone = prefix.partition("=")[2]
        text = text.strip()
    if text.startswith(_EVERY):
        return Schedule(every_seconds=_every(text.removeprefix(_EVERY)), time_zone=zone)
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise ParseError(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    return _parse_fields(text.split(), zone)


def _parse_fields(fields: list[str], zone: str) -> Schedule:
    if len(fields) != len(_FIELDS):
        shown = " ".join(fields)
        raise ParseError(f"expected exactly 5 fields, found {len(fields)}: [{shown}]")
    values = []
    stars = []
    for text, bounds in zip(fields, _FIELDS, strict=True):
        ranges = [_range(part, bounds) for part in text.split(",") if part]
        values.append(frozenset().union(*(found for found, _ in ranges)))
        stars.append(any(star for _, star in ranges))
    return Schedule(
        minutes=values[0],
        hours=values[1],
        days=values[2],
        months=values[3],
        weekdays=values[4],
        days_star=stars[2],
        weekdays_star=stars[4],
        time_zone=zone,
    )


def _range(text: str, bounds: _Field) -> tuple[frozenset[int], bool]:
    """One of `*`, `5`, `1-5`, `*/2`, `1-30/5`, and whether it stands for every value."""
    span, *steps = text.split("/")
    low, *rest = span.split("-")
    star = low in ("*", "?")
    if star:
        start, end = bounds.low, bounds.high
    elif len(rest) > 1:
        raise ParseError(f"too many hyphens: {text}")
    else:
        start = _number_or_name(low, bounds.names)
        end = _number_or_name(rest[0], bounds.names) if rest else start
    step = 1
    if len(steps) > 1:
        raise ParseError(f"too many slashes: {text}")
    if steps:
        step = _number(steps[0])
        # `N/step` counts from N to the field's end.
        end = end if rest else bounds.high
        star = star and step <= 1
    _check_range(text, bounds, (start, end, step))
    return frozenset(range(start, end + 1, step)), star


def _check_range(text: str, bounds: _Field, span: tuple[int, int, int]) -> None:
    start, end, step = span
    if start < bounds.low:
        raise ParseError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ParseError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ParseError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ParseError(f"step of range should be a positive number: {text}")


def _number_or_name(text: str, names: dict[str, int]) -> int:
    named = names.get(text.lower())
    return _number(text) if named is None else named


_is_number = re.compile(r"[+-]?[0-9]+").fullmatch


def _number(text: str) -> int:
    if not _is_number(text):
        why = f"strconv.Atoi: parsing {quoted_string(text)}: invalid syntax"
        raise ParseError(f"failed to parse int from {text}: {why}")
    number = int(text)
    if number < 0:
        raise ParseError(f"negative number ({number}) not allowed: {text}")
    return number


_UNIT_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
}
_duration_part = re.compile(r"([0-9]*\.?[0-9]*)([^0-9.]*)")


def _every(text: str) -> int:
    """Whole seconds of a Go duration, never less than one."""
    try:
        return max(1, int(_duration_seconds(text)))
    except ParseError as error:
        why = f"failed to parse duration {_EVERY}{text}: {error}"
        raise ParseError(why) from None


def _duration_seconds(text: str) -> float:
    shown = quoted_string(text)
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    total = 0.0
    position = 0
    while position < len(rest) or not rest:
        part = _duration_part.match(rest, position)
        if part is None or part[1] in ("", "."):
            raise ParseError(f"time: invalid duration {shown}")
        if not part[2]:
            raise ParseError(f"time: missing unit in duration {shown}")
        if part[2] not in _UNIT_SECONDS:
            raise ParseError(f"time: unknown unit {quoted_string(part[2])} in duration {shown}")
        total += float(part[1]) * _UNIT_SECONDS[part[2]]
        position = part.end()
    return -total if text.startswith("-") else total

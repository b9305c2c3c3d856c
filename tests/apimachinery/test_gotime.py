# SPDX-License-Identifier: Apache-2.0
"""Timestamps: canonical forms, and Go's words for what is not one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import gotime

RFC3339 = "2006-01-02T15:04:05Z07:00"
MICRO = "2006-01-02T15:04:05.000000Z07:00"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", id="already canonical"),
        pytest.param("2026-01-02T03:04:05.999Z", "2026-01-02T03:04:05Z", id="fraction cut"),
        pytest.param("2026-01-02T03:04:05,5Z", "2026-01-02T03:04:05Z", id="comma fraction"),
        pytest.param("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z", id="east"),
        pytest.param("2026-12-31T23:04:05-02:30", "2027-01-01T01:34:05Z", id="west, next year"),
        pytest.param("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", id="leap day"),
        pytest.param("0001-01-01T00:00:00Z", None, id="the zero time is null"),
        pytest.param("0001-01-01T01:00:00+01:00", None, id="the zero time elsewhere"),
    ],
)
def test_canonical_time(text: str, canonical: str | None) -> None:
    """A Time is written in whole seconds and UTC."""
    assert gotime.canonical_time(text) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("x", f'"x" as "{RFC3339}": cannot parse "x" as "2006"', id="no year"),
        pytest.param("", f'"" as "{RFC3339}": cannot parse "" as "2006"', id="empty"),
        pytest.param(
            "2026-01-02",
            f'"2026-01-02" as "{RFC3339}": cannot parse "" as "T"',
            id="date only",
        ),
        pytest.param(
            "2026-01-02 03:04:05Z",
            f'"2026-01-02 03:04:05Z" as "{RFC3339}": cannot parse " 03:04:05Z" as "T"',
            id="blank for T",
        ),
        pytest.param(
            "2026-01-02T03:04:05",
            f'"2026-01-02T03:04:05" as "{RFC3339}": cannot parse "" as "Z07:00"',
            id="no zone",
        ),
        pytest.param(
            "2026-13-02T03:04:05Z", '"2026-13-02T03:04:05Z": month out of range', id="mon"
        ),
        pytest.param("2026-02-30T03:04:05Z", '"2026-02-30T03:04:05Z": day out of range', id="day"),
        pytest.param(
            "2026-02-03T24:04:05Z", '"2026-02-03T24:04:05Z": hour out of range', id="hour"
        ),
        pytest.param(
            "2026-02-03T23:04:05Zulu",
            '"2026-02-03T23:04:05Zulu": extra text: "ulu"',
            id="extra",
        ),
    ],
)
def test_time_faults(text: str, message: str) -> None:
    """What is no timestamp is refused in Go's words."""
    with pytest.raises(ValueError, match="^parsing time ") as caught:
        gotime.canonical_time(text)
    assert str(caught.value) == f"parsing time {message}"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z", id="same"),
        pytest.param("2026-01-02T03:04:05.000001+01:00", "2026-01-02T02:04:05.000001Z", id="utc"),
        pytest.param("0001-01-01T00:00:00.000000Z", None, id="zero"),
    ],
)
def test_canonical_micro_time(text: str, canonical: str | None) -> None:
    """A MicroTime is written with exactly six fractional digits in UTC."""
    assert gotime.canonical_micro_time(text) == canonical


@pytest.mark.parametrize(
    ("text", "rest", "element"),
    [
        pytest.param("2026-01-02T03:04:05Z", "Z", ".000000", id="no fraction"),
        pytest.param("2026-01-02T03:04:05.123Z", ".123Z", ".000000", id="milliseconds"),
        pytest.param("2026-01-02T03:04:05.123456789Z", "789Z", "Z07:00", id="nanoseconds"),
    ],
)
def test_micro_time_faults(text: str, rest: str, element: str) -> None:
    """A MicroTime with another number of digits is refused, as Go does."""
    with pytest.raises(ValueError, match="^parsing time ") as caught:
        gotime.canonical_micro_time(text)
    expected = f'parsing time "{text}" as "{MICRO}": cannot parse "{rest}" as "{element}"'
    assert str(caught.value) == expected


MOMENTS = st.datetimes(
    min_value=datetime(2, 1, 2),
    max_value=datetime(9998, 12, 30),
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)


@given(MOMENTS)
def test_round_trip(moment: datetime) -> None:
    """The canonical text names the same instant, to the second, and is a fixed point."""
    canonical = gotime.canonical_time(moment.isoformat())
    assert canonical is not None
    read = datetime.fromisoformat(canonical)
    assert read == moment.astimezone(UTC).replace(microsecond=0)
    assert gotime.canonical_time(canonical) == canonical

# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501
"""Times."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import times


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05.999999999Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
        ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00Z"),
        ("2024-01-02T03:04:05-00:30", "2024-01-02T03:34:05Z"),
        ("2024-01-02T03:04:05,5Z", "2024-01-02T03:04:05Z"),
        ("2024-12-31T23:04:05-02:30", "2025-01-01T01:34:05Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T01:00:00+01:00", None),
        ("0001-01-01T00:00:01Z", "0001-01-01T00:00:01Z"),
        ("0099-01-01T00:00:01+00:00", "0099-01-01T00:00:01Z"),
    ],
)
def test_time(text: str, canonical: str | None) -> None:
    """A Time is answered in UTC to the second; the zero time is null."""
    assert times.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.123456Z"),
        ("2024-01-02T03:04:05.000000Z", "2024-01-02T03:04:05.000000Z"),
        ("2024-01-02T03:04:05.100000+01:00", "2024-01-02T02:04:05.100000Z"),
        ("0001-01-01T00:00:00.000000Z", None),
    ],
)
def test_micro_time(text: str, canonical: str | None) -> None:
    """A MicroTime is answered in UTC with six digits."""
    assert times.canonical_micro(text) == canonical


LAYOUT = "2006-01-02T15:04:05Z07:00"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f'parsing time "" as "{LAYOUT}": cannot parse "" as "2006"'),
        ("x", f'parsing time "x" as "{LAYOUT}": cannot parse "x" as "2006"'),
        ("2024", f'parsing time "2024" as "{LAYOUT}": cannot parse "" as "-"'),
        ("2024-1-02T03:04:05Z", f'parsing time "2024-1-02T03:04:05Z" as "{LAYOUT}": cannot parse "1-02T03:04:05Z" as "01"'),
        ("2024-01-02 03:04:05Z", f'parsing time "2024-01-02 03:04:05Z" as "{LAYOUT}": cannot parse " 03:04:05Z" as "T"'),
        ("2024-01-02T03:04:05", f'parsing time "2024-01-02T03:04:05" as "{LAYOUT}": cannot parse "" as "Z07:00"'),
        ("2024-01-02T03:04:05Zx", 'parsing time "2024-01-02T03:04:05Zx": extra text: "x"'),
        ("2024-13-02T03:04:05Z", 'parsing time "2024-13-02T03:04:05Z": month out of range'),
        ("2023-02-29T03:04:05Z", 'parsing time "2023-02-29T03:04:05Z": day out of range'),
        ("2024-01-02T24:04:05Z", 'parsing time "2024-01-02T24:04:05Z": hour out of range'),
        ("2024-01-02T03:60:05Z", 'parsing time "2024-01-02T03:60:05Z": minute out of range'),
        ("2024-01-02T03:04:60Z", 'parsing time "2024-01-02T03:04:60Z": second out of range'),
        ("2024-01-02T03:04:05+25:00", 'parsing time "2024-01-02T03:04:05+25:00": time zone offset hour out of range'),
        ("2024-01-02T03:04:05Z\n", 'parsing time "2024-01-02T03:04:05Z\\n": extra text: "\\n"'),
    ],
)  # fmt: skip
def test_errors(text: str, message: str) -> None:
    """A text that is no time is refused with Go's words."""
    with pytest.raises(ValueError) as error:  # noqa: PT011
        times.canonical(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "text",
    ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.1Z", "2024-01-02T03:04:05.123456789Z"],
)
def test_micro_time_wants_six_digits(text: str) -> None:
    """A MicroTime with another fraction is refused."""
    with pytest.raises(ValueError, match="cannot parse"):
        times.canonical_micro(text)


moments = st.datetimes(
    datetime.datetime(2, 1, 1),
    timezones=st.integers(-1439, 1439).map(
        lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes))
    ),
).filter(lambda moment: 2 < moment.year < 9999)


@given(moments)
def test_round_trip(moment: datetime.datetime) -> None:
    """A moment survives being written and read, to the precision of its type."""
    assert times.parse_micro(times.format_micro(moment)) == moment
    assert times.parse(times.format(moment)) == moment.replace(microsecond=0)
    text = moment.isoformat(timespec="microseconds")
    assert times.canonical_micro(text) == times.format_micro(moment)
    assert times.canonical(text) == times.format(moment)


def test_now() -> None:
    """Now has both forms."""
    before = datetime.datetime.now(datetime.UTC)
    assert before <= times.parse_micro(times.now_micro())
    assert before.replace(microsecond=0) <= times.parse(times.now())

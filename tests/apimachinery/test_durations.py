# SPDX-License-Identifier: Apache-2.0
"""Durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import durations

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.9, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (130, "2m10s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600 + 60, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 3600, "2d1h"),
        (8 * DAY + 3600, "8d"),
        (2 * 365 * DAY - 1, "729d"),
        (2 * 365 * DAY, "2y"),
        ((2 * 365 + 45) * DAY, "2y45d"),
        (8 * 365 * DAY + DAY, "8y"),
    ],
)
def test_human(seconds: float, text: str) -> None:
    """Ages have two or three significant figures."""
    assert durations.human(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (59, "59s"),
        (61, "1m"),
        (7199, "1h"),
        (DAY, "1d"),
        (365 * DAY, "1y"),
    ],
)
def test_human_short(seconds: float, text: str) -> None:
    """The short form has one figure."""
    assert durations.human_short(seconds) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (90 * durations.SECOND, "1m30s"),
        (durations.HOUR, "1h0m0s"),
        (-90 * durations.MINUTE, "-1h30m0s"),
        (durations.MINUTE + durations.MILLISECOND, "1m0.001s"),
        (2**63 - 1, "2562047h47m16.854775807s"),
    ],
)
def test_format(nanoseconds: int, text: str) -> None:
    """Durations print as Go prints them, and read back."""
    assert durations.format(nanoseconds) == text
    assert durations.parse(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("+5s", 5 * durations.SECOND),
        ("1.5h", 90 * durations.MINUTE),
        (".5s", durations.SECOND // 2),
        ("1.s", durations.SECOND),
        ("1us", 1000),
        ("1μs", 1000),
        ("1h1h", 2 * durations.HOUR),
    ],
)
def test_parse(text: str, nanoseconds: int) -> None:
    """Other spellings read, too."""
    assert durations.parse(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        (".s", 'time: invalid duration ".s"'),
        ("x", 'time: invalid duration "x"'),
        ("3", 'time: missing unit in duration "3"'),
        ("1m3", 'time: missing unit in duration "1m3"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1 s", 'time: unknown unit " s" in duration "1 s"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
    ],
)
def test_parse_errors(text: str, message: str) -> None:
    """A text that is no duration is refused with Go's words."""
    with pytest.raises(ValueError) as error:  # noqa: PT011
        durations.parse(text)
    assert str(error.value) == message


@given(st.integers(-(2**63), 2**63 - 1))
def test_round_trip(nanoseconds: int) -> None:
    """What prints parses back."""
    assert durations.parse(durations.format(nanoseconds)) == nanoseconds

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from pyk8s.apimachinery import cron


def test_every_field_becomes_its_values() -> None:
    schedule = cron.parse("*/15 0,12 1-5 jan-mar mon,fri")

    assert schedule.minutes == {0, 15, 30, 45}
    assert schedule.hours == {0, 12}
    assert schedule.days == {1, 2, 3, 4, 5}
    assert schedule.months == {1, 2, 3}
    assert schedule.weekdays == {1, 5}
    assert not schedule.days_star
    assert not schedule.weekdays_star


def test_a_star_and_a_question_mark_are_the_same() -> None:
    assert cron.parse("* * * * *") == cron.parse("? ? ? ? ?")


def test_a_star_with_a_step_restricts() -> None:
    schedule = cron.parse("0 0 */2 * *")

    assert not schedule.days_star
    assert schedule.weekdays_star


def test_a_number_with_a_step_counts_to_the_end() -> None:
    assert cron.parse("50/3 * * * *").minutes == {50, 53, 56, 59}


def test_names_know_no_case() -> None:
    assert cron.parse("0 0 * DEC Sun") == cron.parse("0 0 * 12 0")


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_words_stand_for_fields(word: str, fields: str) -> None:
    assert cron.parse(word) == cron.parse(fields)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("10ms", 1), ("2m0.9s", 120)],
)
def test_every_counts_whole_seconds(text: str, seconds: int) -> None:
    assert cron.parse("@every " + text) == cron.Schedule(every_seconds=seconds)


@pytest.mark.parametrize("prefix", ["TZ", "CRON_TZ"])
def test_a_prefix_names_the_zone(prefix: str) -> None:
    schedule = cron.parse(f"{prefix}=Europe/Berlin 0 6 * * *")

    assert schedule.time_zone == "Europe/Berlin"
    assert schedule.hours == {6}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* 24 * * *", "end of range (24) above maximum (23): 24"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * 13 *", "end of range (13) above maximum (12): 13"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        (
            "a * * * *",
            'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax',
        ),
        ("@often", "unrecognized descriptor: @often"),
        (
            "@every soon",
            'failed to parse duration @every soon: time: invalid duration "soon"',
        ),
        (
            "@every 5",
            'failed to parse duration @every 5: time: missing unit in duration "5"',
        ),
        (
            "@every 5d",
            'failed to parse duration @every 5d: time: unknown unit "d" in duration "5d"',
        ),
    ],
)
def test_what_is_no_schedule(text: str, message: str) -> None:
    with pytest.raises(cron.ParseError) as caught:
        cron.parse(text)

    assert str(caught.value) == message

# SPDX-License-Identifier: Apache-2.0
"""When a schedule comes next, and which of its moments has just passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyk8s.apimachinery import cron
from pyk8s.controllers.cronjob import jobs, schedule
from pyk8s.controllers.cronjob.schedule import Timing, timing_of

NEW_YORK = "America/New_York"
SAO_PAULO = "America/Sao_Paulo"
LORD_HOWE = "Australia/Lord_Howe"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def cronjob(text: str, zone: str | None = None, **more: Any) -> dict[str, Any]:
    """Made at the start of 2026; `last` is when it ran last."""
    last = more.pop("last", None)
    spec = {"schedule": text, "jobTemplate": {"spec": {}}, **more}
    if zone is not None:
        spec["timeZone"] = zone
    metadata = {"name": "c", "uid": "u", "creationTimestamp": "2026-01-01T00:00:30Z"}
    status = {"lastScheduleTime": last} if last else {}
    named = {"apiVersion": "batch/v1", "kind": "CronJob"}
    return {**named, "metadata": metadata, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("text", "zone", "moment", "following"),
    [
        ("* * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
        ("* * * * *", "UTC", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01:00Z"),
        ("*/15 * * * *", "UTC", "2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
        ("30 4 1,15 * *", "UTC", "2026-01-01T04:30:00Z", "2026-01-15T04:30:00Z"),
        ("0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 13 * 5", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("0 0 * * sun", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        ("0 0 1 jan ?", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("@every 90s", "UTC", "2026-01-01T00:00:10.7Z", "2026-01-01T00:01:40Z"),
        ("0 9 * * *", NEW_YORK, "2026-01-01T00:00:00Z", "2026-01-01T09:00:00-05:00"),
        ("0 9 * * *", NEW_YORK, "2026-07-01T00:00:00Z", "2026-07-01T09:00:00-04:00"),
        ("TZ=Asia/Tokyo 0 9 * * *", None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        # Clocks go forward at 02:00 on March 8, and back at 02:00 on November 1.
        ("30 2 * * *", NEW_YORK, "2026-03-07T12:00:00-05:00", "2026-03-09T02:30:00-04:00"),
        ("0 3 * * *", NEW_YORK, "2026-03-08T01:59:00-05:00", "2026-03-08T03:00:00-04:00"),
        ("0 * * * *", NEW_YORK, "2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00-04:00", "2026-11-01T01:30:00-04:00"),
        ("30 1 * * *", NEW_YORK, "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"),
        ("30 1 * * *", NEW_YORK, "2026-11-01T01:30:00-05:00", "2026-11-02T01:30:00-05:00"),
        ("30 2 * * *", NEW_YORK, "2026-11-01T00:00:00-04:00", "2026-11-01T02:30:00-05:00"),
        # In this night there was no midnight.
        ("0 0 * * *", SAO_PAULO, "2018-11-03T12:00:00-03:00", "2018-11-05T00:00:00-02:00"),
        ("0 1 4 11 *", SAO_PAULO, "2018-11-03T12:00:00-03:00", "2018-11-04T01:00:00-02:00"),
        # Clocks that move by half an hour: back at 02:00 on April 5.
        ("45 1 * * *", LORD_HOWE, "2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30"),
    ],
)
def test_next(text: str, zone: str | None, moment: str, following: str) -> None:
    """The first moment afterwards, by the clocks of the zone."""
    assert timing_of(cronjob(text, zone)).next_after(at(moment)) == at(following)


def test_never() -> None:
    """A day that no year has is never met, and it does not take long to say so."""
    assert timing_of(cronjob("59 23 31 2 *", "UTC")).next_after(at("2026-01-01T00:00:00Z")) is None


def test_local_zone() -> None:
    """Without a zone, the clocks are those of the process."""
    local = Timing(cron.parse("0 12 * * *")).next_after(at("2026-01-01T00:00:00Z"))
    assert local is not None
    assert local.astimezone().hour == 12


@pytest.mark.parametrize(
    ("made", "now", "moment", "missed"),
    [
        pytest.param({}, "2026-01-01T00:00:59Z", None, 0, id="not yet"),
        pytest.param({}, "2026-01-01T00:01:00Z", "2026-01-01T00:01:00Z", 0, id="on time"),
        pytest.param({}, "2026-01-01T00:01:59Z", "2026-01-01T00:01:00Z", 0, id="late"),
        pytest.param({}, "2026-01-01T00:03:20Z", "2026-01-01T00:03:00Z", 3, id="several missed"),
        pytest.param({}, "2026-01-01T02:00:00Z", "2026-01-01T02:00:00Z", 120, id="many missed"),
        pytest.param(
            {"last": "2026-01-01T01:59:00Z"},
            "2026-01-01T02:00:00Z",
            "2026-01-01T02:00:00Z",
            0,
            id="since the last one",
        ),
        pytest.param(
            {"startingDeadlineSeconds": 100},
            "2026-01-01T02:00:30Z",
            "2026-01-01T02:00:00Z",
            2,
            id="within the deadline",
        ),
        pytest.param(
            {"text": "@every 1h"},
            "2026-01-01T05:30:00Z",
            "2026-01-01T05:00:30Z",
            5,
            id="every hour, not on the hour",
        ),
        pytest.param(
            {"text": "30 6-16/4 * * 1-5"},
            "2026-01-05T15:00:00Z",
            "2026-01-05T14:30:00Z",
            27,
            id="moments of different distance",
        ),
    ],
)
def test_most_recent(made: dict[str, Any], now: str, moment: str | None, missed: int) -> None:
    """The last one that has passed, and about how many have."""
    owner = cronjob(made.pop("text", "* * * * *"), "UTC", **made)
    due = schedule.most_recent(owner, timing_of(owner), at(now), with_deadline=True)
    assert due.moment == (at(moment) if moment else None)
    assert due.missed == missed


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        pytest.param("2026-01-01T00:00:40Z", 20.1, id="the first"),
        pytest.param("2026-01-01T00:01:00.05Z", 60.05, id="the one after this"),
        pytest.param("2026-01-01T03:00:30Z", 30.1, id="after a long time"),
    ],
)
def test_comes_again(now: str, seconds: float) -> None:
    """A little after the next moment."""
    owner = cronjob("* * * * *", "UTC")
    found = schedule.seconds_until_next(owner, timing_of(owner), at(now))
    assert found == pytest.approx(seconds)


def test_makes_no_sense() -> None:
    """A schedule that is never met is said to be invalid, and does not come again."""
    owner = cronjob("59 23 31 2 *", "UTC")
    now = at("2026-01-02T00:00:00Z")
    with pytest.raises(schedule.InvalidSchedule, match="less than 1 second"):
        schedule.most_recent(owner, timing_of(owner), now, with_deadline=True)
    assert schedule.seconds_until_next(owner, timing_of(owner), now) is None


@pytest.mark.parametrize("name", ["No/Where", "America", "../etc/passwd"])
def test_unknown_zones(name: str) -> None:
    """What is no time zone is refused, also in the schedule itself."""
    with pytest.raises(schedule.UnknownZone):
        schedule.zone_named(name)
    with pytest.raises(cron.ParseError, match="provided bad location"):
        timing_of(cronjob(f"TZ={name} * * * * *"))


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        (None, "2026-07-01T13:00:00Z"),
        (NEW_YORK, "2026-07-01T09:00:00-04:00"),
        ("Europe/London", "2026-07-01T14:00:00+01:00"),
    ],
)
def test_made_job(zone: str | None, written: str) -> None:
    """Named after its minute, with the moment in the CronJob's zone, and owned by it."""
    made = jobs.job_for(cronjob("* * * * *", zone), at("2026-07-01T13:00:00Z"))
    metadata = made["metadata"]
    assert metadata["name"] == f"c-{int(at('2026-07-01T13:00:00Z').timestamp()) // 60}"
    assert metadata["annotations"] == {jobs.SCHEDULED_TIMESTAMP: written}
    assert metadata["ownerReferences"][0]["controller"]


def test_history() -> None:
    """Of each kind of end the limit's newest stay; who never started is new."""

    def ended(name: str, end: str, started: str = "") -> dict[str, Any]:
        status = {"conditions": [{"type": end, "status": "True"}]}
        start = {"startTime": started} if started else {}
        return {"metadata": {"name": name}, "status": {**status, **start}}

    began = at("2026-01-01T00:00:00Z")
    moments = [(began + timedelta(hours=h)).isoformat()[:19] + "Z" for h in range(3)]
    found = [
        ended("b", "Complete", moments[1]),
        ended("a", "Complete", moments[0]),
        ended("c", "Complete"),
        ended("x", "Failed", moments[2]),
        {"metadata": {"name": "runs"}, "status": {}},
    ]
    owner = cronjob("* * * * *", successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    assert [job["metadata"]["name"] for job in jobs.too_old(owner, found)] == ["a", "b", "x"]
    assert jobs.too_old(cronjob("* * * * *"), found) == []

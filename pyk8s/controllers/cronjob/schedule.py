# SPDX-License-Identifier: Apache-2.0
"""When a schedule comes next, and which of its moments has just passed. No I/O, no clock.

Walks as the library robfig/cron v3 does and judges as upstream's `controller/cronjob/utils.go`.
Where clocks are set forward, what was to happen in the hour left out does not happen; where they
are set back, what falls into the repeated hour happens twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pyk8s.apimachinery import cron, times
from pyk8s.apimachinery.cron import Schedule
from pyk8s.apimachinery.gvk import Object

# A schedule that is never met in so many years is never met.
_YEARS_MAX = 5
# More missed than that are worth a word.
MISSED_MAX = 100
# So much later than scheduled a CronJob is looked at, for clocks that are a bit behind.
DELTA_SECONDS = 0.1

_MINUTE = timedelta(minutes=1)


class UnknownZone(ValueError):
    """There is no time zone of this name."""


class InvalidSchedule(ValueError):
    """The schedule can be read, but its moments make no sense."""


def zone_named(name: str) -> ZoneInfo:
    """Raises UnknownZone. UTC for an empty name."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # Names of folders, and what is no name at all.
        raise UnknownZone(f"unknown time zone {name}") from None


@dataclass(frozen=True, slots=True)
class Timing:
    """A schedule in its time zone; without one, it is the local one of this process."""

    schedule: Schedule
    zone: ZoneInfo | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment of the schedule after this one, a whole second, in UTC. None where
        there is none in five years."""
        moment = moment.astimezone(UTC)
        if self.schedule.every_seconds:
            every = timedelta(seconds=self.schedule.every_seconds)
            return moment.replace(microsecond=0) + every
        at = moment.replace(second=0, microsecond=0) + _MINUTE
        last_year = at.year + _YEARS_MAX
        while (local := at.astimezone(self.zone)).year <= last_year:
            if not self._is_day(local):
                at = max(self._midnight_after(local), at + _MINUTE)
            elif local.hour not in self.schedule.hours:
                at += (60 - local.minute) * _MINUTE
            elif local.minute not in self.schedule.minutes:
                at += self._minutes_to_next(local.minute) * _MINUTE
            else:
                return at
        return None

    def _is_day(self, local: datetime) -> bool:
        """With both day fields restricted, either suffices; a star restricts nothing."""
        schedule = self.schedule
        if local.month not in schedule.months:
            return False
        of_month = local.day in schedule.days
        of_week = local.isoweekday() % 7 in schedule.weekdays
        if schedule.days_star or schedule.weekdays_star:
            return of_month and of_week
        return of_month or of_week

    def _midnight_after(self, local: datetime) -> datetime:
        day = local.date() + timedelta(days=1)
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    def _minutes_to_next(self, minute: int) -> int:
        """Until the next one of the schedule within the hour, or until the hour ends."""
        return min((m for m in self.schedule.minutes if m > minute), default=60) - minute


def timing_of(cronjob: Object) -> Timing:
    """What a CronJob's spec says. Raises cron.ParseError."""
    text = cronjob["spec"]["schedule"]
    found = cron.parse(text)
    name = found.time_zone if "TZ" in text else cronjob["spec"].get("timeZone")
    if name is None or ("TZ" in text and not name):
        return Timing(found)
    try:
        return Timing(found, zone_named(name))
    except UnknownZone as error:
        raise cron.ParseError(f"provided bad location {name}: {error}") from None


class Due(NamedTuple):
    """`earliest` is the moment from which on moments count, `moment` the last one of them that
    has passed, `missed` about how many have."""

    earliest: datetime
    moment: datetime | None
    missed: int


def most_recent(cronjob: Object, timing: Timing, now: datetime, *, with_deadline: bool) -> Due:
    """Of the moments since the last Job, or since the CronJob was made; `with_deadline`, only of
    those that a Job may still start for. How many there were is an estimate from the distance of
    the first two. Raises InvalidSchedule."""
    earliest = _counts_from(cronjob, now if with_deadline else None)
    first = timing.next_after(earliest)
    if first is None:
        raise InvalidSchedule(_TOO_CLOSE)
    if now < first:
        return Due(earliest, None, 0)
    second = timing.next_after(first)
    if second is None:
        raise InvalidSchedule(_TOO_CLOSE)
    if now < second:
        return Due(earliest, first, 0)
    distance = round((second - first).total_seconds())
    if distance < 1:
        raise InvalidSchedule(_TOO_CLOSE)
    missed = int((now - first).total_seconds()) // distance + 1
    # One distance further back, for schedules whose moments are not equally far apart.
    following = timing.next_after(first + timedelta(seconds=(missed - 2) * distance))
    moment = None
    while following is not None and following <= now:
        moment, following = following, timing.next_after(following)
    return Due(earliest, moment, missed)


_TOO_CLOSE = "time difference between two schedules is less than 1 second"


def _counts_from(cronjob: Object, now: datetime | None) -> datetime:
    last = (cronjob.get("status") or {}).get("lastScheduleTime")
    earliest = times.parse(last or cronjob["metadata"]["creationTimestamp"])
    seconds = cronjob["spec"].get("startingDeadlineSeconds")
    if now is None or seconds is None:
        return earliest
    return max(earliest, now - timedelta(seconds=seconds))


def seconds_until_next(cronjob: Object, timing: Timing, now: datetime) -> float | None:
    """How long until the CronJob is to be looked at again; None for never."""
    since = now
    try:
        due = most_recent(cronjob, timing, now, with_deadline=False)
    except InvalidSchedule:
        pass
    else:
        if due.moment is not None:
            since = due.moment
        elif not due.missed:
            since = due.earliest
    following = timing.next_after(since)
    return None if following is None else (following - now).total_seconds() + DELTA_SECONDS

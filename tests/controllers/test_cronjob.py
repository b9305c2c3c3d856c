# SPDX-License-Identifier: Apache-2.0
"""CronJobs start Jobs by a clock that the tests move; the Jobs' ends are written by the tests."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import objects
from cluster import eventually
from running import running
from world import World

from pyk8s.apimachinery import meta, times
from pyk8s.client import resources
from pyk8s.client.store import Key
from pyk8s.controllers.controller import Context
from pyk8s.controllers.cronjob import jobs
from pyk8s.controllers.cronjob.controller import CronJobController

Object = dict[str, Any]


def cronjob(schedule: str = "* * * * *", **spec: Any) -> Object:
    pod = {**objects.pod("p")["spec"], "restartPolicy": "Never"}
    template = {
        "metadata": {"labels": {"from": "template"}, "annotations": {"note": "kept"}},
        "spec": {"template": {"spec": pod}},
    }
    wanted = {"schedule": schedule, "timeZone": "UTC", "jobTemplate": template, **spec}
    return {"metadata": {"name": "c"}, "spec": wanted}


class Counting(CronJobController):
    """Counts how often it has looked at each."""

    def __init__(self, context: Context, now: Callable[[], datetime]) -> None:
        super().__init__(context, now)
        self.looked: Counter[Key] = Counter()

    async def reconcile(self, key: Key) -> None:
        await super().reconcile(key)
        self.looked[key] += 1


class Cron:
    """One CronJob, its controller, and the minutes since the one it was made in."""

    def __init__(self, world: World, made: Object) -> None:
        self.world = world
        self.began = times.parse(made["metadata"]["creationTimestamp"]).replace(second=0)
        self.now = self.began
        self.controller: Counting

    def minute(self, number: float) -> datetime:
        return self.began + timedelta(minutes=number)

    def name(self, number: int) -> str:
        return f"c-{int(self.minute(number).timestamp()) // 60}"

    def at(self, number: float) -> None:
        """It is this minute: whoever waits for it wakes up."""
        self.now = self.minute(number)
        self.controller.queue.add((self.world.namespace, "c"))

    async def passes(self, number: float) -> None:
        """It is this minute, and what is to be done about it is done."""
        key = (self.world.namespace, "c")
        for _ in range(2):
            # One look may have begun before, when it was earlier.
            before = self.controller.looked[key]
            self.at(number)
            await eventually(lambda b=before: self.controller.looked[key] > b, "it was looked at")

    async def until_jobs(self, *minutes: int) -> None:
        await self.world.until_names(resources.JOBS, *map(self.name, minutes))

    async def until(self, active: list[int], last: int | None = None) -> Object:
        """The status names these Jobs and this last minute."""

        async def is_so() -> Object | None:
            found = await self.world.find(resources.CRON_JOBS, "c")
            assert found is not None
            status = found["status"]
            names = [each["name"] for each in status.get("active", ())]
            shown = status.get("lastScheduleTime")
            wanted = None if last is None else times.format(self.minute(last))
            return found if (names, shown) == ([*map(self.name, active)], wanted) else None

        found: Object = await eventually(is_so, f"active are {active}, the last is {last}")
        return found

    async def until_told(self, *wanted: str) -> dict[str, str]:
        """Messages of the events on it, by reason, once these reasons are among them."""

        async def told() -> dict[str, str] | None:
            events = await self.world.list(resources.EVENTS)
            found = {
                e["reason"]: e["message"] for e in events if e["involvedObject"]["name"] == "c"
            }
            return found if set(wanted) <= set(found) else None

        found: dict[str, str] = await eventually(told, f"told are {wanted}")
        return found

    async def end(self, number: int, kind: str = "Complete") -> None:
        """The Job of this minute ends after half a minute."""
        moment = times.format(self.minute(number + 0.5))
        base = {"status": "True", "lastProbeTime": moment, "lastTransitionTime": moment}
        before = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        status: Object = {
            "startTime": times.format(self.minute(number)),
            "conditions": [{"type": before, **base}, {"type": kind, **base}],
        }
        if kind == "Complete":
            status.update(completionTime=moment, succeeded=1)
        await self.world.patch(resources.JOBS, self.name(number), {"status": status}, "status")


@contextlib.asynccontextmanager
async def ticking(world: World, obj: Object) -> AsyncIterator[Cron]:
    made = await world.create(resources.CRON_JOBS, obj)
    cron = Cron(world, made)
    make = functools.partial(Counting, now=lambda: cron.now)
    async with running(world.client, make) as controller:
        assert isinstance(controller, Counting)
        cron.controller = controller
        yield cron


async def test_starts_on_schedule(quiet: World) -> None:
    """One Job a minute, made from the template; the status names it, and says when."""
    async with ticking(quiet, cronjob()) as cron:
        await cron.passes(0.9)
        await cron.until_jobs()
        cron.at(1)
        await cron.until_jobs(1)
        found = await cron.until([1], last=1)
        made = await quiet.find(resources.JOBS, cron.name(1))
        assert made is not None
        assert meta.is_controlled_by(made, found)
        assert meta.labels(made)["from"] == "template"
        moment = times.format(cron.minute(1))
        assert meta.annotations(made) == {"note": "kept", jobs.SCHEDULED_TIMESTAMP: moment}
        assert found["status"]["active"][0]["uid"] == meta.uid(made)
        await cron.passes(1.5)
        await cron.until_jobs(1)
        cron.at(2)
        await cron.until([1, 2], last=2)
        told = await cron.until_told("SuccessfulCreate")
        assert told["SuccessfulCreate"].startswith("Created job c-")


async def test_wakes_up_itself(quiet: World) -> None:
    """It comes again at the next moment without being told to."""
    made = await quiet.create(resources.CRON_JOBS, cronjob())
    # A clock that is one second before the next full minute, and goes.
    cron = Cron(quiet, made)
    ahead = cron.minute(1) - timedelta(seconds=1) - datetime.now(UTC)
    make = functools.partial(CronJobController, now=lambda: datetime.now(UTC) + ahead)
    async with running(quiet.client, make):
        await cron.until_jobs(1)


async def test_ends(quiet: World) -> None:
    """What has ended is active no more; the time of the last success is kept."""
    async with ticking(quiet, cronjob()) as cron:
        cron.at(1)
        await cron.until([1], last=1)
        await cron.end(1)
        found = await cron.until([], last=1)
        assert found["status"]["lastSuccessfulTime"] == times.format(cron.minute(1.5))
        cron.at(2)
        await cron.until([2], last=2)
        await cron.end(2, "Failed")
        found = await cron.until([], last=2)
        assert found["status"]["lastSuccessfulTime"] == times.format(cron.minute(1.5))
        told = await cron.until_told("SawCompletedJob")
        assert ", condition: " in told["SawCompletedJob"]


async def test_forbid(quiet: World) -> None:
    """Nothing is started while a Job runs; once it has ended, the last one missed is."""
    async with ticking(quiet, cronjob(concurrencyPolicy="Forbid")) as cron:
        cron.at(1)
        await cron.until([1], last=1)
        cron.at(2)
        told = await cron.until_told("JobAlreadyActive")
        assert told["JobAlreadyActive"] == (
            "Not starting job because prior execution is running and concurrency policy is Forbid"
        )
        await cron.passes(3)
        await cron.until_jobs(1)
        await cron.end(1)
        await cron.until([3], last=3)
        await cron.until_jobs(1, 3)


async def test_replace(quiet: World) -> None:
    """The Job that still runs goes before the next one comes."""
    async with ticking(quiet, cronjob(concurrencyPolicy="Replace")) as cron:
        cron.at(1)
        await cron.until([1], last=1)
        cron.at(2)
        await cron.until([2], last=2)
        await cron.until_jobs(2)
        told = await cron.until_told("SuccessfulDelete")
        assert told["SuccessfulDelete"] == f"Deleted job {cron.name(1)}"


async def test_suspended(quiet: World) -> None:
    """Nothing is started while suspended, and the last moment missed when it is not any more."""
    async with ticking(quiet, cronjob(suspend=True)) as cron:
        await cron.passes(1)
        await cron.passes(5)
        await cron.until_jobs()
        content = {"spec": {"suspend": False}, "metadata": {"labels": {"a": "b"}}}
        await quiet.patch(resources.CRON_JOBS, "c", content)
        await cron.until([5], last=5)
        await cron.until_jobs(5)


async def test_too_late(quiet: World) -> None:
    """Past its deadline a Job is not started any more; until then it is."""
    async with ticking(quiet, cronjob("*/10 * * * *", startingDeadlineSeconds=30)) as cron:
        first = next(m for m in range(1, 11) if cron.minute(m).minute % 10 == 0)
        await cron.passes(first + 40 / 60)
        await cron.until_jobs()
        cron.at(first + 10 + 20 / 60)
        await cron.until([first + 10], last=first + 10)


async def test_missed_by_far(quiet: World) -> None:
    """After a hundred missed moments one Job is started all the same, with a warning."""
    async with ticking(quiet, cronjob()) as cron:
        cron.at(120)
        await cron.until([120], last=120)
        await cron.until_jobs(120)
        told = await cron.until_told("TooManyMissedTimes")
        assert told["TooManyMissedTimes"] == (
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check "
            "clock skew"
        )


async def test_history(quiet: World) -> None:
    """As many ended Jobs stay as the limits say, the newest of them."""
    limits = {"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1}
    async with ticking(quiet, cronjob(**limits)) as cron:
        for minute, end in enumerate(["Complete", "Complete", "Failed", "Failed"], 1):
            cron.at(minute)
            await cron.until([minute], last=minute)
            await cron.end(minute, end)
            await cron.until([], last=minute)
        await cron.until_jobs(2, 4)


async def test_missing(quiet: World) -> None:
    """A Job that somebody deleted is active no more, and not made again."""
    async with ticking(quiet, cronjob()) as cron:
        cron.at(1)
        await cron.until([1], last=1)
        await quiet.delete(resources.JOBS, cron.name(1), "Background")
        await cron.until([], last=1)
        told = await cron.until_told("MissingJob")
        assert told["MissingJob"] == f"Active job went missing: {cron.name(1)}"
        await cron.until_jobs()


async def test_started_before(quiet: World) -> None:
    """A Job that was made before its maker died is found, not made again."""
    made = await quiet.create(resources.CRON_JOBS, cronjob())
    cron = Cron(quiet, made)
    first = await quiet.create(resources.JOBS, jobs.job_for(made, cron.minute(1)))
    cron.now = cron.minute(1.2)
    make = functools.partial(CronJobController, now=lambda: cron.now)
    async with running(quiet.client, make):
        found = await cron.until([1], last=1)
        assert found["status"]["active"][0]["uid"] == meta.uid(first)
        await cron.until_told("UnexpectedJob")
    await cron.until_jobs(1)


async def test_other_schedule(quiet: World) -> None:
    """A new schedule counts from its next moment; what it would have missed is not made up."""
    async with ticking(quiet, cronjob("0 0 1 1 *", suspend=False)) as cron:
        cron.now = cron.minute(3.5)
        changed = {"spec": {"schedule": "* * * * *"}}
        await quiet.patch(resources.CRON_JOBS, "c", changed)
        # Another one is dealt with after this change, so it has been seen.
        await quiet.create(resources.CRON_JOBS, {**cronjob(), "metadata": {"name": "d"}})

        async def other() -> bool:
            return any(name.startswith("d-") for name in await quiet.names(resources.JOBS))

        cron.now = cron.minute(5)
        cron.controller.queue.add((quiet.namespace, "d"))
        await eventually(other, "the other CronJob starts a Job")
        assert not [n for n in await quiet.names(resources.JOBS) if n.startswith("c-")]
        cron.at(5)
        await cron.until([5], last=5)


async def test_never(quiet: World) -> None:
    """A schedule that is never met is told."""
    async with ticking(quiet, cronjob("59 23 31 2 *")) as cron:
        await cron.passes(1)
        assert (await cron.until_told("InvalidSchedule"))["InvalidSchedule"] == (
            "invalid schedule: 59 23 31 2 * : time difference between two schedules is less than "
            "1 second"
        )
        await cron.until_jobs()

# SPDX-License-Identifier: Apache-2.0
"""CronJobs. The least schedule is a minute, so all are looked at in the same two minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cluster import wait_until

from conformance.client import Client, Object, Resource
from conformance.test_jobs import job

pytestmark = pytest.mark.minutes

# Two full minutes, and as much again for whoever is late.
_SECONDS_MAX = 240


@dataclass(frozen=True)
class Minutes:
    """A namespace in which the schedules have come round twice, and the names of the Jobs that
    were made for each CronJob, in order."""

    cronjobs: Resource
    jobs: Resource
    events: Resource
    made: dict[str, list[str]]

    def active(self, name: str) -> list[str]:
        """By the status, which comes after the Jobs themselves."""
        found = self.cronjobs.get(name)["status"].get("active", ())
        return [each["name"] for each in found]

    def running(self, name: str) -> list[str]:
        """By the Jobs: none of them ends by itself."""
        found = self.jobs.list()["items"]
        return [each["metadata"]["name"] for each in found if _maker(each) == name]


def _cronjob(name: str, policy: str, suspend: bool) -> Object:
    template = {"spec": job("sleeper", ["sleep", "300"], parallelism=1, completions=1)["spec"]}
    spec = {
        "schedule": "*/1 * * * ?",
        "concurrencyPolicy": policy,
        "suspend": suspend,
        "jobTemplate": template,
    }
    return {"metadata": {"name": name}, "spec": spec}


def _maker(obj: Object) -> str:
    (owner,) = obj["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["controller"]) == ("CronJob", True)
    name: str = owner["name"]
    return name


def _watch_two_minutes(jobs: Resource, made: dict[str, list[str]], since: str) -> None:
    """Until the two that make a Job every minute have made two each."""
    deadline = time.monotonic() + _SECONDS_MAX
    while min(len(made["concurrent"]), len(made["replace"])) < 2:
        assert time.monotonic() < deadline, f"after {_SECONDS_MAX} s there are only {made}"
        with jobs.watch(since) as events:
            for kind, obj in events:
                since = obj["metadata"]["resourceVersion"]
                if kind == "ADDED":
                    made[_maker(obj)].append(obj["metadata"]["name"])
                if min(len(made["concurrent"]), len(made["replace"])) == 2:
                    break


@pytest.fixture(scope="module")
def minutes(client: Client) -> Iterator[Minutes]:
    namespaces = client.resource("v1", "namespaces")
    namespace = namespaces.create({"metadata": {"generateName": "conformance-"}})["metadata"][
        "name"
    ]
    found = Minutes(
        client.resource("batch/v1", "cronjobs", namespace),
        client.resource("batch/v1", "jobs", namespace),
        client.resource("v1", "events", namespace),
        {name: [] for name in ("concurrent", "suspended", "forbid", "replace")},
    )
    since = found.jobs.list()["metadata"]["resourceVersion"]
    for name, policy in (
        ("concurrent", "Allow"),
        ("suspended", "Allow"),
        ("forbid", "Forbid"),
        ("replace", "Replace"),
    ):
        found.cronjobs.create(_cronjob(name, policy, name == "suspended"))
    _watch_two_minutes(found.jobs, found.made, since)
    yield found
    namespaces.delete(namespace)


def test_concurrent(minutes: Minutes) -> None:
    """[sig-apps] CronJob should schedule multiple jobs concurrently [Conformance]"""
    wait_until(lambda: len(minutes.active("concurrent")) >= 2, "two are active")
    assert sorted(minutes.running("concurrent")) >= sorted(minutes.made["concurrent"])


def test_suspended(minutes: Minutes) -> None:
    """[sig-apps] CronJob should not schedule jobs when suspended [Slow] [Conformance]"""
    assert minutes.made["suspended"] == minutes.running("suspended") == []
    assert not minutes.cronjobs.get("suspended").get("status")


def test_forbid(minutes: Minutes) -> None:
    """[sig-apps] CronJob should not schedule new jobs when ForbidConcurrent [Slow]
    [Conformance]"""

    def refused() -> bool:
        selector = "involvedObject.kind=CronJob,involvedObject.name=forbid"
        events = minutes.events.list(field_selector=selector)["items"]
        return "JobAlreadyActive" in [event["reason"] for event in events]

    wait_until(refused, "the second minute has come")
    assert len(minutes.made["forbid"]) == 1
    assert minutes.running("forbid") == minutes.active("forbid") == minutes.made["forbid"]


def test_replace(minutes: Minutes) -> None:
    """[sig-apps] CronJob should replace jobs when ReplaceConcurrent [Conformance]"""
    first, second, *_ = minutes.made["replace"]
    assert first != second
    wait_until(lambda: first not in minutes.running("replace"), "the first is gone")
    wait_until(lambda: len(minutes.active("replace")) == 1, "one is active")
    assert minutes.active("replace") == minutes.running("replace")

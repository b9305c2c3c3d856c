# SPDX-License-Identifier: Apache-2.0
"""The wall clock may be set at any time: storage and serving never measure by it."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

import pyk8s.storage
from pyk8s.server import connection, http1, http2, serving, stream
from pyk8s.storage.etcd import leases

DAY = 86_400.0
# What reads the wall clock.
WALL = {("time", "time"), ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime")} | {
    (owner, name) for owner in ("datetime", "date") for name in ("now", "utcnow", "today")
}
STORAGE = Path(pyk8s.storage.__file__).parent
SERVING = [Path(module.__file__ or "") for module in (http1, http2, serving, stream)]


def wall_clock_reads(source: Path) -> list[str]:
    """Calls in a module that read the wall clock, by whatever path they name it."""
    found = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if (name, node.attr) in WALL:
                found.append(f"{source.name}:{node.lineno}")
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [
                f"{source.name}: {alias.name}" for alias in node.names if alias.name == "time"
            ]
    return found


@pytest.mark.parametrize("source", [*sorted(STORAGE.rglob("*.py")), *SERVING], ids=lambda p: p.stem)
def test_nothing_reads_the_wall_clock(source: Path) -> None:
    """No module of storage asks what time it is, nor do those that serve connections."""
    assert wall_clock_reads(source) == []


def test_the_search_finds_what_it_is_for() -> None:
    """The Date header does read it, in the one place where a date is wanted."""
    assert len(wall_clock_reads(Path(connection.__file__ or ""))) == 1


@pytest.fixture
def step(monkeypatch):
    """Sets the wall clock by so many seconds, for all who ask `time.time`."""
    real, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])

    def by(seconds: float) -> None:
        offset[0] += seconds

    return by


async def test_a_watch_goes_on_over_clock_steps(cached_pods, step) -> None:
    """Changes before, between and after steps come once and in order, and one may come back to
    any of their revisions: history is not trimmed by a clock that jumps ahead."""
    start = await cached_pods.create("start")
    watch = await cached_pods.watch(version=str(start.revision))
    written = []
    for number, seconds in enumerate((DAY, -3 * DAY, 30 * DAY, -0.5)):
        step(seconds)
        written.append((await cached_pods.create(f"p{number}")).revision)
    assert [event.revision for event in await watch.events(4)] == written
    watch.close()
    again = await cached_pods.watch(version=str(start.revision))
    assert [event.revision for event in await again.events(4)] == written
    again.close()


async def test_a_shared_lease_is_kept_over_clock_steps(cached_pods, step) -> None:
    """How long a lease serves new objects is counted on the monotonic clock."""
    shared = leases.Leases(cached_pods.backend.keyspace)
    first = await shared.lease_for(3600)
    for seconds in (DAY, -3 * DAY):
        step(seconds)
        assert await shared.lease_for(3600) == first

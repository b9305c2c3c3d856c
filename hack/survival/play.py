# SPDX-License-Identifier: Apache-2.0
"""One round: a load runs, something is done to the machines meanwhile, and all is checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from hack.survival import clients, history, machines, oracle, wire
from hack.survival.clients import Load, Watcher

WRITERS = 16
PAGERS = 2
WATCHERS = 6
# How long after the trouble everybody must have seen everything.
SETTLE_SECONDS_MAX = 60.0


@dataclass(slots=True)
class Result:
    """`violations` in words; `counts` of what happened."""

    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


Trouble = Callable[[Load], Awaitable[None]]


async def play(
    world: machines.World, servers: Sequence[wire.Server], trouble: Trouble, **load_options: float
) -> Result:
    """`trouble` decides how long the load runs. Raises AssertionError where what was hurt does
    not come back."""
    assert world.etcd is not None
    load = Load(servers)
    await _make_namespace(servers[0])
    watched = oracle.Oracle(world.etcd, clients.KEY_PREFIX)
    await watched.start()
    load.heard, load.until_heard = lambda: watched.revision, watched.until
    try:
        await _run(load, trouble, load_options.get("reading_pause", 0.0))
        revision = await _write_the_end(load)
        await watched.until(revision)
    finally:
        await watched.stop()
    return _result(load, watched.truth)


async def _make_namespace(server: wire.Server) -> None:
    connection = await wire.Connection.open(server)
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": clients.NAMESPACE}}
    answer = await connection.request("POST", "/api/v1/namespaces", body)
    connection.close()
    assert answer.status in (201, 409), answer


async def _run(load: Load, trouble: Trouble, reading_pause: float) -> None:
    watchers = [Watcher(load, n, app=("", "", "x")[n % 3]) for n in range(WATCHERS)]
    if reading_pause:
        watchers += [Watcher(load, 50 + n, reading_pause=reading_pause) for n in range(2)]
    async with asyncio.TaskGroup() as group:
        following = [group.create_task(watcher.run()) for watcher in watchers]
        for watcher in watchers:
            await watcher.has_begun.wait()
        working = [group.create_task(clients.write(load, n)) for n in range(WRITERS)]
        working += [group.create_task(clients.page(load, 100 + n)) for n in range(PAGERS)]
        await trouble(load)
        load.stop.set()
        await _finish("writers and pagers", working)
        await _finish("the last write", [group.create_task(_write_the_end(load))])
        await _finish("watchers", following)


async def _finish(what: str, tasks: Sequence[asyncio.Task[object]]) -> None:
    """Raises AssertionError, with where they are, when they do not come to their end."""
    _, late = await asyncio.wait(tasks, timeout=SETTLE_SECONDS_MAX)
    for task in late:
        task.print_stack()
    assert not late, f"{len(late)} of the {what} did not end in {SETTLE_SECONDS_MAX:g} s"


async def _write_the_end(load: Load) -> int:
    """One object that all watchers will see; again says only at which revision it is."""
    call = history.Call("create", clients.END, time.monotonic(), nonce=clients.END_NONCE)
    load.record.calls.append(call)
    while True:
        try:
            connection = await wire.Connection.open(load.servers[0])
            found = await connection.request("GET", f"{clients.PATH}/{clients.END}")
            if found.status == 404:
                body = {
                    "metadata": {"name": clients.END, "labels": {"app": "x"}},
                    "data": {history.NONCE: clients.END_NONCE},
                }
                found = await connection.request("POST", clients.PATH, body)
            connection.close()
            if found.status < 300:
                return history.revision_of(found.json())
        except wire.Broken:
            pass
        await asyncio.sleep(0.05)


def _result(load: Load, truth: history.Truth) -> Result:
    violations = history.check(load.record, truth)
    writes = sum(call.outcome == history.OK and bool(call.nonce) for call in load.record.calls)
    counts = {
        "calls": len(load.record.calls),
        "writes": writes,
        "changes": len(truth.changes),
        "chains": len(load.record.chains),
        **dict(sorted(load.counts.items())),
    }
    return Result(violations, counts)

# SPDX-License-Identifier: Apache-2.0
"""One kind of trouble each: the machines it needs, and what is done to them for so many seconds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from hack.survival import clients, crowd, machines, wire
from hack.survival.play import Result, Trouble, play

# (seconds, seed) -> what was found
Scenario = Callable[[float, int], Awaitable[Result]]

_ETCD_CLUSTER = 3
_LONG_SECONDS = 20.0


async def killed_api_server(seconds: float, seed: int) -> Result:
    """The only API server gets SIGKILL again and again, a moment after it is ready; now and then
    it is asked to stop in order instead."""
    async with _world() as world:
        await world.start_etcd()
        server = await world.start_api_server("apiserver")
        chance = random.Random(seed)

        async def trouble(load: clients.Load) -> None:
            async for number in _until(seconds):
                await asyncio.sleep(chance.uniform(0.3, 1.5))
                if number % 5 == 4:
                    await server.terminate()
                    load.count("stopped")
                else:
                    await server.kill()
                    load.count("killed")
                await server.start()
                await server.until_ready()

        return await _judged(world, play(world, [server.server], trouble))


async def killed_often(seconds: float, seed: int) -> Result:
    """As `killed_api_server`, SIGKILL alone, 100 times however long it takes; fewer in a short
    run."""
    kills = 100 if seconds >= _LONG_SECONDS else 3
    async with _world() as world:
        await world.start_etcd()
        server = await world.start_api_server("apiserver")
        chance = random.Random(seed)

        async def trouble(load: clients.Load) -> None:
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(0.1, 1.0))
                await server.kill()
                load.count("killed")
                await server.start()
                await server.until_ready()

        return await _judged(world, play(world, [server.server], trouble))


async def killed_api_servers(seconds: float, seed: int) -> Result:
    """Two API servers on one etcd and two workers on one port; any of the four gets SIGKILL."""
    async with _world() as world:
        await world.start_etcd()
        starting = (*_two(world), world.start_workers(2))
        first, second, (up, shared) = await asyncio.gather(*starting)
        chance = random.Random(seed)

        async def trouble(load: clients.Load) -> None:
            async for number in _until(seconds):
                await asyncio.sleep(chance.uniform(0.3, 1.5))
                load.count("killed")
                if number % 3 == 2:
                    # What `up` started is ours too; it starts the worker again.
                    os.kill(chance.choice(machines.children_of(up.pid)), signal.SIGKILL)
                    await asyncio.sleep(1)
                else:
                    server = (first, second)[number % 3]
                    await server.kill()
                    await server.start()
                    await server.until_ready()

        servers = [first.server, second.server, shared, shared]
        return await _judged(world, play(world, servers, trouble))


async def killed_etcd(seconds: float, seed: int) -> Result:
    """Of three etcd members the leader, then a follower, gets SIGKILL or is halted for a while,
    under two API servers; one of those is now and then killed in the same moment."""
    async with _world() as world:
        etcd = await world.start_etcd(_ETCD_CLUSTER)
        first, second = await asyncio.gather(*_two(world))
        chance = random.Random(seed)

        async def trouble(load: clients.Load) -> None:
            async for number in _until(seconds):
                leader = await etcd.leader()
                if leader is None:
                    await asyncio.sleep(0.1)
                    continue
                wants_leader = number % 2 == 0
                victim = leader if wants_leader else (leader + 1) % _ETCD_CLUSTER
                load.count("leader lost" if wants_leader else "follower lost")
                if number % 4 == 3:
                    await second.kill()
                    await asyncio.gather(_lose(etcd, victim, chance), second.start())
                    await second.until_ready()
                    load.count("killed")
                else:
                    await _lose(etcd, victim, chance)

        return await _judged(world, play(world, [first.server, second.server], trouble))


async def _lose(etcd: machines.Etcd, number: int, chance: random.Random) -> None:
    member = etcd.members[number]
    if chance.random() < 0.3:
        member.signal(signal.SIGSTOP)
        # Seldom so long that calls on it end by their own timeout.
        await asyncio.sleep(12 if chance.random() < 0.1 else chance.uniform(0.5, 2.5))
        member.signal(signal.SIGCONT)
    else:
        await member.kill()
        await asyncio.sleep(chance.uniform(0.2, 1.5))
        await member.start()
    await etcd.until_healthy(number)
    await asyncio.sleep(chance.uniform(0.2, 1.0))


async def lone_etcd_gone(seconds: float, seed: int) -> Result:
    """The only etcd is halted, or killed and started again, under one API server."""
    async with _world() as world:
        etcd = await world.start_etcd()
        server = await world.start_api_server("apiserver")
        chance = random.Random(seed)

        async def trouble(load: clients.Load) -> None:
            async for _ in _until(seconds):
                await asyncio.sleep(chance.uniform(0.5, 1.5))
                load.count("etcd lost")
                await _lose(etcd, 0, chance)

        return await _judged(world, play(world, [server.server], trouble))


async def compacted(seconds: float, seed: int) -> Result:
    """etcd forgets its past every half second, and by the API servers' own turns, while lists go
    on page by page and watches come back. Now and then one API server sleeps, loses its
    connection and wakes up to find that what it missed is forgotten."""
    async with _world() as world:
        etcd = await world.start_etcd()
        often = ["--etcd-compaction-interval=1s"]
        first, second = await asyncio.gather(*_two(world, often))
        chance = random.Random(seed)

        async def trouble(load: clients.Load) -> None:
            async for number in _until(seconds):
                await asyncio.sleep(chance.uniform(0.2, 0.6))
                if number % 8 == 3:
                    await _oversleep(etcd, second, load)
                await _compact(etcd, load.heard())
                load.count("compacted")
                second.signal(signal.SIGCONT)

        return await _judged(world, play(world, [first.server, second.server], trouble))


async def _oversleep(etcd: machines.Etcd, server: machines.ApiServer, load: clients.Load) -> None:
    """Halt an API server and cut it off by a restart of etcd, until others have written."""
    server.signal(signal.SIGSTOP)
    await etcd.members[0].kill()
    await etcd.members[0].start()
    await etcd.until_healthy(0)
    await load.until_heard(load.heard() + 50)
    load.count("overslept")


async def _compact(etcd: machines.Etcd, revision: int) -> None:
    """Up to what the oracle has heard: the rest must stay for it."""
    with contextlib.suppress(OSError):  # An API server may have been quicker.
        await machines.gateway(etcd.urls[0], "kv/compaction", {"revision": revision})


async def crowded(seconds: float, seed: int) -> Result:
    """Clients that misbehave: watchers that stop reading, a thousand that connect and drop, 500
    connections of one client, bodies and headers that never end. In a short run they are fewer."""
    async with _world() as world:
        await world.start_etcd()
        server = await world.start_api_server("apiserver", ["--request-timeout=1s"])
        before = machines.open_files(server.pid)
        watchers = 1000 if seconds >= _LONG_SECONDS else 100

        async def trouble(load: clients.Load) -> None:
            async for _ in _until(seconds):
                await crowd.connect_and_drop(load, server.server, watchers)
                await crowd.hold_connections(load, server.server, watchers // 2)
                await crowd.send_forever(load, server.server)

        result = await _judged(
            world, play(world, [server.server], trouble, reading_pause=min(3.0, seconds / 3))
        )
        result.violations += await crowd.left_behind(server, before)
        return result


SCENARIOS: dict[str, Scenario] = {
    "apiserver": killed_api_server,
    "kills": killed_often,
    "apiservers": killed_api_servers,
    "etcd-cluster": killed_etcd,
    "etcd-gone": lone_etcd_gone,
    "compaction": compacted,
    "crowd": crowded,
}


def _two(
    world: machines.World, flags: Sequence[str] = ()
) -> Sequence[Awaitable[machines.ApiServer]]:
    return [world.start_api_server(f"apiserver-{n}", flags) for n in range(2)]


class _world:
    """A World in a directory that goes with it."""

    async def __aenter__(self) -> machines.World:
        self._directory = tempfile.TemporaryDirectory(prefix="pyk8s-faults-")
        world = machines.World(Path(self._directory.name))
        self._running = world.running()
        return await self._running.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._running.__aexit__(*error)  # type: ignore[arg-type]
        self._directory.cleanup()


async def _until(seconds: float):  # type: ignore[no-untyped-def]
    """Numbers, until the time is up."""
    end = asyncio.get_running_loop().time() + seconds
    for number in itertools.count():
        if asyncio.get_running_loop().time() > end:
            return
        yield number


async def _judged(world: machines.World, playing: Awaitable[Result]) -> Result:
    """What the histories say, and what the processes themselves had to complain about."""
    try:
        result = await playing
    except ExceptionGroup:
        ends = [f"{process.name}: {process.log()[-3000:]}" for process in world.processes]
        print("\n".join(ends), file=sys.stderr)
        raise
    for process in world.processes:
        log = process.log()
        if silent := log.count("fell silent"):
            result.counts["watch on etcd silent"] = silent
        for line in log.splitlines():
            if "Traceback" in line or "self-check failed" in line or " C pyk8s" in line:
                result.violations.append(f"{process.name} logged: {line[:300]}")
                break
    if world.etcd is not None and len(world.etcd.members) > 1:
        result.violations += await _divergence(world.etcd)
    return result


async def _divergence(etcd: machines.Etcd) -> list[str]:
    """Whether the members of the cluster agree; if not, that is etcd's own failure."""
    for number in range(len(etcd.members)):
        await etcd.until_healthy(number)
    status = await machines.gateway(etcd.urls[0], "maintenance/status", {})
    revision = status["header"]["revision"]
    hashes = [
        (await machines.gateway(url, "maintenance/hash", {"revision": revision}))["hash"]
        for url in etcd.urls
    ]
    return [] if len(set(hashes)) == 1 else [f"etcd's members differ: {hashes}"]


__all__ = ["SCENARIOS", "Result", "Scenario", "Trouble", "wire"]

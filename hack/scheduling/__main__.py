# SPDX-License-Identifier: Apache-2.0
"""hack/schedchurn: random nodes and pods, a scheduler that is killed now and then, a checker."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from hack.scheduling import play
from pyk8s.client import kubeconfig, rest
from pyk8s.client.client import Client

_PROMISE = "export KUBECONFIG="
_SHOWN = 20


@contextlib.asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pyk8s", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


@contextlib.asynccontextmanager
async def _plane() -> AsyncIterator[Path]:
    flags = ("--ephemeral", "--secure-port=0", "--components=apiserver")
    async with _process("up", *flags) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode().strip()
        if not line.startswith(_PROMISE):
            raise SystemExit("hack/schedchurn: pyk8s up did not start")
        yield Path(line.removeprefix(_PROMISE))


class _Killed:
    """A scheduler that dies by SIGKILL once in about so many steps, and is started again."""

    def __init__(self, config: Path, seed: int, steps_between: int) -> None:
        self._flags = ("scheduler", "--leader-elect=false", f"--kubeconfig={config}")
        self._chance = random.Random(seed)
        self._steps_between = steps_between
        self._stack = contextlib.AsyncExitStack()
        self.kills = 0

    async def start(self) -> None:
        self._process = await self._stack.enter_async_context(_process(*self._flags))

    async def meanwhile(self, step: int) -> None:
        if self._process.returncode is not None:
            raise SystemExit("hack/schedchurn: the scheduler ended")
        if self._steps_between and self._chance.randrange(self._steps_between) == 0:
            self._process.kill()
            await self._process.wait()
            self.kills += 1
            await self.start()

    async def stop(self) -> None:
        await self._stack.aclose()


async def _round(seed: int, options: argparse.Namespace) -> bool:
    async with _plane() as config:
        connection = rest.RESTClient(kubeconfig.load(str(config)), qps=0)
        killed = _Killed(config, seed, options.steps_between_kills)
        try:
            await killed.start()
            found = await play.play(Client(connection), seed, options.steps, killed.meanwhile)
        finally:
            await killed.stop()
            await connection.close()
    faults = [*found.violations, *(f"pod {name} has no node" for name in found.pending)]
    print(f"seed {seed}: {found.bindings} bindings, {killed.kills} kills, {len(faults)} faults")
    for fault in faults[:_SHOWN]:
        print(f"  {fault}")
    return not faults


async def _rounds(options: argparse.Namespace) -> bool:
    end, seed, fine = time.monotonic() + options.minutes * 60, options.seed, True
    while time.monotonic() < end:
        fine = await _round(seed, options) and fine
        seed += 1
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(prog="hack/schedchurn", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first round (default: 1)")
    parser.add_argument("--steps", type=int, default=3000, help="changes in a round")
    parser.add_argument("--steps-between-kills", type=int, default=500, help="0 for no kill")
    return 0 if asyncio.run(_rounds(parser.parse_args())) else 1


sys.exit(main())

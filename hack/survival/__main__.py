# SPDX-License-Identifier: Apache-2.0
"""hack/faults: every scenario in turn, for so many minutes in all."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import uvloop

from hack.survival import scenarios

# What a round needs beside its trouble: to start, to settle, to check.
_OVERHEAD_SECONDS = 120.0
# A hundred starts, on a machine that others use as well.
_OVERHEAD_SECONDS_OF = {"kills": 900.0}
_ROUND_SECONDS_MAX = 60.0
_SHOWN = 20


async def run(names: list[str], seconds: float, seed: int) -> dict[str, dict[str, int]]:
    """Rounds over all scenarios until the time is up, at least one of each; prints as it goes.
    The counts per scenario, violations among them. SIGINT and SIGTERM end it in order."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    end = time.monotonic() + seconds
    each = min(_ROUND_SECONDS_MAX, max(3.0, seconds / len(names) - 12))
    totals: dict[str, dict[str, int]] = {name: {} for name in names}
    while True:
        for name in names:
            found = await _round(name, each, seed)
            for what, count in found.items():
                totals[name][what] = totals[name].get(what, 0) + count
            seed += 1
        if time.monotonic() + each * len(names) > end:
            return totals


async def _round(name: str, seconds: float, seed: int) -> dict[str, int]:
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds + _OVERHEAD_SECONDS_OF.get(name, _OVERHEAD_SECONDS)):
            result = await scenarios.SCENARIOS[name](seconds, seed)
    except (AssertionError, ExceptionGroup, TimeoutError, OSError) as error:
        result = scenarios.Result([f"the round broke off: {_words(error)}"])
    took = time.monotonic() - began
    counted = ", ".join(f"{what} {count}" for what, count in result.counts.items())
    print(f"{name:<13} seed {seed}, {took:3.0f} s: {len(result.violations)} violations; {counted}")
    for text in result.violations[:_SHOWN]:
        print(f"  VIOLATION {text}")
    sys.stdout.flush()
    return {"rounds": 1, "violations": len(result.violations), **result.counts}


def _words(error: BaseException) -> str:
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return f"{error!r} {' '.join(map(_words, inner))}".strip()


def main() -> None:
    parser = argparse.ArgumentParser(prog="hack/faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long in all (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round's chances")
    parser.add_argument("--json", default="", help="also write the counts to this file")
    parser.add_argument(
        "scenarios", nargs="*", help=f"default: all of {', '.join(scenarios.SCENARIOS)}"
    )
    options = parser.parse_args()
    names = options.scenarios or list(scenarios.SCENARIOS)
    for name in names:
        if name not in scenarios.SCENARIOS:
            parser.error(f"there is no scenario {name!r}")
    try:
        totals = uvloop.run(run(names, options.minutes * 60, options.seed))
    except asyncio.CancelledError:
        raise SystemExit("hack/faults: interrupted") from None
    if options.json:
        Path(options.json).write_text(json.dumps(totals, indent=2) + "\n")
    violations = sum(counts["violations"] for counts in totals.values())
    rounds = sum(counts["rounds"] for counts in totals.values())
    calls = sum(counts.get("calls", 0) for counts in totals.values())
    print(f"{violations} violations in {rounds} rounds and {calls} calls")
    raise SystemExit(1 if violations else 0)


main()

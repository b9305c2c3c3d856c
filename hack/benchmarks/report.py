# SPDX-License-Identifier: Apache-2.0
"""Figures as a table, as JSON, and beside those of another run."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

# The floor that rates are shown in: the bare app on stock hypercorn.
UNIT = "bare app, hypercorn"


@dataclass(frozen=True, slots=True)
class Figure:
    """`unit` is "/s" for rates, for which more is better, else ms, s or MiB. Latencies are in
    milliseconds, None where there are none."""

    name: str
    value: float
    unit: str = "/s"
    p50: float | None = None
    p99: float | None = None


def rate(name: str, per_second: float, seconds: list[float]) -> Figure:
    """A rate with the latencies behind it."""
    if not seconds:
        return Figure(name, per_second)
    seconds.sort()
    p50, p99 = (seconds[int(len(seconds) * share)] * 1000 for share in (0.5, 0.99))
    return Figure(name, per_second, "/s", p50, p99)


class Report:
    """Prints each figure as it comes."""

    def __init__(self, against: str = "") -> None:
        self._figures: dict[str, Figure] = {}
        self._other: dict[str, Figure] = {}
        self._floors: list[float] = []
        if against:
            results = json.loads(Path(against).read_text())["results"]
            self._other = {name: Figure(**figure) for name, figure in results.items()}
        heads = [f"{'':<34}{'':>14}{'p50 ms':>9}{'p99 ms':>9}{'R':>7}"]
        print(*heads, "  against" if against else "")

    def add(self, figure: Figure) -> None:
        self._figures[figure.name] = figure
        cells = [f"{figure.name:<34}{figure.value:>10,.{_digits(figure)}f} {figure.unit:<3}"]
        cells += [
            f"{value:>9.2f}" if value is not None else " " * 9 for value in (figure.p50, figure.p99)
        ]
        cells.append(self._in_floors(figure))
        other = self._other.get(figure.name)
        if other is not None and other.value:
            cells.append(f"{figure.value / other.value:>8.2f} x")
        print("".join(cells), flush=True)

    def note_floor(self, per_second: float) -> None:
        """What the bare app answers just now; ratios that follow are to this."""
        self._floors.append(per_second)

    def add_floor(self) -> None:
        """The median of what was noted."""
        self.add(Figure(UNIT, statistics.median(self._floors)))

    def _in_floors(self, figure: Figure) -> str:
        if not self._floors or figure.unit != "/s":
            return " " * 7
        return f"{figure.value / self._floors[-1]:>7.2f}"

    def write(self, path: str) -> None:
        machine = {"cores": os.cpu_count(), "python": platform.python_version()}
        results = {name: asdict(figure) for name, figure in self._figures.items()}
        Path(path).write_text(json.dumps({**machine, "results": results}, indent=2) + "\n")


def _digits(figure: Figure) -> int:
    return 0 if figure.value >= 100 else 1

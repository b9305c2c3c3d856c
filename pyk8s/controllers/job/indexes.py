# SPDX-License-Identifier: Apache-2.0
"""Sets of completion indexes, as few as there are intervals: `1,3-5,7`.

Mirrors `orderedIntervals` of upstream's `indexed_job_utils.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"

# What a Pod without a readable index has: no Job asks for it.
UNKNOWN = -1

_DIGITS_MAX = 10


def index_of(pod: Object) -> int:
    """The completion index of a Pod; UNKNOWN when it has none."""
    text = meta.annotations(pod).get(COMPLETION_INDEX, "")
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
        return UNKNOWN
    return int(text)


@dataclass(frozen=True, slots=True)
class Indexes:
    """Intervals with both ends in them, in order; none touches the next."""

    intervals: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        return ",".join(map(_text, self.intervals))

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.intervals)

    def __contains__(self, index: int) -> bool:
        return any(first <= index <= last for first, last in self.intervals)

    def __or__(self, other: Indexes) -> Indexes:
        return _joined([*self.intervals, *other.intervals])

    def with_indexes(self, indexes: Iterable[int]) -> Indexes:
        return _joined([*self.intervals, *((index, index) for index in indexes)])

    def common(self, other: Indexes) -> int:
        """How many are in both."""
        return len(self) + len(other) - len(self | other)

    def first_missing(self, count: int, completions: int) -> list[int]:
        """Up to `count` indexes below `completions` that are not in the set, least first."""
        found: list[int] = []
        candidate = 0
        for first, last in (*self.intervals, (completions, completions)):
            end = min(first, completions, candidate + count - len(found))
            found += range(candidate, end)
            candidate = max(candidate, last + 1)
        return found


def parse(text: str, completions: int) -> Indexes:
    """Those below `completions`. A part that is no interval is left out, as upstream does."""
    found = []
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        try:
            interval = (int(first), int(last or first))
        except ValueError:
            continue
        if interval[0] >= completions:
            break
        found.append((interval[0], min(interval[1], completions - 1)))
    return _joined(found)


def _joined(intervals: Iterable[tuple[int, int]]) -> Indexes:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return Indexes(tuple(joined))


def _text(interval: tuple[int, int]) -> str:
    first, last = interval
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"

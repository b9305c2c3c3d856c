# SPDX-License-Identifier: Apache-2.0
"""Sets of Job indexes written as text: `1,3-5,7`.

Mirrors `validateIndexesFormat` and its helpers in upstream's batch validation.
"""

from __future__ import annotations

import re

from pyk8s.apimachinery.gojson import quoted_string

Interval = tuple[int, int]


def parse(text: str, completions: int) -> list[Interval]:
    """The intervals, both ends included, in order; raises ValueError with upstream's words."""
    intervals: list[Interval] = []
    for part in text.split(",") if text else ():
        low, high = _interval(part, completions)
        if intervals and intervals[-1][1] >= low:
            raise _not_increasing(intervals[-1][1], low)
        intervals.append((low, high))
    return intervals


def count(text: str, completions: int) -> int:
    return sum(high - low + 1 for low, high in parse(text, completions))


def first_common(one: str, other: str, completions: int) -> int | None:
    """The least index in both sets; a text that is wrong has none."""
    try:
        left, right = parse(one, completions), parse(other, completions)
    except ValueError:
        return None
    i = j = 0
    while i < len(left) and j < len(right):
        low = max(left[i][0], right[j][0])
        if low <= min(left[i][1], right[j][1]):
            return low
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return None


def _interval(text: str, completions: int) -> Interval:
    parts = text.split("-")
    if len(parts) > 2:
        raise ValueError(
            f"the fragment {quoted_string(text)} violates the requirement that an index interval "
            "can have at most two parts separated by '-'"
        )
    low = _index(parts[0], completions)
    high = _index(parts[1], completions) if len(parts) == 2 else low
    if len(parts) == 2 and low >= high:
        raise _not_increasing(low, high)
    return low, high


_is_integer = re.compile(r"[+-]?[0-9]{1,18}").fullmatch


def _index(text: str, completions: int) -> int:
    if not _is_integer(text):
        raise ValueError(f"cannot convert string to integer for index: {quoted_string(text)}")
    if int(text) >= completions:
        raise ValueError(f"too large index: {quoted_string(text)}")
    return int(text)


def _not_increasing(previous: int, current: int) -> ValueError:
    return ValueError(f"non-increasing order, previous: {previous}, current: {current}")

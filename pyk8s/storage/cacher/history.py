# SPDX-License-Identifier: Apache-2.0
"""The recent changes of one resource, so that a watch can begin in the past.

Kept are all changes of the last 75 seconds, and never fewer than the last hundred; but no more
than upstream's largest ring, 102,400. Figures of apiserver's `watch_cache_history.go`.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from pyk8s.storage import watchplan
from pyk8s.storage.interface import Item

KEPT_SECONDS = 75.0
CHANGES_MIN = 100
CHANGES_MAX = 102_400


class Change:
    """One change of one object: `item` is None where it was deleted, `previous` where created."""

    __slots__ = ("at", "item", "key", "previous", "revision")

    def __init__(self, key: str, revision: int, item: Item | None, previous: Item | None) -> None:
        self.key = key
        self.revision = revision
        self.item = item
        self.previous = previous
        self.at = 0.0


_revision_of = attrgetter("revision")
_time_of = attrgetter("at")


class History:
    """Complete for every revision behind `start`."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._changes: list[Change] = []
        self._trim_at = CHANGES_MIN * 2

    def append(self, change: Change) -> None:
        change.at = time.monotonic()
        self._changes.append(change)
        if len(self._changes) >= self._trim_at:
            self._trim(change.at - KEPT_SECONDS)

    def since(self, revision: int) -> Sequence[Change]:
        """The changes after a revision, in order; raises ResourceExpired."""
        if revision < self._start:
            raise watchplan.expired(revision, self._start)
        first = bisect_right(self._changes, revision, key=_revision_of)
        return self._changes[first:]

    def _trim(self, horizon: float) -> None:
        changes = self._changes
        outdated = bisect_right(changes, horizon, key=_time_of)
        excess = max(min(outdated, len(changes) - CHANGES_MIN), len(changes) - CHANGES_MAX)
        if excess > 0:
            self._start = changes[excess - 1].revision
            del changes[:excess]
        # Not at every change: the list may be a quarter longer than its bounds say.
        self._trim_at = len(changes) + max(CHANGES_MIN, len(changes) // 4)

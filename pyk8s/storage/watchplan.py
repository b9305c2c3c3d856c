# SPDX-License-Identifier: Apache-2.0
"""What a watch asks for: does the state come first, how fresh, and changes after which revision.

    resourceVersion        ""                       "0"                  N
    sendInitialEvents
      absent               fresh state, changes     state, changes       changes after N
      true                 fresh state, end mark    state, end mark      state not older than N,
                                                                         end mark
      false                changes from now on      changes from now on  changes after N

KEP-3157; apiserver's `cacher.go`, `getWatchCacheResourceVersion`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyk8s.storage import errors, versioner
from pyk8s.storage.interface import WatchOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPlan:
    """`at_least` is how old the start may be, None for linearizable; `after`, where it is not 0,
    is the revision whose later changes are wanted, and no state."""

    sends_state: bool
    ends_state: bool = False
    at_least: int | None = None
    after: int = 0


def plan(options: WatchOptions) -> WatchPlan:
    """Raises InvalidToken."""
    revision = versioner.parse(options.resource_version)
    at_least = revision if options.resource_version else None
    if options.send_initial_events:
        ends_state = options.allow_bookmarks
        return WatchPlan(sends_state=True, ends_state=ends_state, at_least=at_least)
    if revision:
        return WatchPlan(sends_state=False, after=revision)
    return WatchPlan(sends_state=options.send_initial_events is None, at_least=at_least)


def expired(wanted: int, oldest: int) -> errors.ResourceExpired:
    """`oldest` is the smallest revision that changes can be told after."""
    return errors.ResourceExpired(f"too old resource version: {wanted} ({oldest})")

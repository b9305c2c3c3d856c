# SPDX-License-Identifier: Apache-2.0
"""How a proposal is held back: by the limits of the autoscaler, by what was proposed before, and
by how fast replicas may come and go. No I/O. Mirrors the rules of upstream's `horizontal.go`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Behavior = Mapping[str, Any]

# Without a behavior of its own, a workload may double, or grow to so many, in one go.
_UP_FACTOR, _UP_LEAST = 2.0, 4
# No policy of the API counts further back.
_PERIOD_SECONDS_MAX = 1800.0
_WINDOW_SECONDS_MAX = 3600.0

_LOWER = (
    "recent recommendations were lower than current one, applying the lowest recent recommendation"
)
_HIGHER = (
    "recent recommendations were higher than current one, applying the highest recent "
    "recommendation"
)
_TOO_FAST = "the desired replica count is {} faster than the maximum scale rate"
_TOO_MANY = "the desired replica count is more than the maximum replica count"
_TOO_FEW = "the desired replica count is less than the minimum replica count"


class Why(NamedTuple):
    reason: str
    message: str


READY = Why("ReadyForNewScale", "recommended size matches current size")
WITHIN = Why("DesiredWithinRange", "the desired count is within the acceptable range")


class Outcome(NamedTuple):
    """`able` is why for AbleToScale, `limited_why` for ScalingLimited."""

    replicas: int
    able: Why
    is_limited: bool
    limited_why: Why


@dataclass(slots=True)
class History:
    """What was proposed for one autoscaler, and how it was scaled: (moment in seconds, number)."""

    proposals: list[tuple[float, int]] = field(default_factory=list)
    added: list[tuple[float, int]] = field(default_factory=list)
    removed: list[tuple[float, int]] = field(default_factory=list)

    def note_scaling(self, before: int, after: int, now: float) -> None:
        changes = self.added if after > before else self.removed
        changes.append((now, abs(after - before)))

    def prune(self, now: float) -> None:
        for entries, seconds in (
            (self.proposals, _WINDOW_SECONDS_MAX),
            (self.added, _PERIOD_SECONDS_MAX),
            (self.removed, _PERIOD_SECONDS_MAX),
        ):
            entries[:] = [entry for entry in entries if entry[0] >= now - seconds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`down_window` is how many seconds of proposals count against scaling down where the
    behavior does not say."""

    least: int
    most: int
    behavior: Behavior | None = None
    down_window: float = 300.0


def normalize(history: History, current: int, proposed: int, bounds: Bounds, now: float) -> Outcome:
    """How many replicas there should be now; the proposal goes into the history."""
    if bounds.behavior is None:
        stable, able = _stable(history, proposed, bounds, now)
        replicas, limit = _within(current, stable, bounds)
    else:
        stable, able = _stable_by_behavior(history, current, proposed, bounds, now)
        replicas, limit = _within_rates(history, current, stable, bounds, now)
    history.proposals.append((now, proposed))
    history.prune(now)
    return Outcome(replicas, able, replicas != stable, limit)


def _stable(history: History, proposed: int, bounds: Bounds, now: float) -> tuple[int, Why]:
    """The highest of late."""
    stable = max((proposed, *_since(history.proposals, now - bounds.down_window)))
    return stable, Why("ScaleDownStabilized", _HIGHER) if stable != proposed else READY


def _stable_by_behavior(
    history: History, current: int, proposed: int, bounds: Bounds, now: float
) -> tuple[int, Why]:
    """No more than the lowest within the window for scaling up, no less than the highest within
    the one for scaling down; in between, nothing is to be done."""
    up, down = _rules(bounds, "scaleUp"), _rules(bounds, "scaleDown")
    up_window = up.get("stabilizationWindowSeconds") or 0
    down_window = down.get("stabilizationWindowSeconds")
    if down_window is None:
        down_window = bounds.down_window
    lowest = min((proposed, *_since(history.proposals, now - up_window, strictly=True)))
    highest = max((proposed, *_since(history.proposals, now - down_window, strictly=True)))
    stable = min(max(current, lowest), highest)
    if stable == proposed:
        return stable, READY
    if proposed >= current:
        return stable, Why("ScaleUpStabilized", _LOWER)
    return stable, Why("ScaleDownStabilized", _HIGHER)


def _within(current: int, wanted: int, bounds: Bounds) -> tuple[int, Why]:
    fastest = int(max(_UP_FACTOR * current, _UP_LEAST))
    if wanted < bounds.least:
        return bounds.least, Why("TooFewReplicas", _TOO_FEW)
    if wanted > min(bounds.most, fastest):
        if bounds.most > fastest:
            return fastest, Why("ScaleUpLimit", _TOO_FAST.format("increasing"))
        return bounds.most, Why("TooManyReplicas", _TOO_MANY)
    return wanted, WITHIN


def _within_rates(
    history: History, current: int, wanted: int, bounds: Bounds, now: float
) -> tuple[int, Why]:
    if wanted > current:
        fastest = max(current, up_limit(history, current, _rules(bounds, "scaleUp"), now))
        if wanted > min(bounds.most, fastest):
            if bounds.most > fastest:
                return fastest, Why("ScaleUpLimit", _TOO_FAST.format("increasing"))
            return bounds.most, Why("TooManyReplicas", _TOO_MANY)
    elif wanted < current:
        fastest = min(current, down_limit(history, current, _rules(bounds, "scaleDown"), now))
        if wanted < max(bounds.least, fastest):
            if bounds.least < fastest:
                return fastest, Why("ScaleDownLimit", _TOO_FAST.format("decreasing"))
            return bounds.least, Why("TooFewReplicas", _TOO_FEW)
    return wanted, WITHIN


def up_limit(history: History, current: int, rules: Behavior, now: float) -> int:
    """How many replicas the policies allow at most."""

    def allowed(start: int, policy: Mapping[str, Any]) -> int:
        if policy["type"] == "Pods":
            return int(start + policy["value"])
        # Rounded up, so that a few percent of little still are one.
        grown: int = math.ceil(start * (1 + policy["value"] / 100))
        return grown

    chosen = min if rules.get("selectPolicy") == "Min" else max
    return _limit(history, current, (rules, allowed, chosen), now)


def down_limit(history: History, current: int, rules: Behavior, now: float) -> int:
    """How many replicas the policies leave at least."""

    def allowed(start: int, policy: Mapping[str, Any]) -> int:
        if policy["type"] == "Pods":
            return int(start - policy["value"])
        return int(start * (1 - policy["value"] / 100))

    chosen = max if rules.get("selectPolicy") == "Min" else min
    return _limit(history, current, (rules, allowed, chosen), now)


_Way = tuple[Behavior, Callable[[int, Mapping[str, Any]], int], Callable[[Iterable[int]], int]]


def _limit(history: History, current: int, way: _Way, now: float) -> int:
    rules, allowed, chosen = way
    if rules.get("selectPolicy") == "Disabled":
        return current
    limits = []
    for policy in rules.get("policies") or ():
        since = now - policy["periodSeconds"]
        added = sum(_since(history.added, since, strictly=True))
        removed = sum(_since(history.removed, since, strictly=True))
        limits.append(allowed(current - added + removed, policy))
    return chosen(limits) if limits else current


def _rules(bounds: Bounds, key: str) -> Behavior:
    return (bounds.behavior or {}).get(key) or {}


def _since(
    entries: Iterable[tuple[float, int]], moment: float, *, strictly: bool = False
) -> list[int]:
    return [number for at, number in entries if at > moment or (at == moment and not strictly)]

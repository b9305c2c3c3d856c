# SPDX-License-Identifier: Apache-2.0
"""When a Pod has to leave its node: a clock per Pod and taint, no I/O.

A taint's clock starts when it is first seen on the Pod's node and ends with the taint. Upstream's
`tainteviction` keeps one clock per Pod from its first taint on, so that a taint which comes later
and is tolerated for a shorter time is not counted there; here each counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import taints as rules

# Key, value: what makes one NoExecute taint another than the next.
_Taint = tuple[str, str]


def no_execute(taints: Iterable[Object]) -> list[Object]:
    return [taint for taint in taints if taint.get("effect") == rules.NO_EXECUTE]


@dataclass(slots=True)
class Stay:
    """One Pod on its node. `since` says when each taint was first seen, `ends_at` when it has to
    go; both in the caller's seconds."""

    uid: str
    node: str
    since: dict[_Taint, float] = field(default_factory=dict)
    ends_at: float = 0.0


def stay(
    before: Stay | None, taints: Sequence[Object], tolerations: Sequence[Object], now: float
) -> Stay | None:
    """The Pod's stay under these taints of its node; None while nothing makes it go. `before` is
    its stay so far, whose clocks go on."""
    if not taints:
        return None
    used = rules.matching_tolerations(taints, tolerations)
    known = before.since if before is not None else {}
    since = {_of(taint): known.get(_of(taint), now) for taint in taints}
    ends = [now] if used is None else _ends(taints, used, since)
    if not ends:
        return None
    uid, node = (before.uid, before.node) if before is not None else ("", "")
    return Stay(uid, node, since, min(ends))


def _of(taint: Object) -> _Taint:
    return taint["key"], taint.get("value") or ""


def _ends(
    taints: Sequence[Object], used: Sequence[rules.Toleration], since: dict[_Taint, float]
) -> list[float]:
    ends = []
    for taint, toleration in zip(taints, used, strict=True):
        seconds = toleration.get("tolerationSeconds")
        if seconds is not None:
            ends.append(since[_of(taint)] + max(0, seconds))
    return ends

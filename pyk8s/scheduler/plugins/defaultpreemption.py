# SPDX-License-Identifier: Apache-2.0
"""Which pods of lower priority would have to go, and from which node, for a pod that fits nowhere.

Mirrors `plugins/defaultpreemption` and `framework/preemption`. A dry run takes pods off the table
and puts them back: nothing suspends meanwhile, so nobody sees it. Who deletes the victims is the
scheduler.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler.framework.interface import Judged, PostFilterResult
from pyk8s.scheduler.framework.nodetable import ALL, NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import Code, Status
from pyk8s.scheduler.nominator import Nominator

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
DISRUPTION_TARGET, BY_SCHEDULER = "DisruptionTarget", "PreemptionByScheduler"

_KEPT_MAX = 16
# Makes every priority positive, so that fewer pods weigh less.
_PRIORITY_OFFSET = 2**31


@dataclass(frozen=True)
class Candidate:
    """`victims`, the most important first, would make room; so many `violations` of budgets.
    The least `cost` is best."""

    row: int
    victims: tuple[PodInfo, ...]
    violations: int

    @functools.cached_property
    def cost(self) -> tuple[int, int, int, int]:
        highest = self.victims[0].priority if self.victims else -_PRIORITY_OFFSET
        total = sum(victim.priority + _PRIORITY_OFFSET for victim in self.victims)
        return (self.violations, highest, total, len(self.victims))

    @functools.cached_property
    def earliest_start(self) -> str:
        """Of the victims of the highest priority."""
        victims = self.victims
        if not victims:
            return ""
        return min(_started(each) for each in victims if each.priority == victims[0].priority)


@dataclass(frozen=True, slots=True)
class PreemptionArgs:
    """DefaultPreemptionArgs: so many candidates are enough to choose from."""

    candidates_percent: int = 10
    candidates_least: int = 100


_DryRun = Candidate | tuple[str, ...]
_UNKNOWN, _NO_CANDIDATE, _CANDIDATE, _VIOLATING = range(4)


@dataclass(slots=True)
class _DryRuns:
    """What came out for pods of one signature, by row, as long as the row does not change."""

    budgets: tuple[str, ...]
    position: int = -1
    by_row: dict[int, _DryRun] = field(default_factory=dict)
    # The same as codes, of all rows.
    kinds: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))

    def catch_up(self, nodes: NodeTable) -> None:
        rows = ALL if self.position < 0 else nodes.changed_since(self.position)
        if isinstance(rows, slice):
            self.by_row.clear()
            self.kinds = np.zeros(nodes.size, np.int8)
        else:
            self.kinds[rows] = _UNKNOWN
        self.position = nodes.position

    def put(self, row: int, result: _DryRun) -> None:
        self.by_row[row] = result
        if not isinstance(result, Candidate):
            self.kinds[row] = _NO_CANDIDATE
        else:
            self.kinds[row] = _VIOLATING if result.violations else _CANDIDATE

    def enough(self, rows: NDArray[np.intp], wanted: int) -> NDArray[np.intp]:
        """The first of the rows, until so many candidates are among them, one of which violates
        no budget; rows not known yet are taken to be such."""
        kinds = self.kinds[rows]
        is_candidate = kinds != _NO_CANDIDATE
        is_harmless = is_candidate & (kinds != _VIOLATING)
        is_enough = (np.cumsum(is_candidate) >= wanted) & np.logical_or.accumulate(is_harmless)
        return rows[: int(is_enough.argmax()) + 1] if is_enough.any() else rows


class DefaultPreemption:
    """`budgets` lists the PodDisruptionBudgets there are."""

    name = "DefaultPreemption"

    def __init__(
        self,
        nodes: NodeTable,
        nominator: Nominator,
        budgets: Callable[[], Sequence[Object]],
        args: PreemptionArgs | None = None,
    ) -> None:
        self._args = args or PreemptionArgs()
        self._nodes = nodes
        self._nominator = nominator
        self._budgets = budgets
        self._kept: dict[bytes, _DryRuns] = {}

    def post_filter(self, pod: PodInfo, judged: Judged) -> PostFilterResult:
        rejections = judged.rejections()
        ineligible = self._ineligible(pod, rejections)
        if ineligible:
            return PostFilterResult(None, message=f"preemption: {ineligible}")
        by_pods = [rows for status, rows in rejections if status.code is Code.UNSCHEDULABLE]
        helped = np.concatenate(by_pods) if by_pods else np.zeros(0, np.intp)
        found = self._dry_runs_of(pod, judged, helped)
        candidates = [each for each in found if isinstance(each, Candidate)]
        if not candidates:
            reasons: Counter[str] = Counter()
            if unhelped := self._nodes.node_count - len(helped):
                reasons[NOT_HELPFUL] = unhelped
            for each in found:
                reasons.update(each if isinstance(each, tuple) else ())
            listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
            available = f"0/{self._nodes.node_count} nodes are available"
            return PostFilterResult("", message=f"preemption: {available}: {listed}.")
        chosen = best_of(candidates)
        return PostFilterResult(self._nodes.names[chosen.row], chosen.victims)

    def _ineligible(
        self, pod: PodInfo, rejections: Sequence[tuple[Status, NDArray[np.intp]]]
    ) -> str:
        if pod.pod["spec"].get("preemptionPolicy") == "Never":
            return "not eligible due to preemptionPolicy=Never."
        row = self._nodes.rows.get(self._nominator.node_of(pod.uid))
        if row is None:
            return ""
        for status, rows in rejections:
            if status.code is Code.UNRESOLVABLE and row in rows:
                return ""
        for other in self._nodes.pods[row].values():
            if other.priority < pod.priority and _is_being_preempted(other.pod):
                return "not eligible due to a terminating pod on the nominated node."
        return ""

    def _dry_runs_of(
        self, pod: PodInfo, judged: Judged, rows: NDArray[np.intp]
    ) -> Sequence[_DryRun]:
        """What came out for as many of the rows as are needed, from one at random on."""
        if not rows.size:
            return ()
        args = self._args
        wanted = max(len(rows) * args.candidates_percent // 100, args.candidates_least)
        rows = np.roll(rows, -random.randrange(len(rows)))
        listed = self._budgets()
        budgets = [_Budget.of(each) for each in listed]
        kept = self._dry_runs(pod, judged, tuple(map(meta.resource_version, listed)))
        # What is promised to the pod itself is seen otherwise by others.
        own = self._nodes.rows.get(self._nominator.node_of(pod.uid))
        try:
            if own is not None:
                kept.kinds[own] = _UNKNOWN
            chosen = kept.enough(rows, wanted)
            while (unknown := chosen[kept.kinds[chosen] == _UNKNOWN]).size:
                for row in unknown.tolist():
                    with self._nodes.supposing():
                        kept.put(row, self._dry_run(pod, judged, row, budgets))
                chosen = kept.enough(rows, wanted)
            return [kept.by_row[row] for row in chosen.tolist()]
        finally:
            if own is not None:
                kept.kinds[own] = _UNKNOWN

    def _dry_runs(self, pod: PodInfo, judged: Judged, budgets: tuple[str, ...]) -> _DryRuns:
        kept = self._kept.get(pod.signature)
        if kept is None or kept.budgets != budgets or judged.is_counted:
            # What depends on other rows is looked at anew each time.
            kept = self._kept[pod.signature] = _DryRuns(budgets)
            if len(self._kept) > _KEPT_MAX:
                del self._kept[next(iter(self._kept))]
        kept.catch_up(self._nodes)
        return kept

    def _dry_run(
        self, pod: PodInfo, judged: Judged, row: int, budgets: Sequence[_Budget]
    ) -> _DryRun:
        """The least that has to go, or why nothing helps."""
        nodes, node = self._nodes, self._nodes.names[row]
        lower = [each for each in nodes.pods[row].values() if each.priority < pod.priority]
        if not lower:
            return (NO_VICTIMS,)
        gone = {each.uid: each for each in lower}
        for each in lower:
            nodes.remove_pod(each.uid)
        try:
            status = self._nominator.rejection_at(judged, pod, row)
            if status is not None:
                return status.reasons
            violating, others = split_by_budgets(sorted(lower, key=_importance), budgets)
            violations = 0
            # Those that have to go from the node as it stands now: the next one that is alike
            # would be the same question.
            refused: set[tuple[bytes, bool]] = set()
            for each in (*violating, *others):
                alike = (each.signature, meta.is_being_deleted(each.pod))
                if alike in refused:
                    violations += each in violating
                    continue
                nodes.add_pod(each, node)
                del gone[each.uid]
                if self._nominator.rejection_at(judged, pod, row) is None:
                    refused.clear()
                    continue
                nodes.remove_pod(each.uid)
                gone[each.uid] = each
                violations += each in violating
                if not judged.is_counted:
                    refused.add(alike)
            if not gone:
                # It is not for pods that the node is out, as when an extender leaves it out.
                return (f'expected at least one victim pod on node "{node}"',)
            return Candidate(row, tuple(sorted(gone.values(), key=_importance)), violations)
        finally:
            for each in gone.values():
                nodes.add_pod(each, node)


def _is_being_preempted(pod: Object) -> bool:
    return meta.is_being_deleted(pod) and any(
        each["type"] == DISRUPTION_TARGET
        and each["status"] == "True"
        and each.get("reason") == BY_SCHEDULER
        for each in (pod.get("status") or {}).get("conditions") or ()
    )


def _started(pod: PodInfo) -> str:
    # One that has not started counts as started now; the instants of one format sort as text.
    return (pod.pod.get("status") or {}).get("startTime") or "~"


def _importance(pod: PodInfo) -> tuple[int, str]:
    """More important first: of higher priority, then started earlier."""
    return (-pod.priority, _started(pod))


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """Upstream's pickOneNodeForPreemption: fewest violations, then the least important victims,
    then the fewest, then those that started last."""
    least = min(each.cost for each in candidates)
    equal = (each for each in candidates if each.cost == least)
    return max(equal, key=lambda each: each.earliest_start)


@dataclass(frozen=True, slots=True)
class _Budget:
    namespace: str
    selector: labels.Selector
    allowed: int
    disrupted: frozenset[str]

    @classmethod
    def of(cls, budget: Object) -> _Budget:
        status = budget.get("status") or {}
        return cls(
            meta.namespace(budget),
            labels.from_label_selector(budget["spec"].get("selector")),
            status.get("disruptionsAllowed") or 0,
            frozenset(status.get("disruptedPods") or ()),
        )

    def covers(self, pod: Object) -> bool:
        """A budget that selects everything covers nothing here, as upstream has it."""
        return (
            meta.namespace(pod) == self.namespace
            and not self.selector.is_everything
            and self.selector.matches(meta.labels(pod))
            # Such a pod has been counted when the API server agreed to its end.
            and meta.name(pod) not in self.disrupted
        )


def split_by_budgets(
    pods: Iterable[PodInfo], budgets: Sequence[_Budget]
) -> tuple[list[PodInfo], list[PodInfo]]:
    """Those whose end would violate a budget if all before them ended too, and the others."""
    left = [each.allowed for each in budgets]
    violating: list[PodInfo] = []
    others: list[PodInfo] = []
    for pod in pods:
        violates = False
        for place, budget in enumerate(budgets):
            if meta.labels(pod.pod) and budget.covers(pod.pod):
                left[place] -= 1
                violates = violates or left[place] < 0
        (violating if violates else others).append(pod)
    return violating, others

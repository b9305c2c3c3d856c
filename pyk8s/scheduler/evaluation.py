# SPDX-License-Identifier: Apache-2.0
"""Every node judged for one kind of pod, and kept: the next pod of that kind costs one row.

journal of the table -> changed rows -> filter codes, scores -> total, -1 where it does not fit
                     '-> counted plugins, anew -> codes of all rows -> feasible
"""

from __future__ import annotations

import random
import time
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyk8s.componenthelpers import volumes
from pyk8s.scheduler.framework import interface
from pyk8s.scheduler.framework.nodetable import ALL, Ints, Mask, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.profile import Profile
from pyk8s.scheduler.framework.status import Code, PluginError, Status
from pyk8s.scheduler.metrics import Observe
from pyk8s.scheduler.nominator import Taken

_KEPT_MAX = 32

Rejection = tuple[Status, NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why no node fitted: the message upstream's FitError gives, and which plugins said so."""

    message: str
    plugins: frozenset[str]


class Evaluation:
    """All rows for pods of one signature, as of the last `refresh`."""

    def __init__(self, profile: Profile, pod: PodInfo, nodes: NodeTable) -> None:
        self.state: interface.CycleState = {}
        self.rejected: Status | None = None
        # Rows that would be feasible but for pods they are promised to.
        self.taken = Taken()
        # Rows that extenders leave out, and why.
        self.left_out: Mapping[int, Status] = {}
        self._rejections: Sequence[Rejection] | None = None
        # What is to be added to the scores of rows.
        self.extra: Mapping[int, int] = {}
        self._pod = pod
        self._nodes = nodes
        weights = profile.weights
        skipped = self._prepare(profile, "preFilter")
        self._filters = [each for each in profile.at("filter") if each.name not in skipped]
        # Sorted once: to ask a protocol whether a plugin is of it costs more than most plugins.
        counted = profile.having(interface.CountedFilterPlugin)
        self._counted: list[tuple[int, Any]] = [
            (place, plugin) for place, plugin in enumerate(self._filters) if plugin in counted
        ]
        self._judging: list[tuple[int, Any]] = [
            (place, plugin) for place, plugin in enumerate(self._filters) if plugin not in counted
        ]
        self._profile = profile
        self._scores: list[Any] = []
        self._is_scored = False
        self._by_node = {id(each) for each in profile.foreign if getattr(each, "by_node", False)}
        self._foreign = {id(each) for each in profile.foreign}
        self.is_counted = False
        # What a plugin looks at that does not sign may change with no row changing.
        self._is_unsigned = profile.signature(pod) is None
        self._compared = [
            (plugin, weights.get(plugin.name, 1))
            for plugin in profile.having(interface.CountedScorePlugin)
        ]
        self._position = -1
        self._versions: list[int] = []

    def _prepare(self, profile: Profile, point: str) -> set[str]:
        """PreFilter or PreScore; the names of plugins that are to be skipped afterwards."""
        skipped = set()
        for plugin in profile.at(point):
            prepare = plugin.pre_filter if point == "preFilter" else plugin.pre_score
            status: Status = prepare(self.state, self._pod, self._nodes)
            if status.code is Code.SKIP:
                skipped.add(plugin.name)
            elif status.is_rejected and point == "preFilter":
                self.rejected = Status(status.code, status.reasons, plugin.name)
                if status.code is Code.UNRESOLVABLE:
                    break
            elif not status.is_success:
                named = "PreFilter" if point == "preFilter" else "PreScore"
                raise PluginError(plugin.name, named, status.message)
        return skipped

    def refresh(self, observe: Observe | None = None) -> None:
        """Bring the answers up to the table as it is now. `observe` is told how long each plugin
        takes that looks at single rows."""
        self._rejections = None
        nodes, was_counted = self._nodes, self.is_counted
        position = nodes.position
        versions = [plugin.version for _, plugin in self._counted]
        if self.rejected is not None:
            return
        if position != self._position:
            rows = ALL if self._position < 0 else nodes.changed_since(self._position)
            if isinstance(rows, slice):
                self._codes = np.zeros((len(self._filters), nodes.size), np.int64)
                self._raw = np.zeros((len(self._scores), nodes.size), np.int64)
                self._alone: Mask = np.zeros(nodes.size, np.bool_)
                self._total: Ints = np.full(nodes.size, -1, np.int64)
            self._judge(rows, observe)
            self.taken.doubt(rows)
        elif versions == self._versions:
            return
        self._count()
        if was_counted or self.is_counted:
            # What depends on other rows is looked at anew each time.
            self.taken.doubt(ALL)
        # A plugin may have met a resource for the first time, which is no change of any node.
        self._position, self._versions = position, versions

    def _judge(self, rows: Rows, observe: Observe | None) -> None:
        """What each node is by itself."""
        nodes, pod = self._nodes, self._pod
        feasible = nodes.is_node[rows].copy()
        for place, plugin in self._judging:
            began = time.perf_counter() if observe else 0.0
            if self._by_node:
                found = self._asked(plugin, plugin.filter, rows, feasible)
            else:
                found = plugin.filter(self.state, pod, nodes, rows)
            if observe:
                observe(plugin.name, "Filter", time.perf_counter() - began)
            self._codes[place, rows] = found
            feasible &= found == interface.FITS
        self._alone[rows] = feasible
        if not self._is_scored and feasible.any():
            self._prepare_scores()
        total = np.zeros(feasible.shape, np.int64)
        normalized = []
        for place, plugin in enumerate(self._scores):
            raw, weight = self._raw[place], self._weights[place]
            began = time.perf_counter() if observe else 0.0
            if self._by_node:
                scores = self._asked(plugin, plugin.score, rows, feasible)
            else:
                scores = plugin.score(self.state, pod, nodes, rows)
            raw[rows] = scores
            if observe:
                observe(plugin.name, "Score", time.perf_counter() - began)
            if self._normalizing[place]:
                normalized.append((raw, plugin, weight))
            else:
                if self._foreign:
                    self._check_scores(plugin, scores[feasible])
                total += weight * scores
        self._total[rows] = np.where(feasible, total, -1)
        self._normalized = [each for each in normalized if each[0].any()]

    def _prepare_scores(self) -> None:
        """Once there is a node to score, as upstream."""
        skipped = self._prepare(self._profile, "preScore")
        scoring = self._profile.having(interface.ScorePlugin)
        self._scores = [each for each in scoring if each.name not in skipped]
        weights = self._profile.weights
        self._weights = [weights.get(plugin.name, 1) for plugin in self._scores]
        self._normalizing = [isinstance(each, interface.NormalizeScore) for each in self._scores]
        self._raw = np.zeros((len(self._scores), self._nodes.size), np.int64)
        self._is_scored = True

    def _asked(self, plugin: Any, ask: Any, rows: Rows, feasible: Mask) -> Ints:
        if id(plugin) not in self._by_node:
            found: Ints = ask(self.state, self._pod, self._nodes, rows)
            return found
        answers = np.zeros(feasible.shape, np.int64)
        chosen = np.arange(self._nodes.size)[rows][feasible]
        answers[feasible] = ask(self.state, self._pod, self._nodes, chosen)
        return answers

    def _check_scores(self, plugin: Any, scores: Ints) -> None:
        if id(plugin) not in self._foreign or not scores.size:
            return
        for score in (int(scores.min()), int(scores.max())):
            if not 0 <= score <= interface.MAX_NODE_SCORE:
                message = (
                    f"returns an invalid score {score}, it should in the range of "
                    f"[0, {interface.MAX_NODE_SCORE}] after normalizing"
                )
                raise PluginError(plugin.name, "Score", message)

    def _count(self) -> None:
        """What each node is beside the others."""
        feasible = self._alone
        self.is_counted = self._is_unsigned
        for place, plugin in self._counted:
            codes = plugin.count(self.state, self._pod, self._nodes)
            self._codes[place] = interface.FITS if codes is None else codes
            if codes is not None:
                self.is_counted = True
                feasible = feasible & (codes == interface.FITS)
        self._feasible = feasible

    def best(self) -> int:
        """A row with the highest score, any of those that have it; -1 where none fits."""
        feasible = self._feasible
        if self.taken.why or self.left_out:
            feasible = feasible.copy()
            feasible[[*self.taken.why, *self.left_out]] = False
        total = self._total
        if feasible is not self._alone:
            total = np.where(feasible, total, -1)
        if self._normalized:
            where = np.flatnonzero(feasible)
            total = total.copy()
            for raw, plugin, weight in self._normalized:
                scores = plugin.normalize(raw[where])
                self._check_scores(plugin, scores)
                total[where] += weight * scores
        for plugin, weight in self._compared:
            scores = plugin.score_feasible(self.state, self._pod, self._nodes, feasible)
            if scores is not None:
                if self._foreign:
                    self._check_scores(plugin, scores[feasible])
                total = np.where(feasible, total + weight * scores, -1)
        for row, score in self.extra.items():
            if total[row] >= 0:
                total = total.copy() if total is self._total else total
                total[row] += score
        most = total.max(initial=-1)
        if most < 0:
            return -1
        ties = np.flatnonzero(total == most)
        return int(ties[random.randrange(len(ties))])

    def feasible_rows(self) -> list[int]:
        return [] if self.rejected is not None else np.flatnonzero(self._feasible).tolist()

    def is_feasible(self, row: int) -> bool:
        return self.rejected is None and bool(self._feasible[row])

    def rejection_at(self, row: int) -> Status | None:
        """One row judged by the table as it is at this moment; what is kept stays as it was."""
        rows = np.array([row], np.intp)
        for _, plugin in self._judging:
            code = int(plugin.filter(self.state, self._pod, self._nodes, rows)[0])
            if code != interface.FITS:
                status: Status = plugin.rejection(self.state, code)
                return Status(status.code, status.reasons, plugin.name)
        for _, plugin in self._counted:
            codes = plugin.count(self.state, self._pod, self._nodes)
            code = interface.FITS if codes is None else int(codes[row])
            if code != interface.FITS:
                status = plugin.rejection(self.state, code)
                return Status(status.code, status.reasons, plugin.name)
        return None

    def rejections(self) -> Sequence[Rejection]:
        """Why nodes do not fit, by the first plugin that says so, and which nodes. None for a
        pod that was rejected as such."""
        if self._rejections is None:
            self._rejections = () if self.rejected is not None else (*self._list_rejections(),)
        return self._rejections

    def _list_rejections(self) -> Iterator[Rejection]:
        left = self._nodes.is_node.copy()
        for codes, plugin in zip(self._codes, self._filters, strict=True):
            failing = left & (codes != interface.FITS)
            if not failing.any():
                continue
            for code in np.unique(codes[failing]):
                status: Status = plugin.rejection(self.state, int(code))
                rows = np.flatnonzero(failing & (codes == code))
                yield Status(status.code, status.reasons, plugin.name), rows
            left &= ~failing
        for status, taken in self.taken.rows.items():
            yield status, np.fromiter(taken, np.intp, len(taken))
        alike: dict[Status, list[int]] = {}
        for row, status in self.left_out.items():
            if row not in self.taken.why:
                alike.setdefault(status, []).append(row)
        for status, left_out in alike.items():
            yield status, np.array(left_out, np.intp)

    def diagnosis(self) -> Diagnosis:
        count = self._nodes.node_count
        if self.rejected is not None:
            message = f"0/{count} nodes are available: {self.rejected.message}."
            return Diagnosis(message, frozenset({self.rejected.plugin}))
        if count == 0:
            return Diagnosis("no nodes available to schedule pods", frozenset())
        reasons: Counter[str] = Counter()
        plugins = set()
        for status, rows in self.rejections():
            plugins.add(status.plugin)
            for reason in status.reasons:
                reasons[reason] += len(rows)
        listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
        return Diagnosis(f"0/{count} nodes are available: {listed}.", frozenset(plugins))


class Evaluations:
    """The last kinds of pods, each with its answers."""

    def __init__(self, nodes: NodeTable) -> None:
        self._nodes = nodes
        self._kept: OrderedDict[tuple[str, Hashable], Evaluation] = OrderedDict()

    def of(self, profile: Profile, pod: PodInfo, observe: Observe | None = None) -> Evaluation:
        """Up to date until the table changes again. What a pod with claims may do follows from
        objects that the table does not know, and is never kept; nor is what a plugin says that
        does not sign pods. Raises PluginError."""
        signature = None if volumes.claim_names(pod.pod) else profile.signature(pod)
        if signature is None:
            found = Evaluation(profile, pod, self._nodes)
            found.refresh(observe)
            return found
        key = (profile.name, signature)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = Evaluation(profile, pod, self._nodes)
            if len(self._kept) > _KEPT_MAX:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        kept.refresh(observe)
        return kept

# SPDX-License-Identifier: Apache-2.0
"""Every node judged for one kind of pod, and kept: the next pod of that kind costs one row.

journal of the table -> changed rows -> filter codes, scores -> total, -1 where it does not fit
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyk8s.scheduler.framework import interface
from pyk8s.scheduler.framework.nodetable import ALL, Ints, Mask, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import Code, Status

_KEPT_MAX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A scheduler by name, its plugins in order, and the weights of those that score."""

    name: str
    plugins: Sequence[Any]
    weights: Mapping[str, int] = field(default_factory=dict)

    def having(self, extension_point: type[Any]) -> list[Any]:
        return [plugin for plugin in self.plugins if isinstance(plugin, extension_point)]


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
        self._pod = pod
        self._nodes = nodes
        self._filters = self._active(profile, interface.PreFilterPlugin, interface.FilterPlugin)
        self._scores = self._active(profile, interface.PreScorePlugin, interface.ScorePlugin)
        self._weights = [profile.weights.get(plugin.name, 1) for plugin in self._scores]
        self._is_global = any(
            getattr(plugin, "is_global", False) for plugin in (*self._filters, *self._scores)
        )
        self._position = -1

    def _active(self, profile: Profile, pre: type[Any], main: type[Any]) -> list[Any]:
        active = []
        for plugin in profile.plugins:
            if isinstance(plugin, pre):
                prepare = getattr(plugin, _METHOD[pre])
                status: Status = prepare(self.state, self._pod, self._nodes)
                if status.code is Code.SKIP:
                    continue
                if not status.is_success and self.rejected is None:
                    self.rejected = Status(status.code, status.reasons, plugin.name)
            if isinstance(plugin, main):
                active.append(plugin)
        return active

    def refresh(self) -> None:
        """Bring the answers up to the table as it is now."""
        nodes = self._nodes
        position = nodes.position
        if position == self._position or self.rejected is not None:
            return
        if self._position < 0:
            rows: Rows = ALL
        else:
            rows = nodes.changed_since(self._position)
            if self._is_global:
                rows = ALL
        if isinstance(rows, slice):
            self._codes = np.zeros((len(self._filters), nodes.size), np.int64)
            self._raw = np.zeros((len(self._scores), nodes.size), np.int64)
            self._feasible: Mask = np.zeros(nodes.size, np.bool_)
            self._total: Ints = np.full(nodes.size, -1, np.int64)
        self._judge(rows)
        # A plugin may have met a resource for the first time, which is no change of any node.
        self._position = position

    def _judge(self, rows: Rows) -> None:
        nodes, pod = self._nodes, self._pod
        feasible = nodes.is_node[rows].copy()
        for codes, plugin in zip(self._codes, self._filters, strict=True):
            codes[rows] = found = plugin.filter(self.state, pod, nodes, rows)
            feasible &= found == interface.FITS
        self._feasible[rows] = feasible
        total = np.zeros(feasible.shape, np.int64)
        normalized = []
        for raw, plugin, weight in zip(self._raw, self._scores, self._weights, strict=True):
            raw[rows] = scores = plugin.score(self.state, pod, nodes, rows)
            if isinstance(plugin, interface.NormalizeScore):
                normalized.append((raw, plugin, weight))
            else:
                total += weight * scores
        self._total[rows] = np.where(feasible, total, -1)
        self._normalized = [each for each in normalized if each[0].any()]

    def best(self) -> int:
        """A row with the highest score, any of those that have it; -1 where none fits."""
        total = self._total
        if self._normalized:
            where = np.flatnonzero(self._feasible)
            total = total.copy()
            for raw, plugin, weight in self._normalized:
                total[where] += weight * plugin.normalize(raw[where])
        most = total.max(initial=-1)
        if most < 0:
            return -1
        ties = np.flatnonzero(total == most)
        return int(ties[random.randrange(len(ties))])

    def diagnosis(self) -> Diagnosis:
        count = self._nodes.node_count
        if self.rejected is not None:
            message = f"0/{count} nodes are available: {self.rejected.message}."
            return Diagnosis(message, frozenset({self.rejected.plugin}))
        if count == 0:
            return Diagnosis("no nodes available to schedule pods", frozenset())
        reasons: Counter[str] = Counter()
        plugins = set()
        left = self._nodes.is_node.copy()
        for codes, plugin in zip(self._codes, self._filters, strict=True):
            failing = left & (codes != interface.FITS)
            for code, nodes in zip(*np.unique(codes[failing], return_counts=True), strict=True):
                plugins.add(plugin.name)
                for reason in plugin.rejection(self.state, int(code)).reasons:
                    reasons[reason] += int(nodes)
            left &= ~failing
        listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
        return Diagnosis(f"0/{count} nodes are available: {listed}.", frozenset(plugins))


_METHOD = {interface.PreFilterPlugin: "pre_filter", interface.PreScorePlugin: "pre_score"}


class Evaluations:
    """The last kinds of pods, each with its answers."""

    def __init__(self, nodes: NodeTable) -> None:
        self._nodes = nodes
        self._kept: OrderedDict[tuple[str, bytes], Evaluation] = OrderedDict()

    def of(self, profile: Profile, pod: PodInfo) -> Evaluation:
        """Up to date until the table changes again."""
        key = (profile.name, pod.signature)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = Evaluation(profile, pod, self._nodes)
            if len(self._kept) > _KEPT_MAX:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        found.refresh()
        return found

# SPDX-License-Identifier: Apache-2.0
"""Whether a node has room for what a pod asks for, and how well it would be used.

Mirrors `pkg/scheduler/framework/plugins/noderesources`: each strategy scores every resource by
what would be requested of what there is, and weighs these scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyk8s.scheduler.framework.interface import MAX_NODE_SCORE, CycleState
from pyk8s.scheduler.framework.nodetable import CPU, MEMORY, Ints, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import SKIP, SUCCESS, Status, unschedulable
from pyk8s.scheduler.plugins import hints, shapes

_TOO_MANY_PODS = 1
# What every node has; of other resources only those that a pod asks for count.
_NATIVE = ("cpu", "memory", "ephemeral-storage")

# What would be requested, and what there is; never 0.
Scorer = Callable[[Ints, Ints], Ints]


def _least(requested: Ints, capacity: Ints) -> Ints:
    scores: Ints = np.maximum(capacity - requested, 0) * MAX_NODE_SCORE // capacity
    return scores


def _most(requested: Ints, capacity: Ints) -> Ints:
    scores: Ints = np.minimum(requested, capacity) * MAX_NODE_SCORE // capacity
    return scores


def _by_shape(shape: shapes.Shape) -> Scorer:
    table = shapes.scores(shape)

    def score(requested: Ints, capacity: Ints) -> Ints:
        found: Ints = table[np.minimum(requested, capacity) * shapes.FULL // capacity]
        return found

    return score


@dataclass(frozen=True, slots=True)
class FitArgs:
    """NodeResourcesFitArgs. `resources` with their weights are those that are scored; a `shape`
    is of RequestedToCapacityRatio."""

    ignored: frozenset[str] = frozenset()
    ignored_groups: frozenset[str] = frozenset()
    strategy: str = "LeastAllocated"
    resources: Sequence[tuple[str, int]] = (("cpu", 1), ("memory", 1))
    shape: shapes.Shape = ()

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> FitArgs:
        strategy = args["scoringStrategy"]
        ratio = strategy.get("requestedToCapacityRatio") or {}
        points = ratio.get("shape") or ()
        return cls(
            frozenset(args.get("ignoredResources") or ()),
            frozenset(args.get("ignoredResourceGroups") or ()),
            strategy["type"],
            [(each["name"], each["weight"]) for each in strategy["resources"]],
            shapes.of(points),
        )

    def ignores(self, resource: str) -> bool:
        """Only resources with a domain of their own can be left out."""
        if "/" not in resource or "kubernetes.io/" in resource:
            return False
        return resource in self.ignored or resource.split("/")[0] in self.ignored_groups

    def scorer(self) -> Scorer:
        if self.strategy == "MostAllocated":
            return _most
        return _by_shape(self.shape) if self.shape else _least


class Fit:
    """The bits of a code: too many pods, then what is insufficient, in the state's order."""

    name = "NodeResourcesFit"

    def __init__(self, args: FitArgs | None = None) -> None:
        self._args = args or FitArgs()
        self._scorer = self._args.scorer()
        # A strategy by shape leaves out what scores nothing, and rounds.
        self._is_ratio = bool(self._args.shape)

    def events_to_register(self) -> hints.Registered:
        return hints.node_resources_fit(self._args.ignores)

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        state[self.name] = [
            (name, amount)
            for name, amount in pod.requests.items()
            if amount > 0 and not self._args.ignores(name)
        ]
        return SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        codes = (nodes.pod_count[rows] >= nodes.pods_max[rows]).astype(np.int64)
        for bit, (name, amount) in enumerate(state[self.name], 1):
            line = nodes.resource(name)
            free = nodes.allocatable[line, rows] - nodes.requested[line, rows]
            codes |= (free < amount).astype(np.int64) << bit
        return codes

    def rejection(self, state: CycleState, code: int) -> Status:
        reasons = ["Too many pods"] if code & _TOO_MANY_PODS else []
        for bit, (name, _) in enumerate(state[self.name], 1):
            if code >> bit & 1:
                reasons.append(f"Insufficient {name}")
        return unschedulable(*reasons)

    def score(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        total: Ints | int = 0
        weights: Ints | int = 0
        for name, weight in self._args.resources:
            amount = pod.requests.get(name, 0)
            if name not in _NATIVE and not amount:
                continue
            line = nodes.resource(name)
            capacity = nodes.allocatable[line, rows]
            if line in (CPU, MEMORY):
                requested = nodes.non_zero[line, rows] + pod.non_zero[line]
            else:
                requested = nodes.requested[line, rows] + amount
            counts = capacity > 0
            scores = self._scorer(requested, np.maximum(capacity, 1)) * counts
            if self._is_ratio:
                counts = scores > 0
            total = total + (scores if weight == 1 else weight * scores)
            weights = weights + (counts if weight == 1 else weight * counts)
        return self._divided(total, np.maximum(weights, 1), nodes, rows)

    def _divided(self, total: Ints | int, by: Ints, nodes: NodeTable, rows: Rows) -> Ints:
        if isinstance(total, int):
            return np.zeros(nodes.pods_max[rows].shape, np.int64)
        if self._is_ratio:
            # Halves go away from zero, as Go rounds them.
            return np.floor(total / by + 0.5).astype(np.int64)
        return np.asarray(total // by, np.int64)


class BalancedAllocation:
    """How even the shares are that would be requested of each of `resources`."""

    name = "NodeResourcesBalancedAllocation"

    def __init__(self, resources: Sequence[str] = ("cpu", "memory")) -> None:
        self._resources = resources

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        return SUCCESS if any(pod.requests.get(name) for name in self._resources) else SKIP

    def score(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        fractions, present = [], []
        for name in self._resources:
            amount = pod.requests.get(name, 0)
            if name in _NATIVE or amount:
                line = nodes.resource(name)
                fractions.append(_fraction(nodes, rows, line, amount))
                present.append(nodes.allocatable[line, rows] > 0)
        if len(fractions) == 2:
            one, other = fractions
            deviation = np.where(present[0] & present[1], np.abs(one - other) / 2, 0.0)
        else:
            deviation = _deviation(np.array(fractions), np.array(present))
        return ((1 - deviation) * MAX_NODE_SCORE).astype(np.int64)


def _deviation(fractions: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The standard deviation over the resources that a node has, added up one after the other; of
    two it is half of what is between them."""
    count = np.maximum(present.sum(axis=0), 1)
    total = np.zeros(count.shape)
    for fraction, here in zip(fractions, present, strict=True):
        total += np.where(here, fraction, 0.0)
    mean, squares = total / count, np.zeros(count.shape)
    for fraction, here in zip(fractions, present, strict=True):
        squares += np.where(here, (fraction - mean) * (fraction - mean), 0.0)
    most = np.where(present, fractions, -np.inf).max(axis=0)
    least = np.where(present, fractions, np.inf).min(axis=0)
    with np.errstate(invalid="ignore"):
        half = (most - least) / 2
    return np.where(count > 2, np.sqrt(squares / count), np.where(count == 2, half, 0.0))


def _fraction(nodes: NodeTable, rows: Rows, line: int, more: int) -> NDArray[np.float64]:
    capacity = np.maximum(nodes.allocatable[line, rows], 1)
    used: NDArray[np.float64] = (nodes.requested[line, rows] + more) / capacity
    return np.minimum(used, 1.0)

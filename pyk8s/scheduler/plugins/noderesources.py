# SPDX-License-Identifier: Apache-2.0
"""Whether a node has room for what a pod asks for, and how well it would be used.

Mirrors `pkg/scheduler/framework/plugins/noderesources`, with the default strategy LeastAllocated.
"""

from __future__ import annotations

import numpy as np

from pyk8s.scheduler.framework.interface import MAX_NODE_SCORE, CycleState
from pyk8s.scheduler.framework.nodetable import CPU, MEMORY, Ints, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import SKIP, SUCCESS, Status, unschedulable
from pyk8s.scheduler.plugins import hints

_TOO_MANY_PODS = 1


class Fit:
    """The bits of a code: too many pods, then what is insufficient, in the state's order."""

    name = "NodeResourcesFit"

    def events_to_register(self) -> hints.Registered:
        return hints.NODE_RESOURCES_FIT

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        state[self.name] = [(name, amount) for name, amount in pod.requests.items() if amount > 0]
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
        counted: Ints | int = 0
        for line in (CPU, MEMORY):
            capacity = nodes.allocatable[line, rows]
            free = np.maximum(capacity - nodes.non_zero[line, rows] - pod.non_zero[line], 0)
            total = total + free * MAX_NODE_SCORE // np.maximum(capacity, 1)
            counted = counted + (capacity > 0)
        return np.asarray(total // np.maximum(counted, 1), np.int64)


class BalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        return SUCCESS if pod.requests.get("cpu") or pod.requests.get("memory") else SKIP

    def score(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        cpu = _fraction(nodes, rows, CPU, pod.requests.get("cpu", 0))
        memory = _fraction(nodes, rows, MEMORY, pod.requests.get("memory", 0))
        deviation = np.abs(cpu - memory) / 2
        both = (nodes.allocatable[CPU, rows] > 0) & (nodes.allocatable[MEMORY, rows] > 0)
        return ((1 - np.where(both, deviation, 0.0)) * MAX_NODE_SCORE).astype(np.int64)


def _fraction(nodes: NodeTable, rows: Rows, line: int, more: int) -> np.typing.NDArray[np.float64]:
    capacity = np.maximum(nodes.allocatable[line, rows], 1)
    used: np.typing.NDArray[np.float64] = (nodes.requested[line, rows] + more) / capacity
    return np.minimum(used, 1.0)

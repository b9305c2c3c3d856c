# SPDX-License-Identifier: Apache-2.0
"""Pods that were promised a node once it is free: upstream's `backend/queue/nominator.go`.

In the eyes of pods of lower or equal priority, a nominated pod is on its node already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pyk8s.scheduler.framework.nodetable import NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import Status


class Judge(Protocol):
    def rejection_at(self, row: int) -> Status | None: ...


class Evaluated(Judge, Protocol):
    def is_feasible(self, row: int) -> bool: ...


class Taken:
    """Rows that would do for pods of one kind but for the pods they are promised to: `why`, and
    the same the other way round, `rows` by reason. What is said of `doubted` rows may hold no
    longer; None: all of them."""

    def __init__(self) -> None:
        self.why: dict[int, Status] = {}
        # Dicts in place of sets, for their order.
        self.rows: dict[Status, dict[int, None]] = {}
        self.doubted: set[int] | None = None

    def doubt(self, rows: Rows) -> None:
        if isinstance(rows, slice):
            self.doubted = None
        elif self.doubted is not None:
            self.doubted.update(rows.tolist())

    def put(self, row: int, status: Status | None) -> None:
        before = self.why.pop(row, None)
        if before is not None:
            of_reason = self.rows[before]
            del of_reason[row]
            if not of_reason:
                del self.rows[before]
        if status is not None:
            self.why[row] = status
            self.rows.setdefault(status, {})[row] = None

    def clear(self) -> None:
        self.why.clear()
        self.rows.clear()


class Nominator:
    def __init__(self, nodes: NodeTable) -> None:
        self._nodes = nodes
        self._node_of: dict[str, str] = {}
        self._on: dict[str, dict[str, PodInfo]] = {}

    def add(self, info: PodInfo, node: str) -> None:
        """What was promised to the pod before is forgotten."""
        known = self._on.get(node, {}).get(info.uid)
        if known is not None and known.signature == info.signature:
            self._on[node][info.uid] = info
            return
        self.remove(info.uid)
        self._node_of[info.uid] = node
        self._on.setdefault(node, {})[info.uid] = info
        self._touch(node)

    def remove(self, uid: str) -> None:
        node = self._node_of.pop(uid, None)
        if node is not None:
            of_node = self._on[node]
            del of_node[uid]
            if not of_node:
                del self._on[node]
            self._touch(node)

    def _touch(self, node: str) -> None:
        """What was found of the node for pods that come after holds no longer."""
        if (row := self._nodes.rows.get(node)) is not None:
            self._nodes.touch(row)

    def node_of(self, uid: str) -> str:
        """Empty for a pod that was promised none."""
        return self._node_of.get(uid, "")

    def on(self, node: str) -> list[PodInfo]:
        return [*self._on.get(node, {}).values()]

    def look_beside(self, judge: Evaluated, pod: PodInfo, taken: Taken) -> None:
        """Bring what is taken up to date for this pod. Each look changes the table and brings it
        back, so what came out is kept; not for the row promised to the pod itself, for that is
        seen otherwise by others."""
        rows = self._nodes.rows
        own = rows.get(self.node_of(pod.uid))
        if taken.doubted is None:
            taken.clear()
            doubted = {rows[node] for node in self._on if node in rows}
        else:
            doubted = taken.doubted
        if own is not None:
            doubted.add(own)
        for row in doubted:
            is_promised = judge.is_feasible(row) and self._before(pod, self._nodes.names[row])
            taken.put(row, self.rejection_at(judge, pod, row) if is_promised else None)
        taken.doubted = set() if own is None else {own}

    def rejection_at(self, judge: Judge, pod: PodInfo, row: int) -> Status | None:
        """Why the pod does not fit the node, with and without those that come first: their
        leaving again must not make it unfit either."""
        node = self._nodes.names[row]
        if others := self._before(pod, node):
            with self._placed(others, node):
                status = judge.rejection_at(row)
            if status is not None:
                return status
        return judge.rejection_at(row)

    def _before(self, pod: PodInfo, node: str) -> list[PodInfo]:
        return [
            other
            for other in self._on.get(node, {}).values()
            if other.uid != pod.uid and other.priority >= pod.priority
        ]

    @contextmanager
    def _placed(self, pods: list[PodInfo], node: str) -> Iterator[None]:
        with self._nodes.supposing():
            for each in pods:
                self._nodes.add_pod(each, node)
            try:
                yield
            finally:
                for each in pods:
                    self._nodes.remove_pod(each.uid)

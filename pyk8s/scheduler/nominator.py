# SPDX-License-Identifier: Apache-2.0
"""Pods that were promised a node once it is free: upstream's `backend/queue/nominator.go`.

In the eyes of pods of lower or equal priority, a nominated pod is on its node already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import Status


class Judge(Protocol):
    def rejection_at(self, row: int) -> Status | None: ...


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

    def rows_before(self, pod: PodInfo) -> list[int]:
        """The rows of nodes where another pod comes first."""
        rows, uid, priority = self._nodes.rows, pod.uid, pod.priority
        found = []
        for node, promised in self._on.items():
            for other in promised.values():
                if other.priority >= priority and other.uid != uid:
                    if (row := rows.get(node)) is not None:
                        found.append(row)
                    break
        return found

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

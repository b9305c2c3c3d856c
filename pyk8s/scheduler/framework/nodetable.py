# SPDX-License-Identifier: Apache-2.0
"""All nodes as arrays, one row each: what is judged for every node in one operation.

    node, pod -> row updated in place -> journal names the row -> kept answers look at it again

Rows of nodes that are gone are used again. A pod on a node that is not known (yet) has a row too,
which is no node until one comes. Single-threaded, nothing suspends: every read sees one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import podrequests
from pyk8s.scheduler.framework.podinfo import HostPort, PodInfo

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
# Indexes every array of the table.
Rows = slice | NDArray[np.intp]

ALL = slice(None)
CPU, MEMORY = 0, 1
_FIRST_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_JOURNAL_MAX = 65536

Taints = tuple[tuple[str, str, str], ...]


class Image:
    """How large an image is, as the first node said that had it, and which rows hold it."""

    __slots__ = ("rows", "size_bytes")

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.rows: set[int] = set()


class NodeTable:
    """Arrays are as long as there are rows, which `grow`s; hold none of them across a change.

    `allocatable` and `requested` have one line per resource of `resources`, `non_zero` one for
    cpu and one for memory; `taint_sets` numbers into `taints`.
    """

    def __init__(self, rows: int = 64) -> None:
        self.resources: dict[str, int] = {name: i for i, name in enumerate(_FIRST_RESOURCES)}
        self.allocatable: Ints = np.zeros((len(self.resources), rows), np.int64)
        self.requested: Ints = np.zeros_like(self.allocatable)
        self.non_zero: Ints = np.zeros((2, rows), np.int64)
        self.pods_max: Ints = np.zeros(rows, np.int64)
        self.pod_count: Ints = np.zeros(rows, np.int64)
        self.is_node: Mask = np.zeros(rows, np.bool_)
        self.unschedulable: Mask = np.zeros(rows, np.bool_)
        self.taint_sets: Ints = np.zeros(rows, np.int64)
        self.taints: list[Taints] = [()]
        self.names: list[str] = [""] * rows
        self.nodes: list[Object | None] = [None] * rows
        self.pods: list[dict[str, PodInfo]] = [{} for _ in range(rows)]
        self.rows: dict[str, int] = {}
        self.ports: dict[HostPort, dict[int, int]] = {}
        self.on_pod: list[Callable[[PodInfo, int, int], None]] = []
        self.on_node: list[Callable[[int], None]] = []
        # By each of its names, those that a node holds; the version counts the changes.
        self.images: dict[str, Image] = {}
        self.images_version = 0
        self._images_of: dict[int, Mapping[str, int]] = {}
        self._taint_numbers: dict[Taints, int] = {(): 0}
        self._where: dict[str, int] = {}
        self._free = [*range(rows - 1, -1, -1)]
        self._journal: list[int] = []
        self._forgotten = 0
        self._is_supposing = False
        self.node_count = 0

    @property
    def size(self) -> int:
        return len(self.names)

    # --- the journal

    @property
    def position(self) -> int:
        return self._forgotten + len(self._journal)

    def changed_since(self, position: int) -> Rows:
        """The rows that changed; all of them where that is not known any more."""
        if position < self._forgotten:
            return ALL
        changed = self._journal[position - self._forgotten :]
        if len(changed) == 1:
            return np.array(changed, np.intp)
        return np.unique(np.array(changed, np.intp)) if len(changed) < self.size else ALL

    def touch(self, row: int) -> None:
        """Say of a row that it has to be looked at anew."""
        if self._is_supposing:
            return
        self._journal.append(row)
        if len(self._journal) > _JOURNAL_MAX:
            self._forgotten += _JOURNAL_MAX // 2
            del self._journal[: _JOURNAL_MAX // 2]

    @contextmanager
    def supposing(self) -> Iterator[None]:
        """Inside, pods may be taken off known nodes and put on them to see what would be. Whoever
        does so undoes it before the end, and the journal does not tell of it."""
        before, self._is_supposing = self._is_supposing, True
        try:
            yield
        finally:
            self._is_supposing = before

    def touch_all(self) -> None:
        self._forgotten = self.position + 1
        self._journal.clear()

    # --- nodes

    def set_node(self, node: Object) -> int:
        """Add the node or replace what is known of it; its row."""
        row = self._row(meta.name(node))
        if not self.is_node[row]:
            self.node_count += 1
        spec = node.get("spec") or {}
        self.is_node[row] = True
        self.nodes[row] = node
        self.unschedulable[row] = bool(spec.get("unschedulable"))
        self._set_allocatable(row, (node.get("status") or {}).get("allocatable") or {})
        taints = tuple(
            (each.get("key", ""), each.get("value") or "", each.get("effect") or "")
            for each in spec.get("taints") or ()
        )
        self.taint_sets[row] = self._taint_number(taints)
        self._set_images(row, _images(node))
        self._node_changed(row)
        return row

    def refresh_node(self, node: Object) -> int:
        """A newer state of a known node in which nothing changed that a row is judged by; its
        images may have. Its row."""
        row = self.rows[meta.name(node)]
        self.nodes[row] = node
        self._set_images(row, _images(node))
        return row

    def _set_images(self, row: int, images: Mapping[str, int]) -> None:
        before = self._images_of.get(row, {})
        if images == before:
            return
        self.images_version += 1
        for name in before:
            self.images[name].rows.discard(row)
            if not self.images[name].rows:
                del self.images[name]
        for name, size in images.items():
            if name not in self.images:
                self.images[name] = Image(size)
            self.images[name].rows.add(row)
        self._images_of[row] = images

    def remove_node(self, name: str) -> None:
        row = self.rows.get(name)
        if row is None or not self.is_node[row]:
            return
        self.node_count -= 1
        self.is_node[row] = False
        self.nodes[row] = None
        self._set_images(row, {})
        self._node_changed(row)
        self._free_if_unused(row)

    def _node_changed(self, row: int) -> None:
        self.touch(row)
        for observe in self.on_node:
            observe(row)

    def _set_allocatable(self, row: int, amounts: Mapping[str, Any]) -> None:
        allocatable = podrequests.scaled(podrequests.of_list(amounts))
        self.pods_max[row] = allocatable.pop("pods", 0)
        for name in allocatable:
            self.resource(name)
        self.allocatable[:, row] = 0
        for name, amount in allocatable.items():
            self.allocatable[self.resources[name], row] = amount

    def resource(self, name: str) -> int:
        """The line of a resource, a new one for one that was not seen before."""
        line = self.resources.get(name)
        if line is None:
            line = self.resources[name] = len(self.resources)
            more = np.zeros((1, self.size), np.int64)
            self.allocatable = np.concatenate((self.allocatable, more))
            self.requested = np.concatenate((self.requested, more))
        return line

    def _taint_number(self, taints: Taints) -> int:
        number = self._taint_numbers.get(taints)
        if number is None:
            number = self._taint_numbers[taints] = len(self.taints)
            self.taints.append(taints)
        return number

    # --- pods

    def add_pod(self, info: PodInfo, node: str) -> None:
        """The pod is on the node; what was known of that pod before is replaced."""
        self.remove_pod(info.uid)
        row = self._row(node)
        self._where[info.uid] = row
        self.pods[row][info.uid] = info
        self._count(info, row, 1)

    def update_pod(self, info: PodInfo, node: str) -> None:
        """As `add_pod`, for a newer state of a pod: where that makes no difference to any plugin,
        the row counts as unchanged."""
        known = self.info_of(info.uid)
        if known is None or self.node_of(info.uid) != node or not _counts_alike(known, info):
            self.add_pod(info, node)
        else:
            self.pods[self.rows[node]][info.uid] = info

    def info_of(self, uid: str) -> PodInfo | None:
        row = self._where.get(uid)
        return None if row is None else self.pods[row][uid]

    def remove_pod(self, uid: str) -> PodInfo | None:
        row = self._where.pop(uid, None)
        if row is None:
            return None
        info = self.pods[row].pop(uid)
        self._count(info, row, -1)
        self._free_if_unused(row)
        return info

    def node_of(self, uid: str) -> str:
        """The node a pod is on; empty for a pod that is not here."""
        row = self._where.get(uid)
        return "" if row is None else self.names[row]

    def _count(self, info: PodInfo, row: int, by: int) -> None:
        self.pod_count[row] += by
        for name, amount in info.requests.items():
            if amount:
                # First the line: a new one makes `requested` another array.
                line = self.resource(name)
                self.requested[line, row] += by * amount
        self.non_zero[CPU, row] += by * info.non_zero[CPU]
        self.non_zero[MEMORY, row] += by * info.non_zero[MEMORY]
        for port in info.ports:
            users = self.ports.setdefault(port, {})
            users[row] = users.get(row, 0) + by
            if not users[row]:
                del users[row]
        self.touch(row)
        for observe in self.on_pod:
            observe(info, row, by)

    # --- rows

    def _row(self, name: str) -> int:
        row = self.rows.get(name)
        if row is None:
            if not self._free:
                self._grow()
            row = self.rows[name] = self._free.pop()
            self.names[row] = name
        return row

    def _free_if_unused(self, row: int) -> None:
        if not self.is_node[row] and not self.pods[row]:
            del self.rows[self.names[row]]
            self.names[row] = ""
            self._free.append(row)

    def _grow(self) -> None:
        more = self.size
        for name in ("allocatable", "requested", "non_zero"):
            setattr(self, name, np.pad(getattr(self, name), ((0, 0), (0, more))))
        for name in ("pods_max", "pod_count", "is_node", "unschedulable", "taint_sets"):
            setattr(self, name, np.pad(getattr(self, name), (0, more)))
        self.names += [""] * more
        self.nodes += [None] * more
        self.pods += [{} for _ in range(more)]
        self._free = [*range(2 * more - 1, more - 1, -1)]
        self.touch_all()


def _counts_alike(one: PodInfo, other: PodInfo) -> bool:
    """Victims are chosen by when they started, and told apart by whether they are going."""
    was, now = one.pod.get("status") or {}, other.pod.get("status") or {}
    return (
        one.requests == other.requests
        and one.signature == other.signature
        and meta.is_being_deleted(one.pod) == meta.is_being_deleted(other.pod)
        and was.get("startTime") == now.get("startTime")
    )


def _images(node: Object) -> Mapping[str, int]:
    found = (node.get("status") or {}).get("images") or ()
    return {
        name: image.get("sizeBytes") or 0 for image in found for name in image.get("names") or ()
    }

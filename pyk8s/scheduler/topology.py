# SPDX-License-Identifier: Apache-2.0
"""Nodes' labels as columns of small integers: which domain of a topology each node is in.

A node keeps its row while it lives. A column is made when a key is first asked for and from then
on follows each change of a node's labels, so that counting pods per domain is one `bincount`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MISSING = -1
_FIRST_ROWS = 64
_NO_LABELS: Mapping[str, str] = {}


class Column:
    """The domain of every row under one key: `ids[row]`, below `size`, or MISSING."""

    __slots__ = ("_numbers", "ids", "size")

    def __init__(self, rows: int) -> None:
        self.ids = np.full(rows, MISSING, dtype=np.int64)
        self._numbers: dict[str, int] = {}
        self.size = 0

    def put(self, row: int, value: str | None) -> None:
        self.ids[row] = MISSING if value is None else self._number(value)

    def grow(self, rows: int) -> None:
        more = np.full(rows - len(self.ids), MISSING, dtype=np.int64)
        self.ids = np.concatenate((self.ids, more))

    def totals(self, counts: Ints, among: Mask | None = None) -> Ints:
        """What `counts`, one per row, come to in each domain; rows outside `among` do not count."""
        here = self.ids >= 0
        if among is not None:
            here &= among
        chosen = counts[here]
        if not chosen.any():
            return np.zeros(self.size, dtype=np.int64)
        # Sums of counts stay far below 2**53, where floats are exact.
        return np.bincount(self.ids[here], weights=chosen, minlength=self.size).astype(np.int64)

    def present(self, among: Mask) -> Mask:
        """The domains that have a row in `among`."""
        found = np.zeros(self.size, dtype=np.bool_)
        found[self.ids[among & (self.ids >= 0)]] = True
        return found

    def spread(self, totals: Ints) -> Ints:
        """For each row what stands in its domain; 0 where it has none."""
        if not len(totals):
            return np.zeros(len(self.ids), dtype=np.int64)
        return np.where(self.ids >= 0, totals[self.ids], 0)

    def _number(self, value: str) -> int:
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = self.size
            self.size += 1
        return number


class Topology:
    """The labels of the node in each row, and the columns asked for so far."""

    def __init__(self, rows: int = _FIRST_ROWS) -> None:
        self.rows = rows
        self._labels: list[Mapping[str, str] | None] = [None] * rows
        self._columns: dict[str, Column] = {}

    def put(self, row: int, labels: Mapping[str, str] | None) -> None:
        """The node in `row` has these labels; None: there is no node in it any more."""
        if row >= self.rows:
            self.grow(max(row + 1, 2 * self.rows))
        self._labels[row] = labels
        for key, column in self._columns.items():
            column.put(row, None if labels is None else labels.get(key))

    def column(self, key: str) -> Column:
        """The column of a key. It is shared and goes on changing: never write to it."""
        column = self._columns.get(key)
        if column is None or column.size > 2 * self.rows:
            # Anew too when most of its domains have gone with their nodes.
            column = self._columns[key] = Column(self.rows)
            for row, labels in enumerate(self._labels):
                if labels is not None and key in labels:
                    column.put(row, labels[key])
        return column

    def labels(self, row: int) -> Mapping[str, str]:
        return self._labels[row] or _NO_LABELS

    def grow(self, rows: int) -> None:
        """From now on there are this many rows, not fewer than before."""
        self._labels.extend([None] * (rows - self.rows))
        self.rows = rows
        for column in self._columns.values():
            column.grow(rows)

# SPDX-License-Identifier: Apache-2.0
"""Scores by utilization: the line through the points of a shape, as `plugins/helper/
shape_score.go` draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyk8s.scheduler.framework.interface import MAX_NODE_SCORE
from pyk8s.scheduler.framework.nodetable import Ints

FULL = 100
# Scores of a configured shape go from 0 to 10.
_SCORE_MAX = 10

# Utilization in percent, rising, and score.
Shape = Sequence[tuple[int, int]]


def of(points: Sequence[Mapping[str, Any]]) -> Shape:
    """From UtilizationShapePoints."""
    return [(each.get("utilization") or 0, each.get("score") or 0) for each in points]


def scores(shape: Shape) -> Ints:
    """For each whole percent, 0 to MAX_NODE_SCORE; level outside of the points."""
    points = [(use, score * MAX_NODE_SCORE // _SCORE_MAX) for use, score in shape]
    return np.array([_on_line(points, use) for use in range(FULL + 1)], np.int64)


def _on_line(points: Shape, use: int) -> int:
    before = points[0]
    for point in points:
        if use <= point[0]:
            run = point[0] - before[0]
            rise = (point[1] - before[1]) * (use - before[0])
            # Towards zero, as Go divides.
            return before[1] + int(rise / run) if run else point[1]
        before = point
    return points[-1][1]

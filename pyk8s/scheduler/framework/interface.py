# SPDX-License-Identifier: Apache-2.0
"""The extension points, as protocols: a plugin is whatever has a name and some of these methods.

Which of them a plugin has is looked up once, when its profile is made. Upstream's
`kube-scheduler/framework/interface.go`, over rows of the NodeTable instead of one node at a time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pyk8s.scheduler.framework.nodetable import Ints, Mask, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import Status

# What a plugin notes for itself between the extension points of one pod, under its own name.
CycleState = dict[str, Any]
Codes = NDArray[np.integer[Any]]

FITS = 0
MAX_NODE_SCORE = 100


class Plugin(Protocol):
    @property
    def name(self) -> str: ...


@runtime_checkable
class PreEnqueuePlugin(Protocol):
    def pre_enqueue(self, pod: PodInfo) -> Status:
        """Whether the pod may be queued at all."""
        ...


@runtime_checkable
class QueueSortPlugin(Protocol):
    def sort_key(self, pod: PodInfo, queued_at: float) -> Any:
        """The pod with the least key is next."""
        ...


@runtime_checkable
class PreFilterPlugin(Protocol):
    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        """Work out what `filter` needs of the pod. SKIP: this plugin has nothing against any
        node, now or later. A rejection ends the cycle."""
        ...


@runtime_checkable
class FilterPlugin(Protocol):
    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """One code per row: FITS, or one of the plugin's own (above 0)."""
        ...

    def rejection(self, state: CycleState, code: int) -> Status:
        """What a code means to users, and whether preemption could help."""
        ...


@runtime_checkable
class CountedFilterPlugin(Protocol):
    """PreFilter and Filter of a plugin whose answer for one row follows from other rows too. It
    is asked again after every change; `version` changes with whatever else it depends on."""

    @property
    def version(self) -> int: ...

    def count(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Codes | None:
        """One code for every row, of nodes or not; None: there is nothing against any node."""
        ...

    def rejection(self, state: CycleState, code: int) -> Status:
        """What a code means to users, and whether preemption could help."""
        ...


@runtime_checkable
class CountedScorePlugin(Protocol):
    """PreScore, Score and NormalizeScore of a plugin that compares the nodes that are left."""

    def score_feasible(
        self, state: CycleState, pod: PodInfo, nodes: NodeTable, feasible: Mask
    ) -> Ints | None:
        """0 to MAX_NODE_SCORE for every row that is feasible, anything for the others; None:
        all are alike."""
        ...


class Judged(Protocol):
    """A pod for which no row was found. `is_counted`: what other rows hold keeps it from some."""

    @property
    def is_counted(self) -> bool: ...

    def rejections(self) -> Sequence[tuple[Status, NDArray[np.intp]]]:
        """Why rows do not fit, by the first plugin that says so, and which rows."""
        ...

    def rejection_at(self, row: int) -> Status | None:
        """One row judged by the table as it is at this moment; None: the pod fits."""
        ...


@dataclass(frozen=True, slots=True)
class PostFilterResult:
    """`node` is promised to the pod once `victims` are gone; empty takes a promise back, None
    leaves it. `message` is what users read beside the reasons."""

    node: str | None
    victims: Sequence[PodInfo] = ()
    message: str = ""


@runtime_checkable
class PostFilterPlugin(Protocol):
    def post_filter(self, pod: PodInfo, judged: Judged) -> PostFilterResult:
        """After no row fitted."""
        ...


@runtime_checkable
class PreScorePlugin(Protocol):
    def pre_score(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        """Work out what `score` needs. SKIP: all nodes are alike to this plugin."""
        ...


@runtime_checkable
class ScorePlugin(Protocol):
    def score(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """One number per row, 0 to MAX_NODE_SCORE unless `normalize` brings it there."""
        ...


@runtime_checkable
class NormalizeScore(Protocol):
    def normalize(self, scores: Ints) -> Ints:
        """The scores of the feasible nodes, brought to 0 … MAX_NODE_SCORE."""
        ...


@runtime_checkable
class ReservePlugin(Protocol):
    def reserve(self, state: CycleState, pod: PodInfo, node: str) -> Status: ...

    def unreserve(self, state: CycleState, pod: PodInfo, node: str) -> None:
        """Must bear being called twice, and without reserve."""
        ...


@runtime_checkable
class PermitPlugin(Protocol):
    def permit(self, state: CycleState, pod: PodInfo, node: str) -> tuple[Status, float]:
        """With WAIT, for how many seconds at most."""
        ...


@runtime_checkable
class PreBindPlugin(Protocol):
    async def pre_bind(self, state: CycleState, pod: PodInfo, node: str) -> Status: ...


@runtime_checkable
class BindPlugin(Protocol):
    async def bind(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        """SKIP leaves it to the next one."""
        ...


@runtime_checkable
class PostBindPlugin(Protocol):
    def post_bind(self, state: CycleState, pod: PodInfo, node: str) -> None: ...


# --- beside the extension points


@runtime_checkable
class SignPlugin(Protocol):
    def sign_pod(self, pod: PodInfo) -> Hashable:
        """All the plugin looks at in a pod: what it said of one pod is taken to hold for others
        that sign alike, as long as no node changes. One without it is asked anew for each pod."""
        ...


# By the names that a configuration uses, in upstream's order of getExtensionPoints.
POINTS: Mapping[str, tuple[type[Any], ...]] = {
    "preFilter": (PreFilterPlugin,),
    "filter": (FilterPlugin, CountedFilterPlugin),
    "postFilter": (PostFilterPlugin,),
    "reserve": (ReservePlugin,),
    "preScore": (PreScorePlugin,),
    "score": (ScorePlugin, CountedScorePlugin),
    "preBind": (PreBindPlugin,),
    "bind": (BindPlugin,),
    "postBind": (PostBindPlugin,),
    "permit": (PermitPlugin,),
    "preEnqueue": (PreEnqueuePlugin,),
    "queueSort": (QueueSortPlugin,),
}

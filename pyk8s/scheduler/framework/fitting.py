# SPDX-License-Identifier: Apache-2.0
"""Plugins of others, fitted to the scheduler.

    filter(pod, node) -> Status     asked for each node that is feasible so far
    score(pod, node) -> int         asked for each feasible node

is enough; `pod` and `node` are the objects as the API has them, shared, never to be changed. A
plugin may have the vector form of any extension point instead. Whatever one raises becomes a
PluginError that names it: it fails the pod, not the scheduler.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pyk8s.scheduler.framework.interface import FITS, CycleState
from pyk8s.scheduler.framework.nodetable import Ints, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import PluginError, Status

_log = logging.getLogger(__name__)

# What a plugin may have, and how upstream calls the extension point.
_METHODS: Mapping[str, str] = {
    "pre_enqueue": "PreEnqueue",
    "sort_key": "QueueSort",
    "pre_filter": "PreFilter",
    "filter": "Filter",
    "rejection": "Filter",
    "count": "Filter",
    "post_filter": "PostFilter",
    "pre_score": "PreScore",
    "score": "Score",
    "score_feasible": "Score",
    "normalize": "NormalizeScore",
    "reserve": "Reserve",
    "unreserve": "Unreserve",
    "permit": "Permit",
    "pre_bind": "PreBind",
    "bind": "Bind",
    "post_bind": "PostBind",
    "sign_pod": "Sign",
    "events_to_register": "EnqueueExtensions",
}
# These have no way to say no.
_MUTE = ("unreserve", "post_bind")
_BY_NODE, _BY_ROWS = 2, 4


class Fitted:
    """Has what the plugin has, in vector form. `by_node`: its filter and score had better be asked
    about few nodes. Raises PluginError for a plugin that can be no plugin."""

    def __init__(self, name: str, plugin: Any) -> None:
        self.name: str = getattr(plugin, "name", name)
        self.plugin = plugin
        self.by_node = False
        for method, point in _METHODS.items():
            call = getattr(plugin, method, None)
            if call is not None:
                setattr(self, method, _guarded(call, point, self.name, method in _MUTE))
        if _is_by_node(self.name, plugin, "filter"):
            self._judge = self.filter
            self.filter, self.rejection = self._filter, self._rejection
            self.by_node = True
        if _is_by_node(self.name, plugin, "score"):
            self._mark = self.score
            self.score = self._score
            self.by_node = True

    @property
    def version(self) -> int:
        return int(getattr(self.plugin, "version", 0))

    filter: Callable[..., Any]
    rejection: Callable[..., Any]
    score: Callable[..., Any]

    def _filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        known: list[Status] = state.setdefault(f"{self.name}/statuses", [])
        codes = []
        for row in np.arange(nodes.size)[rows]:
            node = nodes.nodes[row]
            status: Status | None = None if node is None else self._judge(pod.pod, node)
            if status is None or status.is_success:
                codes.append(FITS)
                continue
            if not status.is_rejected:
                raise PluginError(self.name, "Filter", status.message)
            if status not in known:
                known.append(status)
            codes.append(known.index(status) + 1)
        return np.array(codes, np.int64)

    def _rejection(self, state: CycleState, code: int) -> Status:
        found: Status = state[f"{self.name}/statuses"][code - 1]
        return found

    def _score(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        chosen = (nodes.nodes[row] for row in np.arange(nodes.size)[rows])
        scores = [0 if node is None else self._mark(pod.pod, node) for node in chosen]
        return np.array(scores, np.int64)


def _is_by_node(name: str, plugin: Any, method: str) -> bool:
    call = getattr(plugin, method, None)
    if call is None:
        return False
    wanted = [
        each
        for each in inspect.signature(call).parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
    ]
    if len(wanted) not in (_BY_NODE, _BY_ROWS):
        raise PluginError(
            name, _METHODS[method], f"{method} takes (pod, node) or (state, pod, nodes, rows)"
        )
    return len(wanted) == _BY_NODE


def _guarded(call: Callable[..., Any], point: str, name: str, is_mute: bool) -> Callable[..., Any]:
    """The one place where code of others is called: what it raises ends here."""
    if inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        async def awaited(*arguments: Any) -> Any:
            try:
                return await call(*arguments)
            except Exception as error:
                raise _failed(error, point, name) from error

        return awaited

    @functools.wraps(call)
    def called(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            failure = _failed(error, point, name)
            if is_mute:
                return None
            raise failure from error

    return called


def _failed(error: Exception, point: str, name: str) -> PluginError:
    if isinstance(error, PluginError):
        return error
    _log.exception("plugin failed: plugin=%s point=%s", name, point)
    return PluginError(name, point, str(error) or type(error).__name__)

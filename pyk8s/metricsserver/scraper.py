# SPDX-License-Identifier: Apache-2.0
"""Asks all kubelets once. Mirrors metrics-server's `pkg/scraper/scraper.go`.

A bounded number is asked at a time, and a scrape ends when its time is up, with what it has then.
Nodes that are not Ready come last, so that dead ones take no turn from those that answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client.lister import Lister
from pyk8s.metricsserver.kubelets import ScrapeFailed
from pyk8s.metricsserver.samples import Batch

_log = logging.getLogger(__name__)

_KUBELETS_AT_ONCE = 32
# So many failures of one scrape are told one by one.
_TOLD_MAX = 10

Read = Callable[[Object], Awaitable[Batch]]


class Scraper:
    """`read` asks one node, as Kubelets.read does; what it tells of Pods that are not in `pods`
    is dropped."""

    def __init__(
        self,
        nodes: Lister,
        pods: Lister,
        read: Read,
        node_selector: labels.Selector = labels.EVERYTHING,
    ) -> None:
        self._nodes = nodes
        self._pods = pods
        self._read = read
        self._selector = node_selector

    async def scrape(self, seconds_max: float) -> Batch:
        """Raises nothing: what cannot be had is logged and left out."""
        batch, failures = Batch(), dict[str, str]()
        nodes = sorted(self._nodes.list(selector=self._selector), key=is_ready, reverse=True)
        waiting = iter(nodes)
        workers = min(_KUBELETS_AT_ONCE, len(nodes))
        try:
            async with asyncio.timeout(seconds_max), asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(waiting, batch, failures))
        except TimeoutError:
            left = sum(1 for _ in waiting)
            _log.warning("scrape ended early: seconds=%g nodes=%s left=%s",
                         seconds_max, len(nodes), left)  # fmt: skip
        _tell(failures)
        return batch

    async def _work(
        self, waiting: Iterator[Object], batch: Batch, failures: dict[str, str]
    ) -> None:
        for node in waiting:
            try:
                found = await self._read(node)
            except ScrapeFailed as error:
                if is_ready(node):
                    failures[meta.name(node)] = str(error)
                continue
            for namespace, name in [*found.pods]:
                if self._pods.get(name, namespace) is None:
                    del found.pods[namespace, name]
            batch.add(found)


def _tell(failures: dict[str, str]) -> None:
    for name, why in [*failures.items()][:_TOLD_MAX]:
        _log.error("failed to scrape node: node=%s error=%s", name, why)
    if len(failures) > _TOLD_MAX:
        _log.error("failed to scrape nodes: more=%s", len(failures) - _TOLD_MAX)


def is_ready(node: Object) -> bool:
    conditions: Iterable[dict[str, Any]] = (node.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

# SPDX-License-Identifier: Apache-2.0
"""The TTL controller: the more nodes there are, the longer. Mirrors upstream's `controller/ttl`."""

from __future__ import annotations

from typing import NamedTuple

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.client.client import Patch
from pyk8s.client.store import Key
from pyk8s.controllers.controller import Context, ObjectController

ANNOTATION = "node.alpha.kubernetes.io/ttl"


class Step(NamedTuple):
    """Left for the one before below `least` nodes, for the next one above `most`."""

    least: int
    most: float
    seconds: int


# They overlap, so that a cluster at a boundary does not go back and forth.
STEPS = (
    Step(0, 100, 0),
    Step(90, 500, 15),
    Step(450, 1000, 30),
    Step(900, 2000, 60),
    Step(1800, 10000, 300),
    Step(9000, float("inf"), 600),
)


def step_for(nodes: int, now: int) -> int:
    """Which of the steps counts, given the one that did."""
    while nodes > STEPS[now].most:
        now += 1
    while nodes < STEPS[now].least:
        now -= 1
    return now


class TTLController(ObjectController):
    name = "ttl-controller"
    workers = 5
    resource = resources.NODES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._step = 0

    async def reconcile(self, key: Key) -> None:
        # Nodes learn of another step when they next change, as upstream has it.
        node = self.objects.indexer.get(key)
        self._step = step_for(len(self.objects.indexer), self._step)
        wanted = str(STEPS[self._step].seconds)
        if node is None or meta.annotations(node).get(ANNOTATION) == wanted:
            return
        content = {"metadata": {"uid": meta.uid(node), "annotations": {ANNOTATION: wanted}}}
        await self.client.patch(self.resource, key, Patch(content=content))

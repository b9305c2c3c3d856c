# SPDX-License-Identifier: Apache-2.0
"""How long a kubelet may keep what it has read."""

from __future__ import annotations

import pytest
from cluster import eventually
from nodes_of import add_node
from running import running
from world import World

from pyk8s.client import resources
from pyk8s.controllers.ttl.controller import ANNOTATION, STEPS, TTLController, step_for


async def test_nodes_say_it(quiet: World) -> None:
    """Nothing is kept in a small cluster."""
    await add_node(quiet, "n")
    async with running(quiet.client, TTLController):

        async def says() -> bool:
            node = await quiet.client.get(resources.NODES, "n")
            return (node["metadata"].get("annotations") or {}).get(ANNOTATION) == "0"

        await eventually(says, "the node is annotated")


@pytest.mark.parametrize(
    ("nodes", "before", "seconds"),
    [
        pytest.param(100, 0, 0, id="small"),
        pytest.param(101, 0, 15, id="grown"),
        pytest.param(95, 1, 15, id="between, from above"),
        pytest.param(95, 0, 0, id="between, from below"),
        pytest.param(89, 1, 0, id="shrunk"),
        pytest.param(5000, 0, 300, id="large at once"),
    ],
)
def test_steps(nodes: int, before: int, seconds: int) -> None:
    """Boundaries overlap."""
    assert STEPS[step_for(nodes, before)].seconds == seconds

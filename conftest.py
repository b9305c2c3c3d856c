# SPDX-License-Identifier: Apache-2.0
"""One running control plane for all tests, those in tests/ and those in conformance/."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from cluster import ControlPlane, running
from hypothesis import settings

from pyk8s.client.informer import MUTATION_DETECTOR

# The suite tries the same examples every time, so that what it says is about the change.
# `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("explore", settings.get_profile("default"))
settings.register_profile("suite", derandomize=True, database=None)
settings.load_profile("suite")

# looptime looks for a current loop in synchronous tests too; asyncio would make one for it, which
# nobody closes. With none set by intent there is none to make.
asyncio.set_event_loop(None)

# In the tests' own process and in all that they start, nobody may change what a cache shares.
os.environ[MUTATION_DETECTOR] = "true"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """`pyk8s up --ephemeral`, for all tests that need a server and leave it running. Nothing
    but the tests writes to it."""
    yield from running("--components=apiserver")


@pytest.fixture(scope="session")
def cluster() -> Iterator[ControlPlane]:
    """`pyk8s up --ephemeral` with everything that lives on an API server, and two nodes, for what
    is about more than one. None of its components has fallen by the end."""
    for plane in running("--nodes=2"):
        yield plane
        logs = {
            path.name: path.read_text()
            for path in plane.kubeconfig.parent.glob("*.log")
            # Tests make an API server fail as they mean to.
            if not path.name.startswith("apiserver")
        }
        assert {"controller-manager.log", "scheduler.log", "node.log"} <= logs.keys()
        for name, log in logs.items():
            assert "Traceback" not in log, name


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Virtual time needs a loop of its own: while others wait there for real time, it stands
    still."""
    for item in items:
        if item.get_closest_marker("looptime") is not None:
            item.add_marker(pytest.mark.asyncio(loop_scope="function"), append=False)

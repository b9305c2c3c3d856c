# SPDX-License-Identifier: Apache-2.0
"""An API server and nothing else, so that the scheduler a test starts is alone with the nodes and
pods of that test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cluster import ControlPlane, Kubectl, running
from schedulers import Schedulers
from world import World, bare_world

from pyk8s.client import resources
from pyk8s.client.client import DeleteOptions

_namespaces = itertools.count(1)


@pytest.fixture(scope="session")
def bare_plane() -> Iterator[ControlPlane]:
    """Not that of the controllers' tests, which leave pods that wait for a node."""
    yield from running("--components=apiserver")


@pytest.fixture
async def bare(bare_plane: ControlPlane) -> AsyncIterator[World]:
    """A world of the test's own; its nodes and pods are gone afterwards."""
    async with bare_world(bare_plane, f"bare-{next(_namespaces)}") as world:
        yield world
        at_once = DeleteOptions(grace_period_seconds=0)
        await world.client.delete_collection(resources.PODS, world.namespace, at_once)


@pytest.fixture
def schedulers(bare_plane: ControlPlane, tmp_path: Path) -> Iterator[Schedulers]:
    started = Schedulers(bare_plane.kubeconfig, tmp_path)
    yield started
    started.kill_all()


@pytest.fixture
def kubectl(bare_plane: ControlPlane, bare: World, tmp_path: Path) -> Kubectl:
    return Kubectl(bare_plane.kubeconfig, tmp_path / "home", bare.namespace)

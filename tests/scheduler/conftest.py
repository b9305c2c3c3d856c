# SPDX-License-Identifier: Apache-2.0
"""An API server and nothing else, so that the scheduler a test starts is alone with the nodes and
pods of that test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cluster import ControlPlane, Kubectl
from schedulers import Schedulers
from world import World

from pyk8s.client import kubeconfig, resources, rest
from pyk8s.client.client import Client, DeleteOptions

_namespaces = itertools.count(1)


@pytest.fixture(scope="session")
def bare_plane() -> Iterator[ControlPlane]:
    plane = ControlPlane("--ephemeral", "--secure-port=0", "--components=apiserver")
    yield plane
    status, _ = plane.stop()
    assert status == 0


@pytest.fixture
async def bare(bare_plane: ControlPlane) -> AsyncIterator[World]:
    """A namespace of its own in it; its nodes and pods are gone afterwards."""
    connection = rest.RESTClient(kubeconfig.load(str(bare_plane.kubeconfig)), qps=0)
    world = World(Client(connection), f"bare-{next(_namespaces)}")
    await world.client.create(resources.NAMESPACES, {"metadata": {"name": world.namespace}})
    await world.create(resources.SERVICE_ACCOUNTS, {"metadata": {"name": "default"}})
    yield world
    await world.client.delete_collection(resources.NODES, "")
    at_once = DeleteOptions(grace_period_seconds=0)
    await world.client.delete_collection(resources.PODS, world.namespace, at_once)
    await connection.close()


@pytest.fixture
def schedulers(bare_plane: ControlPlane, tmp_path: Path) -> Iterator[Schedulers]:
    started = Schedulers(bare_plane.kubeconfig, tmp_path)
    yield started
    started.kill_all()


@pytest.fixture
def kubectl(bare_plane: ControlPlane, bare: World, tmp_path: Path) -> Kubectl:
    return Kubectl(bare_plane.kubeconfig, tmp_path / "home", bare.namespace)

# SPDX-License-Identifier: Apache-2.0
"""A running cluster with its controllers, seen through the client."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
from cluster import ControlPlane, running
from world import World, bare_world

from pyk8s.client import kubeconfig, resources, rest
from pyk8s.client.client import Client

_namespaces = itertools.count(1)


@pytest.fixture(scope="session")
def nodeless_plane() -> Iterator[ControlPlane]:
    """Controllers without nodes and scheduler, for tests that say themselves what runs."""
    plane = ControlPlane(
        "--ephemeral", "--secure-port=0", "--components=apiserver,controller-manager"
    )
    yield plane
    log = plane.kubeconfig.with_name("controller-manager.log").read_text()
    assert "CacheMutated" not in log
    assert plane.stop()[0] == 0


@pytest.fixture
def nodeless() -> None:
    """Asked for by tests that say themselves what becomes of Pods, as `kubelet` is."""


@pytest.fixture
def plane(request: pytest.FixtureRequest) -> ControlPlane:
    """A whole cluster, or one without nodes for a test that stands in for them."""
    stands_in = {"kubelet", "nodeless"} & {*request.fixturenames}
    found: ControlPlane = request.getfixturevalue("nodeless_plane" if stands_in else "cluster")
    return found


@pytest.fixture
async def client(plane: ControlPlane) -> AsyncIterator[Client]:
    connection = rest.RESTClient(kubeconfig.load(str(plane.kubeconfig)), qps=0)
    yield Client(connection)
    await connection.close()


@pytest.fixture
async def world(client: Client) -> World:
    """A namespace of its own in a world that controllers keep."""
    name = f"world-{next(_namespaces)}"
    await client.create(resources.NAMESPACES, {"metadata": {"name": name}})
    return World(client, name)


@pytest.fixture(scope="session")
def quiet_plane() -> Iterator[ControlPlane]:
    """An API server and nothing else."""
    yield from running("--components=apiserver")


@pytest.fixture
async def quiet(quiet_plane: ControlPlane) -> AsyncIterator[World]:
    """A world in which the one controller a test runs is alone with the nodes of that test."""
    async with bare_world(quiet_plane, f"quiet-{next(_namespaces)}") as world:
        yield world

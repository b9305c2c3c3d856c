# SPDX-License-Identifier: Apache-2.0
"""A running cluster with its controllers, seen through the client."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
from cluster import ControlPlane
from world import World

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
    """An API server and nothing else, so that the one controller a test runs is alone with the
    nodes of that test."""
    plane = ControlPlane("--ephemeral", "--secure-port=0", "--components=apiserver")
    yield plane
    status, _ = plane.stop()
    assert status == 0


@pytest.fixture
async def quiet(quiet_plane: ControlPlane) -> AsyncIterator[World]:
    """A namespace of its own in it; the nodes that the test made are gone afterwards."""
    connection = rest.RESTClient(kubeconfig.load(str(quiet_plane.kubeconfig)), qps=0)
    world = World(Client(connection), f"quiet-{next(_namespaces)}")
    await world.client.create(resources.NAMESPACES, {"metadata": {"name": world.namespace}})
    await world.create(resources.SERVICE_ACCOUNTS, {"metadata": {"name": "default"}})
    yield world
    await world.client.delete_collection(resources.NODES, "")
    await connection.close()

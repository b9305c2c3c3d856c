# SPDX-License-Identifier: Apache-2.0
"""A running cluster with its controllers, seen through the client; the informers of the tests'
own process detect whoever changes what is shared."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from cluster import ControlPlane
from world import World

from pyk8s.client import kubeconfig, resources, rest
from pyk8s.client.client import Client

_namespaces = itertools.count(1)


@pytest.fixture
async def client(cluster: ControlPlane) -> AsyncIterator[Client]:
    connection = rest.RESTClient(kubeconfig.load(str(cluster.kubeconfig)), qps=0)
    yield Client(connection)
    await connection.close()


@pytest.fixture
async def world(client: Client) -> World:
    """A namespace of its own in a world that controllers keep."""
    name = f"world-{next(_namespaces)}"
    await client.create(resources.NAMESPACES, {"metadata": {"name": name}})
    return World(client, name)

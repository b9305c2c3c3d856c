# SPDX-License-Identifier: Apache-2.0
"""The official Python client, pointed at the running control plane."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import kubernetes
import kubernetes.aio.client
import kubernetes.aio.config
import pytest
import pytest_asyncio
from cluster import ControlPlane
from kubernetes.client import ApiClient
from official import close, new_client


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[ApiClient]:
    """The synchronous client."""
    client = new_client(control_plane)
    yield client
    close(client)


@pytest_asyncio.fixture
async def aio(control_plane: ControlPlane) -> AsyncIterator[kubernetes.aio.client.ApiClient]:
    """The asynchronous client."""
    config = kubernetes.aio.client.Configuration()
    path = str(control_plane.kubeconfig)
    await kubernetes.aio.config.load_kube_config(config_file=path, client_configuration=config)
    async with kubernetes.aio.client.ApiClient(config) as client:
        yield client

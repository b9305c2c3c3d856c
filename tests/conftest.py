# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests: one real etcd for the session, and ways to talk to the control plane,
with a prefix or a namespace of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from cluster import ControlPlane, Http, Kubectl

from pyk8s.server import etcd_process
from pyk8s.storage.interface import EtcdOptions


@pytest_asyncio.fixture(scope="session")
async def etcd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of an etcd that nobody else uses."""
    options = etcd_process.Options(data_dir=tmp_path_factory.mktemp("etcd"), ephemeral=True)
    process = etcd_process.EtcdProcess(options)
    await process.start()
    await process.wait_until_healthy()
    yield process.url
    await process.stop()


_prefixes = itertools.count(1)


@pytest.fixture
def etcd_options(etcd: str) -> EtcdOptions:
    """A prefix that no other test uses; no compaction but the test's own."""
    prefix = f"/test-{next(_prefixes)}"
    return EtcdOptions(servers=(etcd,), prefix=prefix, compaction_interval_seconds=0)


# --- a running control plane


@pytest.fixture(scope="session")
def session_http(control_plane: ControlPlane) -> Iterator[Http]:
    http = Http(control_plane.access)
    yield http
    http.close()


@pytest.fixture
def http(control_plane: ControlPlane) -> Iterator[Http]:
    """A connection of its own, so that a test that breaks it breaks no other."""
    connection = Http(control_plane.access)
    yield connection
    connection.close()


_namespaces = itertools.count(1)


@pytest.fixture
def namespace(session_http: Http) -> str:
    """A namespace that no other test uses."""
    name = f"test-{next(_namespaces)}"
    metadata = {"metadata": {"name": name}}
    session_http.create("/api/v1/namespaces", metadata)
    return name


@pytest.fixture(scope="session")
def session_kubectl(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """Its home, with the discovery cache in it, serves the whole session."""
    return Kubectl(control_plane.kubeconfig, tmp_path_factory.mktemp("home"))


@pytest.fixture
def kubectl(session_kubectl: Kubectl, namespace: str) -> Kubectl:
    """kubectl in a namespace of its own."""
    return session_kubectl.in_namespace(namespace)

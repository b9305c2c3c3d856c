# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the server that is looked at, and a namespace of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Kubectl

from conformance import behaviours
from conformance.client import Client

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", type=Path, help="the cluster to test, instead of a new one")
    parser.addoption("--slow", action="store_true", help="run also what waits for minutes")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "minutes: waits for minutes, though its name is not [Slow]")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    own = [item for item in items if HERE in item.path.parents]
    try:
        behaviours.by_name(item.function for item in own if isinstance(item, pytest.Function))
    except behaviours.BehaviourError as error:
        raise pytest.UsageError(str(error)) from None
    if not config.getoption("--slow"):
        items[:] = [item for item in items if item not in own or not _is_slow(item)]


def _is_slow(item: pytest.Item) -> bool:
    if item.get_closest_marker("minutes"):
        return True
    return isinstance(item, pytest.Function) and "[Slow]" in behaviours.name_of(item.function)


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    given: Path | None = request.config.getoption("--kubeconfig")
    if given:
        return given.absolute()
    started: Path = request.getfixturevalue("cluster").kubeconfig
    return started


@pytest.fixture(scope="session")
def client(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(kubeconfig, tmp_path_factory.mktemp("discovery") / "cache")
    yield client
    client.close()


@pytest.fixture
def namespace(client: Client) -> Iterator[str]:
    """A namespace that no other test uses."""
    namespaces = client.resource("v1", "namespaces")
    made = namespaces.create({"metadata": {"generateName": "conformance-"}})
    name = made["metadata"]["name"]
    yield name
    namespaces.delete(name)


@pytest.fixture(scope="session")
def session_kubectl(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(kubeconfig, tmp_path_factory.mktemp("home"))


@pytest.fixture
def kubectl(session_kubectl: Kubectl, namespace: str) -> Kubectl:
    return session_kubectl.in_namespace(namespace)

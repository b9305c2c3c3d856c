# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests: one real etcd for the session, and a prefix of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

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

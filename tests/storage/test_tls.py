# SPDX-License-Identifier: Apache-2.0
"""An etcd that is reached over TCP and TLS, with client certificates."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pyk8s.server import certificates, etcd_process
from pyk8s.storage import cacher, errors
from pyk8s.storage.interface import EtcdOptions


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest_asyncio.fixture(scope="module")
async def secure_etcd(tmp_path_factory) -> AsyncIterator[EtcdOptions]:
    """An etcd that demands a client certificate, and how to reach it."""
    directory = tmp_path_factory.mktemp("tls")
    files = certificates.ensure(directory / "pki", ["127.0.0.1", "localhost"])
    client, peer = (f"{scheme}://127.0.0.1:{free_port()}" for scheme in ("https", "http"))
    process = await asyncio.create_subprocess_exec(
        etcd_process.find_binary(),
        f"--data-dir={directory / 'data'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={files.serving_cert}",
        f"--key-file={files.serving_key}",
        f"--trusted-ca-file={files.ca_cert}",
        "--client-cert-auth",
        "--unsafe-no-fsync",
        "--log-level=error",
    )
    yield EtcdOptions(
        servers=(client,),
        ca_file=str(files.ca_cert),
        cert_file=str(files.admin_cert),
        key_file=str(files.admin_key),
        compaction_interval_seconds=0,
    )
    process.terminate()
    await process.wait()


async def started(options):
    backend = cacher.open(options)
    async with asyncio.timeout(10):
        while True:
            try:
                await backend.start()
            except errors.Unavailable:
                await asyncio.sleep(0.02)
            else:
                return backend


async def test_storage_over_tls(secure_etcd, cached_pods):
    """Reads, writes and watches work over https with a client certificate."""
    backend = await started(secure_etcd)
    pods = type(cached_pods)(backend, secure_etcd.prefix)
    watch = await pods.watch(version="")
    item = await pods.create("a", annotations={"x": "y" * 100_000})
    assert (await pods.get("a")).data == item.data
    assert await watch.seen(1) == [("ADDED", "a")]
    watch.close()
    await backend.stop()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"cert_file": "", "key_file": ""}, id="no-client-certificate"),
        pytest.param({"ca_file": ""}, id="unknown-authority"),
    ],
)
async def test_a_handshake_that_fails_is_unavailable(secure_etcd, wrong):
    """What TLS refuses is told as Unavailable, not as a crash or a hang."""
    await (await started(secure_etcd)).stop()
    backend = cacher.open(dataclasses.replace(secure_etcd, **wrong))
    async with asyncio.timeout(10):
        with pytest.raises(errors.Unavailable):
            await backend.start()
    await backend.stop()

# SPDX-License-Identifier: Apache-2.0
"""The embedded etcd, as a real process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pyk8s.server import etcd_process
from pyk8s.server.etcd_process import EtcdProcess

# Starts etcd, says its pid and address, and waits to be killed.
PARENT = """
import asyncio, sys
from pathlib import Path
from pyk8s.server import etcd_process

async def main():
    options = etcd_process.Options(data_dir=Path(sys.argv[1]), ephemeral=True)
    process = etcd_process.EtcdProcess(options)
    await process.start()
    await process.wait_until_healthy()
    print(process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def start(tmp_path: Path) -> Callable[..., Awaitable[EtcdProcess]]:
    started = []

    async def start(directory: Path = tmp_path / "etcd") -> EtcdProcess:
        process = EtcdProcess(etcd_process.Options(data_dir=directory, ephemeral=True))
        started.append(process)
        await process.start()
        return process

    yield start
    for process in started:
        await process.stop()


async def test_start_and_stop(start, tmp_path: Path) -> None:
    """It answers, ends when told to, and its socket is nobody else's."""
    process = await start()
    await process.wait_until_healthy()
    assert (tmp_path / "etcd" / "socket").stat().st_mode & 0o077 == 0
    await process.stop()
    assert not await etcd_process.is_healthy(process.url)


async def test_start_again(start) -> None:
    """After its end it starts from the same directory."""
    process = await start()
    await process.wait_until_healthy()
    os.kill(process.pid, signal.SIGKILL)
    assert (await process.wait()).startswith("status -9")
    await process.start()
    await process.wait_until_healthy()


async def test_long_paths(start, tmp_path: Path) -> None:
    """A data directory too deep for a socket's name serves all the same, and leaves nothing."""
    process = await start(tmp_path / ("x" * 100) / "etcd")
    await process.wait_until_healthy()
    sockets = Path(process.url.removeprefix("unix://")).parent
    assert os.listdir(sockets)
    await process.stop()
    with pytest.raises(FileNotFoundError):
        os.listdir(sockets)


async def test_etcd_that_ends_at_once(start, tmp_path: Path) -> None:
    """Why it did stands in the message."""
    (tmp_path / "etcd").mkdir()
    (tmp_path / "etcd" / "member").write_text("in the way")
    process = await start()
    with pytest.raises(etcd_process.EtcdError, match=r"status 1: failed to .*directory"):
        await process.wait_until_healthy()


async def test_unusable_directory(start, tmp_path: Path) -> None:
    """A directory that cannot be made is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(etcd_process.EtcdError, match=r"cannot start etcd: .*file"):
        await start(tmp_path / "file" / "etcd")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of the end")
def test_ends_with_its_parent(tmp_path: Path) -> None:
    """Also when the parent gets SIGKILL and cannot stop it."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        ended = os.pidfd_open(pid)
        parent.kill()
    # A pidfd becomes readable when its process ends.
    assert select.select([ended], [], [], 5)[0]
    os.close(ended)

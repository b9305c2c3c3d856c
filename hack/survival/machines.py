# SPDX-License-Identifier: Apache-2.0
"""The processes that get hurt: etcd members and API servers, on loopback ports of their own.

    Etcd         one or three members; each can be killed, stopped in its tracks, started again
    ApiServer    one `pyk8s apiserver`
    World        all of them under one directory; whatever happens, none is left behind

Every child ends with this process, and only what was started here is ever sent a signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from hack.survival import wire
from pyk8s.server import certificates, etcd_process, parent_death

READY_SECONDS_MAX = 40.0
_POLL_SECONDS = 0.02
SELF_CHECK = "PYK8S_SELF_CHECK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A child that is started, hurt, and started again."""

    def __init__(
        self, name: str, command: Sequence[str], log_file: Path, *, checks_itself: bool = True
    ) -> None:
        self.name = name
        self._environment = {SELF_CHECK: str(int(checks_itself))}
        self._command = command
        self.log_file = log_file
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        environment = {**os.environ, **self._environment}
        with self.log_file.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *parent_death.launch_command(list(self._command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    @property
    def exit_status(self) -> int | None:
        return self._child.returncode if self._child is not None else None

    async def kill(self) -> None:
        """SIGKILL, and gone when this returns."""
        if self.is_running:
            self.signal(signal.SIGKILL)
            assert self._child is not None
            await self._child.wait()

    async def terminate(self) -> None:
        if self.is_running:
            assert self._child is not None
            self.signal(signal.SIGCONT)
            self._child.terminate()
            try:
                await asyncio.wait_for(self._child.wait(), 5)
            except TimeoutError:
                await self.kill()

    def signal(self, number: int) -> None:
        assert self._child is not None
        self._child.send_signal(number)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


class Etcd:
    """A cluster of etcd members, each reached over TCP."""

    def __init__(self, directory: Path, size: int, flags: Sequence[str] = ()) -> None:
        peers = [f"http://127.0.0.1:{free_port()}" for _ in range(size)]
        self.urls = [f"http://127.0.0.1:{free_port()}" for _ in range(size)]
        cluster = ",".join(f"m{n}={peer}" for n, peer in enumerate(peers))
        self.members = [
            Process(
                f"etcd {n}",
                [
                    etcd_process.find_binary(),
                    f"--name=m{n}",
                    f"--data-dir={directory}/etcd-{n}",
                    f"--listen-client-urls={self.urls[n]}",
                    f"--advertise-client-urls={self.urls[n]}",
                    f"--listen-peer-urls={peers[n]}",
                    f"--initial-advertise-peer-urls={peers[n]}",
                    f"--initial-cluster={cluster}",
                    "--heartbeat-interval=50",
                    "--election-timeout=500",
                    "--log-level=warn",
                    "--unsafe-no-fsync",
                    *flags,
                ],
                directory / f"etcd-{n}.log",
            )
            for n in range(size)
        ]

    async def start(self) -> None:
        for member in self.members:
            await member.start()
        for number in range(len(self.members)):
            await self.until_healthy(number)

    async def until_healthy(self, number: int) -> None:
        await until_ok(f"{self.urls[number]}/health", self.members[number])

    async def leader(self) -> int | None:
        """Which member leads, None while none does."""
        for number, member in enumerate(self.members):
            if member.is_running:
                with contextlib.suppress(OSError, ValueError):
                    status = await gateway(self.urls[number], "maintenance/status", {})
                    if status["leader"] == status["header"]["member_id"]:
                        return number
        return None


class ApiServer(Process):
    """One `pyk8s apiserver` on a port that stays its own."""

    def __init__(
        self, world: World, name: str, etcd_urls: Sequence[str], flags: Sequence[str] = ()
    ) -> None:
        self.port = free_port()
        files = world.certificates
        command = [
            sys.executable, "-m", "pyk8s", "apiserver",
            f"--etcd-servers={','.join(etcd_urls)}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={files.serving_cert}",
            f"--tls-private-key-file={files.serving_key}",
            f"--client-ca-file={files.ca_cert}",
            *flags,
        ]  # fmt: skip
        log_file = world.directory / f"{name}.log"
        super().__init__(name, command, log_file, checks_itself=world.checks_itself)
        self.server = wire.Server("127.0.0.1", self.port, world.admin)

    async def until_ready(self) -> None:
        deadline = asyncio.get_running_loop().time() + READY_SECONDS_MAX
        while not await is_ready(self.server):
            if not self.is_running or asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"{self.name} is not ready: {self.log()[-2000:]}")
            await asyncio.sleep(_POLL_SECONDS)


async def is_ready(server: wire.Server) -> bool:
    try:
        connection = await wire.Connection.open(server, 5)
    except wire.Broken:
        return False
    try:
        answer = await connection.request("GET", "/readyz", seconds=5)
    except wire.Broken:
        return False
    finally:
        connection.close()
    return answer.status == 200


class World:
    """One etcd cluster and the API servers on it, in a directory; entered and left once."""

    def __init__(self, directory: Path, *, checks_itself: bool = True) -> None:
        self.checks_itself = checks_itself
        self.directory = directory
        self.certificates = certificates.ensure(directory / "pki", ("localhost", "127.0.0.1"))
        self.admin = _admin(self.certificates)
        self.etcd: Etcd | None = None
        self.processes: list[Process] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        """Ends everything that was started, with the block."""
        try:
            yield self
        finally:
            for process in reversed(self.processes):
                await process.terminate()

    async def start_etcd(self, size: int = 1, flags: Sequence[str] = ()) -> Etcd:
        self.etcd = Etcd(self.directory, size, flags)
        self.processes += self.etcd.members
        await self.etcd.start()
        return self.etcd

    async def start_api_server(self, name: str, flags: Sequence[str] = ()) -> ApiServer:
        """Raises AssertionError when it does not come up."""
        assert self.etcd is not None
        # Each begins with another member.
        number = sum(isinstance(process, ApiServer) for process in self.processes)
        turn = number % len(self.etcd.urls)
        urls = self.etcd.urls[turn:] + self.etcd.urls[:turn]
        server = ApiServer(self, name, urls, flags)
        self.processes.append(server)
        await server.start()
        await server.until_ready()
        return server

    async def start_workers(self, workers: int) -> tuple[Process, wire.Server]:
        """`pyk8s up --workers N` on the cluster: the process, and the port they share."""
        assert self.etcd is not None
        port = free_port()
        command = [
            sys.executable, "-m", "pyk8s", "up", f"--data-dir={self.directory}/up",
            f"--secure-port={port}", f"--workers={workers}", "--components=apiserver",
            f"--etcd-servers={','.join(self.etcd.urls)}",
        ]  # fmt: skip
        process = Process("up", command, self.directory / "up.log")
        self.processes.append(process)
        await process.start()
        promised = 0.0
        while "export KUBECONFIG=" not in process.log():
            promised += _POLL_SECONDS
            assert process.is_running, process.log()
            assert promised < READY_SECONDS_MAX, process.log()
            await asyncio.sleep(_POLL_SECONDS)
        files = certificates.files_under(self.directory / "up" / "pki")
        return process, wire.Server("127.0.0.1", port, _admin(files))


def children_of(pid: int) -> list[int]:
    """The processes that a process started and that still run (Linux)."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in listed.split()]


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def until_ok(url: str, process: Process, seconds_max: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds_max
    while not await asyncio.to_thread(_is_ok, url):
        if not process.is_running or asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{process.name} is not healthy: {process.log()[-2000:]}")
        await asyncio.sleep(_POLL_SECONDS)


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def gateway(url: str, method: str, request: dict[str, Any]) -> Any:
    """A call of etcd by its JSON gateway. Raises OSError, also for etcd's own errors."""
    return await asyncio.to_thread(_gateway, url, method, request)


def _gateway(url: str, method: str, request: dict[str, Any]) -> Any:
    import json

    body = json.dumps(request).encode()
    call = urllib.request.Request(f"{url}/v3/{method}", body, method="POST")
    try:
        with urllib.request.urlopen(call, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        error.close()
        raise OSError(f"etcd: {text}") from error


def _admin(files: certificates.Files) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=str(files.ca_cert))
    tls.load_cert_chain(str(files.admin_cert), str(files.admin_key))
    tls.check_hostname = False
    return tls

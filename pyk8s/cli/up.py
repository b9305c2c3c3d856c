# SPDX-License-Identifier: Apache-2.0
"""`pyk8s up`: a control plane from nothing, in a second or two.

    data directory, sockets -> etcd ---------------------.
                            -> certificates -> apiserver -> /readyz -> `export KUBECONFIG=...`
                                                                    -> controller-manager, node

What the operator reads goes to stderr; stdout carries that one line, for `eval` and for scripts.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import ssl
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyk8s.cli import apiserver, data_dir, kubeconfig, readiness, supervisor
from pyk8s.cli.flags import UsageError
from pyk8s.cli.supervisor import Component, GaveUp, Supervised, keep_running
from pyk8s.cli.up_components import CLIENT_COMPONENTS, unserved_plugins
from pyk8s.cli.up_options import PROGRAM, UpOptions, parse
from pyk8s.server import certificates, etcd_process, listener

READY_SECONDS_MAX = 30.0
READY_POLL_SECONDS = 0.02

# What an operator can put right: one line says more than a traceback.
_OPERATOR_ERRORS = (
    UsageError,
    GaveUp,
    data_dir.DataDirError,
    kubeconfig.KubeconfigError,
    certificates.CertificateError,
    etcd_process.EtcdError,
    listener.ListenError,
)


class NotReady(Exception):
    """Something ended or stayed silent before everything was up; one line for the operator."""


def main(arguments: list[str]) -> int:
    """The exit status: 0 after SIGINT, SIGTERM or SIGHUP, 1 with one line on stderr otherwise."""
    try:
        options = parse(arguments)
        return asyncio.run(ControlPlane(options).run())
    except (*_OPERATOR_ERRORS, NotReady) as error:
        say(str(error))
        return 1


def say(text: str) -> None:
    print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


@dataclass(slots=True)
class ControlPlane:
    """Everything `up` has started, and the order in which it goes."""

    options: UpOptions
    etcd: etcd_process.EtcdProcess | None = None
    workers: list[Component] = field(default_factory=list)
    clients: list[Component] = field(default_factory=list)
    listeners: list[socket.socket] = field(default_factory=list)

    async def run(self) -> int:
        """Returns when a signal asked for it. Raises what main reports."""
        started = asyncio.get_running_loop().time()
        stopping = asyncio.ensure_future(_signal())
        directory = self._open_data_dir()
        try:
            serving = asyncio.ensure_future(self._serve(directory.path, started))
            await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            serving.cancel()
            await asyncio.wait({serving})
        finally:
            stopping.cancel()
            await self._stop()
            directory.close()
        return 0

    def _open_data_dir(self) -> data_dir.DataDir:
        if self.options.ephemeral:
            return data_dir.open_ephemeral()
        return data_dir.open_data_dir(self.options.data_dir)

    async def _serve(self, directory: Path, started: float) -> None:
        config = _kubeconfig_path(self.options, directory)
        kubeconfig.check_writable(config)
        self._listen()
        await self._start_etcd(directory)
        files = certificates.ensure(directory / "pki", self._names())
        await self._start_workers(directory, files)
        kubeconfig.write(config, _admin(self._url(), files))
        await self._within(self._ready(files), self.workers[0])
        await self._start_clients(directory, files)
        took = asyncio.get_running_loop().time() - started
        say(f"ready after {took:.1f} s, serving {self._url()}, data in {directory}")
        print(f"export KUBECONFIG={shlex.quote(str(config))}", flush=True)
        await _first_of([keep_running(process, say) for process in self._processes()])

    def _listen(self) -> None:
        """Bound before anything is started, so that a taken port is known at once, and kept
        open while a worker is started again."""
        port = self.options.secure_port
        share = self.options.workers > 1
        for _ in range(self.options.workers):
            bound = listener.listen(self.options.bind_address, port, reuse_port=share)
            self.listeners.append(bound)
            port = bound.getsockname()[1]

    async def _start_etcd(self, directory: Path) -> None:
        if self.options.etcd_servers:
            return
        options = etcd_process.Options(
            data_dir=directory / "etcd", ephemeral=self.options.ephemeral
        )
        self.etcd = etcd_process.EtcdProcess(options)
        await self.etcd.start()

    async def _start_workers(self, directory: Path, files: certificates.Files) -> None:
        for number, bound in enumerate(self.listeners):
            worker = Component(
                name="apiserver" if len(self.listeners) == 1 else f"apiserver {number}",
                command=(sys.executable, "-m", "pyk8s", "apiserver", *self._flags(files)),
                log_file=directory / f"apiserver-{number}.log",
                environment={
                    apiserver.LISTEN_FD: str(bound.fileno()),
                    supervisor.PARENT_PID: str(os.getpid()),
                    apiserver.WORKER: str(number),
                },
                inherited=(bound.fileno(),),
                ready_variable=supervisor.READY_FD,
            )
            worker.log_file.unlink(missing_ok=True)
            self.workers.append(worker)
            await worker.start()

    async def _start_clients(self, directory: Path, files: certificates.Files) -> None:
        """What lives on the API server, beside those who use it already; returns once those that
        are waited for say that they are ready."""
        for name, kind in CLIENT_COMPONENTS.items():
            if name not in self.options.components:
                continue
            config = directory / f"{name}.conf"
            kubeconfig.write(config, _admin(self._url(), files))
            client = Component(
                name=name,
                command=(
                    *(sys.executable, "-m", "pyk8s", name, f"--kubeconfig={config}"),
                    *kind.flags(self.options, files),
                ),
                log_file=directory / f"{name}.log",
                environment={
                    supervisor.PARENT_PID: str(os.getpid()),
                    # Where a scheduler with a configuration file looks, which goes by that alone.
                    "KUBECONFIG": str(config),
                },
                ready_variable=supervisor.READY_FD,
            )
            client.log_file.unlink(missing_ok=True)
            self.clients.append(client)
            await client.start()
        for client in self.clients:
            kind = CLIENT_COMPONENTS[client.name]
            if kind.is_waited_for and not await client.wait_until_ready():
                await _expect_no_end(client)
            if kind.makes:
                await self._within(self._shown(kind.makes, files), client)

    def _flags(self, files: certificates.Files) -> list[str]:
        servers = self.options.etcd_servers or ((self.etcd.url,) if self.etcd else ())
        named = {
            "--etcd-servers": ",".join(servers),
            "--bind-address": self.options.bind_address,
            "--secure-port": self._port(),
            "--tls-cert-file": files.serving_cert,
            "--tls-private-key-file": files.serving_key,
            "--client-ca-file": files.ca_cert,
            "--token-auth-file": self.options.token_auth_file,
            "--enable-bootstrap-token-auth": "true",
            "--service-cluster-ip-range": self.options.ranges.service_cluster_ip_range,
            "--service-account-key-file": files.service_account_public_key,
            "--service-account-signing-key-file": files.service_account_key,
            "--requestheader-client-ca-file": files.front_proxy_ca_cert,
            "--requestheader-allowed-names": certificates.FRONT_PROXY_CLIENT,
            "--requestheader-username-headers": "X-Remote-User",
            "--requestheader-uid-headers": "X-Remote-Uid",
            "--requestheader-group-headers": "X-Remote-Group",
            "--requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "--proxy-client-cert-file": files.front_proxy_client_cert,
            "--proxy-client-key-file": files.front_proxy_client_key,
            "--kubelet-client-certificate": files.kubelet_client_cert,
            "--kubelet-client-key": files.kubelet_client_key,
            # Names of simulated nodes are in no DNS.
            "--kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
            "--disable-admission-plugins": ",".join(unserved_plugins(self.options.components)),
        }
        return [f"{flag}={value}" for flag, value in named.items() if value]

    async def _within(self, becomes_ready: Coroutine[Any, Any, None], which: Component) -> None:
        """Raises NotReady as soon as it cannot come true any more."""
        ends = [_expect_no_end(process) for process in self._processes()]
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                await _first_of([becomes_ready, *ends])
        except TimeoutError:
            raise NotReady(
                f"not ready after {READY_SECONDS_MAX:g} s; the log of {which.name} ends with: "
                f"{_last_line(which.log_file)}"
            ) from None

    async def _ready(self, files: certificates.Files) -> None:
        for worker in self.workers:
            if not await worker.wait_until_ready():
                await _expect_no_end(worker)
        await self._until_answered(ssl.create_default_context(cafile=files.ca_cert), "/readyz")

    async def _shown(self, path: str, files: certificates.Files) -> None:
        """To the admin."""
        tls = ssl.create_default_context(cafile=files.ca_cert)
        tls.load_cert_chain(files.admin_cert, files.admin_key)
        await self._until_answered(tls, path)

    async def _until_answered(self, tls: ssl.SSLContext, path: str) -> None:
        address = (self._host(), self._port())
        while not await readiness.answers_ok(address, tls, path):  # noqa: ASYNC110 (no event crosses TLS)
            await asyncio.sleep(READY_POLL_SECONDS)

    async def _stop(self) -> None:
        """Watches' clients first, what they rest on last."""
        for bound in self.listeners:
            bound.close()
        if self.clients:
            await asyncio.gather(*(client.stop() for client in self.clients))
        if self.workers:
            await asyncio.gather(*(worker.stop() for worker in self.workers))
        if self.etcd is not None:
            await self.etcd.stop()

    def _processes(self) -> list[Supervised]:
        return [*([self.etcd] if self.etcd is not None else []), *self.workers, *self.clients]

    def _names(self) -> tuple[str, ...]:
        address = self.options.bind_address
        service_range = self.options.ranges.service_cluster_ip_range
        return certificates.serving_names(address, service_range)

    def _port(self) -> int:
        port: int = self.listeners[0].getsockname()[1]
        return port

    def _host(self) -> str:
        """Where this machine reaches the server."""
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        return loopback.get(self.options.bind_address, self.options.bind_address)

    def _url(self) -> str:
        host = self._host()
        return (
            f"https://[{host}]:{self._port()}" if ":" in host else f"https://{host}:{self._port()}"
        )


async def _first_of(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all until one ends; raises what it raised. None of them outlives the call."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _expect_no_end(process: Supervised) -> None:
    how = await process.wait()
    # A component that stopped over something an operator can put right has said what it was.
    _, ours, message = how.partition(f"{apiserver.PROGRAM}: ")
    raise NotReady(message if ours else f"{process.name} ended with {how}")


def _kubeconfig_path(options: UpOptions, directory: Path) -> Path:
    return Path(options.kubeconfig or directory / "kubeconfig").absolute()


def _admin(url: str, files: certificates.Files) -> kubeconfig.Admin:
    return kubeconfig.Admin(
        server=url,
        ca=files.ca_cert.read_bytes(),
        certificate=files.admin_cert.read_bytes(),
        key=files.admin_key.read_bytes(),
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"


async def _signal() -> None:
    """Returns with the first signal to stop; the second ends everything at once, children too,
    for they end with this process."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            os._exit(1)
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    await asked.wait()

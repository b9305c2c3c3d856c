# SPDX-License-Identifier: Apache-2.0
"""`pyk8s up` as an operator meets it: a real process, its children, its ends."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import select
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

COMPONENTS = ("controller-manager", "scheduler", "node", "metrics-server", "apiserver")


class Up:
    """A running `pyk8s up`."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pyk8s", "up", *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.kubeconfig = ""

    @property
    def said(self) -> str:
        return self._log.read_text()

    def until_ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert re.fullmatch(r"export KUBECONFIG=.+\n", line), line + self.said
        self.kubeconfig = shlex.split(line)[1].partition("=")[2]

    def status_of(self, path: str) -> int:
        """What the admin's kubeconfig leads to."""
        config = yaml.safe_load(Path(self.kubeconfig).read_text())
        cluster = config["clusters"][0]["cluster"]
        tls = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
        with urllib.request.urlopen(cluster["server"] + path, context=tls, timeout=10) as answer:
            return int(answer.status)

    def children(self) -> dict[str, int]:
        """Pids by the name of the program."""
        found = {}
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in listing.split():
            # One may end while we look.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                words = command.decode().split("\0")
                found[next((n for n in COMPONENTS if n in words), "etcd")] = int(pid)
        return found

    def all_children(self) -> list[int]:
        """Their pids, once everything has been started."""
        deadline = time.monotonic() + 15
        while len(found := self.children()) < 1 + len(COMPONENTS):
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
        return [*found.values()]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        log = tmp_path / f"stderr-{len(started)}"
        started.append(Up([*arguments, "--secure-port=0"], log))
        return started[-1]

    yield start
    for running in started:
        with running.process:
            running.process.kill()


def wait_for_the_end(pid_descriptors: list[int]) -> None:
    for descriptor in pid_descriptors:
        # A pidfd becomes readable when its process ends.
        assert select.select([descriptor], [], [], 5)[0]
        os.close(descriptor)


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@linux_only
def test_from_start_to_end(up, tmp_path: Path) -> None:
    """Ready, reachable with what it wrote, gone within five seconds with status 0, and started
    again from the same directory with the same trust."""
    data = tmp_path / "data"
    for number in (signal.SIGTERM, signal.SIGINT):
        running = up(f"--data-dir={data}")
        running.until_ready()
        assert running.kubeconfig == str(data / "kubeconfig")
        assert running.status_of("/readyz") == 200
        children = [os.pidfd_open(pid) for pid in running.all_children()]
        begun = time.monotonic()
        assert running.end(number) == 0
        assert time.monotonic() - begun < 5
        wait_for_the_end(children)


@linux_only
def test_killed_supervisor_takes_everything_along(up) -> None:
    """Nothing survives SIGKILL, though nothing can be stopped in order."""
    running = up("--ephemeral")
    running.until_ready()
    children = [os.pidfd_open(pid) for pid in running.all_children()]
    data = Path(running.kubeconfig).parent
    running.end(signal.SIGKILL)
    wait_for_the_end(children)
    # What a killed process cannot remove any more.
    subprocess.run(["rm", "-rf", data], check=True)


@pytest.fixture(scope="module")
def robbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One whose children may be killed, each of them once; after all that it ends in order."""
    running = Up(["--ephemeral", "--secure-port=0"], tmp_path_factory.mktemp("robbed") / "stderr")
    with running.process:
        try:
            running.until_ready()
            yield running
            assert running.end(signal.SIGTERM) == 0
        finally:
            running.process.kill()


@linux_only
@pytest.mark.parametrize(
    "name", ["apiserver", "controller-manager", "scheduler", "node", "metrics-server", "etcd"]
)
def test_lost_child_is_started_again(robbed: Up, name: str) -> None:
    """It is said, and the address answers again."""
    running = robbed
    running.all_children()
    lost = running.children()[name]
    os.kill(lost, signal.SIGKILL)
    while running.children().get(name, lost) == lost:
        assert running.process.poll() is None
        time.sleep(0.01)
    deadline = time.monotonic() + 15
    while not _answers(running):
        assert time.monotonic() < deadline, running.said
        time.sleep(0.02)
    assert f"pyk8s up: {name} ended unexpectedly with status -9" in running.said


def _answers(running: Up) -> bool:
    try:
        return running.status_of("/readyz") == 200
    except OSError:
        return False


def test_ephemeral_leaves_nothing(up) -> None:
    """The directory is gone with the process."""
    running = up("--ephemeral")
    running.until_ready()
    data = Path(running.kubeconfig).parent
    assert data.is_dir()
    assert running.end(signal.SIGTERM) == 0
    assert not data.exists()


def test_takes_pods_once_it_is_ready(up) -> None:
    """The first command may be one that makes a Pod: the ServiceAccount it needs is there."""
    running = up("--ephemeral", "--components=controller-manager")
    running.until_ready()
    asked = ["get", "serviceaccount", "default", "--output=name"]
    answer = subprocess.run(
        ["kubectl", f"--kubeconfig={running.kubeconfig}", *asked],
        capture_output=True,
        text=True,
    )
    assert answer.stdout == "serviceaccount/default\n", answer.stderr


def test_workers_share_the_port(up) -> None:
    """Several processes answer on one address."""
    running = up("--ephemeral", "--workers=2", "--components=apiserver")
    running.until_ready()
    assert {running.status_of("/readyz") for _ in range(8)} == {200}
    assert running.end(signal.SIGTERM) == 0


def test_directory_in_use(up, tmp_path: Path) -> None:
    """A second one on the same directory says so and goes, the first stays."""
    data = tmp_path / "data"
    first = up(f"--data-dir={data}", "--components=apiserver")
    first.until_ready()
    second = up(f"--data-dir={data}")
    assert second.process.wait(10) == 1
    assert second.said.count("\n") == 1
    assert f"{data} is in use by another pyk8s (process {first.process.pid})" in second.said
    assert first.status_of("/readyz") == 200
    assert first.end(signal.SIGTERM) == 0


def test_taken_port(tmp_path: Path) -> None:
    """One line, exit status 1, and nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "pyk8s",
                "up",
                f"--secure-port={port}",
                f"--data-dir={tmp_path}",
            ],
            capture_output=True,
            text=True,
            timeout=20,
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"pyk8s up: cannot listen on 127.0.0.1 port {port}: Address already in use: "
        "stop who holds it, or choose another --secure-port\n"
    )
    assert not (tmp_path / "etcd").exists()


def test_fault_of_the_api_server_is_told(up, tmp_path: Path) -> None:
    """What it says before it ends is what the operator reads."""
    (tmp_path / "tokens.csv").write_text("just-one\n")
    running = up("--ephemeral", f"--token-auth-file={tmp_path / 'tokens.csv'}")
    assert running.process.wait(20) == 1
    assert running.said == (
        f"pyk8s up: token file '{tmp_path / 'tokens.csv'}' must have at least 3 columns "
        "(token, user name, user uid), found 1\n"
    )

# SPDX-License-Identifier: Apache-2.0
"""A running control plane for tests, started by the command a user types, and ways to talk to it.

    ControlPlane   the `pyk8s up` process: started, killed, stopped
    Kubectl        the real kubectl with a home of its own
    Http           requests as bytes, for what clients hide

The fixtures stand in conftest.py. Everything waits for what it waits for, with a bound.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import inspect
import json
import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import yaml

from pyk8s.storage.etcd.client import Client
from pyk8s.storage.etcd.keyspace import Keyspace, end_of
from pyk8s.storage.interface import EtcdOptions

# Far above what anything here takes, so that a test that fails does so in this time and with a
# word, and none fails on a slow machine.
SECONDS_MAX = 30.0
# The server keeps an idle connection for 90 seconds.
REUSE_SECONDS_MAX = 60.0
_POLL_SECONDS = 0.01

# Less than any server keeps a connection that nobody uses.
_IDLE_SECONDS_MAX = 30.0

_PROMISE = "export KUBECONFIG="

Object = dict[str, Any]


def wait_until(condition: Callable[[], Any], what: str, seconds_max: float = SECONDS_MAX) -> Any:
    """The first true answer of `condition`, asked again until then."""
    deadline = time.monotonic() + seconds_max
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what}: not so after {seconds_max:g} s"
        time.sleep(_POLL_SECONDS)
    return answer


async def eventually(
    condition: Callable[[], Any], what: str, seconds_max: float = SECONDS_MAX
) -> Any:
    """As wait_until, for a condition that comes true on the running event loop. It may be a
    coroutine function."""
    deadline = time.monotonic() + seconds_max
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not so after {seconds_max:g} s"
        await asyncio.sleep(_POLL_SECONDS)


class Lines:
    """The lines of a stream as they come, each awaited with a bound. A thread does the reading,
    for a pipe knows no timeout."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def next(self, seconds_max: float = SECONDS_MAX) -> str | None:
        """None at the end of the stream."""
        return self._lines.get(timeout=seconds_max)

    def until(self, wanted: Callable[[str], bool]) -> str:
        seen = []
        while (line := self.next()) is not None:
            if wanted(line):
                return line
            seen.append(line)
        raise AssertionError(f"the stream ended with {seen}")

    def join(self) -> None:
        self._thread.join(SECONDS_MAX)


class ControlPlane:
    """One `pyk8s up`. `started_seconds` is how long it took to its promise on stdout."""

    def __init__(self, *flags: str) -> None:
        command = [sys.executable, "-m", "pyk8s", "up", *flags]
        began = time.monotonic()
        # Its own group, so that a Ctrl-C at the terminal ends it through the fixture alone.
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYK8S_SELF_CHECK": "1"},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._errors = Lines(self.process.stderr)
        self._output = Lines(self.process.stdout)
        line = self._output.next()
        if line is None:
            raise AssertionError(f"pyk8s up ended: {self._errors.next()}")
        self.started_seconds = time.monotonic() - began
        assert line.startswith(_PROMISE), line
        self.kubeconfig = Path(line.removeprefix(_PROMISE))
        self.access = Access.from_kubeconfig(self.kubeconfig)

    def kill(self) -> None:
        """SIGKILL, and wait until what it started has ended too: the port is free again."""
        self.process.kill()
        self._reap()
        wait_until(lambda: not self._listens(), "the port is free")

    def stop(self) -> tuple[int, float]:
        """SIGTERM: the exit status, and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(SECONDS_MAX)
        took = time.monotonic() - began
        self._reap()
        return status, took

    def compact(self) -> None:
        """Make etcd forget all history before now; a server that is started afterwards has none."""
        asyncio.run(_compact(self._etcd()))

    async def keys(self, part: str) -> list[str]:
        """The keys in etcd that hold this part."""
        client = Client(EtcdOptions(servers=(self._etcd(),)))
        found = await Keyspace(client).range("/registry/", end_of("/registry/"))
        await client.close()
        return [key for each in found.key_values if part in (key := each.key)]

    def _etcd(self) -> str:
        (socket_file,) = self.kubeconfig.parent.glob("etcd/socket/*:2379")
        return f"unix://{socket_file}"

    def children(self) -> list[int]:
        """The processes it has started (Linux)."""
        own = self.process.pid
        listed = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [int(pid) for pid in listed]

    def server(self) -> int:
        """The API server among them; 0 while there is none."""
        for pid in self.children():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if b"\0apiserver\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return 0

    def open_files(self) -> int:
        """How many files and sockets the API server holds."""
        return len(list(Path(f"/proc/{self.server()}/fd").iterdir()))

    def restart_server(self, number: int = signal.SIGTERM) -> None:
        """End the API server alone; its supervisor starts another on the same socket."""
        before = self.server()
        os.kill(before, number)
        wait_until(lambda: self.server() not in (0, before), "another server runs")

    def _reap(self) -> None:
        self.process.wait(SECONDS_MAX)
        self._output.join()
        self._errors.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _listens(self) -> bool:
        try:
            with socket.create_connection((self.access.host, self.access.port), timeout=1):
                return True
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Access:
    """Where a server is, and how to be its admin."""

    url: str
    tls: ssl.SSLContext
    anonymous_tls: ssl.SSLContext

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    @staticmethod
    def from_kubeconfig(path: Path) -> Access:
        config = yaml.safe_load(path.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        admin = ssl.create_default_context(cadata=ca)
        pair = path.with_name("pair.pem")
        pair.write_bytes(
            base64.b64decode(user["client-certificate-data"])
            + base64.b64decode(user["client-key-data"])
        )
        admin.load_cert_chain(pair)
        pair.unlink()
        return Access(cluster["server"], admin, ssl.create_default_context(cadata=ca))


# --- kubectl


@dataclass(frozen=True, slots=True)
class Result:
    stdout: str
    stderr: str
    status: int

    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    @property
    def words(self) -> list[list[str]]:
        """The cells of what was printed as columns."""
        return [line.split() for line in self.lines]


def running(*flags: str) -> Iterator[ControlPlane]:
    """For fixtures to yield from: one that keeps nothing, on a free port, and ends well."""
    plane = ControlPlane("--ephemeral", "--secure-port=0", *flags)
    yield plane
    status, _ = plane.stop()
    assert status == 0


class Kubectl:
    """kubectl in one namespace, with nothing of the user's own settings."""

    def __init__(self, kubeconfig: Path, home: Path, namespace: str = "default") -> None:
        self._kubeconfig = kubeconfig
        self._home = home
        self.namespace = namespace

    def in_namespace(self, namespace: str) -> Kubectl:
        return Kubectl(self._kubeconfig, self._home, namespace)

    @contextlib.contextmanager
    def in_own_namespace(self, test: str) -> Iterator[Kubectl]:
        """One that is called as the test, for the block."""
        made = self.in_namespace(test.replace("_", "-"))
        made("create", "namespace", made.namespace)
        yield made
        made("delete", "namespace", made.namespace, "--wait=false")

    def __call__(
        self,
        *arguments: str,
        stdin: str | Object | Sequence[Object] = "",
        status: int = 0,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run it to its end, which must come with this exit status. Objects go in as JSON."""
        done = subprocess.run(
            self._command(arguments),
            input=_documents(stdin),
            capture_output=True,
            text=True,
            env=self._environment(env),
            timeout=SECONDS_MAX,
            check=False,
        )
        result = Result(done.stdout, done.stderr, done.returncode)
        assert result.status == status, f"kubectl {' '.join(arguments)}: {result}"
        return result

    @contextlib.contextmanager
    def following(self, *arguments: str) -> Iterator[Lines]:
        """Run it beside the test, its output line by line; ended with the block."""
        process = subprocess.Popen(
            self._command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(None),
        )
        assert process.stdout is not None
        lines = Lines(process.stdout)
        try:
            yield lines
        finally:
            process.kill()
            process.wait(SECONDS_MAX)
            lines.join()
            process.stdout.close()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        program = shutil.which("kubectl")
        assert program, "kubectl must be on PATH: https://kubernetes.io/docs/tasks/tools/"
        return [program, f"--namespace={self.namespace}", *arguments]

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        own = {"HOME": str(self._home), "KUBECONFIG": str(self._kubeconfig)}
        return {"PATH": os.environ["PATH"], **own, **(more or {})}


def _documents(content: str | Object | Sequence[Object]) -> str:
    if isinstance(content, str):
        return content
    objects = [content] if isinstance(content, dict) else content
    return "\n".join(map(json.dumps, objects))


# --- HTTP


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


async def _compact(url: str) -> None:
    client = Client(EtcdOptions(servers=(url,)))
    keyspace = Keyspace(client)
    await keyspace.compact(await keyspace.revision())
    await client.close()


class Http:
    """The admin's requests over one connection, kept open from one to the next."""

    def __init__(self, access: Access, *, anonymous: bool = False) -> None:
        self._access = access
        self._tls = access.anonymous_tls if anonymous else access.tls
        self._connection = self._connect()
        self._used = time.monotonic()

    def _connect(self) -> http.client.HTTPSConnection:
        access = self._access
        return http.client.HTTPSConnection(
            access.host, access.port, context=self._tls, timeout=SECONDS_MAX
        )

    def close(self) -> None:
        self._connection.close()

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One request. A body that is no bytes goes out as JSON."""
        content, named = _content(body, headers)
        if time.monotonic() - self._used > REUSE_SECONDS_MAX:
            # The server closes what is idle for longer than this.
            self._connection.close()
        self._connection.request(method, path, content, named)
        answer = self._connection.getresponse()
        self._used = time.monotonic()
        return Response(answer.status, answer.headers, answer.read())

    def get(self, path: str, **headers: str) -> Response:
        """Header names with underscores for dashes."""
        return self("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def create(self, path: str, obj: Object) -> Object:
        answer = self("POST", path, obj)
        assert answer.status == 201, answer.body
        return answer.json()

    def patch(self, path: str, patch: object, kind: str = "merge-patch") -> Response:
        return self("PATCH", path, patch, {"Content-Type": f"application/{kind}+json"})

    @contextlib.contextmanager
    def watch(self, path: str, accept: str = "application/json") -> Iterator[Events]:
        """A watch on a connection of its own; the block begins when its headers are here."""
        connection = self._connect()
        try:
            connection.request("GET", path, headers={"Accept": accept})
            yield Events(connection.getresponse())
        finally:
            connection.close()


def _content(
    body: object, headers: Mapping[str, str] | None
) -> tuple[bytes | None, dict[str, str]]:
    named = dict(headers or {})
    if body is None:
        return None, named
    if isinstance(body, bytes):
        return body, named
    named.setdefault("Content-Type", "application/json")
    return json.dumps(body).encode(), named


class Events:
    """The events of one watch."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers

    def next(self) -> Object:
        line = self._answer.readline()
        assert line, "the watch has ended"
        event: Object = json.loads(line)
        return event

    def names(self, count: int) -> list[tuple[str, str]]:
        """The types and names of the next events."""
        events = [self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"]["name"]) for event in events]

    def rest(self) -> list[Object]:
        """What comes until the server ends the watch."""
        return [json.loads(line) for line in self._answer.read().splitlines()]

    def body(self) -> bytes:
        return self._answer.read()

    def broken(self) -> bool:
        """Whether the answer breaks off instead of ending; waits for either."""
        try:
            self._answer.read()
        except (http.client.IncompleteRead, ConnectionError, ssl.SSLError):
            return True
        return False

    def frame(self) -> bytes:
        """The next frame of a stream whose frames begin with four bytes of length."""
        size = int.from_bytes(self._answer.read(4), "big")
        return self._answer.read(size)

# SPDX-License-Identifier: Apache-2.0
"""A kubelet of the tests: it runs commands on this very machine, and speaks as a kubelet does.

    /containerLogs/…   the lines of a log
    /exec/…, /attach/… a process, over WebSocket (v4 and v5)
    /portForward/…     an echo, whatever protocol is asked for
    everything else    what was asked, as JSON

It knows no SPDY and no containers, and checks no credentials.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import http.server
import ipaddress
import json
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_BINARY, _HANG_UP, _PING, _PONG = 2, 8, 9, 10


class WebSocket:
    """A server's end: whole messages, binary ones out."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def receive(self) -> bytes | None:
        """The next message; None at the end."""
        message = b""
        while True:
            head = self._reader.read(2)
            if len(head) < 2:
                return None
            operation, last = head[0] & 15, head[0] & 128
            payload = self._payload(head[1])
            if operation == _HANG_UP:
                return None
            if operation == _PING:
                self.send(payload, _PONG)
            elif operation != _PONG:
                message += payload
                if last:
                    return message

    def _payload(self, size: int) -> bytes:
        length = size & 127
        if length == 126:
            (length,) = struct.unpack(">H", self._reader.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._reader.read(8))
        mask = self._reader.read(4)
        data = self._reader.read(length)
        whole = (mask * (length // 4 + 1))[:length]
        unmasked = int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")
        return unmasked.to_bytes(length, "big")

    def send(self, data: bytes, operation: int = _BINARY) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", 128 | operation, size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", 128 | operation, 126, size)
        else:
            head = struct.pack(">BBQ", 128 | operation, 127, size)
        with self._lock, contextlib.suppress(OSError):
            self._writer.write(head + data)
            self._writer.flush()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kubelet: ClassVar[Kubelet]

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests look at what the client gets."""

    def _serve(self) -> None:
        self.kubelet.requests.append(f"{self.command} {self.path}")
        kind = self.path.split("/")[1].partition("?")[0]
        if kind == "containerLogs":
            self._logs()
        elif self.headers.get("Upgrade") and kind in ("exec", "attach"):
            self._process()
        elif self.headers.get("Upgrade"):
            self._echo()
        else:
            self._mirror()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

    def _mirror(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size).decode()
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            body = self._chunks().decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = {"method": self.command, "path": self.path, "body": body, "headers": headers}
        content = json.dumps(seen).encode()
        status = int(self.headers.get("X-Answer-Status") or 200)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Access-Control-Allow-Origin", "*")
        if status in (301, 302):
            self.send_header("Location", "/elsewhere?a=b")
        self.end_headers()
        self.wfile.write(content)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _logs(self) -> None:
        status, lines = self.kubelet.log
        if status != 200:
            content = lines[0].encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = f"{line}\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
        if "follow=true" in self.path:
            self.kubelet.may_end.wait(20)
        self.wfile.write(b"0\r\n\r\n")

    def _echo(self) -> None:
        self.close_connection = True
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", self.headers["Upgrade"])
        self.end_headers()
        while data := self.rfile.read1(65536):
            self.wfile.write(data)
            self.wfile.flush()

    def _process(self) -> None:
        self.close_connection = True
        offered = [p.strip() for p in self.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        known = [p for p in offered if p in ("v5.channel.k8s.io", "v4.channel.k8s.io")]
        if not known:
            self.send_error(400, "no protocol in common")
            return
        key = self.headers["Sec-WebSocket-Key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.send_header("Sec-WebSocket-Protocol", known[0])
        self.end_headers()
        query = parse_qs(urlsplit(self.path).query)
        _run(WebSocket(self.rfile, self.wfile), query, self.kubelet.directory)


def _run(websocket: WebSocket, query: dict[str, list[str]], directory: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        query.get("command", ["cat"]), stdin=pipe, stdout=pipe, stderr=pipe, cwd=directory
    ) as process:
        outputs = [
            threading.Thread(target=_pump, args=(process.stdout, websocket, _STDOUT)),
            threading.Thread(target=_pump, args=(process.stderr, websocket, _STDERR)),
        ]
        feeding = threading.Thread(target=_feed, args=(websocket, process.stdin), daemon=True)
        for thread in (*outputs, feeding):
            thread.start()
        for thread in outputs:
            thread.join()
        status: dict[str, Any] = {"metadata": {}, "status": "Success"}
        if code := process.wait():
            cause = {"reason": "ExitCode", "message": str(code)}
            status = {
                "metadata": {},
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "message": f"command terminated with non-zero exit code: exit status {code}",
                "details": {"causes": [cause]},
            }
        websocket.send(bytes([_ERROR]) + json.dumps(status).encode())
        websocket.send(struct.pack(">H", 1000), _HANG_UP)
        feeding.join(20)


def _pump(stream: Any, websocket: WebSocket, channel: int) -> None:
    while data := stream.read1(32768):
        websocket.send(bytes([channel]) + data)


def _feed(websocket: WebSocket, stdin: Any) -> None:
    """The client's input, until it says that this is all, or is gone."""
    with contextlib.suppress(OSError, ValueError):
        while (message := websocket.receive()) is not None:
            if message[:1] == bytes([_STDIN]):
                stdin.write(message[1:])
                stdin.flush()
            elif message == bytes([_CLOSE, _STDIN]):
                stdin.close()
    with contextlib.suppress(OSError):
        stdin.close()


class Kubelet:
    """`requests` are what it was asked, `log` its answer when asked for logs; a log that is
    followed ends when `may_end` is set. Commands run in `directory`."""

    def __init__(self, directory: Path, host: str = "127.0.0.1", tls: bool = True) -> None:
        self.directory = directory
        self.host = host
        self.requests: list[str] = []
        self.log: tuple[int, list[str]] = (200, ["one", "two"])
        self.may_end = threading.Event()
        handler = type("Handler", (_Handler,), {"kubelet": self})
        self._server = http.server.ThreadingHTTPServer((host, 0), handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(_certificate(directory))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @contextlib.contextmanager
    def running(self) -> Iterator[Kubelet]:
        self._thread.start()
        try:
            yield self
        finally:
            self.may_end.set()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def _certificate(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubelet")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "kubelet.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def free_port() -> int:
    """A port on which nobody listens."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

# SPDX-License-Identifier: Apache-2.0
"""The gRPC connection, against a server that checks every frame (the h2 library) and a few that
break the rules."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
import pytest_asyncio

from pyk8s.storage.etcd import http2
from pyk8s.storage.etcd.http2 import RpcError

OK_HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
OK_TRAILERS = [("grpc-status", "0"), ("grpc-message", "")]


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


class Server(asyncio.Protocol):
    """Answers each request by `answer`, once all of it is here. `frames` sets its settings."""

    def __init__(self, answer, settings):
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        values = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1000, **settings}
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=values)
        self.answer = answer
        self.bodies: dict[int, bytearray] = {}
        self.headers: dict[int, dict[str, str]] = {}
        self.resets: asyncio.Queue[int] = asyncio.Queue()
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self.pings: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_deaf = False
        self.outgoing: dict[int, bytes] = {}
        self.trailers: dict[int, list[tuple[str, str]]] = {}

    def connection_made(self, transport):
        self.transport = transport
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.transport.write(self.h2.data_to_send())

    def data_received(self, data):
        if self.is_deaf:
            return
        for event in self.h2.receive_data(data):
            match event:
                case h2.events.RequestReceived():
                    self.headers[event.stream_id] = dict(event.headers)
                    self.bodies[event.stream_id] = bytearray()
                    self.begun.put_nowait(event.stream_id)
                case h2.events.DataReceived():
                    self.bodies[event.stream_id] += event.data
                    size = event.flow_controlled_length
                    self.h2.acknowledge_received_data(size, event.stream_id)
                case h2.events.StreamEnded():
                    self.answer(self, event.stream_id, bytes(self.bodies[event.stream_id][5:]))
                case h2.events.StreamReset():
                    self.resets.put_nowait(event.stream_id)
                case h2.events.WindowUpdated():
                    self.pump()
                case h2.events.PingReceived():
                    self.pings.put_nowait(event.ping_data)
        self.flush()

    def reply(self, identity, body, trailers=OK_TRAILERS):
        """Headers, the body as far as windows allow and then more, trailers."""
        self.h2.send_headers(identity, OK_HEADERS)
        self.outgoing[identity] = body
        self.trailers[identity] = trailers
        self.pump()
        self.flush()

    def pump(self):
        for identity, body in list(self.outgoing.items()):
            while body:
                size = min(
                    len(body),
                    self.h2.local_flow_control_window(identity),
                    self.h2.max_outbound_frame_size,
                )
                if not size:
                    break
                self.h2.send_data(identity, body[:size])
                body = body[size:]
            self.outgoing[identity] = body
            if not body:
                self.h2.send_headers(identity, self.trailers[identity], end_stream=True)
                del self.outgoing[identity]


def echo(server, identity, request):
    server.reply(identity, framed(request))


@pytest_asyncio.fixture
async def serve(tmp_path) -> AsyncIterator:
    """Starts a server and connects to it; gives both ends."""
    stack = contextlib.ExitStack()
    loop = asyncio.get_running_loop()
    servers = []

    async def start(answer=echo, settings=None):
        path = str(tmp_path / f"socket{len(servers)}")
        end = loop.create_future()

        def make():
            end.set_result(Server(answer, settings or {}))
            return end.result()

        servers.append(await loop.create_unix_server(make, path))
        _, connection = await loop.create_unix_connection(
            lambda: http2.Connection("http", "localhost"), path
        )
        stack.callback(connection.close)
        server = await end
        # The server's settings are here when its answer is.
        server.answer = echo
        await connection.call("/first", b"", 5)
        await server.begun.get()
        server.answer = answer
        return connection, server

    yield start
    stack.close()
    for server in servers:
        server.close()


async def test_a_call_is_a_grpc_request(serve):
    """Method, path, content type and te are those of gRPC; the answer's bytes come back."""
    connection, server = await serve()
    assert await connection.call("/etcdserverpb.KV/Range", b"hello", 5) == b"hello"
    assert server.headers[3] == {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/etcdserverpb.KV/Range",
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }


async def test_calls_share_the_connection(serve):
    """Many calls at once, answered in another order, each get their own answer."""
    waiting = []

    def later(server, identity, request):
        waiting.append((identity, request))
        if len(waiting) == 50:
            for entry in reversed(waiting):
                echo(server, *entry)

    connection, _ = await serve(later)
    requests = [str(n).encode() for n in range(50)]
    answers = await asyncio.gather(*(connection.call("/x", request, 5) for request in requests))
    assert answers == requests


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_384, 65_535, 3_000_000])
async def test_messages_of_any_size_pass_the_windows(serve, size):
    """Requests and answers larger than frames and windows arrive whole."""
    connection, _ = await serve()
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)
    first, second = await asyncio.gather(
        connection.call("/x", message, 5), connection.call("/x", message, 5)
    )
    assert first == second == message


async def test_small_windows_of_the_server_are_respected(serve):
    """A server that takes a hundred bytes at a time gets no more; h2 would object."""
    window = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 100}
    connection, _ = await serve(settings=window)
    message = b"x" * 5_000
    assert await connection.call("/x", message, 5) == message


async def test_the_servers_limit_of_streams_is_respected(serve):
    """With one stream allowed, calls wait for each other; a cancelled one lets the next in."""
    limit = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1}
    connection, _ = await serve(settings=limit)
    calls = [asyncio.create_task(connection.call("/x", str(n).encode(), 5)) for n in range(10)]
    await asyncio.sleep(0)
    calls[3].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [result for n, result in enumerate(results) if n != 3] == [
        str(n).encode() for n in range(10) if n != 3
    ]


async def test_a_failed_call_raises_its_status(serve):
    """grpc-status and the percent-encoded grpc-message of trailers, with or without a body."""

    def fail(server, identity, request):
        status = [("grpc-status", "11"), ("grpc-message", "a%20revision%C3%A4")]
        if request:
            server.reply(identity, framed(b"ignored"), status)
        else:
            server.h2.send_headers(identity, [*OK_HEADERS, *status], end_stream=True)

    connection, _ = await serve(fail)
    for request in (b"", b"x"):
        with pytest.raises(RpcError, match="a revisionä") as caught:
            await connection.call("/x", request, 5)
        assert (caught.value.code, caught.value.acted) == (11, True)


async def test_an_http_error_is_unavailable(serve):
    """A proxy's 503 without any gRPC status."""

    def refuse(server, identity, request):
        server.h2.send_headers(identity, [(":status", "503")], end_stream=True)

    connection, _ = await serve(refuse)
    with pytest.raises(RpcError, match="HTTP status 503") as caught:
        await connection.call("/x", b"", 5)
    assert caught.value.code == http2.UNAVAILABLE


async def test_a_refused_stream_did_not_act(serve):
    """RST_STREAM with REFUSED_STREAM may be tried again, any other code may have acted."""

    def refuse(server, identity, request):
        server.h2.reset_stream(identity, 7 if request == b"refuse" else 2)

    connection, _ = await serve(refuse)
    for request, acted in ((b"refuse", False), (b"break", True)):
        with pytest.raises(RpcError) as caught:
            await connection.call("/x", request, 5)
        assert caught.value.acted is acted


async def test_a_lost_connection_fails_what_is_under_way(serve):
    """Calls under way may have acted; later ones surely did not."""

    def hang_up(server, identity, request):
        server.transport.abort()

    connection, _ = await serve(hang_up)
    with pytest.raises(RpcError, match="connection lost") as caught:
        await connection.call("/x", b"", 5)
    assert caught.value.acted
    assert not connection.is_usable
    with pytest.raises(RpcError) as caught:
        await connection.call("/x", b"", 5)
    assert not caught.value.acted


async def test_a_leaving_server_finishes_what_it_took(serve):
    """After GOAWAY streams up to the last one are answered, later ones did not act, and the
    connection takes no more."""
    held = []

    def hold(server, identity, request):
        held.append(identity)
        if len(held) == 2:
            server.transport.write(
                b"\0\0\x08\x07\0\0\0\0\0" + held[0].to_bytes(4, "big") + bytes(4)
            )
            server.reply(held[0], framed(b"taken"))

    connection, _ = await serve(hold)
    taken = asyncio.create_task(connection.call("/x", b"", 5))
    left = asyncio.create_task(connection.call("/x", b"", 5))
    assert await taken == b"taken"
    with pytest.raises(RpcError, match="going away") as caught:
        await left
    assert not caught.value.acted
    assert not connection.is_usable


async def test_a_call_without_an_answer_ends_in_time(serve):
    """The timeout raises DEADLINE_EXCEEDED and resets the stream."""
    connection, server = await serve(lambda server, identity, request: None)
    with pytest.raises(RpcError) as caught:
        await connection.call("/x", b"", 0.02)
    assert caught.value.code == http2.DEADLINE_EXCEEDED
    async with asyncio.timeout(5):
        assert await server.resets.get() == 3


async def test_a_cancelled_call_resets_its_stream(serve):
    """Cancelling the task tells the server that nobody waits."""
    connection, server = await serve(lambda server, identity, request: None)
    call = asyncio.create_task(connection.call("/x", b"", 5))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(5):
        assert await server.resets.get() == 3


async def test_a_stream_yields_messages_as_they_come(serve):
    """Messages cut anywhere into frames are put together; the trailers end the stream."""
    connection, server = await serve()
    stream = await connection.stream("/watch", b"request")
    body = framed(b"one") + framed(b"") + framed(b"three" * 10_000)
    assert await server.begun.get() == stream.identity
    server.h2.send_headers(stream.identity, OK_HEADERS)
    for start in range(0, len(body), 1000):
        server.h2.send_data(stream.identity, body[start : start + 1000])
        server.flush()
    assert [await stream.read() for _ in range(3)] == [b"one", b"", b"three" * 10_000]
    server.h2.send_headers(stream.identity, OK_TRAILERS, end_stream=True)
    server.flush()
    async with asyncio.timeout(5):
        assert await stream.read() is None


async def test_a_stream_that_is_cancelled_wakes_its_reader(serve):
    """cancel ends a waiting read, and resets the stream."""
    connection, server = await serve()
    stream = await connection.stream("/watch", b"request")
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    stream.cancel()
    with pytest.raises(RpcError, match="cancelled"):
        await reading
    async with asyncio.timeout(5):
        assert await server.resets.get() == stream.identity


async def test_credit_is_given_back(serve, monkeypatch):
    """A long stream gets more than its window, because what was received is credited."""
    monkeypatch.setattr(http2, "_STREAM_WINDOW_BYTES", 2**17)
    connection, server = await serve()
    stream = await connection.stream("/watch", b"request")
    assert await server.begun.get() == stream.identity
    total = 16 * 2**16
    server.h2.send_headers(stream.identity, OK_HEADERS)
    server.outgoing[stream.identity] = framed(bytes(2**16)) * 16
    server.trailers[stream.identity] = OK_TRAILERS
    server.pump()
    server.flush()
    received = 0
    async with asyncio.timeout(5):
        while message := await stream.read():
            received += len(message)
    assert received == total


async def test_a_silent_connection_is_given_up(serve, monkeypatch):
    """Without a sign of life the server is pinged, and then the connection is dropped."""
    monkeypatch.setattr(http2, "KEEPALIVE_SECONDS", 0.02)
    monkeypatch.setattr(http2, "KEEPALIVE_TIMEOUT_SECONDS", 0.02)
    connection, server = await serve(lambda server, identity, request: None)
    waiting = asyncio.create_task(connection.call("/x", b"", 5))
    async with asyncio.timeout(5):
        for _ in range(2):
            await server.pings.get()
        server.is_deaf = True
        with pytest.raises(RpcError, match="no answer to a ping"):
            await waiting


async def test_a_server_of_another_kind_is_told(tmp_path):
    """An HTTP/1 server's answer is no frame: the call fails at once."""

    async def answer(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    path = str(tmp_path / "socket")
    async with await asyncio.start_unix_server(answer, path):
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(
            lambda: http2.Connection("http", "localhost"), path
        )
        with pytest.raises(RpcError, match="not HTTP/2"):
            await connection.call("/x", b"", 5)


async def test_bytes_cut_anywhere_are_frames_all_the_same():
    """However the network cuts the stream of frames, the answer is the same."""
    sent = bytearray()

    class Wire(asyncio.Transport):
        def write(self, data):
            sent.extend(data)

        def is_closing(self):
            return False

        def abort(self):
            pass

    import hpack

    encoder = hpack.Encoder()
    head, tail = encoder.encode(OK_HEADERS), encoder.encode(OK_TRAILERS)
    frames = b"".join(
        (
            http2._frame(4, 0, 0, b""),
            # Padded headers with a priority, continued in a second frame.
            http2._frame(1, 0x28, 1, b"\x02" + bytes(5) + head[:3] + b"\0\0"),
            http2._frame(9, 0x4, 1, head[3:]),
            http2._frame(0, 0x8, 1, b"\x03" + framed(b"answer") + b"\0\0\0"),
            http2._frame(6, 0, 0, b"12345678"),
            http2._frame(1, 0x5, 1, tail),
        )
    )
    for step in (1, 2, 7, len(frames)):
        connection = http2.Connection("http", "localhost")
        connection.connection_made(Wire())
        call = asyncio.create_task(connection.call("/x", b"", 5))
        await asyncio.sleep(0)
        for start in range(0, len(frames), step):
            connection.data_received(bytes(frames[start : start + step]))
        assert await call == b"answer"
        assert http2._frame(6, 1, 0, b"12345678") in sent
        connection.connection_lost(None)
        sent.clear()

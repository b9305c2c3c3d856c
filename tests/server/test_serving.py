# SPDX-License-Identifier: Apache-2.0
"""What clients and apps see of the HTTPS server, over real sockets, on HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import h2.errors
import h2.events
import pytest
import wire
from cryptography import x509

from pyk8s.server import certificates, serving
from pyk8s.server.connection import CLIENT_CERTIFICATE
from pyk8s.server.serving import STOPPING
from pyk8s.server.stream import ON_DISCONNECT

GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def read_body(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def reply(send, body, status=200):
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send):
    body = await read_body(receive)
    await reply(send, f"{scope['method']} {scope['path']} {len(body)}".encode())


class Stream:
    """An app that begins a stream on every request and goes on when told to."""

    def __init__(self):
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self.received = []

    async def __call__(self, scope, receive, send):
        scope["extensions"][ON_DISCONNECT](self.gone.set)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        self.begun.set()
        self.received.append(await receive())
        while self.received[-1]["type"] != "http.disconnect":
            self.received.append(await receive())


# --- who is there


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_client_certificate_reaches_the_app(run, pki, protocol):
    """The scope carries the verified certificate, in the ASGI form and as DER."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["extensions"])
        await reply(send, b"")

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await getattr(harness, protocol)(certificate=True)
            if protocol == "http1":
                await client.send(GET % b"/")
                await client.answer()
            else:
                assert await client.status(await client.request("GET", "/")) == 200
            await client.close()

    run(scenario())
    admin = x509.load_pem_x509_certificate(pki.admin_cert.read_bytes())
    (pem,) = seen[0]["tls"]["client_cert_chain"]
    assert x509.load_pem_x509_certificate(pem.encode()) == admin
    assert x509.load_der_x509_certificate(seen[0][CLIENT_CERTIFICATE]) == admin


def test_no_client_certificate(run, pki):
    """A client may stay without one; the scope says so with empty values."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["extensions"])
        await reply(send, b"")

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(GET % b"/")
            await client.answer()
            await client.close()

    run(scenario())
    assert seen[0]["tls"]["client_cert_chain"] == ()
    assert seen[0][CLIENT_CERTIFICATE] == b""


def test_foreign_client_certificate_is_refused(run, pki, tmp_path):
    """A certificate of another CA ends the handshake; no request comes through."""
    foreign = certificates.ensure(tmp_path, ["localhost"])

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            tls = harness.client_tls()
            tls.load_cert_chain(foreign.admin_cert, foreign.admin_key)
            # With TLS 1.3 the refusal comes after the client's side of the handshake is done.
            with contextlib.suppress(ssl.SSLError, OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", harness.port, ssl=tls)
                writer.write(GET % b"/")
                assert await reader.read() == b""
                writer.close()
            assert harness.server.connections == 0

    run(scenario())


# --- requests


def test_http1_requests_follow_each_other_on_a_connection(run, pki):
    """Bodies are read, the path is decoded, the connection is kept."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            head = b"POST /a%%20b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
            for size in (3, 0, 700_000):
                await client.send(head % size + b"x" * size)
                assert await client.answer() == (200, f"POST /a b {size}".encode())
            await client.close()

    run(scenario())


def test_http1_pipelined_requests_are_answered_in_order(run, pki):
    """Requests that arrive together are served one after the other."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            await client.send(b"".join(GET % f"/{n}".encode() for n in range(20)))
            answers = [await client.answer() for _ in range(20)]
            assert answers == [(200, f"GET /{n} 0".encode()) for n in range(20)]
            await client.close()

    run(scenario())


def test_http2_requests_run_side_by_side(run, pki):
    """A request that waits keeps no other from its answer."""
    release = []

    async def app(scope, receive, send):
        if scope["path"] == "/slow":
            event = asyncio.Event()
            release.append(event)
            await event.wait()
        await reply(send, scope["path"].encode())

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http2()
            slow = await client.request("GET", "/slow")
            fast = await client.request("GET", "/fast")
            assert await client.body(fast) == b"/fast"
            release[0].set()
            assert await client.body(slow) == b"/slow"
            await client.close()

    run(scenario())


def test_http2_upload_larger_than_every_window(run, pki):
    """The window opens again as the app reads."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http2()
            stream = await client.request("POST", "/", end=False)
            await client.upload(stream, b"x" * 3_000_000)
            assert await client.body(stream) == b"POST / 3000000"
            await client.close()

    run(scenario())


def test_http2_answer_larger_than_every_window(run, pki):
    """A large answer comes whole to a client that keeps opening its window."""
    big = bytes(range(256)) * 10_000

    async def app(scope, receive, send):
        await reply(send, big)

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http2()
            assert await client.body(await client.request("GET", "/")) == big
            await client.close()

    run(scenario())


def test_head_has_no_body(run, pki):
    """The length is stated, the body left out, and the connection stays in step."""

    async def app(scope, receive, send):
        await reply(send, b"hello")

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + GET % b"/")
            assert (await client.head())[1]["content-length"] == "5"
            assert await client.answer() == (200, b"hello")
            await client.close()

    run(scenario())


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 1_100_000, 431, id="head"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, id="HTTP/2 unasked"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            id="chunk",
        ),
    ],
)
def test_http1_what_is_no_request_is_refused(run, pki, request_bytes, status):
    """The client gets a status and the end of the connection."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            await client.send(request_bytes)
            assert (await client.head())[0] == status
            await harness.until_no_connections()
            await client.close()

    run(scenario())


def test_upgrade_to_cleartext_http2_is_ignored(run, pki):
    """The request is answered as the HTTP/1.1 it is."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            upgrade = b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nConnection: Upgrade\r\n"
            await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n" + upgrade + b"\r\n")
            assert await client.answer() == (200, b"GET / 0")
            await client.close()

    run(scenario())


# --- streams


def test_head_of_a_stream_leaves_at_once(run, pki):
    """A client sees status and headers before there is any body."""

    async def scenario():
        async with wire.serve(Stream(), pki) as harness:
            first = await harness.http1()
            await first.send(GET % b"/")
            status, headers = await first.head()
            assert (status, headers["transfer-encoding"]) == (200, "chunked")
            second = await harness.http2()
            assert await second.status(await second.request("GET", "/")) == 200
            await first.close()
            await second.close()

    run(scenario())


def test_each_part_of_a_stream_leaves_at_once(run, pki):
    """What an app sends is on the wire without more being sent."""
    go_on = asyncio.Queue()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while part := await go_on.get():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(GET % b"/")
            await client.head()
            for part in (b"one\n", b"two\n"):
                await go_on.put(part)
                assert await client.chunk() == part
            await go_on.put(b"")
            assert await client.chunk() == b""
            await client.close()

    run(scenario())


@pytest.mark.parametrize("way", ["http1 closes", "http1 resets", "http2 closes", "http2 resets"])
def test_app_learns_that_the_client_is_gone(run, pki, way):
    """Both by receiving http.disconnect and by the callback, and nothing is left."""

    async def scenario():
        app = Stream()
        async with wire.serve(app, pki) as harness:
            protocol, _, how = way.partition(" ")
            client = await getattr(harness, protocol)()
            if protocol == "http1":
                await client.send(GET % b"/")
            else:
                stream = await client.request("GET", "/")
            await app.begun.wait()
            if way == "http2 resets":
                client.h2.reset_stream(stream)
                await client.flush()
            elif how == "resets":
                client.writer.transport.abort()
            else:
                await client.close()
            await app.gone.wait()
            if way == "http2 resets":
                await client.close()
            await harness.until_no_connections()
        assert app.received[-1] == {"type": "http.disconnect"}

    run(scenario())


def test_lost_client_is_noticed_behind_a_pipelined_request(run, pki):
    """A request that waits its turn does not hide the end of the connection."""

    async def scenario():
        app = Stream()
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(GET % b"/watch" + GET % b"/next")
            await app.begun.wait()
            await client.close()
            await app.gone.wait()
            await harness.until_no_connections()

    run(scenario())


def test_callback_after_the_fact_is_called_at_once(run, pki):
    """An app that asks late is told all the same."""
    told = []

    async def app(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        scope["extensions"][ON_DISCONNECT](lambda: told.append(True))

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(GET % b"/")
            await client.close()
            await harness.until_no_connections()

    run(scenario())
    assert told == [True]


# --- peers that do not do their part


class Flood:
    """An app that sends without end and counts what was taken."""

    def __init__(self):
        self.sent = 0
        self.over = asyncio.Event()

    async def __call__(self, scope, receive, send):
        try:
            gone = asyncio.Event()
            scope["extensions"][ON_DISCONNECT](gone.set)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not gone.is_set():
                body = b"x" * 16384
                await send({"type": "http.response.body", "body": body, "more_body": True})
                self.sent += len(body)
        finally:
            self.over.set()


async def settled(flood):
    """How much was taken once no more is."""
    seen = -1
    while seen != flood.sent:
        seen = flood.sent
        await asyncio.sleep(0.1)
    return seen


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_sending_waits_for_a_client_that_does_not_read(run, pki, protocol):
    """No more is buffered than sockets hold; when the client goes, the app ends."""

    async def scenario():
        flood = Flood()
        async with wire.serve(flood, pki) as harness:
            client = await getattr(harness, protocol)()
            if protocol == "http1":
                client.reader._transport.pause_reading()
                await client.send(GET % b"/")
            else:
                await client.request("GET", "/")
            # The kernel may hold some 10 MB of a loopback connection, HTTP/2 just a window.
            assert await settled(flood) < (20_000_000 if protocol == "http1" else 65536)
            if protocol == "http1":
                client.writer.transport.abort()
            else:
                await client.close()
            await flood.over.wait()
            await harness.until_no_connections()

    run(scenario())


def test_waiting_for_one_stream_keeps_no_other_waiting(run, pki):
    """A stream with a closed window leaves the connection to the others."""
    flood = None

    async def app(scope, receive, send):
        if scope["path"] == "/flood":
            await flood(scope, receive, send)
        else:
            await reply(send, b"fine")

    async def scenario():
        nonlocal flood
        flood = Flood()
        async with wire.serve(app, pki) as harness:
            client = await harness.http2(window=1000)
            client.h2.increment_flow_control_window(10_000_000)
            await client.request("GET", "/flood")
            await settled(flood)
            other = await client.request("GET", "/")
            assert await client.body(other) == b"fine"
            await client.close()

    run(scenario())


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_client_that_takes_nothing_is_cut(run, pki, protocol):
    """After the time it is given, a stalled answer is given up."""

    async def scenario():
        flood = Flood()
        async with wire.serve(flood, pki, stall_seconds_max=0.1) as harness:
            client = await getattr(harness, protocol)()
            if protocol == "http1":
                client.reader._transport.pause_reading()
                await client.send(GET % b"/")
            else:
                await client.request("GET", "/")
            await flood.over.wait()
            if protocol == "http1":
                await harness.until_no_connections()
                client.writer.transport.abort()
            else:
                event = await client.event(h2.events.StreamReset)
                assert event.error_code == h2.errors.ErrorCodes.CANCEL
                await client.close()

    run(scenario())


async def refuse(scope, receive, send):
    """Answers without a look at the body."""
    await reply(send, b"no", 401)


def test_http1_refused_upload_leaves_the_connection_usable(run, pki):
    """The client gets its answer while it sends, and the rest of the body is dropped."""

    async def scenario():
        async with wire.serve(refuse, pki) as harness:
            client = await harness.http1()
            for _ in range(2):
                await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n")
                await client.send(b"x" * 3_000_000)
                assert await client.answer() == (401, b"no")
            await client.close()

    run(scenario())


def test_http2_refused_upload_is_reset_and_harms_no_other(run, pki):
    """The answer comes, then the request to stop; data under way is ignored."""

    async def scenario():
        async with wire.serve(refuse, pki) as harness:
            client = await harness.http2()
            stream = await client.request("POST", "/", end=False)
            assert await client.status(stream) == 401
            reset = await client.event(h2.events.StreamReset, stream)
            assert reset.error_code == h2.errors.ErrorCodes.NO_ERROR
            assert await client.status(await client.request("GET", "/")) == 401
            await client.close()

    run(scenario())


def test_http2_data_for_an_answered_request_is_ignored(run, pki):
    """What was sent before the client knew of the answer does not break the connection."""

    async def scenario():
        async with wire.serve(refuse, pki) as harness:
            client = await harness.http2()
            stream = await client.request("POST", "/", end=False)
            for _ in range(3):
                client.h2.send_data(stream, b"x" * 16000)
            await client.flush()
            assert await client.status(stream) == 401
            assert await client.status(await client.request("GET", "/")) == 401
            await client.close()

    run(scenario())


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_half_a_body_costs_nothing_that_stays(run, pki, protocol):
    """The app is told of the loss, and the connection is gone."""
    got = []

    async def app(scope, receive, send):
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        got.append(message)

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await getattr(harness, protocol)()
            if protocol == "http1":
                await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
            else:
                stream = await client.request("POST", "/", end=False)
                client.h2.send_data(stream, b"half")
                await client.flush()
            await client.close()
            await harness.until_no_connections()

    run(scenario())
    assert got == [{"type": "http.disconnect"}]


def test_idle_connections_are_closed(run, pki):
    """A connection without a request ends after the time it is given, also half a request."""

    async def scenario():
        async with wire.serve(echo, pki, idle_seconds_max=0.05) as harness:
            silent = await harness.http1()
            halting = await harness.http1()
            await halting.send(b"GET / HT")
            multiplexed = await harness.http2()
            await harness.until_no_connections()
            for client in (silent, halting, multiplexed):
                await client.close()

    run(scenario())


# --- apps that fail


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_failing_app_is_answered_with_500(run, pki, protocol, caplog):
    """And the connection serves on."""

    async def app(scope, receive, send):
        raise ValueError("on purpose")

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await getattr(harness, protocol)()
            for _ in range(2):
                if protocol == "http1":
                    await client.send(GET % b"/")
                    assert (await client.answer())[0] == 500
                else:
                    assert await client.status(await client.request("GET", "/")) == 500
            await client.close()

    run(scenario())
    assert "on purpose" in caplog.text


def test_answer_that_breaks_off_is_seen_to_be_incomplete(run, pki, caplog):
    """HTTP/1.1 ends without the last chunk, HTTP/2 with a reset."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("on purpose")

    async def scenario():
        async with wire.serve(app, pki) as harness:
            first = await harness.http1()
            await first.send(GET % b"/")
            await first.head()
            assert await first.chunk() == b"half"
            assert await first.reader.read() == b""
            await first.close()
            second = await harness.http2()
            reset = await second.event(h2.events.StreamReset, await second.request("GET", "/"))
            assert reset.error_code == h2.errors.ErrorCodes.INTERNAL_ERROR
            await second.close()

    run(scenario())


# --- the end


def test_stop_with_hundreds_of_watches(run, pki):
    """Watches end as they are asked to, and the server is gone in a moment."""
    watches = []

    async def watch(scope, receive, send):
        end = asyncio.Event()
        watches.append(end)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await end.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def end_watches():
        for end in watches:
            end.set()

    async def scenario():
        loop = asyncio.get_running_loop()
        async with wire.serve(watch, pki, end_watches, grace_seconds=5) as harness:
            client = await harness.http2()
            streams = [await client.request("GET", "/") for _ in range(300)]
            assert [await client.status(stream) for stream in streams] == [200] * 300
            single = await harness.http1()
            await single.send(GET % b"/")
            await single.head()
            begun = loop.time()
            await harness.server.stop()
            assert loop.time() - begun < 2
            await client.event(h2.events.ConnectionTerminated)
            assert await single.chunk() == b""
            await client.close()
            await single.close()

    run(scenario())


def test_stop_lets_requests_finish(run, pki):
    """A request that is being served gets its answer, and learns that the server stops."""
    begun = asyncio.Semaphore(0)

    async def app(scope, receive, send):
        begun.release()
        await scope["state"][STOPPING].wait()
        await reply(send, b"done")

    async def scenario():
        async with wire.serve(app, pki) as harness:
            first = await harness.http1()
            await first.send(GET % b"/")
            second = await harness.http2()
            stream = await second.request("GET", "/")
            await begun.acquire()
            await begun.acquire()
            await harness.server.stop()
            status, headers = await first.head()
            assert (status, headers["connection"]) == (200, "close")
            assert await second.body(stream) == b"done"
            await first.close()
            await second.close()

    run(scenario())


def test_stop_cuts_what_does_not_end(run, pki):
    """Requests that heed nothing are cancelled after the grace."""
    cancelled = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def scenario():
        async with wire.serve(app, pki, grace_seconds=0.05) as harness:
            client = await harness.http1()
            await client.send(GET % b"/")
            await client.head()
            await harness.server.stop()
            await client.close()

    run(scenario())
    assert cancelled == [True]


# --- files


def test_unusable_tls_files_are_named(pki, tmp_path):
    """What is missing or no certificate stands in the message."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    with pytest.raises(serving.ServingError, match="nonsense"):
        serving.tls_context(str(nonsense), str(pki.serving_key))
    with pytest.raises(serving.ServingError, match="missing"):
        serving.tls_context(str(pki.serving_cert), str(tmp_path / "missing"))
    with pytest.raises(serving.ServingError, match="nonsense"):
        serving.tls_context(str(pki.serving_cert), str(pki.serving_key), str(nonsense))

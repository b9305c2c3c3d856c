# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 by the byte: framing both ways, what is refused, and what is left to wait."""

from __future__ import annotations

import asyncio

import pytest
import wire

from pyk8s.endpoints.request import UPGRADE
from pyk8s.server import http1

GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def reply(send, body, status=200, headers=()):
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def echo(scope, receive, send):
    """Says what arrived: method, path and body."""
    body = await read_body(receive)
    await reply(send, f"{scope['method']} {scope['path']} ".encode() + body)


async def never(scope, receive, send):
    raise AssertionError("nothing may come through")


def sized(size, head=POST):
    return head + b"Content-Length: %d\r\n\r\n" % size


# --- refused


REFUSED = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, other order": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    ),
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "the same length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "negative length": POST + b"Content-Length: -5\r\n\r\nhello",
    "hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "length in two words": POST + b"Content-Length: 5 5\r\n\r\nhello",
    "empty length": POST + b"Content-Length:\r\n\r\nhello",
    "length beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "length with space before colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "coding that is not the last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "coding twice": POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n",
    "coding after a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded line": GET + b"X: a\r\n b\r\n\r\n",
    "folded first line": b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: h\r\n\r\n",
    "bare LF after a header": GET + b"X: a\nY: b\r\n\r\n",
    "bare LF at the end": GET + b"\n",
    "bare CR in a value": GET + b"X: a\rb\r\n\r\n",
    "CR twice": GET + b"X: a\r\r\n\r\n",
    "space before colon": GET + b"X : a\r\n\r\n",
    "tab before colon": GET + b"X\t: a\r\n\r\n",
    "no name": GET + b": a\r\n\r\n",
    "no colon": GET + b"Xa\r\n\r\n",
    "name in parentheses": GET + b"a(b): a\r\n\r\n",
    "name beyond ASCII": GET + b"\xc3\xa9: a\r\n\r\n",
    "NUL in a name": GET + b"X\0: a\r\n\r\n",
    "NUL in a value": GET + b"X: a\0b\r\n\r\n",
    "control character in a value": GET + b"X: a\x01b\r\n\r\n",
    "method in brackets": b"(GET) / HTTP/1.1\r\nHost: h\r\n\r\n",
    "method without end": b"G" * 100 + b" / HTTP/1.1\r\nHost: h\r\n\r\n",
    "method of another protocol": b"SOURCE / ICE/1.0\r\nHost: h\r\n\r\n",
    "NUL in the method": b"G\0T / HTTP/1.1\r\nHost: h\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n",
    "tab in the target": b"GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "target beyond ASCII": b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
    "target without slash": b"GET a HTTP/1.1\r\nHost: h\r\n\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
    "version 1.10": b"GET / HTTP/1.10\r\nHost: h\r\n\r\n",
    "version in lower case": b"GET / http/1.1\r\nHost: h\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: other\r\n\r\n",
    "upgrade with a body": (
        POST + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 30\r\n\r\n" + GET + b"\r\n"
    ),
    "upgrade with chunks": (
        POST + b"Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n" + GET
    ),
    "TLS inside TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("sent", [pytest.param(text, id=name) for name, text in REFUSED.items()])
def test_what_is_no_request_or_may_be_two_is_refused(run, pki, sent):
    """400, and the connection ends, so that nothing behind it is taken for a request."""

    async def scenario():
        async with wire.serve(never, pki) as harness:
            client = await harness.http1()
            await client.send(sent + GET + b"\r\n")
            status, headers = await client.head()
            assert (status, headers["connection"]) == (400, "close")
            assert await client.reader.read() == b""
            await client.close()

    run(scenario())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, id="version 2.0"),
        pytest.param(b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505, id="version 0.9"),
        pytest.param(b"GET /\r\n\r\n", 505, id="no version"),
        pytest.param(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, id="coding"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501, id="like chunked"),
        pytest.param(POST + b"Transfer-Encoding: identity\r\n\r\n", 501, id="identity"),
        pytest.param(b"GET /" + b"a" * (1 << 20), 431, id="long target"),
        pytest.param(GET + b"X: " + b"a" * (1 << 20), 431, id="long header"),
        pytest.param(GET + b"A: b\r\n" * 200_000, 431, id="many headers"),
    ],
)
def test_what_is_beyond_this_server_is_named(run, pki, sent, status):
    """Versions, codings and sizes have statuses of their own."""

    async def scenario():
        async with wire.serve(never, pki) as harness:
            client = await harness.http1()
            client.writer.write(sent)
            assert (await client.head())[0] == status
            client.writer.transport.abort()

    run(scenario())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"zz\r\n", id="no number"),
        pytest.param(b"0x5\r\nhello\r\n", id="prefix"),
        pytest.param(b"+5\r\nhello\r\n", id="sign"),
        pytest.param(b"-1\r\nhello\r\n", id="negative"),
        pytest.param(b" 5\r\nhello\r\n", id="space before"),
        pytest.param(b"5 \r\nhello\r\n", id="space behind"),
        pytest.param(b"\r\nhello\r\n", id="empty"),
        pytest.param(b"fffffffffffffffff\r\nhello\r\n", id="beyond 64 bits"),
        pytest.param(b"5\nhello\r\n", id="bare LF"),
        pytest.param(b"5;a\nhello\r\n", id="bare LF in an extension"),
        pytest.param(b"5\r\nhello\n", id="bare LF behind data"),
        pytest.param(b"5\r\nhelloX\r\n", id="longer than said"),
        pytest.param(b"0\r\nContent-Length: 3\r\n\r\n", id="length in the trailer"),
        pytest.param(b"5;" + b"a" * 100_000, id="extension without end"),
        pytest.param(b"0\r\nX: " + b"a" * 100_000, id="trailer without end"),
    ],
)
def test_chunks_that_are_none_are_refused(run, pki, body):
    """The app learns that its request broke off, the client gets 400."""
    got = []

    async def app(scope, receive, send):
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        got.append(message["type"])

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(CHUNKED + body)
            assert (await client.head())[0] == 400
            client.writer.transport.abort()
            await harness.until_no_connections()

    run(scenario())
    assert got == ["http.disconnect"]


def test_whole_requests_before_a_broken_one_are_answered(run, pki):
    """In order, and the refusal comes last."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            await client.send(GET + b"\r\n" + sized(2) + b"ok" + b"nonsense\r\n\r\n")
            assert await client.answer() == (200, b"GET / ")
            assert await client.answer() == (200, b"POST / ok")
            assert (await client.head())[0] == 400
            assert await client.reader.read() == b""
            await client.close()

    run(scenario())


# --- requests


def test_request_in_single_bytes(run, pki):
    """Where the network cuts makes no difference."""
    text = sized(5, b"POST /a?b HTTP/1.1\r\nHost: h\r\nX:  y \t\r\n") + b"hello"
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["query_string"], dict(scope["headers"])[b"x"]))
        await echo(scope, receive, send)

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            for at in range(len(text)):
                await client.send(text[at : at + 1])
                await asyncio.sleep(0)
            assert await client.answer() == (200, b"POST /a hello")
            await client.close()

    run(scenario())
    assert seen == [(b"b", b"y")]


@pytest.mark.parametrize("method", ["FROBNICATE", "get", "GETX"])
def test_unknown_method_is_left_to_the_app(run, pki, method):
    """It is as good a request as others, with its body, and the connection is kept."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            for _ in range(2):
                await client.send(sized(5, f"{method} /a HTTP/1.1\r\nHost: h\r\n".encode()))
                await client.send(b"hello")
                assert await client.answer() == (200, f"{method} /a hello".encode())
            await client.send(GET + b"\r\n")
            assert await client.answer() == (200, b"GET / ")
            await client.close()

    run(scenario())


def test_chunked_request(run, pki):
    """Extensions and trailers are read over; the next request is in step."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            chunks = b"5;a=b\r\nhello\r\n" + b"1\r\n!\r\n" * 3 + b"0\r\nX: y\r\n\r\n"
            await client.send(CHUNKED + chunks + GET + b"\r\n")
            assert await client.answer() == (200, b"POST / hello!!!")
            assert await client.answer() == (200, b"GET / ")
            await client.close()

    run(scenario())


def test_expectation_is_met_before_the_body_is_sent(run, pki):
    """A client may wait for 100 Continue, also behind another request."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            expecting = sized(5, POST + b"Expect: 100-Continue\r\n")
            await client.send(GET + b"\r\n" + expecting)
            assert await client.answer() == (200, b"GET / ")
            assert (await client.head())[0] == 100
            await client.send(b"hello")
            assert await client.answer() == (200, b"POST / hello")
            await client.close()

    run(scenario())


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(GET + b"Connection: close\r\n\r\n" + GET + b"\r\n", id="asked to close"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n" + GET + b"\r\n", id="HTTP/1.0"),
        pytest.param(
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET + b"\r\n", id="1.0, kept"
        ),
    ],
)
def test_last_request_of_a_connection(run, pki, sent):
    """It is answered, the answer says that it is the last, and what follows is not looked at."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            await client.send(sent)
            status, headers = await client.head()
            assert (status, headers["connection"]) == (200, "close")
            assert await client.reader.read() == b"GET / "
            await client.close()

    run(scenario())


def test_thousands_of_pipelined_requests(run, pki):
    """What is read ahead is bounded, and all are answered in order."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            sending = asyncio.create_task(
                client.send(
                    b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(9000))
                )
            )
            for n in range(9000):
                assert await client.answer() == (200, b"GET /%d " % n)
            await sending
            await client.close()

    run(scenario())


def test_requests_behind_one_that_is_served_are_not_taken_in_without_end(run, pki):
    """A client that keeps sending is made to wait; what stands ready is little."""
    release = asyncio.Event()

    async def app(scope, receive, send):
        await release.wait()
        await reply(send, b"")

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            sending = asyncio.create_task(client.send((GET + b"\r\n") * 800_000))
            for _ in range(20):
                await asyncio.sleep(0.01)
            (connection,) = harness.server._connections
            protocol = connection._protocol
            assert len(protocol._ahead) <= http1.PIPELINED_BYTES_MAX + 512 * 1024
            assert len(protocol._queue) <= http1.PARSED_BYTES_MAX // len(GET)
            client.writer.transport.abort()
            sending.cancel()
            release.set()

    run(scenario())


def test_upload_waits_for_an_app_that_does_not_read(run, pki):
    """No more of a body is held than the bound and what was on its way."""
    go_on = asyncio.Event()
    held = []

    async def app(scope, receive, send):
        await go_on.wait()
        (connection,) = scope["state"]["server"]._connections
        held.append(connection._protocol._latest.unread_bytes)
        await reply(send, b"%d" % len(await read_body(receive)))

    async def scenario():
        async with wire.serve(app, pki) as harness:
            harness.server.state["server"] = harness.server
            client = await harness.http1()
            size = 20_000_000
            sending = asyncio.create_task(client.send(sized(size) + b"x" * size))
            for _ in range(20):
                await asyncio.sleep(0.01)
            go_on.set()
            assert await client.answer() == (200, b"%d" % size)
            await sending
            await client.close()

    run(scenario())
    assert 0 < held[0] <= http1.UNREAD_BYTES_MAX + 512 * 1024


# --- answers


def streaming(*parts, status=200):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


def test_stream_to_http10_ends_with_the_connection(run, pki):
    """A client of HTTP/1.0 gets no chunks."""

    async def scenario():
        async with wire.serve(streaming(b"one", b"two"), pki) as harness:
            client = await harness.http1()
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            _, headers = await client.head()
            assert "transfer-encoding" not in headers
            assert await client.reader.read() == b"onetwo"
            await client.close()

    run(scenario())


@pytest.mark.parametrize(
    ("method", "status"),
    [
        pytest.param(b"HEAD", 200, id="HEAD"),
        pytest.param(b"GET", 204, id="no content"),
        pytest.param(b"GET", 304, id="not modified"),
    ],
)
def test_answers_without_a_body_keep_the_connection_in_step(run, pki, method, status):
    """Whatever the app sends, nothing follows the head."""

    async def scenario():
        async with wire.serve(streaming(b"nobody", status=status), pki) as harness:
            client = await harness.http1()
            for _ in range(2):
                await client.send(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
                assert (await client.head())[0] == status
            await client.close()

    run(scenario())


def test_large_stream_and_large_answer(run, pki):
    """What is not copied arrives whole."""
    part = bytes(range(256)) * 4096

    async def app(scope, receive, send):
        if scope["path"] == "/stream":
            await streaming(part, b"", part)(scope, receive, send)
        else:
            await reply(send, part)

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n" + GET + b"\r\n")
            await client.head()
            assert [await client.chunk() for _ in range(3)] == [part, part, b""]
            assert await client.answer() == (200, part)
            await client.close()

    run(scenario())


@pytest.mark.parametrize(
    "header",
    [
        pytest.param((b"x", b"a\r\nset-cookie: b"), id="line break"),
        pytest.param((b"x", b"a\nb"), id="LF"),
        pytest.param((b"x\r", b"a"), id="CR"),
        pytest.param((b"x", b"a\0"), id="NUL"),
    ],
)
def test_header_that_breaks_out_is_not_sent(run, pki, header, caplog):
    """The fault is the app's; the client gets nothing rather than a forged answer."""

    async def app(scope, receive, send):
        await reply(send, b"", headers=[header])

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(GET + b"\r\n")
            assert await client.reader.read() == b""
            await client.close()

    run(scenario())
    assert "line break" in caplog.text


@pytest.mark.parametrize("body", [b"too long a body", b"short"])
def test_body_of_another_length_than_stated(run, pki, body, caplog):
    """The connection ends, so that nothing of it is taken for another answer."""

    async def app(scope, receive, send):
        headers = [(b"content-length", b"9")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(GET + b"\r\n")
            assert await client.reader.read() == b""
            await client.close()

    run(scenario())
    assert "not the length" in caplog.text


def test_answers_carry_the_date(run, pki):
    """In the form of RFC 9110."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            await client.send(GET + b"\r\n")
            _, headers = await client.head()
            assert headers["date"].endswith(" gmt")
            await client.close()

    run(scenario())


# --- other protocols


def test_unknown_protocol_is_not_switched_to(run, pki):
    """The request is answered as the HTTP it is, and what follows as requests."""

    async def scenario():
        async with wire.serve(echo, pki) as harness:
            client = await harness.http1()
            await client.send(GET + b"Connection: upgrade\r\nUpgrade: x\r\n\r\n" + GET + b"\r\n")
            assert await client.answer() == (200, b"GET / ")
            assert await client.answer() == (200, b"GET / ")
            await client.close()

    run(scenario())


def test_app_takes_the_connection_over(run, pki):
    """What came behind the request comes first, then everything as it comes, both ways."""
    got = []

    async def app(scope, receive, send):
        connection = await scope["extensions"][UPGRADE]()
        await connection.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        while data := await connection.read():
            got.append(data)
            await connection.write(data.upper())

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            head = POST + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n"
            await client.send(head + b"first")
            assert (await client.head())[0] == 101
            assert await client.reader.readexactly(5) == b"FIRST"
            await client.send(b"GET / second" * 100_000)
            assert await client.reader.readexactly(1_200_000) == b"GET / SECOND" * 100_000
            await client.close()
            await harness.until_no_connections()

    run(scenario())
    assert got[0] == b"first"


def test_connection_that_was_taken_over_ends_with_the_app(run, pki):
    """Also where the app fails."""

    async def app(scope, receive, send):
        connection = await scope["extensions"][UPGRADE]()
        await connection.write(b"bye")

    async def scenario():
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await client.send(GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            assert await client.reader.read() == b"bye"
            await client.close()

    run(scenario())

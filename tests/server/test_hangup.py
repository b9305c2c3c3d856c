# SPDX-License-Identifier: Apache-2.0
"""A client that has gone away: what it asked for is not begun, and what is under way ends.

Over real sockets through all filters, so that what a server and a request know of each other is
what they know in the API server.
"""

from __future__ import annotations

import asyncio

import pytest
import wire

from pyk8s.auth import authorizer
from pyk8s.auth.user import UserInfo
from pyk8s.endpoints import filters, response
from pyk8s.server.stream import ON_DISCONNECT

PATH = "/api/v1/namespaces/ns/pods/%s"


class Everybody:
    """Known to be who they are, and allowed everything."""

    async def authenticate(self, credentials):
        return UserInfo("somebody")

    async def authorize(self, attributes):
        return authorizer.Decision.ALLOW, ""


class App:
    """Every filter in front of a handler that is held up where its name says so, and tells what
    it has begun, what has ended without an answer, and who has left."""

    def __init__(self, *, seats: int = 0) -> None:
        self.begun: list[str] = []
        self.cut: list[str] = []
        self.begins = asyncio.Condition()
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()
        self.go_on = asyncio.Event()
        everybody = Everybody()
        self._chain = filters.chain(
            self.handle,
            authenticate=everybody,
            authorize=everybody,
            limit=filters.InFlightLimit(seats, seats),
            request_timeout_seconds=60,
        )

    async def __call__(self, scope, receive, send):
        if scope["path"].endswith("leaves"):
            scope["extensions"][ON_DISCONNECT](self.gone.set)
            self.asked.set()
        await self._chain(scope, receive, send)

    async def until_begun(self, *names: str) -> None:
        async with self.begins:
            await self.begins.wait_for(lambda: self.begun == [*names])

    async def handle(self, request):
        name = request.info.name
        async with self.begins:
            self.begun.append(name)
            self.begins.notify_all()
        try:
            if name != "stays":
                await self.go_on.wait()
        except asyncio.CancelledError:
            self.cut.append(name)
            raise
        await response.send_bytes(request, b"done", content_type="text/plain")


async def ask(client, name: str):
    """As either protocol does; the answer is waited for by `answered`."""
    path = PATH % name
    if isinstance(client, wire.HTTP2Client):
        return await client.request("DELETE", path)
    await client.send(f"DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return None


async def answered(client, stream) -> int:
    if isinstance(client, wire.HTTP2Client):
        return await client.status(stream)
    return (await client.answer())[0]


@pytest.fixture(params=["http1", "http2"])
def protocol(request):
    return request.param


def test_request_of_a_lost_client_that_waits_for_its_turn_is_not_begun(run, pki, protocol):
    """It stands in the queue for a seat, the client dies, its turn comes: nothing happens."""

    async def scenario():
        app = App(seats=1)
        async with wire.serve(app, pki) as harness:
            first = await getattr(harness, protocol)()
            holding = await ask(first, "holds")
            leaving = await getattr(harness, protocol)()
            await ask(leaving, "leaves")
            await app.asked.wait()
            await leaving.close()
            await app.gone.wait()
            app.go_on.set()
            assert await answered(first, holding) == 200
            staying = await ask(first, "stays")
            assert await answered(first, staying) == 200
            await first.close()
            await harness.until_no_connections()
        assert app.begun == ["holds", "stays"]

    run(scenario())


def test_request_of_a_lost_client_is_ended_where_it_is(run, pki, protocol):
    """As Go's server cancels the context of its handler; the seat is free for the next."""

    async def scenario():
        app = App(seats=1)
        async with wire.serve(app, pki) as harness:
            leaving = await getattr(harness, protocol)()
            await ask(leaving, "leaves")
            await app.asked.wait()
            await app.until_begun("leaves")
            await leaving.close()
            following = await getattr(harness, protocol)()
            assert await answered(following, await ask(following, "stays")) == 200
            await following.close()
            await harness.until_no_connections()
        assert (app.begun, app.cut) == (["leaves", "stays"], ["leaves"])

    run(scenario())


def test_reset_of_a_stream_ends_its_request_alone(run, pki):
    """HTTP/2: the others on the connection go on."""

    async def scenario():
        app = App()
        async with wire.serve(app, pki) as harness:
            client = await harness.http2()
            held, leaving = await ask(client, "holds"), await ask(client, "leaves")
            await app.until_begun("holds", "leaves")
            client.h2.reset_stream(leaving)
            await client.flush()
            await app.gone.wait()
            app.go_on.set()
            assert await answered(client, held) == 200
            await client.close()
            await harness.until_no_connections()
        assert app.cut == ["leaves"]

    run(scenario())


def test_client_lost_before_the_request_is_looked_at(run, pki):
    """The request and the end of its connection were there together: it is not begun either."""

    async def scenario():
        app = App()
        chain = app._chain

        async def late(scope, receive, send):
            await app.gone.wait()
            await chain(scope, receive, send)

        app._chain = late
        async with wire.serve(app, pki) as harness:
            client = await harness.http1()
            await ask(client, "leaves")
            await app.asked.wait()
            await client.close()
            await app.gone.wait()
            await harness.until_no_connections()
        assert app.begun == []

    run(scenario())

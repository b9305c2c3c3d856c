# SPDX-License-Identifier: Apache-2.0
"""How long the other server may take, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from pyk8s.aggregator import apiservice
from pyk8s.aggregator.apiservice import ServiceReference
from pyk8s.aggregator.proxy import Proxy
from pyk8s.aggregator.resolver import Resolver
from pyk8s.apimachinery.errors import StatusError
from pyk8s.auth.user import UserInfo
from pyk8s.endpoints.filters import Deadline
from pyk8s.endpoints.forwarding import Changes
from pyk8s.endpoints.relay import Relay
from pyk8s.endpoints.request import Message, Request
from pyk8s.registry.locations import Location

ROOT = "/apis/wardle.example.com/v1alpha1"


class Hanging(Relay):
    """A server that says nothing."""

    async def pass_on(self, request: Request, location: Location, changes: Changes) -> None:
        await asyncio.Event().wait()


class Somewhere(Resolver):
    def __init__(self) -> None:
        pass

    async def resolve(self, reference: ServiceReference) -> Location:
        return Location(scheme="https", host="192.0.2.7", port=443)


def proxy() -> Proxy:
    spec = {
        "group": "wardle.example.com",
        "version": "v1alpha1",
        "service": {"namespace": "apart", "name": "sample"},
    }
    status = {"conditions": [{"type": "Available", "status": "True"}]}
    obj = {"metadata": {"name": "v1alpha1.wardle.example.com"}, "spec": spec, "status": status}
    return Proxy(
        service=apiservice.read(obj),
        resolver=Somewhere(),
        relay=Hanging(),
        says_who=lambda name: False,
    )


@pytest.mark.looptime
@pytest.mark.parametrize("path", [ROOT, f"{ROOT}/"])
async def test_discovery_that_hangs(path: str) -> None:
    """Discovery gets five seconds: all clients would wait for it."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "method": "GET", "path": path, "query_string": b"", "headers": [], "extensions": {}
    }  # fmt: skip
    request = Request(scope, receive, send)
    request.user = UserInfo("jane")
    began = asyncio.get_running_loop().time()
    await proxy().handle(request)
    assert asyncio.get_running_loop().time() - began == 5
    assert sent[0]["status"] == 503
    assert sent[1]["body"] == b"error trying to reach service: context deadline exceeded\n"


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("query", "seconds"),
    [pytest.param(b"", 60, id="list"), pytest.param(b"watch=1", None, id="watch")],
)
async def test_request_that_hangs(query: bytes, seconds: int | None) -> None:
    """Any other request has the time that requests have here; a watch has all there is."""
    scope = {
        "method": "GET",
        "path": f"{ROOT}/flunders",
        "query_string": query,
        "headers": [],
        "extensions": {},
    }

    async def nothing(*_: object) -> Message:
        return {"type": "http.request"}

    request = Request(scope, nothing, nothing)
    request.user = UserInfo("jane")
    handle = Deadline(60.0).filter(proxy().handle)
    began = asyncio.get_running_loop().time()
    with pytest.raises(StatusError if seconds else TimeoutError) as ended:
        async with asyncio.timeout(1000):
            await handle(request)
    took = asyncio.get_running_loop().time() - began
    assert took == (seconds or 1000)
    assert getattr(ended.value, "code", None) == (504 if seconds else None)

# SPDX-License-Identifier: Apache-2.0
"""What a client is told while etcd is slow, gone, without a leader or full; and that service goes
on afterwards, without a restart of the API server."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hack.survival import machines, wire

PATH = "/api/v1/namespaces/default/configmaps"
REQUEST_TIMEOUT_SECONDS = 1.5
FLAGS = [f"--request-timeout={REQUEST_TIMEOUT_SECONDS}s"]


def configmap(name: str, size: int = 10) -> dict:
    return {"metadata": {"name": name}, "data": {"filler": "x" * size}}


class Client:
    """Requests that must be answered in time, each on a connection of its own."""

    def __init__(self, server: machines.ApiServer) -> None:
        self.server = server.server

    async def __call__(self, method: str, path: str, body: dict | None = None) -> wire.Answer:
        connection = await wire.Connection.open(self.server)
        try:
            return await connection.request(method, path, body, seconds=20)
        finally:
            connection.close()

    async def create(self, name: str, size: int = 10) -> wire.Answer:
        return await self("POST", PATH, configmap(name, size))

    async def until_created(self, name: str) -> None:
        """A write succeeds again, soon."""
        async with asyncio.timeout(15):
            while True:
                if (await self.create(name)).status in (201, 409):
                    return
                await asyncio.sleep(0.02)


def assert_told(answer: wire.Answer, *statuses: int) -> dict:
    """A Status that says what is wrong, and when to come back."""
    status = answer.json()
    assert answer.status in statuses, answer
    assert (status["kind"], status["status"]) == ("Status", "Failure")
    assert status["code"] == answer.status
    assert status["message"]
    if answer.status != 504:
        # Upstream's own time-out says nothing of when.
        assert int(answer.headers["retry-after"]) > 0
        assert status["details"]["retryAfterSeconds"] == int(answer.headers["retry-after"])
    return status


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[machines.World]:
    world = machines.World(tmp_path)
    async with world.running():
        yield world


async def test_etcd_is_halted_then_killed(world: machines.World) -> None:
    """Nobody waits longer than the request may last; what may be old is still served; a watch
    goes on."""
    etcd = await world.start_etcd()
    server = await world.start_api_server("apiserver", FLAGS)
    client = Client(server)
    created = (await client.create("before")).json()
    revision = created["metadata"]["resourceVersion"]
    watching = await wire.Connection.open(client.server)
    _, events = await watching.stream(f"{PATH}?watch=1&resourceVersion={revision}")

    etcd.members[0].signal(signal.SIGSTOP)
    began = time.monotonic()
    answers = await asyncio.gather(
        client("GET", f"{PATH}/before"), client("GET", PATH), client.create("during"),
        client("DELETE", f"{PATH}/before"), client("GET", "/readyz"),
    )  # fmt: skip
    assert time.monotonic() - began < REQUEST_TIMEOUT_SECONDS + 3
    for answer in answers[:4]:
        assert assert_told(answer, 504)["reason"] == "Timeout"
    assert answers[4].status >= 500
    assert (await client("GET", f"{PATH}/before?resourceVersion=0")).json() == created
    etcd.members[0].signal(signal.SIGCONT)
    await client.until_created("after")

    await etcd.members[0].kill()
    began = time.monotonic()
    answers = await asyncio.gather(
        client("GET", f"{PATH}/before"), client("GET", PATH), client.create("again"),
        client("DELETE", f"{PATH}/before"),
    )  # fmt: skip
    assert time.monotonic() - began < REQUEST_TIMEOUT_SECONDS + 3
    for answer in answers:
        assert_told(answer, 500, 503)
    await etcd.members[0].start()
    await client.until_created("last")
    async with asyncio.timeout(10):
        async for line in events:
            if b'"last"' in line:
                break
    watching.close()


async def test_etcd_has_no_leader(world: machines.World) -> None:
    """One member of three cannot decide anything: no answer is made up, none is waited for."""
    etcd = await world.start_etcd(3)
    server = await world.start_api_server("apiserver", FLAGS)
    client = Client(server)
    assert (await client.create("before")).status == 201
    # A read from the cache alone may be older than the write; after this one it is not.
    assert (await client("GET", f"{PATH}/before")).status == 200
    await asyncio.gather(etcd.members[0].kill(), etcd.members[1].kill())
    for _ in range(2):
        began = time.monotonic()
        answers = await asyncio.gather(client("GET", f"{PATH}/before"), client.create("during"))
        assert time.monotonic() - began < REQUEST_TIMEOUT_SECONDS + 3
        for answer in answers:
            assert_told(answer, 500, 503, 504)
    assert (await client("GET", f"{PATH}/before?resourceVersion=0")).status == 200
    await asyncio.gather(etcd.members[0].start(), etcd.members[1].start())
    await client.until_created("after")
    assert (await client("GET", f"{PATH}/before")).status == 200


async def test_etcd_is_full(world: machines.World) -> None:
    """Writes are refused as long as etcd has no space, reads are not; once there is space, writes
    go on."""
    etcd = await world.start_etcd(flags=["--quota-backend-bytes=4000000"])
    server = await world.start_api_server("apiserver", FLAGS)
    client = Client(server)
    assert (await client.create("large")).status == 201
    for number in range(12):
        answer = await client("PUT", f"{PATH}/large", configmap("large", 900_000 + number))
        if answer.status != 200:
            break
        revision = answer.json()["metadata"]["resourceVersion"]
    assert "space" in assert_told(answer, 503)["message"]
    assert_told(await client.create("small"), 503)
    found = await client("GET", f"{PATH}/large")
    assert found.status == 200
    assert found.json()["metadata"]["resourceVersion"] == revision
    assert (await client("GET", f"{PATH}/small")).status == 404
    await _make_space(etcd.urls[0])
    await client.until_created("after")


async def _make_space(url: str) -> None:
    """What an operator does: compact, defragment, disarm."""
    status = await machines.gateway(url, "maintenance/status", {})
    revision = status["header"]["revision"]
    await machines.gateway(url, "kv/compaction", {"revision": revision, "physical": True})
    await machines.gateway(url, "maintenance/defragment", {})
    alarms = await machines.gateway(url, "maintenance/alarm", {"action": "GET"})
    for alarm in alarms["alarms"]:
        disarm = {"action": "DEACTIVATE", "alarm": alarm["alarm"], "memberID": alarm["memberID"]}
        await machines.gateway(url, "maintenance/alarm", disarm)

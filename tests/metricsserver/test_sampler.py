# SPDX-License-Identifier: Apache-2.0
"""Kubelets are asked while somebody asks, each in its time, and not at all otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pyk8s.client.lister import Lister
from pyk8s.client.store import NAMESPACE_INDEX, Indexer, by_namespace
from pyk8s.metricsserver.kubelets import KubeletOptions, ScrapeFailed, authority
from pyk8s.metricsserver.sampler import Sampler
from pyk8s.metricsserver.samples import NANO, Batch, Point
from pyk8s.metricsserver.scraper import Scraper

pytestmark = pytest.mark.looptime

Object = dict[str, Any]


def now() -> float:
    return asyncio.get_running_loop().time()


class Source:
    """A node that uses half a core, and when it was asked."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked: list[float] = []
        self.began = now()
        self._seconds = seconds

    async def scrape(self, seconds_max: float) -> Batch:
        self.asked.append(now() - self.began)
        await asyncio.sleep(self._seconds)
        at = int((1000 + now()) * NANO)
        return Batch({"a": Point(at, 0, at // 2, 5)})


@contextlib.asynccontextmanager
async def sampling(source: Source, resolution: float = 15.0) -> AsyncIterator[Sampler]:
    sampler = Sampler(source.scrape, resolution)
    running = asyncio.ensure_future(sampler.run())
    yield sampler
    running.cancel()
    await asyncio.wait({running})


async def test_nobody_asks() -> None:
    """Then no kubelet is asked either."""
    source = Source()
    async with sampling(source):
        await asyncio.sleep(3600)
        assert source.asked == []


async def test_first_question() -> None:
    """It waits for two samples, a second apart."""
    source = Source()
    async with sampling(source) as sampler:
        usage = (await sampler.fresh()).of_node("a")
        assert usage is not None
        assert (usage.window, usage.cpu) == (NANO, NANO // 2)
        assert source.asked == [0.0, 1.0]


async def test_goes_on_and_rests() -> None:
    """There is a sample every resolution for as long as is asked, and for some time more; after a
    rest the samples of before do not count."""
    source = Source()
    async with sampling(source) as sampler:
        for _ in range(5):
            await sampler.fresh()
            await asyncio.sleep(40)
        assert source.asked[:5] == [0.0, 1.0, 16.0, 31.0, 46.0]
        await asyncio.sleep(3600)
        last = source.asked[-1]
        assert last < 201 + 5 * 15
        usage = (await sampler.fresh()).of_node("a")
        assert usage is not None
        assert usage.window == NANO


async def test_slow_start() -> None:
    """A question is answered in time, if need be with nothing."""
    source = Source(seconds=30.0)
    async with sampling(source) as sampler:
        began = now()
        assert (await sampler.fresh()).of_node("a") is None
        assert now() - began == pytest.approx(10.0)


# --- one scrape


def listing(*objects: Object) -> Lister:
    indexer = Indexer({NAMESPACE_INDEX: by_namespace})
    for obj in objects:
        metadata = obj["metadata"]
        indexer.put((metadata.get("namespace", ""), metadata["name"]), obj)
    return Lister(indexer)


def node(name: str, ready: bool = True) -> Object:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


async def test_bounded() -> None:
    """No more than so many kubelets are asked at once, and all of them are."""
    at_once, most = 0, 0

    async def read(of: Object) -> Batch:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return Batch({of["metadata"]["name"]: Point(1, 0, 1, 1)})

    nodes = [node(f"n{number}") for number in range(500)]
    found = await Scraper(listing(*nodes), listing(), read).scrape(10.0)
    assert len(found.nodes) == 500
    assert most == 32


async def test_dead_nodes_come_last() -> None:
    """Those that do not answer keep nobody else out, and a scrape ends in time."""

    async def read(of: Object) -> Batch:
        if of["status"]["conditions"][0]["status"] != "True":
            await asyncio.sleep(10)
            raise ScrapeFailed("timeout to access kubelet")
        return Batch({of["metadata"]["name"]: Point(1, 0, 1, 1)})

    dead = [node(f"dead{number}", ready=False) for number in range(100)]
    began = now()
    found = await Scraper(listing(*dead, node("alive")), listing(), read).scrape(13.5)
    assert [*found.nodes] == ["alive"]
    assert now() - began == pytest.approx(13.5)


async def test_unknown_pods() -> None:
    """What a kubelet tells of pods that are not there is dropped."""
    pod = {"metadata": {"name": "p", "namespace": "n"}}
    point = {"c": Point(1, 0, 1, 1)}

    async def read(of: Object) -> Batch:
        return Batch({}, {("n", "p"): point, ("n", "gone"): point})

    found = await Scraper(listing(node("a")), listing(pod), read).scrape(10.0)
    assert [*found.pods] == [("n", "p")]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(KubeletOptions(), "host:10250", id="defaults"),
        pytest.param(KubeletOptions(use_node_status_port=True), "host:1234", id="its own port"),
        pytest.param(KubeletOptions(address_types=("InternalIP",)), "[::2]:10250", id="IPv6"),
        pytest.param(
            KubeletOptions(address_types=("ExternalIP",)),
            "no address matched types ExternalIP",
            id="none",
        ),
    ],
)
async def test_authority(options: KubeletOptions, expected: str) -> None:
    """Which address and port of a node is taken."""
    addresses = [("InternalIP", "::2"), ("Hostname", "host")]
    status = {
        "addresses": [{"type": type, "address": address} for type, address in addresses],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 1234}},
    }
    try:
        found = authority({"metadata": {"name": "a"}, "status": status}, options)
    except ScrapeFailed as error:
        found = str(error)
    assert found == expected
